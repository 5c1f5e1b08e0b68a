"""In: a subject's photos, frozen networks. Out: words for it: the students of TI, NeTI, both +.

One student serves all four methods, which differ in two things: what a word is (vectors, or NeTI's
mapper) and which examples teach it. Plain Textual Inversion has one pool of prompts and one loss;
the + pipeline (Li et al., arXiv 2503.06632, section 4) has three pools, masks, an attractor word
that takes what belongs to the background, and a contrastive loss that holds the two words apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

from pdst.diffusion.attention import told_by_layer
from pdst.diffusion.backbone import Backbone
from pdst.diffusion.layers import cross_attention_layers
from pdst.diffusion.losses import Contrast, info_nce, masked_mse, noise_target
from pdst.diffusion.mapper import Mapper, MapperSettings, nested_keep
from pdst.diffusion.photos import LatentPhotos
from pdst.diffusion.templates import Pool, templates
from pdst.diffusion.tokens import ATTRACTOR, PLACEHOLDER, Vocabulary, initial_vector, vocabulary
from pdst.diffusion.training import UNDERTRAINED, Loss, stream
from pdst.diffusion.weighting import progress, weighting
from pdst.diffusion.words import (
    FixedWord,
    MappedWord,
    PlainWord,
    Rows,
    Said,
    Word,
    say,
)
from pdst.errors import SettingsError
from pdst.methods.checkpoints import save_words
from pdst.methods.inversion_settings import (
    InversionSettings,
    NeTISettings,
    PlusSettings,
    require_sound,
)
from pdst.types import Subject

POOLS: tuple[Pool, ...] = ("subject", "background", "joint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """One pass of one student.

    Attributes:
        clean, noise: (B, C, h, w) float32; scaled latents and what is added to them.
        timesteps: (B,) int64.
        ids: (B, L) int64.
        places: by placeholder, rows that hold it and where: (K,) int64 each, its last token's.
        pools: (B,) int64, indices of `POOLS`.
        masks: (B, 1, h, w) float32, or None.
        keep: (N, B) int64 by placeholder, or None: nested dropout.
    """

    clean: Tensor
    noise: Tensor
    timesteps: Tensor
    ids: Tensor
    places: Mapping[str, tuple[Tensor, Tensor]]
    pools: Tensor
    masks: Tensor | None
    keep: Mapping[str, Tensor | None]


class Inversion:
    """A subject's word, and with the + pipeline its attractor.

    Attributes:
        words: by placeholder.
    """

    least_drift = UNDERTRAINED

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
        ids = room.vocabulary.tokens(prompts)
        device = room.backbone.device
        masks = self.photos.masks
        on = (photos.to(device), mirrored.to(device))
        return Examples(
            clean=self.photos.clean(*on, own.to(device)),
            noise=noise.to(device),
            timesteps=timesteps.to(device),
            ids=ids.to(device),
            places={name: self._places(ids, name) for name in self.words},
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

    def loss(
        self,
        number: int,
        examples: Examples,
        predicted: Tensor,
        said: Said,
        said_of_attractor: Said | None = None,
    ) -> Loss:
        """The loss of a pass: Eq. (2) or (3); with the + pipeline Eq. (6).

        Args:
            number: of the pass.
            examples: what it shows.
            predicted: (B, C, h, w) what the UNet makes of it.
            said: what it was told.
            said_of_attractor: the same, where the subject's word learns nothing; None: `said`.
        """
        plus = self.room.plus
        target = noise_target(self.room.noise, examples.clean, examples.noise, examples.timesteps)
        if plus is None:
            error = masked_mse(predicted, target, None).mean()
            return Loss(total=error, terms={"mse": error.detach()})
        assert examples.masks is not None
        inside = examples.masks
        weights = (plus.subject_weight, plus.background_weight, plus.joint_weight)
        masks = (inside, 1 - inside, None)
        total = predicted.new_zeros(())
        terms: dict[str, Tensor | float] = {}
        for pool, (name, weight, mask) in enumerate(zip(POOLS, weights, masks, strict=True)):
            rows = (examples.pools == pool).nonzero().flatten().to(predicted.device)
            if not isinstance(plus.pools, str):  # the mean of its passes is how often it is empty
                terms[f"no {name}"] = float(not len(rows))
            if not len(rows):
                continue
            shown = None if mask is None else mask[rows]
            error = masked_mse(predicted[rows], target[rows], shown, norm=plus.mask_norm).mean()
            total = total + weight * error
            terms[name] = error.detach()
        contrast = self._contrast(number, examples, said, said_of_attractor or said)
        step = number // self.room.settings.accumulate
        share = plus.contrast * weighting(plus.schedule)(progress(step, self.room.settings.steps))
        terms |= {
            "contrast": contrast.loss.detach(),
            "contrast weight": share,
        }
        if not isinstance(plus.pools, str):
            terms["no pair"] = float(not contrast.pairs)
        likeness = {"cos(v, v)": contrast.positive, "cos(v, A)": contrast.negative}
        terms |= {name: value for name, value in likeness.items() if value is not None}
        if share > 0:
            total = total + share * contrast.loss
        return Loss(total=total, terms=terms)

    def _contrast(
        self, number: int, examples: Examples, said: Said, said_of_attractor: Said
    ) -> Contrast:
        plus = self.room.plus
        assert plus is not None
        found = []
        for token, context in ((PLACEHOLDER, said), (ATTRACTOR, said_of_attractor)):
            streams = {"keys": (context.keys,), "values": (context.values,)}.get(
                plus.nce_stream, (context.keys, context.values)
            )
            rows, at = examples.places[token]
            found.append(torch.cat([states[:, rows, at] for states in streams]))
        if plus.nce_layers == "random1":
            rng = stream(self.room.settings.seed, self.name, number, "layer")
            layer = int(torch.randint(len(found[0]), (), generator=rng))
            found = [vectors[layer : layer + 1] for vectors in found]
        return info_nce(
            *found, temperature=plus.temperature, normalize=plus.normalize, form=plus.nce_form
        )

    def _places(self, ids: Tensor, placeholder: str) -> tuple[Tensor, Tensor]:
        """The rows of ids, on the CPU, in which a placeholder stands, and where: its last token."""
        is_there = ids == self.room.vocabulary.ids[placeholder][-1]
        rows = is_there.any(1).nonzero().flatten()
        at = is_there[rows].int().argmax(1)
        return rows.to(self.room.backbone.device), at.to(self.room.backbone.device)

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
            require_sound(plus, settings)
        words = {PLACEHOLDER: settings.vectors, **({ATTRACTOR: 1} if plus is not None else {})}
        self.vocabulary: Vocabulary = vocabulary(backbone, words)
        self.noise = DDPMScheduler(**backbone.noise)
        self.timesteps = int(self.noise.config.num_train_timesteps)
        self.unet = torch.compile(backbone.unet) if compiled else backbone.unet

    def lesson(self, students: Sequence[Any], passes: Sequence[int]) -> list[Loss]:
        """One pass of all students through the frozen networks together."""
        shown = [student.examples(number) for student, number in zip(students, passes, strict=True)]
        said = self._said([student.words for student in students], shown)
        apart = self.plus is not None and self.plus.stopgrad_attractor_context
        said_of_attractor = (
            self._said([_with_fixed_subject(student.words) for student in students], shown)
            if apart
            else said
        )
        noisy = torch.cat([self.noise.add_noise(o.clean, o.noise, o.timesteps) for o in shown])
        timesteps = torch.cat([one.timesteps for one in shown])
        predicted = self._predicted(noisy, timesteps, said)
        losses, first = [], 0
        for student, number, one in zip(students, passes, shown, strict=True):
            last = first + len(one.ids)
            own, of_attractor = said.rows(first, last), said_of_attractor.rows(first, last)
            losses.append(student.loss(number, one, predicted[first:last], own, of_attractor))
            first = last
        return losses

    def _said(self, words: Sequence[Mapping[str, Word]], shown: Sequence[Examples]) -> Said:
        rows = [
            Rows(ids=one.ids, timesteps=one.timesteps, words=own, keep=one.keep)
            for own, one in zip(words, shown, strict=True)
        ]
        return say(self.backbone.text_encoder, self.vocabulary, rows, self.layers, alpha=self.alpha)

    def _predicted(self, noisy: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        told: Any = said.told
        if isinstance(told, Tensor):
            told = told.to(self.backbone.dtype)
        # Where torch's fused attention is the slower one: see EagerAttention.
        on_cpu, halved = self.backbone.device.type == "cpu", self.backbone.dtype != torch.float32
        eager = on_cpu and halved
        with told_by_layer(self.backbone.unet, eager=eager):
            made = self.unet(
                noisy.to(self.backbone.dtype), timesteps, encoder_hidden_states=told
            ).sample
        return cast("Tensor", made.float())


def _with_fixed_subject(words: Mapping[str, Any]) -> dict[str, Word]:
    return {name: FixedWord(word) if name == PLACEHOLDER else word for name, word in words.items()}
