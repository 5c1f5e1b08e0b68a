"""In: a stage that takes long, a photo at a time. Out: its parts, kept as they come.

A build that was killed finds them and goes on after the last whole photo. Parts are kept under a
digest of what the stage depends on: with other settings, it starts anew.
"""

import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from builders.pipeline.workspace import Workspace
from pdst.digest import Json, digest_json
from pdst.files import read_table, write_table

if TYPE_CHECKING:  # the language steps bring spaCy along: seconds, that only they shall cost
    from builders.language import CaptionRow
    from builders.language.rows import Key

_FOLDER = "parts"


def photo_by_photo(
    workspace: Workspace,
    stage: str,
    inputs: Json,
    make: "Callable[[Collection[Key]], Iterator[tuple[CaptionRow, ...]]]",
) -> pa.Table:
    """All rows of a stage; what is kept from a build before is not made again.

    Args:
        workspace: keeps the parts.
        stage: whose.
        inputs: what the rows depend on.
        make: given the photos that are done, yields the rows of each other one.
    """
    from builders.language import to_table

    folder = _parts(workspace) / f"{stage}-{digest_json(inputs)[:16]}"
    done = {key: rows for path in sorted(folder.glob("*/*.parquet")) for key, rows in [_part(path)]}
    for rows in make(done.keys()):
        key = rows[0].key
        write_table(to_table(rows), folder / key[0] / f"{key[1]}.parquet")
        done[key] = rows
    return to_table(row for key in sorted(done) for row in done[key])


def forget_parts(workspace: Workspace, stage: str = "*") -> None:
    """Remove the parts of a stage, or, when all that had some are done, of all."""
    for folder in _parts(workspace).glob(f"{stage}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _parts(workspace: Workspace) -> Path:
    return workspace.folder / "stages" / _FOLDER


def _part(path: Path) -> "tuple[Key, tuple[CaptionRow, ...]]":
    from builders.language import from_table

    rows = from_table(read_table(path))
    return rows[0].key, rows
