"""Claims about `load_dataset`: both doors open, nothing stale, nothing picked up by accident."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from datasets import DatasetDict, load_dataset
from PIL import Image

import pdst
from pdst.errors import DatasetError
from pdst.release import SCHEMAS
from tests.releases import Rows, tiny_release, tiny_rows, write_release

ROOT = Path(pdst.__file__).parent.parent


@pytest.fixture(autouse=True)
def _quiet_and_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A cache of its own for every test, no network, no progress bars."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", False)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def run_python(code: str, cwd: Path, *, with_pdst: bool = True) -> list[str]:
    """Run code in a fresh interpreter with a cache of its own; returns the lines it prints."""
    prelude = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" if with_pdst else "import sys\n"
    environment = os.environ | {"HF_HOME": str(cwd / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def colour(ds: DatasetDict) -> tuple[int, ...]:
    pixel = ds["train"][0]["image"].getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


# --- both doors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["by name", "by folder"])
def test_both_doors_give_both_splits_with_decoded_images(tmp_path: Path, door: str) -> None:
    folder = tiny_release(tmp_path / "r")
    ds = (
        load_dataset("pdst", "tiny", data_dir=str(folder))
        if door == "by name"
        else load_dataset(str(folder))
    )
    assert {split: part.num_rows for split, part in ds.items()} == {"train": 6, "test": 9}
    for part in ds.values():
        assert part.column_names == SCHEMAS["test"].names
        assert isinstance(part.features["image"], datasets.Image)
        assert isinstance(part.features["mask"], datasets.Image)
        assert isinstance(part[0]["image"], Image.Image)
        assert part[0]["image"].size == part[0]["mask"].size == (96, 80)
    assert len(ds["test"][0]["captions"]) == 10
    assert set(ds["train"]["captions"]) == {None}


def test_both_doors_give_the_same_rows(tmp_path: Path) -> None:
    folder = str(tiny_release(tmp_path / "r"))
    stored = datasets.Image(decode=False)
    named = load_dataset("pdst", data_dir=folder).cast_column("image", stored)
    plain = load_dataset(folder).cast_column("image", stored)
    for split in ("train", "test"):
        one, two = (ds[split].remove_columns("mask").to_list() for ds in (named, plain))
        assert one == two


def test_the_plain_door_needs_no_pdst(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    code = f"""
import datasets
ds = datasets.load_dataset({str(folder)!r})
print({{k: v.num_rows for k, v in ds.items()}}, ds["test"][0]["image"].size, "pdst" in sys.modules)
"""
    [line] = run_python(code, tmp_path, with_pdst=False)
    assert line == "{'train': 6, 'test': 9} (96, 80) False"


def test_photos_without_mask_are_none_behind_both_doors(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        for row in rows["test"]:
            row["mask"] = None

    folder = tiny_release(tmp_path / "r", edit=edit)
    for ds in (load_dataset("pdst", data_dir=str(folder)), load_dataset(str(folder))):
        assert ds["test"][0]["mask"] is None
        assert ds["train"][0]["mask"] is not None


def test_shards_come_together(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r", shards=2)
    for ds in (load_dataset("pdst", data_dir=str(folder)), load_dataset(str(folder))):
        assert ds["test"].num_rows == 9


def test_one_split_streaming_and_chosen_columns(tmp_path: Path) -> None:
    folder = str(tiny_release(tmp_path / "r"))
    assert load_dataset("pdst", data_dir=folder, split="test").num_rows == 9
    first = next(iter(load_dataset("pdst", data_dir=folder, split="test", streaming=True)))
    assert first["image"].size == (96, 80)
    assert len(first["captions"]) == 10
    names = load_dataset("pdst", data_dir=folder, columns=["subject_id", "image_id"])
    assert names["train"].column_names == ["subject_id", "image_id"]


def test_several_processes_give_the_same_rows(tmp_path: Path) -> None:
    folder = str(tiny_release(tmp_path / "r", shards=2))
    code = f"""
import datasets, pdst
if __name__ == "__main__":
    ds = datasets.load_dataset("pdst", data_dir={folder!r}, split="test", num_proc=2)
    print(len(set(zip(ds["subject_id"], ds["image_id"]))), ds.num_rows)
"""
    assert run_python(code, tmp_path) == ["9 9"]


def test_name_and_version_stand_in_the_info(tmp_path: Path) -> None:
    info = load_dataset("pdst", data_dir=str(tiny_release(tmp_path / "r")), split="train").info
    assert (info.dataset_name, info.config_name, str(info.version)) == ("pdst", "tiny", "1.0.0")


# --- nothing stale -------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["by name", "by folder"])
def test_a_rebuilt_folder_is_read_anew(tmp_path: Path, door: str) -> None:
    folder = tmp_path / "r"

    def read() -> DatasetDict:
        if door == "by name":
            return load_dataset("pdst", data_dir=str(folder))
        return load_dataset(str(folder))

    colours = []
    for seed in ("first", "second"):
        tiny_release(folder, seed=seed)
        for path in folder.iterdir():  # the hardest case: not even the times differ
            os.utime(path, (1_000_000_000, 1_000_000_000))
        ds = read()
        rows = tiny_rows(seed=seed)
        colours.append(colour(ds))
        assert ds["train"]["sha256"] == [row["sha256"] for row in rows["train"]]
    assert colours[0] != colours[1]


@pytest.mark.parametrize("door", ["by name", "by folder"])
def test_two_folders_of_one_name_are_two_releases(tmp_path: Path, door: str) -> None:
    found = []
    for seed in ("first", "second"):
        folder = str(tiny_release(tmp_path / seed / "same", seed=seed))
        ds = load_dataset("pdst", data_dir=folder) if door == "by name" else load_dataset(folder)
        found.append(ds["train"]["sha256"][0])
    assert found == [tiny_rows(seed=seed)["train"][0]["sha256"] for seed in ("first", "second")]


@pytest.mark.parametrize("door", ["by name", "by folder"])
def test_corrected_attribution_is_not_served_from_the_cache(tmp_path: Path, door: str) -> None:
    rows = tiny_rows()
    authors = []
    for author in ("Nobody", "Somebody"):
        for row in rows["train"]:
            row["author"] = author
        folder = str(write_release(tmp_path / "r", rows))
        ds = load_dataset("pdst", data_dir=folder) if door == "by name" else load_dataset(folder)
        authors.append(ds["train"]["author"][0])
    assert authors == ["Nobody", "Somebody"]


def test_the_same_content_is_read_once(tmp_path: Path) -> None:
    folder = str(tiny_release(tmp_path / "r"))
    first = load_dataset("pdst", data_dir=folder)
    again = load_dataset("pdst", data_dir=folder)
    assert first["train"].cache_files == again["train"].cache_files


# --- nothing by accident -------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True], ids=["empty folder", "folder full of other files"])
def test_without_a_folder_nothing_but_what_travels_with_the_package_is_picked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    if full:
        tiny_release(here / "pdst")
        shutil.copytree(here / "pdst", here / "tiny")
        shutil.copy(here / "pdst" / "train-00000-of-00001.parquet", here)
        (here / "train.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(here)
    assert len(set(load_dataset("pdst", split="train")["subject_id"])) == 20
    with pytest.raises(DatasetError, match="No embedded release named 'tiny'"):
        load_dataset("pdst", "tiny")


def test_another_name_than_the_cards_is_refused(tmp_path: Path) -> None:
    folder = str(tiny_release(tmp_path / "r"))
    with pytest.raises(DatasetError, match="holds the release 'tiny', asked for was 'mini'"):
        load_dataset("pdst", "mini", data_dir=folder)
    load_dataset("pdst", "tiny", data_dir=folder)
    with pytest.raises(DatasetError, match="asked for was 'mini'"):  # nor from the cache
        load_dataset("pdst", "mini", data_dir=folder)


def test_data_files_are_refused(tmp_path: Path) -> None:
    folder = tiny_release(tmp_path / "r")
    with pytest.raises(DatasetError, match="Give data_dir=FOLDER"):
        load_dataset("pdst", data_files=str(folder / "train-00000-of-00001.parquet"))


def test_a_broken_release_is_refused_by_name_of_the_row(tmp_path: Path) -> None:
    def edit(rows: Rows) -> None:
        rows["test"][4]["captions"][2] = "no subject"

    folder = str(tiny_release(tmp_path / "r", edit=edit))
    with pytest.raises(DatasetError, match=r"row 4 \(test box/03\): caption 2"):
        load_dataset("pdst", data_dir=folder)


def test_a_folder_with_odd_characters_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_release(tmp_path / "a [b] *? {c}" / "r")
    monkeypatch.chdir(tmp_path / "a [b] *? {c}")
    assert load_dataset("pdst", data_dir="r")["train"].num_rows == 6


# --- registration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "imports",
    [
        "import pdst, datasets",
        "import datasets, pdst",
        "import pdst\nfrom datasets import load_dataset\nimport datasets",
        "import pdst, importlib.util; importlib.util.find_spec('datasets')\nimport datasets",
        "import pdst, importlib; importlib.reload(pdst)\nimport datasets",
    ],
)
def test_any_order_of_imports_registers(tmp_path: Path, imports: str) -> None:
    folder = str(tiny_release(tmp_path / "r"))
    code = f"""
{imports}
print(datasets.load_dataset("pdst", data_dir={folder!r})["test"].num_rows)
print([type(f).__name__ for f in sys.meta_path if type(f).__module__.startswith("pdst")])
print("exec_module" in vars(datasets.__spec__.loader), datasets.__name__)
"""
    assert run_python(code, tmp_path) == ["9", "[]", "False datasets"]


def test_registering_again_changes_nothing(tmp_path: Path) -> None:
    from datasets import load

    before = load.PackagedDatasetModuleFactory.get_module
    pdst.registration.register()
    assert load.PackagedDatasetModuleFactory.get_module is before


def test_other_packaged_modules_work_as_before(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2\n")
    ds = load_dataset("csv", data_dir=str(tmp_path))
    assert ds["train"].to_list() == [{"a": 1, "b": 2}]


def test_a_failing_import_of_datasets_can_be_repeated(tmp_path: Path) -> None:
    fake = tmp_path / "fake" / "datasets"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise ImportError('half installed')\n")
    folder = str(tiny_release(tmp_path / "r"))
    code = f"""
import pdst
sys.path.insert(0, {str(fake.parent)!r})
try:
    import datasets
except ImportError as error:
    print(error)
sys.path.remove({str(fake.parent)!r})
import datasets
print(datasets.load_dataset("pdst", data_dir={folder!r})["test"].num_rows)
"""
    assert run_python(code, tmp_path) == ["half installed", "9"]


def test_datasets_of_another_shape_are_left_alone(tmp_path: Path) -> None:
    fake = tmp_path / "datasets"
    fake.mkdir()
    (fake / "__init__.py").write_text("X = 1\n")
    code = "import pdst\nsys.path.insert(0, '')\nimport datasets\nprint(datasets.X)"
    assert run_python(code, tmp_path) == ["1"]
