"""In: encoded images. Out: thumbnails as data URIs, together within a budget, and photo credits."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from pdst.images import UnreadableImageError, decode_rgb
from pdst.types import Drawn, Photo

BUDGET = 10_000_000
"""Characters of all data URIs of a page together; it must open on a phone."""

SIZES = ((224, 75), (224, 50), (160, 40), (112, 30), (80, 20))
"""Longest side and WebP quality, tried in turn until a picture fits its share of the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One picture with what stands below it.

    Attributes:
        source: a data URI; None where there is no picture to show.
        lines: short texts ("DINO 0.612").
        problem: why there is no picture, or None.
        copy_of: the photo it is flagged as a copy of, or None.
    """

    source: str | None
    alt: str
    lines: tuple[str, ...] = ()
    problem: str | None = None
    copy_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Who took which of the photos shown, as their licence asks us to say."""

    author: str
    licence: str
    licence_url: str
    source: str
    photos: tuple[str, ...]


class Album:
    """Shrinks pictures. Each gets an equal share of the budget at most, so none is crowded out."""

    def __init__(self, pictures: int) -> None:
        """Make room for so many pictures."""
        self._share = BUDGET // max(pictures, 1)
        self._left = BUDGET
        self._credits: dict[tuple[str, str, str, str], list[str]] = {}

    def photo(self, name: str, photo: Photo) -> Tile:
        """A benchmark photo as a tile; its author is kept for the credits."""
        by = (photo.author, photo.licence, photo.licence_url, photo.source)
        shown = self._credits.setdefault(by, [])
        if name not in shown:
            shown.append(name)
        return self._tile(photo.encoded(), name, f"photo {name}")

    def drawn(
        self, drawn: Drawn | None, *, name: str, lines: Sequence[str], copy_of: str | None
    ) -> Tile:
        """A generated image as a tile, or a tile that says why there is no image."""
        alt = f"generated image {name}"
        if drawn is None:
            return Tile(source=None, alt=alt, problem="not in the run folder")
        if drawn.encoded is None:
            return Tile(source=None, alt=alt, problem=drawn.reason or "no image")
        return self._tile(drawn.encoded, name, alt, lines=tuple(lines), copy_of=copy_of)

    def credits(self) -> tuple[Credit, ...]:
        """Of all photos shown that name an author, a licence or a source."""
        return tuple(
            Credit(
                author=author, licence=licence, licence_url=url, source=source, photos=tuple(names)
            )
            for (author, licence, url, source), names in self._credits.items()
            if author or licence or url or source
        )

    def _tile(
        self,
        data: bytes,
        name: str,
        alt: str,
        *,
        lines: tuple[str, ...] = (),
        copy_of: str | None = None,
    ) -> Tile:
        try:
            source = self._thumbnail(decode_rgb(data, name))
        except UnreadableImageError:
            return Tile(source=None, alt=alt, lines=lines, problem="unreadable", copy_of=copy_of)
        problem = None if source else "left out to keep the page small"
        return Tile(source=source, alt=alt, lines=lines, problem=problem, copy_of=copy_of)

    def _thumbnail(self, image: Image.Image) -> str | None:
        for side, quality in SIZES:
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=quality, method=4)
            uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
            if len(uri) <= min(self._share, self._left):
                self._left -= len(uri)
                return uri
        return None
