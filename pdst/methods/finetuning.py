"""In: a subject's photos, class images, networks to change. Out: the student that changes them.

One student serves DreamBooth, its LoRA variant and Custom Diffusion, which differ in what of a base
model they change (`Tuned`) and in how they look at photos (`Views`). A pass shows photos of the
subject beside class images that the unchanged base model drew, and the loss is

    MSE of the photos + prior_weight * MSE of the class images.

Each student changes a UNet of its own, so that a lesson of several is several passes. Taking many
subjects through the networks in one pass is for methods that leave these frozen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

from pdst.diffusion.backbone import Backbone
from pdst.diffusion.losses import masked_mse, noise_target
from pdst.diffusion.photos import LatentPhotos
from pdst.diffusion.training import Loss, TrainingSettings, stream
from pdst.errors import SettingsError
from pdst.methods.class_noun import ClassNounSampler
from pdst.methods.networks import arithmetic
from pdst.types import SLOT, Sampling


@dataclass(frozen=True, kw_only=True)
class FineTuningSettings(TrainingSettings):
    """What methods that change networks share.

    Attributes:
        prompt: of the subject's photos and of the class images; `{}` is where the subject's words
            go, or the class noun.
        prior_images: class images, drawn once a class; 0: no prior preservation.
        prior_weight: of their loss, lambda.
        prior_steps: of the sampler that draws them.
        prior_guidance: of that sampler; None: what the base model's folder says, or 7.5.
        prior_seed: of the first of them; the others follow.
    """

    prompt: str = "a photo of {}"
    prior_images: int = 200
    prior_weight: float = 1.0
    prior_steps: int = Sampling().steps
    prior_guidance: float | None = None
    prior_seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if self.prompt.count(SLOT) != 1:
            raise SettingsError(
                f"prompt is '{self.prompt}', wanted one {SLOT} in it, such as 'a photo of {SLOT}'."
            )
        for name in ("prior_images", "prior_weight", "prior_seed"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}, wanted 0 or more.")


class Tuned(Protocol):
    """What a method changes of a base model, in copies: the base model's own stay as they are."""

    @property
    def unet(self) -> Any:
        """A UNet of this subject's own, in float32."""
        ...

    def parameters(self) -> list[nn.Parameter]:
        """All that learns, in a fixed order."""
        ...

    def states(self, prompts: Sequence[str]) -> Tensor:
        """What the UNet is told of prompts: (B, L, D) float32, with gradients to what learns."""
        ...

    def drift(self) -> float:
        """As `pdst.diffusion.training.Student`."""
        ...

    def save(self, folder: Path) -> None:
        """As `pdst.diffusion.training.Student`."""
        ...

    def sampler(self, sampling: Sampling, batch: int, words: str) -> ClassNounSampler:
        """Draw with what has been learned so far, unrounded, with these words for `{}`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Photos as one pass sees them.

    Attributes:
        clean: (B, C, h, w) float32, scaled latents.
        masks: (B, 1, h, w) float32, 1 where the loss counts; None: everywhere.
        prefixes: what stands before each one's prompt, with its blank, or nothing.
    """

    clean: Tensor
    masks: Tensor | None
    prefixes: tuple[str, ...]


class Views(Protocol):
    """A subject's photos, from which a pass takes some."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def seen(self, photos: Tensor, mirrored: Tensor, rng: torch.Generator) -> Seen:
        """Some of them: (B,) int64 which, (B,) bool whether mirrored, both on the CPU."""
        ...


class WholePhotos:
    """Photos as they are, from latents that were encoded once."""

    def __init__(self, photos: LatentPhotos) -> None:
        """Keep the latents."""
        self._photos = photos

    def __len__(self) -> int:
        """How many there are."""
        return len(self._photos.ids)

    def seen(self, photos: Tensor, mirrored: Tensor, rng: torch.Generator) -> Seen:
        """Draw latents of the autoencoder's spread."""
        mean = self._photos.encoded.mean
        noise = torch.randn((len(photos), *mean.shape[2:]), generator=rng)
        on_device = (tensor.to(mean.device) for tensor in (photos, mirrored, noise))
        return Seen(clean=self._photos.clean(*on_device), masks=None, prefixes=("",) * len(photos))


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """One pass of one student: `photos` rows of the subject, then as many class images, or none.

    Attributes:
        clean, noise: (R, C, h, w) float32; scaled latents and what is added to them.
        timesteps: (R,) int64.
        prompts: R of them.
        photos: rows that show the subject.
        masks: (photos, 1, h, w) float32, or None.
    """

    clean: Tensor
    noise: Tensor
    timesteps: Tensor
    prompts: tuple[str, ...]
    photos: int
    masks: Tensor | None


class FineTuned:
    """A subject's own networks, at school.

    Attributes:
        tuned: what learns.
        words: that stand for the subject in a prompt.
    """

    least_drift = 0.0
    """Nobody has said how far a network should go."""

    def __init__(
        self,
        backbone: Backbone,
        settings: FineTuningSettings,
        tuned: Tuned,
        views: Views,
        prior: Tensor | None,
        *,
        name: str,
        words: str,
        class_noun: str,
    ) -> None:
        """Gather what a lesson needs.

        Args:
            backbone: the base model.
            settings: how to learn.
            tuned: what learns.
            views: the subject's photos.
            prior: (N, C, h, w) class images, as `pdst.methods.prior.class_latents` makes them.
            name: the subject's id.
            words: that stand for the subject in a prompt: "sks dog".
            class_noun: "dog".
        """
        self.tuned, self.words = tuned, words
        self._backbone, self._settings = backbone, settings
        self._views, self._prior, self._name = views, prior, name
        self._prompts = [settings.prompt.replace(SLOT, text) for text in (words, class_noun)]
        self._noise = DDPMScheduler(**backbone.noise)

    @property
    def name(self) -> str:
        """The subject's id."""
        return self._name

    def parameters(self) -> list[nn.Parameter]:
        """All that learns."""
        return self.tuned.parameters()

    def drift(self) -> float:
        """How far what learns is from the base model, relative to that."""
        return self.tuned.drift()

    def save(self, folder: Path) -> None:
        """Write what has been learned."""
        self.tuned.save(folder)

    def examples(self, number: int) -> Examples:
        """What a pass shows; follows from seed, subject and the pass's number alone.

        Photos come in shuffled rounds, so that each is shown once before one is shown again; class
        images likewise.
        """
        settings, device = self._settings, self._backbone.device
        rng = stream(settings.seed, self.name, number)
        rows = settings.batch
        mirrored = torch.rand(rows, generator=rng) < (0.5 if settings.flip else 0.0)
        seen = self._views.seen(self._turns(number, len(self._views), "photos"), mirrored, rng)
        subject, other = self._prompts
        clean, prompts = [seen.clean], [prefix + subject for prefix in seen.prefixes]
        if self._prior is not None:
            which = self._turns(number, len(self._prior), "class images")
            clean.append(self._prior[which.to(device)])
            prompts += [other] * rows
        shown = torch.cat(clean)
        noise = torch.randn(shown.shape, generator=rng)
        steps = int(self._noise.config.num_train_timesteps)
        timesteps = torch.randint(steps, (len(shown),), generator=rng)
        return Examples(
            clean=shown,
            noise=noise.to(device),
            timesteps=timesteps.to(device),
            prompts=tuple(prompts),
            photos=rows,
            masks=seen.masks,
        )

    def _turns(self, number: int, count: int, *names: str) -> Tensor:
        """Whose turn it is in a pass, in endless shuffled rounds of `count`: (batch,) int64."""
        batch = self._settings.batch
        places = range(number * batch, (number + 1) * batch)
        rounds = {
            place // count: torch.randperm(
                count, generator=stream(self._settings.seed, self.name, *names, place // count)
            )
            for place in places
        }
        return torch.stack([rounds[place // count][place % count] for place in places])

    def loss(self, number: int) -> Loss:
        """The loss of a pass."""
        shown = self.examples(number)
        noisy = self._noise.add_noise(shown.clean, shown.noise, shown.timesteps)
        told = self.tuned.states(shown.prompts)
        with arithmetic(self._backbone):
            predicted = self.tuned.unet(
                noisy, shown.timesteps, encoder_hidden_states=told
            ).sample.float()
        target = noise_target(self._noise, shown.clean, shown.noise, shown.timesteps)
        return weighted_loss(
            predicted, target, shown.masks, shown.photos, self._settings.prior_weight
        )


def lesson(students: Sequence[Any], passes: Sequence[int]) -> list[Loss]:
    """One pass of each `FineTuned`, one after the other: no two share a network."""
    return [student.loss(number) for student, number in zip(students, passes, strict=True)]


def weighted_loss(
    predicted: Tensor, target: Tensor, masks: Tensor | None, photos: int, prior_weight: float
) -> Loss:
    """The photos' mean squared error, and the class images', weighted.

    Args:
        predicted: (R, C, h, w), of which the first `photos` rows show the subject.
        target: the same shape.
        masks: (photos, 1, h, w), 1 where a photo's error counts, divided by that area; None:
            everywhere.
        photos: 1 to R; with R there are no class images.
        prior_weight: lambda, of the class images' error.

    Source:
        Ruiz et al., "DreamBooth" (CVPR 2023), Eq. (2); with masks, Custom Diffusion (Kumari et al.,
        CVPR 2023). Both up to constants: here each error is a mean over all that counts.
    """
    ours, others = predicted[:photos], predicted[photos:]
    total = masked_mse(ours, target[:photos], masks, norm="area").mean()
    terms = {"photos": total.detach()}
    if len(others):
        prior = masked_mse(others, target[photos:], None).mean()
        terms["class images"] = prior.detach()
        total = total + prior_weight * prior
    return Loss(total=total, terms=terms)
