"""In: a method, subjects, a folder. Out: a checkpoint a subject, with what was seen on the way.

What `pdst-train` does: training in batches of subjects, previews, validation, TensorBoard, and a
last picture.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from pdst.diffusion.training import (
    RECORD,
    Student,
    TrainingOptions,
    Watched,
    read_log,
    read_record,
)
from pdst.digest import Json
from pdst.encoders.spec import ImageEncoder
from pdst.errors import SettingsError
from pdst.files import whole_file, write_json
from pdst.generator import GeneratorInfo, Sampler
from pdst.methods.watching import (
    BEST,
    Previewer,
    ValidationSettings,
    Validator,
    picture_grid,
    without_validation_photo,
)
from pdst.types import Subject

PICTURE = "picture.png"
PROMPTS = ("A photo of {}.", "A photo of {} on a beach.")
"""Of previews and of the last picture; the second is of the paper's Fig. 13."""
SEEDS = 4


class TrainedMethod(Protocol):
    """A method that is trained for each subject: those of `pdst.methods.names.TRAINED`."""

    @property
    def info(self) -> GeneratorInfo:
        """As `pdst.generator.Generator`."""
        ...

    @property
    def steps(self) -> int:
        """Of a training."""
        ...

    def learn_all(
        self,
        subjects: Sequence[Subject],
        folders: Sequence[Path],
        options: TrainingOptions,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """Train until each folder holds what is learned of its subject."""
        ...

    def sampler(self, subject: Subject, folder: Path) -> Sampler:
        """What a checkpoint draws."""
        ...

    def watcher(self, student: Any, sampling_steps: int | None = None) -> Sampler:
        """Draw with what a student has learned so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What is looked at during a training, and how.

    Attributes:
        keep: steps after which what has been learned is kept in `step-N`.
        preview_every: steps between previews; 0: none.
        prompts: of previews and of the last picture, with `{}`.
        sampling_steps: of previews and validation; fewer than for results, to be quick.
        validation: None: none. Its `every` is what costs.
        encoder: that the validation's metric wants.
        tensorboard: folder of event files; None: none.
    """

    keep: Sequence[int] = ()
    preview_every: int = 0
    prompts: Sequence[str] = PROMPTS
    sampling_steps: int = 20
    validation: ValidationSettings | None = None
    encoder: ImageEncoder | None = None
    tensorboard: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What came of one subject.

    Attributes:
        folder: the checkpoint.
        steps: taken.
        terms: of the loss, the mean since the log's last row but one.
        drift: how far from the beginning, relative to it.
        undertrained: whether that is hardly at all.
        kept_step: the step that validation found best; None without validation.
    """

    subject: Subject
    folder: Path
    steps: int
    terms: Mapping[str, float]
    drift: float
    undertrained: bool
    kept_step: int | None


Tell = Callable[[str, int, Mapping[str, float]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Who is told.

    Attributes:
        progress: the share of all subjects' steps that is done, in [0, 1].
        tell: a subject, its step and terms of its loss, or its validation.
    """

    progress: Callable[[float], None] = lambda share: None
    tell: Tell = field(default=lambda name, step, terms: None)


def train_subjects(
    method: TrainedMethod,
    subjects: Sequence[Subject],
    home: Path,
    *,
    batch: int = 1,
    watching: Watching = Watching(),
    listening: Listening = Listening(),
) -> Iterator[Learned]:
    """Train subjects, and draw a last picture of each into its checkpoint.

    Args:
        method: how.
        subjects: whom.
        home: gets a folder a subject; a training that one holds goes on, a finished one stays.
        batch: subjects in one pass of the networks.
        watching: what is looked at on the way.
        listening: who is told.

    Yields:
        A subject's result once its batch is done.

    Raises:
        DatasetError: if a mask is needed and missing.
        SettingsError: if a checkpoint is of other settings, or settings cannot work.
    """
    _require_reached(watching, method.steps)
    log = _Scalars(watching.tensorboard)
    for first in range(0, len(subjects), batch):
        group = subjects[first : first + batch]

        def progress(share: float, done: int = first, now: int = len(group)) -> None:
            listening.progress((done + share * now) / len(subjects))

        def tell(name: str, step: int, terms: Mapping[str, float]) -> None:
            log.write(name, step, terms)
            listening.tell(name, step, terms)

        yield from _train(method, group, home, watching, progress, tell)
    log.close()


def _require_reached(watching: Watching, steps: int) -> None:
    """Refuse looks that the training would end before."""
    validation = watching.validation
    wanted = {
        "--validate-every": 0 if validation is None else validation.every,
        "--preview-every": watching.preview_every,
        "--keep": max(watching.keep, default=0),
    }
    for name, step in wanted.items():
        if step > steps:
            raise SettingsError(
                f"{name} is {step}, and the training has {steps} steps: it would never come to it. "
                "Give a smaller one."
            )


def _train(
    method: TrainedMethod,
    group: Sequence[Subject],
    home: Path,
    watching: Watching,
    progress: Callable[[float], None],
    tell: Tell,
) -> Iterator[Learned]:
    folders = {subject.subject_id: home / subject.subject_id for subject in group}

    def draw(student: Student) -> Sampler:
        return method.watcher(student, watching.sampling_steps)

    looks: list[Watched] = []
    if watching.preview_every:
        previewer = Previewer(draw, folders, watching.prompts, SEEDS)
        looks.append(Watched(every=watching.preview_every, look=previewer.look))
    validators: dict[str, Validator] = {}
    facts: dict[str, Json] = {}
    learning = list(group)
    if watching.validation is not None:
        settings, encoder = watching.validation, watching.encoder
        if encoder is None:
            raise SettingsError("Validation needs an encoder; none is given.")
        learning = []
        for subject in group:
            rest, photo = without_validation_photo(subject)
            learning.append(rest)
            validators[subject.subject_id] = Validator(
                settings, photo, draw, encoder, folders[subject.subject_id], tell
            )
        looks.append(
            Watched(
                every=settings.every,
                look=lambda student, step: validators[student.name].look(student, step),
            )
        )
        facts["validation"] = {
            **cast("dict[str, Json]", asdict(settings)),
            "encoder": encoder.spec.digest,
            "sampling_steps": watching.sampling_steps,
        }
    method.learn_all(
        learning,
        [folders[subject.subject_id] for subject in learning],
        TrainingOptions(keep=watching.keep, watched=looks, tell=tell, progress=progress),
        facts,
    )
    for subject in learning:
        folder = folders[subject.subject_id]
        validator = validators.get(subject.subject_id)
        kept = None if validator is None else _keep_best(validator, folder)
        picture = folder / PICTURE
        if not picture.exists():
            grid = picture_grid(method.sampler(subject, folder), watching.prompts, range(SEEDS))
            with whole_file(picture) as temporary:
                grid.save(temporary, "PNG")
        yield _learned(subject, folder, kept)


def _keep_best(validator: Validator, folder: Path) -> int | None:
    """Let the checkpoint be that of the best look; the last step's, if none was looked at."""
    best = validator.best()
    if best is None:
        return None
    for path in sorted((folder / BEST).rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(folder / BEST)
            with whole_file(target) as temporary:
                shutil.copyfile(path, temporary)
    record = read_record(folder) or {}
    told = {
        "kept_step": best.step,
        "validation_score": best.score,
        "drift": best.drift,
        "undertrained": best.undertrained,
    }
    write_json(folder / RECORD, {**record, **told})
    return best.step


def _learned(subject: Subject, folder: Path, kept: int | None) -> Learned:
    record: Any = read_record(folder)
    rows = read_log(folder)
    last = rows[-1] if rows else {}
    return Learned(
        subject=subject,
        folder=folder,
        steps=int(record["steps_taken"]),
        terms={name: float(cast("float", v)) for name, v in last.items() if name != "step"},
        drift=float(record["drift"]),
        undertrained=bool(record["undertrained"]),
        kept_step=kept,
    )


class _Scalars:
    """TensorBoard's event files, a folder a subject; or nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        if folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ModuleNotFoundError as error:
                raise SettingsError(
                    "TensorBoard is not installed. Run: pip install tensorboard, or train without; "
                    "log.jsonl in each checkpoint has the same numbers."
                ) from error
            self._new = SummaryWriter

    def write(self, name: str, step: int, terms: Mapping[str, float]) -> None:
        if self._folder is None:
            return
        if name not in self._writers:
            self._writers[name] = self._new(str(self._folder / name))
        for term, value in terms.items():
            self._writers[name].add_scalar(term, value, step)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
