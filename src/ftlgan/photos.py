"""Photos from users: which files are photos, and how to read the pixels of any format and mode."""

import io
import struct
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

HEIC_IS_READ = find_spec("pillow_heif") is not None
"""True if the extra `heic` is installed."""
if HEIC_IS_READ:
    import_module("pillow_heif").register_heif_opener()
Image.init()

FORMATS = tuple(sorted(Image.OPEN.keys() - {"BUFR", "EPS", "GRIB", "HDF5", "IMT", "MCIDAS", "MPEG", "SPIDER", "WMF"}))
"""The formats that Pillow reads by itself. Not EPS, which needs another program, or formats that it only identifies."""
SUFFIXES = tuple(sorted(suffix for suffix, format_ in Image.registered_extensions().items() if format_ in FORMATS))
"""The suffixes of photos, in lower case."""
HEIC_SUFFIXES = (".heic", ".heics", ".heif", ".heifs", ".hif")
"""The suffixes of HEIC photos, e.g. from phones. They can be read if pillow-heif is installed."""

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339
"""TIFF tags; the sample format 1 is unsigned integers."""
FULL_SCALES = (2**8 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1)
"""The values of white in photos of 8, 16 and 32 bits."""

UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""For each EXIF orientation, the function that turns a photo upright."""


PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IEND\xaeB`\x82"
JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
"""The markers of baseline, extended and progressive JPEG. The image's size follows them."""
JPEG_PLAIN = (0xDB, 0xC4, 0xDD, 0xE0, 0xFE)
"""The markers that may come before: tables, the restart interval, JFIF and comments."""


class NoFaceError(Exception):
    """A photo gives no face. The one-line message is the reason in the table of rejects."""


def is_plain_face(photo: bytes, size: int) -> bool:
    """Tell whether an image is a whole JPEG or PNG of size x size px that only needs decoding.

    An image is plain if it is gray or RGB, has 8 bits, and has no EXIF, palette or transparency. Only its start and its
    end are checked, which takes 3 microseconds; decoding takes 300.
    """
    if photo.startswith(PNG_START):
        return photo[16:29] == struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0) and (
            photo[37:41] == b"IDAT" and photo.endswith(PNG_END)
        )
    return photo.rstrip(b"\0").endswith(b"\xff\xd9") and _jpeg_frame(photo) in ((size, size, 1), (size, size, 3))


def _jpeg_frame(photo: bytes) -> tuple[int, int, int] | None:
    """Return the height, width and components of a JPEG; None if it is not a plain JPEG."""
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
    """Decode a photo of any size and mode, and apply its EXIF orientation: uint8 RGB (H, W, 3), sRGB.

    No other EXIF is read. If the EXIF is damaged, the photo is returned as stored; if the color profile is damaged, the
    colors are assumed to be sRGB.

    Raises:
        NoFaceError: if it is not an image, is truncated, or exceeds Pillow's limit for safe decoding.
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
    except Exception as error:  # decoders raise many types of errors on damaged files
        said = " ".join(str(error).split("(")[0].split()).rstrip(" :")[:200]
        if not said or not isinstance(error, OSError | SyntaxError | ValueError):
            said = f"{type(error).__name__} {said}".strip()  # the message alone may be a number
        raise NoFaceError(f"unreadable: {said}") from None
    if not pixels.size:
        raise NoFaceError("unreadable: no pixels")
    return np.ascontiguousarray(UPRIGHT[orientation](pixels) if orientation in UPRIGHT else pixels)


def _unidentified(photo: bytes) -> str:
    """Describe a file that Pillow could not open: a damaged or unusual file of a known format, or not an image."""
    for format_ in FORMATS:
        accept = Image.OPEN[format_][1]
        try:
            if accept and accept(photo[:16]) is True:
                return f"a {format_} file that is damaged or of a kind that Pillow does not read"
        except Exception:  # the file is too short
            continue
    return "not an image"


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, or 1 (as stored) if none can be read."""
    try:
        value: Any = image.getexif().get(ORIENTATION)
        return int(value[0] if isinstance(value, tuple | list) else value)
    except (
        Exception
    ):  # a tag of another type, or EXIF that is damaged: TypeError, ValueError, struct.error, KeyError ...
        return 1


def _rgb(image: Image.Image) -> np.ndarray:
    """Return the pixels as uint8 RGB (H, W, 3). Gray of over 8 bits, which Pillow's `convert` would clip, is scaled."""
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
    """Convert an 8-bit image of any mode to sRGB, by its color profile if there is one that fits the mode."""
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
    """Decode the transparency of a photo that `read_photo` can read.

    Returns:
        uint8 (H, W), 255 where the photo is opaque; None if the photo has no transparency.
    """
    with Image.open(io.BytesIO(photo), formats=FORMATS) as image:
        if not image.has_transparency_data:
            return None
        orientation = _orientation(image)
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return np.ascontiguousarray(UPRIGHT[orientation](alpha) if orientation in UPRIGHT else alpha)


def _scaled(values: np.ndarray, whites: Sequence[int]) -> np.ndarray:
    """Scale 32-bit integers or floats to uint8, 0 to 255.

    The file does not give the value of white. It is taken to be the smallest of `whites` that 99% of the pixels do not
    exceed.
    """
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    bright = np.percentile(values, 99) if values.size else 0.0
    white = next((white for white in whites if bright <= white), whites[-1])
    return np.rint(np.clip(values / white, 0, 1) * 255).astype(np.uint8)
