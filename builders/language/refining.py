"""In: rows of captions. Out: the same in better English, by rules or by a model.

A refiner may reword; what it may not do is lose the subject or say more than a sentence. An answer
that does is thrown away, and the caption stays as it was, with the reason.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from builders.language.prompts import PLACEHOLDER, answer_text
from builders.language.rows import Called, CaptionRow, Key, by_image, called
from pdst.types import SLOT

LONGEST = 60
"""Words of a caption; CLIP reads some 55."""

RULES = "rules"
"""The refiner that needs no model."""


class Refiner(Protocol):
    """Something that puts captions into better English."""

    @property
    def name(self) -> str:
        """The model and its revision, or "rules", as written into the rows."""
        ...

    def refine(self, caption: str, subject: Called) -> str:
        """The caption, better; `[SUBJ]` in it stands for the subject and has to stay."""
        ...


@dataclass(frozen=True, slots=True)
class RulesRefiner:
    """Puts blanks, doubled words, the capital and the full stop right; rewords nothing."""

    name: str = RULES

    def refine(self, caption: str, subject: Called) -> str:
        """The caption, tidy."""
        del subject
        text = answer_text(caption)
        text = re.sub(r"\s+([,.;:!?])", r"\1", text)
        text = re.sub(r"\b(\w+)(\s+\1)+\b", r"\1", text, flags=re.IGNORECASE)
        text = re.sub(r"[\s,;:.]*$", "", text)
        if text and text[-1] not in "!?":
            text += "."
        return text[:1].upper() + text[1:]


def refine(
    rows: Iterable[CaptionRow],
    refiner: Refiner,
    subjects: Iterable[Called],
    *,
    done: Collection[Key] = (),
) -> Iterator[tuple[CaptionRow, ...]]:
    """Put captions into better English, an image at a time; save each as it comes.

    Rows without a text, and those that failed, stay as they are.

    Args:
        rows: of any number of images, in any order.
        refiner: what rewords them.
        subjects: what the subjects are called.
        done: images left out.

    Yields:
        The rows of one image.

    Raises:
        LanguageError: if the refiner cannot work at all, or a subject is not known.
    """
    known = tuple(subjects)
    for image in by_image(rows, done):
        subject = called(image[0].subject_id, known)
        yield tuple(_refined(row, refiner, subject) for row in image)


def _refined(row: CaptionRow, refiner: Refiner, subject: Called) -> CaptionRow:
    if not row.text or row.status == "failed":
        return row
    given = row.text.replace(SLOT, PLACEHOLDER)
    answer = answer_text(refiner.refine(given, subject))
    wrong = _wrong(given, answer)
    if wrong is not None:
        reason = f"{refiner.name} {wrong}: {answer!r}. The caption was kept as it was."
        return replace(row, status="refined", reason=reason)
    text = answer.replace(PLACEHOLDER, SLOT)
    reason = "" if text == row.text else f"was {row.text!r}"
    return replace(
        row, text=text, source=f"{row.source}, {refiner.name}", status="refined", reason=reason
    )


def _wrong(given: str, answer: str) -> str | None:
    """Why an answer may not stand for the caption."""
    if not answer:
        return "gave no answer"
    if answer.count(PLACEHOLDER) != given.count(PLACEHOLDER):
        return f"changed how often the subject is named ({PLACEHOLDER})"
    if len(answer.split()) > max(LONGEST, len(given.split())):
        return f"wrote more than {LONGEST} words"
    return None


def load_refiner(name: str) -> Refiner:
    """The refiner of a name.

    Args:
        name: "rules", or a language model's name on the Hub or folder; that needs torch. A model
            behind an endpoint is `builders.language.endpoint.EndpointRefiner`.

    Raises:
        LanguageError: if the model cannot be found or read.
    """
    if name == RULES:
        return RulesRefiner()
    from builders.language.local_refiner import load_local_refiner

    return load_local_refiner(name)
