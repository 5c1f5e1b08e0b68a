"""Stable Diffusion 1.5 at its real size, with random weights: that every trainer fits it.

Golden values are those of the published checkpoint: its number of tensors (686 of the UNet, 248 of
the autoencoder, 196 of the text encoder), of parameters, and the widths of its attention layers.
"""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.training_bases import random_sd15
from pdst.diffusion.backbone import Backbone
from pdst.diffusion.layers import cross_attention_layers
from pdst.diffusion.photos import LatentPhotos, latent_photos
from pdst.diffusion.tokens import ATTRACTOR, PLACEHOLDER
from pdst.diffusion.training import read_log, read_record, train
from pdst.methods.checkpoints import load_words
from pdst.methods.inversion import Classroom, Inversion
from pdst.methods.inversion_sampler import InversionSampler
from pdst.methods.inversion_settings import InversionSettings, NeTISettings, PlusSettings
from pdst.testing import drawn_subject
from pdst.types import Sampling

pytestmark = pytest.mark.slow

SIDE = 128
"""Pixels: 16 x 16 latents. The networks are as large as ever, the pictures are not."""

SUBJECT = replace(drawn_subject(), train=drawn_subject().train[:1])
WIDTHS = (320, 320, 640, 640, 1280, 1280, 1280, 1280, 1280, 1280, 640, 640, 640, 320, 320, 320)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    # As on a GPU, and half the memory.
    return random_sd15(torch.device("cpu"), torch.bfloat16)


@pytest.fixture(scope="module")
def photos(backbone: Backbone) -> LatentPhotos:
    return latent_photos(backbone, SUBJECT.train, SIDE, masked=True)


def test_the_networks_are_those_of_stable_diffusion_1_5(backbone: Backbone) -> None:
    parts = (backbone.unet, backbone.vae, backbone.text_encoder)
    sizes = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert sizes == [859_520_964, 83_653_863, 123_060_480]
    assert [len(dict(part.named_parameters())) for part in parts] == [686, 248, 196]
    assert (backbone.factor, backbone.resolution) == (8, 512)
    ids = backbone.tokens(["a photo of a dog."])
    assert ids.shape == (1, 77)
    assert ids[0, :8].tolist() == [49406, 320, 1125, 539, 320, 1929, 269, 49407]


def test_sixteen_layers_listen_in_the_order_in_which_they_run(backbone: Backbone) -> None:
    names = cross_attention_layers(backbone.unet)
    assert [name.removesuffix(".transformer_blocks.0.attn2") for name in names] == [
        *(f"down_blocks.{block}.attentions.{at}" for block in (0, 1, 2) for at in (0, 1)),
        "mid_block.attentions.0",
        *(f"up_blocks.{block}.attentions.{at}" for block in (1, 2, 3) for at in (0, 1, 2)),
    ]
    layers = [backbone.unet.get_submodule(name) for name in names]
    assert tuple(layer.to_q.in_features for layer in layers) == WIDTHS
    for layer, width in zip(layers, WIDTHS, strict=True):
        assert layer.to_k.weight.shape == layer.to_v.weight.shape == (width, 768)
        assert layer.heads == 8


@pytest.mark.parametrize(
    ("settings", "plus"),
    [
        (InversionSettings(steps=2, batch=1), None),
        (NeTISettings(steps=2, batch=1), None),
        (InversionSettings(steps=2, batch=3, templates="pdst"), PlusSettings()),
        # Two prompts, sixteen layers: 32 rows of the text encoder, and as much memory.
        (NeTISettings(steps=2, batch=2, templates="pdst"), PlusSettings(pools=(0.0, 0.0, 1.0))),
    ],
    ids=["TI", "NeTI", "TI+", "NeTI+"],
)
def test_every_trainer_takes_two_steps_and_draws(
    backbone: Backbone,
    photos: LatentPhotos,
    tmp_path: Path,
    settings: InversionSettings,
    plus: PlusSettings | None,
) -> None:
    room = Classroom(backbone, settings, plus)
    student = Inversion(room, SUBJECT, photos)
    train([student], room.lesson, settings, [{}], [tmp_path])
    record, (row,) = read_record(tmp_path), read_log(tmp_path)
    assert record is not None
    assert record["steps_taken"] == 2
    assert isinstance(row["loss"], float)
    assert math.isfinite(row["loss"])
    assert isinstance(row["drift"], float)
    assert row["drift"] > 0
    words = load_words(tmp_path)
    assert set(words) == {PLACEHOLDER} | ({ATTRACTOR} if plus else set())
    numbers = 563_616 if isinstance(settings, NeTISettings) else 768
    for word in words.values():
        assert sum(p.numel() for p in word.parameters()) == numbers
    sampling = Sampling(steps=2, resolution=SIDE)
    (image,) = InversionSampler(room, words, sampling, 1).sample(["A {} on a hill."], [3])
    assert image.size == (SIDE, SIDE)
    assert len(image.getcolors(SIDE * SIDE) or ()) > 100
