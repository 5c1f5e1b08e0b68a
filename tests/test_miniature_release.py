"""Claims about the miniature's release: who is in it, what is said of it, and that it opens."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
from typer.testing import CliRunner

import pdst
from builders.sources.miniature import release
from builders.sources.miniature.captions import captions, filled
from builders.sources.miniature.cast import subjects
from builders.sources.miniature.cli import miniature as miniature_app
from builders.sources.miniature.facts import CLASSES, LIVING, MOTIFS, PATTERNS, Scene
from builders.sources.miniature.identities import is_held_out_scene, pool_of
from builders.sources.miniature.render import render
from builders.sources.miniature.sight import SEEN, lab, look_at
from pdst.cli.scorers import default_clip
from pdst.errors import PdstError
from pdst.images import pixel_digest
from pdst.miniature import DATA
from pdst.release import PAPER_COUNTS, SCENES_NAME, read_card
from pdst.types import Benchmark

FINGERPRINT = "30b56e62b61b96b2a2c4afa041577a3b4f7dcef8ac7368db57a39e8f60dc3062"
"""Of release 1.0.0. Results are kept under it: another one is another version."""
PIXELS = {
    ("dog", "00"): "34938d11de0645f7cda239c29ef713f46a3ef8fb3377ee271aa939895b88554e",
    ("fish", "07"): "ab87031040e5eefb78edf39720753f183af36db79386a3afdca636fbdd06ba11",
    ("teapot", "12"): "f0028b604bd3d5d7a82ee51bfdb1cedba1d04ce57a3373a3045ee33fa1489930",
}
"""sha256 of the RGB bytes of three pictures, as first drawn (skia-python 144, x86-64)."""


@pytest.fixture(scope="module")
def miniature() -> Benchmark:
    return pdst.load("miniature")


@pytest.fixture(scope="module")
def scenes() -> dict[tuple[str, str], Scene]:
    """Every picture's facts by subject and image id."""
    lines = (DATA / SCENES_NAME).read_text(encoding="utf-8").splitlines()
    keys = [(json.loads(line)["subject_id"], json.loads(line)["image_id"]) for line in lines]
    return dict(zip(keys, map(release.scene_of, lines), strict=True))


@pytest.fixture(scope="module")
def splits() -> dict[tuple[str, str], str]:
    lines = (DATA / SCENES_NAME).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {(record["subject_id"], record["image_id"]): record["split"] for record in records}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


# --- what is in it -------------------------------------------------------------------------------


def test_it_has_the_counts_of_the_paper(miniature: Benchmark) -> None:
    assert len(miniature.subjects) == PAPER_COUNTS.subjects == 20
    assert sum(len(subject.train) for subject in miniature.subjects) == 100
    assert len(miniature.test) == 200
    assert sum(len(test.captions) for test in miniature.test) == 2000
    assert {len(subject.train) for subject in miniature.subjects} == {5}
    assert set(Counter(test.subject_id for test in miniature.test).values()) == {10}
    assert sum(subject.kind == "living" for subject in miniature.subjects) == len(LIVING) == 10
    assert {subject.class_noun for subject in miniature.subjects} == set(CLASSES)


def test_its_content_is_that_of_version_1(miniature: Benchmark) -> None:
    assert (miniature.name, miniature.version) == ("miniature", "1.0.0")
    assert miniature.fingerprint == FINGERPRINT


def test_its_subjects_are_in_no_training(scenes: dict[tuple[str, str], Scene]) -> None:
    assert {pool_of(scene.identity) for scene in scenes.values()} == {"held out"}


def test_a_subject_is_the_same_in_all_its_pictures(scenes: dict[tuple[str, str], Scene]) -> None:
    assert {(subject_id, scene.identity) for (subject_id, _), scene in scenes.items()} == {
        (scene.identity.class_noun, scene.identity) for scene in scenes.values()
    }
    assert len({scene.identity for scene in scenes.values()}) == 20


def test_its_subjects_are_those_that_the_seed_deals(scenes: dict[tuple[str, str], Scene]) -> None:
    assert set(subjects()) == {scene.identity for scene in scenes.values()}


def test_no_colour_pattern_or_motif_prevails(scenes: dict[tuple[str, str], Scene]) -> None:
    people = {scene.identity for scene in scenes.values()}
    assert max(Counter(one.main for one in people).values()) <= 2
    for looks, known in (
        (Counter(one.pattern for one in people), PATTERNS),
        (Counter(one.motif for one in people), MOTIFS),
    ):
        assert set(looks) == set(known)
        assert max(looks.values()) <= 5


def test_over_a_third_of_the_test_scenes_are_of_a_kind_that_no_training_shows(
    scenes: dict[tuple[str, str], Scene], splits: dict[tuple[str, str], str]
) -> None:
    unseen = {
        key
        for key, scene in scenes.items()
        if is_held_out_scene(scene.identity.main, scene.place, scene.action)
    }
    assert {splits[key] for key in unseen} == {"test"}
    assert len(unseen) >= 67
    assert min(Counter(subject for subject, _ in unseen).values()) >= 3
    lines = (DATA / SCENES_NAME).read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line)["held_out"] for line in lines) == len(unseen)


def test_no_test_photo_is_in_a_place_of_a_train_photo(
    scenes: dict[tuple[str, str], Scene], splits: dict[tuple[str, str], str]
) -> None:
    places: dict[tuple[str, str], set[str]] = {}
    for key, scene in scenes.items():
        places.setdefault((key[0], splits[key]), set()).add(scene.place)
    for class_noun in CLASSES:
        train, test = places[class_noun, "train"], places[class_noun, "test"]
        assert len(train) == 5
        assert not train & test


# --- the pictures --------------------------------------------------------------------------------


def test_the_pictures_are_drawn_from_the_facts_that_lie_beside_them(
    miniature: Benchmark, scenes: dict[tuple[str, str], Scene]
) -> None:
    for (subject_id, image_id), digest in PIXELS.items():
        photos = [
            *miniature.subject(subject_id).train,
            *(test.photo for test in miniature.test if test.subject_id == subject_id),
        ]
        [photo] = [photo for photo in photos if photo.image_id == image_id]
        stored = np.asarray(photo.image())
        drawn = render(scenes[subject_id, image_id], release.SIZE)
        np.testing.assert_array_equal(drawn.rgb, stored)
        mask = photo.mask()
        assert (mask is not None) == (image_id < "05")
        if mask is not None:
            np.testing.assert_array_equal(drawn.mask > SEEN, np.asarray(mask) == 255)
        assert hashlib.sha256(stored.tobytes()).hexdigest() == digest


def test_drawing_a_scene_twice_gives_the_same_pixels(
    scenes: dict[tuple[str, str], Scene],
) -> None:
    one, two = (render(scenes["cat", "09"], 64) for _ in range(2))
    np.testing.assert_array_equal(one.rgb, two.rgb)
    np.testing.assert_array_equal(one.mask, two.mask)


def test_the_first_photos_are_those_that_the_seed_draws(
    scenes: dict[tuple[str, str], Scene],
) -> None:
    shots = release.shots(scenes["dog", "00"].identity, [])
    first = [next(shots) for _ in range(3)]
    assert [shot.scene for shot in first] == [scenes["dog", f"{n:02}"] for n in range(3)]


def test_of_a_scene_with_little_to_say_all_is_said(
    scenes: dict[tuple[str, str], Scene],
) -> None:
    scene = replace(
        next(one for one in scenes.values() if one.place == "moon"), prop=None, accessory=None
    )
    said = captions(scene, 10_000)
    assert 10 <= len(set(said)) == len(said) < 1_000
    assert captions(scene, 10) == said[:10]


def test_in_one_place_a_subject_is_taught_and_elsewhere_tested(
    scenes: dict[tuple[str, str], Scene], miniature: Benchmark
) -> None:
    shots = list(release.shots(scenes["mug", "00"].identity, [], one_place=True))
    train = {shot.scene.place for shot in shots if shot.split == "train"}
    assert [shot.split for shot in shots] == ["train"] * 5 + ["test"] * 10
    assert len(train) == 1
    assert not train & {shot.scene.place for shot in shots if shot.split == "test"}
    about = release.about(shots, 7, one_place=True)
    assert about.name == "miniature-7-one-place"
    assert "all in one place" in about.notes
    for other in ("miniature", "miniature-7", about.name):
        assert default_clip(replace(miniature, name=other)) == "miniature"
    assert default_clip(replace(miniature, name="miniature-of-photos")) == "openai"


@pytest.mark.parametrize("option", ["--one-place", "--seed=7"])
def test_another_release_does_not_take_the_place_of_the_package_s(option: str) -> None:
    result = CliRunner().invoke(miniature_app, ["release", option])
    assert isinstance(result.exception, PdstError)
    assert "Say where it goes: --out DIR" in str(result.exception)


def test_train_photos_show_the_subject_large_and_uncut(miniature: Benchmark) -> None:
    for subject in miniature.subjects:
        for photo in subject.train:
            mask = photo.mask()
            assert mask is not None
            subject_pixels = np.asarray(mask) == 255
            assert 0.1 <= subject_pixels.mean() <= 0.6
            edge = [
                subject_pixels[0],
                subject_pixels[-1],
                subject_pixels.T[0],
                subject_pixels.T[-1],
            ]
            assert np.concatenate(edge).mean() <= 0.01


def test_a_hidden_or_camouflaged_subject_is_told_from_a_well_seen_one(
    scenes: dict[tuple[str, str], Scene],
) -> None:
    scene = replace(scenes["teapot", "00"], prop=None)
    seen = look_at(scene, render(scene, 128))
    camera = replace(scene.camera, x=6.0)
    cut = replace(scene, camera=camera)
    assert look_at(cut, render(cut, 128)).cut > 0.05 > seen.cut
    picture = render(scene, 128)
    flat = replace(picture, rgb=np.full_like(picture.rgb, 90))
    assert look_at(scene, flat).contrast < 1e-6 < 20 < seen.contrast


def test_lab_colours_are_those_of_the_standard() -> None:
    # White and the three primaries of sRGB (D65), as colour calculators give them.
    rgb = np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    known = np.array(
        [[100, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    )
    assert np.abs(lab(rgb) - known).max() < 0.06


# --- captions ------------------------------------------------------------------------------------


def test_each_test_photo_has_ten_different_sentences_with_one_slot(miniature: Benchmark) -> None:
    for test in miniature.test:
        assert len(set(test.captions)) == 10
        for caption in test.captions:
            assert re.fullmatch(r"[A-Z][^{}]*\{\}[^{}]*\.|A \{\}[^{}]*\.", caption), caption
            assert "  " not in caption
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption), caption


def test_no_caption_names_the_class_or_a_colour_of_its_subject(
    miniature: Benchmark, scenes: dict[tuple[str, str], Scene]
) -> None:
    for test in miniature.test:
        identity = scenes[test.subject_id, test.photo.image_id].identity
        own = {identity.class_noun, identity.main, identity.second, identity.third}
        for caption in test.captions:
            assert not own & words(caption), caption
            assert re.search(r"\b[Aa] \{\}", caption), caption


def test_captions_tell_what_the_facts_say(
    miniature: Benchmark, scenes: dict[tuple[str, str], Scene]
) -> None:
    told_props = told_accessories = 0
    for test in miniature.test:
        scene = scenes[test.subject_id, test.photo.image_id]
        for caption in test.captions:
            for noun in ("ball", "box", "balloon", "mushroom", "pumpkin", "bucket", "cushion"):
                if noun in words(caption):
                    assert scene.prop is not None
                    assert f"{scene.prop.colour} {scene.prop.noun}" in caption
                    told_props += 1
            for noun in ("hat", "crown", "sunglasses", "scarf", "tie", "ribbon"):
                if noun in words(caption):
                    assert scene.accessory is not None
                    assert f"{scene.accessory.colour} {scene.accessory.noun}" in caption
                    told_accessories += 1
            assert ("night" in words(caption)) <= (scene.light == "night")
            assert ("rain" in words(caption) or "rainy" in words(caption)) <= (
                scene.weather == "rain"
            )
            assert ("left" in words(caption)) <= scene.camera.mirror
    assert told_props > 100
    assert told_accessories > 100


def test_nobody_in_the_air_is_said_to_be_on_the_ground(
    scenes: dict[tuple[str, str], Scene],
) -> None:
    airborne = [s for s in scenes.values() if s.action in ("flying", "floating", "swimming")]
    assert len(airborne) > 20
    for scene in airborne:
        for caption in captions(scene, 20):
            assert not re.search(
                r"on the (floor|tiled floor|sand|grass|surface|gray ground)", caption
            )


def test_a_filled_caption_has_the_right_article() -> None:
    assert filled("On a farm, a {} is running.", "elephant") == "On a farm, an elephant is running."
    assert filled("A {} is running.", "orange cat") == "An orange cat is running."
    assert filled("A {} is running.", "cat") == "A cat is running."


# --- doors ---------------------------------------------------------------------------------------


def test_it_is_what_opens_when_nothing_is_named(
    miniature: Benchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    assert pdst.load().fingerprint == miniature.fingerprint
    default, named = datasets.load_dataset("pdst"), datasets.load_dataset("pdst", "miniature")
    plain = datasets.load_dataset(str(DATA))
    for loaded in (default, named, plain):
        assert {split: part.num_rows for split, part in loaded.items()} == {
            "train": 100,
            "test": 200,
        }
    first = plain["test"][0]
    assert first["image"].size == (256, 256)
    assert pixel_digest(first["image"]) == pixel_digest(miniature.test[0].photo.image())
    assert tuple(first["captions"]) == miniature.test[0].captions


def test_its_card_promises_the_counts_and_names_its_files() -> None:
    card = read_card(DATA, lambda finding: pytest.fail(str(finding)))
    assert card is not None
    assert (card.counts.subjects, card.counts.train, card.counts.test) == (20, 100, 200)
    assert card.front_matter["license"] == "cc-by-4.0"
    text = (DATA / "README.md").read_text(encoding="utf-8")
    assert SCENES_NAME in text
    assert sorted(path.name for path in DATA.iterdir()) == [
        "README.md",
        SCENES_NAME,
        "test-00000-of-00001.parquet",
        "train-00000-of-00001.parquet",
    ]
