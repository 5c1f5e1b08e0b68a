"""In: photos that a search named. Out: files, and a manifest in which people say whose each is."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from builders.collect.http import Client, RefusedError, UnansweredError, web_address
from builders.collect.likeness import Sight, clusters
from builders.collect.manifest import OPTIONAL, REQUIRED
from builders.collect.text import read_utf8
from builders.pipeline.settings import WorkspaceError
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
        passed_over: source -> why the photo was not taken.
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
        UnansweredError: if the service that is searched does not answer any more; what was found
            is kept. A photo's own server that does not answer is not asked again.
    """
    listed = _read(manifest)
    rows = {row["source"] or row["file"]: row for row in listed}
    if len(rows) < len(listed):
        raise WorkspaceError(
            f"{manifest}: {len(listed)} rows, but {len(rows)} different sources: a search would "
            "lose rows. Give each its own source, or give the search another --manifest."
        )
    silent: set[str] = set()
    added = known = 0
    passed_over: dict[str, str] = {}
    first: dict[str, str] = {}
    for photo in found:  # a page may show several: all but the first go by their files
        source = photo.page if first.setdefault(photo.page, photo.url) == photo.url else photo.url
        if source in rows:
            known += 1
        elif photo.licence not in allow:
            passed_over[source] = f"licence {photo.licence!r} is not on the list"
        else:
            try:
                rows[source] = _fetched(photo, source, manifest, client, silent)
                added += 1
            except (UnansweredError, UnreadableImageError) as error:
                passed_over[source] = str(error)
            _write(manifest, rows.values())
    _propose(manifest, rows, sight)
    _write(manifest, rows.values())
    return Search(added=added, known=known, passed_over=passed_over)


def _fetched(
    photo: Found, source: str, manifest: Path, client: Client, silent: set[str]
) -> dict[str, str]:
    """The row of a photo, its file fetched; a server that does not answer is noted as silent."""
    parts = urlsplit(web_address(photo.url))
    suffix = PurePosixPath(parts.path).suffix.lower() or ".jpg"
    name = digest_bytes(source.encode())[:16]
    path = manifest.parent / manifest.stem / f"{name}{suffix}"
    if not path.is_file():
        if parts.netloc in silent:
            raise RefusedError(f"{parts.netloc} did not answer, and was not asked again.")
        try:
            data = client.get(photo.url)
        except RefusedError:
            raise
        except UnansweredError:
            silent.add(parts.netloc)
            raise
        decode_rgb(data, photo.url)  # what cannot be read is not worth anybody's look
        with whole_file(path) as temporary:
            temporary.write_bytes(data)
    row = dict.fromkeys(COLUMNS, "")
    return row | {
        "file": f"{manifest.stem}/{path.name}",
        "sha256": digest_bytes(path.read_bytes()),
        "image_id": name,
        "source": source,
        "author": photo.author,
        "licence": photo.licence,
        "licence_url": photo.licence_url,
        "title": photo.title,
        "attribution": photo.attribution,
    }


def _propose(manifest: Path, rows: Mapping[str, dict[str, str]], sight: Sight) -> None:
    """Fill in `cluster`: photos of one author that look alike may show one subject."""
    photos = {
        source: decode_rgb((manifest.parent / row["file"]).read_bytes(), row["file"])
        for source, row in rows.items()
        if (manifest.parent / row["file"]).is_file()  # somebody may have deleted what nobody wants
    }
    authors = {source: rows[source]["author"] for source in photos}
    for source, number in clusters(photos, authors, sight).items():
        rows[source]["cluster"] = str(number)


def _read(manifest: Path) -> list[dict[str, str]]:
    if not manifest.is_file():
        return []
    reader = csv.DictReader(io.StringIO(read_utf8(manifest), newline=""))
    if lacking := [name for name in REQUIRED if name not in (reader.fieldnames or ())]:
        raise WorkspaceError(
            f"{manifest}: lacks {', '.join(lacking)}, so nothing was written to it. Save it as CSV "
            "with commas, or give the search another --manifest."
        )
    return [{name: row.get(name) or "" for name in COLUMNS} for row in reader]


def _write(manifest: Path, rows: Collection[Mapping[str, str]]) -> None:
    ordered = sorted(
        rows,
        key=lambda row: (
            int(row["cluster"]) if row["cluster"].isdecimal() else 0,
            row["author"],
            row["source"],
        ),
    )
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(ordered)
    with whole_file(manifest) as temporary:
        temporary.write_text(buffer.getvalue(), encoding="utf-8")
