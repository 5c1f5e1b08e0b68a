"""In: a case, or a path. Out: the path of the case's image; or the case that the path means."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter

from pdst.errors import GeneratorError
from pdst.types import Case

PATTERN = "{subject_id}/{image_id}/{caption_index}/{seed_index}"
"""The naming scheme, without suffix."""

IMAGE_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")

FIELDS = ("subject_id", "image_id", "caption_index", "seed_index")

_ID = "[A-Za-z0-9][A-Za-z0-9._-]*"
_KEY = re.compile(rf"({_ID})/({_ID})/c(0|[1-9]\d*)/s(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which image of a plan: a case without its text."""

    subject_id: str
    image_id: str
    caption_index: int
    seed_index: int

    @property
    def key(self) -> str:
        """As `Case.key`."""
        return f"{self.subject_id}/{self.image_id}/c{self.caption_index}/s{self.seed_index}"

    @classmethod
    def of_key(cls, key: str) -> "Place | None":
        """The place of a `Case.key`; None if the text is none."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        return cls(
            subject_id=match[1],
            image_id=match[2],
            caption_index=int(match[3]),
            seed_index=int(match[4]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A naming scheme: case -> path, and back.

    Attributes:
        stem: the pattern without suffix.
        suffixes: that a file may have, in the order in which they are tried.
    """

    stem: str
    suffixes: tuple[str, ...]

    @classmethod
    def parse(cls, pattern: str) -> "Scheme":
        """Check a pattern.

        Raises:
            GeneratorError: if it lacks a field, repeats one, has an unknown one, puts two side by
                side, or leaves the folder.
        """
        suffix = PurePosixPath(pattern).suffix
        one = suffix.lower() in IMAGE_SUFFIXES
        stem = pattern.removesuffix(suffix) if one else pattern
        first = Place(subject_id="a", image_id="b", caption_index=0, seed_index=0)
        try:
            parts = [(before, field) for before, field, _, _ in Formatter().parse(stem)]
            fields = [field for _, field in parts if field is not None]
            if sorted(fields) != sorted(FIELDS):
                raise GeneratorError(
                    f"pattern '{pattern}' has the fields {', '.join(fields) or 'none'}; wanted "
                    f"each of {', '.join(FIELDS)} once."
                )
            example = PurePosixPath(_filled(stem, first))
        except ValueError as error:
            raise GeneratorError(
                f"pattern '{pattern}' cannot be filled: {error}. Wanted one like {PATTERN}"
            ) from error
        if not all(before for before, _ in parts[1:]):
            raise GeneratorError(
                f"pattern '{pattern}' has two fields side by side, so that 1, 11 and 11, 1 are one "
                "name. Put something between them, best /."
            )
        if example.is_absolute() or ".." in example.parts:
            raise GeneratorError(f"pattern '{pattern}' leaves the folder. Wanted a path within it.")
        return cls(stem=stem, suffixes=(suffix,) if one else IMAGE_SUFFIXES)

    def paths(self, place: Case | Place) -> list[str]:
        """The relative paths at which an image may lie, likeliest first."""
        stem = _filled(self.stem, place)
        return [stem + suffix for suffix in self.suffixes]

    def place(self, relative: str, ids: tuple[str, str] = (_ID, _ID)) -> Place | None:
        """Which image a path holds; None if the path does not fit.

        Args:
            relative: with `/`.
            ids: regular expressions for subject and photo ids.
        """
        stem, dot, suffix = relative.rpartition(".")
        if f"{dot}{suffix}" not in self.suffixes:
            return None
        groups = dict(zip(FIELDS, (*ids, r"\d+", r"\d+"), strict=True))
        shape = "".join(
            re.escape(literal) + (f"(?P<{field}>{groups[field]})" if field else "")
            for literal, field, _, _ in Formatter().parse(self.stem)
        )
        match = re.fullmatch(shape, stem)  # `re` keeps the compiled shape
        if match is None:
            return None
        place = Place(
            subject_id=match["subject_id"],
            image_id=match["image_id"],
            caption_index=int(match["caption_index"]),
            seed_index=int(match["seed_index"]),
        )
        return place if _filled(self.stem, place) == stem else None  # "07" is not "7"


def _filled(stem: str, place: Case | Place) -> str:
    return stem.format(**{field: getattr(place, field) for field in FIELDS})
