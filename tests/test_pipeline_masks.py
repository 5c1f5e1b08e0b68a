"""Claims about masks by a segmenter in a build: when one is drawn, and with which network."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml

from builders.pipeline.build import build, standings
from builders.pipeline.rows import MaskRow, from_table
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.workspace import Workspace, open_workspace
from pdst.images import decode_mask
from pdst.masks import Segmented, SegmenterError
from pdst.masks.choice import SEGMENTERS
from pdst.masks.segmenter import segmented
from pdst.types import Photo
from tests.workspaces import answer_all, contents, drawn, make_workspace


@dataclass
class DrawnTruth:
    """A double of a network that cannot be here: it knows the drawn photos' masks.

    Attributes:
        gone: its weights cannot be opened any more.
        opened: how often somebody tried. asked: photo and noun of each mask.
    """

    gone: bool = False
    opened: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def label(self) -> str:
        self.opened += 1
        if self.gone:
            raise SegmenterError("The weights of truth cannot be opened. Copy them here.")
        return "truth@1"

    def segment(self, photo: Photo, class_noun: str) -> Segmented:
        self.asked.append((photo.image_id, class_noun))
        (row,) = (row for row in drawn(1) if row.name == photo.image_id)
        assert row.mask is not None
        return segmented(np.asarray(decode_mask(row.mask)) > 0, source=self.label)


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch) -> DrawnTruth:
    double = DrawnTruth()
    monkeypatch.setitem(SEGMENTERS, "truth", lambda: double)  # type: ignore[arg-type]
    return double


def segmented_workspace(folder: Path, masks: Sequence[str] = ()) -> Workspace:
    """A workspace of one subject, two train photos, whose masks are drawn by the double."""
    return make_workspace(
        folder, subjects=1, review={"masks": list(masks)}, masks={"segmenter": "truth"}
    )


def test_a_lost_mask_is_drawn_again_and_a_kept_one_is_not(
    truth: DrawnTruth, tmp_path: Path
) -> None:
    workspace = segmented_workspace(tmp_path / "ws")
    assert build(workspace).waiting == ()
    rows = from_table(MaskRow, workspace.rows("mask"))
    assert [row.source for row in rows] == ["truth@1"] * 2
    whole = contents(workspace.folder / "stored")
    (workspace.folder / "stored" / "masks" / rows[0].file).unlink()
    assert build(workspace).done == ("mask",)
    assert truth.asked == [(row.name, "cat") for row in (*rows, rows[0])]
    assert contents(workspace.folder / "stored") == whole


def test_another_noun_has_masks_drawn_for_it(truth: DrawnTruth, tmp_path: Path) -> None:
    workspace = segmented_workspace(tmp_path / "ws")
    build(workspace)
    path = workspace.folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["subjects"]["cat-1"]["class_noun"] = "kitten"
    path.write_text(yaml.safe_dump(settings))
    assert "mask" in build(open_workspace(workspace.folder)).done
    assert [noun for _, noun in truth.asked] == ["cat"] * 2 + ["kitten"] * 2


def test_answers_about_masks_need_no_weights(truth: DrawnTruth, tmp_path: Path) -> None:
    workspace = segmented_workspace(tmp_path / "ws", masks=["ada"])
    assert build(workspace).done[-1] == "mask"
    truth.gone = True
    assert answer_all(workspace).waiting == ()


def test_weights_that_cannot_be_opened_are_tried_once(truth: DrawnTruth, tmp_path: Path) -> None:
    truth.gone = True
    with pytest.raises(SegmenterError, match=r"^The weights of truth cannot be opened"):
        build(segmented_workspace(tmp_path / "ws"))
    assert (truth.opened, truth.asked) == (1, [])


def test_what_is_wrong_with_every_mask_is_said_once(
    truth: DrawnTruth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def segment(self: DrawnTruth, photo: Photo, class_noun: str) -> Segmented:
        raise SegmenterError("truth needs a package. Install it.")

    monkeypatch.setattr(DrawnTruth, "segment", segment)
    with pytest.raises(WorkspaceError, match=r"^1 masks cannot be used:\n  truth needs a package"):
        build(segmented_workspace(tmp_path / "ws"))


def test_done_anew_masks_are_drawn_anew(truth: DrawnTruth, tmp_path: Path) -> None:
    workspace = segmented_workspace(tmp_path / "ws")
    build(workspace)
    assert build(workspace, anew="mask").done == ("mask",)
    assert len(truth.asked) == 4


def test_a_stored_mask_that_somebody_edited_is_refused(truth: DrawnTruth, tmp_path: Path) -> None:
    workspace = segmented_workspace(tmp_path / "ws")
    build(workspace)
    stored = next((workspace.folder / "stored" / "masks").iterdir())
    stored.write_bytes(stored.read_bytes() + b" ")
    shutil.rmtree(workspace.packed)
    with pytest.raises(WorkspaceError, match=rf"{stored.name} was changed after it was looked at"):
        build(workspace)


def test_a_mask_file_that_fits_no_photo_is_told(truth: DrawnTruth, tmp_path: Path) -> None:
    workspace = make_workspace(
        tmp_path / "ws", subjects=1, review={}, masks={"folder": "masks", "segmenter": "truth"}
    )
    folder = workspace.folder / "masks" / "cat-1"
    for path in folder.glob("*.png"):
        path.rename(path.with_suffix(".PNG"))
    build(workspace)
    assert len(truth.asked) == 2
    notes = standings(workspace)[7].notes
    assert (
        "cat-1/05.PNG among the masks is none of a photo that was collected, wanted "
        "SUBJECT/IMAGE.png" in notes
    )
