"""In: a bundle, and the release that it says it is of. Out: every problem with it, not the first.

Submitters and boards run the same checks. What can be computed again is (aggregates, digests,
marks, the plan); what cannot is checked for range and for contradiction. Whether scores are those
of the images only `leaderboard.verify` can say.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd

from pdst.digest import Json
from pdst.embed import photo_name
from pdst.errors import PdstError
from pdst.evaluate import other_sampling
from pdst.images import decode_rgb, pixel_digest
from pdst.metrics import METRICS
from pdst.plan import PROTOCOLS, plan
from pdst.release import Finding, error, shown, warning
from pdst.submission.bundle import Bundle, sample_keys
from pdst.submission.header import Header, metric_digests
from pdst.summarize import report_to_json, summarize
from pdst.types import Benchmark, Case

RANGES = dict.fromkeys((*METRICS, "copy_similarity"), (-1.0, 1.0)) | {"diversity": (0.0, 2.0)}
ROUNDING = 1e-5
"""So far beyond its range a cosine in float32 may lie."""

SAME_COSINE = 1e-4
"""So far one cosine may differ between two columns, which compute it in batches of their own."""

AGREE = 1e-9
"""Two computations of one mean in float64 agree so far."""

SIDE = 16_384
"""Pixels of an image's longer side, at most."""

REASON = 300
"""Characters of a reason, at most."""

HEX = r"[0-9a-f]{64}"


@dataclass(frozen=True)
class Wanted:
    """What a complete submission to one release under one protocol holds."""

    release: Benchmark
    protocol: str

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Every case, in plan order."""
        chunks = plan(self.release, PROTOCOLS[self.protocol])
        return tuple(case for chunk in chunks for case in chunk.cases)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """What the rows say of their cases."""
        kind = {subject.subject_id: subject.kind for subject in self.release.subjects}
        return pd.DataFrame(
            {
                "key": [case.key for case in self.cases],
                "subject_id": [case.subject_id for case in self.cases],
                "kind": [kind[case.subject_id] for case in self.cases],
                "image_id": [case.image_id for case in self.cases],
                "caption_index": [case.caption_index for case in self.cases],
                "seed_index": [case.seed_index for case in self.cases],
                "prompt": [case.prompt for case in self.cases],
            }
        )

    @cached_property
    def photos(self) -> Mapping[str, str]:
        """Pixel digest of every photo of the release, by name ("dog6/test/03")."""
        photos = {
            photo_name(subject.subject_id, "train", photo.image_id): photo
            for subject in self.release.subjects
            for photo in subject.train
        }
        photos |= {
            photo_name(test.subject_id, "test", test.photo.image_id): test.photo
            for test in self.release.test
        }
        return {name: pixel_digest(decode_rgb(p.encoded(), name)) for name, p in photos.items()}


def check_bundle(bundle: Bundle, wanted: Wanted | None) -> list[Finding]:
    """Every problem of a bundle.

    Args:
        bundle: as read or made.
        wanted: the release and protocol that it names; None: not at hand, so completeness is not
            checked.

    Returns:
        Errors first: with any, a board refuses it. Warnings are for the submitter.
    """
    rows = bundle.rows.to_pandas()
    found = [*_key(bundle.header), *_marks(bundle.header), *_words(bundle.header)]
    found += _rows(rows)
    found += _copies(rows)
    found += _nearest(rows)
    found += _attached(bundle, rows)
    if wanted is not None:
        found += _complete(bundle.header, rows, wanted)
    if not any(one.code in {"value-range", "null-score", "duplicate-row"} for one in found):
        found += _summary(bundle.header, rows)
    return sorted(found, key=lambda one: ("error", "warning", "info").index(one.severity))


# --- the header ----------------------------------------------------------------------------------


def _key(header: Header) -> Iterator[Finding]:
    """Protocol, encoders and metrics are what their digests say, and this version's."""
    try:
        protocol = header.protocol.protocol()
    except PdstError as broken:
        yield error("protocol", "header", str(broken))
    else:
        known = PROTOCOLS.get(protocol.name)
        if protocol.id != header.protocol.id:
            message = f"its fields make {protocol.id}, it states {shown(header.protocol.id)}."
            yield error("protocol", "header", f"{message} Make the bundle anew.")
        elif known is None or known.id != protocol.id:
            names = ", ".join(one.id for one in PROTOCOLS.values())
            message = f"protocol {protocol.id} is none of PDST's: {names}."
            yield error("protocol", "header", f"{message} Run pdst-eval with --protocol.")
    for family in ("clip", "dino"):
        stated = getattr(header.encoders, family)
        if stated.family != family or stated.spec().digest != stated.digest:
            message = f"the {family} encoder's digest is not that of its fields. Make it anew."
            yield error("encoder", "header", message)
    digests = metric_digests(header.encoders)
    for metric in sorted(digests.keys() | header.metrics.keys()):
        if digests.get(metric) != header.metrics.get(metric):
            message = (
                f"metric {shown(metric)[1:-1]} has digest {header.metrics.get(metric, 'none')}, "
                f"with these encoders this PDST gives {digests.get(metric, 'none')}. Score the run "
                "again with this version: pdst-eval, the same command."
            )
            yield error("metric", "header", message)


def _marks(header: Header) -> Iterator[Finding]:
    """What keeps a run from being submitted, as it says and as its fields say."""
    marks = dict.fromkeys(header.marks)
    for encoder in (header.encoders.clip, header.encoders.dino):
        if not encoder.trained:
            marks[f"untrained encoder: {encoder.title}"] = None
    if header.method.sees_test_split:
        marks["reference row: the generator was given the held-out photos"] = None
    if header.declared.saw_test_photos:
        marks["declared: held-out photos of the benchmark were used in training"] = None
    if header.limit is not None:
        marks[f"--limit {header.limit}"] = None
    if header.subjects is not None:
        marks[f"--subjects {','.join(header.subjects)}"] = None
    with suppress(PdstError):  # a protocol that cannot be is told of elsewhere
        marks |= dict.fromkeys(other_sampling(header.method.settings, header.protocol.protocol()))
    for mark in marks:
        yield error("not-submittable", "run", f"{mark}. Run it again without that.")


def _words(header: Header) -> Iterator[Finding]:
    if not header.method.code:
        message = "no link to code: the board will show the row without. Give --code URL."
        yield warning("no-code", "header", message)
    if not header.declared.by:
        yield warning("no-name", "header", "nobody's name: the board shows “–”. Give --by NAME.")


def _summary(header: Header, rows: pd.DataFrame) -> Iterator[Finding]:
    """The stated aggregates against those of the rows."""
    report = summarize(rows, marks=list(header.marks), metrics=list(METRICS))
    computed = cast("Json", json.loads(report_to_json(report)))
    for line in _differences(cast("Json", header.summary), computed, "summary"):
        message = f"{line}. Its aggregates are not those of its rows: make the bundle anew."
        yield error("aggregate", "header", message)
        return


def _differences(stated: Json, computed: Json, path: str) -> Iterator[str]:
    if isinstance(stated, dict) and isinstance(computed, dict):
        for name in sorted(stated.keys() | computed.keys()):
            inner = f"{path}.{name[:40]}"
            if name in stated and name in computed:
                yield from _differences(stated[name], computed[name], inner)
            else:
                yield f"{inner} is {'not computed' if name in stated else 'missing'}"
    elif isinstance(stated, list) and isinstance(computed, list) and len(stated) == len(computed):
        for number, (one, other) in enumerate(zip(stated, computed, strict=True)):
            label = other.get("metric", number) if isinstance(other, dict) else number
            yield from _differences(one, other, f"{path}[{label}]")
    elif isinstance(stated, float) and isinstance(computed, float):
        if abs(stated - computed) > AGREE:
            yield f"{path} is {stated!r}, the rows give {computed!r}"
    elif type(stated) is not type(computed) or stated != computed:
        yield f"{path} is {shown(stated)}, the rows give {shown(computed)}"


# --- the rows by themselves ----------------------------------------------------------------------


def _at(rows: pd.DataFrame, where: "pd.Series[bool] | np.ndarray") -> str:
    """The first row in question, and how many more."""
    positions = np.flatnonzero(np.asarray(where, dtype=bool))
    more = f" and {len(positions) - 1} more" if len(positions) > 1 else ""
    return f"{shown(rows['key'].iloc[positions[0]])[1:-1]}{more}"


def _rows(rows: pd.DataFrame) -> Iterator[Finding]:
    for name in ("key", "subject_id", "kind", "image_id", "prompt"):
        if (null := rows[name].isna()).any():
            message = f"row {int(null.to_numpy().argmax())}: {name} is null."
            yield error("null-value", "rows", message)
    for name in ("caption_index", "seed_index", "attached"):
        if rows[name].isna().any():
            yield error("null-value", "rows", f"{name} is null in some row.")
    if (twice := rows["key"].duplicated()).any():
        message = "its case is there twice. Every case counts once."
        yield error("duplicate-row", _at(rows, twice), message)
    failed = rows["reason"].notna()
    yield from _of_failures(rows, failed)
    yield from _of_images(rows, failed)
    for name, (low, high) in RANGES.items():
        values = rows[name].to_numpy(np.float64, na_value=np.nan)
        outside = (values < low - ROUNDING) | (values > high + ROUNDING)
        if outside.any():
            got = values[outside][0]
            message = f"{name} is {got:g}, wanted {low:g} to {high:g}."
            yield error("value-range", _at(rows, outside), message)


def _of_failures(rows: pd.DataFrame, failed: "pd.Series[bool]") -> Iterator[Finding]:
    """A row has either an image and scores, or a reason."""
    for name in METRICS:
        missing = ~failed & rows[name].isna()
        if name == "diversity":  # of a single seed there is none
            seeds = rows.assign(drawn=~failed).groupby(
                ["subject_id", "image_id", "caption_index"], dropna=False
            )["drawn"]
            missing &= seeds.transform("sum") >= 2
        if missing.any():
            message = f"{name} is null, and no reason says why. A missing score has a reason."
            yield error("null-score", _at(rows, missing), message)
    scored = [*METRICS, "sha256", "pixels", "width", "height", "copy_similarity", "copy_photo"]
    scored.append("copied")
    both = failed & rows[scored].notna().any(axis=1)
    if both.any():
        message = "has a reason why there is no image, and an image or scores all the same."
        yield error("failed-and-scored", _at(rows, both), message)
    reasons = rows["reason"].dropna().astype(str)
    bad = reasons[~reasons.map(lambda text: text.isprintable() and 0 < len(text) <= REASON)]
    if len(bad):
        message = f"a reason is {shown(bad.iloc[0])}, wanted a line of at most {REASON} letters."
        yield error("reason", "rows", message)


def _of_images(rows: pd.DataFrame, failed: "pd.Series[bool]") -> Iterator[Finding]:
    drawn = rows[~failed]
    for name in ("sha256", "pixels"):
        bad = ~drawn[name].fillna("").astype(str).str.fullmatch(HEX)
        if bad.any():
            got = shown(drawn[name][bad].iloc[0])
            message = f"{name} is {got}, wanted 64 hexadecimal digits."
            yield error("hash", _at(drawn, bad), message)
    for name in ("width", "height"):
        bad = ~drawn[name].fillna(0).between(1, SIDE)
        if bad.any():
            message = f"{name} is {shown(drawn[name][bad].iloc[0])}, wanted 1 to {SIDE} pixels."
            yield error("size", _at(drawn, bad), message)
    seconds = rows["seconds"].fillna(-1.0)
    if (bad := ~seconds.between(0.0, 1e7)).any():
        message = f"seconds is {shown(rows['seconds'][bad].iloc[0])}, wanted 0 to 1e7."
        yield error("seconds", _at(rows, bad), message)


def _copies(rows: pd.DataFrame) -> Iterator[Finding]:
    """Copies are those above one threshold, which the board does not know but can see."""
    drawn = rows[rows["reason"].isna()]
    named = drawn["copied"].notna() & drawn["copy_photo"].notna()
    if not (named & drawn["copy_similarity"].notna()).all():
        where = _at(drawn, ~(named & drawn["copy_similarity"].notna()))
        yield error("copies", where, "copied, copy_photo or copy_similarity is null.")
        return
    flagged = drawn["copied"].astype(bool)
    copies, others = drawn["copy_similarity"][flagged], drawn["copy_similarity"][~flagged]
    if len(copies) and len(others) and others.max() >= copies.min():
        message = (
            f"an image at {others.max():.4f} is not flagged as a copy, one at {copies.min():.4f} "
            "is. One threshold decides: the flags were changed."
        )
        yield error("copies", "rows", message)


def _nearest(rows: pd.DataFrame) -> Iterator[Finding]:
    """No photo is nearer than the nearest one, and the nearest one has one cosine."""
    near, dino, train = (
        rows[name].to_numpy(np.float64, na_value=np.nan)
        for name in ("copy_similarity", "dino", "dino_train")
    )
    own = (rows["subject_id"] + "/test/" + rows["image_id"]).fillna("")
    told = rows["copy_photo"].fillna("").to_numpy() == own.to_numpy()
    wrong = (np.fmax(dino, train) > near + SAME_COSINE) | (told & (abs(dino - near) > SAME_COSINE))
    if wrong.any():
        at = int(wrong.argmax())
        photo = shown(rows["copy_photo"].iloc[at])[1:-1]
        message = (
            f"dino is {dino[at]:.4f} and dino_train {train[at]:.4f}, but the nearest photo, "
            f"{photo}, is at {near[at]:.4f}. Scores were changed."
        )
        yield error("contradiction", _at(rows, wrong), message)


def _attached(bundle: Bundle, rows: pd.DataFrame) -> Iterator[Finding]:
    """Attached are the images that `images` says, the sample being no one's choice."""
    got = set(rows["key"][rows["attached"].fillna(False).astype(bool)])
    drawn = set(rows["key"][rows["pixels"].notna()])
    expected = {"none": set[str](), "all": drawn}
    want = expected.get(bundle.header.images)
    if got != (set(sample_keys(bundle.rows)) if want is None else want):
        message = (
            f"images '{bundle.header.images}', but {len(got)} are attached that are not exactly "
            "those. Make the bundle anew."
        )
        yield error("attached", "rows", message)


# --- the rows against the release ----------------------------------------------------------------


def _complete(header: Header, rows: pd.DataFrame, wanted: Wanted) -> Iterator[Finding]:
    release = wanted.release
    if header.benchmark.fingerprint != release.fingerprint:
        message = (
            f"fingerprint {header.benchmark.fingerprint[:12]} of {header.benchmark.name}, the "
            f"release at hand, {release.name}, has {release.fingerprint[:12]}. Give the release "
            "that the run was made with."
        )
        yield error("benchmark", "header", message)
        return
    if (header.benchmark.name, header.benchmark.version) != (release.name, release.version):
        message = (
            f"it calls the release {header.benchmark.name} {header.benchmark.version}, by its "
            f"fingerprint it is {release.name} {release.version}. Make the bundle anew."
        )
        yield error("benchmark", "header", message)
    plan_keys, keys = set(wanted.rows["key"]), set(rows["key"].dropna())
    if absent := wanted.rows[~wanted.rows["key"].isin(keys)].shape[0]:
        subjects = sorted(set(wanted.rows["subject_id"]) - set(rows["subject_id"].dropna()))
        lack = f"; no row of {', '.join(subjects[:5])}" if subjects else ""
        message = (
            f"{absent} of {len(plan_keys)} cases have no row{lack}. A failed image is a row with a "
            "reason. Run pdst-eval without --limit and --subjects."
        )
        yield error("incomplete", "rows", message)
    if strange := sorted(keys - plan_keys)[:1]:
        message = (
            f"{len(keys - plan_keys)} rows of no case of the plan, such as {shown(strange[0])}."
        )
        yield error("unplanned", "rows", message)
    if absent or strange or len(rows) != len(wanted.rows):
        return
    for name in wanted.rows.columns:
        differs = rows[name].to_numpy() != wanted.rows[name].to_numpy()
        if differs.any():
            got, want = rows[name][differs].iloc[0], wanted.rows[name][differs].iloc[0]
            message = f"{name} is {shown(got)}, the plan has {shown(want)} there."
            yield error("other-case", _at(rows, differs), message)
            return
    yield from _known_copies(rows, wanted)


def _known_copies(rows: pd.DataFrame, wanted: Wanted) -> Iterator[Finding]:
    """Copies of photos to the last pixel need no threshold."""
    drawn = rows[rows["reason"].isna()]
    if len(strange := set(drawn["copy_photo"].dropna()) - wanted.photos.keys()):
        message = f"copy_photo {shown(min(strange))} is no photo of the release."
        yield error("copies", "rows", message)
    photos = set(wanted.photos.values())
    hidden = drawn["pixels"].isin(photos) & ~drawn["copied"].fillna(False).astype(bool)
    if hidden.any():
        message = "is a photo of the release to the last pixel, and is not flagged as a copy."
        yield error("copies", _at(drawn, hidden), message)
