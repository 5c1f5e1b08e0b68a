"""The sampler and the seam of latents, against diffusers' own and against arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.latents import decode, encode, to_images, to_pixels
from pdst.diffusion.precision import swift_products, text_products
from pdst.diffusion.sampling import denoise, prompt_states, sample, solver, start, timesteps
from pdst.encoders.tower import exact
from pdst.errors import SettingsError
from pdst.types import Sampling

PROMPTS = ("a dog on a hill", "a dog on a hill", "two trees beside a red ball in the rain")
SEEDS = (7, 2**32 - 1, 7)
SHORT = Sampling(steps=6, resolution=32)


@pytest.fixture(scope="module", params=["pipeline_folder", "kl_pipeline_folder"])
def folder(request: pytest.FixtureRequest) -> Path:
    """A small base model with each kind of autoencoder."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return load_backbone(str(folder), device="cpu")


@pytest.fixture(scope="module")
def stock(folder: Path) -> Any:
    """The pipeline and the scheduler of diffusers, as its documentation combines them."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn_by_stock(pipeline: Any, output: str) -> Any:
    return pipeline(
        list(PROMPTS),
        num_inference_steps=SHORT.steps,
        guidance_scale=SHORT.guidance,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
        output_type=output,
    ).images


def drawn(
    backbone: Backbone, prompts: Sequence[str], seeds: Sequence[int], batch: int = 8
) -> list[Image.Image]:
    states = [prompt_states(backbone, prompt) for prompt in prompts]
    empty = prompt_states(backbone, "")
    return sample(backbone, states, seeds, SHORT, empty=empty, batch=batch)


def told_of(backbone: Backbone, prompts: Sequence[str]) -> Callable[[int], Tensor]:
    rows = torch.stack([prompt_states(backbone, p) for p in (*[""] * len(prompts), *prompts)])
    return lambda timestep: rows


def test_the_sampler_ends_at_the_stock_pipelines_latents(backbone: Backbone, stock: Any) -> None:
    noise = start(backbone, SEEDS, SHORT.resolution)
    ours = denoise(backbone, noise, told_of(backbone, PROMPTS), SHORT)
    theirs = drawn_by_stock(stock, "latent")
    # Rounding alone: the same arithmetic on batches of other sizes. Latents are about 1.
    assert float(theirs.std()) > 0.1
    assert float((ours - theirs).abs().max()) < 1e-4


def test_the_sampler_draws_the_stock_pipelines_pictures(backbone: Backbone, stock: Any) -> None:
    levels = 255 * drawn_by_stock(stock, "np")
    assert levels.std() > 5
    for ours, theirs in zip(drawn(backbone, PROMPTS, SEEDS), levels, strict=True):
        # Half a level is what rounding to bytes takes.
        assert np.abs(np.asarray(ours) - theirs).max() < 0.5 + 0.01


def test_fifty_steps_are_those_of_netis_published_sampler(backbone: Backbone) -> None:
    # METHODS: 999, 979, …, 519, 500, 480, …, 20.
    expected = (*range(999, 518, -20), *range(500, 19, -20))
    assert timesteps(backbone, Sampling(resolution=32)) == expected


def test_an_image_does_not_depend_on_the_batch_it_is_drawn_in(backbone: Backbone) -> None:
    together = drawn(backbone, PROMPTS, SEEDS)
    alone = [
        drawn(backbone, [prompt], [seed])[0] for prompt, seed in zip(PROMPTS, SEEDS, strict=True)
    ]
    in_pairs = drawn(backbone, PROMPTS, SEEDS, batch=2)
    backwards = drawn(backbone, PROMPTS[::-1], SEEDS[::-1])[::-1]
    for others in (alone, in_pairs, backwards):
        for one, other in zip(together, others, strict=True):
            difference = np.asarray(one).astype(int) - np.asarray(other)
            assert np.abs(difference).max() <= 1  # float rounding, at a level's edge


def test_seeds_and_prompts_both_matter(backbone: Backbone) -> None:
    first, other_seed, other_prompt = (
        np.asarray(image).astype(int) for image in drawn(backbone, PROMPTS, SEEDS)
    )
    assert np.abs(first - other_seed).max() > 10
    assert np.abs(first - other_prompt).max() > 1


def test_the_noise_is_each_seeds_own(backbone: Backbone) -> None:
    both = start(backbone, [3, 4], 32)
    assert both.shape == (2, 4, 8, 8)
    assert torch.equal(both[1], start(backbone, [4], 32)[0])
    assert torch.equal(both[0], torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(3)))


def test_the_noise_is_the_same_for_every_arithmetic(folder: Path, backbone: Backbone) -> None:
    half = load_backbone(str(folder), device="cpu", dtype="bfloat16")
    assert torch.equal(start(half, [3], 32), start(backbone, [3], 32))
    rough, exact = (drawn(one, PROMPTS[:1], SEEDS[:1])[0] for one in (half, backbone))
    difference = np.asarray(rough).astype(int) - np.asarray(exact)
    # Half precision moves a random network's picture by levels; another noise moves it by tens.
    assert np.abs(difference).mean() < 5


def test_a_timestep_may_be_told_something_of_its_own(backbone: Backbone) -> None:
    plain, other = told_of(backbone, PROMPTS[:1]), told_of(backbone, PROMPTS[2:])
    asked: list[int] = []

    def late(timestep: int) -> Tensor:
        asked.append(timestep)
        return plain(timestep) if timestep > 500 else other(timestep)

    noise = start(backbone, [1], 32)
    mixed, whole = (denoise(backbone, noise, told, SHORT) for told in (late, plain))
    assert tuple(asked) == timesteps(backbone, SHORT)
    assert not torch.equal(mixed, whole)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(SHORT, sampler="ddim"), "wanted 'dpmsolver\\+\\+2m'"),
        (replace(SHORT, steps=0), "steps is 0, wanted a number from 1 to 1000"),
        (replace(SHORT, guidance=float("nan")), "guidance is nan"),
        (replace(SHORT, resolution=40), "multiple of 32 pixels. .* trained at 32"),
    ],
)
def test_what_cannot_be_sampled_is_told(backbone: Backbone, wrong: Sampling, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        solver(backbone, wrong)


# --- latents -------------------------------------------------------------------------------------


def pixels() -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_latents_are_those_of_the_autoencoder_times_its_factor(backbone: Backbone) -> None:
    factor = backbone.vae.config.scaling_factor
    with torch.inference_mode():
        encoded = encode(backbone.vae, pixels())
        theirs = backbone.vae.encode(pixels() * 2 - 1)
        noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        if hasattr(theirs, "latents"):
            assert encoded.logvar is None
            assert torch.allclose(encoded.draw(noise), theirs.latents * factor, atol=1e-6)
        else:
            one = theirs.latent_dist
            assert torch.allclose(encoded.mean, one.mean * factor, atol=1e-6)
            wanted = (one.mean + one.std * noise) * factor
            assert torch.allclose(encoded.draw(noise), wanted, atol=1e-6)


def test_a_shift_is_taken_off_before_the_factor(backbone: Backbone) -> None:
    plain = encode(backbone.vae, pixels()).mean
    before = backbone.vae.config.get("shift_factor")
    backbone.vae.register_to_config(shift_factor=0.25)
    try:
        moved = encode(backbone.vae, pixels()).mean
        factor = backbone.vae.config.scaling_factor
        assert torch.allclose(moved, plain - 0.25 * factor, atol=1e-6)
        back = decode(backbone.vae, moved)
    finally:
        backbone.vae.register_to_config(shift_factor=before)
    assert torch.allclose(back, decode(backbone.vae, plain), atol=1e-5)


def test_pictures_survive_the_way_to_pixels_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    image = Image.fromarray(levels)
    made = to_pixels([image], 16)
    assert made.shape == (1, 3, 16, 16)
    assert (float(made.min()), float(made.max())) == (0.0, 1.0)
    assert np.array_equal(np.asarray(to_images(made)[0]), levels)


def test_pictures_are_resized_whole_and_transparency_is_white() -> None:
    wide = Image.new("RGBA", (64, 16), (255, 0, 0, 0))
    made = to_pixels([wide, Image.new("L", (5, 9), 128)], 8)
    assert made.shape == (2, 3, 8, 8)
    assert float(made[0].min()) == 1.0
    assert torch.allclose(made[1], torch.tensor(128 / 255))


def test_a_gpu_in_16_bits_multiplies_fast_in_float32_and_exactly_where_asked(
    backbone: Backbone,
) -> None:
    cuda: Any = torch.backends.cuda
    switches = (cuda.matmul.fp32_precision, torch.get_float32_matmul_precision())
    on_gpu = replace(backbone, device=torch.device("cuda"), dtype=torch.bfloat16)
    with swift_products(on_gpu):
        assert cuda.matmul.fp32_precision == "tf32"
        with exact(torch.device("cpu")):
            assert cuda.matmul.fp32_precision == "ieee"
        assert cuda.matmul.fp32_precision == "tf32"
        assert cuda.matmul.allow_tf32, "torch refuses to multiply when its two switches disagree"
    assert (cuda.matmul.fp32_precision, torch.get_float32_matmul_precision()) == switches
    for other in (backbone, replace(on_gpu, dtype=torch.float32)):
        assert text_products(other) == "float32"
        with swift_products(other):
            assert cuda.matmul.fp32_precision == switches[0]
