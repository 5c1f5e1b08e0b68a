"""In: photos, and something that writes captions. Out: rows of captions, a photo at a time."""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from builders.language.distinct import near
from builders.language.prompts import answer_text
from builders.language.rows import Called, CaptionRow, Key, LanguageError, called
from pdst.digest import digest_json

WANTED = 10
"""Captions a test photo (the paper, section 3)."""

ROUNDS = 5
"""How often a model is asked before a person has to write what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """A photo to be captioned. `image` decodes it, upright RGB."""

    subject_id: str
    image_id: str
    image: Callable[[], Image.Image]

    @property
    def key(self) -> Key:
        """Subject id and image id."""
        return self.subject_id, self.image_id


class Captioner(Protocol):
    """Something that writes captions of a photo."""

    @property
    def name(self) -> str:
        """The model and its revision, as written into every row."""
        ...

    def write(self, photo: Pictured, subject: Called, *, count: int, seed: int) -> list[str]:
        """Some `count` answers, raw; fewer, empty and repeated ones are allowed.

        The same photo, count and seed give the same answers where the model's owner lets them.
        """
        ...


def caption(
    photos: Iterable[Pictured],
    captioner: Captioner,
    subjects: Iterable[Called],
    *,
    count: int = WANTED,
    seed: int = 0,
    rounds: int = ROUNDS,
    done: Collection[Key] = (),
) -> Iterator[tuple[CaptionRow, ...]]:
    """Write captions; save each photo's rows as they come, and give their keys back as `done`.

    What a model writes is made distinct: of answers that are nearly the same the first is kept,
    and the model is asked again. Captions that somebody wrote stay as they are.

    Args:
        photos: to be captioned, in this order.
        captioner: what writes.
        subjects: what the subjects are called.
        count: captions wanted a photo. What is missing in the end is a row with status "failed" and
            no text.
        seed: another one draws other captions.
        rounds: how often a model is asked at most.
        done: photos left out.

    Yields:
        `count` rows a photo, in the order of `photos`.

    Raises:
        LanguageError: if the captioner cannot work at all, or a subject is not known.
    """
    known = tuple(subjects)
    wanted = [photo for photo in photos if photo.key not in done]
    if isinstance(captioner, WrittenCaptions):
        captioner.require(photo.key for photo in wanted)
    for photo in wanted:
        subject = called(photo.subject_id, known)
        if isinstance(captioner, WrittenCaptions):
            texts = captioner.write(photo, subject, count=count, seed=seed)
        else:
            texts = _distinct(photo, subject, captioner, count=count, seed=seed, rounds=rounds)
        yield tuple(_row(photo, captioner, texts, index) for index in range(count))


def _distinct(
    photo: Pictured, subject: Called, captioner: Captioner, *, count: int, seed: int, rounds: int
) -> list[str]:
    """At most `count` captions no two of which are nearly the same."""
    texts: list[str] = []
    for turn in range(rounds):
        drawn = int(digest_json([seed, *photo.key, turn])[:8], 16)
        answers = captioner.write(photo, subject, count=count - len(texts), seed=drawn)
        for text in map(answer_text, answers):
            if text and len(texts) < count and not any(near(text, other) for other in texts):
                texts.append(text)
        if len(texts) == count:
            break
    return texts


def _row(photo: Pictured, captioner: Captioner, texts: list[str], index: int) -> CaptionRow:
    has_text = index < len(texts)
    number = f"{captioner.name} has {len(texts)} distinct captions of this photo"
    return CaptionRow(
        subject_id=photo.subject_id,
        image_id=photo.image_id,
        caption_index=index,
        text=texts[index] if has_text else "",
        source=captioner.name,
        status="captioned" if has_text else "failed",
        reason="" if has_text else f"{number}. Write this one by hand.",
    )


# --- captions that somebody wrote ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrittenCaptions:
    """A captioner that reads captions from a file. It shows no photo to anybody.

    Attributes:
        name: of the file.
        texts: subject id and image id -> captions.
    """

    name: str
    texts: Mapping[Key, tuple[str, ...]]

    def write(self, photo: Pictured, subject: Called, *, count: int, seed: int) -> list[str]:
        """The photo's captions, the first `count`; empty ones are left out."""
        del subject, seed  # they are what they are
        return [text for text in self.texts.get(photo.key, ()) if text][:count]

    def require(self, photos: Iterable[Key]) -> None:
        """Make sure that the file knows all photos.

        Raises:
            LanguageError: if it does not; it names all that are missing.
        """
        if missing := ["/".join(key) for key in photos if key not in self.texts]:
            raise LanguageError(
                f"{self.name} has no caption of {', '.join(missing)}. Add some of each, or leave "
                "the photo out."
            )


def read_captions(path: Path) -> WrittenCaptions:
    """Captions from a file.

    Args:
        path: JSON (`{"dog": {"03": ["A {} …", …]}}`, the paper's `{"0": "A {} …"}` in place of the
            list also works), or CSV with the columns subject_id, image_id, caption.

    Raises:
        LanguageError: if it cannot be read, or has another shape.
    """
    try:
        text = path.read_text("utf-8-sig")
        pairs = list(_from_csv(text) if path.suffix == ".csv" else _from_json(json.loads(text)))
    except (OSError, UnicodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LanguageError(
            f"{path} cannot be read as captions ({type(error).__name__}: {error}). Wanted: JSON, "
            '{"subject": {"image": ["caption", …]}}; or CSV with the columns subject_id, image_id, '
            "caption."
        ) from error
    texts: dict[Key, list[str]] = {}
    for key, caption_text in pairs:
        texts.setdefault(key, []).append(caption_text)
    return WrittenCaptions(path.name, {key: tuple(own) for key, own in texts.items()})


def _from_csv(text: str) -> Iterator[tuple[Key, str]]:
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield (row["subject_id"], row["image_id"]), row["caption"].strip()


def _from_json(
    value: Mapping[str, Mapping[str, list[str] | Mapping[str, str]]],
) -> Iterator[tuple[Key, str]]:
    for subject_id, images in value.items():
        for image_id, captions in images.items():
            for text in captions.values() if isinstance(captions, dict) else captions:
                yield (subject_id, image_id), text.strip()
