"""In: a benchmark and a protocol. Out: the cases, in one fixed order, cut into chunks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pdst.errors import DatasetError, PdstError, SettingsError, unknown_name
from pdst.types import ID_PATTERN, Benchmark, Case, Chunk, Protocol

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="paper", captions_per_photo=None, images_per_caption=5),
        Protocol(name="paper10", captions_per_photo=None, images_per_caption=10),
        Protocol(name="quick", captions_per_photo=1, images_per_caption=1),
    )
}
"""paper: section 5 of the paper (10 captions x 5 seeds; 10,000 images on 20 subjects). paper10: its
appendix 11 (10 seeds; contains paper's images). quick: 1 caption x 1 seed, while developing."""


def protocol(name: str) -> Protocol:
    """Look a protocol up.

    Raises:
        PdstError: if there is none of that name.
    """
    if name not in PROTOCOLS:
        raise PdstError(unknown_name("protocol", name, PROTOCOLS))
    return PROTOCOLS[name]


def plan(
    benchmark: Benchmark,
    protocol: Protocol,
    *,
    subjects: Sequence[str] | None = None,
    limit: int | None = None,
) -> tuple[Chunk, ...]:
    """Every image to draw, in the one order: subject, test photo, caption, seed.

    Args:
        benchmark: what to draw.
        protocol: how many captions a photo and seeds a caption.
        subjects: only these subject ids (in the benchmark's order, not in this one); None: all.
        limit: only the first so many images; None: all.

    Returns:
        One chunk a test photo. The plan of a larger protocol contains that of a smaller one.

    Raises:
        DatasetError: if a subject is unknown.
        SettingsError: if the limit is below 1, `subjects` is empty, or nothing is left to draw.
    """
    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}, wanted at least 1. Leave it out to draw all.")
    if subjects is not None and not subjects:
        raise SettingsError("subjects is empty. Name some, or leave it out to draw all.")
    for subject_id in subjects or ():
        benchmark.subject(subject_id)
    wanted = {s.subject_id for s in benchmark.subjects} if subjects is None else set(subjects)
    chunks: list[Chunk] = []
    for subject in benchmark.subjects:
        if subject.subject_id not in wanted:
            continue
        for test in benchmark.test_photos(subject.subject_id):
            cases = tuple(
                Case(
                    subject_id=subject.subject_id,
                    image_id=test.photo.image_id,
                    caption_index=caption_index,
                    seed_index=seed_index,
                    prompt=caption,
                )
                for caption_index, caption in enumerate(
                    test.captions[: protocol.captions_per_photo]
                )
                for seed_index in range(protocol.images_per_caption)
            )
            chunk = Chunk(subject_id=subject.subject_id, image_id=test.photo.image_id, cases=cases)
            chunks.append(chunk)
    _require_own_names(chunks)
    limited = _first(chunks, limit)
    if not limited:
        raise SettingsError(
            f"Nothing to draw: benchmark '{benchmark.name}' has no held-out photo with a caption "
            f"for {', '.join(sorted(wanted)) or 'any subject'}. Check the release with "
            "`pdst validate`."
        )
    return tuple(limited)


def _require_own_names(chunks: Sequence[Chunk]) -> None:
    """Releases on disk were checked when loaded; a Benchmark made in Python was not."""
    names = Counter(chunk.name.casefold() for chunk in chunks)
    for chunk in chunks:
        if names[chunk.name.casefold()] > 1:
            raise DatasetError(
                f"{chunk.name} is there twice (upper and lower case are not told apart on every "
                "disk). Give each test photo of a subject an id of its own."
            )
        for name in (chunk.subject_id, chunk.image_id):
            if not ID_PATTERN.fullmatch(name):
                raise DatasetError(
                    f"'{name}' cannot be an id, because ids become file names. Use letters, "
                    "digits, '.', '_' and '-', a letter or a digit first."
                )


def _first(chunks: Sequence[Chunk], limit: int | None) -> list[Chunk]:
    kept: list[Chunk] = []
    left = limit
    for chunk in chunks:
        if left == 0:
            break
        cases = chunk.cases if left is None else chunk.cases[:left]
        if left is not None:
            left -= len(cases)
        if cases:
            kept.append(replace(chunk, cases=cases))
    return kept
