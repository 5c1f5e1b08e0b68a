"""A stage in; trained weights out: one loop for all stages, resumable at any step.

What a step sees follows from its number alone, on every device, so that a killed and resumed
training continues its curve; on a CPU bit for bit. Nothing is pickled: a checkpoint is one
safetensors file.
"""

import json
import math
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from builders.sources.miniature.training.stage import Batch, Stage
from builders.sources.miniature.training.stepping import Stepper, stepper_for
from builders.sources.miniature.training.team import ALONE, Team

Log = Callable[[str], None]

AHEAD = 4
"""Batches made while a GPU computes, each by a thread of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How to train.

    Attributes:
        steps: in all. More steps can be asked of a finished training: it goes on from its last
            checkpoint before the cool-down.
        batch: examples a step, of each worker.
        rate: of AdamW, after the warm-up.
        warm_up: steps from zero to the rate.
        cool_down: the share of all steps, at the end, in which the rate falls to zero.
        average: decay of the running average of weights that is kept in the end.
        clip: largest norm of the gradient.
        decay: weight decay.
    """

    steps: int
    batch: int
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
    device: str = "cpu",
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
        device: where it learns, as torch names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stage.modules.to(device)
    stepper = stepper_for(stage, schedule.rate, schedule.decay, schedule.clip)
    current = stage.modules.state_dict()
    averaged = {name: tensor.clone() for name, tensor in current.items()}
    pairs = [(averaged[name], tensor) for name, tensor in current.items()]
    counts = [pair for pair in pairs if not pair[1].is_floating_point()]
    means_of, moving = zip(*(pair for pair in pairs if pair[1].is_floating_point()), strict=True)
    checkpoint = _checkpoint(folder, team)
    step = _resume(checkpoint, stage, stepper, averaged)
    if step and team.rank == 0:
        log(f"{stage.name}: goes on from step {step}")
    before_cool_down = math.floor(schedule.steps * (1 - schedule.cool_down))
    saved = begun = time.monotonic()
    sums: dict[str, Tensor] = {}
    since = 0
    batches = _batches(stage, step, 1_000_003 * (seed + 1) + 7_919_000_027 * team.rank, device)
    while step < schedule.steps:
        told = stepper.step(next(batches), schedule.rate_at(step))
        step += 1
        last = step == schedule.steps
        agreeing = team.agrees_at(step) or last
        if agreeing:
            team.agree(stage.modules)
        stage.after(step)
        decay = min(schedule.average, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(means_of, moving, 1 - decay)
            for kept, counted in counts:
                kept.copy_(counted)
            since += 1
            for name, value in told.items():
                sums[name] = sums[name] + value if name in sums else value.clone()
        if team.rank == 0 and (step % evaluate_every == 0 or last):
            means = {name: float(value) / since for name, value in sums.items()}
            row = {"step": step, "seconds": round(time.monotonic() - begun, 1), **means}
            with _Averaged(stage.modules, averaged), torch.inference_mode():
                row.update(stage.evaluate(stage.modules))
            sums, since = {}, 0
            with (folder / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps(row) + "\n")
            log(f"{stage.name}: " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
        due = agreeing and team.decides(time.monotonic() - saved > save_every)
        if due or last or step == before_cool_down:
            _save(checkpoint, stage, stepper, averaged, step, schedule)
            if step == before_cool_down:
                level = checkpoint.with_name(f"before-cool-down{checkpoint.stem[10:]}.safetensors")
                _save(level, stage, stepper, averaged, step, schedule)
            saved = time.monotonic()
    batches.close()
    stage.modules.load_state_dict(averaged)
    return stage.modules.eval()


def _batches(stage: Stage, step: int, seed: int, device: str) -> Generator[Batch]:
    """The batches of a step and all after it; made ahead where a GPU would wait for them."""

    def batch(number: int) -> Batch:
        made = stage.batch(number, torch.Generator().manual_seed(seed + number))
        if device == "cpu":
            return made
        return {name: tensor.pin_memory() for name, tensor in made.items()}

    if device == "cpu":
        while True:
            yield batch(step)
            step += 1
    with ThreadPoolExecutor(AHEAD) as workers:
        due: deque[Future[Batch]] = deque()
        try:
            while True:
                while len(due) < AHEAD:
                    due.append(workers.submit(batch, step))
                    step += 1
                yield due.popleft().result()
        finally:
            for future in due:
                future.cancel()


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
        state = self.modules.state_dict()
        self.own = {name: tensor.clone() for name, tensor in state.items()}
        self.modules.load_state_dict(self.averaged)
        self.modules.eval()

    def __exit__(self, *_: object) -> None:
        self.modules.load_state_dict(self.own)
        self.modules.train()


def _save(
    path: Path,
    stage: Stage,
    stepper: Stepper,
    averaged: dict[str, Tensor],
    step: int,
    schedule: Schedule,
) -> None:
    tensors = {f"weights/{name}": value for name, value in stage.modules.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in averaged.items()}
    tensors |= {f"optimizer/{name}": value for name, value in stepper.memory().items()}
    temporary = path.with_suffix(".tmp")
    facts = {"step": str(step), "schedule": json.dumps(asdict(schedule))}
    save_file({name: t.contiguous().clone() for name, t in tensors.items()}, temporary, facts)
    temporary.replace(path)


def _checkpoint(folder: Path, team: Team) -> Path:
    """A worker's own; the first one's is the training's."""
    return folder / (
        f"checkpoint-{team.rank}.safetensors" if team.rank else "checkpoint.safetensors"
    )


def _resume(path: Path, stage: Stage, stepper: Stepper, averaged: dict[str, Tensor]) -> int:
    if not path.exists():
        return 0
    with safe_open(path, "pt") as kept:
        step = int(kept.metadata()["step"])
        tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
    stage.modules.load_state_dict(_under("weights/", tensors))
    for name, tensor in averaged.items():
        tensor.copy_(tensors[f"average/{name}"])
    stepper.remember(_under("optimizer/", tensors))
    return step


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
