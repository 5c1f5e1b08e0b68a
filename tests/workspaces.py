"""In: a folder. Out: a small workspace in it, ready to build. For tests of the pipeline.

The photos are drawn (`builders.sources.sketch`), with their true captions and exact masks; the
settings name reviewers, and `answer_all` is what these say.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from builders.pipeline.build import Built, build
from builders.pipeline.provenance import review_items
from builders.pipeline.workspace import Workspace, open_workspace
from builders.review.items import KINDS
from builders.review.panel import reviewers_of
from builders.review.sheet import read_sheet
from builders.rows import PhotoRow
from builders.sources import sketch


@cache
def drawn(subjects: int = 2) -> tuple[PhotoRow, ...]:
    """Photos with captions and masks: the test photos of the drawn release, 10 a subject."""
    return tuple(row for row in sketch.rows(subjects=subjects, size=160) if row.split == "test")


def make_workspace(
    folder: Path, *, subjects: int = 2, photos: int = 6, captions: int = 3, **settings: Any
) -> Workspace:
    """Lay out a workspace of own photos.

    Args:
        folder: of it.
        subjects: how many.
        photos: of each subject.
        captions: of each test photo.
        settings: in place of whole sections of the settings.
    """
    rows = [row for row in drawn(subjects) if int(row.image_id) < sketch.TRAIN + photos]
    for row in rows:
        write(folder / "photos" / f"{row.name}.png", row.image)
        assert row.mask is not None
        write(folder / "masks" / f"{row.name}.png", row.mask)
    write_captions(folder, {row.name: row.captions[:captions] for row in rows})
    given: dict[str, Any] = {
        "release": {
            "name": "drawn", "version": "1.0.0", "summary": "Drawn.", "licence": "cc0-1.0",
        },
        "subjects": {
            row.subject_id: {
                "class_noun": row.class_noun, "init_token": row.init_token, "kind": row.kind,
            }
            for row in rows
        },
        "collect": {
            "own": {
                "folder": "photos", "author": "Ada", "statement": "I drew them.",
                "licence": "CC0-1.0",
            }
        },
        "embeddings": "none",
        "review": {"photos": ["ada", "bob"], "captions": ["ada", "bob"], "masks": ["ada"]},
        "split": {"train": 2, "test": 3},
        "captions": {"file": "captions.csv", "per_photo": captions},
        "masks": {"folder": "masks"},
        **settings,
    }  # fmt: skip
    write(folder / "workspace.yaml", yaml.safe_dump(given, sort_keys=False).encode())
    return open_workspace(folder)


def write(path: Path, data: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_captions(folder: Path, captions: Mapping[str, tuple[str, ...]]) -> None:
    """Write captions.csv."""
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["subject_id", "image_id", "caption"])
        for name, texts in captions.items():
            writer.writerows([*name.split("/"), text] for text in texts)


def answer_all(
    workspace: Workspace, rejected: Mapping[tuple[str, str, str], str] | None = None
) -> Built:
    """Build, and answer by sheet wherever the build waits; until it ends or answers do not help.

    Args:
        workspace: to build.
        rejected: (kind, reviewer, item) -> reason; everything else is accepted.
    """
    built = build(workspace)
    done = list(built.done)
    for kind in KINDS:
        if not built.waiting:
            break
        stage = {"photos": "review", "captions": "check", "masks": "mask"}[kind]
        if workspace.record(stage) is None:
            break
        items = review_items(workspace, kind)
        for reviewer in reviewers_of(workspace, kind):
            sheet = workspace.folder / f"{kind}.{reviewer}.csv"
            with sheet.open("w", encoding="utf-8", newline="") as opened:
                writer = csv.writer(opened)
                writer.writerow(["item", "answer", "reason"])
                for item in items:
                    reason = (rejected or {}).get((kind, reviewer, item.name))
                    writer.writerow([item.name, "yes" if reason is None else "no", reason or ""])
            read_sheet(workspace, kind, reviewer, sheet, items)
        built = build(workspace)
        done += [name for name in built.done if name not in done]
    return Built(done=tuple(done), waiting=built.waiting)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
