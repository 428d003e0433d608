"""Takes a photo of a synthetic person: expression, clothes, light, backdrop and camera come from a second seed."""

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from ftlgan.sources.synthetic import skin, wear
from ftlgan.sources.synthetic.anatomy import Bust
from ftlgan.sources.synthetic.backdrop import backdrop
from ftlgan.sources.synthetic.camera import Camera, Mesh, expose
from ftlgan.sources.synthetic.hair import Locks, grow
from ftlgan.sources.synthetic.identity import Identity
from ftlgan.sources.synthetic.light import Light, Strands, Surface, shine

SIZE = 250  # pixels
FIELD = 0.37  # width of the picture at the face, meters, so that a face is about 100 pixels wide
FACE_CENTER = np.array([0.0, 0.03, -0.025])

SKIN_SOFTNESS = np.array([0.28, 0.14, 0.09])  # red light scatters farthest in skin
SURROUNDINGS = 8  # directions of light from the surroundings
SPREAD = np.array([[i, j, 3 - i - j] for i in range(4) for j in range(4 - i)]) / 3  # points spread over a triangle
KEY_RAYS = 3  # directions within the width of a lamp


@dataclass(frozen=True)
class _Body:
    """The mesh in front of the camera."""

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    gloss: np.ndarray
    sharpness: np.ndarray
    softness: np.ndarray


def photograph(bust: Bust, identity: Identity, rng: np.random.Generator) -> bytes:
    """Photograph a person.

    Args:
        bust: the surface that everybody shares.
        identity: the person.
        rng: random numbers for the photo. The same state gives a byte-identical photo.

    Returns:
        A JPEG file of SIZE x SIZE pixels.
    """
    return _develop(*_expose(bust, identity, rng), rng)


def _expose(bust: Bust, identity: Identity, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture of the person, with the covered share of each pixel, (SIZE, SIZE, 4), and the backdrop."""
    towards = _viewpoint(rng)
    body, hair = _pose(bust, identity, towards, rng)
    background = backdrop(SIZE, rng)
    light = _light(background.mean(axis=(0, 1)), rng)
    surface = Surface(
        body.vertices,
        _casters(bust, body.vertices),
        _normals(body.vertices, body.faces),
        body.colors,
        body.gloss,
        body.sharpness,
        body.softness,
    )
    seen, seen_hair = shine(light, surface, _strands(hair), towards)
    meshes = [Mesh(body.vertices, body.faces, seen)]
    meshes += [Mesh(*locks.ribbons(towards), np.repeat(colors, 2, axis=0)) for locks, colors in _share(hair, seen_hair)]
    return expose(meshes, _camera(towards, rng), SIZE), background


def _viewpoint(rng: np.random.Generator) -> np.ndarray:
    """Draw the unit vector from the face to the camera, instead of a pose of the head."""
    yaw, pitch = np.deg2rad(rng.normal(0, (23, 10)).clip((-50, -22), (50, 22)))
    return np.array([np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)])


def _pose(bust: Bust, identity: Identity, towards: np.ndarray, rng: np.random.Generator) -> tuple[_Body, list[Locks]]:
    """Draw the person on the day of the photo: age, weight, expression, make-up, hair, hat, glasses, clothes."""
    at_rest = identity.shape + rng.uniform(-4, 4) * identity.ageing
    at_rest += rng.normal(0, 0.06) * identity.fattening
    face = bust.halve_edges(_express(bust, at_rest, rng))
    colors = skin.make_up(identity.colors, bust, identity.make_up * rng.random(), rng)
    skin.paint_eyes(colors, bust, identity.iris, _gaze(towards, rng))
    hatted, spectacled, dark = rng.random(3) < (0.04, 0.75, 0.02)

    vertices, scalp, extras = face, identity.scalp, [wear.teeth(bust, bust.halve_edges(at_rest))]
    if hatted:
        vertices, colors, covered, brim = wear.hat(bust, vertices, colors, rng)
        scalp = scalp * (1 - covered)
        extras += [brim] if brim else []
    if dark or (spectacled and identity.glasses):
        style = identity.glasses or wear.Glasses(0.026, 0.020, 2.5, 0.0018, np.array([0.012, 0.012, 0.012]))
        extras.append(wear.glasses(style, bust, face, dark))
    hair = _hair(bust, identity, vertices, scalp, rng)
    vertices, colors = wear.dress(bust, vertices, colors, rng)
    return _body(bust, identity, vertices, colors, extras), hair


def _express(bust: Bust, at_rest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the model's vertices with a random facial expression, shape (N, 3)."""
    smile = max(0.0, rng.normal(0.3, 0.4))
    brows, blink, frown = (max(0.0, rng.normal(*law)) for law in ((0.0, 0.25), (0.05, 0.12), (0.0, 0.2)))
    jaw, sides = max(0.0, rng.normal(-0.02, 0.10)), rng.uniform(0.85, 1.15)
    shows_teeth = rng.random() < 0.6
    actions = {
        "mouthSmileLeft": smile,
        "mouthSmileRight": smile * sides,
        "mouthUpperUpLeft": 0.5 * smile * shows_teeth,
        "mouthUpperUpRight": 0.5 * smile * shows_teeth,
        "mouthLowerDownLeft": 0.25 * smile * shows_teeth,
        "mouthLowerDownRight": 0.25 * smile * shows_teeth,
        "cheekSquintLeft": 0.5 * smile,
        "cheekSquintRight": 0.5 * smile,
        "browInnerUp": brows,
        "browOuterUpLeft": 0.7 * brows,
        "browOuterUpRight": 0.7 * brows,
        "browDownLeft": frown,
        "browDownRight": frown,
        "eyeBlinkLeft": blink,
        "eyeBlinkRight": blink,
        "jawOpen": jaw,
        "mouthPressLeft": max(0.0, rng.normal(-0.1, 0.2)),
        "mouthPucker": max(0.0, rng.normal(-0.2, 0.2)),
    }
    vertices = at_rest.copy()
    for action, strength in actions.items():
        if strength:
            vertices += min(strength, 0.8) * bust.expressions[action]
    return vertices


def _gaze(towards: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the direction of the gaze: mostly into the camera, within the limits of the eyes, sometimes elsewhere."""
    aim = towards if rng.random() < 0.7 else np.array([rng.normal(0, 0.3), -1.0, rng.normal(0, 0.12)])
    sideways, up = np.clip(aim[[0, 2]] / max(-aim[1], 0.3), (-0.45, -0.25), (0.45, 0.25))
    gaze = np.array([sideways, -1.0, up])
    return gaze / np.linalg.norm(gaze)


def _hair(
    bust: Bust, identity: Identity, vertices: np.ndarray, scalp: np.ndarray, rng: np.random.Generator
) -> list[Locks]:
    """Grow the hair and beard in the person's style, with small differences between photos."""
    style, length, volume = identity.hairstyle, rng.uniform(0.9, 1.12), rng.uniform(0.75, 1.3)
    style = replace(style, length=style.length * length, volume=style.volume * volume)
    wanted = [(scalp, style), (identity.jaw, identity.beard)]
    return [
        grow(vertices, bust.faces, where, how, identity.traits.hair, rng) for where, how in wanted if where.max() > 0.5
    ]


def _body(bust: Bust, identity: Identity, vertices: np.ndarray, colors: np.ndarray, extras: list[wear.Solid]) -> _Body:
    """Join skin, eyes, cloth and extras into one mesh, with the optical properties of each vertex."""
    count = sum(len(extra.vertices) for extra in extras)
    starts = len(vertices) + np.cumsum([0, *(len(extra.vertices) for extra in extras)])
    _, _, z = bust.template.T
    moist = np.where(bust.lips > 0.5, 1.3, 1.0)
    gloss = np.where(bust.eyeballs, 0.5, identity.gloss * moist * (z > wear.COLLAR_TOP))
    return _Body(
        vertices=np.concatenate([vertices, *(extra.vertices for extra in extras)]),
        faces=np.concatenate(
            [bust.faces, *(extra.faces + start for start, extra in zip(starts, extras, strict=False))]
        ).astype(np.uint32),
        colors=np.concatenate([colors, *(extra.albedo for extra in extras)]),
        gloss=np.concatenate([gloss, np.full(count, 0.6)]),
        sharpness=np.concatenate([np.where(bust.eyeballs, 120.0, 14.0), np.full(count, 60.0)]),
        softness=np.concatenate([np.where(bust.eyeballs[:, None], 0.05, SKIN_SOFTNESS), np.full((count, 3), 0.05)]),
    )


def _casters(bust: Bust, vertices: np.ndarray) -> np.ndarray:
    """Return all vertices, and points spread over the coarse triangles, which would otherwise let light through."""
    corners = vertices[bust.faces[: bust.coarse]]
    return np.concatenate([vertices, np.einsum("pk,fkc->pfc", SPREAD, corners).reshape(-1, 3)])


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return unit normals at the vertices, shape (V, 3): the mean of the triangles around each, weighted by area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    crosses = np.cross(b - a, c - a)
    corners = faces.T.ravel().astype(np.int64)
    sums = [np.bincount(corners, np.tile(crosses[:, axis], 3), len(vertices)) for axis in range(3)]
    normals = np.stack(sums, axis=1)
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)


def _strands(hair: list[Locks]) -> Strands:
    parts = [locks.strands() for locks in hair]
    nothing = np.zeros((0, 3))
    names = ("points", "tangents", "normals", "albedo", "casters")
    points = {name: np.concatenate([nothing, *(getattr(part, name) for part in parts)]) for name in names}
    return Strands(**points, areas=np.concatenate([nothing[:, 0], *(part.areas for part in parts)]))


def _share(hair: list[Locks], colors: np.ndarray) -> list[tuple[Locks, np.ndarray]]:
    """Split the colors of all points among the parts of the hair."""
    ends = np.cumsum([locks.points.shape[0] * locks.points.shape[1] for locks in hair])
    return list(zip(hair, np.split(colors, ends[:-1]), strict=True)) if hair else []


def _camera(towards: np.ndarray, rng: np.random.Generator) -> Camera:
    roll = np.deg2rad(np.clip(rng.normal(0, 5), -15, 15))
    distance = rng.uniform(0.6, 2.5)
    target = FACE_CENTER + rng.normal(0, 0.008, 3)
    field = FIELD * rng.uniform(0.92, 1.1)
    return Camera(target + distance * towards, target, np.array([np.sin(roll), 0, np.cos(roll)]), field)


def _light(background: np.ndarray, rng: np.random.Generator) -> Light:
    """Draw a lamp, the sun or a window, and surroundings that are brighter above and in front."""
    index = np.arange(SURROUNDINGS) + 0.5
    height, turn = 1 - 2 * index / SURROUNDINGS, np.pi * (1 + 5**0.5) * index + rng.uniform(0, 2 * np.pi)
    around = np.stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height], axis=1)
    room = np.array([1.05, 1.0, 0.92]) * (1 + rng.normal(0, 0.05, 3))
    behind = around[:, 1:2].clip(0, 1)
    sky = np.exp(rng.uniform(0.2, 1.0) * height[:, None] + rng.normal(0, 0.35, (SURROUNDINGS, 1)))
    surroundings = sky * ((1 - behind) * room + behind * background * 2) * rng.uniform(0.3, 0.9) * 2.2 / SURROUNDINGS

    azimuth, elevation = np.clip(rng.normal(0, 0.8), -1.6, 1.6), rng.uniform(0.0, 1.0)
    beam = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    width = rng.choice((0.02, 0.12, 0.3))
    rays = beam + rng.normal(0, width, (KEY_RAYS, 3))
    warmth = rng.uniform(-0.08, 0.22)
    key = rng.uniform(0.2, 1.6) * np.array([1 + warmth, 1, 1 - warmth]) / KEY_RAYS
    directions = np.concatenate([around, rays / np.linalg.norm(rays, axis=1, keepdims=True)])
    return Light(directions, np.concatenate([surroundings, np.tile(key, (KEY_RAYS, 1))]))


def _develop(rendered: np.ndarray, background: np.ndarray, rng: np.random.Generator) -> bytes:
    """Turn light into a file: exposure, tone curve, focus, sensor noise, JPEG."""
    opacity = rendered[..., 3:].clip(0, 1)
    middle = rendered[70:200, 60:190]
    metered = (0.3 * middle[..., 0] + 0.6 * middle[..., 1] + 0.1 * middle[..., 2]).mean()
    exposure = (0.2 / metered) ** 0.65 * rng.lognormal(0, 0.2)
    light = exposure * (rendered[..., :3] + background * (1 - opacity)) * (1 + rng.normal(0, 0.02, 3))
    shoulder = np.where(light < 0.6, light, 0.6 + 0.4 * np.tanh((light - 0.6) / 0.4))
    encoded = Image.fromarray((255 * _encode(shoulder)).round().astype(np.uint8))
    focused = np.asarray(encoded.filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 0.8))))
    noise = 255 * rng.uniform(0.003, 0.014) * rng.standard_normal(focused.shape)
    pixels = (focused + noise).round().clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(80, 95)))
    return file.getvalue()


def _encode(light: np.ndarray) -> np.ndarray:
    """Convert linear light to sRGB, 0..1 (IEC 61966-2-1)."""
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
