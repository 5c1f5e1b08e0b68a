"""Claims about images made elsewhere: where they may lie, and how each mistake is answered."""

import csv
import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pdst.embed import Encoders
from pdst.errors import GeneratorError
from pdst.evaluate import Settings, evaluate
from pdst.images import UnreadableImageError
from pdst.loading import load_generator
from pdst.methods.folder import Folder, write_wanted
from pdst.plan import PROTOCOLS, plan
from pdst.run import open_run
from pdst.testing import check_generator, drawn_benchmark, drawn_subject
from pdst.types import Case, Protocol

BENCHMARK = drawn_benchmark()
PROTOCOL = Protocol(name="two", captions_per_photo=None, images_per_caption=3)
CHUNKS = plan(BENCHMARK, PROTOCOL)
CASES = [case for chunk in CHUNKS for case in chunk.cases]
DEFAULT = "{subject_id}/{image_id}/{caption_index}/{seed_index}.png"

Row = dict[str, Any]


def colour(case: Case) -> tuple[int, int, int]:
    """A colour of its own for each case."""
    return (CASES.index(case) + 1, case.seed % 200, 9)


def fill(root: Path, cases: list[Case] | None = None, pattern: str = DEFAULT) -> Path:
    """Draw each case as a plain picture of its colour at the path that the pattern says."""
    for case in CASES if cases is None else cases:
        fields = {"subject_id", "image_id", "caption_index", "seed_index"}
        path = root / pattern.format(**{name: getattr(case, name) for name in fields})
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), colour(case)).save(path, lossless=True)
    return root


def rows(cases: list[Case] | None = None) -> list[Row]:
    """Manifest rows for files that `fill` has made."""
    return [
        {
            "subject_id": case.subject_id,
            "image_id": case.image_id,
            "caption_index": case.caption_index,
            "seed_index": case.seed_index,
            "file": f"{case.subject_id}/{case.image_id}/{case.caption_index}/{case.seed_index}.png",
        }
        for case in (CASES if cases is None else cases)
    ]


def write_jsonl(path: Path, table: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table))


def write_csv(path: Path, table: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def write_parquet(path: Path, table: list[Row]) -> None:
    pq.write_table(pa.Table.from_pylist(table), path)


WRITERS = {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet}


def colours(folder: Folder, cases: list[Case]) -> list[object]:
    sampler = folder.personalize(drawn_subject())
    return [image.getpixel((4, 4)) for image in sampler.sample_cases(cases)]


def error_of(root: Path, **options: Any) -> str:
    with pytest.raises(GeneratorError) as caught:
        Folder(root, **options)
    return str(caught.value)


def reason_for(folder: Folder, case: Case) -> str:
    with pytest.raises(GeneratorError) as caught:
        folder.sample_cases([case])
    return str(caught.value)


# --- where images may lie ------------------------------------------------------------------------


def test_each_case_gets_its_own_file(tmp_path: Path) -> None:
    folder = Folder(fill(tmp_path), benchmark=BENCHMARK)
    assert colours(folder, CASES[::-1]) == [colour(case) for case in CASES[::-1]]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".jpeg"])
def test_any_of_the_suffixes_is_found(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path, CASES[:2], DEFAULT.replace(".png", suffix))
    fill(tmp_path, CASES[2:4])
    [first, *_, last] = colours(Folder(tmp_path), CASES[:4])
    assert first == pytest.approx(colour(CASES[0]), abs=0 if suffix in {".png", ".webp"} else 3)
    assert last == colour(CASES[3])


@pytest.mark.parametrize(
    "pattern",
    [
        "{image_id}/{subject_id}-c{caption_index:03d}-s{seed_index:02d}",
        "{subject_id}_{image_id}_{caption_index}_{seed_index}.png",
        "out/{seed_index}/{caption_index}/{image_id}/{subject_id}.webp",
    ],
)
def test_another_pattern_is_followed(tmp_path: Path, pattern: str) -> None:
    fill(tmp_path, None, pattern if pattern[-4:] in {".png", "webp"} else pattern + ".png")
    folder = Folder(tmp_path, pattern=pattern, benchmark=BENCHMARK)
    assert colours(folder, CASES) == [colour(case) for case in CASES]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_manifest_says_which_file_holds_which_case(tmp_path: Path, kind: str) -> None:
    table = rows(CASES[:3])
    for row, file in zip(table, ("a.png", "deep/b.png", "c.png"), strict=True):
        row["file"] = file
    fill(tmp_path, CASES[:1], "a.png")
    fill(tmp_path, CASES[1:2], "deep/b.png")
    fill(tmp_path, CASES[2:3], "c.png")
    WRITERS[kind](tmp_path / f"manifest.{kind}", table)
    folder = Folder(tmp_path, benchmark=BENCHMARK)
    assert colours(folder, CASES[:3]) == [colour(case) for case in CASES[:3]]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_key_stands_for_the_four_columns(tmp_path: Path, kind: str) -> None:
    fill(tmp_path)
    table = [
        {"key": case.key, "file": row["file"]} for case, row in zip(CASES, rows(), strict=True)
    ]
    WRITERS[kind](tmp_path / f"list.{kind}", table)
    folder = Folder(tmp_path, manifest=f"list.{kind}", benchmark=BENCHMARK)
    assert colours(folder, CASES) == [colour(case) for case in CASES]


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    fill(tmp_path)
    loaded = load_generator(
        "pdst.methods.folder:Folder", {"root": str(tmp_path)}, benchmark=BENCHMARK
    )
    results = check_generator(loaded.generator, benchmark=BENCHMARK, tolerance=0)
    assert {result.status for result in results} == {"passed"}
    assert loaded.sees_test_split is False, "of the benchmark it reads the ids alone"


# --- what is missing fails its own case ----------------------------------------------------------


def test_a_missing_file_fails_its_case_and_the_reason_names_the_path(tmp_path: Path) -> None:
    folder = Folder(fill(tmp_path, CASES[:5]))
    reason = reason_for(folder, CASES[5])
    assert reason.startswith("no file ball/04/1/2.png (nor ball/04/1/2.webp, ")
    assert str(tmp_path) in reason
    assert colours(folder, CASES[:5]) == [colour(case) for case in CASES[:5]]


def test_a_file_that_the_manifest_promises_may_be_missing_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, CASES[:4])
    write_jsonl(tmp_path / "manifest.jsonl", rows(CASES[:5]))
    with caplog.at_level(logging.WARNING):
        folder = Folder(tmp_path)
    assert "1 file (ball/04/1/1.png) missing or empty" in caplog.text
    assert reason_for(folder, CASES[4]) == f"no file ball/04/1/1.png in {tmp_path}"
    assert (
        reason_for(folder, CASES[5]) == f"the manifest in {tmp_path} has no row for ball/04/c1/s2"
    )


def test_a_damaged_image_fails_its_case_and_names_the_file(tmp_path: Path) -> None:
    fill(tmp_path, CASES[:2])
    (tmp_path / "ball/04/0/0.png").write_bytes(b"<html>not found</html>")
    folder = Folder(tmp_path)
    with pytest.raises(UnreadableImageError, match=r"ball/04/0/0\.png: cannot be decoded"):
        folder.sample_cases([CASES[0]])
    assert colours(folder, CASES[1:2]) == [colour(CASES[1])]


def test_in_a_run_a_missing_file_is_a_counted_row_and_its_neighbours_are_scored(
    tmp_path: Path, scorers: Encoders
) -> None:
    quick = PROTOCOLS["quick"]
    wanted = [case for chunk in plan(BENCHMARK, quick) for case in chunk.cases]
    fill(tmp_path / "images", wanted)
    (tmp_path / "images/pup/05/0/0.png").unlink()
    folder = Folder(tmp_path / "images", benchmark=BENCHMARK)
    report = evaluate(BENCHMARK, folder, scorers, tmp_path / "run", Settings(protocol=quick))
    assert (report.expected, report.drawn) == (6, 5)
    assert report.failures == {"raised": 1}
    scores = open_run(tmp_path / "run").scores().set_index("key")
    failed = scores.loc["pup/05/c0/s0"]
    assert failed["reason"].startswith("raised: GeneratorError: no file pup/05/0/0.png")
    assert scores["clip_i"].notna().sum() == 5


def test_an_image_drawn_for_another_prompt_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, CASES[:3])
    table = rows(CASES[:3])
    table[0]["prompt"] = CASES[0].prompt
    table[1]["prompt"] = "A {} on the moon."
    table[2]["prompt"] = "a photo of sks dog on a hill"  # the method's words: not comparable
    write_jsonl(tmp_path / "manifest.jsonl", table)
    folder = Folder(tmp_path)
    assert colours(folder, [CASES[0], CASES[2]]) == [colour(CASES[0]), colour(CASES[2])]
    assert "drawn for another prompt: 'A {} on the moon.'" in reason_for(folder, CASES[1])


# --- mistakes are told at once -------------------------------------------------------------------


def test_a_folder_that_is_none_or_holds_nothing_is_told(tmp_path: Path) -> None:
    assert "is no folder" in error_of(tmp_path / "no")
    assert "it holds no image" in error_of(tmp_path)
    (tmp_path / "grid.png").write_bytes(b"x")
    assert "the images there are named like 'grid.png'" in error_of(tmp_path)


def test_captions_counted_from_one_are_an_error_not_a_shifted_score(tmp_path: Path) -> None:
    last = len(BENCHMARK.test[0].captions)
    for case in CASES:
        path = tmp_path / case.subject_id / case.image_id / str(case.caption_index + 1)
        path.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), colour(case)).save(path / f"{case.seed_index}.png")
    error = error_of(tmp_path, benchmark=BENCHMARK)
    assert "18 images (first 5: " in error, "6 test photos x 3 seeds"
    assert f"ball/04/{last}/0.png as ball/04/c{last}/s0" in error
    assert "of no case in benchmark 'drawn' 1, whose captions count from 0" in error


def test_rows_for_unknown_subjects_and_photos_are_listed(tmp_path: Path) -> None:
    table = rows(CASES[:1])
    table += [{**table[0], "subject_id": f"dog{n}"} for n in range(6)]
    table += [{**table[0], "image_id": "00"}]  # a training photo
    write_jsonl(tmp_path / "manifest.jsonl", table)
    error = error_of(tmp_path, benchmark=BENCHMARK)
    assert "7 images (first 5: " in error
    assert "dog0/04/c0/s0" in error
    Folder(tmp_path)  # without a benchmark nobody can tell


@pytest.mark.parametrize("file", ["../x.png", "a/../../x.png", "{root}/x.png", "a\\x.png", "", 5])
def test_a_row_that_leaves_the_folder_is_refused(tmp_path: Path, file: str) -> None:
    table = rows(CASES[:2])
    table[1]["file"] = file.format(root=tmp_path) if isinstance(file, str) else file
    write_jsonl(tmp_path / "manifest.jsonl", table)
    error = error_of(tmp_path)
    assert "1 bad row (line 2: file" in error


def test_a_link_that_leaves_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    Image.new("RGB", (8, 8)).save(outside)
    root = fill(tmp_path / "images", CASES[:1])
    (root / "ball/04/0/1.png").symlink_to(outside)
    assert "0/1.png leads out of" in reason_for(Folder(root), CASES[1])


@pytest.mark.parametrize("pattern", ["../" + DEFAULT, "/out/" + DEFAULT])
def test_a_pattern_that_leaves_the_folder_is_refused(tmp_path: Path, pattern: str) -> None:
    assert "leaves the folder" in error_of(tmp_path, pattern=pattern)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("{subject_id}/{image_id}/{seed_index}.png", "has the fields subject_id, image_id, seed"),
        ("{subject}/{image_id}/{caption_index}/{seed_index}", "has the fields subject, image_id"),
        (DEFAULT + "{seed_index}", "wanted each of"),
        ("images", "has the fields none"),
        ("{subject_id", "cannot be filled"),
        ("{subject_id}/{image_id}/{caption_index}/{seed_index:q}", "cannot be filled"),
        ("{subject_id}/{image_id}/{caption_index}{seed_index}", "two fields side by side"),
    ],
)
def test_a_pattern_that_cannot_work_is_told(tmp_path: Path, pattern: str, told: str) -> None:
    assert told in error_of(tmp_path, pattern=pattern)


def test_one_image_under_two_suffixes_is_told(tmp_path: Path) -> None:
    fill(tmp_path, CASES[:2])
    fill(tmp_path, CASES[1:2], DEFAULT.replace(".png", ".webp"))
    assert "1 image (ball/04/0/1.webp) there under another suffix" in error_of(tmp_path)


@pytest.mark.parametrize("kind", WRITERS)
def test_two_rows_for_one_case_are_told(tmp_path: Path, kind: str) -> None:
    table = rows(CASES[:3])
    table.append({**table[1], "file": "other.png"})
    WRITERS[kind](tmp_path / f"manifest.{kind}", table)
    assert "a second row for ball/04/c0/s1" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": "ball/04/c0/s1"}, "but the other columns say ball/04/c0/s0"),
        ({"image_id": 4}, "wanted text, as '03'"),
        ({"image_id": None}, "no key, and no image_id"),
        ({"caption_index": 1.0}, "key is 'ball/04/c1.0/s0', wanted"),
        ({"caption_index": -1}, "key is 'ball/04/c-1/s0', wanted"),
        ({"subject_id": "../ball"}, "wanted subject/photo/c<caption>/s<seed>"),
        ({"prompt": 3}, "prompt of ball/04/c0/s0 is 3, wanted text"),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path: Path, change: Row, told: str) -> None:
    write_jsonl(tmp_path / "manifest.jsonl", [{**rows(CASES[:1])[0], **change}])
    error = error_of(tmp_path)
    assert "manifest.jsonl: 1 bad row (line 1: " in error
    assert told in error


def test_ids_in_a_csv_stay_text(tmp_path: Path) -> None:
    fill(tmp_path, CASES[:1])
    write_csv(tmp_path / "manifest.csv", rows(CASES[:1]))
    assert ",04,0,0," in (tmp_path / "manifest.csv").read_text("utf-8-sig")
    assert colours(Folder(tmp_path), CASES[:1]) == [colour(CASES[0])]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("manifest.jsonl", b"{'key': 1}\n", "line 1 is no JSON"),
        ("manifest.jsonl", b"[1]\n", "line 1 is a list, wanted a JSON object"),
        ("manifest.jsonl", b"\xff\xfe\n", "cannot be read (UnicodeDecodeError"),
        ("manifest.jsonl", b"\n", "has no rows"),
        ("manifest.csv", b"key,file\n", "has no rows"),
        ("manifest.csv", b"a,b\n1,2\n", "no key, and no subject_id, image_id"),
        ("manifest.parquet", b"PAR1 nonsense", "cannot be read (ArrowInvalid"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert told in error_of(tmp_path)


def test_two_manifests_are_not_guessed_between(tmp_path: Path) -> None:
    fill(tmp_path)
    write_jsonl(tmp_path / "manifest.jsonl", rows())
    write_csv(tmp_path / "manifest.csv", rows())
    assert "has manifest.jsonl, manifest.csv. Say which" in error_of(tmp_path)
    assert Folder(tmp_path, manifest="manifest.csv").info.name == tmp_path.name
    assert "no manifest 'x.csv'" in error_of(tmp_path, manifest="x.csv")
    assert "both pattern and manifest" in error_of(tmp_path, manifest="x.csv", pattern=DEFAULT)


# --- who drew them -------------------------------------------------------------------------------


def test_other_files_are_another_generator(tmp_path: Path) -> None:
    fill(tmp_path / "a", CASES[:4])
    fill(tmp_path / "b", CASES[:4])
    first = Folder(tmp_path / "a").info.revision
    assert first.startswith("files-")
    assert Folder(tmp_path / "b").info.revision == first, "the same wherever the folder lies"
    (tmp_path / "a" / "notes.txt").write_text("no image")
    assert Folder(tmp_path / "a").info.revision == first
    with (tmp_path / "a/ball/04/0/0.png").open("ab") as file:
        file.write(b"!")
    changed = Folder(tmp_path / "a").info.revision
    fill(tmp_path / "b", CASES[4:5])
    added = Folder(tmp_path / "b").info.revision
    assert len({first, changed, added}) == 3


@pytest.mark.parametrize("edit", ["swap", "size"])
def test_another_manifest_is_another_generator(tmp_path: Path, edit: str) -> None:
    fill(tmp_path, CASES[:2])
    table = rows(CASES[:2])
    write_jsonl(tmp_path / "manifest.jsonl", table)
    before = Folder(tmp_path).info.revision
    if edit == "swap":
        table[0]["file"], table[1]["file"] = table[1]["file"], table[0]["file"]
        write_jsonl(tmp_path / "manifest.jsonl", table)
    else:
        Image.new("RGB", (64, 64)).save(tmp_path / table[0]["file"])
    assert Folder(tmp_path).info.revision != before


def test_generator_json_says_who_drew_them_and_arguments_win(tmp_path: Path) -> None:
    fill(tmp_path, CASES[:1])
    said = {"name": "NeTI", "revision": "abc", "settings": {"steps": 50}, "paper": "https://x.org"}
    (tmp_path / "generator.json").write_text(json.dumps(said))
    info = Folder(tmp_path).info
    assert (info.name, info.revision, info.settings) == ("NeTI", "abc", {"steps": 50})
    assert info.paper == "https://x.org"
    info = Folder(tmp_path, name="NeTI+", revision="def").info
    assert (info.name, info.revision, info.settings) == ("NeTI+", "def", {"steps": 50})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"nam": "x"}', "No field named 'nam'. Did you mean 'name'?"),
        ("[1]", "holds a list, wanted a JSON object"),
        ("{", "cannot be read as JSON"),
        ('{"name": 5}', "GeneratorInfo.name is 5"),
        ('{"settings": null}', "settings is None"),
    ],
)
def test_a_generator_json_that_cannot_work_is_told(tmp_path: Path, text: str, told: str) -> None:
    fill(tmp_path, CASES[:1])
    (tmp_path / "generator.json").write_text(text)
    error = error_of(tmp_path)
    assert "generator.json" in error
    assert told in error


# --- the list of what to draw --------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_wanted_is_written_and_is_a_manifest_once_drawn(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "new" / f"manifest.{kind}"
    assert write_wanted(CHUNKS, path) == len(CASES) == 54
    fill(tmp_path / "new")
    folder = Folder(tmp_path / "new", benchmark=BENCHMARK)
    assert colours(folder, CASES) == [colour(case) for case in CASES]
    assert not list(path.parent.glob("*.part"))


def test_a_wanted_row_says_all_that_is_needed_to_draw_it(tmp_path: Path) -> None:
    write_wanted(CHUNKS, tmp_path / "wanted.jsonl")
    first = json.loads((tmp_path / "wanted.jsonl").read_text().splitlines()[0])
    assert first == {
        "key": "ball/04/c0/s0",
        "subject_id": "ball",
        "image_id": "04",
        "caption_index": 0,
        "seed_index": 0,
        "seed": CASES[0].seed,
        "prompt": "A {} on a hill.",
        "file": "ball/04/0/0.png",
    }


def test_wanted_files_follow_the_pattern(tmp_path: Path) -> None:
    pattern = "{subject_id}-{image_id}-{caption_index:02d}-{seed_index}.webp"
    write_wanted(CHUNKS[:1], tmp_path / "wanted.csv", pattern=pattern)
    with (tmp_path / "wanted.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["file"] == "ball-04-00-0.webp"


def test_another_suffix_of_the_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match=r"ends in \.jsonl, \.csv, \.parquet"):
        write_wanted(CHUNKS, tmp_path / "wanted.txt")
