"""Claims about planted faults: each is found, and the message says what to do."""

import csv
import io
import re
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image, ImageOps

from builders.pipeline.build import build, dropped, standings
from builders.pipeline.provenance import review_items
from builders.pipeline.rows import Candidate, MaskRow, from_table, kept
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.workspace import Workspace, open_workspace
from builders.review.sheet import read_sheet
from pdst.dataset import load
from pdst.digest import digest_bytes
from pdst.images import decode_rgb
from tests.test_collect import black_png, tiff_of_12_bits
from tests.workspaces import answer_all, drawn, make_workspace, write


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "ws", subjects=1)


def photo(workspace: Workspace, name: str) -> Path:
    return workspace.folder / "photos" / f"{name}.png"


def decide(workspace: Workspace, *lines: str) -> None:
    text = "\n".join(["photo,decision,other,by,reason", *lines])
    workspace.decisions.write_text(f"{text}\n")


def change(workspace: Workspace, section: str, **values: object) -> Workspace:
    path = workspace.folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text())
    settings[section] = settings.get(section, {}) | values
    path.write_text(yaml.safe_dump(settings))
    return open_workspace(workspace.folder)


# --- photos --------------------------------------------------------------------------------------


def test_a_photo_of_another_subject_falls_to_one_reviewer(workspace: Workspace) -> None:
    built = answer_all(workspace, {("photos", "bob", "cat-1/07"): "that is another cat"})
    assert built.waiting == ()
    assert dropped(workspace) == (("cat-1/07", "rejected by bob: that is another cat"),)
    assert "cat-1/07" in (workspace.output / "README.md").read_text()
    names = [test.photo.image_id for test in load(workspace.output).test]
    assert "07" not in names


def test_a_shot_that_two_subjects_share_is_named(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=2)
    shutil.copy(photo(workspace, "cat-1/06"), photo(workspace, "robot-1/99"))
    with pytest.raises(WorkspaceError, match=r"cat-1/06 and robot-1/99: two subjects share a shot"):
        answer_all(workspace)


def test_two_subjects_may_share_what_somebody_has_looked_at(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=2, review={})
    shutil.copy(photo(workspace, "cat-1/06"), photo(workspace, "robot-1/99"))
    decide(workspace, "robot-1/99,different,cat-1/06,ada,both are in the picture")
    assert build(workspace, until="split").done == ("collect", "review", "split")


def test_a_flipped_photo_never_gets_to_the_other_side(workspace: Workspace) -> None:
    """A seed cannot part them: one of the two is left over."""
    with Image.open(photo(workspace, "cat-1/06")) as image:
        ImageOps.mirror(image).save(photo(workspace, "cat-1/99"))
    for seed in range(4):
        workspace = change(workspace, "split", seed=seed)
        answer_all(workspace)
        rows = {row.name: row for row in from_table(Candidate, workspace.rows("split"))}
        assert rows["cat-1/99"].status == "reserve"
        assert rows["cat-1/99"].like == "cat-1/06"
        assert "mirrored" in rows["cat-1/99"].reason


def test_a_flipped_photo_across_a_given_split_is_refused_with_the_pair(tmp_path: Path) -> None:
    workspace = manifest_workspace(tmp_path / "ws")
    flipped = io.BytesIO()
    ImageOps.mirror(decode_rgb((workspace.folder / "given" / "05.png").read_bytes())).save(
        flipped, "PNG"
    )
    add_to_manifest(workspace, "99", flipped.getvalue(), split="test")
    with pytest.raises(WorkspaceError) as refused:
        answer_all(workspace)
    message = str(refused.value)
    assert "cat-1/05 (train) and cat-1/99 (test) are one shot" in message
    assert "mirrored. Drop one." in message
    assert "decisions.csv, a line 'PHOTO,drop,OTHER,BY,REASON'" in message
    decide(workspace, "cat-1/99,drop,cat-1/05,ada,mirrored")
    assert answer_all(workspace).waiting == ()
    assert (
        "| `cat-1/99` | test | `cat-1/05` | mirrored |"
        in (workspace.output / "README.md").read_text()
    )


def test_photos_of_one_session_are_kept_together_or_refused(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=1)
    folder = workspace.folder / "photos" / "cat-1"
    for session, names in {"park": ("05", "06", "07", "08"), "home": ("09", "10")}.items():
        for name in names:
            (folder / session).mkdir(exist_ok=True)
            shutil.move(folder / f"{name}.png", folder / session / f"{name}.png")
    answer_all(workspace)
    sides: dict[str, set[str]] = {}
    for row in kept(from_table(Candidate, workspace.rows("split"))):
        sides.setdefault(row.session, set()).add(row.split)
    assert sides == {"park": {"test"}, "home": {"train"}}
    shutil.move(folder / "home" / "10.png", folder / "park" / "10.png")
    shutil.move(folder / "home" / "09.png", folder / "park" / "09.png")
    with pytest.raises(WorkspaceError) as refused:
        answer_all(workspace)
    assert "no 2/3 split of its 6 photos keeps together" in str(refused.value)
    assert "cat-1/05 and cat-1/06: one session, 'park'" in str(refused.value)


def test_a_photo_turned_by_exif_is_stored_upright_with_its_mask(workspace: Workspace) -> None:
    answer_all(workspace)
    name = from_table(MaskRow, workspace.rows("mask"))[0].name
    path = photo(workspace, name)
    with Image.open(path) as image:
        wide = image.crop((0, 0, 160, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    wide.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    mask_path = workspace.folder / "masks" / f"{name}.png"
    with Image.open(mask_path) as mask:
        mask.crop((0, 0, 160, 100)).transpose(Image.Transpose.ROTATE_90).save(mask_path)
    with pytest.raises(WorkspaceError) as refused:
        answer_all(workspace)
    message = str(refused.value)
    assert f"100 x 160 pixels, but {name} has 160 x 100" in message
    assert "before it was turned upright? Put the right one there" in message
    with Image.open(mask_path) as mask:
        upright = mask.transpose(Image.Transpose.ROTATE_270)
    upright.save(mask_path)
    assert answer_all(workspace).waiting == ()
    (shot,) = [p for p in load(workspace.output).subjects[0].train if name == f"cat-1/{p.image_id}"]
    assert shot.image().size == wide.size
    with Image.open(io.BytesIO(shot.encoded())) as stored:
        assert not stored.getexif()


def test_all_files_that_cannot_be_collected_are_listed_with_what_to_do(
    workspace: Workspace,
) -> None:
    folder = workspace.folder / "photos" / "cat-1"
    write(folder / "raw.tif", tiff_of_12_bits(64, 64))
    write(folder / "bomb.png", black_png(40_000))
    write(folder / "half.png", (folder / "05.png").read_bytes()[:2000])
    write(folder / "phone.heic", b"\0\0\0\x18ftypheic")
    with pytest.raises(WorkspaceError) as refused:
        build(workspace)
    message = str(refused.value)
    assert message.startswith("4 photos or lines cannot be collected:")
    assert "raw.tif: has 12 bits a sample. It would come out nearly black. Export" in message
    assert "bomb.png: cannot be decoded: over 89478485 pixels. Store a smaller" in message
    assert "half.png: cannot be decoded: damaged" in message
    assert "phone.heic: cannot be decoded" in message
    assert "(photo,drop,,BY,REASON)" in message
    decide(
        workspace,
        "cat-1/raw,drop,,ada,12 bits",
        "cat-1/bomb,drop,,ada,too large",
        "cat-1/half,drop,,ada,damaged",
        "cat-1/phone,drop,,ada,HEIC",
    )
    assert build(workspace).done == ("collect", "review")
    assert dict(dropped(workspace))["cat-1/raw"] == "12 bits"


def test_a_photo_that_is_nobodys_and_a_subject_without_any_are_told(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws", subjects=2)
    shutil.rmtree(workspace.folder / "photos" / "robot-1")
    build(workspace)
    write(workspace.folder / "photos" / "IMG_1.HEIC", b"")
    assert standings(workspace)[0].why == ("due: strays changed",)
    build(workspace)
    assert standings(workspace)[0].notes[-2:] == (
        "subject robot-1 of the settings has no photo",
        "IMG_1.HEIC was not taken: it lies beside the subjects' folders. Put it into one of them.",
    )


def test_a_name_that_no_id_can_be_made_of_is_named(workspace: Workspace) -> None:
    write(photo(workspace, "cat-1/\u72ac"), b"")
    with pytest.raises(WorkspaceError, match=r"wanted an ASCII letter or digit .* Rename it"):
        build(workspace)


# --- decisions -----------------------------------------------------------------------------------


def test_decisions_stand_in_the_card_with_who_and_why(workspace: Workspace) -> None:
    decide(
        workspace,
        "cat-1/10,drop,,ada,blurred",
        "cat-1/06,different,cat-1/05,bob,two poses",
    )
    assert answer_all(workspace).waiting == ()
    card = workspace.output / "README.md"
    assert "| `cat-1/10` | left out |  | ada | blurred |" in card.read_text()
    assert "| `cat-1/06` | another shot than | `cat-1/05` | bob | two poses |" in card.read_text()
    text = workspace.decisions.read_text()
    workspace.decisions.write_text(text.replace("bob,two poses", "eve,its tail moved"))
    assert "card" in build(workspace).done
    assert "| eve | its tail moved |" in card.read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"cat-1/10,drop,,ada,blurred, and dark", r"line 2: has more .* Put the reason in quotes"),
        ("cat-1/10,drop,,Zo\xeb,blurred".encode("cp1252"), r"is no UTF-8 text .* Save it as UTF-8"),
        (b"cat-1/10,drop,,,blurred", r"line 2: wanted a photo, by whom, and a reason"),
    ],
)
def test_a_decision_that_would_be_misread_is_named(
    workspace: Workspace, line: bytes, message: str
) -> None:
    workspace.decisions.write_bytes(b"photo,decision,other,by,reason\n" + line)
    with pytest.raises(WorkspaceError, match=message):
        build(workspace)


# --- manifests -----------------------------------------------------------------------------------


def manifest_workspace(folder: Path) -> Workspace:
    """A workspace whose photos come by a manifest that says the split."""
    make_workspace(folder, subjects=1)
    shutil.rmtree(folder / "photos")
    (folder / "given").mkdir()
    workspace = change(open_workspace(folder), "collect", own=None, manifests=["manifest.csv"])
    workspace = change(workspace, "split", given=True)
    for number, row in enumerate(row for row in drawn(1) if int(row.image_id) < 10):
        add_to_manifest(workspace, row.image_id, row.image, split="train" if number < 2 else "test")
    return workspace


def add_to_manifest(workspace: Workspace, image_id: str, data: bytes, **cells: str) -> None:
    write(workspace.folder / "given" / f"{image_id}.png", data)
    path = workspace.folder / "manifest.csv"
    row = {
        "file": f"given/{image_id}.png", "sha256": digest_bytes(data), "subject_id": "cat-1",
        "source": f"https://example.org/{image_id}", "author": "Ada", "licence": "CC0",
        "split": "test",
    } | cells  # fmt: skip
    new = not path.exists()
    with path.open("a", newline="") as opened:
        writer = csv.DictWriter(opened, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


def test_a_wrong_hash_and_a_licence_outside_the_list_stop_the_collection(tmp_path: Path) -> None:
    workspace = manifest_workspace(tmp_path / "ws")
    add_to_manifest(workspace, "98", drawn(1)[8].image, licence="CC BY-NC-ND 4.0")
    add_to_manifest(workspace, "99", drawn(1)[9].image, sha256="0" * 64)
    with pytest.raises(WorkspaceError) as refused:
        build(workspace)
    message = str(refused.value)
    digest = digest_bytes(drawn(1)[9].image)[:12]
    assert "line 7: licence 'CC BY-NC-ND 4.0' is not on the list. NC and ND licences" in message
    assert f"line 8: 99.png has sha256 {digest}…, expected 000000000000…" in message
    assert "Get that file again, or correct the hash" in message
    assert standings(workspace)[0].state == "due"


# --- captions ------------------------------------------------------------------------------------


def edit_caption(workspace: Workspace, old: str, new: str) -> None:
    path = workspace.folder / "captions.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change_of", "message"),
    [
        (("{}", "{} beside another {}"), r"cat-1/\d\d#0: .*\{\}"),
        (("{}", "Siamese {}"), r"cat-1/\d\d#0: .*[Ss]iamese"),
    ],
    ids=["two slots", "the breed"],
)
def test_a_caption_that_leaks_waits_for_somebody_to_mend_it(
    workspace: Workspace, change_of: tuple[str, str], message: str
) -> None:
    rows = [row for row in drawn(1) if int(row.image_id) < 11]
    for row in rows:  # whichever is split into test
        edit_caption(workspace, row.captions[0], row.captions[0].replace(*change_of))
    waiting = answer_all(workspace).waiting
    assert len(waiting) == 3
    assert all(re.search(message, line) for line in waiting), waiting
    assert not workspace.output.exists()
    for row in rows:
        edit_caption(workspace, row.captions[0].replace(*change_of), row.captions[0])
    assert answer_all(workspace).waiting == ()


def test_captions_that_are_not_there_yet_are_asked_for_by_photo(workspace: Workspace) -> None:
    """An empty sheet is written, and nothing goes on before there is a caption in it."""
    path = workspace.folder / "captions.csv"
    written = path.read_text()
    path.unlink()
    (asked,) = answer_all(workspace).waiting
    assert re.search(r"captions\.csv, a line a caption: 3 captions of each test photo \(cat", asked)
    sheet = list(csv.DictReader(path.read_text().splitlines()))
    assert len(sheet) == 3 * 3
    assert {row["caption"] for row in sheet} == {""}
    assert all(Path(row["photo"]).is_file() for row in sheet)
    states = {own.stage: own for own in standings(workspace)}
    assert (states["caption"].state, states["caption"].waiting) == ("waiting", (asked,))
    assert build(workspace).done == ()
    given = list(csv.DictReader(written.splitlines()))
    for row in sheet:
        ours = [own for own in given if own["image_id"] == row["image_id"]]
        row["caption"] = ours[sum(bool(other["caption"]) for other in sheet) % 3]["caption"]
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(sheet[0]))
        writer.writeheader()
        writer.writerows(sheet)
    assert answer_all(workspace).waiting == ()


def test_captions_that_are_in_no_row_are_told(workspace: Workspace) -> None:
    answer_all(workspace)
    rows = from_table(Candidate, workspace.rows("split"))
    train, test = (kept(rows, split)[0].image_id for split in ("train", "test"))
    with (workspace.folder / "captions.csv").open("a") as opened:
        opened.write(f"cat-1,{test},A {{}} too many.\ncat-1,5,A {{}} sits.\ndog,05,A {{}} runs.\n")
    build(workspace)
    notes = standings(workspace)[3].notes
    assert f"captions.csv: 1 captions of cat-1/{test} were not taken: per_photo is 3" in notes
    assert f"captions.csv: 3 captions of cat-1/{train} were not taken: it is not in test" in notes
    for name in ("cat-1/5", "dog/05"):
        why = "were not taken: no such photo was collected"
        assert f"captions.csv: 1 captions of {name} {why}" in notes


def test_a_rejected_caption_is_to_be_written_anew(workspace: Workspace) -> None:
    answer_all(workspace, {})
    first = kept(from_table(Candidate, workspace.rows("split")), "test")[0]
    sheet = workspace.folder / "no.csv"
    sheet.write_text(f"item,answer,reason\n{first.name}#1,no,not true\n")
    items = review_items(workspace, "captions")
    assert read_sheet(workspace, "captions", "bob", sheet, items) == 1
    (line,) = build(workspace).waiting
    assert f"{first.name} has 2 approved captions of 3 (no. 1 rejected by bob: not true)" in line


# --- masks ---------------------------------------------------------------------------------------


def test_the_mask_of_another_photo_is_found(workspace: Workspace) -> None:
    """By its size, by being there twice, or, swapped, by its outline."""
    workspace = change(workspace, "split", train=5, test=1)
    folder = workspace.folder / "masks" / "cat-1"
    answer_all(workspace)
    rows = from_table(MaskRow, workspace.rows("mask"))
    assert not any(flag.startswith("its outline") for row in rows for flag in row.flags)
    names = [row.image_id for row in rows]
    one, other = (folder / f"{name}.png" for name in names[:2])
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    with pytest.raises(WorkspaceError, match=r"have the very same mask: for all but one it is"):
        build(workspace)
    other.write_bytes(first)
    (line,) = build(workspace).waiting
    assert "ada has 2 of 5 masks to look at" in line
    record = workspace.record("mask")
    assert record is not None
    assert [note for note in record.notes if "swapped?" in note]
    with Image.open(io.BytesIO(first)) as mask:
        mask.resize((160, 90)).save(one)
    with pytest.raises(WorkspaceError, match=r"160 x 90 pixels, but .* is it the mask of another"):
        build(workspace)


def test_a_rejected_mask_is_to_be_drawn_anew(workspace: Workspace) -> None:
    built = answer_all(workspace)
    assert built.waiting == ()
    name = from_table(MaskRow, workspace.rows("mask"))[0].name
    other = make_workspace(workspace.folder.parent / "other", subjects=1)
    (line,) = answer_all(other, {("masks", "ada", name): "half of it"}).waiting
    assert line == f"mask of {name}: rejected by ada: half of it. Draw it anew."


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("split", {"trian": 5}, "No key named 'trian'. Did you mean 'train'"),
        ("split", {"train": "five"}, "split: train is 'five', wanted int"),
        ("split", {"train": 0}, "wanted at least 1 and 1"),
        ("captions", {"per_photo": 0}, "captions.per_photo is 0, wanted 1 to 100"),
        ("review", {"photos": ["ada", "ada"]}, "wanted different people"),
        ("release", {"name": "a", "version": "1.0.0", "licence": "x"}, "lacks 'summary'"),
        ("subjects", {}, "wanted at least one"),
    ],
)
def test_a_wrong_setting_is_named(
    workspace: Workspace, section: str, value: object, message: str
) -> None:
    path = workspace.folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text()) | {section: value}
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(WorkspaceError, match=message):
        open_workspace(workspace.folder)


def test_an_author_who_says_nothing_is_asked(workspace: Workspace) -> None:
    change(workspace, "collect", own={
        "folder": "photos", "author": "Ada", "statement": " ", "licence": "CC0-1.0",
    })  # fmt: skip
    with pytest.raises(WorkspaceError, match=r"own\.statement is empty. Say who took the photos"):
        build(open_workspace(workspace.folder))
