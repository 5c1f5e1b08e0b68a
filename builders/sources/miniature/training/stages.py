"""A stage's name and a work folder in; trained weights in that folder out.

The order is vae, generator, clip, dino, judge; only the generator needs another stage before it.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import nn
from transformers import CLIPTokenizer

from builders.sources.miniature.identities import Pool, is_held_out_scene
from builders.sources.miniature.training.clip import ClipStage
from builders.sources.miniature.training.data import (
    FACTS,
    Drawn,
    chosen,
    drawn_scenes,
    fact_values,
)
from builders.sources.miniature.training.dino import DinoStage
from builders.sources.miniature.training.generator import (
    GeneratorStage,
    captioned,
    with_fused_attention,
)
from builders.sources.miniature.training.judge import JudgeStage
from builders.sources.miniature.training.loop import Log, Schedule, train
from builders.sources.miniature.training.stage import Stage
from builders.sources.miniature.training.team import ALONE, Team
from builders.sources.miniature.training.vae import VaeStage, mean_and_std
from builders.sources.miniature.training.words import real_captions, write_tokenizer
from pdst.errors import PdstError
from pdst.miniature import GENERATOR

SCENES = 120_000
"""Of the generator's pool, for the autoencoder and the generator."""
SUBJECT_SCENES, VIEWS = 90_000, 3
"""Of the scorers' pool, for CLIP and DINO, and how many show the same subject."""
JUDGED_SCENES = 40_000
"""Of the scorers' pool, for the judge: other scenes than CLIP and DINO learn from."""

SCHEDULES = {
    "vae": Schedule(steps=9_000, batch=8, rate=2e-3, cool_down=0.5, average=0.998, decay=0.0),
    "generator": Schedule(steps=13_000, batch=24, rate=1e-3, cool_down=0.25, average=0.998),
    "clip": Schedule(steps=6_000, batch=128, rate=2e-3, cool_down=0.5, average=0.995, decay=0.02),
    "dino": Schedule(steps=4_000, batch=64, rate=1e-3, cool_down=0.5, average=0.995, decay=0.02),
    "judge": Schedule(steps=2_000, batch=128, rate=3e-3, cool_down=0.7, average=0.98, decay=0.02),
}
"""For CPUs."""
GPU_SCHEDULES = SCHEDULES | {
    "generator": Schedule(steps=16_000, batch=512, rate=1e-3, cool_down=0.6, average=0.998),
    "clip": Schedule(steps=4_200, batch=512, rate=2e-3, cool_down=0.7, average=0.998, decay=0.05),
    "dino": Schedule(steps=3_600, batch=256, rate=1e-3, cool_down=0.7, average=0.998, decay=0.05),
    "judge": Schedule(steps=1_300, batch=512, rate=3e-3, cool_down=0.7, average=0.99, decay=0.02),
}
"""For one GPU of an H100's kind: minutes. As many steps as made the package's weights, but for the
generator, whose error still fell: of its 16,000 those have seen a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stage is trained.

    Attributes:
        work: folder of scenes, checkpoints and curves.
        device: as torch names it.
        log: is told what happens.
        team: the workers that train together; on a GPU one.
        processes: how many draw scenes at a time.
    """

    work: Path
    device: str = "cpu"
    log: Log = print
    team: Team = ALONE
    processes: int = 2

    def train(self, stage: Stage, schedule: Schedule) -> nn.ModuleDict:
        """Train it there, with its checkpoint and curve in the folder of its name."""
        return train(
            stage,
            schedule,
            self.work / stage.name,
            log=self.log,
            team=self.team,
            device=self.device,
        )

    def draw(
        self, pool: Pool, seed: int, count: int, views: int = 1, held_out: bool | None = False
    ) -> Drawn:
        """Draw scenes, or open those that were drawn before; see `drawn_scenes`."""
        return drawn_scenes(
            self.work / "scenes",
            pool=pool,
            seed=seed,
            count=count,
            views=views,
            held_out=held_out,
            processes=self.processes,
            progress=self.log,
        )


def train_vae(place: Place, schedule: Schedule) -> None:
    """Train the autoencoder, and write it with its scaling factor into `vae/model`."""
    learned, held_out = generator_scenes(place), unseen_scenes(place)
    modules = place.train(VaeStage(learned, held_out, batch=schedule.batch), schedule)
    vae: Any = modules["vae"]
    with torch.inference_mode():
        mean, std = mean_and_std(vae, learned.images[:1024])
    place.log(f"vae: latents per channel: means {mean.tolist()}, deviations {std.tolist()}")
    vae.register_to_config(scaling_factor=round(float(1 / std.square().mean().sqrt()), 4))
    vae.save_pretrained(place.work / "vae" / "model")


def train_generator(place: Place, schedule: Schedule) -> None:
    """Train text encoder and UNet on the trained autoencoder's latents."""
    vae = trained_vae(place.work)
    vae.to(place.device)
    tokenizer = miniature_tokenizer(place.work)
    cache = place.work / "generator" / "latents"
    learned = captioned(generator_scenes(place), vae, tokenizer, cache)
    held_out = captioned(unseen_scenes(place), vae, tokenizer)
    stage = GeneratorStage(learned, held_out, tokenizer, batch=schedule.batch)
    if place.device != "cpu":
        with_fused_attention(stage.modules)
    place.train(stage, schedule)


def train_clip(place: Place, schedule: Schedule) -> None:
    """Train CLIP's two towers."""
    learned, held_out = subject_scenes(place), unseen_scenes(place)
    tokenizer = miniature_tokenizer(place.work)
    place.train(ClipStage(learned, held_out, tokenizer, batch=schedule.batch), schedule)


def train_dino(place: Place, schedule: Schedule) -> None:
    """Train DINO on several scenes of each subject."""
    learned, held_out = subject_scenes(place), unseen_subjects(place)
    stage = DinoStage(learned, held_out, pool="scorers", drawn_seed=1, batch=schedule.batch)
    place.train(stage, schedule)


def train_judge(place: Place, schedule: Schedule) -> None:
    """Train the classifier that judges what the generator draws."""
    learned, held_out = judged_scenes(place), unseen_scenes(place)
    place.train(JudgeStage(learned, held_out, batch=schedule.batch), schedule)


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


def generator_scenes(place: Place) -> Drawn:
    """What the autoencoder and the generator learn from."""
    return place.draw("generator", 0, SCENES)


def subject_scenes(place: Place) -> Drawn:
    """What CLIP and DINO learn from."""
    return place.draw("scorers", 1, SUBJECT_SCENES, VIEWS)


def judged_scenes(place: Place) -> Drawn:
    """What the judge learns from."""
    return place.draw("scorers", 2, JUDGED_SCENES)


def unseen_subjects(place: Place) -> Drawn:
    """200 identities of nobody's training, five scenes each: who is who."""
    return place.draw("held out", 1, 1000, 5, None)


def unseen_combinations(place: Place) -> Drawn:
    """Identities of nobody's training where and how no training shows their colour: some 450."""
    drawn = place.draw("held out", 2, 6000, 1, None)
    values = fact_values()
    at = [(fact, FACTS.index(fact)) for fact in ("main", "place", "action")]
    new = [is_held_out_scene(*(values[fact][row[n]] for fact, n in at)) for row in drawn.facts]
    return chosen(drawn, np.flatnonzero(new))


def unseen_scenes(place: Place) -> Drawn:
    """What all are judged on: identities of nobody's training."""
    return place.draw("held out", 0, 1000)


STAGES: dict[str, Callable[[Place, Schedule], None]] = {
    "vae": train_vae,
    "generator": train_generator,
    "clip": train_clip,
    "dino": train_dino,
    "judge": train_judge,
}


def train_stage(team: Team, name: str, work: Path, device: str = "cpu") -> None:
    """One worker's part of a stage, as its schedule says."""
    log = partial(print, file=sys.stderr, flush=True)
    schedule = (SCHEDULES if device == "cpu" else GPU_SCHEDULES)[name]
    processes = len(os.sched_getaffinity(0))
    STAGES[name](Place(work=work, device=device, log=log, team=team, processes=processes), schedule)
