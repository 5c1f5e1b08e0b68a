"""What cheats and vandals send to a board: each is refused, or shown for what it is, with a reason.

An edited row with recomputed aggregates is caught by scoring its images: test_leaderboard_verify.
"""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaderboard.accept import accept
from leaderboard.guard import Bounds, Guard
from leaderboard.judge import Judge, Judgement
from leaderboard.log import read_log, withdraw
from leaderboard.page_data import page_data
from leaderboard.page_samples import write_samples
from leaderboard.place import Board
from leaderboard.rank import ranked
from pdst.errors import SubmissionError
from pdst.images import pixel_digest
from pdst.metrics import METRICS
from pdst.plan import PROTOCOLS
from pdst.submission.bundle import (
    DIGEST_KEY,
    FILE_SCHEMA,
    HEADER_KEY,
    Bundle,
    bundle_digest,
    rows_of,
)
from pdst.submission.header import header_of, read_header
from pdst.submission.reading import read_bundle
from pdst.submission.send import send
from pdst.types import Benchmark
from tests.made_submissions import (
    edited_header,
    edited_rows,
    sound_bundle,
    sound_run,
    with_summary,
    written,
)

Columns = dict[str, list[Any]]


@pytest.fixture(scope="module")
def judge(tiny: Benchmark) -> Judge:
    return Judge(releases={tiny.fingerprint: tiny})


@pytest.fixture(scope="module")
def honest(tiny: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A sound submission of 9 rows, two of them failures."""
    return sound_bundle(sound_run(tmp_path_factory.mktemp("run") / "run", tiny, failures=2))


@pytest.fixture
def raw(honest: Bundle, tmp_path: Path) -> pa.Table:
    """The file of the honest bundle as a table, for those who write Parquet themselves."""
    return pq.read_table(written(honest, tmp_path))


def judged(judge: Judge, bundle: Bundle, folder: Path) -> Judgement:
    return judge(written(bundle, folder), bundle.digest)


def refused(judgement: Judgement, reason: str) -> None:
    assert judgement.entry is None
    assert re.search(reason, "\n".join(judgement.problems)), judgement.problems


def forged(table: pa.Table, folder: Path, **options: Any) -> Path:
    """A Parquet file that calls itself the honest bundle."""
    path = folder / f"{'0' * 64}.parquet"
    codec = dict.fromkeys(table.column_names, options.pop("compression", "snappy"))
    pq.write_table(table, path, compression=codec | {"image": "none"}, **options)
    return path


def unreadable(path: Path, reason: str) -> None:
    with pytest.raises(SubmissionError, match=reason):
        read_bundle(path)


def test_the_honest_one_is_accepted(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    judgement = judged(judge, honest, tmp_path)
    assert judgement.problems == ()
    assert judgement.entry is not None
    assert judgement.entry["expected"] == 9
    assert judgement.entry["drawn"] == 7
    assert len(judgement.results) == len(METRICS) + 2


# --- numbers -------------------------------------------------------------------------------------


def test_an_edited_aggregate(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(header: dict[str, Any]) -> None:
        header["summary"]["metrics"][3]["macro"] += 1e-6

    refused(judged(judge, edited_header(honest, edit), tmp_path), r"metrics\[dino\]\.macro is")


def test_an_edited_row_without_new_aggregates(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(columns: Columns) -> None:
        columns["dino"][5] += 0.1

    bent = edited_rows(honest, edit, honest=False)
    refused(judged(judge, bent, tmp_path), "aggregates are not those of its rows")


def test_an_edited_file_whose_digest_is_the_old_one(raw: pa.Table, tmp_path: Path) -> None:
    dino = raw.column("dino").to_pylist()
    dino[5] += 0.1
    position = raw.schema.get_field_index("dino")
    bent = raw.set_column(position, raw.schema.field("dino"), pa.array(dino, pa.float64()))
    unreadable(forged(bent, tmp_path), "was changed after it was made")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(1e308, "dino is 1e[+]308"), (1.01, "dino is 1.01"), (-1.5, "dino is -1.5")],
)
def test_numbers_out_of_range(
    judge: Judge, honest: Bundle, tmp_path: Path, value: float, reason: str
) -> None:
    def edit(columns: Columns) -> None:
        columns["dino"][5] = value

    refused(judged(judge, edited_rows(honest, edit, honest=False), tmp_path), reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "NaN or infinity"),
        (float("inf"), "NaN or infinity"),
        (float("-inf"), "NaN or infinity"),
        (-0.0, "-0.0, which is written 0.0"),
    ],
)
def test_numbers_that_are_none(raw: pa.Table, tmp_path: Path, value: float, reason: str) -> None:
    dino = raw.column("dino").to_pylist()
    dino[5] = value
    position = raw.schema.get_field_index("dino")
    bent = raw.set_column(position, raw.schema.field("dino"), pa.array(dino, pa.float64()))
    unreadable(forged(bent, tmp_path), reason)


def test_a_header_with_nan(raw: pa.Table, honest: Bundle, tmp_path: Path) -> None:
    text = re.sub(r'"macro":0\.\d+', '"macro":NaN', honest.header.text, count=1)
    metadata = {**raw.schema.metadata, HEADER_KEY: text.encode()}
    unreadable(forged(raw.replace_schema_metadata(metadata), tmp_path), "no plain JSON")


# --- rows ----------------------------------------------------------------------------------------


def picked(rows: list[int]) -> Callable[[Columns], None]:
    def edit(columns: Columns) -> None:
        for name in columns:
            columns[name] = [columns[name][row] for row in rows]

    return edit


def test_rows_duplicated_to_raise_a_mean(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    bent = edited_rows(honest, picked([0, 1, 2, 3, 4, 5, 6, 7, 8, 5]))
    refused(judged(judge, bent, tmp_path), "there twice")
    instead = edited_rows(honest, picked([0, 1, 2, 3, 4, 5, 6, 7, 7]))
    refused(judged(judge, instead, tmp_path), "1 of 9 cases have no row")


def test_failures_dropped(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    bent = edited_rows(honest, picked([2, 3, 4, 5, 6, 7, 8]))
    refused(judged(judge, bent, tmp_path), "2 of 9 cases have no row.*A failed image is a row")


def test_low_scores_dropped_without_a_reason(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(columns: Columns) -> None:
        columns["dino"][5] = None

    bent = edited_rows(honest, edit)
    refused(judged(judge, bent, tmp_path), "dino is null, and no reason says why")


def test_a_failure_that_keeps_its_scores(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(columns: Columns) -> None:
        columns["reason"][5] = "raised: Oops"

    refused(judged(judge, edited_rows(honest, edit), tmp_path), "a reason why there is no image")


def test_missing_subjects(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    bent = edited_rows(honest, picked([0, 1, 2, 3, 4, 5]))
    refused(judged(judge, bent, tmp_path), "3 of 9 cases have no row; no row of can")


def test_a_limited_run_that_says_so_and_one_that_does_not(
    judge: Judge, honest: Bundle, tmp_path: Path
) -> None:
    bent = edited_rows(honest, picked([0, 1, 2, 3]))

    def edit(header: dict[str, Any]) -> None:
        header["limit"] = 4

    refused(judged(judge, edited_header(bent, edit), tmp_path), "--limit 4")
    refused(judged(judge, bent, tmp_path), "5 of 9 cases have no row")


def test_marks_struck_out(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(header: dict[str, Any]) -> None:
        header["method"]["sees_test_split"] = True
        header["method"]["settings"]["sampling"] = {"steps": 500}
        header["declared"]["saw_test_photos"] = True

    judgement = judged(judge, edited_header(honest, edit), tmp_path)
    for reason in ("given the held-out photos", "steps 500", "held-out photos .* in training"):
        refused(judgement, reason)


def test_every_problem_is_told_not_the_first(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(columns: Columns) -> None:
        columns["dino"][5] = 7.0
        columns["sha256"][6] = "none"
        columns["width"][7] = 0
        columns["seconds"][8] = -1.0
        columns["kind"][4] = "liquid"

    found = judged(judge, edited_rows(honest, edit, honest=False), tmp_path).problems
    text = "\n".join(found)
    for reason in ("dino is 7", "sha256 is 'none'", "width is", "seconds is", "'liquid'"):
        assert reason in text


def test_a_path_in_an_image_id(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(columns: Columns) -> None:
        columns["image_id"][5] = "../../../etc/passwd"
        columns["key"][5] = "box/../../../etc/passwd/c0/s0"

    refused(judged(judge, edited_rows(honest, edit), tmp_path), "1 rows of no case of the plan")

    def only_id(columns: Columns) -> None:
        columns["image_id"][5] = "../../../etc/passwd"

    refused(judged(judge, edited_rows(honest, only_id), tmp_path), "image_id is '../../../etc")

    def photo(columns: Columns) -> None:
        columns["copy_photo"][5] = "../../../etc/passwd"

    refused(judged(judge, edited_rows(honest, photo), tmp_path), "is no photo of the release")


# --- identity ------------------------------------------------------------------------------------


def test_another_protocol(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def called_paper(header: dict[str, Any]) -> None:
        header["protocol"]["id"] = PROTOCOLS["paper"].id

    refused(judged(judge, edited_header(honest, called_paper), tmp_path), "its fields make quick-")

    def own(header: dict[str, Any]) -> None:
        header["protocol"]["sampling"]["steps"] = 500
        header["protocol"]["id"] = "quick-d84ba7ba"

    refused(judged(judge, edited_header(honest, own), tmp_path), "its fields make quick-")


def test_another_clip_is_another_key_or_a_lie(
    tiny: Benchmark, judge: Judge, honest: Bundle, tmp_path: Path
) -> None:
    other = sound_bundle(sound_run(tmp_path / "run", tiny, name="Other", clip="b"))
    judgement = judged(judge, other, tmp_path)
    mine = judged(judge, honest, tmp_path)
    assert judgement.entry is not None
    assert mine.entry is not None
    assert judgement.entry["key"] != mine.entry["key"], "never ranked together"

    from leaderboard.judge import header_key

    strict = Judge(releases=judge.releases, keys=[header_key(honest.header)])
    refused(judged(strict, other, tmp_path), "metric clip_i: CLIP made a .* and CLIP made b")

    def lie(header: dict[str, Any]) -> None:
        header["metrics"] = json.loads(honest.header.text)["metrics"]

    refused(judged(judge, edited_header(other, lie), tmp_path), "metric clip_i has digest")


def test_an_untrained_encoder(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(header: dict[str, Any]) -> None:
        header["encoders"]["dino"]["trained"] = False

    judgement = judged(judge, edited_header(honest, edit), tmp_path)
    refused(judgement, "untrained encoder: DINO made a")
    refused(judgement, "digest is not that of its fields")


def test_another_benchmark(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    def edit(header: dict[str, Any]) -> None:
        header["benchmark"]["fingerprint"] = "f" * 64

    judgement = judged(judge, edited_header(honest, edit), tmp_path)
    refused(judgement, "fingerprint ffffffffffff is not on this board, which has tiny 1.0.0")


def test_a_bundle_under_anothers_digest(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    path = written(honest, tmp_path)
    refused(judge(path, "1" * 64), f"it is named {'1' * 64} and has digest {honest.digest}")


def test_a_digest_in_the_file_that_is_not_its_own(raw: pa.Table, tmp_path: Path) -> None:
    metadata = {**raw.schema.metadata, DIGEST_KEY: b"1" * 64}
    unreadable(forged(raw.replace_schema_metadata(metadata), tmp_path), "it states '1111")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("<script>alert(1)</script>", "without < >"),
        ('<img src=x onerror="alert(1)">', "without < >"),
        ("=HYPERLINK(1)", "does not begin with one of"),
        ("../../board", "does not begin with one of"),
        ("Best\nmethod", "one line of printable text"),
        ("\u202eTSEB", "one line of printable text"),
        ("Dream\u200bBooth", "one line of printable text"),
        ("Dream\u2066Booth", "one line of printable text"),
        ("Dream\u3164Booth", "no invisible letters"),
        ("DreamBooth\ufe0f", "no invisible letters"),
        ("D" + "\u0336" * 3 + "reamBooth", "at most two accents"),
        ("a" * 81, "at most 80"),
        ("", "at least 1"),
    ],
)
def test_names_that_are_no_names(honest: Bundle, name: str, reason: str) -> None:
    plain = json.loads(honest.header.text)
    plain["method"]["name"] = name
    with pytest.raises(SubmissionError, match=f"method.name.*{reason}"):
        header_of(plain)


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "https://a b", 'http://x"onclick="y', "https://g\u0456thub.com/a"],
)
def test_links_that_are_no_links(honest: Bundle, link: str) -> None:
    plain = json.loads(honest.header.text)
    plain["method"]["code"] = link
    with pytest.raises(SubmissionError, match="wanted a link"):
        header_of(plain)


# --- files ---------------------------------------------------------------------------------------


def test_a_pickle(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.write_text, (tmp_path / "pwned", "yes"))

    data = pickle.dumps(Bomb())
    path = tmp_path / f"{'0' * 64}.parquet"
    path.write_bytes(data)
    unreadable(path, "no whole Parquet file")
    path.write_bytes(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1")
    unreadable(path, "cannot be read as Parquet")
    field = pa.field(
        "image",
        pa.binary(),
        metadata={
            b"ARROW:extension:name": b"arrow.py_extension_type",
            b"ARROW:extension:metadata": data,
        },
    )
    table = pa.table({"image": pa.array([b""])}, schema=pa.schema([field]))
    unreadable(forged(table, tmp_path), "1 columns, wanted exactly")
    schema = FILE_SCHEMA.set(FILE_SCHEMA.get_field_index("image"), field)
    unreadable(forged(schema.empty_table(), tmp_path), "column image is binary, wanted plain")
    assert not (tmp_path / "pwned").exists()


def test_wrong_types(raw: pa.Table, tmp_path: Path) -> None:
    for name, kind in (("dino", pa.float32()), ("width", pa.int64()), ("dino", pa.string())):
        schema = raw.schema.set(raw.schema.get_field_index(name), pa.field(name, kind))
        unreadable(forged(raw.cast(schema), tmp_path), f"column {name} is {kind}, wanted plain")


def test_extra_missing_and_nested_columns(raw: pa.Table, tmp_path: Path) -> None:
    more = raw.append_column("bonus", pa.array([1.0] * len(raw)))
    unreadable(forged(more, tmp_path), "unknown: .'bonus'")
    unreadable(forged(raw.drop_columns(["dino"]), tmp_path), "missing: dino")
    nested = pa.array([[[1.0]]] * len(raw))
    position = raw.schema.get_field_index("dino")
    unreadable(forged(raw.set_column(position, "dino", nested), tmp_path), "missing: dino")
    deep = pa.array([{"a": {"b": [{"c": 1}]}}] * len(raw))
    unreadable(forged(raw.append_column("deep", deep), tmp_path), "unknown: .'deep.a.b")


def test_a_million_columns(tmp_path: Path) -> None:
    few = pa.table({f"c{number}": pa.array([], pa.int8()) for number in range(1_000)})
    unreadable(forged(few, tmp_path), "1000 columns, wanted exactly")
    path = tmp_path / f"{'0' * 64}.parquet"
    path.write_bytes(with_columns(1_000_000))
    unreadable(path, "a footer of 8000020 bytes, at most")
    path.write_bytes(with_columns(400_000))
    unreadable(path, "cannot be read as Parquet")
    path.write_bytes(with_columns(1_000))
    unreadable(path, "1000 columns, wanted exactly")


def with_columns(count: int) -> bytes:
    """A Parquet file of nothing but so many columns, in thrift's compact form by hand."""

    def varint(value: int) -> bytes:
        low, high = value & 0x7F, value >> 7
        return bytes([low | 0x80]) + varint(high) if high else bytes([low])

    root = b"\x48\x01r\x15" + varint(count << 1) + b"\x00"  # its name, number of children
    leaf = b"\x15\x02\x25\x00\x18\x01c\x00"  # INT32, required, its name
    schema = b"\x19\xfc" + varint(count + 1) + root + leaf * count
    footer = b"\x15\x02" + schema + b"\x16\x00\x19\x0c\x00"  # version 1, no row, no row group
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_a_text_of_two_gigabytes(raw: pa.Table, honest: Bundle, tmp_path: Path) -> None:
    path = tmp_path / f"{'0' * 64}.parquet"
    with path.open("wb") as file:  # a sparse file: no disk is filled
        file.write(b"PAR1")
        file.seek(2**31 + 100)
        file.write((2**31).to_bytes(4, "little") + b"PAR1")
    unreadable(path, "a footer of 2147483648 bytes, at most")
    plain = json.loads(honest.header.text)
    plain["method"]["name"] = "a" * 1_000_000
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    metadata = {**raw.schema.metadata, HEADER_KEY: text.encode()}
    unreadable(forged(raw.replace_schema_metadata(metadata), tmp_path), "at most 80 characters")


BOMBS = {
    # One long text, which a dictionary repeats for a few bits a row.
    "dictionary": {
        "use_dictionary": ["prompt"],
        "dictionary_pagesize_limit": 4_000_000,
        "compression": "zstd",
    },
    # Each text made of the one before: a few bytes each.
    "prefixes": {
        "use_dictionary": False,
        "column_encoding": {"prompt": "DELTA_BYTE_ARRAY"},
        "compression": "zstd",
    },
    # Plain text that compresses a thousandfold.
    "zeros": {"use_dictionary": False, "compression": "zstd"},
}


@pytest.mark.parametrize("kind", BOMBS)
def test_parquet_bombs(raw: pa.Table, tmp_path: Path, kind: str) -> None:
    rows = 50 if kind == "dictionary" else 300
    table = pa.concat_tables([raw.slice(2, 1)] * rows).combine_chunks()
    long = pa.array(["a" * 1_000_000] * rows, pa.string())
    position = table.schema.get_field_index("prompt")
    table = table.set_column(position, "prompt", long)
    path = forged(table, tmp_path, **BOMBS[kind])
    assert path.stat().st_size < 200_000, "small outside"
    reasons = {
        "dictionary": "a text of 1000000 bytes, at most",
        "prefixes": "encodings .*DELTA_BYTE_ARRAY",
        "zeros": "bytes of values without images, at most",
    }
    unreadable(path, reasons[kind])


def test_a_footer_that_lies_about_its_rows(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    """Every byte of the footer that could say 9 says 10: no such file passes as another bundle."""
    path = written(honest, tmp_path)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    start = len(data) - 8 - length
    nine, ten = 9 << 1, 10 << 1  # zigzag, as thrift writes it
    places = [at for at in range(start, len(data) - 8) if data[at] == nine]
    assert len(places) >= len(FILE_SCHEMA), "rows of the file, of the group, values of columns"
    told = set()
    for at in places:
        path.write_bytes(data[:at] + bytes([ten]) + data[at + 1 :])
        try:
            assert read_bundle(path).digest == honest.digest, "what it said was of no account"
        except SubmissionError as error:
            told.add(re.sub(r"[\d.]+", "#", str(error)))
    assert any("values, its row group has" in one for one in told), told
    assert any("its row groups say" in one for one in told), told


def test_a_file_that_never_ends_reading_or_eats_memory_costs_one_child(
    tiny_folder: Path, honest: Bundle, tmp_path: Path
) -> None:
    path = written(honest, tmp_path)
    with Guard([str(tiny_folder)], bounds=Bounds(seconds=120.0)) as guard:
        assert guard.judge(path, honest.digest).problems == ()
        child = guard._child
        assert child is not None
        child.kill()  # as a crash in native code would
        assert "ended the reader (SIGKILL)" in guard.judge(path, honest.digest).problems[0]
        guard.bounds = Bounds(seconds=0.0)
        assert "took over 0 s" in guard.judge(path, honest.digest).problems[0]
        guard.bounds = Bounds(seconds=120.0)
        assert guard.judge(path, honest.digest).problems == (), "the next file has a new child"


# --- the board -----------------------------------------------------------------------------------


def test_copied_held_out_photos_stand_on_the_board_and_are_not_ranked(
    tiny: Benchmark, tiny_folder: Path, honest: Bundle, tmp_path: Path
) -> None:
    photos = {
        f"{test.subject_id}/{test.photo.image_id}": pixel_digest(test.photo.image())
        for test in tiny.test
    }

    def copy(columns: Columns) -> None:
        for row in range(2, 9):
            of = f"{columns['subject_id'][row]}/{columns['image_id'][row]}"
            columns["pixels"][row] = photos[of]
            columns["copy_similarity"][row] = 1.0
            columns["copy_photo"][row] = of.replace("/", "/test/")
            columns["copied"][row] = True
            columns["dino"][row] = columns["clip_i"][row] = 1.0

    copied = edited_rows(honest, copy)

    def hide(columns: Columns) -> None:
        copy(columns)
        columns["copied"] = [None, None, *[False] * 7]

    judge = Judge(releases={tiny.fingerprint: tiny})
    refused(judged(judge, edited_rows(honest, hide), tmp_path), "to the last pixel, and is not")

    def half(columns: Columns) -> None:
        columns["copied"][2:5] = [True] * 3
        columns["copy_similarity"][2:5] = [0.5] * 3

    refused(judged(judge, edited_rows(honest, half), tmp_path), "One threshold decides")

    board = Board.at(str(tmp_path / "board"))
    send(written(copied, tmp_path), copied.digest, str(tmp_path / "board"), title="")
    assert accept(board, [str(tiny_folder)])[0].reasons == ()
    rows = ranked(board).to_pylist()
    assert {row["copied_test"] for row in rows} == {7}
    assert {row["rank"] for row in rows} == {None}


def test_a_replay_under_a_new_name(tiny: Benchmark, tiny_folder: Path, tmp_path: Path) -> None:
    """As it was, with new image hashes, and with new scores: what is kept gives it away."""
    run = sound_run(tmp_path / "run", tiny)
    first = sound_bundle(run)
    url = str(tmp_path / "board")
    board = Board.at(url)
    send(written(first, tmp_path), first.digest, url, title="")
    assert accept(board, [str(tiny_folder)])[0].reasons == ()

    def rename(header: dict[str, Any]) -> None:
        header["method"]["name"] = "Mine"

    def hashes(columns: Columns) -> None:
        columns["pixels"] = [f"{row:064x}" for row in range(9)]

    def scores(columns: Columns) -> None:
        columns["dino"] = [value + 0.01 for value in columns["dino"]]

    replays = {
        "images are those of Made 1": edited_header(first, rename),
        "scores are those of Made 1": edited_header(edited_rows(first, hashes), rename),
        "about 100% of its images are": edited_header(edited_rows(first, scores), rename),
    }
    for bundle in replays.values():
        send(written(bundle, tmp_path), bundle.digest, url, title="")
    decided = {one.digest: one.reasons for one in accept(board, [str(tiny_folder)])}
    assert len(decided) == 3
    for reason, bundle in replays.items():
        assert reason in "\n".join(decided[bundle.digest])
    log = read_log(board).to_pylist()
    assert [row["event"] for row in log] == ["accepted", "refused", "refused", "refused"]
    assert all(row["reason"] for row in log)


def test_a_name_that_looks_like_another_and_a_revision_used_twice(
    tiny: Benchmark, tiny_folder: Path, tmp_path: Path
) -> None:
    url = str(tmp_path / "board")
    board = Board.at(url)
    wanted = [
        ("Made", ""),
        ("MA DE", "reads like 'Made'"),
        ("M\u0430de", "name 'M\u0430de' (Cyrillic and Latin letters) reads like 'Made'"),
        ("\u041c\u0410\u0414\u0415", ""),  # a Russian word, which does not look like it
        ("Made", "Raise the revision"),
        ("Other (resc\u03bfred)", "says 'rescored', which is the board's to say"),
    ]
    for seed, (name, _) in enumerate(wanted):
        run = sound_run(tmp_path / f"run{seed}", tiny, name=name, seed=seed)
        bundle = sound_bundle(run)

        def fresh(columns: Columns, seed: int = seed) -> None:
            columns["pixels"] = [f"{seed * 100 + row:064x}" for row in range(9)]

        bundle = edited_rows(bundle, fresh)
        send(written(bundle, tmp_path), bundle.digest, url, title="")
    decided = accept(board, [str(tiny_folder)])
    assert len(decided) == len(wanted)
    for one, (_, reason) in zip(decided, wanted, strict=True):  # first come, first served
        assert reason in "".join(one.reasons)
        assert bool(one.reasons) == bool(reason)


@pytest.mark.parametrize(
    ("by", "apart", "taken"),
    [("M. Allory", 0.004, False), ("A. Author", 0.004, True), ("M. Allory", 0.05, True)],
)
def test_anothers_pictures_with_a_little_noise(
    tiny: Benchmark, tiny_folder: Path, tmp_path: Path, by: str, apart: float, taken: bool
) -> None:
    """New hashes and new scores, all true: only how near the scores are gives them away.

    One's own second run may come near the first.
    """
    first = sound_bundle(sound_run(tmp_path / "run", tiny))
    url = str(tmp_path / "board")
    board = Board.at(url)

    def redrawn(columns: Columns) -> None:
        columns["pixels"] = [f"{row:064x}" for row in range(9)]
        for name in ("clip_t", "clip_i", "dino"):
            columns[name] = [value + apart * (-1) ** row for row, value in enumerate(columns[name])]

    def rename(header: dict[str, Any]) -> None:
        header["method"]["name"] = "Mine"
        header["declared"]["by"] = by

    for bundle in (first, edited_header(edited_rows(first, redrawn), rename)):
        send(written(bundle, tmp_path), bundle.digest, url, title="")
        (decided,) = accept(board, [str(tiny_folder)])
    assert decided.name == "Mine"
    assert (decided.reasons == ()) == taken
    assert taken or "about 100% of its scores are those of Made 1" in decided.reasons[0]


def test_a_withdrawn_entry_is_no_ones_but_its_authors(
    tiny: Benchmark, tiny_folder: Path, tmp_path: Path
) -> None:
    first = sound_bundle(sound_run(tmp_path / "run", tiny))
    url = str(tmp_path / "board")
    board = Board.at(url)
    send(written(first, tmp_path), first.digest, url, title="")
    assert accept(board, [str(tiny_folder)])[0].reasons == ()
    withdraw(board, first.digest, reason="its author asked", by="board")

    def steal(header: dict[str, Any]) -> None:
        header["method"]["name"] = "Mine"
        header["declared"]["by"] = "M. Allory"

    def mend(header: dict[str, Any]) -> None:
        header["declared"]["training"] = ["LAION-2B", "photos of mugs"]

    for edit in (steal, mend):
        bundle = edited_header(first, edit)
        send(written(bundle, tmp_path), bundle.digest, url, title="")
        (decided,) = accept(board, [str(tiny_folder)])
        assert bool(decided.reasons) == (edit is steal)
        assert edit is mend or "Made 1" in decided.reasons[0]
    assert {row["name"] for row in ranked(board).to_pylist()} == {"Made"}


def test_a_release_under_anothers_name(judge: Judge, honest: Bundle, tmp_path: Path) -> None:
    """The fingerprint decides; the page would show the name."""

    def edit(header: dict[str, Any]) -> None:
        header["benchmark"]["name"] = "photos"

    bent = edited_header(honest, edit)
    refused(judged(judge, bent, tmp_path), "calls the release photos 1.0.0, .* it is tiny 1.0.0")


def test_scores_that_contradict_the_nearest_photo(
    judge: Judge, honest: Bundle, tmp_path: Path
) -> None:
    def higher(columns: Columns) -> None:
        columns["dino"] = [None if value is None else value + 0.3 for value in columns["dino"]]

    def other(columns: Columns) -> None:
        row = {name: columns[name][5] for name in ("subject_id", "image_id")}
        columns["copy_photo"][5] = f"{row['subject_id']}/test/{row['image_id']}"

    for edit in (higher, other):
        refused(judged(judge, edited_rows(honest, edit), tmp_path), "Scores were changed")


def test_an_encoder_of_ones_own_under_a_known_title_is_a_table_apart(
    tiny: Benchmark, tiny_folder: Path, tmp_path: Path
) -> None:
    """A title is not what a digest covers. The page tells the two keys apart."""
    url = str(tmp_path / "board")
    board = Board.at(url)
    titles = {}
    for number, clip in enumerate("ab"):
        run = sound_run(tmp_path / clip, tiny, name=f"By {clip}", seed=number, clip=clip)

        def retitle(header: dict[str, Any]) -> None:
            header["encoders"]["clip"]["title"] = "CLIP ViT-B/32"

        bundle = edited_header(sound_bundle(run), retitle)
        titles[bundle.digest] = bundle.header.encoders.clip.title
        send(written(bundle, tmp_path), bundle.digest, url, title="")
    assert [one.reasons for one in accept(board, [str(tiny_folder)])] == [(), ()]
    assert set(titles.values()) == {"CLIP ViT-B/32"}
    keys = page_data(board, ranked(board))["keys"]
    assert isinstance(keys, list)
    assert [key["twin"] for key in keys if isinstance(key, dict)] == [True, True]
    assert len({key["id"] for key in keys if isinstance(key, dict)}) == 2
    assert all(key["subjects"] for key in keys if isinstance(key, dict))


def test_an_entry_whose_file_is_replaced_shows_no_image(
    tiny: Benchmark, tiny_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, other = (sound_run(tmp_path / name, tiny, name=name) for name in ("Mine", "Other"))
    bundle, bad = sound_bundle(run, "all"), sound_bundle(other, "all")
    url = str(tmp_path / "board")
    board = Board.at(url)
    path = written(bundle, tmp_path, run)
    send(path, bundle.digest, url, title="")
    assert accept(board, [str(tiny_folder)])[0].reasons == ()
    written(bad, tmp_path, other).replace(tmp_path / f"board/entries/{path.name}")
    samples = write_samples(board, [bundle.digest], tmp_path / "images")
    assert samples == {bundle.digest: []}
    assert "it was replaced" in caplog.text


def test_the_digest_covers_every_value(honest: Bundle) -> None:
    """Changing any single cell, or any word of the header, changes the digest."""
    digests = {honest.digest}
    columns = honest.rows.to_pydict()
    for name in columns:
        changed = dict(columns) | {name: [*columns[name][:8], _other(name, columns[name][8])]}
        digests.add(bundle_digest(honest.header, rows_of(changed)))
    digests.add(edited_header(honest, lambda h: h["declared"].update(by="B. Author")).digest)
    assert len(digests) == len(columns) + 2
    assert read_header(honest.header.text) == honest.header
    assert with_summary(honest.header, honest.rows) == honest.header


def _other(name: str, value: Any) -> Any:
    if value is None:
        return "why" if name == "reason" else 0.25
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x"
