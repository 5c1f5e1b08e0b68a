"""Claims about collecting photos: what a file becomes, manifests, searches of open licences."""

import csv
import io
import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

import pdst
from builders.collect.commons import search_commons
from builders.collect.found import COLUMNS, Search, keep_found
from builders.collect.http import Client, RefusedError, UnansweredError
from builders.collect.ingest import ingest
from builders.collect.licences import ALLOWED, licence_id
from builders.collect.likeness import Sight, alike_pairs, clusters, open_sight
from builders.collect.manifest import read_manifest
from builders.collect.openverse import search_openverse
from builders.pipeline.settings import WorkspaceError
from pdst.images import MAX_PIXELS, UnreadableImageError
from tests.http_double import Asked, HttpDouble, Reply
from tests.releases import picture, png

HASHES = Sight(how="hashes")


def encoded(image: Image.Image, kind: str = "JPEG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


# --- what a file becomes -----------------------------------------------------------------------


def test_a_photo_that_is_as_it_should_be_keeps_its_bytes() -> None:
    for kind in ("JPEG", "PNG"):
        data = encoded(picture("a"), kind)
        assert ingest(data, 96).data == data
    assert ingest(encoded(picture("a")), 95).size == (95, 79)


def test_orientation_is_applied_and_every_tag_is_gone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    upright = picture("a")
    turned = upright.transpose(Image.Transpose.ROTATE_90)  # as a camera held sideways stores it
    made = ingest(encoded(turned, exif=exif, quality=98, subsampling=0), 96)
    with Image.open(io.BytesIO(made.data)) as image:
        assert made.size == image.size == upright.size
        assert not image.getexif()
        assert [name for name, _ in image.applist] == ["APP0"]
        difference = np.abs(np.asarray(image, int) - np.asarray(upright, int))
    assert difference.mean() < 4


@pytest.mark.parametrize(
    "data",
    [
        encoded(picture("a"), comment=b"taken at home"),
        encoded(picture("a"), icc_profile=b"\0" * 200),
        encoded(picture("a")) + b"a film, as phones append them",
        encoded(picture("a")) + encoded(picture("b")),
        encoded(picture("a").convert("L")),
    ],
    ids=["comment", "profile", "film", "second photo", "grey"],
)
def test_whatever_else_a_file_holds_does_not_come_along(data: bytes) -> None:
    made = ingest(data, 96)
    assert made.data != data
    assert b"taken at home" not in made.data
    with Image.open(io.BytesIO(made.data)) as image:
        assert image.mode == "RGB"
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_text_in_a_png_does_not_come_along() -> None:
    note = PngInfo()
    note.add_text("Author", "Ada")
    assert b"Ada" not in ingest(encoded(picture("a"), "PNG", pnginfo=note), 96).data


# --- photos as phones make them ------------------------------------------------------------------


def heic(image: Image.Image, exif: Image.Exif | None = None, quality: int = 90) -> bytes:
    """A HEIC file; the container is turned as EXIF says, as phones do it."""
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    written = None if exif is None else exif.tobytes()
    pillow_heif.from_pillow(image).save(buffer, quality=quality, exif=written)
    return buffer.getvalue()


def phone_exif(orientation: int, taken: str = "2024:05:01 10:00:00") -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0x9003] = taken
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_photo_is_turned_exactly_once(orientation: int) -> None:
    """Against Pillow's own turning of the same sensor picture."""
    sensor = picture("a")
    data = heic(sensor, phone_exif(orientation))
    turned = sensor.copy()
    turned.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(turned)
    assert (upright.size == sensor.size) == (orientation < 5)
    made = ingest(data, 96, "mug.heic")
    assert (made.suffix, made.size) == (".jpg", upright.size)
    with Image.open(io.BytesIO(made.data)) as image:
        assert [name for name, _ in image.applist] == ["APP0"], "no EXIF, no place"
        assert not image.getexif()
        assert np.abs(np.asarray(image, int) - np.asarray(upright, int)).mean() < 5
    others = [sensor.transpose(way) for way in Image.Transpose] + [sensor]
    with Image.open(io.BytesIO(made.data)) as image:
        near = [
            np.abs(np.asarray(image, int) - np.asarray(other, int)).mean() < 5
            for other in others
            if other.size == image.size
        ]
    assert sum(near) == 1, "and like no other turn of the picture"


def test_of_a_heic_photo_the_containers_rotation_counts_and_not_that_of_exif() -> None:
    data = heic(picture("a"), phone_exif(1))
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00"
    assert data.count(entry + b"\x01") == 1
    lying = data.replace(entry + b"\x01", entry + b"\x06")
    assert ingest(lying, 96).data == ingest(data, 96).data


def test_ten_bits_of_a_phone_become_eight() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    grey = np.full((64, 96, 3), 512 << 6, dtype=np.uint16)
    file = pillow_heif.from_bytes("RGB;16", (96, 64), grey.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=-1)
    assert pillow_heif.open_heif(buffer.getvalue(), convert_hdr_to_8bit=False).mode == "RGB;16"
    with Image.open(io.BytesIO(ingest(buffer.getvalue(), 96).data)) as image:
        assert image.getpixel((48, 32)) == pytest.approx((128, 128, 128), abs=2)


def test_a_heic_photo_that_is_cut_off_or_far_too_large_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = heic(picture("a"))
    with pytest.raises(UnreadableImageError, match=r"mug\.heic: cannot be decoded: damaged"):
        ingest(data[: len(data) // 2], 96, "mug.heic")
    monkeypatch.setattr("builders.collect.heic.MAX_PIXELS", 1000)
    with pytest.raises(UnreadableImageError, match=r"mug\.heic: .*over 1000 pixels"):
        ingest(data, 96, "mug.heic")


def test_without_pillow_heif_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(picture("a"))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    with pytest.raises(UnreadableImageError, match=r"pip install pillow-heif; or export .* JPEG"):
        ingest(data, 96, "mug.heic")


# --- depth and size ------------------------------------------------------------------------------


def test_twelve_bits_are_refused_because_they_come_out_black() -> None:
    in_sixteen = np.linspace(0, 4095, 64 * 64, dtype=np.uint16).reshape(64, 64)
    with pytest.raises(UnreadableImageError, match=r"shot\.tif: has 12 bits a sample.*8 bits"):
        ingest(encoded(Image.fromarray(in_sixteen), "TIFF"), 96, "shot.tif")
    # Two values in three bytes, as scanners write them; the header is that of a 16-bit file.
    packed = tiff_of_12_bits(64, 64)
    with pytest.raises(UnreadableImageError, match=r"shot\.tif: has 12 bits a sample"):
        ingest(packed, 96, "shot.tif")
    sixteen = np.linspace(0, 65535, 64 * 64, dtype=np.uint16).reshape(64, 64)
    assert ingest(encoded(Image.fromarray(sixteen), "TIFF"), 96).size == (64, 64)


def tiff_of_12_bits(width: int, height: int) -> bytes:
    """A baseline TIFF by hand: grey, 12 bits a sample, one strip."""
    strip = b"\x80\x08\x00" * (width * height // 2)
    tags = [
        (256, 3, width), (257, 3, height), (258, 3, 12), (259, 3, 1), (262, 3, 1),
        (273, 4, 8 + 2 + 9 * 12 + 4), (277, 3, 1), (278, 3, height), (279, 4, len(strip)),
    ]  # fmt: skip
    entries = b"".join(
        tag.to_bytes(2, "little")
        + kind.to_bytes(2, "little")
        + (1).to_bytes(4, "little")
        + value.to_bytes(4, "little")
        for tag, kind, value in tags
    )
    head = b"II*\0" + (8).to_bytes(4, "little")
    return head + len(tags).to_bytes(2, "little") + entries + bytes(4) + strip


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = black_png(40_000)
    assert len(bomb) < 2_000_000
    with pytest.raises(UnreadableImageError, match=rf"bomb\.png.*over {MAX_PIXELS} pixels"):
        ingest(bomb, 1024, "bomb.png")


def black_png(side: int) -> bytes:
    """A whole, valid, black PNG of one bit a pixel, packed row by row."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(1 + side // 8) * 100) for _ in range(side // 100)]
    size = side.to_bytes(4, "big")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + size + b"\1\0\0\0\0")
        + chunk(b"IDAT", b"".join(rows) + packer.flush())
        + chunk(b"IEND", b"")
    )


# --- licences and manifests --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (("by-sa", "2.0"), "CC-BY-SA-2.0"),
        (("CC BY 4.0", ""), "CC-BY-4.0"),
        (("cc0", "1.0"), "CC0-1.0"),
        (("CC0", ""), "CC0-1.0"),
        (("pdm", "1.0"), "PDM-1.0"),
        (("Public domain", ""), "PDM-1.0"),
        (("unsplash license", ""), "Unsplash License"),
        (("by-nc-nd", "4.0"), "CC-BY-NC-ND-4.0"),
        (("GFDL", ""), "GFDL"),
    ],
)
def test_a_licence_is_known_however_it_is_written(said: tuple[str, str], known: str) -> None:
    assert licence_id(*said) == known
    assert (known in ALLOWED) == ("NC" not in known and known != "GFDL")


def manifest(folder: Path, **changed: str) -> Path:
    row = {
        "file": "a.png", "sha256": "0" * 64, "subject_id": "mug", "source": "https://example.org",
        "author": "Ada", "licence": "CC BY 4.0", "permission_ref": "",
    } | changed  # fmt: skip
    path = folder / "manifest.csv"
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, row)
        writer.writeheader()
        writer.writerow(row)
    return path


def test_a_manifest_names_photos_with_their_credits(tmp_path: Path) -> None:
    (photo,) = read_manifest(manifest(tmp_path), allow=ALLOWED).photos
    assert (photo.name, photo.path) == ("mug/a", tmp_path / "a.png")
    assert (photo.licence, photo.licence_url) == ("CC-BY-4.0", ALLOWED["CC-BY-4.0"].url)
    jsonl = tmp_path / "manifest.jsonl"
    with manifest(tmp_path).open(newline="") as opened:
        jsonl.write_text("\n".join(json.dumps(row) for row in csv.DictReader(opened)))
    (same,) = read_manifest(jsonl, allow=ALLOWED).photos
    assert same.source == photo.source


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"licence": "CC BY-NC 4.0"}, r"line 2: licence 'CC BY-NC 4.0' is not on the list. NC"),
        ({"licence": "Unsplash License"}, r"line 2: .* needs a permission_ref: the site's terms"),
        ({"author": " "}, r"line 2: no author. Fill it in"),
        ({"sha256": "abc"}, r"line 2: sha256 is 'abc', wanted 64"),
        ({"subject_id": "../x"}, r"line 2: subject_id is '../x'"),
    ],
)
def test_a_row_that_cannot_be_taken_says_why(
    tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    found = read_manifest(manifest(tmp_path, **changed), allow=ALLOWED)
    assert not found.photos
    (problem,) = found.problems
    assert re.search(message, problem)


def test_consent_opens_the_photo_sites(tmp_path: Path) -> None:
    path = manifest(tmp_path, licence="Unsplash License", permission_ref="mail of 2026-01-02")
    (photo,) = read_manifest(path, allow=ALLOWED).photos
    assert photo.statement == "mail of 2026-01-02"


def test_photos_without_a_subject_are_counted_and_unwanted_ones_are_not(tmp_path: Path) -> None:
    assert read_manifest(manifest(tmp_path, subject_id=""), allow=ALLOWED).undecided == 1
    assert read_manifest(manifest(tmp_path, subject_id="-"), allow=ALLOWED).undecided == 0


def test_a_misspelt_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"No column named 'licens'. Did you mean 'licence'"):
        read_manifest(manifest(tmp_path, licens="x"), allow=ALLOWED)


# --- likeness ----------------------------------------------------------------------------------


def test_mirrored_and_equal_photos_are_found_and_others_are_not() -> None:
    one = picture("a", (300, 240))
    photos = {
        "a": one,
        "flipped": one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "other": picture("b", (300, 240)),
    }
    (pair,) = alike_pairs(photos, HASHES)
    assert (pair.names, pair.sure) == (frozenset({"a", "flipped"}), True)
    assert "mirrored" in pair.how


def test_clusters_are_of_one_author_and_alike() -> None:
    one = picture("a", (300, 240))
    photos = {"a": one, "a again": one.resize((150, 120)), "b": picture("b"), "c": one}
    authors = {"a": "Ada", "a again": "Ada", "b": "Ada", "c": "Bob"}
    assert clusters(photos, authors, HASHES) == {"a": 1, "a again": 1, "b": 2, "c": 3}


def test_embeddings_see_likeness_where_the_extra_is_installed() -> None:
    pytest.importorskip("timm")
    sight = open_sight("miniature")
    assert sight.embed is not None
    embedded = sight.embed([picture("a"), picture("a"), picture("b")])
    assert embedded[0] @ embedded[1] == pytest.approx(1, abs=1e-5)
    assert embedded[0] @ embedded[2] < 0.95
    assert re.search(r"alignment and .*DINO.* \(dino-[0-9a-f]{8}\)", sight.how)


# --- searches ----------------------------------------------------------------------------------


class SearchDouble(HttpDouble):
    """Stands for Openverse and Wikimedia Commons: replays their documented answers.

    Attributes:
        openverse, commons: answers, by page. files: path -> bytes.
        faults: what to do instead, once each: (status, Retry-After) or "short"; None: nothing.
    """

    def __init__(self) -> None:
        self.openverse: dict[str, dict[str, Any]] = {}
        self.commons: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.faults: list[tuple[int, str] | str | None] = []
        super().__init__()

    def reply(self, asked: Asked) -> Reply:
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, tuple):
            return Reply(status=fault[0], headers={"Retry-After": fault[1]})
        if asked.path == "/v1/images/":
            data = json.dumps(self.openverse[asked.query["page"][0]]).encode()
        elif asked.path == "/w/api.php":
            data = json.dumps(self.commons[asked.query.get("gsroffset", ["0"])[0]]).encode()
        elif asked.path in self.files:
            data = self.files[asked.path]
        else:
            return Reply(status=404)
        return Reply(data=data, cut=fault == "short")


@pytest.fixture
def server() -> Iterator[SearchDouble]:
    with SearchDouble() as served:
        yield served


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> Client:
    return Client(contact="ada@example.org", pace_s=0.0, wait=waits.append)


def openverse_result(server: SearchDouble, name: str, **changed: object) -> dict[str, object]:
    """One result, with the fields of Openverse's API, version 1."""
    server.files[f"/files/{name}.png"] = png(picture(name))
    return {
        "id": f"id-{name}", "title": f"Mug {name}", "indexed_on": "2024-01-01T00:00:00Z",
        "foreign_landing_url": f"https://example.org/{name}",
        "url": f"{server.url}/files/{name}.png", "creator": "Ada",
        "creator_url": "https://example.org/ada", "license": "by", "license_version": "4.0",
        "license_url": "https://creativecommons.org/licenses/by/4.0/", "provider": "flickr",
        "source": "flickr", "category": None, "filesize": None, "filetype": "png",
        "tags": [{"name": "mug", "accuracy": None}],
        "attribution": f'"Mug {name}" by Ada is licensed under CC BY 4.0.',
        "fields_matched": ["title"], "mature": False, "height": 80, "width": 96,
        "thumbnail": f"{server.url}/thumb", "detail_url": "", "related_url": "",
        "unstable__sensitivity": [],
    } | changed  # fmt: skip


def openverse_pages(server: SearchDouble) -> None:
    pages = [["a", "b"], ["c"]]
    for number, names in enumerate(pages, start=1):
        server.openverse[str(number)] = {
            "result_count": 3, "page_count": 2, "page_size": 20, "page": number,
            "results": [openverse_result(server, name) for name in names], "warnings": [],
        }  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_openverse_is_read_page_by_page(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    openverse_pages(server)
    url = f"{server.url}/v1/images/"
    told = keep_found(
        search_openverse("ceramic mug", client, most=50, url=url),
        tmp_path / "found.csv",
        client,
        HASHES,
        allow=ALLOWED,
    )
    assert (told.added, told.known, dict(told.passed_over)) == (3, 0, {})
    searches = [asked.query for asked in server.asked if asked.path == "/v1/images/"]
    assert [query["page"] for query in searches] == [["1"], ["2"]]
    assert searches[0]["q"] == ["ceramic mug"]
    assert searches[0]["license"] == ["cc0,pdm,by,by-sa"]
    agent = f"pdst-builders/{pdst.__version__} (research dataset builder; ada@example.org)"
    assert {asked.headers["user-agent"] for asked in server.asked} == {agent}
    rows = rows_of(tmp_path / "found.csv")
    assert set(rows[0]) == set(COLUMNS)
    first = next(row for row in rows if row["source"] == "https://example.org/a")
    assert first["licence"] == "CC-BY-4.0"
    assert first["attribution"] == '"Mug a" by Ada is licensed under CC BY 4.0.'
    assert (tmp_path / first["file"]).read_bytes() == server.files["/files/a.png"]
    assert read_manifest(tmp_path / "found.csv", allow=ALLOWED).undecided == 3


def test_what_people_wrote_stays_and_nothing_is_fetched_twice(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    openverse_pages(server)
    path = tmp_path / "found.csv"

    def search() -> tuple[int, int]:
        asked = search_openverse("mug", client, most=50, url=f"{server.url}/v1/images/")
        told = keep_found(asked, path, client, HASHES, allow=ALLOWED)
        return told.added, told.known

    assert search() == (3, 0)
    text = path.read_text()
    row = rows_of(path)[0]
    path.write_text(text.replace(f"{row['sha256']},,", f"{row['sha256']},mug,"))
    server.asked.clear()
    assert search() == (0, 3)
    assert [asked.path for asked in server.asked] == ["/v1/images/"] * 2
    assert [own["subject_id"] for own in rows_of(path)] == ["mug", "", ""]
    (photo,) = read_manifest(path, allow=ALLOWED).photos
    assert photo.author == "Ada"


def keep(server: SearchDouble, client: Client, path: Path) -> Search:
    asked = search_openverse("mug", client, most=50, url=f"{server.url}/v1/images/")
    return keep_found(asked, path, client, HASHES, allow=ALLOWED)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b",", b";", r"lacks file, .*nothing was written to it. Save it as CSV with commas"),
        (b"org/b", b"org/a", r"3 rows, but 2 different sources: a search would lose rows"),
        (b",Ada,", ",Zo\xeb,".encode("cp1252"), r"is no UTF-8 text .* Save it as UTF-8"),
    ],
    ids=["semicolons", "a source twice", "cp1252"],
)
def test_a_manifest_that_a_search_would_spoil_is_left_as_it_is(
    server: SearchDouble, client: Client, tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    openverse_pages(server)
    path = tmp_path / "found.csv"
    keep(server, client, path)
    edited = path.read_bytes().replace(old, new)
    path.write_bytes(edited)
    with pytest.raises(WorkspaceError, match=message):
        keep(server, client, path)
    assert path.read_bytes() == edited


def test_a_search_goes_on_over_a_deleted_photo_and_a_word_for_a_cluster(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    openverse_pages(server)
    path = tmp_path / "found.csv"
    keep(server, client, path)
    rows = rows_of(path)
    (tmp_path / rows[0]["file"]).unlink()
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, COLUMNS)
        writer.writeheader()
        writer.writerows(row | {"cluster": "my mug"} for row in rows)
    server.openverse["2"]["results"].append(openverse_result(server, "d"))
    told = keep(server, client, path)
    assert (told.added, told.known) == (1, 3)
    assert "my mug" in {row["cluster"] for row in rows_of(path)}, "of the photo that is gone"


def test_a_title_with_a_line_separator_is_one_row(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    result = openverse_result(server, "a", title="My mug\u2028in the sun")
    server.openverse["1"] = {"page_count": 1, "results": [result]}
    keep(server, client, tmp_path / "found.csv")
    assert read_manifest(tmp_path / "found.csv", allow=ALLOWED).undecided == 1


def test_two_photos_of_one_page_are_both_taken_once(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    page = {"foreign_landing_url": "https://example.org/museum"}
    results = [openverse_result(server, name, **page) for name in "ab"]
    server.openverse["1"] = {"page_count": 1, "results": [*results, results[0]]}
    told = keep(server, client, tmp_path / "found.csv")
    assert (told.added, told.known) == (2, 1)
    sources = {row["source"] for row in rows_of(tmp_path / "found.csv")}
    assert sources == {"https://example.org/museum", f"{server.url}/files/b.png"}
    told = keep(server, client, tmp_path / "found.csv")
    assert (told.added, told.known) == (0, 3)


def test_a_photos_host_that_is_dead_is_asked_once_and_the_search_goes_on(
    server: SearchDouble, client: Client, waits: list[float], tmp_path: Path
) -> None:
    urls = {name: f"http://127.0.0.1:1/{name}.png" for name in "acde"} | {"f": "http://[bad/"}
    results = [openverse_result(server, name, url=url) for name, url in urls.items()]
    server.openverse["1"] = {"page_count": 1, "results": [*results, openverse_result(server, "b")]}
    told = keep(server, client, tmp_path / "found.csv")
    assert told.added == 1
    said = [told.passed_over[f"https://example.org/{name}"] for name in "acdef"]
    assert "refused" in said[0]
    assert said[1:4] == ["127.0.0.1:1 did not answer, and was not asked again."] * 3
    assert "no address" in said[4]
    assert len(waits) == client.tries - 1


def test_an_address_is_quoted_and_one_that_is_none_is_refused_at_once(
    server: SearchDouble, client: Client, waits: list[float]
) -> None:
    server.files["/files/M%C3%BCg%20a%2F.png"] = b"a mug"
    assert client.get(f"{server.url}/files/M\u00fcg a%2F.png") == b"a mug"
    for url in ("//example.org/a.png", "http://[bad/a.png", "http://h:x/a", "file:///etc/hosts"):
        with pytest.raises(RefusedError, match=r"no address of a file on the web, wanted https:"):
            client.get(url)
    assert waits == []


def test_a_search_that_the_service_refuses_says_what_to_do(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    server.faults = [(401, "")]
    with pytest.raises(UnansweredError, match=r"HTTP 401 .*correct its address \(--url\) or"):
        keep(server, client, tmp_path / "found.csv")


def test_licences_outside_the_list_are_passed_over_with_the_reason(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    results = [
        openverse_result(server, "a", license="by-nc", license_url=None),
        openverse_result(server, "b", url=f"{server.url}/gone.png"),
        openverse_result(server, "c"),
    ]
    server.files["/files/c.png"] = b"no image at all"
    server.openverse["1"] = {"page_count": 1, "results": results}
    told = keep_found(
        search_openverse("mug", client, most=50, url=f"{server.url}/v1/images/"),
        tmp_path / "found.csv",
        client,
        HASHES,
        allow=ALLOWED,
    )
    assert told.added == 0
    assert told.passed_over["https://example.org/a"] == (
        "licence 'CC-BY-NC-4.0' is not on the list"
    )
    assert "HTTP 404" in told.passed_over["https://example.org/b"]
    assert "cannot be decoded" in told.passed_over["https://example.org/c"]


def commons_page(server: SearchDouble, index: int, name: str, **info: object) -> dict[str, object]:
    """One page of a MediaWiki answer, formatversion 2."""
    server.files[f"/files/{name}"] = png(picture(name))
    return {
        "pageid": 100 + index, "ns": 6, "title": f"File:{name}", "index": index,
        "imagerepository": "local",
        "imageinfo": [
            {
                "user": "Uploader", "size": 1000, "width": 96, "height": 80, "mime": "image/png",
                "url": f"{server.url}/files/{name}",
                "descriptionurl": f"https://commons.example.org/wiki/File:{name}",
                "extmetadata": {
                    "Artist": {"value": '<a href="//x">Ada &amp; Bob</a>', "source": "x"},
                    "LicenseShortName": {"value": "CC BY-SA 4.0", "source": "x"},
                    "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0"},
                },
                **info,
            }
        ],
    }  # fmt: skip


def test_commons_is_followed_by_its_own_continuation(
    server: SearchDouble, client: Client, tmp_path: Path
) -> None:
    server.commons["0"] = {
        "continue": {"gsroffset": 50, "continue": "gsroffset||"},
        "query": {
            "pages": [
                commons_page(server, 2, "b.png"),
                commons_page(server, 1, "a.png"),
                commons_page(server, 3, "song.ogg", mime="audio/ogg"),
            ]
        },
    }
    server.commons["50"] = {
        "batchcomplete": True,
        "query": {"pages": [commons_page(server, 51, "c.png")]},
    }
    found = list(search_commons("mug", client, most=50, url=f"{server.url}/w/api.php"))
    assert [photo.title for photo in found] == ["a.png", "b.png", "c.png"]
    assert found[0].author == "Ada & Bob"
    assert found[0].licence == "CC-BY-SA-4.0"
    assert found[0].attribution == (
        '"a.png" by Ada & Bob, CC-BY-SA-4.0 (https://creativecommons.org/licenses/by-sa/4.0), '
        "via Wikimedia Commons"
    )
    assert [asked.query.get("gsroffset") for asked in server.asked] == [None, ["50"]]
    assert len(list(search_commons("mug", client, most=2, url=f"{server.url}/w/api.php"))) == 2


def test_an_error_of_commons_with_http_200_is_no_empty_answer(
    server: SearchDouble, client: Client
) -> None:
    page = {"query": {"pages": [commons_page(server, 1, "a.png")]}}
    server.commons["0"] = {**page, "continue": {"gsroffset": 50, "continue": "gsroffset||"}}
    server.commons["50"] = {
        "error": {"code": "ratelimited", "info": "You've exceeded your rate limit."},
        "servedby": "mw1234",
    }
    found = search_commons("mug", client, most=50, url=f"{server.url}/w/api.php")
    assert next(found).title == "a.png"
    with pytest.raises(UnansweredError, match=r"ratelimited: You've exceeded.*found is kept: run"):
        next(found)


def test_openverse_is_not_asked_for_pages_that_it_refuses(
    server: SearchDouble, client: Client
) -> None:
    for number in range(1, 21):
        result = openverse_result(server, f"mug-{number}")
        server.openverse[str(number)] = {
            "result_count": 10000, "page_count": 500, "page_size": 20, "page": number,
            "results": [result], "warnings": [],
        }  # fmt: skip
    found = list(search_openverse("mug", client, most=999, url=f"{server.url}/v1/images/"))
    assert len(found) == len(server.asked) == 20


def test_told_to_wait_then_cut_short_it_waits_and_asks_again(
    server: SearchDouble, client: Client, waits: list[float]
) -> None:
    openverse_pages(server)
    server.faults = [(429, "7"), "short", (503, "")]
    found = list(search_openverse("mug", client, most=2, url=f"{server.url}/v1/images/"))
    assert [photo.title for photo in found] == ["Mug a", "Mug b"]
    assert waits == [7.0, 2.0, 4.0]


def test_a_server_that_goes_on_refusing_is_left_alone_and_what_was_found_is_kept(
    server: SearchDouble, client: Client, waits: list[float], tmp_path: Path
) -> None:
    openverse_pages(server)
    url = f"{server.url}/v1/images/"

    def search() -> None:
        asked = search_openverse("mug", client, most=50, url=url)
        keep_found(asked, tmp_path / "found.csv", client, HASHES, allow=ALLOWED)

    server.faults = [None, None, None, *[(429, "1")] * 5]
    with pytest.raises(UnansweredError, match=r"page=2.*HTTP 429.*What was found is kept: run"):
        search()
    assert len(rows_of(tmp_path / "found.csv")) == 2
    search()
    assert len(rows_of(tmp_path / "found.csv")) == 3
    server.faults = [(429, "3600")]
    with pytest.raises(UnansweredError, match=r"wants a wait of 3600 s"):
        search()


def test_questions_are_paced(server: SearchDouble) -> None:
    openverse_pages(server)
    waits: list[float] = []
    client = Client(contact="ada@example.org", pace_s=3.0, wait=waits.append)
    list(search_openverse("mug", client, most=50, url=f"{server.url}/v1/images/"))
    assert len(waits) == 1
    assert 2.5 < waits[0] <= 3.0
