"""In: students and a lesson. Out: students that have learned, each in a folder that can be resumed.

One loop for all methods. A student is what one subject's training changes: two vectors, a mapper, a
whole UNet. Several students with frozen networks take their lesson together, in one pass of these;
each has an optimizer, a clock and random numbers of its own, so that what it learns does not depend
on its company.

What a step sees follows from seed, subject and step alone. A killed training that goes on is,
on a CPU, bit for bit the training that was never killed.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pdst.diffusion.interrupts import Wish, held_interrupts
from pdst.digest import Json
from pdst.environment import versions
from pdst.errors import SettingsError, StoreError
from pdst.files import whole_file, write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

STATE, RECORD, LOG = "state.safetensors", "training.json", "log.jsonl"
UNDERTRAINED = 0.05
"""The least drift of learned words: under it they are hardly elsewhere than they began."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How any method trains.

    Attributes:
        steps: of the optimizer.
        batch: examples a pass.
        accumulate: passes a step; the gradient is their mean.
        rate: of AdamW, constant, for the whole batch: nothing is multiplied by batch or devices.
        decay: AdamW's weight decay.
        betas, epsilon: AdamW's.
        clip: largest norm of a student's gradient; None: not clipped.
        seed: of everything random.
        flip: mirror half of the examples, masks alike.
        resolution: pixels a side of the training photos; None: the base model's own.
    """

    steps: int = 3000
    batch: int = 8
    accumulate: int = 1
    rate: float = 2e-3
    decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    clip: float | None = None
    seed: int = 0
    flip: bool = True
    resolution: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name, least in (("steps", 1), ("batch", 1), ("accumulate", 1), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise SettingsError(f"{name} is {value}, wanted at least {least}.")
        if self.clip is not None and not self.clip > 0:
            raise SettingsError(f"clip is {self.clip}, wanted a number above 0, or none.")
        for name in ("decay", "epsilon"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"{name} is {getattr(self, name)}, wanted at least 0.")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise SettingsError(f"betas is {self.betas}, wanted two numbers from 0 to below 1.")
        if not self.rate > 0:
            raise SettingsError(
                f"rate is {self.rate}, wanted a number above 0, often 1e-5 to 1e-2."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One student's loss in one pass.

    Attributes:
        total: a scalar with gradients to the student's parameters and to no other's.
        terms: what it is made of, for the log: numbers, or scalars without gradients.
    """

    total: Tensor
    terms: Mapping[str, Tensor | float]


class Student(Protocol):
    """What one subject's training changes."""

    @property
    def name(self) -> str:
        """The subject's id."""
        ...

    def parameters(self) -> Sequence[nn.Parameter]:
        """All that learns, in a fixed order."""
        ...

    @property
    def least_drift(self) -> float:
        """A drift under this, at the end, marks a checkpoint: it is hardly where it should be."""
        ...

    def drift(self) -> float:
        """How far it is from where it began, relative to that; 0 at the beginning."""
        ...

    def save(self, folder: Path) -> None:
        """Write what it has learned, as users take it home: safetensors."""
        ...


Lesson = Callable[[Sequence[Student], Sequence[int]], Sequence[Loss]]
"""From students and their passes' numbers (step times `accumulate` plus the pass) to losses."""

Watch = Callable[[Student, int], bool]
"""Called with a student and its step; True ends its training early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Something that looks at a student now and then.

    Attributes:
        every: steps.
        look: what looks.
    """

    every: int
    look: Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How to go about it; none of it decides what is learned.

    Attributes:
        save_every: seconds between states that a killed training goes on from.
        log_every: steps.
        keep: steps after which what has been learned is kept in `step-N`, beside the last; 0: what
            it begins with.
        watched: previews, validation.
        tell: is told the step and the terms of each student.
        progress: is told after each step which share of all students' steps is done, in [0, 1].
        notes: what records say besides, for readers.
    """

    save_every: float = 60.0
    log_every: int = 100
    keep: Sequence[int] = ()
    watched: Sequence[Watched] = ()
    tell: Callable[[str, int, Mapping[str, float]], None] = lambda name, step, terms: None
    progress: Callable[[float], None] = lambda share: None
    notes: Mapping[str, Json] = field(default_factory=dict)


def stream(seed: int, *names: str | int) -> torch.Generator:
    """Random numbers that follow from a seed and names alone, on the CPU."""
    text = "/".join(map(str, (seed, *names)))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(number)


def train(
    students: Sequence[Student],
    lesson: Lesson,
    settings: TrainingSettings,
    records: Sequence[Mapping[str, Json]],
    folders: Sequence[Path],
    options: TrainingOptions = TrainingOptions(),
) -> None:
    """Train students together until each has taken all of its steps.

    Args:
        students: in any state; one that a folder knows goes on from there.
        lesson: what a pass is.
        settings: how.
        records: all that decides what each student learns, plain JSON; kept in `training.json`.
        folders: one a student; made.
        options: how often to save and log.

    Raises:
        SettingsError: if a folder holds a training of other settings; names them. If a loss is no
            number any more; the other students' states are saved.
        KeyboardInterrupt: on Ctrl-C, after the step, its state saved.
        StoreError: if a state is damaged.
    """
    enrolled = [
        _Enrolled(student, settings, record, folder, options)
        for student, record, folder in zip(students, records, folders, strict=True)
    ]
    with held_interrupts() as wish:
        _go_on(enrolled, lesson, settings, options, wish)


def _go_on(
    enrolled: "Sequence[_Enrolled]",
    lesson: Lesson,
    settings: TrainingSettings,
    options: TrainingOptions,
    wish: Wish,
) -> None:
    """Step by step, until all have finished or somebody wishes to stop."""
    saved = time.monotonic()
    while active := [one for one in enrolled if not one.finished]:
        for number in range(settings.accumulate):
            passes = [one.step * settings.accumulate + number for one in active]
            losses = lesson([one.student for one in active], passes)
            # Students share no parameter: the gradient of the sum is each one's own.
            total = torch.stack([loss.total for loss in losses]).sum() / settings.accumulate
            total.backward()  # type: ignore[no-untyped-call]  # torch's annotation
            heard = read(losses)
            lost = [
                one
                for one, terms in zip(active, heard, strict=True)
                if not math.isfinite(terms["loss"])
            ]
            if lost:
                for one in active:
                    if one not in lost:
                        one.save_state()
                raise lost[0].diverged()
            for one, terms in zip(active, heard, strict=True):
                one.hear(terms)
        for one in active:
            one.move()
        done = [1.0 if one.finished else one.step / settings.steps for one in enrolled]
        options.progress(sum(done) / len(done))
        if wish.stop or time.monotonic() - saved > options.save_every:
            for one in active:
                one.save_state()
            saved = time.monotonic()
        if wish.stop:
            raise KeyboardInterrupt


class _Enrolled:
    """A student with its optimizer, its clock and its folder."""

    def __init__(
        self,
        student: Student,
        settings: TrainingSettings,
        record: Mapping[str, Json],
        folder: Path,
        options: TrainingOptions,
    ) -> None:
        self.student, self.settings, self.folder, self.options = student, settings, folder, options
        self.parameters = list(student.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=settings.rate,
            betas=settings.betas,
            eps=settings.epsilon,
            weight_decay=settings.decay,
            # On a GPU one launch for all that learns; on a CPU one after the other is as fast.
            foreach=all(parameter.is_cuda for parameter in self.parameters),
        )
        self.step = 0
        self.stopped = False
        self.sums: dict[str, tuple[float, int]] = {}
        self.record: dict[str, Json] = dict(record)
        kept = read_record(folder)
        if kept is not None:
            require_same(kept, self.record, folder)
        if kept is not None and kept.get("finished"):
            self.stopped = True
            return
        self._resume()
        if kept is None:
            write_json(folder / RECORD, {**self.record, "finished": False})
        if self.step == 0 and 0 in options.keep:
            student.save(folder / "step-0")

    @property
    def finished(self) -> bool:
        return self.stopped or self.step >= self.settings.steps

    def diverged(self) -> SettingsError:
        """What is said when its numbers have left the finite ones."""
        return SettingsError(
            f"{self.student.name}: the training diverged by step {self.step + 1}: its loss or its "
            f"weights are no numbers any more. The rate is {self.settings.rate:g}: give a lower "
            f"one, or clip=1, and another folder than {self.folder}."
        )

    def hear(self, terms: Mapping[str, float]) -> None:
        for name, value in terms.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + value, count + 1)

    def move(self) -> None:
        """One step of the optimizer, and all that follows from it."""
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        last = self.step == self.settings.steps
        if self.step % self.options.log_every == 0 or last:
            self._log()
        if self.step in self.options.keep:
            self.student.save(self.folder / f"step-{self.step}")
        for watched in self.options.watched:
            if self.step % watched.every == 0 and watched.look(self.student, self.step):
                last = self.stopped = True
        if last:
            self._finish()

    def save_state(self) -> None:
        """What a killed training goes on from; not needed by a finished one."""
        if self.finished:
            return
        tensors = {f"weights/{n}": p.detach() for n, p in enumerate(self.parameters)}
        for number, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{number}/{name}"] = torch.as_tensor(value)
        facts = {
            "step": str(self.step),
            "sums": json.dumps(self.sums),
        }
        with whole_file(self.folder / STATE) as temporary:
            on_cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
            save_file(on_cpu, temporary, facts)

    def _resume(self) -> None:
        path = self.folder / STATE
        if not path.exists():
            (self.folder / LOG).unlink(missing_ok=True)
            return
        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"{path} cannot be read ({error}). Delete it to train {self.student.name} anew."
            ) from error
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters):
                parameter.copy_(tensors[f"weights/{number}"])
                prefix = f"optimizer/{number}/"
                state = {
                    # AdamW keeps its count on the CPU.
                    name.removeprefix(prefix): value
                    if name.endswith("/step")
                    else value.to(parameter.device)
                    for name, value in tensors.items()
                    if name.startswith(prefix)
                }
                if state:
                    self.optimizer.state[parameter] = state
        self.step = int(facts["step"])
        self.sums = {
            name: (float(total), int(count))
            for name, (total, count) in json.loads(facts["sums"]).items()
        }
        rows = [row for row in read_log(self.folder) if cast("int", row["step"]) <= self.step]
        (self.folder / LOG).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def _log(self) -> None:
        means = {name: total / count for name, (total, count) in self.sums.items()}
        means["drift"] = self.student.drift()
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"step": self.step, **means}) + "\n")
        self.sums = {}
        self.options.tell(self.student.name, self.step, means)

    def _finish(self) -> None:
        drift = self.student.drift()
        if not math.isfinite(drift):
            raise self.diverged()
        self.student.save(self.folder)
        last: dict[str, Json] = {
            "finished": True,
            "steps_taken": self.step,
            "stopped_early": self.step < self.settings.steps,
            "drift": drift,
            "undertrained": drift < self.student.least_drift,
            **self.options.notes,
            "versions": versions(),
        }
        write_json(self.folder / RECORD, {**self.record, **last})
        (self.folder / STATE).unlink(missing_ok=True)


def read(losses: Sequence[Loss]) -> list[dict[str, float]]:
    """All that losses tell, "loss" first: from a GPU in one copy, not a wait for every number."""
    told = [{"loss": loss.total.detach(), **loss.terms} for loss in losses]
    scalars = [value for terms in told for value in terms.values() if isinstance(value, Tensor)]
    numbers = iter(torch.stack(scalars).tolist())
    return [
        {
            name: next(numbers) if isinstance(value, Tensor) else value
            for name, value in terms.items()
        }
        for terms in told
    ]


def settings_json(settings: "DataclassInstance") -> dict[str, Json]:
    """Settings, a dataclass, as they stand in records: plain JSON."""
    found: dict[str, Json] = json.loads(json.dumps(asdict(settings)))
    return found


def read_record(folder: Path) -> dict[str, Json] | None:
    """A training's record, or None if the folder holds none.

    Raises:
        StoreError: if it is damaged.
    """
    path = folder / RECORD
    try:
        found: object = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}). Give another folder.") from error
    if not isinstance(found, dict):
        raise StoreError(f"{path} is no JSON object. Give another folder.")
    return cast("dict[str, Json]", found)


def read_log(folder: Path) -> list[dict[str, Json]]:
    """The terms of a training, a row every `log_every` steps; a torn last line is left out."""
    try:
        lines = (folder / LOG).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(cast("dict[str, Json]", json.loads(line)))
        except ValueError:
            break
    return rows


def require_same(kept: Mapping[str, Json], wanted: Mapping[str, Json], folder: Path) -> None:
    """Refuse to go on with a training of other settings.

    Raises:
        SettingsError: that names what differs.
    """
    differing = _differences(kept, wanted, "")
    if differing:
        raise SettingsError(
            f"{folder} holds a training of other settings: {'; '.join(differing[:5])}. Give these "
            "again, or another folder."
        )


def _differences(kept: Mapping[str, Json], wanted: Mapping[str, Json], prefix: str) -> list[str]:
    found = []
    for name, value in wanted.items():
        before = kept.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            found += _differences(before, value, f"{prefix}{name}.")
        elif before != value:
            found.append(f"{prefix}{name} is {_short(before)} there, {_short(value)} here")
    return found


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
