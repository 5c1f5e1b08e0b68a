"""In: an accepted entry and its images, or our own run of its code. Out: its tier, or a refutation.

*rescored*: every drawn image was given, hashes as its row says, and has the row's scores when pdst
scores it here. A sample that agrees is counted and raises no tier; one wrong row, sampled or not,
takes the entry off the board. *regenerated*: our own run of the code agrees within REPRODUCED.
Needs the extra `eval`.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from leaderboard.judge import Judge, header_key
from leaderboard.log import Event, read_log, standings, write_log
from leaderboard.place import Board
from pdst.dataset import load
from pdst.digest import Json
from pdst.embed import (
    EmbedOptions,
    Encoders,
    Memory,
    embed_chunks,
    embed_references,
    embed_texts,
)
from pdst.encoders import load_clip, load_dino
from pdst.errors import PdstError, SubmissionError
from pdst.images import decode_rgb, pixel_digest
from pdst.keys import key_differences, run_key
from pdst.metrics import METRICS
from pdst.progress import silent
from pdst.run import Run
from pdst.score import run_texts, score, score_schema
from pdst.store import RunStore, writing
from pdst.submission.bundle import Bundle
from pdst.submission.check import Wanted
from pdst.submission.making import RunImages
from pdst.submission.reading import bundle_images, read_bundle
from pdst.summarize import subject_means, values
from pdst.types import Benchmark, Case, Chunk, Drawn

ROW = 2e-3
"""Scores of one image by two machines differ by less: other kernels, TF32, another library."""

MEAN = 2e-4
"""And on average by less than this; an edit of all rows a little is more."""

REPRODUCED = 0.01
"""Macro means of two runs of one method's code lie so near."""

HEADLINE = ("clip_t", "clip_i", "dino")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An entry on this machine, and what it is of."""

    bundle: Bundle
    path: Path
    wanted: Wanted


@contextmanager
def opened(board: Board, digest: str, releases: Sequence[str]) -> Iterator[Opened]:
    """Fetch an accepted entry.

    Raises:
        SubmissionError: if it is not on the board, or its release is not among these.
    """
    standing = standings(read_log(board)).get(digest)
    if standing is None or standing.event != "accepted":
        what = "unknown" if standing is None else standing.event
        raise SubmissionError(f"{digest} is not on the board: it is {what}.")
    found = [load(source) for source in releases]
    judge = Judge(releases={release.fingerprint: release for release in found})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{digest}.parquet"
        board.fetch(digest, path)
        bundle = read_bundle(path)
        wanted = judge.wanted(bundle.header)
        if bundle.digest != digest or wanted is None:
            raise SubmissionError(
                f"{digest} is no entry of these releases: {', '.join(releases)}. "
                "Say which with --benchmark."
            )
        yield Opened(bundle=bundle, path=path, wanted=wanted)


def load_scorers(
    board: Board,
    digest: str,
    releases: Sequence[str],
    *,
    clip: str | None,
    dino: str | None,
    device: str,
) -> Encoders:
    """The encoders that an entry states, from weights that the board trusts.

    Raises:
        SubmissionError: if these weights are not the stated ones.
    """
    with opened(board, digest, releases) as entry:
        stated = entry.bundle.header.encoders
    packaged = stated.clip.weights == "miniature"
    found = Encoders(
        clip=load_clip(clip or ("miniature" if packaged else "openai"), device=device),
        dino=load_dino(dino or ("miniature" if packaged else "dino"), device=device),
    )
    for encoder, wanted in zip(found.all(), (stated.clip, stated.dino), strict=True):
        if encoder.spec.digest != wanted.digest:
            raise SubmissionError(
                f"The entry was scored with {wanted.title} ({wanted.digest[:12]}), these weights "
                f"are {encoder.spec.title} ({encoder.spec.digest[:12]}). Give --clip and --dino."
            )
    return found


def rescored(
    board: Board,
    digest: str,
    releases: Sequence[str],
    encoders: Encoders,
    *,
    run: Run | None = None,
    by: str = "board",
) -> Event:
    """Score an entry's images here, compare, and write the finding into the log.

    Args:
        board: where it stands.
        digest: which entry.
        releases: that the board knows.
        encoders: those that the entry states.
        run: a run folder with the images; None: those attached to the entry.
        by: who checks.

    Raises:
        SubmissionError: if there is no image to look at.
    """
    with opened(board, digest, releases) as entry:
        rows = entry.bundle.rows.to_pandas().set_index("key", drop=False)
        name = entry.bundle.header.method.name
        try:
            images = _images(entry, rows, run)
            if not images:
                raise SubmissionError(
                    "No image is given. Ask for a submission with --images all, or for the run "
                    "folder, and give it with --images RUN."
                )
            again = _scores(entry, rows, images, encoders)
            wrong = list(_disagreements(rows, again))
        except _WrongImageError as error:
            wrong, again = [str(error)], pd.DataFrame()
    drawn = int(rows["pixels"].notna().sum())
    if wrong:
        event = Event(event="refuted", digest=digest, name=name, reason="; ".join(wrong), by=by)
    else:
        whole = len(again) == drawn
        event = Event(
            event="verified",
            digest=digest,
            name=name,
            tier="rescored" if whole else None,
            checked_images=len(again),
            reason=f"{len(again)} of {drawn} images scored here, all as their rows say",
            by=by,
        )
    write_log(board, [event])
    return event


def regenerated(
    board: Board, digest: str, ours: Run, releases: Sequence[str], *, by: str = "board"
) -> Event:
    """Compare an entry with our own run of its method, and write the finding into the log.

    Another machine draws other pixels, so means are compared. Disagreement refutes nothing by
    itself; the log says it, and the tier stays.

    Raises:
        SubmissionError: if our run is of another key, method or revision.
    """
    with opened(board, digest, releases) as entry:
        header, theirs = entry.bundle.header, entry.bundle.rows.to_pandas()
    info = cast("dict[str, dict[str, dict[str, Json]]]", ours.record["settings"])
    mine = (info["generator"]["info"]["name"], info["generator"]["info"]["revision"])
    differences = key_differences(header_key(header), run_key(ours))
    if mine != (header.method.name, header.method.revision):
        differences.append(f"method: {header.method.name} {header.method.revision} and {mine}")
    if differences:
        raise SubmissionError(f"{ours.path} is no run of this entry: {'; '.join(differences)}.")
    scores = ours.scores()
    lines, agree = [], True
    for metric in HEADLINE:
        one, other = (_macro(table, metric) for table in (theirs, scores))
        agree &= abs(one - other) <= REPRODUCED
        lines.append(f"{metric} {one:.4f} there and {other:.4f} here")
    event = Event(
        event="verified",
        digest=digest,
        name=header.method.name,
        tier="regenerated" if agree else None,
        reason=f"our own run {'agrees' if agree else 'does not agree'}: {', '.join(lines)}",
        by=by,
    )
    write_log(board, [event])
    return event


class _WrongImageError(PdstError):
    """An image is not the one that its row says."""


def _images(entry: Opened, rows: pd.DataFrame, run: Run | None) -> dict[str, bytes]:
    """The given images of drawn cases, each seen to be its row's."""
    given: Iterable[tuple[str, bytes]]
    if run is None:
        given = bundle_images(entry.path)
    else:
        read = RunImages(run)
        given = ((key, read(key)) for key in rows["key"][rows["pixels"].notna()])
    images = {}
    for key, data in given:
        try:
            digest = pixel_digest(decode_rgb(data, key))
        except PdstError as error:
            raise _WrongImageError(str(error)) from error
        if digest != rows.at[key, "pixels"]:
            raise _WrongImageError(f"{key}: the image given is not the one that its row states")
        images[key] = data
    return images


def _scores(
    entry: Opened, rows: pd.DataFrame, images: dict[str, bytes], encoders: Encoders
) -> pd.DataFrame:
    """The images' scores, by the very code of a run."""
    release = entry.wanted.release
    chunks = _chunks(entry.wanted.cases, set(images))
    with (
        tempfile.TemporaryDirectory() as folder,
        writing(Path(folder) / "run", {"rescored": entry.bundle.digest}) as store,
    ):
        for chunk in chunks:
            store.write_images(chunk, [_drawn(case, rows, images) for case in chunk.cases])
        return _scored(chunks, release, store, encoders)


def _scored(
    chunks: Sequence[Chunk], release: Benchmark, store: RunStore, encoders: Encoders
) -> pd.DataFrame:
    memory, options = Memory(), EmbedOptions()
    references = embed_references(release, store, encoders, memory, options, silent)
    texts = embed_texts(run_texts(chunks, release), store, encoders.clip, silent)
    embed_chunks(chunks, store, encoders, memory, options, silent)
    tables = score(chunks, release, store, encoders, references, texts, score_schema({}))
    scored: pd.DataFrame = pd.concat([table.to_pandas() for table in tables])
    return scored.set_index("key", drop=False)


def _chunks(cases: Sequence[Case], keys: set[str]) -> list[Chunk]:
    found: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        if case.key in keys:
            found.setdefault((case.subject_id, case.image_id), []).append(case)
    return [
        Chunk(subject_id=subject, image_id=photo, cases=tuple(own))
        for (subject, photo), own in found.items()
    ]


def _drawn(case: Case, rows: pd.DataFrame, images: dict[str, bytes]) -> Drawn:
    row = cast("dict[str, Any]", rows.loc[case.key].to_dict())
    return Drawn(
        case=case,
        encoded=images[case.key],
        sha256=str(row["sha256"]),
        pixels=str(row["pixels"]),
        width=int(row["width"]),
        height=int(row["height"]),
        reason=None,
        seconds=float(row["seconds"]),
    )


def _disagreements(rows: pd.DataFrame, again: pd.DataFrame) -> Iterator[str]:
    stated = rows.loc[again.index]
    whole = len(again) == int(rows["pixels"].notna().sum())
    for metric in (*METRICS, "copy_similarity"):
        if metric == "diversity" and not whole:  # needs every seed of a caption
            continue
        apart = np.abs(values(stated, metric) - values(again, metric))
        apart = np.nan_to_num(apart, nan=0.0)
        worst = int(apart.argmax())
        if apart[worst] > ROW:
            yield (
                f"{metric} of {again.index[worst]} is {stated[metric].iloc[worst]:.6f} in its row, "
                f"{again[metric].iloc[worst]:.6f} when scored here "
                f"({int((apart > ROW).sum())} such images)"
            )
        elif apart.mean() > MEAN:
            yield f"{metric} is off by {apart.mean():.6f} on average, at most {MEAN} is rounding"
    flags = stated["copied"].astype(bool).to_numpy() != again["copied"].astype(bool).to_numpy()
    if flags.any() and (flags.sum() > 0.01 * len(flags)):
        yield f"{int(flags.sum())} images are flagged as copies in one and not in the other"


def _macro(table: pd.DataFrame, metric: str) -> float:
    means = subject_means(table, values(table, metric)).values()
    return float(np.mean([value for value in means if value is not None]))
