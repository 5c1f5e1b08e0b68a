"""In: photos that a search named. Out: files, and a manifest in which people say whose each is."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

from builders.collect.http import Client, RefusedError
from builders.collect.likeness import Sight, clusters
from builders.collect.manifest import OPTIONAL, REQUIRED
from pdst.digest import digest_bytes
from pdst.files import whole_file
from pdst.images import UnreadableImageError, decode_rgb

COLUMNS = (*REQUIRED, *OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A photo that a search named.

    Attributes:
        url: of the file. page: where people find it, with its licence.
        licence: as `collect.licences` names it.
        attribution: a line that satisfies the licence.
    """

    url: str
    page: str
    title: str
    author: str
    licence: str
    licence_url: str
    attribution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search came to.

    Attributes:
        added: photos that are new in the manifest.
        known: photos that were in it already.
        passed_over: page -> why the photo was not taken.
    """

    added: int
    known: int
    passed_over: Mapping[str, str]


def keep_found(
    found: Iterable[Found],
    manifest: Path,
    client: Client,
    sight: Sight,
    *,
    allow: Collection[str],
) -> Search:
    """Fetch photos, and write them into a manifest with a proposal of who shows the same subject.

    What people have written into the manifest stays. A search that was cut off is simply given
    again: what was fetched is not fetched once more.

    Args:
        found: the photos.
        manifest: a CSV; made if need be. Files lie in a folder of its name, beside it.
        client: to fetch with.
        sight: to compare by.
        allow: licences that are taken.

    Raises:
        UnansweredError: if a server does not answer any more; what was found is kept.
    """
    rows = {row["source"]: row for row in _read(manifest)}
    added = known = 0
    passed_over: dict[str, str] = {}
    for photo in found:
        if photo.page in rows:
            known += 1
        elif photo.licence not in allow:
            passed_over[photo.page] = f"licence {photo.licence!r} is not on the list"
        else:
            try:
                rows[photo.page] = _fetched(photo, manifest, client)
                added += 1
            except (RefusedError, UnreadableImageError) as error:
                passed_over[photo.page] = str(error)
            _write(manifest, rows.values())
    _propose(manifest, rows, sight)
    _write(manifest, rows.values())
    return Search(added=added, known=known, passed_over=passed_over)


def _fetched(photo: Found, manifest: Path, client: Client) -> dict[str, str]:
    suffix = PurePosixPath(urlparse(photo.url).path).suffix.lower() or ".jpg"
    name = digest_bytes(photo.page.encode())[:16]
    path = manifest.parent / manifest.stem / f"{name}{suffix}"
    if not path.is_file():
        data = client.get(photo.url)
        decode_rgb(data, photo.url)  # what cannot be read is not worth anybody's look
        with whole_file(path) as temporary:
            temporary.write_bytes(data)
    row = dict.fromkeys(COLUMNS, "")
    return row | {
        "file": f"{manifest.stem}/{path.name}",
        "sha256": digest_bytes(path.read_bytes()),
        "image_id": name,
        "source": photo.page,
        "author": photo.author,
        "licence": photo.licence,
        "licence_url": photo.licence_url,
        "title": photo.title,
        "attribution": photo.attribution,
    }


def _propose(manifest: Path, rows: Mapping[str, dict[str, str]], sight: Sight) -> None:
    """Fill in `cluster`: photos of one author that look alike may show one subject."""
    photos = {
        page: decode_rgb((manifest.parent / row["file"]).read_bytes(), row["file"])
        for page, row in rows.items()
    }
    proposed = clusters(photos, {page: row["author"] for page, row in rows.items()}, sight)
    for page, number in proposed.items():
        rows[page]["cluster"] = str(number)


def _read(manifest: Path) -> list[dict[str, str]]:
    if not manifest.is_file():
        return []
    with manifest.open(encoding="utf-8-sig", newline="") as opened:
        return [{name: row.get(name) or "" for name in COLUMNS} for row in csv.DictReader(opened)]


def _write(manifest: Path, rows: Collection[Mapping[str, str]]) -> None:
    ordered = sorted(rows, key=lambda row: (int(row["cluster"] or 0), row["author"], row["source"]))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(ordered)
    with whole_file(manifest) as temporary:
        temporary.write_text(buffer.getvalue(), encoding="utf-8")
