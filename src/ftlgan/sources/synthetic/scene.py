"""One photo of a person: expression, clothes, light, backdrop, camera and its flaws, all from a second seed."""

import io

import drjit as dr
import mitsuba as mi
import numpy as np
from PIL import Image

from ftlgan.sources.synthetic.anatomy import Bust
from ftlgan.sources.synthetic.hair import Ribbons
from ftlgan.sources.synthetic.identity import Identity, soft_step

mi.set_variant("scalar_rgb")  # the one variant that needs neither a GPU nor an LLVM on the machine
dr.set_thread_count(1)  # the processes of the pool fill the cores
mi.set_log_level(mi.LogLevel.Error)

SIZE = 250  # pixels
FIELD = 0.37  # what the photo spans at the face, metres: a face is about 100 pixels wide
FACE_CENTER = np.array([0.0, 0.03, -0.025])
SAMPLES = 5  # a pixel: what noise they leave is about that of the sensor
DEPTH = 2  # direct light only

NECK_DEPTH = 0.075  # of the neck's axis behind the eyes, metres
COLLAR_RADII, COLLAR_TOP = (0.062, 0.085), -0.130  # metres
CLOTH = 0.004  # thickness, metres


def photograph(bust: Bust, identity: Identity, rng: np.random.Generator) -> bytes:
    """Photograph a person.

    Args:
        bust: the surface that everybody shares.
        identity: the person.
        rng: the photo; the same state, the same photo to the byte.

    Returns:
        A JPEG file of SIZE x SIZE pixels.
    """
    vertices, colors = _dress(bust, _express(bust, identity, rng), identity.colors, rng)
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": DEPTH, "hide_emitters": True},
        "bust": _mesh(vertices, bust.faces, colors, identity.roughness, specular=0.35),
        **{f"hair{i}": _hair(ribbons) for i, ribbons in enumerate(identity.hair)},
        **_lights(rng),
        "camera": _camera(rng),
    }
    rendered = np.array(mi.render(mi.load_dict(scene), seed=mi.UInt32(rng.integers(1 << 31))))
    return _develop(rendered, _backdrop(rng), rng)


def _express(bust: Bust, identity: Identity, rng: np.random.Generator) -> np.ndarray:
    """Vertices of the halved mesh with a facial expression, shape (V, 3)."""
    smile, brows, blink = (max(0.0, rng.normal(*law)) for law in ((0.2, 0.3), (0.0, 0.25), (0.1, 0.12)))
    frown, jaw, sides = max(0.0, rng.normal(0.0, 0.2)), max(0.0, rng.normal(0.0, 0.08)), rng.uniform(0.85, 1.15)
    actions = {
        "mouthSmileLeft": smile,
        "mouthSmileRight": smile * sides,
        "cheekSquintLeft": 0.5 * smile,
        "cheekSquintRight": 0.5 * smile,
        "browInnerUp": brows,
        "browDownLeft": frown,
        "browDownRight": frown,
        "eyeBlinkLeft": blink,
        "eyeBlinkRight": blink,
        "jawOpen": jaw,
    }
    vertices = identity.shape.copy()
    for action, strength in actions.items():
        vertices += np.float32(min(strength, 0.8)) * bust.expressions[action]
    return bust.halve_edges(vertices)


def _dress(
    bust: Bust, vertices: np.ndarray, colors: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Clothe the shoulders up to a collar."""
    x, y, z = bust.template.T
    from_neck = np.hypot(x, y - NECK_DEPTH)
    collar = rng.uniform(*COLLAR_RADII)
    clothed = (soft_step((from_neck - collar) / 0.002) * soft_step((COLLAR_TOP - z) / 0.002))[:, None]
    color = 3 * rng.uniform(0.01, 0.5) * rng.dirichlet((7, 7, 7))
    outwards = np.stack([x, y - NECK_DEPTH, np.full_like(z, 0.1)], axis=1) / from_neck[:, None]
    return vertices + CLOTH * clothed * outwards, colors * (1 - clothed) + color.clip(0, 0.9) * clothed


def _camera(rng: np.random.Generator) -> dict[str, object]:
    yaw, pitch, roll = np.deg2rad(rng.normal(0, (22, 8, 4)).clip((-50, -20, -12), (50, 20, 12)))
    distance = rng.uniform(0.8, 2.5)
    towards = np.array([np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    target = FACE_CENTER + rng.normal(0, 0.008, 3)
    field = FIELD * rng.uniform(0.92, 1.1)
    return {
        "type": "perspective",
        "fov": float(np.rad2deg(2 * np.arctan(field / 2 / distance))),
        "to_world": mi.ScalarTransform4f().look_at(
            origin=(target + distance * towards).tolist(), target=target.tolist(), up=[np.sin(roll), 0, np.cos(roll)]
        ),
        "film": {
            "type": "hdrfilm",
            "width": SIZE,
            "height": SIZE,
            "pixel_format": "rgba",
            "rfilter": {"type": "gaussian"},
        },
        "sampler": {"type": "multijitter", "sample_count": SAMPLES},
    }


def _lights(rng: np.random.Generator) -> dict[str, object]:
    """A lamp or the sun from anywhere before the person, and what the surroundings throw back."""
    azimuth, elevation = np.clip(rng.normal(0, 0.9), -1.6, 1.6), rng.uniform(-0.1, 1.1)
    beam = -np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    warmth = rng.uniform(-0.12, 0.15)
    key = rng.uniform(0.6, 2.4) * np.array([1 + warmth, 1, 1 - warmth])
    ambient = rng.uniform(0.25, 0.8) * (1 + rng.normal(0, 0.04, 3))
    return {
        "key": {
            "type": "directional",
            "direction": beam.tolist(),
            "irradiance": {"type": "rgb", "value": key.tolist()},
        },
        "ambient": {"type": "constant", "radiance": {"type": "rgb", "value": ambient.tolist()}},
    }


def _backdrop(rng: np.random.Generator) -> np.ndarray:
    """Something out of focus, linear RGB, shape (SIZE, SIZE, 3): large soft patches around one colour."""
    base = rng.uniform(0.05, 0.75) * (1 + rng.normal(0, 0.12, 3))
    patches = base * np.exp(rng.normal(0, 0.35, (6, 6, 1))) * (1 + rng.normal(0, 0.08, (6, 6, 3)))
    encoded = Image.fromarray((255 * _encode(patches)).astype(np.uint8))
    blurred = np.asarray(encoded.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float64) / 255
    return blurred**2.2


def _develop(rendered: np.ndarray, backdrop: np.ndarray, rng: np.random.Generator) -> bytes:
    """From light to file: exposure, gamma, sensor noise, JPEG."""
    opacity = rendered[..., 3:].clip(0, 1)
    light = rng.uniform(0.8, 1.2) * (rendered[..., :3] + backdrop * (1 - opacity))
    noise = rng.normal(0, rng.uniform(0.004, 0.015), light.shape)
    pixels = (255 * (_encode(light) + noise)).round().clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(86, 95)))
    return file.getvalue()


def _encode(light: np.ndarray) -> np.ndarray:
    """Linear light to sRGB, 0..1 (IEC 61966-2-1)."""
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def _hair(ribbons: Ribbons) -> mi.Mesh:
    return _mesh(ribbons.vertices, ribbons.faces, ribbons.colors, 0.45, specular=0.4, normals=ribbons.normals)


def _mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    colors: np.ndarray,
    roughness: float,
    specular: float,
    normals: np.ndarray | None = None,
) -> mi.Mesh:
    """A mesh with a colour a vertex; without normals it is shaded smoothly."""
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(
        {
            "type": "twosided",
            "bsdf": {
                "type": "principled",
                "base_color": {"type": "mesh_attribute", "name": "vertex_color"},
                "roughness": roughness,
                "specular": specular,
            },
        }
    )
    mesh = mi.Mesh("mesh", len(vertices), len(faces), has_vertex_normals=True, props=properties)
    mesh.add_attribute("vertex_color", 3, colors.astype(np.float32).ravel())  # pyright: ignore[reportArgumentType]
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = vertices.astype(np.float32).ravel()
    parameters["faces"] = faces.ravel()
    if normals is not None:
        parameters["vertex_normals"] = normals.ravel()
    parameters.update()
    if normals is None:
        mesh.recompute_vertex_normals()
    return mesh
