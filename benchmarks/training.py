"""In: a base model. Out: seconds of our training steps and samples, and of the usual ways.

All contestants run in one process in turning order; see `benchmarks.turns`. Before that, both ways
are given the same batch, and how far their losses and gradients differ is reported: a step that
computes something else would be no comparison.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

import torch
from PIL import ImageOps
from torch import Tensor

from benchmarks.material import CAPTIONS
from benchmarks.training_bases import open_base
from benchmarks.training_peers import UsualNeTI, UsualTextualInversion, flat_gradient
from benchmarks.turns import Ratio, compared, in_turns
from pdst import dataset
from pdst.diffusion.attention import told_by_layer
from pdst.diffusion.backbone import Backbone
from pdst.diffusion.latents import encode, to_pixels
from pdst.diffusion.photos import latent_photos
from pdst.diffusion.precision import swift_products
from pdst.diffusion.sampling import prompt_states, sample
from pdst.diffusion.tokens import PLACEHOLDER
from pdst.diffusion.training import TrainingOptions, train
from pdst.digest import Json
from pdst.environment import hardware, versions
from pdst.methods.inversion import Classroom, Inversion
from pdst.methods.inversion_sampler import InversionSampler
from pdst.methods.inversion_settings import InversionSettings, NeTISettings
from pdst.types import Sampling, Subject

PARITY = {torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 5e-2}
"""How far losses and gradients may differ, of their own size, by the UNet's arithmetic."""

NEVER = TrainingOptions(save_every=float("inf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSizes:
    """How much is measured.

    Attributes:
        batch: examples a step.
        steps: of the optimizer, each time that a contestant trains, which it begins by making
            students and ends by writing their checkpoints; None: 2 on a CPU, 20 on a GPU, whose
            steps are as short as that.
        subjects: that learn together; 0: that is not measured.
        seeds: images of one prompt.
        sampling_steps: of the sampler.
        resolution: pixels a side; None: the base model's own.
        rounds: how often all is measured.
    """

    batch: int = 8
    steps: int | None = None
    subjects: int = 20
    seeds: int = 5
    sampling_steps: int = 50
    resolution: int | None = None
    rounds: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What was measured.

    Attributes:
        clock: "processor" (a single thread's own time) or "wall".
        seconds: medians over the rounds: of a step, of an image, of a step of all subjects.
        ratios: of those, round by round.
        parity: largest differences, relative to the thing's own size.
        allowed: what these may be.
    """

    base: str
    device: str
    dtype: str
    sizes: TrainingSizes
    threads: int
    clock: str
    seconds: dict[str, float]
    ratios: tuple[Ratio, ...]
    parity: dict[str, float]
    allowed: float
    hardware: dict[str, object]
    versions: dict[str, object]

    @property
    def met(self) -> bool:
        """Whether every target is met, parity included."""
        same = all(apart <= self.allowed for apart in self.parity.values())  # NaN is not
        return same and all(ratio.met for ratio in self.ratios)

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        ratios = [{**asdict(ratio), "met": ratio.met} for ratio in self.ratios]
        return {**asdict(self), "ratios": ratios, "met": self.met}


def measure(
    base: str = "miniature",
    *,
    device: str = "auto",
    dtype: str = "auto",
    sizes: TrainingSizes = TrainingSizes(),
    progress: Callable[[str], None] = lambda text: None,
) -> TrainingResult:
    """Measure training and sampling.

    Args:
        base: as `pdst.diffusion.backbone.load_backbone`, or "sd15-random".
        device: as there.
        dtype: as there.
        sizes: how much.
        progress: is told what happens.

    Raises:
        BackboneError: if the base model cannot be opened.
    """
    progress("opening the base model, encoding photos")
    backbone = open_base(base, device=device, dtype=dtype)
    scene = _Scene(backbone, sizes)
    progress("comparing losses and gradients")
    parity = scene.parity()
    contestants = scene.contestants()
    for name, contestant in contestants.items():  # the first pass of a network is slower
        progress(f"warming up: {name}")
        contestant.run()
    # On a single core, other work on the machine does not enter the processor's own time.
    alone = backbone.device.type == "cpu" and torch.get_num_threads() == 1
    times = in_turns(
        {name: contestant.run for name, contestant in contestants.items()},
        sizes.rounds,
        progress,
        time.process_time if alone else time.perf_counter,
    )
    return TrainingResult(
        base=backbone.label,
        device=str(backbone.device),
        dtype=str(backbone.dtype).removeprefix("torch."),
        sizes=replace(sizes, resolution=scene.resolution, steps=scene.steps),
        threads=torch.get_num_threads(),
        clock="processor" if alone else "wall",
        seconds={
            name: round(statistics.median(times[name]) / contestant.units, 5)
            for name, contestant in contestants.items()
        },
        ratios=_ratios(times),
        parity=parity,
        allowed=PARITY[backbone.dtype],
        hardware=dict(hardware()),
        versions=dict(versions()),
    )


@dataclass(frozen=True, slots=True)
class _Contestant:
    """Something to measure, and how many steps or images it makes in one go."""

    run: Callable[[], None]
    units: int


class _Scene:
    """A base model, subjects, and all that runs on them."""

    def __init__(self, backbone: Backbone, sizes: TrainingSizes) -> None:
        self.backbone, self.sizes = backbone, sizes
        self.resolution = sizes.resolution or backbone.resolution
        self.steps = sizes.steps or (2 if backbone.device.type == "cpu" else 20)
        subjects = dataset.load("miniature").subjects[: max(1, sizes.subjects)]
        # Any token will do, and every vocabulary has this one.
        self.subjects = [replace(subject, init_token="a") for subject in subjects]
        self.photos = [
            latent_photos(backbone, subject.train, self.resolution, masked=False)
            for subject in self.subjects
        ]
        self.pixels = _pixels(self.subjects[0], self.resolution).to(backbone.device)
        ti = InversionSettings(steps=self.steps, batch=sizes.batch, rate=2e-3, decay=0.0)
        neti = NeTISettings(steps=self.steps, batch=sizes.batch, rate=8e-3)
        self.ti, self.neti = Classroom(backbone, ti, None), Classroom(backbone, neti, None)
        self.sampling = Sampling(steps=sizes.sampling_steps, resolution=self.resolution)

    def student(self, room: Classroom, which: int = 0) -> Inversion:
        return Inversion(room, self.subjects[which], self.photos[which])

    def parity(self) -> dict[str, float]:
        found = {"latents": self._latents_apart()}
        for name, room, usual in (
            ("TI", self.ti, UsualTextualInversion(self.student(self.ti), self.pixels)),
            ("NeTI", self.neti, UsualNeTI(self.student(self.neti), self.pixels)),
        ):
            ours = self.student(room)
            shown = ours.examples(0)
            (loss,) = room.lesson([ours], [0])
            loss.total.backward()  # type: ignore[no-untyped-call]  # torch's annotation
            theirs = usual.loss(shown, shown.clean)
            theirs.backward()  # type: ignore[no-untyped-call]
            found[f"{name}: loss"] = _apart(loss.total.detach(), theirs.detach())
            found[f"{name}: gradient"] = _apart(
                flat_gradient(ours.words[PLACEHOLDER]), usual.gradient()
            )
        found["UNet's gradient, fused and eager"] = _apart(
            self._through_unet(eager=False), self._through_unet(eager=True)
        )
        if self.sizes.subjects:
            students = [self.student(self.ti, which) for which in range(len(self.subjects))]
            with torch.no_grad():
                together = self.ti.lesson(students, [0] * len(students))
                alone = [self.ti.lesson([student], [0])[0] for student in students]
            found["subjects together: losses"] = _apart(
                torch.stack([loss.total for loss in together]),
                torch.stack([loss.total for loss in alone]),
            )
        return found

    def contestants(self) -> dict[str, _Contestant]:
        sizes = self.sizes
        usual_ti = UsualTextualInversion(self.student(self.ti), self.pixels)
        usual_neti = UsualNeTI(self.student(self.neti), self.pixels)
        number = count()
        # Never the same one again: text states are kept by prompt.
        captions = (f"{caption} Number {turn}." for turn in count() for caption in CAPTIONS)
        words = self.student(self.neti).words
        neti = InversionSampler(self.neti, words, self.sampling, sizes.seeds)

        def steps(usual: UsualTextualInversion | UsualNeTI) -> None:
            for _ in range(self.steps):
                usual.step(next(number))

        def plain_images() -> None:
            states = prompt_states(self.backbone, next(captions).replace("{}", "dog"))
            empty = prompt_states(self.backbone, "")
            sample(
                self.backbone,
                [states] * sizes.seeds,
                range(sizes.seeds),
                self.sampling,
                empty=empty,
                batch=sizes.seeds,
            )

        def neti_images() -> None:
            neti.sample([next(captions)] * sizes.seeds, range(sizes.seeds))

        found = {
            "TI step, usual": _Contestant(lambda: steps(usual_ti), self.steps),
            "TI step, ours": _Contestant(lambda: self._train(self.ti, [[0]]), self.steps),
            "NeTI step, usual": _Contestant(lambda: steps(usual_neti), self.steps),
            "NeTI step, ours": _Contestant(lambda: self._train(self.neti, [[0]]), self.steps),
            "image, plain": _Contestant(plain_images, sizes.seeds),
            "image, NeTI": _Contestant(neti_images, sizes.seeds),
            "UNet there and back, eager": _Contestant(lambda: self._go_through(eager=True), 1),
            "UNet there and back, fused": _Contestant(lambda: self._go_through(eager=False), 1),
        }
        if sizes.subjects:
            all_of_them = list(range(len(self.subjects)))
            apart = [[which] for which in all_of_them]
            found |= {
                "subjects, one after another": _Contestant(
                    lambda: self._train(self.ti, apart), self.steps
                ),
                "subjects, together": _Contestant(
                    lambda: self._train(self.ti, [all_of_them]), self.steps
                ),
            }
        return {
            name: _Contestant(self._finished(one.run), one.units) for name, one in found.items()
        }

    def _finished(self, run: Callable[[], None]) -> Callable[[], None]:
        """That, and then waiting for the device."""
        if self.backbone.device.type != "cuda":
            return run

        def waiting() -> None:
            with swift_products(self.backbone):  # the usual ways have the fast products, too
                run()
                torch.cuda.synchronize(self.backbone.device)

        return waiting

    def _train(self, room: Classroom, groups: Sequence[Sequence[int]]) -> None:
        """Groups of subjects, one group after the other, each from the beginning."""
        with tempfile.TemporaryDirectory(prefix="pdst-training-") as folder:
            for group in groups:
                students = [self.student(room, which) for which in group]
                folders = [Path(folder) / student.name for student in students]
                records: list[dict[str, Json]] = [{} for _ in students]
                train(students, room.lesson, room.settings, records, folders, NEVER)

    def _go_through(self, *, eager: bool) -> None:
        self._through_unet(eager=eager)

    def _through_unet(self, *, eager: bool) -> Tensor:
        """The gradient of the text states after one pass of a batch."""
        backbone = self.backbone
        shown = self.student(self.ti).examples(0)
        with torch.no_grad():
            states = backbone.text_states(["a photo of a dog."] * len(shown.ids))
        told = states.to(backbone.dtype).requires_grad_(True)
        with told_by_layer(backbone.unet, eager=eager):
            made = backbone.unet(
                shown.clean.to(backbone.dtype), shown.timesteps, encoder_hidden_states=told
            ).sample
        made.float().square().mean().backward()
        assert told.grad is not None
        return told.grad

    @torch.no_grad()
    def _latents_apart(self) -> float:
        kept = self.photos[0].encoded.mean.flatten(0, 1)
        anew = encode(self.backbone.vae, self.pixels).mean
        return _apart(kept, anew)


def _pixels(subject: Subject, resolution: int) -> Tensor:
    """A subject's photos upright and mirrored, in the order of `LatentPhotos`: (2 P, 3, H, W)."""
    images = [photo.image() for photo in subject.train]
    return to_pixels(
        [one for image in images for one in (image, ImageOps.mirror(image))], resolution
    )


def _apart(one: Tensor, other: Tensor) -> float:
    """The norm of the difference, of the other's norm."""
    return float((one.double() - other.double()).norm() / other.double().norm())


def _ratios(times: dict[str, list[float]]) -> tuple[Ratio, ...]:
    def ratio(above: str, below: str, target: float, *, at_least: bool) -> Ratio:
        return compared(f"{above} / {below}", times[above], times[below], target, at_least=at_least)

    found = [
        ratio("TI step, usual", "TI step, ours", 1.5, at_least=True),
        ratio("NeTI step, usual", "NeTI step, ours", 3.0, at_least=True),
        ratio("image, NeTI", "image, plain", 1.05, at_least=False),
        ratio("UNet there and back, fused", "UNet there and back, eager", 1.0, at_least=False),
    ]
    if "subjects, together" in times:
        found.append(ratio("subjects, one after another", "subjects, together", 1.0, at_least=True))
    return tuple(found)
