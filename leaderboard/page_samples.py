"""In: a board's entries. Out: a few of their images, small, as files beside the page.

Entries never change, so that each is read once: what was made before is used again. Of an entry
that left the board the images are removed.
"""

import io
import json
import logging
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from leaderboard.place import Board
from pdst.digest import Json, digest_bytes
from pdst.errors import PdstError, SubmissionError
from pdst.files import whole_file
from pdst.images import decode_rgb
from pdst.submission.reading import bundle_images, read_bundle

SHOWN = 8
"""Images of an entry, each of another subject where there are so many."""

SIDE, QUALITY = 224, 70
"""Longest side in pixels, and WebP quality."""

COLUMNS = ("key", "subject_id", "prompt", "dino", "clip_t", "copied", "copy_photo", "attached")

log = logging.getLogger("pdst.leaderboard")


def write_samples(board: Board, digests: Iterable[str], folder: Path) -> dict[str, Json]:
    """Make the sample images that are not there yet.

    Args:
        board: that holds the entries.
        digests: of entries with images.
        folder: gets one folder an entry.

    Returns:
        digest -> a list of `file`, `subject`, `prompt`, `dino`, `clip_t` and `copy_of`. An entry
        that cannot be read has none; the log says so.
    """
    wanted = list(digests)
    _remove_others(folder, wanted)
    return {digest: _entry(board, digest, folder / digest) for digest in wanted}


def _remove_others(folder: Path, wanted: Iterable[str]) -> None:
    kept = set(wanted)
    for old in folder.iterdir() if folder.is_dir() else ():
        if re.fullmatch(r"[0-9a-f]{64}", old.name) and old.name not in kept:
            shutil.rmtree(old)


def _entry(board: Board, digest: str, folder: Path) -> Json:
    told = folder / "samples.json"
    if told.exists():
        found: Json = json.loads(told.read_text("utf-8"))
        return found
    try:
        with tempfile.TemporaryDirectory() as at:
            path = Path(at) / f"{digest}.parquet"
            board.fetch(digest, path)
            samples = _made(path, digest, folder)
    except PdstError as error:
        log.warning("%s: no sample images: %s", digest[:12], error)
        return []
    with whole_file(told) as temporary:  # last: an entry with this file is complete
        temporary.write_text(json.dumps(samples, ensure_ascii=False), "utf-8")
    return samples


def _made(path: Path, digest: str, folder: Path) -> list[Json]:
    bundle = read_bundle(path)
    if bundle.digest != digest:
        raise SubmissionError(f"the file on the board has digest {bundle.digest}: it was replaced.")
    rows = {row["key"]: row for row in _chosen(bundle.rows)}
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Json] = {}
    for key, data in bundle_images(path) if rows else ():
        if key not in rows:
            continue
        row = rows[key]
        name = f"{len(found)}.webp"
        with whole_file(folder / name) as temporary:
            temporary.write_bytes(_small(data, key))
        found[key] = {
            "file": f"images/{digest}/{name}",
            "key": key,
            "subject": row["subject_id"],
            "prompt": row["prompt"],
            "dino": row["dino"],
            "clip_t": row["clip_t"],
            "copy_of": row["copy_photo"] if row["copied"] else None,
        }
        if len(found) == len(rows):
            break
    return [found[key] for key in rows if key in found]


def _chosen(rows: pa.Table) -> list[dict[str, Json]]:
    """Attached rows by the digest of their key, which is the same for all entries; then by subject.

    Entries that attach all images thus show the same prompts.
    """
    attached = [row for row in rows.select(COLUMNS).to_pylist() if row["attached"]]
    attached.sort(key=lambda row: digest_bytes(row["key"].encode()))
    seen: dict[str, int] = {}
    turns = []
    for row in attached:
        turn = seen[row["subject_id"]] = seen.get(row["subject_id"], 0) + 1
        turns.append((turn, row))
    turns.sort(key=lambda pair: pair[0])  # stable: first one of each subject, then second ones
    chosen = [row for _, row in turns[:SHOWN]]
    return sorted(chosen, key=lambda row: str(row["key"]))


def _small(data: bytes, name: str) -> bytes:
    image = decode_rgb(data, name)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()
