"""In: a folder of the maker's own photos, a subfolder a subject. Out: which files there are."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from builders.collect.licences import ALLOWED
from builders.collect.manifest import Listed
from builders.pipeline.settings import OwnSettings, WorkspaceError
from pdst.errors import unknown_name
from pdst.own_photos import SUFFIXES
from pdst.release import shown

COLLECTOR = "own"

_SUFFIXES = (*SUFFIXES, ".heic", ".heif")


def list_own(own: OwnSettings, folder: Path) -> Iterator[Listed]:
    """The photos, ordered by subject and file.

    A subject's folder holds photos, or a folder a session; photos of one session stand on one side
    of the split.

    Args:
        own: whose they are, and under which licence.
        folder: where they lie.

    Raises:
        WorkspaceError: if there is no such folder, no statement, or the licence is none to give.
    """
    licence = ALLOWED.get(own.licence)
    if licence is None or licence.permission:
        free = [name for name, known in ALLOWED.items() if not known.permission]
        raise WorkspaceError(f"collect.own.licence: {unknown_name('licence', own.licence, free)}")
    for what in ("author", "statement"):
        if not getattr(own, what).strip():
            raise WorkspaceError(
                f"collect.own.{what} is empty. Say who took the photos, and in a sentence that "
                "they may be given away under this licence."
            )
    if not folder.is_dir():
        raise WorkspaceError(
            f"{folder}: no such folder, wanted one that holds SUBJECT/*.jpg. Make it, or correct "
            "collect.own.folder."
        )
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _counts(path, folder)]
    taken: Counter[tuple[str, str]] = Counter()
    for path in files:
        subject_id, *session, name = path.relative_to(folder).parts
        image_id = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).stem).strip("-._")
        taken[subject_id, image_id] += 1
        if not image_id:
            raise WorkspaceError(
                f"{path}: got {shown(name)}, wanted an ASCII letter or digit in the name: it "
                "becomes the photo's id. Rename it: 01.jpg."
            )
        if len(session) > 1 or taken[subject_id, image_id] > 1:
            raise WorkspaceError(
                f"{path}: got {shown('/'.join((*session, name)))}, wanted SUBJECT/NAME.jpg or "
                "SUBJECT/SESSION/NAME.jpg, each name once a subject. Move or rename it."
            )
        yield Listed(
            where=str(path),
            collector=COLLECTOR,
            path=path,
            sha256=None,
            subject_id=subject_id,
            image_id=image_id,
            source=f"{own.author}'s own photo {subject_id}/{image_id}",
            author=own.author,
            licence=own.licence,
            licence_url=licence.url,
            statement=own.statement,
            session=session[0] if session else "",
        )


def list_strays(folder: Path) -> list[str]:
    """Photos beside the subjects' folders: nobody says whose they are, and none is taken."""
    return [
        path.name
        for path in sorted(folder.glob("*"))
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


def _counts(path: Path, folder: Path) -> bool:
    """Not what operating systems and photo programs leave behind, nor a note beside the folders."""
    parts = path.relative_to(folder).parts
    return len(parts) > 1 and not any(part.startswith(".") for part in parts)
