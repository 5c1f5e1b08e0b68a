"""Scenes in; a small convolutional classifier of their facts out, apart from CLIP and DINO.

It judges what a generator drew, so it learns from other scenes than the scorers do, and from
pictures as soft and noisy as a generator may draw them.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from builders.sources.miniature.training.answers import Answers
from builders.sources.miniature.training.data import Drawn, whole_numbers, without_surroundings
from builders.sources.miniature.training.stage import Batch, device_of
from builders.sources.miniature.training.views import (
    mirrored,
    normalized,
    on_plain,
    shifted,
    softened,
)

PLAIN = 4
"""One picture of so many is on a plain ground."""
WIDTHS = (32, 64, 128, 256)
"""Channels at 32, 16, 8 and 4 pixels a side."""


class Block(nn.Module):
    """Two convolutions, normalized, and a way around them."""

    def __init__(self, before: int, after: int) -> None:
        """Halve the side and change the channels, unless they stay."""
        super().__init__()
        stride = 1 if before == after else 2
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.around = nn.Conv2d(before, after, 1, bias=False) if stride == 2 else None

    def forward(self, values: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H', W')."""
        found = functional.relu(self.first_norm(self.first(values)))
        found = self.second_norm(self.second(found))
        if self.around is not None:
            values = self.around(functional.avg_pool2d(values, 2))
        return functional.relu(found + values)


class Judge(nn.Module):
    """A residual network of 1.4 million weights."""

    def __init__(self, seed: int = 0) -> None:
        """Untrained."""
        super().__init__()
        torch.manual_seed(seed)
        self.stem = nn.Conv2d(3, WIDTHS[0], 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(WIDTHS[0])
        blocks: list[nn.Module] = [Block(WIDTHS[0], WIDTHS[0])]
        for before, after in pairwise(WIDTHS):
            blocks.append(Block(before, after))
        self.blocks = nn.Sequential(*blocks)
        # Means keep what is there, maxima what is small; both are asked.
        self.answers = Answers(2 * WIDTHS[-1])

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [-1, 1] to (B, 512) features."""
        values = self.blocks(functional.relu(self.stem_norm(self.stem(pixels))))
        return torch.cat([values.mean((2, 3)), values.amax((2, 3))], 1)

    @torch.inference_mode()
    def classify(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
        """(N, 64, 64, 3) uint8 to each picture's facts, as numbers of `fact_values`."""
        features = torch.from_numpy(self.features(images)).float().to(device_of(self))
        found = self.answers(features)
        return {fact: logits.argmax(1).cpu().numpy() for fact, logits in found.items()}

    @torch.inference_mode()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(N, 64, 64, 3) uint8 to (N, 512), float32 arithmetic."""
        device = device_of(self)
        parts = [
            self(normalized(images[start : start + 100]).to(device))
            for start in range(0, len(images), 100)
        ]
        return torch.cat(parts).double().cpu().numpy()


class JudgeStage:
    """Cross-entropy of all facts."""

    name = "judge"

    def __init__(self, drawn: Drawn, held_out: Drawn, *, batch: int = 128, seed: int = 0) -> None:
        """Train on `drawn`, so many scenes a step; the curve is of `held_out`."""
        self.drawn, self.held_out = drawn, held_out
        self.size, self.plain = batch, batch // PLAIN
        self.modules = nn.ModuleDict({"judge": Judge(seed)})

    def batch(self, step: int, rng: torch.Generator) -> Batch:
        """Scenes, some subjects alone, all shifted, mirrored and softened."""
        rows = torch.randint(len(self.drawn), (self.size,), generator=rng).numpy()
        pixels = normalized(self.drawn.images[rows])
        pixels = on_plain(pixels, self.drawn.masks[rows], rng, self.plain)
        facts = without_surroundings(self.drawn.facts[rows], self.plain)
        return {
            "pixels": softened(mirrored(shifted(pixels, rng), rng), rng),
            "facts": whole_numbers(facts),
        }

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of all facts that a picture shows."""
        judge: Any = self.modules["judge"]
        with torch.autocast(batch["pixels"].device.type, torch.bfloat16):
            features = judge(batch["pixels"])
        return judge.answers.loss(features, batch["facts"], smoothing=0.05), {}

    def after(self, step: int) -> None:
        """Nothing follows."""

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """The share of right answers on held-out scenes, by fact."""
        judge: Any = modules["judge"]
        features = torch.from_numpy(judge.features(self.held_out.images)).float()
        features = features.to(device_of(judge))
        found: dict[str, float] = judge.answers.right(features, self.held_out.facts)
        return found
