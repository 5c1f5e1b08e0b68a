"""In: a HEIC file, as phones make them. Out: its picture, upright; its EXIF.

Read by pillow-heif, an optional part of the extra `build`, without registering it with Pillow:
nothing else in PDST starts to read HEIC. The rotation that counts is the container's own, which its
decoder applies; EXIF's orientation says the same once more and is not applied again.
"""

from typing import TYPE_CHECKING

from PIL import Image

from pdst.images import MAX_PIXELS, UnreadableImageError, to_rgb

if TYPE_CHECKING:
    from pillow_heif import HeifFile

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""What a HEIF container of HEVC pictures says that it is."""


def is_heic(data: bytes) -> bool:
    """Whether a file says that it is HEIC."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def decode_heic(data: bytes, name: str) -> Image.Image:
    """The main picture, as `pdst.images.decode_rgb` gives those of other formats.

    10 and 12 bits become 8.

    Args:
        data: the file.
        name: what to call it in an error.

    Raises:
        UnreadableImageError: if it is damaged, a decompression bomb, or pillow-heif is missing.
    """
    opened = _opened(data, name)
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(
            f"{name}: cannot be decoded: over {MAX_PIXELS} pixels. Store a smaller version."
        )
    try:
        return to_rgb(opened.to_pillow())
    except (ValueError, RuntimeError, OSError, EOFError) as error:
        raise _damaged(name, error) from error


def heic_exif(data: bytes, name: str) -> Image.Exif:
    """What its camera wrote.

    Raises:
        UnreadableImageError: as `decode_heic`.
    """
    exif = Image.Exif()
    exif.load(_opened(data, name).info.get("exif") or b"")
    return exif


def _opened(data: bytes, name: str) -> "HeifFile":
    try:
        import pillow_heif
    except ImportError as error:
        raise UnreadableImageError(
            f"{name}: cannot be decoded: a HEIC file, and pillow-heif is not installed. Run: pip "
            "install pillow-heif; or export the photo as JPEG."
        ) from error
    try:
        return pillow_heif.open_heif(data)
    except (ValueError, RuntimeError, OSError, EOFError) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> UnreadableImageError:
    return UnreadableImageError(
        f"{name}: cannot be decoded: damaged ({type(error).__name__}: {error}). Replace the file."
    )
