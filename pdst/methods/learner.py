"""In: subjects. Out: samplers that know them; what all methods that train have in common.

A method says how it trains (`learn_all`) and how it draws with a checkpoint (`sampler`). Where
checkpoints lie, what they record and what a run is told of the method is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Generic, TypeVar

from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.sampling import solver
from pdst.diffusion.training import TrainingOptions
from pdst.digest import Json
from pdst.errors import SettingsError, unknown_name
from pdst.generator import GeneratorInfo, Sampler
from pdst.methods.presets import chosen, preset_fields
from pdst.methods.typed import require_type
from pdst.types import Sampling, Subject

S = TypeVar("S", bound=Sampler)


class SubjectLearner(ABC, Generic[S]):
    """A generator that learns each subject from its training photos.

    Attributes:
        info: name, revision and all that decides a pixel.
        backbone: the base model.
        sampling: how it draws.
    """

    NAME: ClassVar[str]
    info: GeneratorInfo
    sampling: Sampling

    def __init__(
        self,
        base: str,
        preset: str,
        checkpoints: str | None,
        images_per_pass: int,
        device: str,
        dtype: str,
    ) -> None:
        """Open the base model.

        Raises:
            BackboneError: if it cannot be opened.
            SettingsError: if `images_per_pass` is below 1.
        """
        if images_per_pass < 1:
            raise SettingsError(f"images_per_pass is {images_per_pass}, wanted at least 1.")
        self.backbone: Backbone = load_backbone(base, device=device, dtype=dtype)
        self._preset = chosen(preset, self.backbone.preset)
        self._home = None if checkpoints is None else Path(checkpoints).expanduser()
        self._batch = images_per_pass

    def _fields(self, overrides: Mapping[str, Json], *kinds: type[Any]) -> list[dict[str, Any]]:
        """Preset and overrides as arguments of dataclasses, of each those that it has.

        Raises:
            SettingsError: if an override is a field of none of them, or of another type.
        """
        known = [{field.name for field in fields(kind)} for kind in kinds]
        every = set().union(*known)
        for name in overrides:
            if name not in every:
                raise SettingsError(unknown_name(f"setting of {self.NAME}", name, every))
        given = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in {**preset_fields(self.NAME, self._preset), **overrides}.items()
        }
        for kind, own in zip(kinds, known, strict=True):
            for name in own & given.keys():
                require_type(kind, name, given[name])
        return [{name: given[name] for name in given if name in own} for own in known]

    def _describe(
        self, training: dict[str, Json], sampling: Sampling, **more: Json
    ) -> dict[str, Json]:
        """Fix how it draws and what records say, and return the latter.

        Raises:
            SettingsError: if the sampler cannot work.
        """
        solver(self.backbone, sampling)  # refuses what cannot work before anything is drawn
        self.sampling = sampling
        trained: dict[str, Json] = {
            "method": self.NAME,
            "base": self.backbone.label,
            "base_digest": self.backbone.digest,
            "dtype": str(self.backbone.dtype).removeprefix("torch."),
            "training": training,
            **more,
        }
        self.info = GeneratorInfo(
            name=f"{self.NAME} ({self.backbone.name})",
            revision=f"1-{self.backbone.digest[:12]}",
            settings={
                **trained,
                "preset": self._preset,
                "sampling": self.backbone.told(sampling),
            },
        )
        return trained

    def _notes(self, placeholder: str) -> dict[str, Json]:
        """What a checkpoint's record says for readers: two presets may be the same settings."""
        return {"preset": self._preset, "placeholder": placeholder}

    def personalize(self, subject: Subject) -> S:
        """Learn the subject, or read what was learned before.

        Raises:
            DatasetError: if there is no training photo, or a mask is needed and missing.
            SettingsError: if the init token is none, or the checkpoint is of other settings.
        """
        if self._home is not None:
            return self._personalized(subject, self._home / subject.subject_id)
        with TemporaryDirectory() as folder:
            return self._personalized(subject, Path(folder) / subject.subject_id)

    def prepare(
        self, subjects: Sequence[Subject], folder: Path, progress: Callable[[float], None]
    ) -> None:
        """Learn subjects; `personalize` then only reads.

        Args:
            subjects: who.
            folder: keeps what is learned, unless the constructor was given one.
            progress: is told the share that is done.
        """
        self._home = self._home or folder
        folders = [self._home / subject.subject_id for subject in subjects]
        self.learn_all(subjects, folders, TrainingOptions(progress=progress))

    def learn(self, subject: Subject, folder: Path, options: TrainingOptions) -> None:
        """As `learn_all`, one subject."""
        self.learn_all([subject], [folder], options)

    @abstractmethod
    def learn_all(
        self,
        subjects: Sequence[Subject],
        folders: Sequence[Path],
        options: TrainingOptions,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """Train until each folder holds what is learned of its subject.

        Args:
            subjects: who.
            folders: of the checkpoints, one a subject; a training that one holds goes on.
            options: how often to save, log and look.
            facts: that decide what is learned, beside settings, photos and subject.
        """

    @abstractmethod
    def sampler(self, subject: Subject, folder: Path) -> S:
        """What a checkpoint draws.

        Args:
            subject: whose.
            folder: the subject's, or a `step-N` in it.

        Raises:
            StoreError: if it holds nothing of this method, is damaged, or of another base model.
        """

    def _personalized(self, subject: Subject, folder: Path) -> S:
        self.learn(subject, folder, TrainingOptions())
        return self.sampler(subject, folder)
