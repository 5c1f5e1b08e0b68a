"""Saliency: rembg's own code on a small ONNX network of U2-Net's shape that likes red."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from pdst.masks import SegmenterError, segmenter_named
from pdst.masks.saliency import BEST, MODELS, Saliency
from tests.test_segmenters import disc, iou, photo_of

SIDE = 320
"""U2-Net's input, in pixels."""


def liking_red(steepness: float) -> onnx.ModelProto:
    """Redness minus greenness through a sigmoid: (1, 3, 320, 320) to (1, 1, 320, 320)."""
    weights = np.array([steepness, -steepness, 0], np.float32).reshape(1, 3, 1, 1)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["photo", "weights"], ["difference"]),
            helper.make_node("Sigmoid", ["difference"], ["map"]),
        ],
        "liking-red",
        [helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where rembg looks for networks."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    return tmp_path


def keep(home: Path, steepness: float) -> Path:
    file = home / "u2netp.onnx"
    file.write_bytes(liking_red(steepness).SerializeToString())
    return file


def found(image: Image.Image) -> NDArray[np.bool_]:
    return np.asarray(image) > 0


def test_what_stands_out_is_the_mask(home: Path) -> None:
    file = keep(home, 20)
    image, truth = disc()
    one = Saliency("u2netp").segment(photo_of(image), "mug")
    assert one.mask.size == image.size
    assert iou(found(one.mask), truth) > 0.95
    assert set(np.unique(np.asarray(one.mask))) == {0, 255}
    assert one.flags == ()
    assert one.source == f"rembg u2netp@{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"


def test_a_blurred_map_is_doubted_and_a_sharp_one_is_not(home: Path) -> None:
    image, _ = disc()
    keep(home, 20)
    sharp = Saliency("u2netp").segment(photo_of(image), "ball").quality
    keep(home, 0.1)
    blurred = Saliency("u2netp").segment(photo_of(image), "ball")
    assert sharp is not None
    assert sharp > 0.95
    assert blurred.quality is not None
    assert blurred.quality < 0.8
    assert any(flag.startswith("quality: ") for flag in blurred.flags)


def test_two_things_that_stand_out_are_both_taken_and_flagged(home: Path) -> None:
    keep(home, 20)
    image, _ = disc()
    image.paste((200, 40, 30), (4, 4, 24, 24))
    one = Saliency("u2netp").segment(photo_of(image), "ball")
    assert one.flags == ("pieces: 2",)


@pytest.mark.parametrize("colour", [(0, 0, 0), (90, 140, 90)])
def test_where_nothing_stands_out_it_is_said(home: Path, colour: tuple[int, int, int]) -> None:
    keep(home, 20)
    with pytest.raises(SegmenterError, match=r"Photo 07: nothing stands out to u2netp\..*grabcut"):
        Saliency("u2netp").segment(photo_of(Image.new("RGB", (60, 40), colour), "07"), "ball")


def test_networks_have_names() -> None:
    best, small = segmenter_named("saliency"), segmenter_named("saliency:u2netp")
    assert isinstance(best, Saliency)
    assert isinstance(small, Saliency)
    assert (best.model, small.model) == (BEST, "u2netp")
    with pytest.raises(SegmenterError, match=r"saliency network named 'u2nap'.*'u2netp'\?"):
        segmenter_named("saliency:u2nap")


def test_rembg_knows_every_network_and_none_of_them_sends_photos_away() -> None:
    from rembg.sessions import sessions

    for name in MODELS:
        assert sessions[name].is_local()
        assert not sessions[name].requires_credentials()


def test_a_damaged_file_is_named(home: Path) -> None:
    (home / "u2netp.onnx").write_bytes(b"not a network")
    image, _ = disc()
    with pytest.raises(SegmenterError, match=r"weights of u2netp.*copy them.*u2netp\.onnx"):
        Saliency("u2netp").segment(photo_of(image), "ball")


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None  # importing it fails
from pdst.masks import SegmenterError, segmenter_named
from pdst.types import Photo
try:
    segmenter_named("saliency").segment(Photo(image_id="00", sha256="", encoded=bytes), "ball")
except SegmenterError as error:
    print(error)
"""


@pytest.mark.parametrize("package", ["rembg", "onnxruntime"])
def test_without_the_packages_it_says_which_to_install(package: str) -> None:
    command = [sys.executable, "-c", WITHOUT, package]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "pip install 'pdst[saliency]'" in done.stdout
