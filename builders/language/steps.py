"""In: rows of captions. Out: neutralized, then checked rows, an image at a time."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from builders.language.distinct import repeated
from builders.language.leaks import Leak, find_leaks
from builders.language.neutral import neutralize_caption
from builders.language.rows import Called, CaptionRow, Key, Status, by_image, called


def neutralize(
    rows: Iterable[CaptionRow], subjects: Iterable[Called], *, done: Collection[Key] = ()
) -> Iterator[tuple[CaptionRow, ...]]:
    """Put `{}` for the subject in every caption, and take out what identifies it.

    A caption that rules cannot mend has status "failed", and its reason says what to do.

    Args:
        rows: of any number of images, in any order.
        subjects: what the subjects are called.
        done: images left out.

    Yields:
        The rows of one image.

    Raises:
        LanguageError: if a subject is not known, or no English model is installed.
    """
    known = tuple(subjects)
    for image in by_image(rows, done):
        subject = called(image[0].subject_id, known)
        yield tuple(_neutralized(row, subject) for row in image)


def _neutralized(row: CaptionRow, subject: Called) -> CaptionRow:
    if not row.text:
        return replace(row, status="failed", reason=row.reason or "no caption. Write one.")
    neutral = neutralize_caption(row.text, subject)
    said = "; ".join(neutral.changes)
    return replace(
        row,
        text=neutral.text,
        status="failed" if neutral.problem else "neutralized",
        reason=f"{neutral.problem} ({said})"
        if neutral.problem and said
        else neutral.problem or said,
    )


def check(
    rows: Iterable[CaptionRow], subjects: Iterable[Called], *, done: Collection[Key] = ()
) -> Iterator[tuple[CaptionRow, ...]]:
    """Look for leaks in every caption, and for captions of an image that repeat one another.

    Texts stay as they are. Status: "failed" with a hard leak, "warned" with a soft one or a
    repetition (the paper's own captions have both), else "passed". The reason lists them all.

    Args:
        rows: of any number of images, in any order.
        subjects: what the subjects are called.
        done: images left out.

    Yields:
        The rows of one image.

    Raises:
        LanguageError: if a subject is not known, or no English model is installed.
    """
    known = tuple(subjects)
    for image in by_image(rows, done):
        subject = called(image[0].subject_id, known)
        leaks = [find_leaks(row.text, subject) for row in image]
        repetitions = repetition_leaks(image)
        yield tuple(
            _checked(row, (*found, *repetitions.get(row.caption_index, ())))
            for row, found in zip(image, leaks, strict=True)
        )


def repetition_leaks(image: tuple[CaptionRow, ...]) -> dict[int, tuple[Leak, ...]]:
    """Soft leaks for captions of one image that repeat an earlier one, by caption index."""
    found: dict[int, tuple[Leak, ...]] = {}
    for later, (earlier, same) in repeated([row.text for row in image]).items():
        row, first = image[later], image[earlier]
        code, how = ("duplicate", "is") if same else ("near-duplicate", "is nearly")
        message = f"it {how} caption {first.caption_index} again. Write another one."
        found[row.caption_index] = (Leak(level="soft", code=code, word=row.text, message=message),)
    return found


def _checked(row: CaptionRow, leaks: tuple[Leak, ...]) -> CaptionRow:
    if not row.text and row.reason:
        return replace(row, status="failed")
    status: Status = "passed"
    if leaks:
        status = "failed" if any(leak.level == "hard" for leak in leaks) else "warned"
    return replace(row, status=status, reason=" ".join(_sentence(leak) for leak in leaks))


def _sentence(leak: Leak) -> str:
    return f"{leak.level} {leak.code}: {leak.message}"
