"""Segmenters: which box, which mask, what is doubted, and what is said where one cannot work."""

import io
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pdst.digest import digest_bytes
from pdst.images import UnreadableImageError, decode_mask
from pdst.masks import (
    Box,
    Segmented,
    SegmenterError,
    cleaned,
    mask_flags,
    segmenter_named,
    with_masks,
)
from pdst.masks.files import MaskFiles
from pdst.masks.florence_sam2 import FlorenceSam2, best_box
from pdst.masks.grabcut import GrabCut
from pdst.testing import drawn_subject
from pdst.types import Photo

WIDTH, HEIGHT = 120, 90


def photo_of(image: Image.Image, image_id: str = "00") -> Photo:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    return Photo(image_id=image_id, sha256=digest_bytes(data), encoded=partial(bytes, data))


def disc(
    *, background: tuple[int, int, int] = (90, 140, 90)
) -> tuple[Image.Image, NDArray[np.bool_]]:
    """A red disc on an even ground with some grain, and where it is."""
    image, mask = Image.new("RGB", (WIDTH, HEIGHT), background), Image.new("L", (WIDTH, HEIGHT))
    for canvas, colour in ((image, (200, 40, 30)), (mask, 255)):
        ImageDraw.Draw(canvas).ellipse((40, 25, 85, 70), fill=colour)  # type: ignore[arg-type]
    grain = np.random.default_rng(0).integers(-12, 13, (HEIGHT, WIDTH, 3))
    grainy = np.clip(np.asarray(image).astype(int) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(grainy), np.asarray(mask) > 0


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


# -- quality


def test_cleaning_drops_crumbs_and_fills_holes() -> None:
    mask = np.zeros((50, 50), np.bool_)
    mask[10:40, 10:40] = True  # 900 pixels
    mask[20:25, 20:25] = False  # a hole
    mask[2, 2:10] = True  # 8 pixels: under a hundredth of the mask's 883
    mask[45:48, 2:6] = True  # 12 pixels: over it
    wanted = np.zeros_like(mask)
    wanted[10:40, 10:40] = True
    wanted[45:48, 2:6] = True
    before = mask.copy()
    assert np.array_equal(cleaned(mask), wanted)
    assert np.array_equal(mask, before)
    assert not cleaned(np.zeros((4, 5), np.bool_)).any()


def test_a_good_mask_has_no_flags() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[:50, 20:60] = True  # 20 %, touches one border
    assert mask_flags(mask) == ()
    assert mask_flags(mask, quality=0.8, candidates=1) == ()


def test_each_doubt_is_named() -> None:
    mask = np.zeros((100, 100), np.bool_)
    assert mask_flags(mask, quality=0.1) == ("empty: no pixel is the subject's",)
    mask[10:24, 10:24] = True  # 196 of 10,000
    assert mask_flags(mask) == ("area: 2.0% of the photo",)
    mask[10:24, 24] = True  # 210: above 2 %
    assert mask_flags(mask) == ()
    mask[60:80, 60:80] = True
    assert mask_flags(mask, quality=0.79, candidates=3) == (
        "pieces: 2",
        "quality: predicted IoU 0.79",
        "candidates: 3",
    )
    full = np.ones((100, 100), np.bool_)
    full[:9] = False
    assert mask_flags(full) == ("area: 91.0% of the photo",)
    full[:9, 50] = True
    assert mask_flags(full) == ("area: 91.1% of the photo", "borders: touches all four")


# -- files


def test_mask_files_are_read_as_they_are(tmp_path: Path) -> None:
    image, mask = disc()
    Image.fromarray(mask).save(tmp_path / "00.png")
    found = MaskFiles(tmp_path).segment(photo_of(image), "toy")
    assert np.array_equal(np.asarray(found.mask) > 0, mask)
    assert found.flags == ()
    assert found.quality is None
    assert found.facts() == {
        "source": "mask files",
        "box": None,
        "candidates": 1,
        "quality": None,
        "flags": [],
    }


def test_a_mask_file_that_does_not_fit_says_what_to_do(tmp_path: Path) -> None:
    image, mask = disc()
    files, photo = MaskFiles(tmp_path), photo_of(image)
    with pytest.raises(SegmenterError, match=r"Photo 00 has no mask in .*wanted 00\.png"):
        files.segment(photo, "toy")
    Image.fromarray(mask[:, 1:]).save(tmp_path / "00.png")
    with pytest.raises(SegmenterError, match=r"00\.png is 119 x 90, its photo is 120 x 90"):
        files.segment(photo, "toy")
    (tmp_path / "00.png").write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match=r"00\.png"):
        files.segment(photo, "toy")
    with pytest.raises(SegmenterError, match="is not there"):
        MaskFiles(tmp_path / "none")


# -- GrabCut


def test_grabcut_finds_a_disc_on_an_even_ground() -> None:
    pytest.importorskip("cv2")
    image, mask = disc()
    found = GrabCut().segment(photo_of(image), "toy")
    assert found.mask.size == image.size
    assert iou(np.asarray(found.mask) > 0, mask) > 0.95
    assert found.flags == ("box: guessed",)
    again = GrabCut().segment(photo_of(image), "toy")
    assert again.mask.tobytes() == found.mask.tobytes()


def test_grabcut_takes_large_photos_and_a_box_that_somebody_gives() -> None:
    pytest.importorskip("cv2")
    image, mask = disc()
    large = image.resize((10 * WIDTH, 10 * HEIGHT), Image.Resampling.NEAREST)
    box = Box(left=300, top=150, right=950, bottom=800)
    found = GrabCut(lambda photo, noun: box).segment(photo_of(large), "toy")
    assert found.mask.size == large.size
    assert iou(np.asarray(found.mask) > 0, np.kron(mask, np.ones((10, 10))) > 0) > 0.95
    assert (found.box, found.flags, found.source) == (box, (), "grabcut in a box")


@pytest.mark.parametrize("box", [(-50, -50, 5000, 5000), (60, 40, 60, 40), (119, 89, 300, 300)])
def test_grabcut_stands_any_box(box: tuple[float, float, float, float]) -> None:
    pytest.importorskip("cv2")
    image, _ = disc()
    given = Box(left=box[0], top=box[1], right=box[2], bottom=box[3])
    # Where nothing is found, that is said; nothing else is raised.
    with suppress(SegmenterError):
        found = GrabCut(lambda photo, noun: given).segment(photo_of(image), "toy")
        assert found.mask.size == image.size


def test_grabcut_says_where_colours_do_not_help() -> None:
    pytest.importorskip("cv2")
    with pytest.raises(SegmenterError, match="GrabCut found no subject"):
        GrabCut().segment(photo_of(Image.new("RGB", (60, 60), (70, 70, 70))), "toy")


# -- Florence-2 and SAM 2


def test_the_best_box_is_large_and_near_the_middle() -> None:
    middle = Box(left=40, top=30, right=80, bottom=60)
    corner = Box(left=0, top=0, right=45, bottom=35)  # larger, and far from the middle
    whole = Box(left=0, top=0, right=120, bottom=90)
    assert best_box([corner, middle], 120, 90) == middle
    assert best_box([corner, middle, whole], 120, 90) == whole
    # By hand: (45 x 35) (1 - |(-0.625, -0.611)| / sqrt 2) = 602; (40 x 30) (1 - 0) = 1200.
    larger = Box(left=0, top=0, right=60, bottom=60)  # 3600 (1 - |(-0.5, -0.333)| / sqrt 2) = 2070
    assert best_box([corner, middle, larger], 120, 90) == larger


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> FlorenceSam2:
    from tests.segmenters import write_florence, write_sam2

    folder = tmp_path_factory.mktemp("segmenters")
    image, _ = disc()
    taught = {
        "<OPEN_VOCABULARY_DETECTION>ball": "ball<loc_333><loc_278><loc_708><loc_777>",
        "<OPEN_VOCABULARY_DETECTION>pup": "nothing",
        "<CAPTION_TO_PHRASE_GROUNDING>a pup": "a pup<loc_0><loc_0><loc_499><loc_999>",
        "<OPEN_VOCABULARY_DETECTION>cat": "nothing",
        "<CAPTION_TO_PHRASE_GROUNDING>a cat": "nothing",
        "<OPEN_VOCABULARY_DETECTION>yak": "nothing",
        "<CAPTION_TO_PHRASE_GROUNDING>a yak": "nothing",
        "<OD>": "cat<loc_100><loc_100><loc_500><loc_500>cattle<loc_0><loc_0><loc_900><loc_900>",
    }
    florence = write_florence(folder / "florence", taught=taught, image=image)
    sam2 = write_sam2(folder / "sam2")
    return FlorenceSam2(str(florence), str(sam2), device="cpu")


@pytest.mark.parametrize(
    ("noun", "corners"),
    [
        # A place is the middle of its bin: (333 + 0.5) * 120 / 1000 = 40.02, cut to 40.
        ("ball", (40, 25, 85, 69)),
        ("pup", (0, 0, 59, 89)),
        ("cat", (12, 9, 60, 45)),
    ],
)
def test_boxes_are_read_from_the_first_question_with_an_answer(
    networks: FlorenceSam2, noun: str, corners: tuple[int, int, int, int]
) -> None:
    image, _ = disc()
    left, top, right, bottom = corners
    assert networks.boxes(image, noun) == [Box(left=left, top=top, right=right, bottom=bottom)]


def test_a_mask_is_as_large_as_its_photo(networks: FlorenceSam2) -> None:
    image, _ = disc()
    box = Box(left=40, top=25, right=85, bottom=69)
    mask, quality = networks.mask(image, box)
    assert (mask.shape, mask.dtype) == ((HEIGHT, WIDTH), np.bool_)
    assert 0 <= quality <= 1
    other, _ = networks.mask(image, Box(left=0, top=0, right=20, bottom=20))
    assert not np.array_equal(mask, other)  # the box is heard


def test_the_mask_is_what_transformers_makes_of_the_logits(networks: FlorenceSam2) -> None:
    import torch

    image, _ = disc()
    model = networks._masker
    inputs = model.processor(images=image, input_boxes=[[[40, 25, 85, 69]]], return_tensors="pt")
    # Boxes reach the network in pixels of what it sees.
    scale = torch.tensor([64 / WIDTH, 64 / HEIGHT] * 2)
    assert torch.allclose(inputs["input_boxes"][0, 0], torch.tensor([40.0, 25, 85, 69]) * scale)
    with torch.inference_mode():
        logits = model.network(**inputs, multimask_output=False).pred_masks
    assert logits.shape == (1, 1, 1, 16, 16)
    full = torch.nn.functional.interpolate(
        logits[0], (HEIGHT, WIDTH), mode="bilinear", align_corners=False
    )
    mask, _ = networks.mask(image, Box(left=40, top=25, right=85, bottom=69))
    assert np.array_equal(mask, (full[0, 0] > 0).numpy())


def test_a_photo_is_segmented_with_all_that_is_known(networks: FlorenceSam2) -> None:
    image, _ = disc()
    found = networks.segment(photo_of(image), "ball")
    assert isinstance(found, Segmented)
    assert found.mask.size == image.size
    assert set(found.mask.tobytes()) <= {0, 255}
    assert found.box == Box(left=40, top=25, right=85, bottom=69)
    assert found.candidates == 1
    assert found.quality is not None
    assert found.source == networks.label == "folder + folder"
    assert found.flags == mask_flags(np.asarray(found.mask) > 0, quality=found.quality)


def test_a_noun_that_is_not_there_is_an_error(networks: FlorenceSam2) -> None:
    image, _ = disc()
    with pytest.raises(SegmenterError, match=r"Photo 00: no 'yak' found.*mask files.*TI, NeTI"):
        networks.segment(photo_of(image), "yak")


def test_without_weights_the_alternatives_are_named(tmp_path: Path) -> None:
    image, _ = disc()
    missing = FlorenceSam2(str(tmp_path / "none"), str(tmp_path / "none"), device="cpu")
    with pytest.raises(SegmenterError) as error:
        missing.segment(photo_of(image), "ball")
    for part in ("weights of", "hf download", "mask files", "grabcut", "TI, NeTI"):
        assert part in str(error.value)


# -- all of them


def test_photos_that_have_a_mask_keep_it_and_the_others_get_one(tmp_path: Path) -> None:
    subject = drawn_subject()
    kept = subject.train[0]
    bare = [replace(photo, encoded_mask=None) for photo in subject.train[1:]]
    for photo in subject.train[1:]:
        mask = photo.mask()
        assert mask is not None
        mask.save(tmp_path / f"{photo.image_id}.png")
    masked, found = with_masks(replace(subject, train=(kept, *bare)), MaskFiles(tmp_path))
    assert list(found) == [photo.image_id for photo in bare]
    assert masked.train[0] is kept
    for before, after in zip(subject.train, masked.train, strict=True):
        assert (before.image_id, before.sha256) == (after.image_id, after.sha256)
        one, other = before.mask(), after.mask()
        assert one is not None
        assert other is not None
        assert one.tobytes() == other.tobytes()
    assert after.encoded_mask is not None
    assert decode_mask(after.encoded_mask()).size == after.image().size


def test_segmenters_have_names(tmp_path: Path) -> None:
    assert isinstance(segmenter_named("auto"), FlorenceSam2)
    assert isinstance(segmenter_named("grabcut"), GrabCut)
    assert isinstance(segmenter_named(str(tmp_path)), MaskFiles)
    with pytest.raises(SegmenterError, match=r"Did you mean 'grabcut'\?.*folder of mask files"):
        segmenter_named("grabcat")


WITHOUT = """
import sys
for name in ("torch", "transformers", "cv2"):
    sys.modules[name] = None  # importing it fails
from pdst.masks import SegmenterError, segmenter_named
from pdst.types import Photo
data = bytes.fromhex(sys.argv[1])
photo = Photo(image_id="00", sha256="", encoded=lambda: data)
for name in ("florence-sam2", "grabcut"):
    try:
        segmenter_named(name).segment(photo, "ball")
    except SegmenterError as error:
        print(error)
"""


def test_nothing_heavy_is_imported_and_what_is_missing_is_said() -> None:
    photo = photo_of(Image.new("RGB", (8, 8)))
    command = [sys.executable, "-c", WITHOUT, photo.encoded().hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    networks, grabcut = done.stdout.splitlines()
    assert "need torch and transformers 5" in networks
    assert "needs the package 'opencv-python-headless'" in grabcut
    for line in (networks, grabcut):
        assert "pip install 'pdst[masks]'" in line
        assert "mask files" in line
