"""In: a subject. Out: pictures by networks that were changed for it, for any fine-tuning method.

DreamBooth, its LoRA variant and Custom Diffusion say what they change and how they keep it; opening
the base model, drawing class images, training, resuming and sampling are here.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from pdst.diffusion.photos import latent_photos
from pdst.diffusion.sampling import solver
from pdst.diffusion.training import (
    RECORD,
    TrainingOptions,
    read_record,
    require_same,
    settings_json,
    train,
)
from pdst.digest import Json
from pdst.errors import SettingsError, unknown_name
from pdst.methods.class_noun import ClassNounSampler
from pdst.methods.finetuning import (
    FineTuned,
    FineTuningSettings,
    Tuned,
    Views,
    WholePhotos,
    lesson,
)
from pdst.methods.learner import SubjectLearner
from pdst.methods.presets import AUTO
from pdst.methods.prior import class_latents
from pdst.types import SLOT, Sampling, Subject

CLASS_IMAGES = "_class_images"
"""Their folder among the subjects'; no subject's id begins with a stroke."""


STATE_BYTES_A_SECOND = 20e6
"""The most that states, from which a killed training goes on, write on average. That of a whole
Stable Diffusion UNet, ten gigabytes, is written every nine minutes."""


class FineTuning(SubjectLearner[ClassNounSampler]):
    """A method that changes networks for each subject.

    Subjects learn one after the other: several in one pass of the UNet is for methods that leave it
    frozen.
    """

    SETTINGS: ClassVar[type[FineTuningSettings]]

    def __init__(
        self,
        base: str = "miniature",
        preset: str = AUTO,
        checkpoints: str | None = None,
        class_images: str | None = None,
        keep: Literal["weights", "nothing"] = "weights",
        gradient_checkpointing: bool = False,
        sampling_steps: int = Sampling().steps,
        guidance: float | None = None,
        images_per_pass: int = 8,
        device: str = "auto",
        dtype: str = "auto",
        **overrides: Json,
    ) -> None:
        """Open the base model; nothing is learned yet.

        Args:
            base: as `pdst.diffusion.backbone.load_backbone`.
            preset: of settings, by name; "auto": what suits the base model.
            checkpoints: a folder that keeps what is learned, a folder a subject, and that a killed
                training goes on from; None: nothing is kept, unless `prepare` is given a folder.
            class_images: a folder of class images, which methods may share; None: a folder among
                the checkpoints, if these are kept.
            keep: "weights", or "nothing": what was learned leaves the disk once `personalize` has
                read it, and is learned anew by the next call; record and log stay.
            gradient_checkpointing: less memory, more time, the same result.
            sampling_steps: of DPM-Solver++ 2M.
            guidance: of classifier-free guidance; None: what the base model's folder says, or 7.5.
            images_per_pass: of the UNet; changes nothing but time and memory.
            device: as `load_backbone`.
            dtype: as there; of sampling. Training is float32, with bfloat16 products for a 16-bit
                base model.
            overrides: any field of the method's settings ("steps", "rate", "seed", …).

        Raises:
            BackboneError: if the base model cannot be opened.
            SettingsError: if there is no such setting, or a value cannot work.
        """
        if keep not in ("weights", "nothing"):
            raise SettingsError(unknown_name("keep", keep, ("weights", "nothing")))
        super().__init__(base, preset, checkpoints, images_per_pass, device, dtype)
        self._class_images = None if class_images is None else Path(class_images).expanduser()
        self._keep = keep
        self._gradient_checkpointing = gradient_checkpointing
        (own,) = self._fields(overrides, self.SETTINGS)
        self._settings: Any = self.SETTINGS(**own)
        self._trained = self._describe(
            settings_json(self._settings),
            self.backbone.sampling(sampling_steps, guidance, self._settings.resolution),
        )
        self._of_prior = self.backbone.sampling(
            self._settings.prior_steps, self._settings.prior_guidance, self.sampling.resolution
        )
        solver(self.backbone, self._of_prior)
        self._priors: dict[str, Tensor] = {}

    @property
    def steps(self) -> int:
        """Of a training."""
        return int(self._settings.steps)

    def learn_all(
        self,
        subjects: Sequence[Subject],
        folders: Sequence[Path],
        options: TrainingOptions,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """Train for one subject after the other until each one's folder holds what is learned.

        Args:
            subjects: who.
            folders: of the checkpoints, one a subject; a training that one holds goes on.
            options: how often to save, log and look.
            facts: that decide what is learned, beside settings, photos and subject.

        Raises:
            DatasetError: if there is no training photo.
            SettingsError: if a checkpoint is of other settings.
        """
        for done, (subject, folder) in enumerate(zip(subjects, folders, strict=True)):

            def progress(share: float, done: int = done) -> None:
                options.progress((done + share) / len(subjects))

            self.learn(subject, folder, replace(options, progress=progress), facts)
            progress(1.0)

    def learn(
        self,
        subject: Subject,
        folder: Path,
        options: TrainingOptions,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """As `learn_all`, one subject."""
        record = {**self.record(subject), **(facts or {})}
        if self._has_learned(folder, record):
            return
        student = self._student(subject, folder)
        # What learns, and AdamW's two means of each number.
        state = 3 * sum(p.numel() * p.element_size() for p in student.parameters())
        seldom = max(options.save_every, state / STATE_BYTES_A_SECOND)
        notes = self._notes(self.words(subject))
        options = replace(options, save_every=seldom, notes=notes)
        train([student], lesson, self._settings, [record], [folder], options)

    def record(self, subject: Subject) -> dict[str, Json]:
        """All that decides what is learned, as `training.json` keeps it."""
        return {
            **self._trained,
            "subject": subject.subject_id,
            "class_noun": subject.class_noun,
            "photos": [photo.sha256 for photo in subject.train],
        }

    def words(self, subject: Subject) -> str:
        """What stands for the subject in a prompt."""
        return f"{self._modifier()} {subject.class_noun}"

    def watcher(self, student: FineTuned, sampling_steps: int | None = None) -> ClassNounSampler:
        """Draw with what a student has learned so far; fewer steps for a quicker look."""
        sampling = self.sampling
        if sampling_steps is not None:
            sampling = replace(sampling, steps=sampling_steps)
        return student.tuned.sampler(sampling, self._batch, student.words)

    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """The files of a checkpoint that hold what was learned."""

    @abstractmethod
    def _modifier(self) -> str:
        """What stands before the class noun."""

    @abstractmethod
    def _tuned(self, subject: Subject) -> Tuned:
        """What is to change, as it is before training."""

    def _views(self, subject: Subject, folder: Path) -> Views:
        return WholePhotos(
            latent_photos(
                self.backbone,
                subject.train,
                self.sampling.resolution,
                masked=False,
                cache=folder / "latents.safetensors",
            )
        )

    def _student(self, subject: Subject, folder: Path) -> FineTuned:
        return FineTuned(
            self.backbone,
            self._settings,
            self._tuned(subject),
            self._views(subject, folder),
            self._prior(subject.class_noun),
            name=subject.subject_id,
            words=self.words(subject),
            class_noun=subject.class_noun,
        )

    def _prior(self, class_noun: str) -> Tensor | None:
        """Class images, drawn once a class noun."""
        if not self._settings.prior_images:
            return None
        if class_noun not in self._priors:
            among = None if self._home is None else self._home / CLASS_IMAGES
            self._priors[class_noun] = class_latents(
                self.backbone,
                self._settings.prompt.replace(SLOT, class_noun),
                self._settings.prior_images,
                self._of_prior,
                first_seed=self._settings.prior_seed,
                cache=self._class_images or among,
            )
        return self._priors[class_noun]

    def _personalized(self, subject: Subject, folder: Path) -> ClassNounSampler:
        sampler = super()._personalized(subject, folder)
        if self._keep == "nothing":
            for name in self.files():
                (folder / name).unlink()
        return sampler

    def _has_learned(self, folder: Path, record: Mapping[str, Json]) -> bool:
        """Whether a folder holds a finished training, of the same settings, and its result.

        One whose result is gone kept nothing: it will begin anew.
        """
        kept = read_record(folder)
        if kept is None or not kept.get("finished"):
            return False
        require_same(kept, record, folder)
        if all((folder / name).exists() for name in self.files()):
            return True
        (folder / RECORD).unlink()
        return False
