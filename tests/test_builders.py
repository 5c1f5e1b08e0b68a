"""Claims about building releases: what is written, what is refused, what is downloaded."""

import io
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter, JpegImagePlugin

import pdst
from builders.dataset_card import fill_tables
from builders.pack import write_release
from builders.rows import About, Dropped, PhotoRow
from builders.sources import sketch
from builders.sources.dreambooth30.photos import SourceFile, from_folder, from_web, resize
from builders.sources.strokes import MODELS
from pdst.dataset import load
from pdst.digest import digest_bytes
from pdst.errors import DatasetError, PdstError
from pdst.validate import validate
from tests.http_double import Asked, HttpDouble, Reply

ROOT = Path(pdst.__file__).parent.parent


def run_builders(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m builders …`, from the checkout."""
    command = [sys.executable, "-m", "builders", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def decoded(data: bytes | None) -> NDArray[np.uint8]:
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


ABOUT = sketch.about()


@pytest.fixture(scope="session")
def drawn() -> tuple[PhotoRow, ...]:
    return sketch.rows(size=96)


# --- packing -------------------------------------------------------------------------------------


def test_what_is_written_is_what_is_loaded(tmp_path: Path, drawn: tuple[PhotoRow, ...]) -> None:
    fingerprint = write_release(tmp_path / "r", drawn, ABOUT)
    benchmark = load(tmp_path / "r")
    assert (benchmark.name, benchmark.version) == ("sketch", "1.0.0")
    assert benchmark.fingerprint == fingerprint
    given = {row.name: row for row in drawn}
    for subject in benchmark.subjects:
        for photo in subject.train:
            row = given.pop(f"{subject.subject_id}/{photo.image_id}")
            assert photo.encoded() == row.image
            assert photo.encoded_mask is not None
            assert photo.encoded_mask() == row.mask
            assert (photo.author, photo.licence) == (row.author, row.licence)
    for test in benchmark.test:
        row = given.pop(f"{test.subject_id}/{test.photo.image_id}")
        assert test.photo.encoded() == row.image
        assert test.captions == row.captions
    assert not given


def test_plain_load_dataset_opens_a_release(tmp_path: Path, drawn: tuple[PhotoRow, ...]) -> None:
    write_release(tmp_path / "r", drawn, ABOUT)
    loaded = datasets.load_dataset(str(tmp_path / "r"), cache_dir=str(tmp_path / "cache"))
    assert {split: loaded[split].num_rows for split in loaded} == {"train": 20, "test": 40}
    first = loaded["test"][0]
    assert first["image"].size == (96, 96)
    assert len(first["captions"]) == 10


def test_the_same_rows_give_the_same_bytes_in_any_order(
    tmp_path: Path, drawn: tuple[PhotoRow, ...]
) -> None:
    write_release(tmp_path / "one", drawn, ABOUT)
    write_release(tmp_path / "two", drawn[::-1], ABOUT)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_many_shards_hold_the_same_content(tmp_path: Path, drawn: tuple[PhotoRow, ...]) -> None:
    whole = write_release(tmp_path / "one", drawn, ABOUT)
    cut = write_release(tmp_path / "many", drawn, ABOUT, shard_bytes=50_000)
    assert cut == whole
    assert load(tmp_path / "many").fingerprint == whole
    names = [path.name for path in (tmp_path / "many").glob("test-*")]
    assert len(names) > 2
    assert all(name.endswith(f"-of-{len(names):05}.parquet") for name in names)


def test_image_bytes_are_stored_uncompressed(tmp_path: Path, drawn: tuple[PhotoRow, ...]) -> None:
    write_release(tmp_path / "r", drawn, ABOUT)
    metadata = pq.read_metadata(tmp_path / "r" / "train-00000-of-00001.parquet")
    group = metadata.row_group(0)
    codecs = {group.column(i).path_in_schema: group.column(i).compression for i in range(13)}
    assert codecs["image.bytes"] == codecs["mask.bytes"] == "UNCOMPRESSED"


def test_an_older_release_is_replaced(tmp_path: Path, drawn: tuple[PhotoRow, ...]) -> None:
    write_release(tmp_path / "r", drawn, ABOUT, shard_bytes=50_000)
    write_release(tmp_path / "r", drawn[:15], ABOUT)
    assert len(load(tmp_path / "r").subjects) == 1
    assert len(contents(tmp_path / "r")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


@pytest.mark.parametrize("stranger", ["thesis.tex", "README.md", "train-2.csv"])
def test_a_folder_that_is_not_a_release_is_left_alone(
    tmp_path: Path, drawn: tuple[PhotoRow, ...], stranger: str
) -> None:
    (tmp_path / stranger).write_text("years of work")
    with pytest.raises(DatasetError, match=re.escape(stranger)):
        write_release(tmp_path, drawn, ABOUT)
    assert contents(tmp_path) == {stranger: b"years of work"}


def test_a_release_with_a_stranger_in_it_is_left_alone(
    tmp_path: Path, drawn: tuple[PhotoRow, ...]
) -> None:
    write_release(tmp_path / "r", drawn[:15], ABOUT)
    (tmp_path / "r" / "notes.txt").write_text("mine")
    before = contents(tmp_path / "r")
    with pytest.raises(DatasetError, match=r"notes\.txt"):
        write_release(tmp_path / "r", drawn, ABOUT)
    assert contents(tmp_path / "r") == before


def test_rows_that_make_no_release_leave_the_old_one(
    tmp_path: Path, drawn: tuple[PhotoRow, ...]
) -> None:
    write_release(tmp_path / "r", drawn, ABOUT)
    before = contents(tmp_path / "r")
    broken = [replace(drawn[5], captions=("no slot here",) * 10), *drawn[:5]]
    with pytest.raises(DatasetError, match="no slot here"):
        write_release(tmp_path / "r", broken, ABOUT)
    with pytest.raises(DatasetError, match="cat-1/00"):
        write_release(tmp_path / "r", [*drawn, drawn[0]], ABOUT)
    assert contents(tmp_path / "r") == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


# --- the card ------------------------------------------------------------------------------------


def test_the_card_counts_its_rows(tmp_path: Path, drawn: tuple[PhotoRow, ...]) -> None:
    gone = Dropped(image="cat-1/77", split="test", like="cat-1/00", reason="a mirrored copy")
    about = replace(ABOUT, dropped=(gone,))
    kept = [replace(row, mask=None) if row.name == "cat-1/07" else row for row in drawn]
    write_release(tmp_path / "r", kept, about)
    card = (tmp_path / "r" / "README.md").read_text(encoding="utf-8")
    assert "| living | 2 | 10 | 20 | 29 | 200 |" in card
    assert "| all | 4 | 20 | 40 | 59 | 400 |" in card
    assert "| `mug-1` | mug | mug | rigid | 5 | 10 | 100 | CC-BY-4.0 |" in card
    assert "| `cat-1/77` | test | `cat-1/00` | a mirrored copy |" in card
    assert "[CC-BY-4.0](https://creativecommons.org/licenses/by/4.0/) | 60 |" in card
    assert load(tmp_path / "r").fingerprint in card


def test_attribution_names_each_maker_once_a_subject(tmp_path: Path) -> None:
    rows = sketch.rows(subjects=1, size=32)
    rows = (
        replace(rows[0], author="Ada", source="https://example.org/0"),
        replace(rows[1], author="Ada", source="https://example.org/1 (gone)"),
        *(replace(row, author="Bob", source="a drawer") for row in rows[2:6]),
    )
    write_release(tmp_path / "r", rows, ABOUT)
    card = (tmp_path / "r" / "README.md").read_text(encoding="utf-8")
    assert (
        "- `cat-1`: Ada, CC-BY-4.0: [00](https://example.org/0), 01: https://example.org/1 (gone)\n"
        "- `cat-1`: Bob, CC-BY-4.0: 02: a drawer, 03: a drawer, 04: a drawer, 05: a drawer\n"
    ) in card


# --- the drawn release ---------------------------------------------------------------------------


def test_a_seed_draws_the_same_release_again(drawn: tuple[PhotoRow, ...]) -> None:
    assert sketch.rows(size=96) == drawn
    other = sketch.rows(size=96, seed=1)
    assert not {row.image for row in other} & {row.image for row in drawn}


def test_subjects_are_living_and_rigid_in_turn_and_all_different() -> None:
    rows = sketch.rows(subjects=sketch.MAX_SUBJECTS, size=32)
    kinds = {row.subject_id: row.kind for row in rows}
    assert list(kinds.values()) == ["living", "rigid"] * 4
    splits = Counter((row.subject_id, row.split) for row in rows)
    assert set(splits.values()) == {5, 10}
    assert len({row.image for row in rows}) == len(rows)


def test_no_test_photo_is_in_a_place_of_a_train_photo() -> None:
    for seed in range(50):
        drawn = sketch.scenes(random.Random(seed))
        train, test = drawn[: sketch.TRAIN], drawn[sketch.TRAIN :]
        assert (len(train), len(test)) == (5, 10)
        assert not {scene.place for scene in train} & {scene.place for scene in test}
        assert len({(scene.place, scene.prop) for scene in drawn}) == 15


def test_captions_are_ten_different_sentences_without_the_class(
    drawn: tuple[PhotoRow, ...],
) -> None:
    nouns = {model.class_noun for model in MODELS}
    captions: dict[str, Counter[str]] = {row.subject_id: Counter() for row in drawn}
    for row in drawn:
        if row.split == "train":
            assert row.captions == ()
            continue
        assert len(set(row.captions)) == 10
        captions[row.subject_id].update(row.captions)
        for caption in row.captions:
            assert caption.count("{}") == 1
            assert not nouns & set(re.findall(r"\w+", caption.lower()))
    assert all(max(numbers.values()) == 1 for numbers in captions.values()), "within a subject"


def test_captions_are_true_of_where_the_subject_is(drawn: tuple[PhotoRow, ...]) -> None:
    bounds = {"on the left": (0.2, 0.4), "in the middle": (0.4, 0.6), "on the right": (0.6, 0.8)}
    sizes = {"far away": (0.2, 0.38), "at some distance": (0.3, 0.5), "close up": (0.42, 0.68)}
    for row in drawn:
        if row.split == "train":
            continue
        mask = decoded(row.mask) > 0
        across, down = np.nonzero(mask.any(axis=0))[0], np.nonzero(mask.any(axis=1))[0]
        middle = (across[0] + across[-1]) / 2 / mask.shape[1]
        height = (down[-1] - down[0]) / mask.shape[0]
        side = re.search(r"The \{\} is (.+) of the picture", "\n".join(row.captions))
        assert side is not None
        low, high = bounds[side[1]]
        assert low - 0.04 < middle < high + 0.04, row.name
        (size,) = (name for name in sizes if any(f"{{}} {name}," in c for c in row.captions))
        assert sizes[size][0] < height < sizes[size][1], row.name


def test_masks_are_exact() -> None:
    """Without its subject, a picture changes under the mask and nowhere else but on its edge."""
    model = MODELS[0]
    nobody = replace(model, draw=lambda pen, palette: None)
    for number, scene in enumerate(sketch.scenes(random.Random(0))):
        picture, mask = sketch.draw(
            model, model.palettes[0], scene, size=96, rng=random.Random(number)
        )
        empty, nothing = sketch.draw(
            nobody, model.palettes[0], scene, size=96, rng=random.Random(number)
        )
        assert nothing.getextrema() == (0, 0)
        inside = np.asarray(mask) > 0
        changed = np.abs(np.asarray(picture, int) - np.asarray(empty, int)).max(axis=2) > 0
        near = np.asarray(mask.filter(ImageFilter.MaxFilter(5))) > 0
        assert not changed[~near].any()
        assert changed[inside].mean() > 0.97


def test_a_subject_resembles_itself_more_than_another(drawn: tuple[PhotoRow, ...]) -> None:
    """Colours under the mask, in daylight or not: nearest neighbours are the same subject."""
    histograms = np.array([_colours(row) for row in drawn])
    alike = np.minimum(histograms[:, None], histograms[None]).sum(axis=2)
    np.fill_diagonal(alike, -1)
    same = [drawn[int(j)].subject_id == drawn[i].subject_id for i, j in enumerate(alike.argmax(1))]
    assert np.mean(same) > 0.95


def _colours(row: PhotoRow) -> NDArray[np.float64]:
    pixels = decoded(row.image)[decoded(row.mask) > 0] // 32
    counts = np.bincount(pixels @ np.array([64, 8, 1]), minlength=512)
    return np.asarray(counts / counts.sum(), dtype=np.float64)


@pytest.mark.parametrize("subjects", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_the_drawn_release_is_valid_without_a_warning(tmp_path: Path, subjects: int) -> None:
    write_release(tmp_path / "r", sketch.rows(subjects=subjects), ABOUT)
    assert validate(tmp_path / "r") == []


def test_the_drawn_release_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(ValueError, match="got 9, wanted 1 to 8"):
        sketch.rows(subjects=9)
    with pytest.raises(ValueError, match="at least 32"):
        sketch.rows(size=8)


# --- photos from a folder or from the web ---------------------------------------------------------


def jpeg(number: int, size: tuple[int, int] = (900, 600), orientation: int = 1) -> bytes:
    image = Image.new("RGB", size, (20 * number, 90, 200))
    image.paste((250, 240, 10 * number), (0, 0, size[0] // 2, size[1] // 2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


ORIGINALS: Mapping[str, bytes] = {f"dog/{n:02}.jpg": jpeg(n) for n in range(6)}


def listed(originals: Mapping[str, bytes]) -> tuple[SourceFile, ...]:
    """The lines of `sources.jsonl` for these originals."""
    return tuple(
        SourceFile(
            file=name,
            original_sha256=digest_bytes(data),
            sha256=digest_bytes(resize(data)),
            size=(768, 512),
        )
        for name, data in originals.items()
    )


class OriginalsDouble(HttpDouble):
    """Stands for the server that hosts the originals.

    Attributes:
        files: path -> bytes.
        fail: path -> what to do instead, once per entry: an HTTP status, or "short" (cut off).
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.fail: dict[str, list[int | str]] = {}
        super().__init__()

    def reply(self, asked: Asked) -> Reply:
        name = asked.path.lstrip("/")
        fault = self.fail[name].pop(0) if self.fail.get(name) else None
        data = self.files.get(name)
        if isinstance(fault, int) or data is None:
            return Reply(status=fault if isinstance(fault, int) else 404)
        return Reply(data=data, cut=fault == "short")

    @property
    def names(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.path.lstrip("/") for asked in self.asked]


@pytest.fixture
def server() -> Iterator[OriginalsDouble]:
    with OriginalsDouble(ORIGINALS) as served:
        yield served


@pytest.fixture
def fetch(server: OriginalsDouble, tmp_path: Path) -> Callable[[], Mapping[str, bytes]]:
    files = listed(ORIGINALS)
    return lambda: from_web(
        files, tmp_path / "cache", base_url=server.url, wait_s=lambda attempt: 0.0
    )


def test_a_photo_is_made_upright_and_small_the_same_way_every_time() -> None:
    tall = jpeg(3, size=(1000, 500), orientation=6)
    made = resize(tall)
    with Image.open(io.BytesIO(made)) as image:
        assert image.size == (384, 768)
        assert not image.getexif()
        assert JpegImagePlugin.get_sampling(image) == 0, "4:4:4"
    assert made == resize(tall)
    with Image.open(io.BytesIO(resize(jpeg(3, size=(300, 200))))) as image:
        assert image.size == (300, 200), "never enlarged"


def test_a_download_is_checked_resized_and_kept(
    server: OriginalsDouble, fetch: Callable[[], Mapping[str, bytes]]
) -> None:
    photos = fetch()
    assert photos == {name: resize(data) for name, data in ORIGINALS.items()}
    assert sorted(server.names) == sorted(ORIGINALS)
    assert fetch() == photos
    assert len(server.asked) == len(ORIGINALS), "the second time nothing was asked for"


def test_a_failed_download_goes_on_where_it_stopped(
    server: OriginalsDouble, fetch: Callable[[], Mapping[str, bytes]]
) -> None:
    lost = server.files.pop("dog/02.jpg")
    with pytest.raises(DatasetError, match=r"1 of 6 photos") as failure:
        fetch()
    assert f"dog/02.jpg: {server.url}/dog/02.jpg: HTTP 404" in str(failure.value)
    assert "run the same command again" in str(failure.value)
    server.files["dog/02.jpg"] = lost
    server.asked.clear()
    assert len(fetch()) == 6
    assert server.names == ["dog/02.jpg"]


@pytest.mark.parametrize("fault", [503, 429, "short"])
def test_a_passing_failure_is_tried_again(
    server: OriginalsDouble, fetch: Callable[[], Mapping[str, bytes]], fault: int | str
) -> None:
    server.fail = {"dog/01.jpg": [fault, fault]}
    assert len(fetch()) == 6
    assert server.names.count("dog/01.jpg") == 3


def test_a_page_that_is_missing_is_not_asked_for_again(
    server: OriginalsDouble, fetch: Callable[[], Mapping[str, bytes]]
) -> None:
    del server.files["dog/01.jpg"]
    with pytest.raises(DatasetError, match="HTTP 404"):
        fetch()
    assert server.names.count("dog/01.jpg") == 1


def test_a_swapped_file_is_refused_and_not_kept(
    server: OriginalsDouble, fetch: Callable[[], Mapping[str, bytes]], tmp_path: Path
) -> None:
    server.files["dog/04.jpg"] = jpeg(9)
    digest = digest_bytes(jpeg(9))[:12]
    with pytest.raises(DatasetError, match=rf"dog/04\.jpg: sha256 {digest}…, expected "):
        fetch()
    assert len(list((tmp_path / "cache").iterdir())) == 5


def test_a_damaged_cache_is_mended(
    server: OriginalsDouble, fetch: Callable[[], Mapping[str, bytes]], tmp_path: Path
) -> None:
    photos = fetch()
    damaged = tmp_path / "cache" / f"{digest_bytes(ORIGINALS['dog/00.jpg'])}.jpg"
    damaged.write_bytes(b"half a photo")
    assert fetch() == photos
    assert server.names.count("dog/00.jpg") == 2
    assert damaged.read_bytes() == ORIGINALS["dog/00.jpg"]


def test_without_a_network_the_rest_is_not_tried_and_the_way_out_is_named(
    server: OriginalsDouble, tmp_path: Path
) -> None:
    server.close()
    many = {f"dog/{n:02}.jpg": jpeg(n) for n in range(12)}
    files = listed(many)
    with pytest.raises(DatasetError, match=r"more were not tried") as failure:
        from_web(files, tmp_path, base_url=server.url, wait_s=lambda attempt: 0.0)
    assert "dog/00.jpg" in str(failure.value)
    assert "--from" in str(failure.value)


def test_other_resized_bytes_are_a_warning_not_an_error(
    server: OriginalsDouble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [replace(source, sha256="0" * 64) for source in listed(ORIGINALS)]
    photos = from_web(files, tmp_path, base_url=server.url)
    assert photos["dog/00.jpg"] == resize(ORIGINALS["dog/00.jpg"])
    assert "6 of 6 photos were resized to other bytes" in caplog.text


@pytest.mark.parametrize("clone", [False, True])
def test_a_folder_may_hold_resized_photos_or_the_originals_of_a_clone(
    tmp_path: Path, clone: bool
) -> None:
    place = tmp_path / "dataset" if clone else tmp_path
    for name, data in ORIGINALS.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data if clone else resize(data))
    photos = from_folder(tmp_path, listed(ORIGINALS))
    assert photos == {name: resize(data) for name, data in ORIGINALS.items()}


def test_all_bad_files_of_a_folder_are_listed_together(tmp_path: Path) -> None:
    for name, data in ORIGINALS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(resize(data))
    (tmp_path / "dog/01.jpg").unlink()
    (tmp_path / "dog/03.jpg").write_bytes(b"not a photo")
    with pytest.raises(DatasetError) as failure:
        from_folder(tmp_path, listed(ORIGINALS))
    message = str(failure.value)
    assert message.startswith("2 of 6 photos cannot be used:")
    assert "dog/01.jpg: no such file" in message
    expected = digest_bytes(resize(ORIGINALS["dog/03.jpg"]))[:12]
    got = digest_bytes(b"not a photo")[:12]
    assert f"dog/03.jpg: sha256 {got}…, expected {expected}… (resized, 768 x 512 pix" in message
    assert "Restore these files" in message


# --- the command line ----------------------------------------------------------------------------


def test_the_command_line_builds_and_says_what_it_built(tmp_path: Path) -> None:
    done = run_builders("sketch", "--out", str(tmp_path / "r"), "--size", "64", "--subjects", "2")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    benchmark = load(tmp_path / "r")
    assert said["fingerprint"] == benchmark.fingerprint
    assert said["counts"] == {
        "subjects": 2, "living": 1, "rigid": 1, "train": 10, "test": 20, "captions_per_photo": 10,
    }  # fmt: skip


def test_a_mistake_is_a_message_and_exit_code_two(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    done = run_builders("dreambooth30", "--from", str(missing), "--out", str(tmp_path / "r"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {missing}: no such folder")
    assert not (tmp_path / "r").exists()
    assert run_builders("sketch").returncode == 2, "--out is missing"


def test_a_card_without_places_for_its_tables_is_refused() -> None:
    with pytest.raises(PdstError, match="has places for subjects, wanted each of counts,"):
        fill_tables("<!-- subjects -->\n<!-- end -->")


def test_about_is_plain_data() -> None:
    assert isinstance(ABOUT, About)
    assert "drawn" in ABOUT.summary
