"""The miniature's trainings: what a step sees, what a checkpoint keeps, what a word becomes."""

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from builders.sources.miniature.captions import captions, training_captions
from builders.sources.miniature.cli import train_stages
from builders.sources.miniature.identities import pool_of
from builders.sources.miniature.scenes import training_scenes
from builders.sources.miniature.training.data import Drawn, drawn_scenes
from builders.sources.miniature.training.generator import new_text_encoder, new_unet
from builders.sources.miniature.training.loop import Schedule, averaged_weights, train
from builders.sources.miniature.training.stepping import stepper_for
from builders.sources.miniature.training.vae import VaeStage
from builders.sources.miniature.training.words import CONTEXT, SIZE, real_captions, write_tokenizer
from pdst.errors import PdstError


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """24 scenes of 8 identities."""
    folder = tmp_path_factory.mktemp("scenes")
    return drawn_scenes(folder, pool="scorers", seed=3, count=24, views=3, processes=1)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    """The miniature's, as the training writes it."""
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer(folder, real_captions())
    return CLIPTokenizer.from_pretrained(folder)


class KilledError(RuntimeError):
    """Stands for a kill between two steps."""


class StoppingAt(VaeStage):
    """The autoencoder's stage, ended after a step."""

    stop = 0

    def after(self, step: int) -> None:
        """End."""
        if step == self.stop:
            raise KilledError


def test_a_killed_training_continues_its_curve_bit_for_bit(few: Drawn, tmp_path: Path) -> None:
    schedule = Schedule(steps=6, batch=8, rate=1e-3, warm_up=2, cool_down=0.5)

    def run(stage: VaeStage, folder: Path) -> nn.ModuleDict:
        return train(stage, schedule, folder, save_every=0, log=lambda text: None)

    run(VaeStage(few, few), tmp_path / "whole")
    stopping = StoppingAt(few, few)
    stopping.stop = 4
    with pytest.raises(KilledError):
        run(stopping, tmp_path / "killed")
    run(VaeStage(few, few), tmp_path / "killed")
    whole = averaged_weights(tmp_path / "whole")
    killed = averaged_weights(tmp_path / "killed")
    assert set(whole) == set(killed)
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    schedule = Schedule(steps=1000, batch=1, rate=1.0, warm_up=10, cool_down=0.5)
    assert schedule.rate_at(0) == pytest.approx(0.1)
    assert schedule.rate_at(10) == schedule.rate_at(500) == 1.0
    assert schedule.rate_at(750) == pytest.approx(0.5)
    assert schedule.rate_at(999) < 1e-4


def test_drawn_scenes_do_not_depend_on_how_many_draw_them(few: Drawn, tmp_path: Path) -> None:
    again = drawn_scenes(tmp_path, pool="scorers", seed=3, count=24, views=3, processes=2)
    assert (again.images == few.images).all()
    assert (again.masks == few.masks).all()
    assert again.captions == few.captions


def test_views_of_one_identity_share_its_facts(few: Drawn) -> None:
    for number in range(8):
        rows = few.facts[few.identities == number]
        assert (rows[:, :4] == rows[0, :4]).all()
        assert len({tuple(row) for row in rows}) > 1


def test_no_training_scene_shows_a_held_out_identity() -> None:
    for pool in ("generator", "scorers"):
        scenes = training_scenes(1, pool)
        assert {pool_of(next(scenes).identity) for _ in range(300)} == {pool}


def test_every_word_of_the_captions_is_one_token(tokenizer: CLIPTokenizer) -> None:
    scenes = training_scenes(7, "generator")
    for _ in range(100):
        scene = next(scenes)
        for caption in captions(scene, 3):
            words = (
                caption.replace("{}", "mug")
                .replace(".", " .")
                .replace(",", " ,")
                .replace("-", " - ")
                .split()
            )
            assert len(tokenizer(caption.replace("{}", "mug"))["input_ids"]) == len(words) + 2


def test_any_text_is_spelt_and_spelt_back(tokenizer: CLIPTokenizer) -> None:
    for text in ("zürich 42!", "quintessential hippopotamus", "日本"):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == text.replace(
            " ", ""
        )
    assert len(tokenizer) <= SIZE


def test_captions_fit_the_context_many_times(tokenizer: CLIPTokenizer) -> None:
    scenes = training_scenes(8, "generator")
    rng = random.Random(0)
    lengths = [
        len(tokenizer(next(training_captions(next(scenes), rng)))["input_ids"]) for _ in range(200)
    ]
    assert max(lengths) < CONTEXT / 1.5


def test_the_unet_has_the_sixteen_cross_attention_layers_of_stable_diffusion(
    tokenizer: CLIPTokenizer,
) -> None:
    names = [name for name in new_unet().attn_processors if ".attn2." in name]
    places = [".".join(name.split(".")[:2]) for name in names]
    wanted = {"down_blocks.0": 2, "down_blocks.1": 2, "down_blocks.2": 2, "mid_block.attentions": 1}
    wanted |= {f"up_blocks.{block}": 3 for block in (1, 2, 3)}
    assert len(names) == 16
    assert {place: places.count(place) for place in places} == wanted
    text = new_text_encoder(tokenizer)
    states: Tensor = text(torch.tensor([tokenizer("a dog")["input_ids"]])).last_hidden_state
    assert states.shape[-1] == new_unet().config.cross_attention_dim


def test_a_device_that_is_not_there_or_a_shared_gpu_is_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(PdstError, match=r"No device 'tpu9' for the trainings"):
        train_stages(["vae"], tmp_path, device="tpu9")
    with pytest.raises(PdstError, match=r"--workers is 2 with --device meta"):
        train_stages(["vae"], tmp_path, workers=2, device="meta")
    assert list(tmp_path.iterdir()) == []


def test_a_step_moves_what_a_gpu_s_recording_would_move(few: Drawn) -> None:
    """What a recording needs of a stage: the same shapes each step, tensors alone to log."""
    stage = VaeStage(few, few, batch=4)
    one, other = (stage.batch(step, torch.Generator().manual_seed(step)) for step in (0, 1))
    assert {name: value.shape for name, value in one.items()} == {
        name: value.shape for name, value in other.items()
    }
    stepper = stepper_for(stage, 1e-3, 0.0, 1.0)
    before = {name: value.clone() for name, value in stage.modules.state_dict().items()}
    told = stepper.step(one, 1e-3)
    assert set(told) == {"loss", "latent std"}
    assert all(not value.requires_grad and value.ndim == 0 for value in told.values())
    moved = [
        float((value - before[name]).abs().max())
        for name, value in stage.modules.state_dict().items()
    ]
    assert max(moved) == pytest.approx(1e-3, rel=0.05)  # AdamW's first step, whatever the gradient
