"""In: a subject. Out: pictures by a frozen base model that has learned a word for it.

Textual Inversion, NeTI and, with the + pipeline of Li et al. (arXiv 2503.06632), TI+ and NeTI+. One
class a method; they differ in their settings alone, see `pdst.methods.inversion`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pdst.diffusion.photos import latent_photos
from pdst.diffusion.precision import swift_products, text_products
from pdst.diffusion.tokens import PLACEHOLDER
from pdst.diffusion.training import TrainingOptions, settings_json, train
from pdst.digest import Json, digest_bytes
from pdst.methods.checkpoints import load_words
from pdst.methods.inversion import Classroom, Inversion
from pdst.methods.inversion_sampler import InversionSampler
from pdst.methods.inversion_settings import InversionSettings, NeTISettings, PlusSettings
from pdst.methods.learner import SubjectLearner
from pdst.methods.presets import AUTO
from pdst.types import Sampling, Subject


class TextualInversion(SubjectLearner[InversionSampler]):
    """One learned vector: Gal et al., "An Image is Worth One Word" (2022)."""

    NAME: ClassVar[str] = "TI"
    SETTINGS: ClassVar[type[InversionSettings]] = InversionSettings
    PLUS: ClassVar[bool] = False

    def __init__(
        self,
        base: str = "miniature",
        preset: str = AUTO,
        checkpoints: str | None = None,
        sampling_steps: int = Sampling().steps,
        guidance: float | None = None,
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
            guidance: of classifier-free guidance; None: what the base model's folder says, or 7.5.
            images_per_pass: of the UNet; changes nothing but time and memory.
            device: as `load_backbone`.
            dtype: as there.
            compiled: train through `torch.compile`; the first steps take minutes.
            overrides: any field of the method's settings ("steps", "rate", "seed", …).

        Raises:
            BackboneError: if the base model cannot be opened.
            SettingsError: if there is no such setting, or a value cannot work.
        """
        super().__init__(base, preset, checkpoints, images_per_pass, device, dtype)
        kinds = (self.SETTINGS, PlusSettings) if self.PLUS else (self.SETTINGS,)
        own, *of_plus = self._fields(overrides, *kinds)
        settings = self.SETTINGS(**own)
        plus = PlusSettings(**of_plus[0]) if of_plus else None
        self._room = Classroom(self.backbone, settings, plus, compiled=compiled)
        training = settings_json(settings)
        if plus is not None:
            training |= settings_json(plus)
        products = text_products(self.backbone)
        self._trained = self._describe(
            training,
            self.backbone.sampling(sampling_steps, guidance, settings.resolution),
            **({"compiled": True} if compiled else {}),
            **({"text_products": products} if products != "float32" else {}),
        )

    @property
    def steps(self) -> int:
        """Of a training."""
        return self._room.settings.steps

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
        students = [self._student(subject, folder) for subject, folder in pairs]
        with swift_products(self.backbone):
            train(
                students,
                self._room.lesson,
                self._room.settings,
                [{**self.record(subject), **(facts or {})} for subject in subjects],
                folders,
                replace(options, notes=self._notes(PLACEHOLDER)),
            )

    def record(self, subject: Subject) -> dict[str, Json]:
        """All that decides what is learned, as `training.json` keeps it."""
        found: dict[str, Json] = {
            **self._trained,
            "subject": subject.subject_id,
            "class_noun": subject.class_noun,
            "init_token": subject.init_token,
            "photos": [photo.sha256 for photo in subject.train],
        }
        if self._room.plus is not None:
            found["masks"] = [
                None if (mask := photo.mask()) is None else digest_bytes(mask.tobytes())
                for photo in subject.train
            ]
        return found

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
