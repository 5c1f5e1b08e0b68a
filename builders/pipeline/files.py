"""In: a folder that a stage wrote. Out: its files as rows, and whether they still are the same."""

from collections.abc import Iterator
from pathlib import Path

from builders.pipeline.rows import FileRow, from_table
from builders.pipeline.workspace import Workspace
from pdst.digest import digest_bytes


def file_rows(folder: Path) -> Iterator[FileRow]:
    """The files of a folder, by name."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        yield FileRow(path=name, sha256=digest_bytes(data), bytes=len(data))


def files_hold(workspace: Workspace, stage: str, folder: Path) -> bool:
    """Whether a folder holds what the stage said that it wrote, and nothing else."""
    said = from_table(FileRow, workspace.rows(stage))
    return folder.is_dir() and tuple(file_rows(folder)) == said
