"""Claims about captions by an endpoint that the settings name, and about where its key is not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import pdst
from builders.language.rows import LanguageError
from builders.pipeline.build import build
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.workspace import Workspace, open_workspace
from pdst.dataset import load
from tests.endpoint_double import EndpointDouble
from tests.workspaces import contents, make_workspace

ROOT = Path(pdst.__file__).parent.parent
KEY = "sk-7f3aVerySecret"
WRITTEN = ["A [SUBJ] sits beside a fence.", "From above, a [SUBJ] rests in tall grass."]
REWORDED = ["A [SUBJ] sits by a fence.", "Seen from above, a [SUBJ] rests in tall grass."]


@pytest.fixture
def double() -> Iterator[EndpointDouble]:
    with EndpointDouble() as served:
        yield served


def workspace_of(folder: Path, double: EndpointDouble, **captions: Any) -> Workspace:
    """Three test photos, two captions each, written and reworded by the double."""
    endpoint = {"url": double.v1, "model": "vision", "key_variable": "CAPTION_KEY"}
    settings = {
        "per_photo": 2,
        "endpoint": endpoint,
        "refiner_endpoint": endpoint | {"model": "words"},
        **captions,
    }
    return captioned_by(folder, settings)


def captioned_by(folder: Path, captions: dict[str, Any]) -> Workspace:
    make_workspace(folder, subjects=1, review={})
    path = folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text()) | {"captions": captions}
    path.write_text(yaml.safe_dump(settings))
    return open_workspace(folder)


def with_key(workspace: Workspace) -> Workspace:
    return open_workspace(workspace.folder, {"CAPTION_KEY": KEY})


def script(double: EndpointDouble) -> None:
    double.script = [(200, WRITTEN)] * 3 + [(200, [text]) for text in REWORDED] * 3


def test_the_settings_endpoints_write_and_reword(double: EndpointDouble, tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path / "ws", double)
    script(double)
    assert build(with_key(workspace)).waiting == ()
    benchmark = load(workspace.output)
    wanted = tuple(text.replace("[SUBJ]", "{}") for text in REWORDED)
    assert [test.captions for test in benchmark.test] == [wanted] * 3
    assert [body["model"] for _, body in double.requests] == ["vision"] * 3 + ["words"] * 6
    assert {headers["authorization"] for headers, _ in double.requests} == {f"Bearer {KEY}"}
    assert build(workspace).done == (), "what is done needs no key any more"


def test_the_key_is_in_nothing_that_is_written_or_said(
    double: EndpointDouble, tmp_path: Path
) -> None:
    workspace = workspace_of(tmp_path / "ws", double)
    script(double)
    double.script.insert(3, (400, {"error": {"message": f"quota of {KEY} is used up"}}))
    environment = {**os.environ, "CAPTION_KEY": KEY, "OPENAI_LOG": ""}

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "builders", "build", str(workspace.folder)]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    failed = run()
    assert failed.returncode == 2
    assert "quota of … is used up" in failed.stderr
    finished = run()
    assert finished.returncode == 0, finished.stderr
    said = failed.stdout + failed.stderr + finished.stdout + finished.stderr
    assert KEY not in said + repr(with_key(workspace)) + str(with_key(workspace))
    files = contents(workspace.folder)
    assert {"release/README.md", "stages/caption.parquet"} <= files.keys()
    for name, data in files.items():
        assert KEY.encode() not in data, name
        if name.endswith(".parquet"):
            table = pq.read_table(workspace.folder / name)
            assert KEY not in f"{table.to_pylist()} {table.schema.metadata}", name


def test_a_variable_that_is_not_set_is_named_before_anything_is_asked(
    double: EndpointDouble, tmp_path: Path
) -> None:
    workspace = workspace_of(tmp_path / "ws", double)
    for environment in ({}, {"CAPTION_KEY": " "}):
        with pytest.raises(
            WorkspaceError,
            match=r"captions\.endpoint: the environment variable CAPTION_KEY is not set, wanted "
            r"the API key in it\. Run: export CAPTION_KEY=…",
        ):
            build(open_workspace(workspace.folder, environment))
    assert double.requests == []


def test_a_server_that_wants_no_key_gets_none(double: EndpointDouble, tmp_path: Path) -> None:
    local = {"url": double.v1, "model": "vision"}
    workspace = workspace_of(tmp_path / "ws", double, endpoint=local, refiner_endpoint=None)
    double.script = [(200, WRITTEN)] * 3
    assert build(workspace).waiting == ()
    assert {headers["authorization"] for headers, _ in double.requests} == {"Bearer none"}


def test_another_endpoint_is_asked_anew_and_another_key_is_not(
    double: EndpointDouble, tmp_path: Path
) -> None:
    workspace = workspace_of(tmp_path / "ws", double)
    script(double)
    build(with_key(workspace))
    path = workspace.folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["captions"]["endpoint"]["key_variable"] = "OTHER_KEY"
    path.write_text(yaml.safe_dump(settings))
    assert build(open_workspace(workspace.folder)).done == ()
    settings["captions"]["endpoint"]["model"] = "vision-2"
    path.write_text(yaml.safe_dump(settings))
    script(double)
    environment = {"CAPTION_KEY": KEY, "OTHER_KEY": KEY}
    assert "caption" in build(open_workspace(workspace.folder, environment)).done


def subject_changed(workspace: Workspace, **values: object) -> Workspace:
    path = workspace.folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["subjects"]["cat-1"] |= values
    path.write_text(yaml.safe_dump(settings))
    return with_key(workspace)


def test_a_new_leak_term_is_checked_and_no_model_is_asked_again(
    double: EndpointDouble, tmp_path: Path
) -> None:
    workspace = workspace_of(tmp_path / "ws", double)
    script(double)
    build(with_key(workspace))
    asked = len(double.requests)
    workspace = subject_changed(workspace, leak_terms=["fence"])
    built = build(workspace)
    assert built.done == ("neutralize", "check")
    assert "'fence' is among the subject's leak terms" in built.waiting[0]
    assert len(double.requests) == asked
    script(double)
    assert build(subject_changed(workspace, class_noun="dog")).done[:2] == ("caption", "refine")
    assert "is a dog" in str(double.requests[asked])


def test_done_anew_a_stage_forgets_what_it_had_when_it_broke_down(
    double: EndpointDouble, tmp_path: Path
) -> None:
    workspace = workspace_of(tmp_path / "ws", double)
    double.script = [(200, WRITTEN), (400, {"error": {"message": "no"}})]
    with pytest.raises(LanguageError):
        build(with_key(workspace))
    double.script = [(200, WRITTEN)] * 3
    build(with_key(workspace), until="caption", anew="caption")
    assert double.script == [], "all three photos were asked about, not the last two"


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ({"endpoint": {"url": f"https://ada:{KEY}@x.org/v1", "model": "m"}}, "holds a user"),
        ({"endpoint": {"url": f"https://x.org/v1?key={KEY}", "model": "m"}}, "or query"),
        ({"endpoint": {"url": "localhost:8000", "model": "m"}}, "wanted an address with its vers"),
        ({"endpoint": {"url": "http://x.org/v1", "model": ""}}, "endpoint.model is empty"),
        (
            {"endpoint": {"url": "http://x.org/v1", "model": "m", "key_variable": KEY}},
            "key_variable is no name of an environment variable, wanted one like OPENAI_API_KEY",
        ),
        (
            {"file": "captions.csv", "endpoint": {"url": "http://x.org/v1", "model": "m"}},
            "captions is 'captions.csv', wanted either that, or an `endpoint`",
        ),
    ],
)
def test_settings_that_hold_a_key_or_make_no_sense_are_refused_without_showing_it(
    tmp_path: Path, captions: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkspaceError) as refused:
        captioned_by(tmp_path / "ws", captions)
    assert message in str(refused.value)
    assert KEY not in str(refused.value)
