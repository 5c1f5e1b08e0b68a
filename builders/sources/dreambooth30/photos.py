"""In: a local copy of the photos, or a network. Out: the resized photos, every one checked.

Originals and resized photos are known by their sha256 (`sources.jsonl`), so a damaged, edited or
swapped file never becomes part of a release. Everything that is wrong is reported at once.
"""

import http.client
import io
import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pdst.digest import digest_bytes
from pdst.errors import DatasetError
from pdst.images import decode_rgb

COMMIT = "4f887af7970a06fc0cd3adaa1d0b368547d6a1d0"
"""Of google/dreambooth: the revision whose photos `sources.jsonl` lists."""

BASE_URL = f"https://raw.githubusercontent.com/google/dreambooth/{COMMIT}/dataset"

LONG_SIDE = 768
"""Pixels of the longer side at most: SD 1.5 draws 512, and 768 leaves room to crop."""

TRIES = 4
TIMEOUT_S = 30.0
WORKERS = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One line of `sources.jsonl`.

    Attributes:
        file: "cat/00.jpg".
        original_sha256: of the file in the repository. sha256: of the resized photo we made of it.
        size: width and height of the resized photo.
    """

    file: str
    original_sha256: str
    sha256: str
    size: tuple[int, int]


def read_sources(path: Path) -> Mapping[str, SourceFile]:
    """Read `sources.jsonl`: file name -> what it must be."""
    sources: dict[str, SourceFile] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        width, height = entry["size"]
        sources[entry["file"]] = SourceFile(
            file=entry["file"],
            original_sha256=entry["original_sha256"],
            sha256=entry["sha256"],
            size=(width, height),
        )
    return sources


def from_folder(folder: Path, files: Sequence[SourceFile]) -> Mapping[str, bytes]:
    """Take the photos from a folder: our resized ones, or a clone of google/dreambooth.

    Args:
        folder: holds `SUBJECT/NN.jpg`, or `dataset/SUBJECT/NN.jpg` as the clone does.
        files: the photos to take.

    Returns:
        File name -> bytes of the resized photo.

    Raises:
        DatasetError: if photos are missing or differ from what was listed; names all of them.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: no such folder, wanted one that holds SUBJECT/NN.jpg. "
            "Correct --from, or leave it out to download the photos."
        )
    root = folder / "dataset" if (folder / "dataset").is_dir() else folder

    def read(source: SourceFile) -> bytes:
        try:
            return (root / source.file).read_bytes()
        except FileNotFoundError:
            raise _UnusableError(f"no such file in {root}") from None
        except OSError as error:
            raise _UnusableError(f"cannot be read ({error.strerror})") from error

    return _collect(
        files, read, "Restore these files, or leave --from out to download them from GitHub."
    )


def from_web(
    files: Sequence[SourceFile],
    cache: Path,
    *,
    base_url: str = BASE_URL,
    wait_s: Callable[[int], float] = lambda attempt: 2.0**attempt,
    done: Callable[[], None] = lambda: None,
) -> Mapping[str, bytes]:
    """Download the originals from the pinned revision and resize them.

    What arrived stays in the cache, each file under its sha256; a second run fetches only the rest.

    Args:
        files: the photos to take.
        cache: a folder for the originals; made if need be.
        base_url: where `SUBJECT/NN.jpg` are.
        wait_s: seconds to wait after the n-th failed attempt, n = 0, 1, and so on.
        done: is called after each photo, from several threads.

    Returns:
        File name -> bytes of the resized photo.

    Raises:
        DatasetError: if photos could not be fetched or are not the listed ones; names all of them.
    """
    cache.mkdir(parents=True, exist_ok=True)
    unreachable = threading.Event()

    def read(source: SourceFile) -> bytes:
        kept = cache / f"{source.original_sha256}.jpg"
        if kept.is_file():
            data = kept.read_bytes()
            if digest_bytes(data) == source.original_sha256:
                return data
        if unreachable.is_set():
            raise _NotTriedError
        try:
            data = _download(f"{base_url}/{source.file}", wait_s)
        except _UnreachableError:
            unreachable.set()
            raise
        if digest_bytes(data) == source.original_sha256:
            part = kept.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(data)
            part.replace(kept)
        return data

    def read_and_tell(source: SourceFile) -> bytes:
        try:
            return read(source)
        finally:
            done()

    return _collect(
        files,
        read_and_tell,
        f"What arrived is kept in {cache}: run the same command again. Without a network, clone "
        "https://github.com/google/dreambooth elsewhere and pass it with --from.",
    )


def resize(original: bytes, name: str = "photo") -> bytes:
    """Make the photo that the release holds: upright, long side at most 768, JPEG 92, 4:4:4.

    The same bytes on every machine with one version of Pillow and libjpeg.

    Raises:
        UnreadableImageError: if the original is damaged.
    """
    image = decode_rgb(original, name)
    scale = min(1.0, LONG_SIDE / max(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


class _UnusableError(Exception):
    """One photo cannot be had; the message is the detail after its name."""


class _UnreachableError(_UnusableError):
    """The server does not answer: there is no point in trying the other photos."""


class _NotTriedError(_UnusableError):
    """Left alone, because the server did not answer before."""


def _collect(
    files: Iterable[SourceFile], read: Callable[[SourceFile], bytes], next_step: str
) -> Mapping[str, bytes]:
    """Read, check and, where they are originals, resize the photos; list all that cannot be."""
    files = sorted(files, key=lambda source: source.file)
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(lambda source: _admit(source, read), files))
    problems = [f"  {result}" for result in results if isinstance(result, str)]
    if problems:
        head = f"{len(problems)} of {len(files)} photos cannot be used"
        untried = sum(result is None for result in results)
        more = f" ({untried} more were not tried)" if untried else ""
        listed = "\n".join(problems)
        raise DatasetError(f"{head}{more}:\n{listed}\n{next_step}")
    photos = {
        source.file: result
        for source, result in zip(files, results, strict=True)
        if isinstance(result, bytes)
    }
    other = [source.file for source in files if digest_bytes(photos[source.file]) != source.sha256]
    if other:
        _log.warning(
            "%d of %d photos were resized to other bytes than the published release has "
            "(another Pillow or libjpeg than ours). The release gets another fingerprint: numbers "
            "measured on it are not comparable with those of the published one. First: %s",
            len(other),
            len(files),
            other[0],
        )
    return photos


def _admit(source: SourceFile, read: Callable[[SourceFile], bytes]) -> bytes | str | None:
    """One photo's resized bytes, or what is wrong with it; None: it was not tried."""
    try:
        data = read(source)
    except _NotTriedError:
        return None
    except _UnusableError as unusable:
        return f"{source.file}: {unusable}"
    digest = digest_bytes(data)
    if digest == source.sha256:
        return data
    if digest == source.original_sha256:
        return resize(data, source.file)
    return (
        f"{source.file}: sha256 {digest[:12]}…, expected {source.sha256[:12]}… (resized, "
        f"{source.size[0]} x {source.size[1]} pixels) or {source.original_sha256[:12]}… (original)"
    )


def _download(url: str, wait_s: Callable[[int], float]) -> bytes:
    """Fetch one file, again after a failure that may pass.

    The standard library's client: what `huggingface_hub` brings along has been three different
    packages in three major versions, and a plain GET needs none of them.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(wait_s(attempt - 1))
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
                data: bytes = response.read()
                return data
        except urllib.error.HTTPError as error:
            with error:
                failure = _UnusableError(f"{url}: HTTP {error.code} {error.reason}")
            if error.code < 500 and error.code not in {408, 429}:
                break
        except http.client.HTTPException as error:  # cut short, or not HTTP
            failure = _UnusableError(f"{url}: {type(error).__name__}: {error}")
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            failure = _UnreachableError(f"{url}: {reason}")
    raise failure
