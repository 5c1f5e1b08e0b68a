"""Trained networks in, of a work folder or else of the package; their gates out.

Every network is measured through the folder that the wheel carries, as users open it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table

from builders.sources.miniature.export import weights_of
from builders.sources.miniature.export_scorers import trained_judge
from builders.sources.miniature.gates.clip import clip_gates
from builders.sources.miniature.gates.dino import dino_gates
from builders.sources.miniature.gates.gate import Gate
from builders.sources.miniature.gates.generator import generator_gates
from builders.sources.miniature.gates.judge import judge_gates
from builders.sources.miniature.gates.vae import vae_gates
from builders.sources.miniature.training.loop import Log
from builders.sources.miniature.training.stages import (
    Place,
    miniature_tokenizer,
    trained_vae,
    unseen_combinations,
    unseen_scenes,
    unseen_subjects,
)
from builders.sources.miniature.training.vae import reconstructed
from pdst.encoders import load_clip, load_dino

NAME = "gates.json"


def of_vae(work: Path, log: Log) -> list[Gate]:
    """Of the autoencoder."""
    return vae_gates(trained_vae(work), unseen_scenes(Place(work=work, log=log)))


def of_clip(work: Path, log: Log) -> list[Gate]:
    """Of CLIP."""
    encoder = load_clip(str(weights_of("clip", work)))
    return clip_gates(
        encoder, miniature_tokenizer(work), unseen_combinations(Place(work=work, log=log))
    )


def of_dino(work: Path, log: Log) -> list[Gate]:
    """Of DINO."""
    encoder = load_dino(str(weights_of("dino", work)))
    return dino_gates(encoder, unseen_subjects(Place(work=work, log=log)))


def of_judge(work: Path, log: Log) -> list[Gate]:
    """Of the judge, whose errors bound what it can say of a generator."""
    return judge_gates(
        trained_judge(weights_of("judge", work)), unseen_combinations(Place(work=work, log=log))
    )


def of_generator(work: Path, log: Log) -> list[Gate]:
    """Of the generator. Draws 560 pictures."""
    folder = weights_of("generator", work)
    judge, images = (
        trained_judge(weights_of("judge", work)),
        unseen_scenes(Place(work=work, log=log)).images,
    )
    through = reconstructed(trained_vae(work), images[500:])
    return generator_gates(folder, judge.classify, judge.features, images[:500], through)


GATES: dict[str, Callable[[Path, Log], list[Gate]]] = {
    "vae": of_vae,
    "clip": of_clip,
    "dino": of_dino,
    "judge": of_judge,
    "generator": of_generator,
}
"""By stage."""


def measure(work: Path, stages: Sequence[str], log: Log) -> list[Gate]:
    """Measure the gates of some stages and keep them in `gates.json`, beside those of the others.

    Args:
        work: of the trainings.
        stages: names of `GATES`.
        log: is told what happens.
    """
    path = work / NAME
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    measured = []
    for stage in stages:
        log(f"{stage}: measuring")
        gates = GATES[stage](work, log)
        measured += gates
        kept[stage] = [gate.to_json() for gate in gates]
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return measured


def table(gates: Sequence[Gate]) -> Table:
    """The gates for a reader."""
    made = Table("gate", "measured", "wanted", "control", "", "note")
    for gate in gates:
        sign = "≥" if gate.at_least else "≤"
        control = "" if gate.control is None else f"{gate.control:.3f}"
        met = "met" if gate.met else "missed"
        made.add_row(
            gate.name, f"{gate.value:.3f}", f"{sign} {gate.wanted:.2f}", control, met, gate.note
        )
    return made
