"""The training benchmark: that it compares like with like. Its times are for a quiet machine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.training import TrainingSizes, measure
from benchmarks.training_bases import open_base
from benchmarks.training_peers import UsualNeTI, UsualTextualInversion, flat_gradient
from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.photos import latent_photos
from pdst.diffusion.tokens import PLACEHOLDER
from pdst.errors import BackboneError
from pdst.methods.inversion import Classroom, Inversion
from pdst.methods.inversion_settings import InversionSettings, NeTISettings
from pdst.testing import drawn_subject

SMALL = TrainingSizes(batch=2, steps=1, subjects=2, seeds=2, sampling_steps=2, rounds=1)
SUBJECT = replace(drawn_subject(), init_token="a")


@pytest.fixture(scope="module")
def backbone(kl_pipeline_folder: Path) -> Backbone:
    return load_backbone(str(kl_pipeline_folder), device="cpu")


def student_of(backbone: Backbone, settings: InversionSettings) -> Inversion:
    photos = latent_photos(backbone, SUBJECT.train, 32, masked=False)
    return Inversion(Classroom(backbone, settings, None), SUBJECT, photos)


def test_a_small_run_finds_both_ways_in_agreement(kl_pipeline_folder: Path) -> None:
    result = measure(str(kl_pipeline_folder), device="cpu", sizes=SMALL)
    assert list(result.parity) == [
        "latents",
        "TI: loss",
        "TI: gradient",
        "NeTI: loss",
        "NeTI: gradient",
        "UNet's gradient, fused and eager",
        "subjects together: losses",
    ]
    assert max(result.parity.values()) <= result.allowed == 1e-3
    assert len(result.seconds) == 10
    assert min(result.seconds.values()) > 0
    read = json.loads(json.dumps(result.to_json()))
    assert [ratio["what"] for ratio in read["ratios"]] == [
        "TI step, usual / TI step, ours",
        "NeTI step, usual / NeTI step, ours",
        "image, NeTI / image, plain",
        "UNet there and back, fused / UNet there and back, eager",
        "subjects, one after another / subjects, together",
    ]
    assert read["sizes"]["resolution"] == 32


def test_the_usual_ti_step_moves_the_new_row_alone(backbone: Backbone) -> None:
    settings = InversionSettings(steps=1, batch=2, rate=1e-2, decay=0.1)
    student = student_of(backbone, settings)
    usual = UsualTextualInversion(student, torch.rand(3, 3, 32, 32))
    usual.step(0)
    token = usual.token
    assert torch.equal(usual.table[:token], backbone.text_encoder.get_input_embeddings().weight)
    began = student.words[PLACEHOLDER].vectors[0]
    # AdamW's first step: decay, then the rate in every coordinate, whatever the gradient's size.
    moved = (usual.table[token] - (1 - 1e-2 * 0.1) * began).abs()
    assert moved.mean().item() == pytest.approx(1e-2, rel=1e-2)


def test_a_step_that_computes_something_else_is_seen(backbone: Backbone) -> None:
    student = student_of(backbone, NeTISettings(steps=1, batch=2, hidden=16, frequencies=32))
    usual = UsualNeTI(student, torch.rand(3, 3, 32, 32))
    shown = student.examples(0)
    (loss,) = student.room.lesson([student], [0])
    loss.total.backward()  # type: ignore[no-untyped-call]  # torch's annotation
    ours = flat_gradient(student.words[PLACEHOLDER])

    def apart() -> float:
        usual.word.zero_grad()
        usual.loss(shown, shown.clean).backward()  # type: ignore[no-untyped-call]
        return float((usual.gradient() - ours).norm() / ours.norm())

    assert apart() < 1e-4
    usual.room.alpha = 0.25  # the bypass goes a fourth farther
    assert apart() > 1e-2


def test_a_base_model_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BackboneError, match="no folder that is here"):
        open_base("sd15-randon")
    with pytest.raises(BackboneError, match="No device 'tpu9'"):
        open_base("sd15-random", device="tpu9")
