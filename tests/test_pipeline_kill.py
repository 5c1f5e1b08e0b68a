"""Claim: killed anywhere, a build that is given again ends with the same release, byte for byte."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pdst
from builders.pipeline.build import NAMES, build
from builders.pipeline.workspace import open_workspace
from tests.workspaces import answer_all, contents, make_workspace

ROOT = Path(pdst.__file__).parent.parent

KILLS, SEED = os.environ.get("PDST_KILLS", "1"), os.environ.get("PDST_KILL_SEED", "0")
"""Kills of each stage, at moments drawn by this seed; more of them search longer."""

KILLER = """
import json, os, random, shutil, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from builders.language import Called, find_leaks
from builders.pipeline.build import build
from builders.pipeline.workspace import open_workspace

CHANGES = {{"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.copyfile"}}
WRITTEN = ("stages", "stored", "packed", "release", "copy")
folder = Path(sys.argv[1])
# Loads the language model once, before the processes part.
find_leaks("A {{}} sits.", Called(subject_id="cat-1", class_noun="cat", kind="living"))

def child(at):
    '''Builds, and dies just before the at-th change that it makes in the workspace.'''
    count, begun = 0, {{}}
    def watch(event, arguments):
        nonlocal count
        changes = event in CHANGES or (event == "open" and arguments[2] & os.O_ACCMODE)
        if changes and str(arguments[0]).startswith(str(folder)):
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    build(open_workspace(folder), told=lambda stage: begun.setdefault(stage, count))
    os.write(2, json.dumps([begun, count]).encode())
    os._exit(0)

def run(at=None):
    '''Whether a build was killed; one that fails is an error.'''
    pid = os.fork()
    if pid == 0:
        child(at)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a build failed instead of being killed")
    return os.WIFSIGNALED(status)

def unbuild():
    '''Takes away all that stages have written; people's answers stay.'''
    for name in WRITTEN:
        shutil.rmtree(folder / name, ignore_errors=True)

def contents():
    return {{str(p.relative_to(folder)): p.read_bytes() for name in ("release", "copy")
            for p in sorted((folder / name).rglob("*"))}}

def moments():
    '''Changes of a whole build, from nothing: how many before each stage, and in all.'''
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writing, 2)
        child(None)
    os.waitpid(pid, 0)
    return json.loads(os.read(reading, 2000))

whole = contents()
unbuild()
begun, changes = moments()
told = {{"same": contents() == whole, "in a row": 0, "alone": {{}}, "other": []}}

# One build after another, each killed a little later: every kill leaves its traces to the next.
unbuild()
for at in [*range(1, 13), *range(13, changes, 6)]:
    told["in a row"] += run(at)
run()
if contents() != whole:
    told["other"].append("in a row")

# From nothing each time, the traces of one kill alone: in every stage, at moments drawn by chance.
chance = random.Random(int(sys.argv[3]))
ends = [*list(begun.values())[1:], changes]
for (stage, start), end in zip(begun.items(), ends):
    within = range(start + 1, end + 1)
    told["alone"][stage] = 0
    for at in sorted(chance.sample(within, min(int(sys.argv[2]), len(within)))):
        unbuild()
        told["alone"][stage] += run(at)
        run()
        if contents() != whole:
            told["other"].append((stage, at))
print(json.dumps(told))
"""


@pytest.mark.slow
def test_killed_before_any_of_its_changes_a_build_ends_with_the_same_release(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "ws"
    workspace = make_workspace(folder, subjects=1, captions=2, publish={"to": "copy"})
    assert answer_all(workspace).waiting == ()
    whole = contents(workspace.output)
    done = subprocess.run(
        [sys.executable, "-c", KILLER.format(root=str(ROOT)), str(folder), KILLS, SEED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["other"] == []
    assert told["same"]
    assert told["in a row"] >= 12
    assert set(told["alone"]) == set(NAMES)
    assert min(told["alone"].values()) >= 1, "killed in every stage"
    assert contents(workspace.output) == contents(folder / "copy") == whole
    left = [path for path in folder.rglob("*") if path.name.endswith((".partial", ".new", ".old"))]
    assert left == []
    assert build(open_workspace(folder)).done == ()
