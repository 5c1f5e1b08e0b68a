"""In: the maker's photos and manifests. Out: candidates, their stored photos upright and bare."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import numpy as np
import scipy.ndimage
from PIL import Image

from builders.collect.decisions import Decision, read_decisions
from builders.collect.ingest import SUFFIXES, Ingested, ingest
from builders.collect.manifest import Listed, read_manifest
from builders.collect.own import list_own, list_strays
from builders.collect.series import number_series, taken_at
from builders.pipeline.rows import Candidate, from_table, to_table
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.stage import Stage
from builders.pipeline.workspace import Outcome, Workspace, digest_files
from pdst.digest import Json, digest_bytes
from pdst.errors import PdstError, unknown_name
from pdst.images import UnreadableImageError, decode_rgb

SMALL = 512
"""Pixels of the shorter side below which a photo is flagged: Stable Diffusion 1.5 draws 512."""

BLURRED = 15.0
"""Variance of the Laplacian, of grey levels at 512 pixels, below which a photo is flagged."""


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    collect = workspace.settings.collect
    manifests = [workspace.path(name) for name in collect.manifests]
    listed, _, _ = _listed(workspace)
    files = [workspace.decisions, *manifests, *(photo.path for photo in listed)]
    own: Json = None if collect.own is None else dict(asdict(collect.own))
    return {
        "own": own,
        "long_side": collect.long_side,
        "allow": list(collect.allow),
        "series_gap_minutes": collect.series_gap_minutes,
        "subjects": [*sorted(workspace.settings.subjects)],
        "files": digest_files(files, workspace.folder),
        "strays": [*_strays(workspace)],
    }


def _run(workspace: Workspace) -> Outcome:
    listed, undecided, problems = _listed(workspace)
    decisions = read_decisions(workspace.decisions)
    names = Counter(photo.name for photo in listed)
    problems += [
        f"{photo.where}: a second {photo.name}. Give it another image_id."
        for photo in listed
        if names[photo.name] > 1
    ]
    problems += [
        f"{workspace.decisions.name}: no photo {name} is collected. Correct the name."
        for name in sorted(decisions.names() - set(names))
    ]
    rows: list[Candidate] = []
    taken: dict[str, datetime | None] = {}
    for photo in sorted(listed, key=lambda photo: photo.name):
        drop = decisions.drops.get(photo.name)
        try:
            row, taken[photo.name] = _candidate(workspace, photo, drop)
            rows.append(row)
        except PdstError as error:
            problems.append(str(error))
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise WorkspaceError(
            f"{len(problems)} photos or lines cannot be collected:\n{lines}\nMend each, or leave "
            f"the photo out by a line in {workspace.decisions.name} (photo,drop,,BY,REASON); what "
            "was read is kept."
        )
    gap = timedelta(minutes=workspace.settings.collect.series_gap_minutes)
    rows = _with_series(rows, taken, gap)
    notes = [f"{row.name}: {flag}" for row in rows for flag in row.flags]
    empty = sorted(set(workspace.settings.subjects) - {row.subject_id for row in rows})
    notes += [f"subject {name} of the settings has no photo" for name in empty]
    notes += [
        f"{name} was not taken: it lies beside the subjects' folders. Put it into one of them."
        for name in _strays(workspace)
    ]
    if undecided:
        notes.append(f"{undecided} found photos have no subject yet and were not taken")
    return Outcome(table=to_table(Candidate, rows), notes=tuple(notes))


def _listed(workspace: Workspace) -> tuple[list[Listed], int, list[str]]:
    """All that is named, how many have no subject yet, and what cannot be taken."""
    collect, subjects = workspace.settings.collect, workspace.settings.subjects
    listed: list[Listed] = []
    problems: list[str] = []
    undecided = 0
    if collect.own is not None:
        listed += list_own(collect.own, workspace.path(collect.own.folder))
    for name in collect.manifests:
        manifest = read_manifest(workspace.path(name), allow=collect.allow)
        listed += manifest.photos
        problems += manifest.problems
        undecided += manifest.undecided
    unknown = sorted({photo.subject_id for photo in listed} - set(subjects))
    problems += [
        f"{unknown_name('subject', name, subjects)} Add it to the settings' subjects."
        for name in unknown
    ]
    return listed, undecided, problems


def _strays(workspace: Workspace) -> list[str]:
    own = workspace.settings.collect.own
    return [] if own is None else list_strays(workspace.path(own.folder))


def _with_series(
    rows: Sequence[Candidate], taken: Mapping[str, datetime | None], gap: timedelta
) -> list[Candidate]:
    """Number each subject's series; of the times nothing else is kept."""
    if not gap:
        return list(rows)
    series: dict[str, int] = {}
    for subject_id in {row.subject_id for row in rows}:
        own = {row.name: taken.get(row.name) for row in rows if row.subject_id == subject_id}
        series |= number_series(own, gap)
    return [replace(row, series=series[row.name]) for row in rows]


def _candidate(
    workspace: Workspace, photo: Listed, drop: Decision | None
) -> tuple[Candidate, datetime | None]:
    """Read, check and store one photo; when it was taken, if nobody says of which session it is.

    One that is to be dropped is not looked into.
    """
    try:
        original = photo.path.read_bytes()
    except OSError as error:
        raise WorkspaceError(
            f"{photo.where}: {photo.path} cannot be read ({error.strerror}). Put the file there."
        ) from error
    digest = digest_bytes(original)
    if photo.sha256 not in (None, digest):
        raise WorkspaceError(
            f"{photo.where}: {photo.path.name} has sha256 {digest[:12]}…, expected "
            f"{str(photo.sha256)[:12]}…: it is another file than the one meant, or was edited. "
            "Get that file again, or correct the hash if this one is right."
        )
    file, made = ("", None) if drop else _stored(workspace, original, digest, photo.where)
    row = Candidate(
        subject_id=photo.subject_id,
        image_id=photo.image_id,
        file=file,
        sha256="" if made is None else made.sha256,
        original_sha256=digest,
        width=0 if made is None else made.size[0],
        height=0 if made is None else made.size[1],
        origin=photo.path.name,
        collector=photo.collector,
        source=photo.source,
        author=photo.author,
        licence=photo.licence,
        licence_url=photo.licence_url,
        statement=photo.statement,
        session=photo.session,
        split=photo.split,
        status="dropped" if drop else "kept",
        reason=drop.reason if drop else "",
        like=drop.other if drop else "",
        flags=() if made is None else tuple(_flags(decode_rgb(made.data))),
    )
    return row, None if drop or photo.session else taken_at(original)


def _stored(workspace: Workspace, original: bytes, digest: str, where: str) -> tuple[str, Ingested]:
    """The stored photo and its file, made if it is not there: a killed build goes on here."""
    long_side = workspace.settings.collect.long_side
    for suffix in SUFFIXES.values():
        path = workspace.folder / "stored" / "photos" / f"{digest}-{long_side}{suffix}"
        if path.is_file():
            data = path.read_bytes()
            with suppress(UnreadableImageError):  # a damaged one is made again
                return path.name, Ingested(data=data, suffix=suffix, size=decode_rgb(data).size)
    made = ingest(original, long_side, where)
    file = f"{digest}-{long_side}{made.suffix}"
    workspace.write_stored("photos", file, made.data)
    return file, made


def _flags(image: Image.Image) -> Iterator[str]:
    """What somebody should look at; nothing is dropped for it."""
    if min(image.size) < SMALL:
        yield f"small: {image.width} x {image.height} pixels"
    grey = image.convert("L")
    grey.thumbnail((512, 512))
    sharpness = float(scipy.ndimage.laplace(np.asarray(grey, dtype=np.float32)).var())
    if sharpness < BLURRED:
        yield f"blurred: sharpness {sharpness:.0f}, most photos have over 100"


def _holds(workspace: Workspace) -> bool:
    rows = from_table(Candidate, workspace.rows("collect"))
    return all(
        (workspace.folder / "stored" / "photos" / row.file).is_file() for row in rows if row.file
    )


def _forget(workspace: Workspace) -> None:
    """Have photos stored anew, but those whose originals are not there any more."""
    listed, _, _ = _listed(workspace)
    for photo in listed:
        with suppress(OSError):
            digest = digest_bytes(photo.path.read_bytes())
            for path in (workspace.folder / "stored" / "photos").glob(f"{digest}-*"):
                path.unlink()


COLLECT = Stage(
    name="collect",
    reads=(),
    inputs=_inputs,
    run=_run,
    holds=_holds,
    forget=_forget,
    version=2,
)
