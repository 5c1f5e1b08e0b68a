"""Claims about the real-photo release: our own files always, the photos where a copy is at hand."""

import json
import re
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

import pdst
from builders.dataset_card import fill_tables
from builders.pack import write_release
from builders.rows import PhotoRow
from builders.sources import dreambooth30
from builders.sources.dreambooth30.attribution import parse_credits
from builders.sources.dreambooth30.photos import from_folder, read_sources
from pdst.dataset import load
from pdst.errors import DatasetError
from pdst.validate import validate

ROOT = Path(pdst.__file__).parent.parent
SOURCE = dreambooth30.HERE
SYNONYMS = {
    "backpack": "backpack bag rucksack knapsack",
    "boot": "boot boots shoe footwear",
    "bowl": "bowl dish",
    "can": "can cans tin beer",
    "candle": "candle candles",
    "cartoon": "cartoon character devil",
    "cat": "cat cats kitten feline pet animal",
    "clock": "clock clocks alarm watch",
    "dog": "dog dogs puppy canine hound corgi pet animal",
    "glasses": "glasses sunglasses eyewear shades",
    "sneaker": "sneaker sneakers shoe footwear trainer",
    "stuffed animal": "stuffed plush plushie animal toy teddy bear sloth wolf",
    "teapot": "teapot pot kettle",
    "toy": "toy toys figure figurine doll duck robot monster car emoji",
    "vase": "vase vases",
}
OTHER_SENSE = {
    ("monster_toy", "car"),  # it sits on the hood of one
    ("clock", "watch"),
}
"""Words of the list that stand for another thing than the subject, looked at one by one."""


@pytest.fixture(scope="module")
def rows() -> tuple[PhotoRow, ...]:
    return dreambooth30.without_photos()


@pytest.fixture(scope="module")
def release(real_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dropped = dreambooth30.dropped()
    taken = from_folder(real_photos, dreambooth30.files(without=dropped))
    folder = tmp_path_factory.mktemp("dreambooth30") / "release"
    write_release(folder, dreambooth30.rows(taken, without=dropped), dreambooth30.about())
    return folder


# --- our own files: no photo needed ---------------------------------------------------------------


def test_158_photos_are_collected_and_two_are_left_out_with_a_reason(
    rows: tuple[PhotoRow, ...],
) -> None:
    assert len(read_sources(SOURCE / "sources.jsonl")) == 158
    gone = dreambooth30.dropped()
    assert [(d.image, d.like, d.split) for d in gone] == [
        ("cat/03", "cat/02", "test"),
        ("dog5/03", "dog5/02", "test"),
    ]
    assert all(d.reason for d in gone)
    assert Counter(row.split for row in rows) == {"train": 90, "test": 68 - len(gone)}
    assert sum(row.mask is not None for row in rows) == 90


def test_every_subject_has_three_train_photos_and_a_test_photo(rows: tuple[PhotoRow, ...]) -> None:
    train = Counter(row.subject_id for row in rows if row.split == "train")
    test = Counter(row.subject_id for row in rows if row.split == "test")
    assert set(train.values()) == {3}
    assert set(test) == set(train)
    assert len(train) == 30


def test_every_test_photo_has_ten_different_captions_with_one_slot(
    rows: tuple[PhotoRow, ...],
) -> None:
    everywhere = Counter(caption for row in rows for caption in row.captions)
    assert sum(everywhere.values()) == len(everywhere) == 660
    for row in rows:
        assert len(row.captions) == (10 if row.split == "test" else 0)
        for caption in row.captions:
            assert re.fullmatch(r"[A-Z][^{}]*\{\}[^{}]*\.|A \{\}[^{}]*\.", caption), caption
            assert "  " not in caption


def test_no_caption_names_the_class_or_the_colour_of_its_subject(
    rows: tuple[PhotoRow, ...],
) -> None:
    leaks = []
    for row in rows:
        for caption in row.captions:
            words = set(re.findall(r"[a-z]+", caption.lower()))
            found = words & set(SYNONYMS[row.class_noun].split())
            leaks += [(row.name, w) for w in found if (row.subject_id, w) not in OTHER_SENSE]
            before = re.search(r"(\w+) \{\}", caption)
            if before and before[1].lower() not in {"a", "the", "single"}:
                leaks.append((row.name, before[0]))
    assert leaks == []


def test_every_photo_has_an_author_a_source_and_a_licence(rows: tuple[PhotoRow, ...]) -> None:
    assert all(row.author and row.source.startswith("https://") for row in rows)
    by_licence = Counter(row.licence for row in rows)
    assert set(by_licence) == {"CC-BY-4.0", "Unsplash License"}
    on_unsplash = {row.name for row in rows if row.source.startswith("https://unsplash.com/")}
    assert on_unsplash == {row.name for row in rows if row.licence == "Unsplash License"}


def test_the_oddities_of_the_source_list_are_understood() -> None:
    credit_of = parse_credits((SOURCE / "references_and_licenses.txt").read_text(encoding="utf-8"))
    assert len(credit_of) == 30
    assert credit_of["cat"].of("04", "-").source == "https://unsplash.com/photos/REXghNSlBnQ"
    assert credit_of["cat"].of("03", "-").source == "https://unsplash.com/@alvannee"
    assert credit_of["dog5"].of("03", "-").source.startswith("https://unsplash.com/@macrz (")
    assert credit_of["dog2"].of("05", "-").author == "@lukasz_rawa on Unsplash"
    assert credit_of["dog3"].of("00", "the repository").source == "the repository"
    assert credit_of["dog3"].of("00", "-").author == "Yael Pritch"
    assert credit_of["red_cartoon"].of("00", "-").author.startswith("Isabel Arduz https://")


@pytest.mark.parametrize(
    "line", ["02: ask Jane", "dog9: from somewhere", "(credit: Jane)", "Hello."]
)
def test_a_line_of_the_source_list_that_cannot_be_read_is_named(line: str) -> None:
    with pytest.raises(DatasetError, match=r"line 2: cannot read"):
        parse_credits(f"backpack: Photos taken by Jane Doe\n{line}\nLicenses\n")


def test_every_mask_says_how_it_was_made(rows: tuple[PhotoRow, ...]) -> None:
    lines = (SOURCE / "masks.jsonl").read_text(encoding="utf-8").splitlines()
    noted = {json.loads(line)["mask"]: json.loads(line) for line in lines}
    assert set(noted) == {f"{row.name}.png" for row in rows if row.split == "train"}
    assert {entry["verdict"] for entry in noted.values()} == {"good", "usable"}
    assert all(entry["note"] for entry in noted.values() if entry["verdict"] == "usable")


def test_masks_have_the_size_of_their_photos(rows: tuple[PhotoRow, ...]) -> None:
    sources = read_sources(SOURCE / "sources.jsonl")
    for row in rows:
        if row.mask is None:
            continue
        with Image.open(SOURCE / "masks" / f"{row.name}.png") as mask:
            assert mask.size == sources[f"{row.name}.jpg"].size
            values = np.asarray(mask)
        assert set(np.unique(values)) == {0, 255}
        assert 0.02 < (values > 0).mean() < 0.9


def test_no_photo_is_committed() -> None:
    suffixes = Counter(path.suffix for path in SOURCE.rglob("*") if path.is_file())
    assert suffixes[".jpg"] == suffixes[".jpeg"] == 0
    assert suffixes[".png"] == 90


def test_the_tables_of_the_dataset_card_are_those_of_the_data() -> None:
    text = (ROOT / "DATASET_CARD.md").read_text(encoding="utf-8")
    assert fill_tables(text) == text, "run: python -m builders tables"


# --- with the photos ------------------------------------------------------------------------------


@pytest.mark.photos
def test_the_release_is_the_published_one(release: Path) -> None:
    benchmark = load(release)
    assert benchmark.fingerprint == dreambooth30.published_fingerprint()
    assert f"`{benchmark.fingerprint}`" in (ROOT / "DATASET_CARD.md").read_text(encoding="utf-8")
    assert (len(benchmark.subjects), len(benchmark.test)) == (30, 66)


@pytest.mark.photos
def test_load_dataset_opens_it_with_and_without_pdst(release: Path, tmp_path: Path) -> None:
    plain = datasets.load_dataset(str(release), cache_dir=str(tmp_path / "a"))
    ours = datasets.load_dataset(
        "pdst", "dreambooth30", data_dir=str(release), cache_dir=str(tmp_path / "b")
    )
    for loaded in (plain, ours):
        assert {split: loaded[split].num_rows for split in loaded} == {"train": 90, "test": 66}
        assert sum(len(captions) for captions in loaded["test"]["captions"]) == 660
        assert sum(mask is not None for mask in loaded["train"]["mask"]) == 90
        assert loaded["test"][0]["image"].size == (768, 768)


@pytest.mark.photos
def test_the_validator_finds_what_was_left_out_and_else_only_pairs_that_were_looked_at(
    real_photos: Path, tmp_path: Path
) -> None:
    taken = from_folder(real_photos, dreambooth30.files(without=()))
    rows = dreambooth30.rows(taken, without=())
    assert sum(row.split == "test" for row in rows) == 68
    assert sum(len(row.captions) for row in rows) == 680
    write_release(tmp_path / "all", rows, dreambooth30.about())
    pairs = {
        (f.severity, f.code, *re.findall(r"\w+/\w+", f.where)) for f in validate(tmp_path / "all")
    }
    assert pairs == {
        *(("error", "train-test-photo", d.like, d.image) for d in dreambooth30.dropped()),
        ("warning", "look-alike", "berry_bowl/03", "berry_bowl/04"),
        ("warning", "look-alike", "vase/02", "vase/03"),
    }
