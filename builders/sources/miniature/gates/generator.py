"""A trained pipeline in; what it draws from class words, and how far that is from the world, out.

The pictures are drawn by the stock `StableDiffusionPipeline` from the exported folder: what is
judged is what a user gets. The judge is a classifier trained apart from CLIP and DINO.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import sqrtm

from builders.sources.miniature.captions import PLACE_WORDS
from builders.sources.miniature.facts import ACTIONS, CLASSES, PLACES
from builders.sources.miniature.gates.gate import Gate
from builders.sources.miniature.identities import BRIGHT, FUR, FURRED
from builders.sources.miniature.training.data import fact_values
from builders.sources.miniature.training.generator import GUIDANCE

Pictures = NDArray[np.uint8]
"""(N, S, S, 3), sRGB."""
Classify = Callable[[Pictures], dict[str, NDArray[np.int64]]]
"""Each picture's facts, as numbers of `fact_values`."""
Features = Callable[[Pictures], NDArray[np.float64]]
"""(N, D) features for the Fréchet distance."""

STEPS = 25
BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A prompt and what a picture of it has to show."""

    prompt: str
    facts: dict[str, str]


def class_prompts(rng: random.Random, count: int) -> list[Asked]:
    """Plain prompts of every class in turn, at every place in turn; half of them name a colour."""
    asked = []
    for number in range(count):
        noun = CLASSES[number % len(CLASSES)]
        place = PLACES[(number // len(CLASSES) + number) % len(PLACES)]
        facts = {"class": noun, "place": place}
        words = noun
        if number % 2 == (number // len(CLASSES)) % 2:
            colour = rng.choice(FUR if noun in FURRED else BRIGHT)
            facts["main"], words = colour, f"{colour} {noun}"
        article = "An" if words[0] in "aeiou" else "A"
        action = ACTIONS[noun][0]
        asked.append(
            Asked(prompt=f"{article} {words} is {action} {PLACE_WORDS[place][0]}.", facts=facts)
        )
    return asked


def draw(
    folder: Path, prompts: Sequence[str], *, seed: int = 0, guidance: float = GUIDANCE
) -> Pictures:
    """Draw one picture a prompt with the stock pipeline, DPM-Solver++ and its own guidance."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=torch.float32, local_files_only=True
    )
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.set_default_attn_processor()
    made = []
    for start in range(0, len(prompts), BATCH):
        part = list(prompts[start : start + BATCH])
        generators = [torch.Generator().manual_seed(seed + start + row) for row in range(len(part))]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            made.append(
                pipeline(
                    part,
                    num_inference_steps=STEPS,
                    guidance_scale=guidance,
                    generator=generators,
                    output_type="np",
                ).images
            )
    found: Pictures = (np.concatenate(made) * 255).round().astype(np.uint8)
    return found


def generator_gates(
    folder: Path,
    classify: Classify,
    features: Features,
    real: Pictures,
    reconstructed: Pictures,
    *,
    count: int = 560,
) -> list[Gate]:
    """Judge pictures of plain prompts.

    Args:
        folder: the exported pipeline.
        classify: the judge's answers.
        features: what the judge sees, before its answers.
        real: renders of held-out scenes.
        reconstructed: other held-out renders through the autoencoder and back.
        count: pictures to draw; 560 is twice every class at every place.
    """
    asked = class_prompts(random.Random("class prompts"), count)
    made = draw(folder, [one.prompt for one in asked])
    said = classify(made)
    gates = []
    for fact, wanted in (("class", 0.90), ("place", 0.95), ("main", 0.85)):
        names = fact_values()[fact]
        rows = [row for row, one in enumerate(asked) if fact in one.facts]
        right = [names[said[fact][row]] == asked[row].facts[fact] for row in rows]
        gates.append(
            Gate(
                name=f"generator: {'colour' if fact == 'main' else fact} as asked, of {len(rows)}",
                value=float(np.mean(right)),
                wanted=wanted,
                control=1 / len(names),
                note="control: chance",
            )
        )
    of_real = features(real)
    drawn, through = (
        frechet_distance(features(pictures), of_real) for pictures in (made, reconstructed)
    )
    gates.append(
        Gate(
            name="generator: Fréchet distance to held-out renders, judge's features",
            value=drawn,
            wanted=through,
            at_least=False,
            control=frechet_distance(features(_noise(len(made), made.shape[1])), of_real),
            note="wanted: the distance of the autoencoder's reconstructions; control: noise",
        )
    )
    return gates


def frechet_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Heusel et al., NeurIPS 2017, equation 6, of two sets of features (N, D)."""
    difference = a.mean(0) - b.mean(0)
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(one @ two).real
    return float(difference @ difference + np.trace(one + two - 2 * root))


def sheet(folder: Path, path: Path, *, scale: int = 2) -> None:
    """Draw every class at four places, one row a class, and save the picture."""
    places = ("beach", "forest", "street", "living room")
    prompts = [
        f"{'An' if noun[0] in 'aeiou' else 'A'} {noun} is {ACTIONS[noun][0]} "
        f"{PLACE_WORDS[place][0]}."
        for noun in CLASSES
        for place in places
    ]
    made = draw(folder, prompts, seed=1000)
    size = made.shape[1] * scale
    board = Image.new("RGB", (2 * len(places) * size, len(CLASSES) // 2 * size))
    half = len(CLASSES) // 2
    for number, picture in enumerate(made):
        row, column = divmod(number, len(places))
        left = (column + len(places) * (row // half)) * size
        drawn = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC)
        board.paste(drawn, (left, row % half * size))
    board.save(path)


def _noise(count: int, size: int) -> Pictures:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
