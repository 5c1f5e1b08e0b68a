"""In: a bundle's file and a board's address. Out: the file is there, whole, named by its digest.

A folder or an object store gets `entries/<digest>.parquet`, never overwritten; a dataset repository
on the Hugging Face Hub (`hf://datasets/org/name`) gets a pull request. Nothing is shared between
two submissions, so any number may come at one instant.
"""

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec

from pdst.errors import PdstError, SubmissionError
from pdst.submission.hub import propose
from pdst.submission.reading import read_bundle

ENTRIES = "entries"
HUB = re.compile(r"hf://datasets/([^/@]+/[^/@]+)/?")

ATOMIC = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory", "oss")
"""Stores in which an object appears whole or not at all; elsewhere it is uploaded and renamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where a submission went.

    Attributes:
        where: path or URL of the file, or of the pull request.
        new: False if the very same submission was there before.
    """

    where: str
    new: bool


def entry_name(digest: str) -> str:
    """Where a submission lies on a board: "entries/<digest>.parquet"."""
    return f"{ENTRIES}/{digest}.parquet"


def send(path: Path, digest: str, url: str, *, title: str) -> Receipt:
    """Bring a bundle to a board.

    Args:
        path: the bundle's file.
        digest: its digest.
        url: a folder, any fsspec URL (`s3://…`), or `hf://datasets/org/name`.
        title: of the pull request, if it becomes one.

    Raises:
        SubmissionError: if the board cannot be reached or written to, or another file bears this
            name; the message says what to do.
    """
    if url.startswith("hf://"):
        match = HUB.fullmatch(url)
        if match is None:
            raise SubmissionError(
                f"'{url}' is no dataset repository. Give hf://datasets/organization/name."
            )
        return Receipt(where=propose(path, entry_name(digest), match[1], title=title), new=True)
    with reaching(url):
        files, root = fsspec.core.url_to_fs(url)
        target = f"{root.rstrip('/')}/{entry_name(digest)}"
        shown = str(files.unstrip_protocol(target))
        if "file" in _protocols(files):
            new = _put_local(path, Path(target), digest)
        else:
            new = _put_remote(files, path, target, digest)
    return Receipt(where=shown.removeprefix("file://"), new=new)


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn whatever a storage library raises into an error that names the address."""
    try:
        yield
    except PdstError:
        raise
    except ImportError as error:
        kind = url.partition("://")[0]
        extra = "pdst[s3]" if kind in {"s3", "s3a"} else f"the fsspec package for {kind}://"
        raise SubmissionError(f"{url}: {error}. Run: pip install '{extra}'") from error
    except Exception as error:  # each storage library has exceptions of its own
        raise SubmissionError(
            f"{url} cannot be reached ({type(error).__name__}: {error}). Check the address, your "
            "credentials and the connection; then give the same command again."
        ) from error


def _protocols(files: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    found = files.protocol
    return (found,) if isinstance(found, str) else tuple(found)


def _put_local(path: Path, target: Path, digest: str) -> bool:
    """True if the file is new. Linked into place, because a rename would replace what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{digest[:16]}.{uuid.uuid4().hex}.partial")
    try:
        shutil.copyfile(path, temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.link(temporary, target)
    except FileExistsError:
        _require_same(target, digest, str(target))
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _put_remote(files: fsspec.AbstractFileSystem, path: Path, target: str, digest: str) -> bool:
    files.invalidate_cache()
    if files.exists(target):
        with tempfile.TemporaryDirectory() as folder:
            there = Path(folder) / "there.parquet"
            files.get_file(target, str(there))
            _require_same(there, digest, target)
        return False
    if set(_protocols(files)) & set(ATOMIC):
        files.put_file(str(path), target)
        return True
    folder = target.rpartition("/")[0]
    files.makedirs(folder, exist_ok=True)
    temporary = f"{folder}/.{digest[:16]}.{uuid.uuid4().hex}.partial"
    files.put_file(str(path), temporary)
    files.mv(temporary, target)
    return True


def _require_same(there: Path, digest: str, name: str) -> None:
    """What bears this digest's name must be this submission."""
    try:
        found = read_bundle(there).digest
    except SubmissionError as error:
        found = f"none: {error}"
    if found != digest:
        raise SubmissionError(
            f"{name} is there already and is not this submission (digest {found}). "
            "Tell the board's keepers."
        )
