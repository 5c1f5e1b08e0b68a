"""In: encoded images of any kind. Out: 8-bit sRGB pixels, upright, opaque; and back to bytes.

Every pixel trap that makes two scores differ is decided here, once:

* EXIF orientation is applied; the tag is then gone, as is all other metadata.
* Alpha (also a palette's) is composited over white, not dropped to whatever colour lies beneath.
* 16-bit grey is scaled to 8 bits (v / 257, rounded), not clipped. Of 16-bit colour, Pillow keeps
  the high byte. Float grey counts from 0 to 255.
* CMYK and YCCK become RGB as Pillow converts them; an embedded profile is not applied (CLIP's and
  DINO's own preprocessing ignore it, too).
* Of an animation, the first frame counts.

Resizing belongs to an encoder (`pdst.encoders`), because the filter is part of the metric.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pdst.errors import PdstError, unknown_name

RGB: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) uint8, sRGB, 0 is black."""

READABLE = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""File formats that are decoded. Not all that Pillow knows: for EPS it would start Ghostscript on
what strangers send."""

MAX_PIXELS = 89_478_485
"""More pixels than this may be a decompression bomb (where Pillow begins to warn)."""

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


class UnreadableImageError(PdstError):
    """Some bytes are not an image that can be decoded completely."""


def decode_rgb(data: bytes | memoryview, name: str = "image") -> Image.Image:
    """Decode an image file completely. Safe to call from threads.

    Args:
        data: an encoded image in one of the READABLE formats.
        name: what to call it in an error.

    Returns:
        An "RGB" image, upright, opaque, without metadata.

    Raises:
        UnreadableImageError: if the bytes are no image, are cut short, or hold over MAX_PIXELS.
    """
    return _decode(data, name, _WHITE)


def decode_mask(data: bytes | memoryview, name: str = "mask") -> Image.Image:
    """Decode a subject mask.

    Returns:
        An "L" image of 0 (background) and 255 (subject) only: values from 128 up are subject, what
        is transparent is background.

    Raises:
        UnreadableImageError: as `decode_rgb`.
    """
    grey = np.asarray(_decode(data, name, _BLACK).convert("L"))
    return Image.fromarray(np.where(grey >= 128, 255, 0).astype(np.uint8))


def _decode(data: bytes | memoryview, name: str, under: tuple[int, int, int]) -> Image.Image:
    # Warnings are not silenced: `warnings.catch_warnings` is not safe in threads.
    try:
        with Image.open(io.BytesIO(data), formats=READABLE) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            upright = ImageOps.exif_transpose(opened)
        return _opaque(upright, under)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(
            f"{name}: cannot be decoded: over {MAX_PIXELS} pixels. Store a smaller version."
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"{name}: cannot be decoded: {len(data)} bytes that are no image in one of the formats "
            f"{', '.join(READABLE)}. Replace the file."
        ) from error
    except MemoryError:  # says nothing about the file
        raise
    except Exception as error:  # Pillow's format plug-ins raise anything on damaged files
        raise UnreadableImageError(
            f"{name}: cannot be decoded: damaged ({type(error).__name__}: {error}). "
            "Replace the file."
        ) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as a new opaque 8-bit "RGB" one by the rules above, without metadata.

    EXIF is not looked at: what is in memory counts as upright.

    Raises:
        ValueError: if a float image holds NaN or infinity.
    """
    return _opaque(image, _WHITE)


def _opaque(image: Image.Image, under: tuple[int, int, int]) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = _eight_bits(values / 257.0)
        clear = image.info.get("transparency")
        if isinstance(clear, int):  # the one grey that a 16-bit PNG calls transparent
            grey[values == clear] = under[0]
        made = Image.fromarray(grey).convert("RGB")
    elif image.mode == "F":
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ValueError("a float image holds NaN or infinity")
        made = Image.fromarray(_eight_bits(values)).convert("RGB")
    elif image.has_transparency_data:
        straight = image.convert("LA") if image.mode == "La" else image
        over = straight.convert("RGBA")
        ground = Image.new("RGBA", over.size, (*under, 255))
        made = Image.alpha_composite(ground, over).convert("RGB")
    else:
        made = image.convert("RGB")  # a copy, also of an RGB image
    made.info.clear()
    return made


def _eight_bits(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    eight: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return eight


def pixel_digest(image: Image.Image) -> str:
    """sha256 of an RGB image's size and pixels: the identity of what an encoder sees.

    Two files with the same pixels (a PNG and a lossless WebP of it) share it.
    """
    rgb = image if image.mode == "RGB" else to_rgb(image)
    digest = hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """How generated images are kept. Scores are always computed from the kept bytes."""

    name: Literal["png", "webp", "jpeg"]
    lossless: bool

    def encode(self, image: Image.Image) -> bytes:
        """An image as bytes; the same pixels give the same bytes with one Pillow version.

        Nothing but pixels is written: Pillow would also write a profile, a resolution or a comment
        that came along with an input.
        """
        bare = to_rgb(image)
        buffer = io.BytesIO()
        match self.name:
            case "png":  # level 1: three times faster than 6 for a twentieth more bytes
                bare.save(buffer, "PNG", compress_level=1)
            case "webp":  # effort 0: eight times faster than 50 for a tenth more bytes
                bare.save(buffer, "WEBP", lossless=True, quality=0, method=0, exact=True)
            case "jpeg":
                bare.save(buffer, "JPEG", quality=95, subsampling=0)
        return buffer.getvalue()


FORMATS: dict[str, ImageFormat] = {
    "png": ImageFormat(name="png", lossless=True),
    "webp": ImageFormat(name="webp", lossless=True),
    "jpeg": ImageFormat(name="jpeg", lossless=False),
}


def image_format(name: str) -> ImageFormat:
    """Look a format up: "png" (default everywhere), "webp" (lossless) or "jpeg" (95, 4:4:4).

    Raises:
        PdstError: for any other name.
    """
    if name not in FORMATS:
        raise PdstError(unknown_name("image format", name, FORMATS))
    return FORMATS[name]
