"""A stage's name and a work folder in; trained weights in that folder out.

The order is vae, generator, clip, dino, judge; only the generator needs another stage before it.
"""

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from transformers import CLIPTokenizer

from builders.sources.miniature.identities import is_held_out_scene
from builders.sources.miniature.training.clip import ClipStage
from builders.sources.miniature.training.data import (
    FACTS,
    Drawn,
    chosen,
    drawn_scenes,
    fact_values,
)
from builders.sources.miniature.training.dino import DinoStage
from builders.sources.miniature.training.generator import GeneratorStage, captioned
from builders.sources.miniature.training.judge import JudgeStage
from builders.sources.miniature.training.loop import Log, Schedule, train
from builders.sources.miniature.training.team import ALONE, Team
from builders.sources.miniature.training.vae import VaeStage, mean_and_std
from builders.sources.miniature.training.words import real_captions, write_tokenizer
from pdst.errors import PdstError
from pdst.miniature import GENERATOR

SCENES = 60_000
"""Of the generator's pool, for the autoencoder and the generator."""
SUBJECT_SCENES, VIEWS = 45_000, 3
"""Of the scorers' pool, for CLIP and DINO, and how many show the same subject."""
JUDGED_SCENES = 20_000
"""Of the scorers' pool, for the judge: other scenes than CLIP and DINO learn from."""

SCHEDULES = {
    "vae": Schedule(steps=9_000, rate=2e-3, cool_down=0.5, average=0.998, decay=0.0),
    "generator": Schedule(steps=13_000, rate=1e-3, cool_down=0.25, average=0.998),
    "clip": Schedule(steps=6_000, rate=2e-3, cool_down=0.5, average=0.995, decay=0.02),
    "dino": Schedule(steps=4_000, rate=1e-3, cool_down=0.5, average=0.995, decay=0.02),
    "judge": Schedule(steps=2_000, rate=3e-3, cool_down=0.7, average=0.98, decay=0.02),
}


def train_vae(work: Path, schedule: Schedule, log: Log, team: Team = ALONE) -> None:
    """Train the autoencoder, and write it with its scaling factor into `vae/model`."""
    learned, held_out = generator_scenes(work, log), unseen_scenes(work, log)
    modules = train(VaeStage(learned, held_out), schedule, work / "vae", log=log, team=team)
    vae: Any = modules["vae"]
    with torch.inference_mode():
        mean, std = mean_and_std(vae, learned.images[:1024])
    log(f"vae: latents per channel: means {mean.tolist()}, deviations {std.tolist()}")
    vae.register_to_config(scaling_factor=round(float(1 / std.square().mean().sqrt()), 4))
    vae.save_pretrained(work / "vae" / "model")


def train_generator(work: Path, schedule: Schedule, log: Log, team: Team = ALONE) -> None:
    """Train text encoder and UNet on the trained autoencoder's latents."""
    vae = trained_vae(work)
    tokenizer = miniature_tokenizer(work)
    learned = captioned(generator_scenes(work, log), vae, tokenizer, work / "generator" / "latents")
    held_out = captioned(unseen_scenes(work, log), vae, tokenizer)
    stage = GeneratorStage(learned, held_out, tokenizer)
    train(stage, schedule, work / "generator", log=log, team=team)


def train_clip(work: Path, schedule: Schedule, log: Log, team: Team = ALONE) -> None:
    """Train CLIP's two towers."""
    learned, held_out = subject_scenes(work, log), unseen_scenes(work, log)
    train(
        ClipStage(learned, held_out, miniature_tokenizer(work)),
        schedule,
        work / "clip",
        log=log,
        team=team,
    )


def train_dino(work: Path, schedule: Schedule, log: Log, team: Team = ALONE) -> None:
    """Train DINO on several scenes of each subject."""
    learned, held_out = subject_scenes(work, log), unseen_subjects(work, log)
    stage = DinoStage(learned, held_out, pool="scorers", drawn_seed=1)
    train(stage, schedule, work / "dino", log=log, team=team)


def train_judge(work: Path, schedule: Schedule, log: Log, team: Team = ALONE) -> None:
    """Train the classifier that judges what the generator draws."""
    learned, held_out = judged_scenes(work, log), unseen_scenes(work, log)
    train(JudgeStage(learned, held_out), schedule, work / "judge", log=log, team=team)


def trained_vae(work: Path) -> AutoencoderTiny:
    """The autoencoder of the work folder, or else the one that the package carries.

    Raises:
        PdstError: if there is neither.
    """
    for folder in (work / "vae" / "model", GENERATOR / "vae"):
        if (folder / "config.json").exists():
            vae: AutoencoderTiny = AutoencoderTiny.from_pretrained(folder).eval()
            return vae
    raise PdstError(
        f"No trained autoencoder in {work / 'vae' / 'model'} nor in the package. "
        "Run: python -m builders miniature train vae"
    )


def miniature_tokenizer(work: Path) -> CLIPTokenizer:
    """The tokenizer; the first time the package's is copied into `tokenizer/`, or one is made."""
    folder = work / "tokenizer"
    if not (folder / "vocab.json").exists():
        if (GENERATOR / "tokenizer" / "vocab.json").exists():
            shutil.copytree(GENERATOR / "tokenizer", folder, dirs_exist_ok=True)
        else:
            write_tokenizer(folder, real_captions())
    return CLIPTokenizer.from_pretrained(folder)


def generator_scenes(work: Path, log: Log) -> Drawn:
    """What the autoencoder and the generator learn from."""
    return drawn_scenes(work / "scenes", pool="generator", seed=0, count=SCENES, progress=log)


def subject_scenes(work: Path, log: Log) -> Drawn:
    """What CLIP and DINO learn from."""
    return drawn_scenes(
        work / "scenes", pool="scorers", seed=1, count=SUBJECT_SCENES, views=VIEWS, progress=log
    )


def judged_scenes(work: Path, log: Log) -> Drawn:
    """What the judge learns from."""
    return drawn_scenes(work / "scenes", pool="scorers", seed=2, count=JUDGED_SCENES, progress=log)


def unseen_subjects(work: Path, log: Log) -> Drawn:
    """200 identities of nobody's training, five scenes each: who is who."""
    return drawn_scenes(
        work / "scenes",
        pool="held out",
        seed=1,
        count=1000,
        views=5,
        held_out=None,
        progress=log,
    )


def unseen_combinations(work: Path, log: Log) -> Drawn:
    """Identities of nobody's training where and how no training shows their colour: some 450."""
    drawn = drawn_scenes(
        work / "scenes", pool="held out", seed=2, count=6000, held_out=None, progress=log
    )
    values = fact_values()
    at = [(fact, FACTS.index(fact)) for fact in ("main", "place", "action")]
    new = [is_held_out_scene(*(values[fact][row[n]] for fact, n in at)) for row in drawn.facts]
    return chosen(drawn, np.flatnonzero(new))


def unseen_scenes(work: Path, log: Log) -> Drawn:
    """What all are judged on: identities of nobody's training."""
    return drawn_scenes(work / "scenes", pool="held out", seed=0, count=1000, progress=log)


STAGES: dict[str, Callable[[Path, Schedule, Log, Team], None]] = {
    "vae": train_vae,
    "generator": train_generator,
    "clip": train_clip,
    "dino": train_dino,
    "judge": train_judge,
}


def train_stage(team: Team, name: str, work: Path) -> None:
    """One worker's part of a stage, as its schedule says."""
    STAGES[name](work, SCHEDULES[name], partial(print, file=sys.stderr, flush=True), team)
