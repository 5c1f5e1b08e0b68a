"""In: a subject's photos, frozen networks. Out: words for it: the students of TI, NeTI, both +.

One student serves all four methods, which differ in two things: what a word is (vectors, or NeTI's
mapper) and which examples teach it. Plain Textual Inversion has one pool of prompts and one loss;
the + pipeline (Li et al., arXiv 2503.06632, section 4) has three pools, masks, an attractor word
that takes what belongs to the background, and a contrastive loss that holds the two words apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

from pdst.diffusion.attention import told_by_layer
from pdst.diffusion.backbone import Backbone
from pdst.diffusion.layers import cross_attention_layers
from pdst.diffusion.losses import info_nce, masked_mse
from pdst.diffusion.mapper import Mapper, MapperSettings, nested_keep
from pdst.diffusion.photos import LatentPhotos
from pdst.diffusion.templates import Pool, templates
from pdst.diffusion.tokens import ATTRACTOR, PLACEHOLDER, Vocabulary, initial_vector, vocabulary
from pdst.diffusion.training import Loss, TrainingSettings, stream
from pdst.diffusion.weighting import progress, weighting
from pdst.diffusion.words import BYPASS_ALPHA, MappedWord, PlainWord, Rows, Said, Word, say
from pdst.errors import SettingsError
from pdst.methods.checkpoints import save_words
from pdst.types import Subject

POOLS: tuple[Pool, ...] = ("subject", "background", "joint")


@dataclass(frozen=True, kw_only=True)
class InversionSettings(TrainingSettings):
    """What Textual Inversion and NeTI share.

    Attributes:
        templates: of prompts: "pdst", "verbatim", "imagenet27".
        vectors: tokens of the word; more than one for Textual Inversion only.
    """

    templates: str = "imagenet27"
    vectors: int = 1


@dataclass(frozen=True, kw_only=True)
class NeTISettings(InversionSettings):
    """NeTI (Alaluf et al., arXiv 2305.15391).

    Attributes:
        bypass: whether the mapper also gives what is added to the values.
        alpha: of the bypass.
        norm_mode: "joint" (the released code) or "base" (the paper's wording).
        nested_dropout: probability that a call drops a tail of the hidden units.
        hidden, frequencies, sigma_t, sigma_l: of the mapper.
    """

    bypass: bool = True
    alpha: float = BYPASS_ALPHA
    norm_mode: Literal["joint", "base"] = "joint"
    nested_dropout: float = 0.5
    hidden: int = 128
    frequencies: int = 1024
    sigma_t: float = 0.03
    sigma_l: float = 2.0


@dataclass(frozen=True, kw_only=True)
class PlusSettings:
    """The + pipeline (Li et al., section 4). What the paper leaves open is a setting here.

    Attributes:
        attractor: the attractor's initial word, one token.
        attractor_word: "same" as the subject's kind of word, or "plain" vectors (for NeTI+).
        pools: how a batch is spread over the three pools: "stratified" (as evenly as possible, the
            short pool rotates), "all" (every example with all three prompts, the same noise), or
            three probabilities, drawn for each example.
        mask_mode: "binary" or "soft" masks at latent size.
        mask_norm: "elements" (Eq. (4)) or "area" (divided by the mask's area).
        subject_weight, background_weight, joint_weight: of the three denoising losses, Eq. (6).
        contrast: the largest weight of the contrastive loss.
        schedule: of that weight over training; see `pdst.diffusion.weighting`.
        temperature, normalize, nce_form: of the contrastive loss, Eq. (5).
        nce_stream: which of the two streams of text states the contrastive loss sees; they differ
            with NeTI's bypass only.
    """

    attractor: str = "background"
    attractor_word: Literal["same", "plain"] = "same"
    pools: str | tuple[float, float, float] = "stratified"
    mask_mode: Literal["binary", "soft"] = "binary"
    mask_norm: Literal["elements", "area"] = "elements"
    subject_weight: float = 1.0
    background_weight: float = 1.0
    joint_weight: float = 1.0
    contrast: float = 0.1
    schedule: str = "cosine"
    temperature: float = 0.07
    normalize: bool = True
    nce_form: Literal["pooled", "per_anchor"] = "pooled"
    nce_stream: Literal["keys", "values", "both"] = "values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """One pass of one student.

    Attributes:
        clean, noise: (B, C, h, w) float32; scaled latents and what is added to them.
        timesteps: (B,) int64.
        ids: (B, L) int64.
        pools: (B,) int64, indices of `POOLS`.
        masks: (B, 1, h, w) float32, or None.
        keep: (N, B) int64 by placeholder, or None: nested dropout.
    """

    clean: Tensor
    noise: Tensor
    timesteps: Tensor
    ids: Tensor
    pools: Tensor
    masks: Tensor | None
    keep: Mapping[str, Tensor | None]


class Inversion:
    """A subject's word, and with the + pipeline its attractor.

    Attributes:
        words: by placeholder.
    """

    def __init__(
        self,
        classroom: "Classroom",
        subject: Subject,
        photos: LatentPhotos,
    ) -> None:
        """Begin at the class noun's token; NeTI: at a random direction of that token's norm."""
        self.room, self.subject, self.photos = classroom, subject, photos
        settings = classroom.settings
        begin = initial_vector(classroom.backbone, subject.init_token)
        self.words: dict[str, Any] = {
            PLACEHOLDER: self._word(begin, layered=classroom.layered, which=PLACEHOLDER)
        }
        if classroom.plus is not None:
            also = classroom.layered and classroom.plus.attractor_word == "same"
            vector = initial_vector(classroom.backbone, classroom.plus.attractor)
            self.words[ATTRACTOR] = self._word(vector, layered=also, which=ATTRACTOR)
        self._begun = self._sample_of_word()
        self._templates = templates(settings.templates)

    def _word(self, begin: Tensor, *, layered: bool, which: str) -> Word:
        settings, room = self.room.settings, self.room
        device = room.backbone.device
        if not layered:
            count = settings.vectors if which == PLACEHOLDER else 1
            return PlainWord(begin.to(device).expand(count, -1)).to(device)
        assert isinstance(settings, NeTISettings)
        of_mapper = MapperSettings(
            width=len(begin),
            norm=float(begin.norm()),
            layers=room.layers,
            bypass=settings.bypass,
            norm_mode=settings.norm_mode,
            sigma_t=settings.sigma_t,
            sigma_l=settings.sigma_l,
            frequencies=settings.frequencies,
            hidden=settings.hidden,
            dropout=settings.nested_dropout,
        )
        rng = stream(settings.seed, self.subject.subject_id, "mapper", which)
        seed = int(torch.randint(2**62, (), generator=rng))
        return MappedWord(Mapper(of_mapper, seed)).to(device)

    @property
    def name(self) -> str:
        """The subject's id."""
        return self.subject.subject_id

    def parameters(self) -> list[nn.Parameter]:
        """Of the subject's word, then of the attractor."""
        return [parameter for word in self.words.values() for parameter in word.parameters()]

    def drift(self) -> float:
        """How far the subject's word is from where it began.

        Vectors: the norm of the difference over the beginning's. A mapper: one minus the mean
        cosine between its outputs and those it began with, on a fixed grid of timesteps and layers.
        """
        now, begun = self._sample_of_word(), self._begun
        if self.room.layered:
            return float(1 - nn.functional.cosine_similarity(now, begun, dim=-1).mean())
        return float((now - begun).norm() / begun.norm())

    @torch.no_grad()
    def _sample_of_word(self) -> Tensor:
        word = self.words[PLACEHOLDER]
        if isinstance(word, PlainWord):
            return word.vectors.detach().clone()
        vectors, _ = word.mapper.table(range(0, 1000, 111))
        return cast("Tensor", vectors).clone()

    def examples(self, number: int) -> Examples:
        """What a pass shows; follows from seed, subject and the pass's number alone."""
        settings, room = self.room.settings, self.room
        rng = stream(settings.seed, self.name, number)
        pools = self._pools(number)
        rows = len(pools)
        photos = self._photos(pools, rng)
        mirrored = torch.rand(rows, generator=rng) < (0.5 if settings.flip else 0.0)
        which = torch.rand(rows, generator=rng)
        shape = self.photos.encoded.mean.shape[2:]
        own = torch.randn((rows, *shape), generator=rng)
        noise = torch.randn((rows, *shape), generator=rng)
        timesteps = torch.randint(room.timesteps, (rows,), generator=rng)
        if room.plus is not None and room.plus.pools == "all":
            third = rows // 3
            noise, timesteps = noise[:third].repeat(3, 1, 1, 1), timesteps[:third].repeat(3)
            own = own[:third].repeat(3, 1, 1, 1)
            photos, mirrored = photos[:third].repeat(3), mirrored[:third].repeat(3)
        prompts = [
            self._prompt(POOLS[pool], float(share))
            for pool, share in zip(pools.tolist(), which, strict=True)
        ]
        device = room.backbone.device
        masks = self.photos.masks
        on = (photos.to(device), mirrored.to(device))
        return Examples(
            clean=self.photos.clean(*on, own.to(device)),
            noise=noise.to(device),
            timesteps=timesteps.to(device),
            ids=room.vocabulary.tokens(prompts),
            pools=pools,
            masks=None if masks is None else masks[on[0], on[1].long()],
            keep={name: self._keep(word, rows, rng) for name, word in self.words.items()},
        )

    def _pools(self, number: int) -> Tensor:
        """The pool of each row, in order of pools."""
        room = self.room
        batch = room.settings.batch
        if room.plus is None:
            return torch.zeros(batch, dtype=torch.long)
        how = room.plus.pools
        if how == "all":
            return torch.arange(3).repeat_interleave(batch)
        if how == "stratified":
            counts = torch.full((3,), batch // 3)
            # Whoever is short of one rotates.
            for extra in range(batch % 3):
                counts[(number + extra) % 3] += 1
            return torch.arange(3).repeat_interleave(counts)
        chances = torch.tensor(cast("tuple[float, float, float]", how))
        rng = stream(room.settings.seed, self.name, number, "pools")
        return torch.multinomial(chances, batch, replacement=True, generator=rng).sort().values

    def _photos(self, pools: Tensor, rng: torch.Generator) -> Tensor:
        """Which photo each row shows: within a pool none twice before all were shown once."""
        count = len(self.photos.ids)
        found = []
        for pool in range(3):
            wanted = int((pools == pool).sum())
            rounds = [torch.randperm(count, generator=rng) for _ in range(-(-wanted // count))]
            found.append(torch.cat([torch.zeros(0, dtype=torch.long), *rounds])[:wanted])
        return torch.cat(found)

    def _prompt(self, pool: Pool, share: float) -> str:
        """A template of the pool, filled; `share` in [0, 1) says which."""
        of_pool = self._templates.of(pool)
        return self._templates.prompt(
            pool,
            int(share * len(of_pool)),
            subject=self.room.vocabulary.words(PLACEHOLDER),
            noun=self.subject.class_noun,
            attractor=self.room.vocabulary.words(ATTRACTOR) if self.room.plus else "",
        )

    def _keep(self, word: Word, rows: int, rng: torch.Generator) -> Tensor | None:
        """Nested dropout: one coin for each layer's call of the mapper."""
        settings = self.room.settings
        if not word.layered:
            return None
        assert isinstance(settings, NeTISettings)
        kept = [
            nested_keep(rows, settings.hidden, settings.nested_dropout, rng)
            for _ in range(self.room.layers)
        ]
        all_of_it = torch.full((rows,), settings.hidden)
        found = torch.stack([all_of_it if one is None else one for one in kept])
        return found.to(self.room.backbone.device)

    def loss(self, number: int, examples: Examples, predicted: Tensor, said: Said) -> Loss:
        """The loss of a pass: Eq. (2) or (3); with the + pipeline Eq. (6)."""
        plus, target = self.room.plus, self.room.target(examples)
        if plus is None:
            error = masked_mse(predicted, target, None).mean()
            return Loss(total=error, terms={"mse": float(error.detach())})
        assert examples.masks is not None
        inside = examples.masks
        weights = (plus.subject_weight, plus.background_weight, plus.joint_weight)
        masks = (inside, 1 - inside, None)
        total = predicted.new_zeros(())
        terms: dict[str, float] = {}
        for pool, (name, weight, mask) in enumerate(zip(POOLS, weights, masks, strict=True)):
            rows = (examples.pools == pool).nonzero().flatten().to(predicted.device)
            if not len(rows):
                terms[f"no {name}"] = 1.0
                continue
            shown = None if mask is None else mask[rows]
            error = masked_mse(predicted[rows], target[rows], shown, norm=plus.mask_norm).mean()
            total = total + weight * error
            terms[name] = float(error.detach())
        contrast = self._contrast(examples, said)
        step = number // self.room.settings.accumulate
        share = plus.contrast * weighting(plus.schedule)(progress(step, self.room.settings.steps))
        terms |= {
            "contrast": float(contrast.loss.detach()),
            "contrast weight": share,
        }
        likeness = {"cos(v, v)": contrast.positive, "cos(v, A)": contrast.negative}
        terms |= {name: value for name, value in likeness.items() if value is not None}
        if share > 0:
            total = total + share * contrast.loss
        return Loss(total=total, terms=terms)

    def _contrast(self, examples: Examples, said: Said) -> Any:
        plus = self.room.plus
        assert plus is not None
        streams = {"keys": (said.keys,), "values": (said.values,)}.get(
            plus.nce_stream, (said.keys, said.values)
        )
        found = []
        for token in (PLACEHOLDER, ATTRACTOR):
            rows, at = self._places(examples.ids, token)
            found.append(torch.cat([states[:, rows, at] for states in streams]))
        return info_nce(
            *found, temperature=plus.temperature, normalize=plus.normalize, form=plus.nce_form
        )

    def _places(self, ids: Tensor, placeholder: str) -> tuple[Tensor, Tensor]:
        """The rows in which a placeholder stands, and where: its last token."""
        is_there = ids == self.room.vocabulary.ids[placeholder][-1]
        rows = is_there.any(1).nonzero().flatten()
        return rows, is_there[rows].int().argmax(1)

    def save(self, folder: Path) -> None:
        """Write the words; see `pdst.methods.checkpoints`."""
        save_words(folder, self.words)


class Classroom:
    """What students of one method share: frozen networks, vocabulary and settings."""

    def __init__(
        self,
        backbone: Backbone,
        settings: InversionSettings,
        plus: PlusSettings | None,
        *,
        compiled: bool = False,
    ) -> None:
        """Check the settings against the base model.

        Raises:
            SettingsError: if they cannot work together.
        """
        self.backbone, self.settings, self.plus = backbone, settings, plus
        self.layered = isinstance(settings, NeTISettings)
        self.alpha = settings.alpha if isinstance(settings, NeTISettings) else 0.0
        self.layers = len(cross_attention_layers(backbone.unet))
        if self.layered and settings.vectors != 1:
            raise SettingsError(f"vectors is {settings.vectors}, wanted 1: NeTI learns one token.")
        if plus is not None:
            _require_sound(plus, settings)
        words = {PLACEHOLDER: settings.vectors, **({ATTRACTOR: 1} if plus is not None else {})}
        self.vocabulary: Vocabulary = vocabulary(backbone, words)
        self.noise = DDPMScheduler(**backbone.noise)
        self.timesteps = int(self.noise.config.num_train_timesteps)
        self.unet = torch.compile(backbone.unet) if compiled else backbone.unet

    def lesson(self, students: Sequence[Any], passes: Sequence[int]) -> list[Loss]:
        """One pass of all students through the frozen networks together."""
        shown = [student.examples(number) for student, number in zip(students, passes, strict=True)]
        said = say(
            self.backbone.text_encoder,
            self.vocabulary,
            [
                Rows(ids=one.ids, timesteps=one.timesteps, words=student.words, keep=one.keep)
                for student, one in zip(students, shown, strict=True)
            ],
            self.layers,
            alpha=self.alpha,
        )
        noisy = torch.cat([self.noise.add_noise(o.clean, o.noise, o.timesteps) for o in shown])
        timesteps = torch.cat([one.timesteps for one in shown])
        predicted = self._predicted(noisy, timesteps, said)
        losses, first = [], 0
        for student, number, one in zip(students, passes, shown, strict=True):
            last = first + len(one.ids)
            own = said.rows(first, last)
            losses.append(student.loss(number, one, predicted[first:last], own))
            first = last
        return losses

    def _predicted(self, noisy: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        told: Any = said.told
        if isinstance(told, Tensor):
            told = told.to(self.backbone.dtype)
        eager = self.backbone.device.type == "cpu"
        with told_by_layer(self.backbone.unet, eager=eager):
            made = self.unet(
                noisy.to(self.backbone.dtype), timesteps, encoder_hidden_states=told
            ).sample
        return cast("Tensor", made.float())

    def target(self, examples: Examples) -> Tensor:
        """What the UNet is to predict: the noise, or v for base models that predict that."""
        if self.backbone.noise.get("prediction_type", "epsilon") == "v_prediction":
            velocity: Tensor = self.noise.get_velocity(
                examples.clean, examples.noise, examples.timesteps
            )
            return velocity
        return examples.noise


def _require_sound(plus: PlusSettings, settings: InversionSettings) -> None:
    weighting(plus.schedule)
    if settings.templates == "imagenet27":
        raise SettingsError(
            "templates is 'imagenet27', which has no prompts with a background. Wanted 'pdst' or "
            "'verbatim' for the + methods."
        )
    if isinstance(plus.pools, str):
        if plus.pools not in ("stratified", "all"):
            raise SettingsError(
                f"pools is '{plus.pools}', wanted 'stratified', 'all', or three probabilities."
            )
        if plus.pools == "stratified" and settings.batch < 3:
            raise SettingsError(
                f"batch is {settings.batch}, wanted at least 3: one example of each pool."
            )
    elif len(plus.pools) != 3 or min(plus.pools) < 0 or sum(plus.pools) <= 0:
        raise SettingsError(f"pools is {plus.pools}, wanted three probabilities, at least 0.")
