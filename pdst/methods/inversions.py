"""In: a subject. Out: pictures by a frozen base model that has learned a word for it.

Textual Inversion, NeTI and, with the + pipeline of Li et al. (arXiv 2503.06632), TI+ and NeTI+. One
class a method; they differ in their settings alone, see `pdst.methods.inversion`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast

from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.photos import latent_photos
from pdst.diffusion.sampling import solver
from pdst.diffusion.training import TrainingOptions, settings_json, train
from pdst.digest import Json
from pdst.errors import SettingsError, unknown_name
from pdst.generator import GeneratorInfo
from pdst.methods.checkpoints import load_words
from pdst.methods.inversion import Classroom, Inversion
from pdst.methods.inversion_sampler import InversionSampler
from pdst.methods.inversion_settings import InversionSettings, NeTISettings, PlusSettings
from pdst.methods.presets import AUTO, chosen, preset_fields
from pdst.types import Sampling, Subject


class TextualInversion:
    """One learned vector: Gal et al., "An Image is Worth One Word" (2022).

    Attributes:
        info: name, revision and all that decides a pixel.
        backbone: the base model.
        sampling: how it draws.
    """

    NAME: ClassVar[str] = "TI"
    SETTINGS: ClassVar[type[InversionSettings]] = InversionSettings
    PLUS: ClassVar[bool] = False

    def __init__(
        self,
        base: str = "miniature",
        preset: str = AUTO,
        checkpoints: str | None = None,
        sampling_steps: int = Sampling().steps,
        guidance: float = Sampling().guidance,
        images_per_pass: int = 8,
        device: str = "auto",
        dtype: str = "auto",
        compiled: bool = False,
        **overrides: Json,
    ) -> None:
        """Open the base model; nothing is learned yet.

        Args:
            base: as `pdst.diffusion.backbone.load_backbone`.
            preset: "reference", "paper", "miniature"; "auto": what suits the base model.
            checkpoints: a folder that keeps what is learned, a folder a subject, and that a killed
                training goes on from; None: nothing is kept, unless `prepare` is given a folder.
            sampling_steps: of DPM-Solver++ 2M.
            guidance: of classifier-free guidance.
            images_per_pass: of the UNet; changes nothing but time and memory.
            device: as `load_backbone`.
            dtype: as there.
            compiled: train through `torch.compile`; the first steps take minutes.
            overrides: any field of the method's settings ("steps", "rate", "seed", …).

        Raises:
            BackboneError: if the base model cannot be opened.
            SettingsError: if there is no such setting, or a value cannot work.
        """
        self.backbone: Backbone = load_backbone(base, device=device, dtype=dtype)
        self._home = None if checkpoints is None else Path(checkpoints).expanduser()
        preset = chosen(preset, self.backbone.preset)
        settings, plus = self._settings(preset, overrides)
        self._room = Classroom(self.backbone, settings, plus, compiled=compiled)
        self._batch = images_per_pass
        resolution = settings.resolution or self.backbone.resolution
        self.sampling = Sampling(
            steps=sampling_steps, guidance=float(guidance), resolution=resolution
        )
        solver(self.backbone, self.sampling)  # refuses what cannot work before anything is drawn
        trained: dict[str, Json] = settings_json(settings)
        if plus is not None:
            trained |= cast("dict[str, Json]", _plain(asdict(plus)))
        self._trained: dict[str, Json] = {
            "method": self.NAME,
            "base": self.backbone.label,
            "base_digest": self.backbone.digest,
            "dtype": str(self.backbone.dtype).removeprefix("torch."),
            "training": trained,
        }
        if compiled:
            self._trained["compiled"] = True
        self.info = GeneratorInfo(
            name=f"{self.NAME} ({self.backbone.name})",
            revision=f"1-{self.backbone.digest[:12]}",
            settings={
                **self._trained,
                "preset": preset,
                "sampling": cast("dict[str, Json]", asdict(self.sampling)),
            },
        )

    @classmethod
    def _settings(
        cls, preset: str, overrides: Mapping[str, Json]
    ) -> tuple[InversionSettings, PlusSettings | None]:
        own = {field.name for field in fields(cls.SETTINGS)}
        of_plus = {field.name for field in fields(PlusSettings)} if cls.PLUS else set()
        for name in overrides:
            if name not in own | of_plus:
                raise SettingsError(unknown_name(f"setting of {cls.NAME}", name, own | of_plus))
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in {**preset_fields(cls.NAME, preset), **overrides}.items()
        }
        settings = cls.SETTINGS(**{name: given[name] for name in given if name in own})
        plus = {name: given[name] for name in given if name in of_plus}
        return settings, PlusSettings(**plus) if cls.PLUS else None

    @property
    def steps(self) -> int:
        """Of a training."""
        return self._room.settings.steps

    def personalize(self, subject: Subject) -> InversionSampler:
        """Learn a word for the subject, or read the one that was learned before.

        Raises:
            DatasetError: if a mask is needed and missing.
            SettingsError: if the init token is none, or the checkpoint is of other settings.
        """
        if self._home is not None:
            return self._personalized(subject, self._home / subject.subject_id)
        with TemporaryDirectory() as folder:
            return self._personalized(subject, Path(folder) / subject.subject_id)

    def prepare(
        self, subjects: Sequence[Subject], folder: Path, progress: Callable[[float], None]
    ) -> None:
        """Learn several subjects in one batch; `personalize` then only reads.

        Args:
            subjects: each learns what it would learn alone, up to rounding.
            folder: keeps what is learned, unless the constructor was given one.
            progress: is told the share that is done.
        """
        self._home = self._home or folder
        folders = [self._home / subject.subject_id for subject in subjects]
        self.learn_all(subjects, folders, TrainingOptions(progress=progress))

    def learn(self, subject: Subject, folder: Path, options: TrainingOptions) -> None:
        """As `learn_all`, one subject."""
        self.learn_all([subject], [folder], options)

    def learn_all(
        self,
        subjects: Sequence[Subject],
        folders: Sequence[Path],
        options: TrainingOptions,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """Train words for subjects in one batch until each one's folder holds what is learned.

        Args:
            subjects: who.
            folders: of the checkpoints, one a subject; a training that one holds goes on.
            options: how often to save, log and look.
            facts: that decide what is learned, beside settings, photos and subject.

        Raises:
            DatasetError: if a mask is needed and missing.
            SettingsError: if an init token is none, or a checkpoint is of other settings.
        """
        pairs = list(zip(subjects, folders, strict=True))
        train(
            [self._student(subject, folder) for subject, folder in pairs],
            self._room.lesson,
            self._room.settings,
            [{**self.record(subject), **(facts or {})} for subject in subjects],
            folders,
            options,
        )

    def _personalized(self, subject: Subject, folder: Path) -> InversionSampler:
        self.learn(subject, folder, TrainingOptions())
        return self.sampler(subject, folder)

    def record(self, subject: Subject) -> dict[str, Json]:
        """All that decides what is learned, as `training.json` keeps it."""
        return {
            **self._trained,
            "subject": subject.subject_id,
            "class_noun": subject.class_noun,
            "init_token": subject.init_token,
            "photos": [photo.sha256 for photo in subject.train],
        }

    def _student(self, subject: Subject, folder: Path) -> Inversion:
        plus = self._room.plus
        photos = latent_photos(
            self.backbone,
            subject.train,
            self.sampling.resolution,
            masked=plus is not None,
            soft=plus is not None and plus.mask_mode == "soft",
            cache=folder / "latents.safetensors",
        )
        return Inversion(self._room, subject, photos)

    def sampler(self, subject: Subject, folder: Path) -> InversionSampler:
        """What a checkpoint draws.

        Args:
            subject: whose.
            folder: the subject's, or a `step-N` in it.

        Raises:
            StoreError: if it holds no word.
        """
        return InversionSampler(self._room, load_words(folder), self.sampling, self._batch)

    def watcher(self, student: Inversion, sampling_steps: int | None = None) -> InversionSampler:
        """Draw with what a student has learned so far; fewer steps for a quicker look."""
        sampling = self.sampling
        if sampling_steps is not None:
            sampling = replace(sampling, steps=sampling_steps)
        return InversionSampler(self._room, student.words, sampling, self._batch)


class NeTI(TextualInversion):
    """A word that is another one at every timestep and layer: Alaluf et al. (2023)."""

    NAME = "NeTI"
    SETTINGS = NeTISettings


class TIPlus(TextualInversion):
    """Textual Inversion with the + pipeline: Li et al., section 4."""

    NAME = "TI+"
    PLUS = True


class NeTIPlus(NeTI):
    """NeTI with the + pipeline: Li et al., section 4."""

    NAME = "NeTI+"
    PLUS = True


def _plain(value: object) -> object:
    """Tuples as the lists that JSON makes of them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
