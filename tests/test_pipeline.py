"""Claims about the builders' pipeline: from photos to a release, what stops it, what it records."""

import json
import re
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import yaml

import pdst
from builders.card import table
from builders.collect.likeness import Sight
from builders.pipeline.build import NAMES, build, dropped, standings
from builders.pipeline.provenance import provenance
from builders.pipeline.recipe import build_recipe
from builders.pipeline.rows import Approval, Candidate, MaskRow, from_table, to_table
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.splitting import Bond, choose_split
from builders.pipeline.workspace import Workspace, open_workspace
from builders.sources import dreambooth30
from pdst.dataset import load
from pdst.validate import validate
from tests.workspaces import answer_all, contents, drawn, make_workspace

ROOT = Path(pdst.__file__).parent.parent
STOPS = {"review": "photos", "check": "captions", "mask": "masks"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that was built to the end, its people answering by sheet."""
    workspace = make_workspace(tmp_path_factory.mktemp("built") / "ws")
    assert answer_all(workspace).waiting == ()
    return workspace


def copy_of(workspace: Workspace, folder: Path) -> Workspace:
    shutil.copytree(workspace.folder, folder)
    return open_workspace(folder)


def edit(workspace: Workspace, **sections: object) -> Workspace:
    """Change sections of the settings."""
    path = workspace.folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text()) | sections
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return open_workspace(workspace.folder)


# --- a whole build -------------------------------------------------------------------------------


def test_a_build_stops_for_people_and_ends_in_a_release_without_fault(built: Workspace) -> None:
    findings = [f for f in validate(built.output) if f.code != "small-image"]
    assert findings == []
    benchmark = load(built.output)
    assert [len(subject.train) for subject in benchmark.subjects] == [2, 2]
    assert Counter(test.subject_id for test in benchmark.test) == {"cat-1": 3, "robot-1": 3}
    given = {row.name: row for row in drawn()}
    for subject in benchmark.subjects:
        for photo in subject.train:
            row = given[f"{subject.subject_id}/{photo.image_id}"]
            assert photo.encoded_mask is not None
            assert (photo.encoded(), photo.encoded_mask()) == (row.image, row.mask)
    for test in benchmark.test:
        assert test.captions == given[f"{test.subject_id}/{test.photo.image_id}"].captions[:3]


def test_nobody_is_asked_twice_and_a_second_build_does_nothing(built: Workspace) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.folder.rglob("*")}
    again = build(built)
    assert (again.done, again.waiting) == ((), ())
    assert {path: path.stat().st_mtime_ns for path in built.folder.rglob("*")} == before


def test_a_fresh_workspace_waits_for_each_reviewer_by_name(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=1)
    stopped = build(workspace)
    assert stopped.done == ("collect", "review")
    assert [line.split(":")[0] for line in stopped.waiting] == [
        "ada has 5 of 5 photos to look at",
        "bob has 5 of 5 photos to look at",
    ]
    states = [own.state for own in standings(workspace)]
    assert states == ["done", "waiting", *["blocked"] * 9]


def test_the_same_inputs_give_the_same_release_in_another_place(
    built: Workspace, tmp_path: Path
) -> None:
    other = make_workspace(tmp_path / "elsewhere")
    answer_all(other)
    assert contents(other.output) == contents(built.output)


def test_what_changes_is_done_anew_and_nothing_before_it(built: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(built, tmp_path / "ws")
    workspace = edit(workspace, publish={"to": str(tmp_path / "copy")})
    assert build(workspace).done == ("publish",)
    assert contents(tmp_path / "copy") == contents(built.output)
    release = {**yaml.safe_load((workspace.folder / "workspace.yaml").read_text())["release"]}
    workspace = edit(workspace, release=release | {"version": "1.1.0"})
    assert build(workspace).done == ("card", "publish")
    assert load(tmp_path / "copy").version == "1.1.0"
    (workspace.output / "README.md").unlink()
    assert build(workspace).done == ("card",)


def test_damage_to_a_stage_is_mended(built: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(built, tmp_path / "ws")
    workspace.stage_file("split").write_bytes(b"half a table")
    stored = next((workspace.folder / "stored" / "photos").iterdir())
    stored.unlink()
    assert build(workspace).done == ("collect", "split")
    assert contents(workspace.output) == contents(built.output)


def test_a_damaged_stored_photo_is_made_again(built: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(built, tmp_path / "ws")
    stored = next((workspace.folder / "stored" / "photos").iterdir())
    stored.write_bytes(stored.read_bytes()[:1000])
    workspace.stage_file("collect").unlink()
    assert build(workspace).done == ("collect",)
    assert contents(workspace.folder / "stored") == contents(built.folder / "stored")


def test_collected_anew_photos_are_stored_anew(built: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(built, tmp_path / "ws")
    one, other = sorted((workspace.folder / "stored" / "photos").iterdir())[:2]
    one.write_bytes(other.read_bytes())
    assert build(workspace, anew="collect").done == ("collect",)
    assert contents(workspace.folder / "stored") == contents(built.folder / "stored")


def test_collected_anew_a_photo_whose_original_is_gone_stays_stored(
    built: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(built, tmp_path / "ws")
    gone = sorted((workspace.folder / "photos").rglob("*.png"))[-1]
    gone.unlink()
    build(workspace, until="collect", anew="collect")
    stored, whole = (
        {path.name for path in (one.folder / "stored" / "photos").iterdir()}
        for one in (workspace, built)
    )
    assert stored == whole


def test_a_stage_that_cannot_be_done_anew_yet_is_told(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=1)
    assert build(workspace, anew="mask").waiting[-1] == (
        "mask was not done anew, as it comes after review: give --anew mask once more then"
    )
    with pytest.raises(WorkspaceError, match=r"the last stage to do is split.*Give --until mask"):
        build(workspace, until="split", anew="mask")


def test_rows_come_back_from_parquet_as_they_were(built: Workspace) -> None:
    for kind, stage in ((Candidate, "split"), (Approval, "check"), (MaskRow, "mask")):
        rows = from_table(kind, built.rows(stage))
        assert rows
        assert from_table(kind, to_table(kind, rows)) == rows


# --- the card ------------------------------------------------------------------------------------


def test_the_cards_numbers_are_those_of_the_data(tmp_path: Path) -> None:
    """Every number of the section on the making is counted here once more, another way."""
    workspace = make_workspace(tmp_path / "ws")
    answer_all(
        workspace,
        {
            ("photos", "bob", "cat-1/07"): "another cat",
            ("photos", "ada", "robot-1/09"): "cut off",
            ("photos", "bob", "robot-1/09"): "cut off",
        },
    )
    card = (workspace.output / "README.md").read_text()
    assert provenance(workspace) in card
    numbers = dict(re.findall(r"^\| ([a-z' ]+) \| (\d+) \|$", card, re.MULTILINE))
    assert numbers["collected"] == "12"
    assert numbers["dropped by reviewers"] == "2"
    assert numbers["train"] == "4"
    assert numbers["test"] == "6"
    assert numbers["released"] == "18"
    assert numbers["captions"] == "18"
    # 10 questions; (yes, yes) 8 times, (no, no) once, (yes, no) once: p_o = 9/10,
    # p_e = 9/10 * 8/10 + 1/10 * 2/10 = 0.74, kappa = (0.9 - 0.74) / 0.26 = 0.615.
    assert "| photos | ada, bob | 10 | 2 | 90.0% | 0.615 |" in card
    assert "| `cat-1/07` | - |  | rejected by bob: another cat |" in card
    assert "| `robot-1/09` | - |  | rejected by ada: cut off; bob: cut off |" in card
    assert "no embeddings" in card
    assert dict(dropped(workspace)).keys() == {"cat-1/07", "robot-1/09"}


def test_the_cards_markdown_is_whole(built: Workspace) -> None:
    card = (built.output / "README.md").read_text()
    assert re.findall("^```.*$", card, re.MULTILINE) == ["```python", "```"]
    assert table(("why",), [("a|b\nc",)]).splitlines()[-1] == "| a\\|b c |"


def test_the_card_says_how_look_alikes_were_sought_this_time(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "builders.pipeline.stages.split.open_sight", lambda name: Sight(how=f"the eyes of {name}")
    )
    workspace = edit(copy_of(built, tmp_path / "ws"), embeddings="an-owl")
    assert build(workspace).done == ("split", "card", "publish"), "though all rows are the same"
    assert "by the eyes of an-owl" in (workspace.output / "README.md").read_text()


def test_a_card_without_reviewers_says_that_nobody_looked(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=1, review={})
    assert build(workspace).waiting == ()
    assert "| photos | nobody | 5 |" in (workspace.output / "README.md").read_text()


def test_croissant_describes_the_files(built: Workspace) -> None:
    croissant = pytest.importorskip("mlcroissant")
    with warnings.catch_warnings():  # of the libraries that mlcroissant brings along
        warnings.simplefilter("ignore")
        dataset = croissant.Dataset(str(built.output / "croissant.json"))
        records = list(dataset.records("test-00000-of-00001"))
    assert not dataset.metadata.ctx.issues.errors
    assert dataset.metadata.version == "1.0.0"
    assert len(records) == 6
    first = load(built.output).test[0]
    assert records[0]["test-00000-of-00001/image_id"] == first.photo.image_id.encode()


# --- recipes -------------------------------------------------------------------------------------


def test_a_recipe_and_the_photos_make_the_very_release(built: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(built, tmp_path / "ws")
    settings = yaml.safe_load((workspace.folder / "workspace.yaml").read_text())["release"]
    workspace = edit(workspace, release={**settings, "photos": "recipe"})
    assert build(workspace).done == ("card", "publish")
    recipe = contents(workspace.output)
    images = {row.image for row in drawn()}
    assert not images & set(recipe.values())
    photos = tmp_path / "got"
    photos.mkdir()
    for number, image in enumerate(sorted(images)):
        (photos / f"download-{number}.png").write_bytes(image)
    digest = build_recipe(workspace.output, photos, tmp_path / "release")
    assert digest == load(built.output).fingerprint
    name = load(built.output).test[0].photo
    lost = next(path for path in photos.iterdir() if path.read_bytes() == name.encoded())
    lost.write_bytes(b"another file")
    with pytest.raises(WorkspaceError, match=r"1 photos of the recipe cannot be used:\n.*no file"):
        build_recipe(workspace.output, photos, tmp_path / "other")
    assert not (tmp_path / "other").exists()


# --- publishing ----------------------------------------------------------------------------------


class StandInHub:
    """In place of the Hub's API, which cannot be here: takes a folder, gives a pull request."""

    asked: ClassVar[list[dict[str, object]]] = []

    def upload_folder(self, **asked: object) -> SimpleNamespace:
        if asked["repo_id"] == "nobody/nothing":
            raise OSError("404 Client Error")
        self.asked.append(asked)
        return SimpleNamespace(pr_url="https://hub.example.org/datasets/ada/drawn/discussions/1")


def test_the_hub_gets_a_pull_request_and_never_a_push(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", StandInHub)
    workspace = edit(
        copy_of(built, tmp_path / "ws"), publish={"to": "hf://datasets/nobody/nothing"}
    )
    with pytest.raises(WorkspaceError, match=r"did not take the release \(404.*hf auth login"):
        build(workspace)
    workspace = edit(workspace, publish={"to": "hf://datasets/ada/drawn"})
    assert build(workspace).done == ("publish",)
    (asked,) = StandInHub.asked
    assert asked["create_pr"] is True
    assert (asked["repo_id"], asked["repo_type"]) == ("ada/drawn", "dataset")
    assert asked["folder_path"] == workspace.output
    record = workspace.record("publish")
    assert record is not None
    assert "review and merge the pull request: https://hub.example.org" in record.notes[0]
    assert build(workspace).done == (), "one pull request is enough"


def test_a_folder_that_holds_other_things_is_not_published_to(
    built: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    workspace = edit(copy_of(built, tmp_path / "ws"), publish={"to": str(tmp_path / "thesis")})
    with pytest.raises(WorkspaceError, match=r"holds thesis\.tex, which is not of the release"):
        build(workspace)
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "years of work"


# --- splitting -----------------------------------------------------------------------------------

PHOTOS = [f"{n:02}" for n in range(16)]


def test_a_split_is_chosen_by_its_seed() -> None:
    splits = {}
    for seed in "abcdef":
        split = choose_split(PHOTOS, (), train=5, test=10, seed=seed)
        assert split is not None
        assert Counter(split.values()) == {"train": 5, "test": 10, "reserve": 1}
        assert split == choose_split(PHOTOS, (), train=5, test=10, seed=seed)
        splits[tuple(sorted(split.items()))] = seed
    assert len(splits) == 6


def test_bonded_photos_are_never_parted() -> None:
    bonds = [Bond(one="00", other="01", why=""), Bond(one="01", other="02", why="")]
    for seed in map(str, range(50)):
        split = choose_split(PHOTOS, bonds, train=5, test=10, seed=seed)
        assert split is not None
        assert len({split["00"], split["01"], split["02"]} - {"reserve"}) == 1


def test_a_split_is_found_wherever_there_is_one_and_only_there() -> None:
    """Against trying every way of giving groups to the two sides."""
    for sizes in ([6, 5, 4], [8, 8], [15], [3] * 5, [11, 4], [1] * 15, [10, 6], [7, 7, 2]):
        names = [f"{group}-{n}" for group, size in enumerate(sizes) for n in range(size)]
        bonds = [
            Bond(one=f"{group}-0", other=f"{group}-{n}", why="")
            for group, size in enumerate(sizes)
            for n in range(1, size)
        ]
        sums = {0}
        for size in sizes:
            sums |= {total + size for total in sums}
        possible = any(total >= 5 and sum(sizes) - total >= 10 for total in sums)
        split = choose_split(names, bonds, train=5, test=10, seed="0")
        assert (split is not None) == possible, sizes


# --- the command line, and the real photos --------------------------------------------------------


def run_builders(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "builders", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_line_waits_with_its_own_exit_code(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=1)
    done = run_builders("build", str(workspace.folder))
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["done"] == ["collect", "review"]
    assert "Waiting: ada has 5 of 5 photos to look at" in done.stderr
    sheet = tmp_path / "ada.csv"
    arguments = (str(workspace.folder), "--kind", "photos", "--reviewer")
    assert run_builders("sheet", *arguments, "ada", "--out", str(sheet)).returncode == 0
    sheet.write_text(sheet.read_text().replace(",,,", ",yes,,"))
    taken = run_builders("sheet", *arguments, "ada", "--read", str(sheet))
    assert "5 answers taken" in taken.stderr
    stranger = run_builders("sheet", *arguments, "eve", "--out", str(sheet))
    assert stranger.returncode == 2
    assert "No reviewer of photos named 'eve'" in stranger.stderr
    table = json.loads(run_builders("status", str(workspace.folder), "--json").stdout)
    assert [own["stage"] for own in table["stages"]] == list(NAMES)
    assert "review     │ due" in run_builders("status", str(workspace.folder)).stdout


@pytest.mark.slow
@pytest.mark.photos
def test_dreambooth30_is_a_full_run_and_the_published_release(
    real_photos: Path, tmp_path: Path
) -> None:
    arguments = ("--from", str(real_photos), "--workspace", str(tmp_path / "ws"))
    done = run_builders("dreambooth30", *arguments, "--out", str(tmp_path / "release"))
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines() if "…" in line] == [
        "collect", "review", "review", "split", "caption", "refine", "neutralize", "check", "check",
        "mask", "mask", "pack", "card", "publish",
    ]  # fmt: skip
    assert json.loads(done.stdout)["fingerprint"] == dreambooth30.published_fingerprint()
    errors = [f for f in validate(tmp_path / "release") if f.severity == "error"]
    assert errors == []
    workspace = open_workspace(tmp_path / "ws")
    assert build(workspace).done == ()
    card = (tmp_path / "release" / "README.md").read_text()
    assert provenance(workspace) in card
