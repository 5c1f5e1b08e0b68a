"""In: chunks and a generator. Out: every case's image in the store, or a counted reason why not.

What is drawn together, and when it is kept. `pdst.artist` calls the generator; whatever that one
does stops no run (unless it is strict), and none of it is dropped: a case that failed is a row with
a reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from pdst.artist import Artist, without_image
from pdst.generator import Generator
from pdst.images import ImageFormat
from pdst.progress import Progress
from pdst.store import RunStore
from pdst.types import Benchmark, Case, Chunk, Drawn

Item = TypeVar("Item")

HUNG = "timeout: hung in native code; the process was ended"
NOT_TRIED = "not_tried: a call before it hung in native code; the process was ended"
"""The reason of a case that the next session draws, asked for or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How to draw; none of it decides a pixel, but for the rounding of floats in other batches.

    Attributes:
        batch: prompts a sample call, of one photo or of several of a subject.
        subjects_per_batch: subjects that a generator with `prepare` learns together.
        seconds_per_image: limit of a sample call, times its batch; None: no limit.
        seconds_per_subject: limit of learning a subject; None: no limit.
        strict: stop at the first failure.
        retry_failed: draw the cases that failed again.
        on_stuck: called, from another thread, when a call hangs in native code; gets a message.
            It should end the process: everything drawn so far is on disk by then.
    """

    batch: int = 8
    subjects_per_batch: int = 1
    seconds_per_image: float | None = 900.0
    seconds_per_subject: float | None = None
    strict: bool = False
    retry_failed: bool = False
    on_stuck: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Chunks of a subject that share batches, and the keys of their cases that are to be drawn."""

    chunks: Sequence[Chunk]
    wanted: frozenset[str]


def draw(
    chunks: Sequence[Chunk],
    benchmark: Benchmark,
    generator: Generator,
    store: RunStore,
    image_format: ImageFormat,
    options: DrawOptions,
    progress: Progress,
) -> None:
    """Draw every case that the store does not hold yet.

    A subject is learned once, just before its first missing case: alone, or together with those
    after it, where the generator can. Its chunks are drawn in groups that share batches; a group is
    kept as soon as it is drawn, and no more than one is held in memory.

    Raises:
        GeneratorError: with `strict`, at the first failure.
    """
    done = total = sum(len(chunk.cases) for chunk in chunks)
    unfinished: list[tuple[str, list[_Group]]] = []
    for subject_id, of_subject in groupby(chunks, key=lambda chunk: chunk.subject_id):
        missing = []
        for of_group in groups(of_subject, options.batch):
            wanted = [key for chunk in of_group for key in _wanted(chunk, store, options)]
            if wanted:
                missing.append(_Group(chunks=of_group, wanted=frozenset(wanted)))
                done -= len(wanted)
        if missing:
            unfinished.append((subject_id, missing))
    progress("draw", done, total)
    artist = Artist(
        generator,
        image_format,
        learned=store.learned,
        seconds_per_image=options.seconds_per_image,
        seconds_per_subject=options.seconds_per_subject,
        strict=options.strict,
        on_stuck=options.on_stuck,
    )
    learned = 0
    for together in _batched(unfinished, options.subjects_per_batch):
        subjects = [benchmark.subject(subject_id) for subject_id, _ in together]

        def learning(share: float, before: int = learned, now: int = len(together)) -> None:
            progress("learn", before + share * now, len(unfinished))

        artist.prepare(subjects, learning)
        learned += len(together)
        for subject, (_, missing) in zip(subjects, together, strict=True):
            artist.meet(subject)
            for group in missing:
                _draw_group(group, artist, store, options)
                done += len(group.wanted)
                progress("draw", done, total)


def groups(chunks: Iterable[Chunk], batch: int) -> Iterator[Sequence[Chunk]]:
    """The chunks of a subject, cut where batches that are full enough end.

    A group holds at least `batch` cases, as far as there are any, and as many more chunks as it
    takes until its batches are three quarters full on average: of 3 cases a photo, four photos are
    8 + 4, where three would be 8 + 1. So it holds fewer than three batches and a chunk.

    It follows from the plan alone, not from what is missing. So a run that goes on after a kill
    draws the batches that it would have drawn, and gets the same pixels, although floats round
    differently in a batch of another size.
    """
    group: list[Chunk] = []
    cases = 0
    for chunk in chunks:
        group.append(chunk)
        cases += len(chunk.cases)
        room = -(-cases // batch) * batch
        if cases >= batch and 4 * cases >= 3 * room:
            yield group
            group, cases = [], 0
    if group:
        yield group


def _draw_group(group: _Group, artist: Artist, store: RunStore, options: DrawOptions) -> None:
    """Draw what is wanted of a group, and keep it.

    An image is never drawn twice: it may have cost money. So a batch of which some are held (after
    a kill between two files of a group, or for a retry) is drawn without them; these batches alone
    may round their floats differently from those of a run that went through.
    """
    drawn: dict[str, Drawn] = {}

    def stuck(call: Sequence[Case]) -> None:
        if options.on_stuck is None:
            return
        hung = {case.key: without_image(case, HUNG) for case in call}
        try:
            _keep(group.chunks, drawn | hung, store)
        finally:  # also when the disk is full
            but = ", but without --retry-failed," if options.retry_failed else ""
            options.on_stuck(
                f"{call[0].key}: the generator hangs in native code and cannot be interrupted. "
                f"What was drawn is kept; give the same command again{but} to go on after the "
                f"{len(call)} cases of that call."
            )

    cases = [case for chunk in group.chunks for case in chunk.cases]
    for batch in _batched(cases, options.batch):
        wanted = [case for case in batch if case.key in group.wanted]
        if wanted:
            artist.draw(wanted, drawn, stuck)
    _keep(group.chunks, drawn, store)


def _keep(chunks: Sequence[Chunk], drawn: Mapping[str, Drawn], store: RunStore) -> None:
    """Write each chunk of which something was drawn, with what the store holds of it already.

    A file holds all cases of its chunk. After a hang there may be some that were never tried: those
    are marked, and the next session draws them. A chunk that was not begun is left as it is.
    """
    for chunk in chunks:
        ours = [case.key in drawn for case in chunk.cases]
        if any(ours):
            known = drawn if all(ours) else {**_held(chunk, store), **drawn}
            rows = [known.get(case.key) or without_image(case, NOT_TRIED) for case in chunk.cases]
            store.write_images(chunk, rows)


def _wanted(chunk: Chunk, store: RunStore, options: DrawOptions) -> list[str]:
    """The keys of a chunk's cases that are to be drawn; reads no image."""
    keys = [case.key for case in chunk.cases]
    if not store.has_images(chunk):
        return keys
    return [
        key
        for key, reason in zip(keys, store.failures(chunk), strict=True)
        if reason == NOT_TRIED or (reason and options.retry_failed)
    ]


def _held(chunk: Chunk, store: RunStore) -> dict[str, Drawn]:
    """What the store knows of a chunk's cases, by key; also of those that failed."""
    if not store.has_images(chunk):
        return {}
    return {drawn.case.key: drawn for drawn in store.images(chunk.subject_id, chunk.image_id)}


def _batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
