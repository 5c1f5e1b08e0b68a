"""Features in; what each fact is out: one linear layer a fact, for networks that learn from facts.

InfoNCE and self-distillation find places within minutes and classes, colours and actions within
hours. These layers ask for all of them at once; they are dropped when the training is over.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from builders.sources.miniature.training.data import FACTS, fact_values


class Answers(nn.Module):
    """A linear layer for each of some facts."""

    def __init__(self, width: int, facts: Sequence[str] = FACTS) -> None:
        """Read features of `width`."""
        super().__init__()
        values = fact_values()
        self.layers = nn.ModuleDict(
            {f"to_{fact}": nn.Linear(width, len(values[fact])) for fact in facts}
        )
        self.facts = tuple(facts)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """(B, width) to (B, values) logits, float32, by fact."""
        wide = features.float()
        with torch.autocast(wide.device.type, enabled=False):
            return {fact: self.layers[f"to_{fact}"](wide) for fact in self.facts}

    def loss(self, features: Tensor, facts: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy over facts.

        Args:
            features: (B, width).
            facts: (B, 9) int64, see `FACTS`; -1 where a fact is not asked for.
            smoothing: of the labels.
        """
        losses = []
        for fact, logits in self(features).items():
            column = facts[:, FACTS.index(fact)]
            asked = (column >= 0).sum().clamp(min=1)
            total = functional.cross_entropy(
                logits, column, ignore_index=-1, reduction="sum", label_smoothing=smoothing
            )
            losses.append(total / asked)
        return torch.stack(losses).mean()

    def right(self, features: Tensor, facts: NDArray[np.int16]) -> dict[str, float]:
        """The share of right answers, by fact."""
        wanted = torch.from_numpy(facts.astype(np.int64)).to(features.device)
        return {
            fact: float((logits.argmax(1) == wanted[:, FACTS.index(fact)]).float().mean())
            for fact, logits in self(features).items()
        }
