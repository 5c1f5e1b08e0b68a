"""In: an image file as it came. Out: the photo that a release holds: upright, bare, not too large.

A file that is so already keeps its bytes, so that hashes given elsewhere stay true.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from builders.collect.heic import decode_heic, is_heic
from pdst.digest import digest_bytes
from pdst.images import READABLE, UnreadableImageError, decode_rgb

BITS_PER_SAMPLE = 258
"""TIFF tag."""

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}

_PLAIN_PNG_CHUNKS = frozenset({b"IHDR", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"cHRM", b"pHYs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A photo ready to be stored.

    Attributes:
        data: the file. suffix: ".jpg" or ".png".
        size: width and height, upright.
    """

    data: bytes
    suffix: str
    size: tuple[int, int]

    @property
    def sha256(self) -> str:
        """Of the file."""
        return digest_bytes(self.data)


def ingest(original: bytes, long_side: int, name: str = "photo") -> Ingested:
    """Make the stored photo: orientation applied, all metadata gone, JPEG 92 4:4:4 if changed.

    The same bytes on every machine with one version of Pillow and libjpeg.

    Args:
        original: of any format in `pdst.images.READABLE`, or HEIC.
        long_side: pixels of the longer side at most.
        name: what to call the file in an error.

    Raises:
        UnreadableImageError: if it is damaged, a decompression bomb, or has samples of 12 bits.
    """
    _refuse_odd_depth(original, name)
    heic = is_heic(original)
    image = decode_heic(original, name) if heic else decode_rgb(original, name)
    fits = max(image.size) <= long_side and not heic
    if fits and (suffix := _bare_suffix(original)):
        return Ingested(data=original, suffix=suffix, size=image.size)
    scale = min(1.0, long_side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, subsampling=0)
    return Ingested(data=buffer.getvalue(), suffix=".jpg", size=size)


def _refuse_odd_depth(data: bytes, name: str) -> None:
    """TIFFs of 12 bits, alone or in 16, come out nearly black: nothing scales them to 16."""
    if data[:4] not in {b"II*\0", b"MM\0*"}:
        return
    advice = "It would come out nearly black. Export it with 8 bits a sample, as JPEG or PNG."
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            bits = set(image.tag_v2.get(BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
            odd = bits - {1, 8, 16, 32}
            if not odd and image.mode.startswith("I;16") and np.asarray(image).max() < 4096:
                odd = {12}
    except Image.DecompressionBombError:
        return  # `decode_rgb` says so
    except Exception as error:  # Pillow's TIFF reader raises anything
        raise UnreadableImageError(
            f"{name}: cannot be decoded: a TIFF of a kind that Pillow does not read "
            f"({type(error).__name__}: {error}). Export it with 8 bits a sample, as JPEG or PNG."
        ) from error
    if odd:
        raise UnreadableImageError(f"{name}: has {max(odd)} bits a sample. {advice}")


def _bare_suffix(data: bytes) -> str | None:
    """The suffix of an upright 8-bit RGB file that holds pixels alone; None for any other."""
    with Image.open(io.BytesIO(data), formats=READABLE) as image:
        if image.mode != "RGB" or image.format not in SUFFIXES:
            return None
        if image.format == "JPEG":
            segments = {name for name, _ in getattr(image, "applist", [])}
            # What follows the end marker may be anything: a film, a second photo with its place.
            bare = segments <= {"APP0"} and data.find(b"\xff\xd9") == len(data) - 2
        else:
            bare = _png_chunks(data) <= _PLAIN_PNG_CHUNKS
        return SUFFIXES[image.format] if bare else None


def _png_chunks(data: bytes) -> set[bytes]:
    """The names of a PNG's chunks, and whatever follows the last as one."""
    names: set[bytes] = set()
    at = 8
    while at + 8 <= len(data) and b"IEND" not in names:
        names.add(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return names | ({b"trailing"} if at != len(data) else set())
