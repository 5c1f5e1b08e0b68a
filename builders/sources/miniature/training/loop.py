"""A stage in; trained weights out: one loop for all stages, resumable at any step.

What a step sees follows from its number alone, so that a killed and resumed training continues its
curve bit for bit. Nothing is pickled: a checkpoint is one safetensors file.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from builders.sources.miniature.training.team import ALONE, Team

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How to train.

    Attributes:
        steps: in all. More steps can be asked of a finished training: it goes on from its last
            checkpoint before the cool-down.
        rate: of AdamW, after the warm-up.
        warm_up: steps from zero to the rate.
        cool_down: the share of all steps, at the end, in which the rate falls to zero.
        average: decay of the running average of weights that is kept in the end.
        clip: largest norm of the gradient.
        decay: weight decay.
    """

    steps: int
    rate: float
    warm_up: int = 100
    cool_down: float = 0.2
    average: float = 0.999
    clip: float = 1.0
    decay: float = 0.01

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0: up, level, and down along a cosine."""
        begin = self.steps * (1 - self.cool_down)
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        if step <= begin:
            return self.rate
        gone = (step - begin) / max(1.0, self.steps - begin)
        return self.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, gone)))


class Stage(Protocol):
    """What one training is about."""

    name: str
    modules: nn.ModuleDict
    """Everything that learns."""

    def loss(self, step: int, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss of a step and what to log of it."""
        ...

    def after(self, step: int) -> None:
        """Called after the weights moved, for teachers that follow."""
        ...

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Measures on held-out scenes, for the curve."""
        ...


def train(
    stage: Stage,
    schedule: Schedule,
    folder: Path,
    *,
    seed: int = 0,
    save_every: float = 240.0,
    evaluate_every: int = 500,
    log: Log = print,
    team: Team = ALONE,
) -> nn.ModuleDict:
    """Train a stage, from its checkpoint if there is one, and return the averaged weights.

    Args:
        stage: what to train; its modules are trained in place.
        schedule: how.
        folder: of `checkpoint.safetensors` and `curve.jsonl`.
        seed: of the steps' random numbers.
        save_every: seconds between checkpoints.
        evaluate_every: steps between measures on the average.
        log: is told what happens.
        team: the workers that train it together, each with batches of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        stage.modules.parameters(),
        lr=schedule.rate,
        weight_decay=schedule.decay,
        betas=(0.9, 0.99),
        fused=True,
    )
    averaged = {name: tensor.detach().clone() for name, tensor in _state(stage.modules).items()}
    checkpoint = _checkpoint(folder, team)
    step = _resume(checkpoint, stage, optimizer, averaged)
    if step and team.rank == 0:
        log(f"{stage.name}: goes on from step {step}")
    before_cool_down = math.floor(schedule.steps * (1 - schedule.cool_down))
    saved = begun = time.monotonic()
    sums: dict[str, float] = {}
    since = 0
    while step < schedule.steps:
        rng = torch.Generator().manual_seed(
            1_000_003 * (seed + 1) + 7_919_000_027 * team.rank + step
        )
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        loss, told = stage.loss(step, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's annotation
        norm = nn.utils.clip_grad_norm_(stage.modules.parameters(), schedule.clip)
        if torch.isfinite(norm):
            optimizer.step()
        step += 1
        agreeing = team.agrees_at(step) or step == schedule.steps
        if agreeing:
            team.agree(stage.modules)
        stage.after(step)
        decay = min(schedule.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, tensor in _state(stage.modules).items():
                if tensor.is_floating_point():
                    averaged[name].lerp_(tensor, 1 - decay)
                else:
                    averaged[name].copy_(tensor)
        since += 1
        for name, value in {"loss": float(loss.detach()), **told}.items():
            sums[name] = sums.get(name, 0.0) + value
        last = step == schedule.steps
        if team.rank == 0 and (step % evaluate_every == 0 or last):
            means = {name: value / since for name, value in sums.items()}
            row = {"step": step, "seconds": round(time.monotonic() - begun, 1), **means}
            with _Averaged(stage.modules, averaged), torch.inference_mode():
                row.update(stage.evaluate(stage.modules))
            sums, since = {}, 0
            with (folder / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps(row) + "\n")
            log(f"{stage.name}: " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
        due = agreeing and team.decides(time.monotonic() - saved > save_every)
        if due or last or step == before_cool_down:
            _save(checkpoint, stage, optimizer, averaged, step, schedule)
            if step == before_cool_down:
                level = checkpoint.with_name(f"before-cool-down{checkpoint.stem[10:]}.safetensors")
                _save(level, stage, optimizer, averaged, step, schedule)
            saved = time.monotonic()
    stage.modules.load_state_dict(averaged)
    return stage.modules.eval()


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of the last checkpoint, by name of `stage.modules`."""
    with safe_open(folder / "checkpoint.safetensors", "pt") as kept:
        names = [name for name in kept.keys() if name.startswith("average/")]  # noqa: SIM118
        return {name.removeprefix("average/"): kept.get_tensor(name) for name in names}


class _Averaged:
    """The averaged weights stand in for the learning ones inside a with block."""

    def __init__(self, modules: nn.ModuleDict, averaged: dict[str, Tensor]) -> None:
        self.modules, self.averaged = modules, averaged

    def __enter__(self) -> None:
        self.own = {name: tensor.clone() for name, tensor in _state(self.modules).items()}
        self.modules.load_state_dict(self.averaged)
        self.modules.eval()

    def __exit__(self, *_: object) -> None:
        self.modules.load_state_dict(self.own)
        self.modules.train()


def _state(modules: nn.ModuleDict) -> dict[str, Tensor]:
    return modules.state_dict()


def _save(
    path: Path,
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    averaged: dict[str, Tensor],
    step: int,
    schedule: Schedule,
) -> None:
    tensors = {f"weights/{name}": value for name, value in _state(stage.modules).items()}
    tensors |= {f"average/{name}": value for name, value in averaged.items()}
    for number, parameter in enumerate(stage.modules.parameters()):
        for name, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{number}/{name}"] = torch.as_tensor(value)
    temporary = path.with_suffix(".tmp")
    facts = {"step": str(step), "schedule": json.dumps(asdict(schedule))}
    save_file({name: t.contiguous().clone() for name, t in tensors.items()}, temporary, facts)
    temporary.replace(path)


def _checkpoint(folder: Path, team: Team) -> Path:
    """A worker's own; the first one's is the training's."""
    return folder / (
        f"checkpoint-{team.rank}.safetensors" if team.rank else "checkpoint.safetensors"
    )


def _resume(
    path: Path,
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    averaged: dict[str, Tensor],
) -> int:
    if not path.exists():
        return 0
    with safe_open(path, "pt") as kept:
        step = int(kept.metadata()["step"])
        tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
    stage.modules.load_state_dict(
        {n.removeprefix("weights/"): t for n, t in tensors.items() if n.startswith("weights/")}
    )
    for name, tensor in averaged.items():
        tensor.copy_(tensors[f"average/{name}"])
    for number, parameter in enumerate(stage.modules.parameters()):
        prefix = f"optimizer/{number}/"
        found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        if found:
            optimizer.state[parameter] = found
    return step
