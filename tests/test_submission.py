"""From a finished run to a board: what is sent, what is not, and that it arrives whole."""

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import huggingface_hub.constants
import pyarrow.parquet as pq
import pytest
from datasets import Image as HfImage
from datasets import load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pdst.cli.submitting import submission
from pdst.errors import SubmissionError
from pdst.run import Run
from pdst.submission.bundle import SAMPLE, Bundle, bundle_digest, sample_keys, write_bundle
from pdst.submission.check import Wanted, check_bundle
from pdst.submission.header import read_header
from pdst.submission.hub import propose
from pdst.submission.making import Declaration, attach, make_bundle, public
from pdst.submission.reading import bundle_images, read_bundle
from pdst.submission.send import send
from pdst.types import Benchmark
from tests.made_submissions import DECLARED, edited_header, sound_bundle, sound_run, written

MANY = 200
"""People who submit at the same instant."""


@pytest.fixture(scope="module")
def run(tiny: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of 9 images, one of which failed."""
    return sound_run(tmp_path_factory.mktemp("made") / "run", tiny, failures=1)


@pytest.fixture(scope="module")
def bundle(run: Run) -> Bundle:
    return sound_bundle(run, "all")


# --- making and reading --------------------------------------------------------------------------


def test_a_bundle_comes_back_as_it_was(
    run: Run, bundle: Bundle, tiny: Benchmark, tmp_path: Path
) -> None:
    path = written(bundle, tmp_path, run)
    again = read_bundle(path)
    assert again == bundle
    assert again.digest == bundle.digest == path.stem
    images = dict(bundle_images(path))
    assert len(images) == 8
    drawn = {d.case.key: d.encoded for test in tiny.test for d in _drawn(run, test)}
    assert images == {key: data for key, data in drawn.items() if data is not None}
    findings = check_bundle(again, Wanted(tiny, "quick"))
    assert [f for f in findings if f.severity == "error"] == []


def _drawn(run: Run, test: Any) -> list[Any]:
    return run.images(test.subject_id, test.photo.image_id)


def test_the_digest_is_of_values_not_of_bytes(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    path = written(bundle, tmp_path, run)
    table = pq.read_table(path)
    other = tmp_path / "other.parquet"
    codec = dict.fromkeys(table.column_names, "snappy") | {"image": "none"}
    pq.write_table(table, other, row_group_size=4, compression=codec)
    assert other.read_bytes() != path.read_bytes()
    assert read_bundle(other).digest == bundle.digest


def test_one_run_gives_one_digest_and_every_cell_counts(run: Run, bundle: Bundle) -> None:
    assert make_bundle(run, DECLARED, "all").digest == bundle.digest
    assert make_bundle(run, DECLARED, "none").digest != bundle.digest
    assert bundle_digest(bundle.header, bundle.rows.slice(0, 8)) != bundle.digest


def test_a_sample_is_picked_by_the_images(tiny: Benchmark, tmp_path: Path) -> None:
    run = sound_run(tmp_path / "run", tiny, protocol="paper", failures=10)
    sampled = sound_bundle(run, "sample")
    keys = {
        key
        for key, attached in zip(
            sampled.rows.column("key").to_pylist(),
            sampled.rows.column("attached").to_pylist(),
            strict=True,
        )
        if attached
    }
    assert len(keys) == SAMPLE
    assert keys == sample_keys(attach(sampled.rows, "none"))
    path = written(sampled, tmp_path, run)
    assert {key for key, _ in bundle_images(path)} == keys
    chosen = attach(sampled.rows, "all").slice(0, 450)
    cherry = Bundle(header=sampled.header, rows=chosen)
    found = check_bundle(cherry, Wanted(tiny, "paper"))
    assert any(one.code == "attached" for one in found)


def test_what_names_people_and_machines_is_cut_off() -> None:
    assert public("raised: OSError: /home/me/data/a.png") == "raised: OSError: …/a.png"
    assert public("~/secret/weights.safetensors") == "…/weights.safetensors"
    assert public(r"C:\Users\me\x.png") == "…/x.png"
    assert public("https://example.org/a/b and 1/2") == "https://example.org/a/b and 1/2"


def test_the_file_is_a_plain_dataset(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    path = written(bundle, tmp_path, run)
    loaded = load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    shown = loaded.filter(lambda row: row["attached"]).cast_column("image", HfImage())
    assert shown[0]["image"].size == (64, 64)
    (mean,) = duckdb.sql(f"select avg(dino) from '{path}' where reason is null").fetchall()[0]
    assert mean == pytest.approx(bundle.rows.to_pandas()["dino"].mean())


def test_images_that_are_not_the_ones_hashed_are_refused(
    run: Run, bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / f"{bundle.digest}.parquet"
    write_bundle(bundle, path, lambda key: b"another image")
    assert read_bundle(path).digest == bundle.digest
    with pytest.raises(SubmissionError, match="not the one that its row hashes"):
        list(bundle_images(path))


def test_a_run_whose_images_are_gone_says_what_to_do(tiny: Benchmark, tmp_path: Path) -> None:
    broken = sound_run(tmp_path / "run", tiny)
    next((broken.path / "images").rglob("*.parquet")).unlink()
    with pytest.raises(SubmissionError, match=r"is gone.*Give the same pdst-eval command again"):
        make_bundle(broken, DECLARED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every part of a JSON value."""
    inner: Any = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


@pytest.mark.parametrize(
    ("said", "instead"), [('"schema":1', '"schema":true'), ('"seconds":12.5', '"seconds":12')]
)
def test_one_submission_has_one_text(bundle: Bundle, said: str, instead: str) -> None:
    text = bundle.header.text
    assert read_header(text) == bundle.header
    assert said in text
    with pytest.raises(SubmissionError, match="in another's place"):
        read_header(text.replace(said, instead))


@settings(max_examples=300, deadline=None)
@given(value=JSON, position=st.integers(0, 10_000))
def test_no_header_crashes_reader_or_checks(
    bundle: Bundle, tiny: Benchmark, value: Any, position: int
) -> None:
    """Any JSON in place of any part of a sound header: refused, or another submission."""
    plain = json.loads(bundle.header.text)
    every = [place for place in places(plain) if place and place[0] != "summary"]
    *outer, last = [*every, ("summary",)][position % (len(every) + 1)]
    inside = plain
    for key in outer:
        inside = inside[key]
    before, inside[last] = inside[last], value
    try:
        header = read_header(
            json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        )
    except SubmissionError:
        return
    other = Bundle(header=header, rows=bundle.rows)
    found = check_bundle(other, Wanted(tiny, "quick"))
    assert all(one.message for one in found)
    assert (other.digest == bundle.digest) == (json.dumps(before) == json.dumps(value))


# --- the command ---------------------------------------------------------------------------------


def submit(*arguments: str) -> Any:
    return CliRunner().invoke(submission, list(arguments))


def test_a_dry_run_shows_everything_and_sends_nothing(
    run: Run, tiny_folder: Path, tmp_path: Path
) -> None:
    board = tmp_path / "board"
    common = (str(run.path), "--to", str(board), "--benchmark", str(tiny_folder))
    done = submit(*common, "--training", "LAION-2B", "--dry-run")
    assert done.exit_code == 0, done.output
    for shown in ('"LAION-2B"', '"fingerprint"', '"weights_digest"', "9 rows, 8 images", "no-code"):
        assert shown in done.output
    assert not board.exists()
    done = submit(*common, "--training", "LAION-2B", "--by", "A. Author", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert Path(told["sent"]).is_file()
    assert read_bundle(Path(told["sent"])).header.declared.by == "A. Author"
    again = submit(*common, "--training", "LAION-2B", "--by", "A. Author", "--json")
    assert json.loads(again.stdout)["digest"] == told["digest"]
    assert len(list((board / "entries").iterdir())) == 1, "the same one again changes nothing"


def test_every_problem_of_a_run_is_listed(
    tiny: Benchmark, tiny_folder: Path, tmp_path: Path
) -> None:
    run = sound_run(tmp_path / "run", tiny)
    record = json.loads((run.path / "run.json").read_text())
    record["settings"]["limit"] = 9
    record["settings"]["generator"]["sees_test_split"] = True
    record["settings"]["generator"]["info"]["settings"]["sampling"] = {"guidance": 3.0}
    (run.path / "run.json").write_text(json.dumps(record))
    done = submit(
        *(str(run.path), "--to", str(tmp_path / "board"), "--benchmark", str(tiny_folder)),
        *("--training", "none", "--saw-test-photos"),
    )
    assert done.exit_code == 3
    for reason in ("--limit 9", "given the held-out", "guidance 3.0", "used in training"):
        assert reason in done.output
    assert not (tmp_path / "board").exists()


def test_mistakes_say_what_to_do(run: Run, tmp_path: Path) -> None:
    for arguments, reason in (
        ((str(run.path), "--to", "x", "--training", "a", "--images", "some"), "wanted one of none"),
        ((str(tmp_path), "--to", "x", "--training", "a"), "no run folder"),
        ((str(run.path), "--to", "hf://org", "--training", "a"), "hf://datasets/organization/name"),
        ((str(run.path), "--to", "nope://x", "--training", "a"), "nope://x cannot be reached"),
        ((str(run.path), "--to", "x", "--training", "a", "--code", "me"), "wanted a link"),
    ):
        done = submit(*arguments)
        assert done.exit_code == 2, (arguments, done.output)
        assert reason in " ".join(done.output.split()), done.output
    assert Declaration(training=("a",)).saw_test_photos is False


# --- places --------------------------------------------------------------------------------------


def many_bundles(bundle: Bundle, folder: Path, count: int) -> list[Path]:
    """As many submissions, each by somebody else."""
    plain = Bundle(header=bundle.header, rows=attach(bundle.rows, "none"))
    paths = []
    for number in range(count):
        one = edited_header(
            plain, lambda h, n=number: (h["declared"].update(by=f"A{n}"), h.update(images="none"))
        )
        paths.append(written(one, folder))
    return paths


def send_all_at_once(paths: list[Path], url: str) -> None:
    gate = threading.Barrier(len(paths))

    def go(path: Path) -> None:
        gate.wait()
        send(path, path.stem, url, title="")

    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(go, paths))


def none_lost_none_torn(paths: list[Path], url: str, folder: Path) -> None:
    files, root = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    found = sorted(str(name).rpartition("/")[2] for name in files.ls(f"{root}/entries", False))
    assert found == sorted(path.name for path in paths)
    files.get(f"{root}/entries/", str(folder) + "/", recursive=True)
    for path in folder.rglob("*.parquet"):
        assert read_bundle(path).digest == path.stem


def test_two_hundred_submissions_to_one_folder(bundle: Bundle, tmp_path: Path) -> None:
    paths = many_bundles(bundle, tmp_path / "mine", MANY)
    board = str(tmp_path / "board")
    send_all_at_once(paths, board)
    none_lost_none_torn(paths, board, tmp_path / "back")


def test_an_entry_is_never_overwritten(bundle: Bundle, tmp_path: Path) -> None:
    (path,) = many_bundles(bundle, tmp_path / "mine", 1)
    there = tmp_path / "board" / "entries" / path.name
    there.parent.mkdir(parents=True)
    there.write_bytes(b"somebody was here")
    with pytest.raises(SubmissionError, match="is there already and is not this submission"):
        send(path, path.stem, str(tmp_path / "board"), title="")
    assert there.read_bytes() == b"somebody was here"


def test_a_store_in_memory_is_a_board_too(bundle: Bundle, tmp_path: Path) -> None:
    (path,) = many_bundles(bundle, tmp_path, 1)
    url = f"memory://board-{path.stem[:8]}"
    assert send(path, path.stem, url, title="").new
    assert not send(path, path.stem, url, title="").new
    none_lost_none_torn([path], url, tmp_path / "back")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket on a real S3 server process on the loopback."""
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    pytest.importorskip("moto", reason="moto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    program = "from moto.server import main; import sys; main(sys.argv[1:])"
    log = (tmp_path / "moto.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-c", program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=log,
        stderr=log,
    )
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < until, "the S3 server does not start"
            time.sleep(0.1)
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("board")
        yield "s3://board/pdst"
    finally:
        server.terminate()
        server.wait()
        log.close()


@pytest.mark.filterwarnings("default")
def test_two_hundred_submissions_to_one_bucket(s3: str, bundle: Bundle, tmp_path: Path) -> None:
    paths = many_bundles(bundle, tmp_path / "mine", MANY)
    send_all_at_once(paths, s3)
    none_lost_none_torn(paths, s3, tmp_path / "back")
    assert not send(paths[0], paths[0].stem, s3, title="").new


class HubDouble(http.server.ThreadingHTTPServer):
    """A double of the Hugging Face Hub: the endpoints that a pull request with a file uses.

    Large files go by the LFS protocol, as the Hub wants it for Parquet; Xet is not spoken.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.objects: dict[str, bytes] = {}
        self.pulls: list[dict[str, Any]] = []
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _HubHandler(http.server.BaseHTTPRequestHandler):
    server: HubDouble

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return

    def _answer(self, value: object, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self) -> None:
        body = self._body()
        if "/org/board" not in self.path:
            self._answer({"error": "Repository not found"}, 404)
        elif "/preupload/" in self.path:
            files = [
                {"path": one["path"], "uploadMode": "lfs", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            self._answer({"files": files})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {
                    **one,
                    "actions": {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}"}},
                }
                for one in json.loads(body)["objects"]
            ]
            self._answer({"transfer": "basic", "objects": objects})
        elif "/commit/main" in self.path and "create_pr=1" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            with self.server.guard:
                self.server.pulls.append(
                    {
                        "title": lines[0]["value"]["summary"],
                        "files": {
                            line["value"]["path"]: line["value"]["oid"] for line in lines[1:]
                        },
                    }
                )
                number = len(self.server.pulls)
            pull = f"{self.server.url}/datasets/org/board/discussions/{number}"
            commit = f"{self.server.url}/datasets/org/board/commit/{'0' * 40}"
            self._answer(
                {
                    "success": True,
                    "commitUrl": commit,
                    "commitOid": "0" * 40,
                    "pullRequestUrl": pull,
                    "hookOutput": "",
                }
            )
        else:
            self._answer({"error": f"not spoken here: {self.path}"}, 400)

    def do_PUT(self) -> None:
        data = self._body()
        with self.server.guard:
            self.server.objects[self.path.rpartition("/")[2]] = data
        self._answer({})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubDouble]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_made")
    with HubDouble() as double:
        thread = threading.Thread(target=double.serve_forever, daemon=True)
        thread.start()
        yield double
        double.shutdown()


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own
def test_the_hub_gets_a_pull_request_each(
    hub: HubDouble, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = many_bundles(bundle, tmp_path, 8)
    gate = threading.Barrier(len(paths))

    def go(path: Path) -> str:
        gate.wait()
        name = f"entries/{path.name}"
        return propose(path, name, "org/board", title="Submission: Made 1", endpoint=hub.url)

    with ThreadPoolExecutor(len(paths)) as pool:
        urls = list(pool.map(go, paths))
    assert len(set(urls)) == len(hub.pulls) == len(paths)
    sent = {name: oid for pull in hub.pulls for name, oid in pull["files"].items()}
    assert {name.rpartition("/")[2] for name in sent} == {path.name for path in paths}
    for path in paths:
        assert hub.objects[sent[f"entries/{path.name}"]] == path.read_bytes()


def test_a_repository_that_is_not_there(hub: HubDouble, bundle: Bundle, tmp_path: Path) -> None:
    (path,) = many_bundles(bundle, tmp_path, 1)
    with pytest.raises(SubmissionError, match=r"no such dataset repository.*hf auth login"):
        propose(path, f"entries/{path.name}", "org/other", title="x", endpoint=hub.url)
