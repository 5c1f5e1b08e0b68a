"""The miniature's generator as it is written for the wheel: stock libraries open it."""

import json
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open

from builders.sources.miniature.export import export_generator
from builders.sources.miniature.training.data import drawn_scenes
from builders.sources.miniature.training.generator import GeneratorStage, captioned
from builders.sources.miniature.training.loop import Schedule, averaged_weights, train
from builders.sources.miniature.training.vae import new_vae
from pdst.diffusion.backbone import load_backbone
from pdst.diffusion.sampling import prompt_states, sample
from pdst.types import Sampling
from tests.pipelines import write_tokenizer

PROMPTS = ["a red dog on a beach", "a blue mug in the snow"]
SEEDS = [1, 2]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a generator of the real size, trained for two steps on four scenes."""
    work = tmp_path_factory.mktemp("work")
    tokenizer = write_tokenizer(work / "tokenizer")
    vae = new_vae()
    vae.register_to_config(scaling_factor=1.7)
    vae.save_pretrained(work / "vae" / "model")
    scenes = drawn_scenes(work / "scenes", pool="generator", seed=0, count=4, processes=1)
    learned = captioned(scenes, vae, tokenizer)
    schedule = Schedule(steps=2, batch=4, rate=1e-3, warm_up=0)
    stage = GeneratorStage(learned, learned, tokenizer, batch=4)
    train(stage, schedule, work / "generator", log=lambda text: None)
    return work


@pytest.fixture(scope="module")
def exported(work: Path) -> Path:
    folder = work / "weights" / "generator"
    folder.mkdir(parents=True)
    (folder / "left over from before").touch()
    export_generator(work, folder)
    return folder


def test_it_says_which_settings_of_the_trainers_suit_it(exported: Path) -> None:
    assert load_backbone(str(exported), device="cpu").preset == "miniature"


def test_the_stock_pipeline_and_pdst_draw_the_same_pictures_from_it(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    stock = StableDiffusionPipeline.from_pretrained(exported)
    stock.set_progress_bar_config(disable=True)
    rngs = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    theirs = stock(PROMPTS, num_inference_steps=4, generator=rngs, output_type="np").images
    backbone = load_backbone(str(exported), device="cpu")
    ours = sample(
        backbone,
        [prompt_states(backbone, prompt) for prompt in PROMPTS],
        SEEDS,
        Sampling(steps=4, resolution=64),
        empty=prompt_states(backbone, ""),
        batch=2,
    )
    assert theirs.std() > 0.02
    for one, other in zip(ours, theirs, strict=True):
        assert one.size == (64, 64)
        assert np.abs(np.asarray(one) - 255 * other).max() < 0.5 + 0.05


def test_the_weights_are_the_averaged_ones_in_half_precision(work: Path, exported: Path) -> None:
    averaged = averaged_weights(work / "generator")
    backbone = load_backbone(str(exported), device="cpu")
    networks = {"unet": backbone.unet, "text_encoder": backbone.text_encoder}
    opened = {
        f"{part}.{name}": weight
        for part, network in networks.items()
        for name, weight in network.state_dict().items()
    }
    assert opened.keys() == averaged.keys()
    for name, weight in averaged.items():
        assert torch.equal(opened[name], weight.half().to(opened[name].dtype)), name


def test_it_fits_the_wheel_and_carries_no_path_of_the_machine_it_was_made_on(
    work: Path, exported: Path
) -> None:
    files = [path for path in exported.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 45_000_000
    for path in files:
        if path.suffix == ".json":
            assert str(work) not in path.read_text("utf-8")
    assert "left over from before" not in {path.name for path in files}


def test_its_files_are_named_as_stable_diffusions(exported: Path) -> None:
    index = json.loads((exported / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["safety_checker"] == index["feature_extractor"] == [None, None]
    assert index["requires_safety_checker"] is False
    with safe_open(exported / "text_encoder" / "model.safetensors", "pt") as file:
        names = set(file.keys())
        assert file.get_tensor(min(names)).dtype == torch.float16
    assert "text_model.embeddings.token_embedding.weight" in names
    assert all(name.startswith("text_model.") for name in names)
