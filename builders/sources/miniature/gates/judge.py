"""The trained judge in; how often it is right about held-out renders out."""

import numpy as np

from builders.sources.miniature.gates.gate import Gate
from builders.sources.miniature.training.data import FACTS, Drawn
from builders.sources.miniature.training.judge import Judge

WANTED = {"class": 0.95, "place": 0.97, "main": 0.93}


def judge_gates(judge: Judge, held_out: Drawn) -> list[Gate]:
    """Accuracy by fact, beside the share of the commonest value.

    Args:
        judge: trained.
        held_out: scenes of held-out identities.
    """
    said = judge.classify(held_out.images)
    gates = []
    for fact, wanted in WANTED.items():
        true = held_out.facts[:, FACTS.index(fact)]
        gates.append(
            Gate(
                name=f"judge: {'colour' if fact == 'main' else fact}",
                value=float((said[fact] == true).mean()),
                wanted=wanted,
                control=float(np.bincount(true).max() / len(true)),
                note="control: always the commonest answer",
            )
        )
    return gates
