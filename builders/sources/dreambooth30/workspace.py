"""In: the checked photos. Out: a workspace of them, with our captions, masks and answers, to build.

The photos' hashes, sources and licences become a manifest; what was decided by hand becomes
decisions.csv; who looked at what, as `reviews.jsonl` tells, becomes a sheet a reviewer.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from builders.collect.decisions import COLUMNS
from builders.collect.licences import ALLOWED, licence_id
from builders.pipeline.build import Built, build
from builders.pipeline.provenance import review_items
from builders.pipeline.settings import FILE
from builders.pipeline.workspace import Workspace, open_workspace
from builders.review.items import KINDS, ReviewKind
from builders.review.sheet import read_sheet
from builders.rows import About, PhotoRow
from builders.sources.dreambooth30.photos import LONG_SIDE
from pdst.digest import digest_bytes
from pdst.files import whole_file

PERMISSION = "references_and_licenses.txt of google/dreambooth, which gives them away"
"""Of the photos from Unsplash: whose terms the dataset's authors answered for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A line of `reviews.jsonl`.

    Attributes:
        how: what the reviewer did, in a sentence.
        rejected: item -> reason; every other item was accepted.
    """

    kind: ReviewKind
    reviewer: str
    how: str
    rejected: Mapping[str, str]


def read_reviews(path: Path) -> tuple[Review, ...]:
    """Who looked at what, and what they rejected."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(Review(**json.loads(line)) for line in lines)


def write_workspace(
    folder: Path, rows: Sequence[PhotoRow], about: About, *, here: Path, to: Path | None = None
) -> Workspace:
    """Lay out a workspace; what is there already and is the same is left as it is.

    Args:
        folder: the workspace.
        rows: all photos with their captions, also those to be left out.
        about: what the card says; its `dropped` are the photos to leave out.
        here: where our captions, masks and reviews lie.
        to: where the release is copied at the end; None: it stays in the workspace.
    """
    for row in rows:
        _write(folder / "photos" / f"{row.name}{row.suffix}", row.image)
    captions: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row.captions:
            captions.setdefault(row.subject_id, {})[row.image_id] = list(row.captions)
    _write(folder / "captions.json", json.dumps(captions, indent=1, ensure_ascii=False).encode())
    _write(folder / "manifest.csv", _manifest(rows))
    _write(folder / "decisions.csv", _decisions(about, here))
    text = yaml.safe_dump(_settings(rows, about, here, to), sort_keys=False, allow_unicode=True)
    _write(folder / FILE, text.encode())
    return open_workspace(folder)


def build_with_answers(
    workspace: Workspace, here: Path, *, told: Callable[[str], None] = lambda stage: None
) -> Built:
    """Build; wherever the build waits for reviewers, hand in their sheets, and go on.

    Args:
        workspace: as `write_workspace` laid it out.
        here: where `reviews.jsonl` lies.
        told: is called with each stage's name before it is done.
    """
    built = build(workspace, told=told)
    done = list(built.done)
    for kind in KINDS:
        if not built.waiting:
            break
        items = review_items(workspace, kind)
        for review in read_reviews(here / "reviews.jsonl"):
            if review.kind != kind:
                continue
            sheet = workspace.folder / "sheets" / f"{kind}.{review.reviewer}.csv"
            lines = [("item", "answer", "reason", "shown")]
            for item in items:
                against = review.rejected.get(item.name)
                answer = "yes" if against is None else "no"
                lines.append((item.name, answer, against or "", item.shown[:12]))
            _write(sheet, _csv(lines))
            read_sheet(workspace, kind, review.reviewer, sheet, items)
        built = build(workspace, told=told)
        done += [name for name in built.done if name not in done]
    return Built(done=tuple(done), waiting=built.waiting)


def _settings(
    rows: Sequence[PhotoRow], about: About, here: Path, to: Path | None
) -> dict[str, object]:
    reviews = read_reviews(here / "reviews.jsonl")
    licence = about.licence_fields
    told = "\n".join(f"- {review.kind}, {review.reviewer}: {review.how}" for review in reviews)
    return {
        "release": {
            "name": about.name,
            "version": about.version,
            "summary": about.summary,
            "licence": licence["license"],
            "licence_name": licence["license_name"],
            "licence_link": licence["license_link"],
            "notes": f"Who the reviewers are, and what they did:\n\n{told}\n\n{about.notes}",
        },
        "subjects": {
            row.subject_id: {
                "class_noun": row.class_noun,
                "init_token": row.init_token,
                "kind": row.kind,
            }
            for row in rows
        },
        "collect": {"manifests": ["manifest.csv"], "long_side": LONG_SIDE},
        "embeddings": "none",
        "review": {
            kind: [review.reviewer for review in reviews if review.kind == kind] for kind in KINDS
        },
        "split": {"given": True},
        "captions": {"file": "captions.json"},
        "masks": {"folder": str(here / "masks")},
        "publish": {"to": "" if to is None else str(to)},
    }


def _manifest(rows: Sequence[PhotoRow]) -> bytes:
    lines: list[Sequence[str]] = [
        ("file", "sha256", "subject_id", "image_id", "split", "source", "author", "licence",
         "licence_url", "permission_ref")
    ]  # fmt: skip
    for row in rows:
        terms = ALLOWED[licence_id(row.licence)].permission
        lines.append(
            (f"photos/{row.name}{row.suffix}", digest_bytes(row.image), row.subject_id,
             row.image_id, row.split, row.source, row.author, row.licence, row.licence_url,
             PERMISSION if terms else "")
        )  # fmt: skip
    return _csv(lines)


def _decisions(about: About, here: Path) -> bytes:
    lines: list[Sequence[str]] = [COLUMNS]
    lines += [(out.image, "drop", out.like, "pdst", out.reason) for out in about.dropped]
    cleared = (here / "cleared.jsonl").read_text(encoding="utf-8").splitlines()
    for entry in map(json.loads, cleared):
        lines.append((entry["photo"], "different", entry["other"], "pdst", entry["reason"]))
    return _csv(lines)


def _csv(lines: Sequence[Sequence[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue().encode()


def _write(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        with whole_file(path) as temporary:
            temporary.write_bytes(data)
