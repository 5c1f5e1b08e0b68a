"""A folder of one's own photos becomes a subject, or a message that says what to mend."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdst.errors import PdstError
from pdst.masks import with_masks
from pdst.masks.files import MaskFiles
from pdst.own_photos import own_subject


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos with masks: one upright, one whose camera was turned."""
    photos, masks = tmp_path / "my mug", tmp_path / "masks"
    photos.mkdir()
    masks.mkdir()
    rng = np.random.default_rng(0)
    for name, orientation in (("one.jpg", 1), ("two.JPG", 6)):
        image = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(photos / name, "JPEG", exif=exif)
        size = (30, 20) if orientation == 1 else (20, 30)
        mask = Image.new("L", size)
        mask.paste(255, (5, 5, 12, 15))
        mask.save(masks / f"{Path(name).stem}.png")
    (photos / "notes.txt").write_text("not a photo")
    return tmp_path


def test_a_folder_becomes_a_subject(folder: Path) -> None:
    subject = own_subject(folder / "my mug", class_noun="coffee mug")
    assert [photo.mask() for photo in subject.train] == [None, None]
    subject, found = with_masks(subject, MaskFiles(folder / "masks"))
    assert len(found) == 2
    assert (subject.subject_id, subject.class_noun, subject.init_token) == (
        "my-mug",
        "coffee mug",
        "mug",
    )
    assert [photo.image_id for photo in subject.train] == ["one", "two"]
    # The camera was turned: upright is higher than wide, and so is the mask.
    assert [photo.image().size for photo in subject.train] == [(30, 20), (20, 30)]
    masks = [photo.mask() for photo in subject.train]
    assert [mask.size if mask else None for mask in masks] == [(30, 20), (20, 30)]


def test_mistakes_are_named(folder: Path) -> None:
    photos = folder / "my mug"

    def refused(match: str, **other: object) -> None:
        with pytest.raises(PdstError, match=match):
            own_subject(**{"images": photos, "class_noun": "mug", **other})  # type: ignore[arg-type]

    refused("is no folder", images=folder / "nowhere")
    refused("holds no photo, but files of", images=_only_text(folder))
    refused("class noun is empty", class_noun="  ")
    refused("subject id is 'a/b'", subject_id="a/b")
    shutil.copy(photos / "one.jpg", photos / "copy.jpg")
    refused("the same photo")
    (photos / "copy.jpg").write_bytes(b"no image")
    refused("copy")


def _only_text(folder: Path) -> Path:
    empty = folder / "empty"
    empty.mkdir()
    (empty / "a.heic").write_bytes(b"")
    return empty


def test_masks_are_found_by_the_photo_s_own_name(folder: Path) -> None:
    (folder / "my mug" / "one.jpg").rename(folder / "my mug" / "my photo (1).jpg")
    (folder / "masks" / "one.png").rename(folder / "masks" / "my photo (1).png")
    subject = own_subject(folder / "my mug", class_noun="mug")
    assert subject.train[0].image_id == "my-photo-1"
    subject, _ = with_masks(subject, MaskFiles(folder / "masks"))
    mask = subject.train[0].mask()
    assert mask is not None
    assert int((np.asarray(mask) > 0).sum()) == 7 * 10
