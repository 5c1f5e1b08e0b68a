"""Claim: killed while a model writes captions, a build given again ends with the same bytes.

The model is a tiny Qwen2-VL of the real classes, untrained: what it writes is noise, which is all
the better here, as any draw that is not the same again would show.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import pdst
from tests.tiny_qwen2vl import save_tiny_qwen2vl
from tests.workspaces import make_workspace

ROOT = Path(pdst.__file__).parent.parent

KILLER = """
import json, os, shutil, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
import torch
from torch.nn.modules.module import register_module_forward_hook
import builders.language.qwen2vl
from builders.language import Called, find_leaks
from builders.pipeline.build import build
from builders.pipeline.workspace import open_workspace

torch.set_num_threads(1)
folder = Path(sys.argv[1])
STAGES = ("caption", "refine", "neutralize", "check")
# Loads the language model once, before the processes part.
find_leaks("A {{}} sits.", Called(subject_id="cat-1", class_noun="cat", kind="living"))

def child(at, out):
    '''Builds, and dies within the at-th step of the model, a token or the photo.'''
    count = 0
    def watch(module, inputs, output):
        nonlocal count
        count += type(module).__name__ == "Qwen2VLForConditionalGeneration"
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
    register_module_forward_hook(watch)
    build(open_workspace(folder), until="check")
    os.write(out, str(count).encode())
    os._exit(0)

def run(at=None):
    '''How many steps the model took; None: killed. A build that fails is an error.'''
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        child(at, writing)
    os.close(writing)
    steps = os.read(reading, 20)
    os.close(reading)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a build failed instead of being killed")
    return None if os.WIFSIGNALED(status) else int(steps)

def unbuild():
    for name in ("stages", "stored"):
        shutil.rmtree(folder / name, ignore_errors=True)

def stages():
    return {{name: (folder / "stages" / f"{{name}}.parquet").read_bytes() for name in STAGES}}

def parts():
    return len(list((folder / "stages" / "parts").glob("caption-*/*/*.parquet")))

steps = run()
whole = stages()
told = {{"steps": steps, "killed": 0, "kept": [], "left": [], "other": []}}
for at in (1, steps // 2, steps):
    unbuild()
    told["killed"] += run(at) is None
    told["kept"].append(parts())
    told["left"].append(run())
    if stages() != whole:
        told["other"].append(at)

# One after another, each killed a little later: every kill leaves its traces to the next.
unbuild()
at = steps // 5
while run(at) is None:
    told["killed"] += 1
    at += steps // 5
if stages() != whole:
    told["other"].append("in a row")
print(json.dumps(told))
"""


@pytest.mark.slow
def test_killed_while_the_model_writes_a_build_ends_with_the_same_captions(tmp_path: Path) -> None:
    save_tiny_qwen2vl(tmp_path / "tiny-qwen2-vl")
    folder = tmp_path / "ws"
    make_workspace(folder, subjects=1, review={})
    path = folder / "workspace.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["captions"] = {"model": str(tmp_path / "tiny-qwen2-vl"), "per_photo": 2}
    path.write_text(yaml.safe_dump(settings))
    done = subprocess.run(
        [sys.executable, "-c", KILLER.format(root=str(ROOT)), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["other"] == []
    assert told["killed"] >= 3 + 2
    assert told["steps"] > 3 * 50, "three photos, some hundred tokens each"
    assert told["kept"] == sorted(told["kept"])
    assert told["kept"][0] == 0
    assert told["kept"][-1] == 2, "of three photos, two were done"
    assert told["left"][0] == told["steps"]
    assert told["left"][-1] == pytest.approx(told["steps"] / 3, rel=0.5), "not begun from nothing"
