"""Photos that users bring: which files are photos, and how the pixels of one are read, whatever its format and mode."""

import io
import struct
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

HEIC_IS_READ = find_spec("pillow_heif") is not None
"""Whether the extra `heic` is installed."""
if HEIC_IS_READ:
    import_module("pillow_heif").register_heif_opener()
Image.init()

FORMATS = tuple(sorted(Image.OPEN.keys() - {"BUFR", "EPS", "GRIB", "HDF5", "IMT", "MCIDAS", "MPEG", "SPIDER", "WMF"}))
"""What Pillow reads here by itself: not EPS, for which it starts another program, nor what it only identifies."""
SUFFIXES = tuple(sorted(suffix for suffix, format_ in Image.registered_extensions().items() if format_ in FORMATS))
"""The suffixes of photos, in lower case."""
HEIC_SUFFIXES = (".heic", ".heics", ".heif", ".heifs", ".hif")
"""Photos of phones, which are read where pillow-heif is installed."""

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339
"""TIFF tags; the sample format 1 is unsigned integers."""
FULL_SCALES = (2**8 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1)
"""White in photos of 8, 16 and 32 bits."""

UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""How a photo with this EXIF orientation is put upright."""


PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IEND\xaeB`\x82"
JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive: what follows is the size of the image."""
JPEG_PLAIN = (0xDB, 0xC4, 0xDD, 0xE0, 0xFE)
"""What may come before: tables, the interval of restarts, JFIF and a comment."""


class NoFaceError(Exception):
    """A photo gives no face; the message is the reason that goes to the rejects table, in one line."""


def is_plain_face(photo: bytes, size: int) -> bool:
    """Tell whether an image is a whole JPEG or PNG of size x size px that needs nothing but to be decoded.

    Only its beginning and its end are looked at, because that takes 3 microseconds, and decoding it 300. Grey and RGB
    of 8 bits are plain; what has EXIF, a palette or transparency is not.
    """
    if photo.startswith(PNG_START):
        return photo[16:29] == struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0) and (
            photo[37:41] == b"IDAT" and photo.endswith(PNG_END)
        )
    return photo.rstrip(b"\0").endswith(b"\xff\xd9") and _jpeg_frame(photo) in ((size, size, 1), (size, size, 3))


def _jpeg_frame(photo: bytes) -> tuple[int, int, int] | None:
    """Return height, width and components of a JPEG; None where there is none, or it holds more than a plain image."""
    place = 2 if photo.startswith(b"\xff\xd8") else len(photo)
    while place + 10 <= len(photo) and photo[place] == 0xFF:
        marker, length = photo[place + 1], int.from_bytes(photo[place + 2 : place + 4])
        if marker in JPEG_FRAMES:
            bits, height, width, components = struct.unpack_from(">BHHB", photo, place + 4)
            return (height, width, components) if bits == 8 else None
        if marker not in JPEG_PLAIN:
            return None
        place += 2 + length
    return None


def read_photo(photo: bytes) -> np.ndarray:
    """Decode a photo of any size and mode, upright as its EXIF orientation says: uint8 RGB (H, W, 3), sRGB.

    Of EXIF only the orientation is read. Where EXIF is damaged, the photo is taken as it is stored; where the color
    profile is, its colors are taken for sRGB.

    Raises:
        NoFaceError: if it is not an image, is truncated, or is larger than Pillow thinks safe.
    """
    try:
        with Image.open(io.BytesIO(photo), formats=FORMATS) as image:
            image.load()
            orientation = _orientation(image)
            pixels = _rgb(image)
    except UnidentifiedImageError:
        raise NoFaceError(f"unreadable: {_unidentified(photo)}") from None
    except Image.DecompressionBombError:
        raise NoFaceError(f"too large: over {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} megapixels") from None
    except MemoryError:
        raise NoFaceError("too large: more than this machine's memory holds") from None
    except Exception as error:  # decoders raise what they like on a damaged file
        said = " ".join(str(error).split("(")[0].split()).rstrip(" :")[:200]
        if not said or not isinstance(error, OSError | SyntaxError | ValueError):
            said = f"{type(error).__name__} {said}".strip()  # the message alone may be a number
        raise NoFaceError(f"unreadable: {said}") from None
    if not pixels.size:
        raise NoFaceError("unreadable: no pixels")
    return np.ascontiguousarray(UPRIGHT[orientation](pixels) if orientation in UPRIGHT else pixels)


def _unidentified(photo: bytes) -> str:
    """Say what Pillow could not open: a known format that is damaged or of an unusual kind, or no image at all."""
    for format_ in FORMATS:
        accept = Image.OPEN[format_][1]
        try:
            if accept and accept(photo[:16]) is True:
                return f"a {format_} file that is damaged or of a kind that Pillow does not read"
        except Exception:  # too short a file
            continue
    return "not an image"


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, or 1 (as stored) where there is none that can be read."""
    try:
        value: Any = image.getexif().get(ORIENTATION)
        return int(value[0] if isinstance(value, tuple | list) else value)
    except (
        Exception
    ):  # a tag of another type, or EXIF that is damaged: TypeError, ValueError, struct.error, KeyError ...
        return 1


def _rgb(image: Image.Image) -> np.ndarray:
    """Return the pixels as uint8 RGB (H, W, 3). Deeper greys, which Pillow's `convert` would clip, are scaled."""
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    if image.mode.startswith("I;16"):
        bits = 12 if tags.get(BITS_PER_SAMPLE) == (12,) else 16
        grey = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
    elif image.mode == "F":
        grey = _scaled(np.asarray(image), (1, *FULL_SCALES))
    elif image.mode == "I":
        values = np.asarray(image)
        unsigned = tags.get(BITS_PER_SAMPLE) == (32,) and tags.get(SAMPLE_FORMAT, (1,)) == (1,)
        grey = _scaled(values.view(np.uint32) if unsigned else values, FULL_SCALES)
    else:
        return np.asarray(_srgb(image))
    return np.repeat(grey[..., None], 3, axis=2)


def _srgb(image: Image.Image) -> Image.Image:
    """Convert 8 bits of any mode to sRGB: by the color profile, where there is one that fits the mode."""
    profile = image.info.get("icc_profile")
    source = image.convert("RGB") if image.mode in ("P", "RGBA", "PA") else image
    if profile and source.mode in ("RGB", "CMYK", "L"):
        try:
            found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(source, found, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return converted or source
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def read_alpha(photo: bytes) -> np.ndarray | None:
    """Decode the transparency of a photo that `read_photo` reads: uint8 (H, W), 255 where it is opaque.

    Returns:
        None where the photo has none.
    """
    with Image.open(io.BytesIO(photo), formats=FORMATS) as image:
        if not image.has_transparency_data:
            return None
        orientation = _orientation(image)
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return np.ascontiguousarray(UPRIGHT[orientation](alpha) if orientation in UPRIGHT else alpha)


def _scaled(values: np.ndarray, whites: Sequence[int]) -> np.ndarray:
    """Scale 32-bit integers or floats to uint8, 0 to 255.

    The file does not say what white is. It is the least of `whites` that holds 99% of the pixels.
    """
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    bright = np.percentile(values, 99) if values.size else 0.0
    white = next((white for white in whites if bright <= white), whites[-1])
    return np.rint(np.clip(values / white, 0, 1) * 255).astype(np.uint8)
