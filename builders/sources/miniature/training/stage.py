"""What a training is about, and the batches that it learns from."""

from typing import Protocol

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]
"""All that chance decides about a step, by name, each with the examples first; on the CPU."""


class Stage(Protocol):
    """What one training is about."""

    name: str
    modules: nn.ModuleDict
    """Everything that learns, on the device where it does."""

    def batch(self, step: int, rng: torch.Generator) -> Batch:
        """What a step learns from: a function of the step, the same shapes every time."""
        ...

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch and what to log of it, detached.

        It never asks for a value of a tensor: a GPU runs it as one recorded sequence of kernels.
        """
        ...

    def after(self, step: int) -> None:
        """Called after the weights moved, for teachers that follow."""
        ...

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Measures on held-out scenes, for the curve."""
        ...


def device_of(module: nn.Module) -> torch.device:
    """Where a network is."""
    return next(module.parameters()).device
