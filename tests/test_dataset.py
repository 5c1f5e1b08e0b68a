"""Claims about releases on disk: what `pdst.load` gives, and what it refuses, naming the row."""

import io
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

import pdst
from pdst.dataset import load
from pdst.digest import digest_bytes, digest_json
from pdst.errors import DatasetError
from pdst.images import UnreadableImageError, pixel_digest
from pdst.release import SCHEMAS, content_row, fingerprint
from tests.releases import Rows, png, replace_image, tiny_release, tiny_rows, write_release


def encoded(image: Image.Image, suffix: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, suffix, **options)
    return buffer.getvalue()


def run_python(code: str, cwd: Path) -> str:
    """Run code in a fresh interpreter that can import this pdst; returns what it prints."""
    root = Path(pdst.__file__).parent.parent
    prelude = f"import sys; sys.path.insert(0, {str(root)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- what loading gives --------------------------------------------------------------------------


def test_a_release_loads_as_typed_nouns(tmp_path: Path) -> None:
    benchmark = load(tiny_release(tmp_path / "r"))
    assert (benchmark.name, benchmark.version) == ("tiny", "1.0.0")
    assert [s.subject_id for s in benchmark.subjects] == ["blob", "box", "can"]
    blob = benchmark.subject("blob")
    assert (blob.class_noun, blob.init_token, blob.kind) == ("dog", "dog", "living")
    assert [p.image_id for p in blob.train] == ["00", "01"]
    assert [t.photo.image_id for t in benchmark.test_photos("blob")] == ["02", "03", "04"]
    assert all(len(t.captions) == 10 for t in benchmark.test)
    photo = blob.train[0]
    assert photo.source == "https://example.org/blob/00"
    assert (photo.author, photo.licence) == ("Nobody", "CC0-1.0")


def test_pixels_are_those_of_the_row(tmp_path: Path) -> None:
    rows = tiny_rows()
    benchmark = load(write_release(tmp_path / "r", rows))
    for row in rows["test"]:
        [test] = [
            t
            for t in benchmark.test_photos(row["subject_id"])
            if t.photo.image_id == row["image_id"]
        ]
        assert test.photo.encoded() == row["image"]["bytes"]
        assert test.photo.sha256 == digest_bytes(row["image"]["bytes"])
        assert test.photo.encoded_mask is not None
        assert test.photo.encoded_mask() == row["mask"]["bytes"]
        mask = test.photo.mask()
        assert mask is not None
        assert mask.size == test.photo.image().size


def test_a_photo_without_mask_has_none(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        rows["test"][0]["mask"] = None

    benchmark = load(tiny_release(tmp_path / "r", edit=edit))
    assert benchmark.test[0].photo.mask() is None
    assert benchmark.test[1].photo.mask() is not None


def test_a_file_name_as_text_works_like_a_path(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    assert load(str(folder)) == load(folder) == load("tiny", data_dir=folder)


def test_row_order_and_shards_change_neither_fingerprint_nor_benchmark(tmp_path: Path) -> None:
    def shuffle(rows: Rows) -> None:
        rows["train"].reverse()
        rows["test"] = rows["test"][3:] + rows["test"][:3]

    plain = load(tiny_release(tmp_path / "plain"))
    shuffled = load(tiny_release(tmp_path / "shuffled", edit=shuffle, shards=2))
    assert len(list((tmp_path / "shuffled").glob("test-*.parquet"))) == 2
    assert plain == shuffled


@pytest.mark.parametrize(
    "edit",
    [
        lambda rows: rows["test"][0].update(captions=["A {}."] * 10),
        lambda rows: [row.update(class_noun="cat") for row in all_rows(rows, "blob")],
        lambda rows: rows["train"][0].update(mask=None),
        lambda rows: rows["train"][0].update(image_id="99"),
        lambda rows: replace_image(rows["train"][0], png(Image.new("RGB", (8, 8)))),
    ],
    ids=["captions", "class noun", "mask", "image id", "pixels"],
)
def test_changed_content_changes_the_fingerprint(
    tmp_path: Path, edit: Callable[[Rows], None]
) -> None:
    before = load(tiny_release(tmp_path / "before"))
    after = load(tiny_release(tmp_path / "after", edit=edit))
    assert before.fingerprint != after.fingerprint


def all_rows(rows: Rows, subject_id: str) -> list[dict[str, object]]:
    return [r for split in rows.values() for r in split if r["subject_id"] == subject_id]


def test_attribution_and_file_names_do_not_enter_the_fingerprint(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        for row in rows["train"] + rows["test"]:
            row.update(author="Somebody", licence="CC-BY-4.0")
            row["image"]["path"] = "another name.png"

    before = load(tiny_release(tmp_path / "before"))
    after = load(tiny_release(tmp_path / "after", edit=edit))
    assert before.fingerprint == after.fingerprint


def test_the_fingerprint_is_the_digest_that_the_format_defines() -> None:
    texts = dict.fromkeys(("class_noun", "init_token"), "dog") | {"kind": "living"}
    train = content_row(
        "train", texts | {"subject_id": "a", "image_id": "0"}, image_sha256="i", mask_sha256="m"
    )
    test = content_row(
        "test",
        texts | {"subject_id": "a", "image_id": "1"},
        image_sha256="j",
        mask_sha256=None,
        captions=["a {}"],
    )
    noun = {"subject_id": "a", "class_noun": "dog", "init_token": "dog", "kind": "living"}
    first = noun | {"image_id": "1", "split": "test", "image": "j", "mask": None}
    second = noun | {"image_id": "0", "split": "train", "image": "i", "mask": "m"}
    by_hand = digest_json({"schema": 1, "rows": [first | {"captions": ["a {}"]}, second]})
    assert fingerprint([train, test]) == fingerprint([test, train]) == by_hand


def test_a_stored_file_survives_pickling_and_is_small(tmp_path: Path) -> None:
    photo = load(tiny_release(tmp_path / "r")).test[0].photo
    packed = pickle.dumps(photo)
    assert len(packed) < 1000
    assert pickle.loads(packed).encoded() == photo.encoded()


def test_loading_keeps_no_image_in_memory(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)

    def edit(rows: Rows) -> None:
        for row in rows["train"] + rows["test"]:
            pixels = noise.integers(0, 256, (512, 512, 3), dtype=np.uint8)
            replace_image(row, encoded(Image.fromarray(pixels), "PNG", compress_level=0))

    folder = tiny_release(tmp_path / "r", edit=edit)
    stored = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    assert stored > 10_000_000
    held = len(pickle.dumps(load(folder)))
    assert held < 50_000
    assert pa.total_allocated_bytes() < stored / 4


def test_a_release_that_changes_after_loading_is_noticed(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    photo = load(folder).test[0].photo
    tiny_release(folder, seed="other")
    with pytest.raises(DatasetError, match="changed after loading"):
        photo.encoded()
    shutil.rmtree(folder)
    with pytest.raises(DatasetError, match="cannot be read any more"):
        photo.encoded()


def test_large_string_columns_are_read_as_well(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    before = load(folder)
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        large = [
            field.with_type(pa.large_string()) if field.type == pa.string() else field
            for field in table.schema
        ]
        pq.write_table(table.cast(pa.schema(large)), path)
    assert load(folder) == before


# --- images of every kind ------------------------------------------------------------------------


def test_an_exif_rotated_photo_comes_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "red")
    exif = image.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright

    def edit(rows: Rows) -> None:
        replace_image(rows["train"][0], encoded(image, "JPEG", exif=exif))

    photo = load(tiny_release(tmp_path / "r", edit=edit)).subjects[0].train[0]
    assert photo.image().size == (20, 40)


def test_alpha_cmyk_and_16_bit_photos_come_as_rgb(tmp_path: Path) -> None:
    deep = Image.fromarray(np.full((8, 8), 257 * 128, dtype=np.uint16))

    def edit(rows: Rows) -> None:
        clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
        replace_image(rows["train"][0], encoded(clear, "PNG"))
        replace_image(rows["train"][1], encoded(Image.new("CMYK", (8, 8)), "JPEG"))
        replace_image(rows["train"][2], encoded(deep, "PNG"))

    train = {
        p.sha256: p.image()
        for s in load(tiny_release(tmp_path / "r", edit=edit)).subjects
        for p in s.train
    }
    assert {image.mode for image in train.values()} == {"RGB"}
    middles = {image.getpixel((4, 4)) for image in train.values() if image.size == (8, 8)}
    assert middles == {(255, 255, 255), (128, 128, 128)}  # clear and unprinted are white


def test_a_damaged_photo_loads_and_is_refused_when_it_is_decoded(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        replace_image(rows["train"][0], rows["train"][0]["image"]["bytes"][:200])

    photo = load(tiny_release(tmp_path / "r", edit=edit)).subjects[0].train[0]
    with pytest.raises(UnreadableImageError):
        photo.image()


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.update(subject_id="../x"), r"subject_id is '\.\./x', wanted"),
        (lambda r: r.update(image_id="a/b"), "image_id is 'a/b', wanted"),
        (lambda r: r.update(image_id=".."), r"image_id is '\.\.', wanted"),
        (lambda r: r.update(image_id="00\n"), r"image_id is '00\\n', wanted"),
        (lambda r: r.update(image_id=""), "image_id is '', wanted"),
        (lambda r: r.update(image_id="é"), "image_id is 'é', wanted"),
        (lambda r: r.update(image_id="x" * 5000), r"\(5002 characters\), wanted at most 100"),
        (lambda r: r.update(kind="plant"), "kind is 'plant', wanted living or rigid"),
        (lambda r: r.update(kind=None), "kind is null"),
        (lambda r: r.update(class_noun=" "), "class_noun is ' '"),
        (lambda r: r.update(init_token="a {}"), "init_token is 'a {}'"),
        (lambda r: r.update(image_id="03"), "same subject and image id as .*blob/03"),
        (lambda r: r.update(class_noun="cat"), r"class_noun differs .*\['cat', 'dog'\]"),
        (lambda r: r.update(image=None), "image holds no bytes"),
        (lambda r: r.update(image={"bytes": None, "path": "x.png"}), "A path alone is not enough"),
        (lambda r: r.update(sha256="0" * 64), "the image's sha256 is [0-9a-f]{64}, its row says"),
        (lambda r: r.update(captions=[]), "no caption"),
        (lambda r: r.update(captions=None), "no caption"),
        (lambda r: r.update(captions=["A dog."]), "caption 0 is 'A dog.', wanted exactly one {}"),
        (lambda r: r.update(captions=["A {}.", "{} {}"]), "caption 1 is '{} {}'"),
        (lambda r: r.update(captions=["{}", None]), "caption 1 is ''"),
        (lambda r: r.update(captions=["A {} {0}."]), "no other brace"),
    ],
)
def test_a_broken_row_is_refused_by_name(
    tmp_path: Path, edit: Callable[[dict[str, object]], None], message: str
) -> None:
    folder = tiny_release(tmp_path / "r", edit=lambda rows: edit(rows["test"][0]))
    with pytest.raises(DatasetError, match=message) as caught:
        load(folder)
    assert "test-00000-of-00001.parquet row 0" in str(caught.value) or "subject blob" in str(
        caught.value
    )


def test_the_row_is_counted_over_row_groups(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        rows["test"][7]["kind"] = "plant"  # the fourth row of the second group of four

    folder = tiny_release(tmp_path / "r", edit=edit)
    with pytest.raises(DatasetError, match=r"test-00000-of-00001.parquet row 7 \(test can/03\)"):
        load(folder)


def test_a_subject_needs_train_and_test_photos(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        rows["train"] = [r for r in rows["train"] if r["subject_id"] != "box"]

    with pytest.raises(DatasetError, match="subject box: no train photo"):
        load(tiny_release(tmp_path / "r", edit=edit))


def test_an_exchanged_row_is_refused_by_the_fingerprint(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    card = (folder / "README.md").read_text()
    rows = tiny_rows()
    rows["test"][0]["captions"][0] = "Another {}."
    write_release(folder, rows)
    (folder / "README.md").write_text(card)
    with pytest.raises(DatasetError, match="rows have fingerprint"):
        load(folder)


def test_a_missing_shard_is_refused(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r", shards=2)
    (folder / "test-00001-of-00002.parquet").unlink()
    with pytest.raises(DatasetError):
        load(folder)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "README.md").unlink(), "README.md: no such file"),
        (lambda f: (f / "README.md").write_text("# Hello\n"), "no front matter"),
        (lambda f: (f / "README.md").write_text("---\na: [\n---\n"), "cannot be read"),
        (lambda f: (f / "README.md").write_text("---\n- 1\n---\n"), "wanted keys and values"),
        (lambda f: (f / "README.md").write_bytes(b"---\nname: \xff\n---\n"), "cannot be read"),
        (lambda f: edit_card(f, pdst=None), "no `pdst:` block"),
        (lambda f: edit_card(f, schema=2), "pdst.schema is 2, this pdst reads 1"),
        (lambda f: edit_card(f, version=1.0), "pdst.version is 1.0"),
        (lambda f: edit_card(f, name="../x"), "pdst.name is '../x'"),
        (lambda f: edit_card(f, fingerprint="12"), "pdst.fingerprint is '12'"),
        (lambda f: edit_card(f, fingerprint="0" * 64), "the card says 0000"),
        (lambda f: edit_card(f, counts={"dogs": 1}), "pdst.counts has 'dogs': 1"),
        (lambda f: shard(f, "test").unlink(), "no file test-"),
        (lambda f: shard(f, "test").write_bytes(b"PAR1"), "cannot be read as Parquet"),
        (lambda f: truncate(shard(f, "test")), "cannot be read as Parquet"),
        (lambda f: rewrite(f, lambda t: t.slice(0, 0)), "no rows at all"),
        (lambda f: rewrite(f, lambda t: t.drop_columns(["kind"])), "column 'kind' is missing"),
        (lambda f: rewrite(f, retyped), "column 'kind' is int64, wanted string"),
        (lambda f: rewrite(f, lambda t: t.append_column("x", t["kind"])), "unknown column 'x'"),
    ],
)
def test_a_broken_folder_is_refused(
    tmp_path: Path, break_it: Callable[[Path], object], message: str
) -> None:
    folder = tiny_release(tmp_path / "r")
    break_it(folder)
    with pytest.raises(DatasetError) as caught:
        load(folder)
    assert message in str(caught.value)


def edit_card(folder: Path, **changes: object) -> None:
    text = (folder / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    if "pdst" in changes:
        front["pdst"] = changes["pdst"]
    else:
        front["pdst"].update(changes)
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(front)}---\n")


def shard(folder: Path, split: str) -> Path:
    return folder / f"{split}-00000-of-00001.parquet"


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + data[-200:])


def rewrite(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(shard(folder, "test"))), shard(folder, "test"))


def retyped(table: pa.Table) -> pa.Table:
    kinds = pa.array([1] * table.num_rows)
    return table.set_column(table.column_names.index("kind"), "kind", kinds)


def test_train_rows_have_no_captions(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    table = pq.read_table(shard(folder, "train"))
    captions = pa.nulls(table.num_rows, SCHEMAS["test"].field("captions").type)
    pq.write_table(table.append_column("captions", captions), shard(folder, "train"))
    with pytest.raises(DatasetError, match="unknown column 'captions'"):
        load(folder)


# --- names ---------------------------------------------------------------------------------------


def test_a_missing_release_is_answered_with_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="python -m builders dreambooth30 --from PHOTOS"):
        load(tmp_path / "nothing")
    with pytest.raises(DatasetError, match=r"Known: miniature\."):
        load("dreambooth31")


def test_an_unknown_name_is_told_from_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No embedded release named 'dreambooth31'"):
        load("dreambooth31")
    with pytest.raises(DatasetError, match="no such folder"):
        load(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="no such folder"):
        load("some/where")


def test_a_folder_with_another_release_is_refused(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    with pytest.raises(DatasetError, match="holds the release 'tiny', asked for was 'dream'"):
        load("dream", data_dir=folder)


# --- the package ---------------------------------------------------------------------------------


def test_importing_pdst_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ["torch", "datasets", "pyarrow", "pandas", "numpy", "PIL"]
    code = f"import pdst; print([name for name in {heavy} if name in sys.modules])"
    assert run_python(code, tmp_path) == "[]"


def test_everything_about_releases_works_without_torch(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    code = f"""
sys.modules["torch"] = None  # importing it raises ImportError
import pdst
benchmark = pdst.load({str(folder)!r})
print(len(benchmark.test), benchmark.test[0].photo.image().size, pdst.PdstError.__name__)
print("torch" in sys.modules and sys.modules["torch"])
"""
    assert run_python(code, tmp_path).splitlines() == ["9 (96, 80) PdstError", "None"]


def test_the_package_offers_its_words() -> None:
    assert pdst.load is load
    assert issubclass(DatasetError, pdst.PdstError)
    assert {"Benchmark", "Subject", "Photo", "Case", "Generator", "Sampler"} <= set(dir(pdst))
    assert pdst.Benchmark.__name__ == "Benchmark"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pdst.nothing


def test_evaluate_stays_a_function_beside_its_module() -> None:
    from pdst.evaluate import evaluate  # sets `pdst.evaluate` to the module, if nobody minds

    assert pdst.evaluate is evaluate
    assert callable(pdst.evaluate)


def test_two_files_of_the_same_pixels_share_a_pixel_digest(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        first, second = rows["train"][:2]
        image = Image.open(io.BytesIO(first["image"]["bytes"]))
        replace_image(second, encoded(image, "WEBP", lossless=True, exact=True))

    one, two = load(tiny_release(tmp_path / "r", edit=edit)).subjects[0].train
    assert one.sha256 != two.sha256
    assert pixel_digest(one.image()) == pixel_digest(two.image())
