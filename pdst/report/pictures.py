"""In: finished runs, and the benchmark they were drawn for. Out: the few pictures a page can hold.

For each subject, the prompts with the highest, the middle and the lowest subject fidelity; and for
each run the clearest copies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pdst.report.album import Album, Credit, Tile
from pdst.report.rows import metric_title, number
from pdst.run import Run
from pdst.types import Benchmark, Drawn, Subject

MAX_PICTURES = 1_000
SEEDS_SHOWN = 5
COPIES_SHOWN = 6

RANKED_BY = "dino"
BELOW_IMAGES = ("dino", "clip_t")
"""The metrics printed below each image: one for the subject, one for the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One run's seeds of one prompt; `run` is the run's position."""

    run: int
    score: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPictures:
    """A held-out photo, a caption of it, and what every run drew from it.

    Attributes:
        rank: "highest", "middle" or "lowest" of the subject's prompts.
        before, noun, after: the prompt, cut around the subject.
        reference: the held-out photo; None without a benchmark.
    """

    rank: str
    photo: str
    caption_index: int
    before: str
    noun: str
    after: str
    reference: Tile | None
    strips: tuple[Strip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectPictures:
    """What a page shows of one subject."""

    subject_id: str
    about: str
    prompts: tuple[PromptPictures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPair:
    """An image flagged as a copy, beside the photo that it resembles."""

    image: Tile
    name: str
    photo: Tile | None
    photo_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """All pictures of a page.

    Attributes:
        copies: for each run, its clearest copies.
        seeds: how many seeds of a prompt are shown at most.
        left_out: subjects without pictures, for want of room.
    """

    subjects: tuple[SubjectPictures, ...]
    copies: tuple[tuple[CopyPair, ...], ...]
    credits: tuple[Credit, ...]
    seeds: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompt:
    rank: str
    image_id: str
    caption_index: int
    text: str


def choose_pictures(
    runs: Sequence[Run], tables: Sequence[pd.DataFrame], benchmark: Benchmark | None
) -> Pictures:
    """Choose, read and shrink what a page shows.

    Args:
        runs: for their images; one test photo's are in memory at a time.
        tables: the scores of each run.
        benchmark: for the photos and class nouns; None: ids stand in their place.
    """
    prompts = _choose_prompts(tables)
    copies = [_clearest_copies(table) for table in tables]
    room = MAX_PICTURES - 2 * sum(len(rows) for rows in copies)
    shown, seeds = _fit(prompts, len(runs), _seeds(tables), room)
    album = Album(_count(shown, len(runs), seeds) + MAX_PICTURES - room)
    return Pictures(
        subjects=tuple(
            _subject(subject_id, prompts[subject_id], runs, tables, benchmark, seeds, album)
            for subject_id in shown
        ),
        copies=tuple(
            tuple(_copy_pair(run, row, benchmark, album) for _, row in rows.iterrows())
            for run, rows in zip(runs, copies, strict=True)
        ),
        credits=album.credits(),
        seeds=seeds,
        left_out=len(prompts) - len(shown),
    )


def _choose_prompts(tables: Sequence[pd.DataFrame]) -> dict[str, list[_Prompt]]:
    """Rank each subject's prompts by their mean over seeds, then over runs."""
    by = ["subject_id", "image_id", "caption_index"]
    means = [
        table.groupby(by, sort=True).agg(score=(RANKED_BY, "mean"), prompt=("prompt", "first"))
        for table in tables
        if RANKED_BY in table.columns
    ]
    if not means:
        return {}
    ranked = (
        pd.concat(means)
        .groupby(by, sort=True)
        .agg(score=("score", "mean"), prompt=("prompt", "first"))
        .dropna(subset=["score"])
        .reset_index()
        .sort_values(["subject_id", "score", *by[1:]], ascending=[True, False, True, True])
    )
    chosen: dict[str, list[_Prompt]] = {}
    for subject_id, rows in ranked.groupby("subject_id", sort=True):
        places = {0: "highest", len(rows) - 1: "lowest", len(rows) // 2: "middle"}
        if len(rows) == 1:
            places = {0: "only"}
        elif len(rows) == 2:
            places = {0: "highest", 1: "lowest"}
        chosen[str(subject_id)] = [
            _Prompt(
                rank=places[place],
                image_id=str(rows["image_id"].iloc[place]),
                caption_index=int(rows["caption_index"].iloc[place]),
                text=str(rows["prompt"].iloc[place]),
            )
            for place in sorted(places)
        ]
    return chosen


def _clearest_copies(table: pd.DataFrame) -> pd.DataFrame:
    """The flagged images most like their photo, one for each photo of each subject."""
    flagged = table[table["copied"].fillna(False).astype(bool)]
    return (
        flagged.sort_values("copy_similarity", ascending=False, kind="stable")
        .drop_duplicates(["subject_id", "copy_photo"])
        .head(COPIES_SHOWN)
    )


def _seeds(tables: Sequence[pd.DataFrame]) -> int:
    most = max((int(table["seed_index"].max()) for table in tables if len(table)), default=0)
    return min(most + 1, SEEDS_SHOWN)


def _count(prompts: Mapping[str, Sequence[_Prompt]], runs: int, seeds: int) -> int:
    return sum(len(chosen) for chosen in prompts.values()) * (1 + runs * seeds)


def _fit(
    prompts: Mapping[str, Sequence[_Prompt]], runs: int, seeds: int, room: int
) -> tuple[dict[str, Sequence[_Prompt]], int]:
    """First show fewer seeds, then fewer subjects, until the pictures are few enough."""
    while seeds > 1 and _count(prompts, runs, seeds) > room:
        seeds -= 1
    shown = dict(prompts)
    while shown and _count(shown, runs, seeds) > room:
        shown.popitem()
    return shown, seeds


def _subject(
    subject_id: str,
    prompts: Sequence[_Prompt],
    runs: Sequence[Run],
    tables: Sequence[pd.DataFrame],
    benchmark: Benchmark | None,
    seeds: int,
    album: Album,
) -> SubjectPictures:
    subject = _find_subject(benchmark, subject_id)
    shown = []
    for prompt in prompts:
        before, _, after = prompt.text.partition("{}")
        name = f"{subject_id}/{prompt.image_id}"
        photo = _find_photo(benchmark, f"{subject_id}/test/{prompt.image_id}", album)
        shown.append(
            PromptPictures(
                rank=prompt.rank,
                photo=name,
                caption_index=prompt.caption_index,
                before=before,
                noun=subject.class_noun if subject else "{}",
                after=after,
                reference=photo,
                strips=tuple(
                    _strip(index, run, table, subject_id, prompt, seeds, album)
                    for index, (run, table) in enumerate(zip(runs, tables, strict=True))
                ),
            )
        )
    about = f"{subject.class_noun}, {subject.kind}" if subject else ""
    return SubjectPictures(subject_id=subject_id, about=about, prompts=tuple(shown))


def _strip(
    index: int,
    run: Run,
    table: pd.DataFrame,
    subject_id: str,
    prompt: _Prompt,
    seeds: int,
    album: Album,
) -> Strip:
    rows = table[
        (table["subject_id"] == subject_id)
        & (table["image_id"] == prompt.image_id)
        & (table["caption_index"] == prompt.caption_index)
    ].sort_values("seed_index")
    images = _images(run, subject_id, prompt.image_id)
    score = rows[RANKED_BY].mean() if RANKED_BY in rows.columns else None
    return Strip(
        run=index,
        score=f"{metric_title(RANKED_BY)} {_number(score)}",
        tiles=tuple(_tile(row, images, album) for _, row in rows.head(seeds).iterrows()),
    )


def _tile(row: pd.Series, images: Mapping[str, Drawn], album: Album) -> Tile:
    metrics = [metric for metric in BELOW_IMAGES if metric in row.index]
    return album.drawn(
        images.get(str(row["key"])),
        name=str(row["key"]),
        lines=[f"{metric_title(metric)} {_number(row[metric])}" for metric in metrics],
        copy_of=str(row["copy_photo"]) if pd.notna(row["copied"]) and row["copied"] else None,
    )


def _copy_pair(run: Run, row: pd.Series, benchmark: Benchmark | None, album: Album) -> CopyPair:
    images = _images(run, str(row["subject_id"]), str(row["image_id"]))
    key, photo = str(row["key"]), str(row["copy_photo"])
    similarity = f"similarity {_number(row['copy_similarity'])}"
    return CopyPair(
        image=album.drawn(images.get(key), name=key, lines=[similarity], copy_of=None),
        name=key,
        photo=_find_photo(benchmark, photo, album),
        photo_name=photo,
    )


def _images(run: Run, subject_id: str, image_id: str) -> dict[str, Drawn]:
    """The images of one test photo by case key; none if they were removed from the run folder."""
    if not run.images_path(f"{subject_id}/{image_id}").exists():
        return {}
    return {drawn.case.key: drawn for drawn in run.images(subject_id, image_id)}


def _find_subject(benchmark: Benchmark | None, subject_id: str) -> Subject | None:
    return None if benchmark is None else benchmark.subject(subject_id)


def _find_photo(benchmark: Benchmark | None, name: str, album: Album) -> Tile | None:
    """The photo "<subject>/<split>/<image>" as a tile; None if the benchmark is not at hand."""
    if benchmark is None:
        return None
    subject_id, split, image_id = name.split("/")
    photos = (
        benchmark.subject(subject_id).train
        if split == "train"
        else tuple(test.photo for test in benchmark.test_photos(subject_id))
    )
    found = next((photo for photo in photos if photo.image_id == image_id), None)
    return None if found is None else album.photo(f"{subject_id}/{image_id}", found)


def _number(value: object) -> str:
    return number(float(value) if isinstance(value, float) and not pd.isna(value) else None)
