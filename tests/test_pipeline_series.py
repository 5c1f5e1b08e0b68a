"""Claims about photos taken one after the other: their place in a split, what is told of it."""

import io
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from builders.collect.series import number_series, taken_at
from builders.pipeline.build import build, standings
from builders.pipeline.rows import Candidate, from_table, kept
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.workspace import Workspace, open_workspace
from tests.releases import picture
from tests.test_collect import encoded, heic, phone_exif
from tests.workspaces import contents, make_workspace

NOON = datetime(2024, 5, 1, 12, 0)
HALF_AN_HOUR = timedelta(minutes=30)


def shot_at(path: Path, at: datetime) -> None:
    """Write into a photo when it was taken."""
    exif = phone_exif(1, at.strftime("%Y:%m:%d %H:%M:%S"))
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif)


def workspace_shot_at(folder: Path, *minutes: float, **settings: object) -> Workspace:
    """A workspace of one subject, a photo at each of the minutes after noon."""
    workspace = make_workspace(folder, subjects=1, photos=len(minutes), review={}, **settings)
    paths = sorted((folder / "photos" / "cat-1").iterdir())
    for path, minute in zip(paths, minutes, strict=True):
        shot_at(path, NOON + timedelta(minutes=minute))
    return workspace


def split_of(workspace: Workspace) -> list[Candidate]:
    return kept(from_table(Candidate, workspace.rows("split")))


# --- from times to series ------------------------------------------------------------------------


def test_a_series_ends_where_the_gap_to_the_next_photo_is_longer() -> None:
    taken = {
        "d": NOON + timedelta(minutes=90),
        "a": NOON,
        "x": None,
        "c": NOON + timedelta(minutes=59),
        "b": NOON + timedelta(minutes=30),
        "e": NOON + timedelta(days=1),
    }
    wanted = {"a": 1, "b": 1, "c": 1, "d": 2, "e": 3, "x": 0}
    assert number_series(taken, HALF_AN_HOUR) == wanted
    assert number_series({}, HALF_AN_HOUR) == {}


def test_the_time_is_the_cameras_and_never_that_of_the_last_change() -> None:
    exif = phone_exif(1)
    exif[0x0132] = "2025:01:01 00:00:00"  # when a program wrote the file
    assert taken_at(encoded(picture("a"), exif=exif)) == datetime(2024, 5, 1, 10)
    assert taken_at(heic(picture("a"), phone_exif(6))) == datetime(2024, 5, 1, 10)
    changed = Image.Exif()
    changed[0x0132] = "2025:01:01 00:00:00"
    assert taken_at(encoded(picture("a"), exif=changed)) is None


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x18ftypheic", encoded(picture("a"))])
def test_where_no_time_is_said_none_is_known(data: bytes) -> None:
    assert taken_at(data) is None


def test_a_clock_that_was_never_set_says_nothing() -> None:
    assert taken_at(encoded(picture("a"), exif=phone_exif(1, "0000:00:00 00:00:00"))) is None


# --- from series to the split --------------------------------------------------------------------


def test_series_stand_on_one_side_where_that_can_be(tmp_path: Path) -> None:
    """Two and four photos, 2/3 wanted: one choice, whatever the seed."""
    for seed in range(3):
        split = {"train": 2, "test": 3, "seed": seed}
        workspace = workspace_shot_at(tmp_path / str(seed), 600, 610, 0, 10, 30, 55, split=split)
        assert build(workspace).waiting == ()
        rows = split_of(workspace)
        assert {row.series for row in rows if row.split == "train"} == {2}
        assert {row.series for row in rows if row.split == "test"} == {1}
        card = (workspace.output / "README.md").read_text()
        assert "| of a series, by the times at which they were taken | 5 |" in card
        assert "| test photos of a session or series that train photos are of | 0 |" in card


def test_a_subject_shot_in_one_go_is_split_all_the_same_and_its_maker_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = workspace_shot_at(tmp_path / "ws", 0, 1, 2, 3, 4, 5)
    assert build(workspace).waiting == ()
    rows = split_of(workspace)
    assert Counter(row.split for row in rows) == {"train": 2, "test": 3}
    told = "subject cat-1: 2 train and 3 test photos were taken one after the other"
    assert told in caplog.text
    assert "Better: more photos, of other times and places." in caplog.text
    (noted,) = [own.notes for own in standings(workspace) if own.stage == "split"]
    assert any(told in note for note in noted), "status goes on saying so"
    card = (workspace.output / "README.md").read_text()
    assert "| test photos of a session or series that train photos are of | 3 |" in card


def test_the_largest_series_is_given_up_first_and_the_others_stay_whole(tmp_path: Path) -> None:
    """One of five and one of two, 3/4 wanted of seven: the five have to be parted."""
    for seed in range(4):
        workspace = workspace_shot_at(
            tmp_path / str(seed), 0, 1, 2, 3, 4, 600, 601,
            split={"train": 3, "test": 4, "seed": seed},
        )  # fmt: skip
        build(workspace)
        rows = split_of(workspace)
        assert len({row.split for row in rows if row.series == 2}) == 1
        assert len({row.split for row in rows if row.series == 1}) == 2


def test_a_session_that_the_maker_named_counts_and_no_clock(tmp_path: Path) -> None:
    workspace = workspace_shot_at(tmp_path / "ws", 0, 1, 2, 3, 4, 5)
    folder = workspace.folder / "photos" / "cat-1"
    (folder / "kitchen").mkdir()
    for path in sorted(folder.glob("*.png")):
        path.rename(folder / "kitchen" / path.name)
    with pytest.raises(WorkspaceError, match="one session, 'kitchen'"):
        build(workspace)
    rows = from_table(Candidate, workspace.rows("collect"))
    assert {(row.session, row.series) for row in rows} == {("kitchen", 0)}


def test_no_date_is_looked_at_where_the_maker_does_not_want_it(tmp_path: Path) -> None:
    workspace = workspace_shot_at(tmp_path / "ws", 0, 1, 2, 3, 4, 5)
    path = workspace.folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["collect"]["series_gap_minutes"] = 0
    path.write_text(yaml.safe_dump(settings))
    workspace = open_workspace(workspace.folder)
    build(workspace)
    assert {row.series for row in split_of(workspace)} == {0}


def test_no_date_is_in_anything_that_the_stages_write(tmp_path: Path) -> None:
    workspace = workspace_shot_at(tmp_path / "ws", 0, 1, 2, 600, 601, 602)
    build(workspace)
    assert {row.series for row in split_of(workspace)} == {1, 2}
    written = {
        f"{place}/{name}": data
        for place in ("stages", "stored", "packed", "release")
        for name, data in contents(workspace.folder / place).items()
    }
    for path in workspace.folder.glob("*/*.parquet"):  # what compression hides
        table = pq.read_table(path)
        written[f"rows of {path.name}"] = f"{table.to_pylist()} {table.schema.metadata}".encode()
    for name, data in written.items():
        for date in (b"2024:05:01", b"2024-05-01", b"2024, 5, 1"):
            assert date not in data, name
        if name.endswith((".jpg", ".png")):
            with Image.open(io.BytesIO(data)) as image:
                assert not image.getexif(), name
