"""In: learned words and prompts that hold them. Out: what the UNet is told, with gradients.

A word is what a method learns in place of a token's embedding: plain vectors (Textual Inversion),
or a network that gives another vector for every timestep and cross-attention layer (NeTI). A batch
may hold the prompts of several subjects, each with words of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from pdst.diffusion.attention import Layered
from pdst.diffusion.mapper import Mapper
from pdst.diffusion.tokens import Vocabulary, encode

BYPASS_ALPHA = 0.2
"""How far NeTI's bypass moves a value, of that value's norm (Alaluf et al., section 4.3)."""

Told: TypeAlias = "Tensor | Layered"
"""What a UNet takes as `encoder_hidden_states`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A word, for some rows.

    Attributes:
        vectors: its tokens' embeddings, (R, D) each.
        bypass: (R, D), or None.
    """

    vectors: tuple[Tensor, ...]
    bypass: Tensor | None


class PlainWord(nn.Module):
    """Vectors in place of embeddings: Textual Inversion (Gal et al., 2022), section 3.

    Attributes:
        vectors: (n, D) float32, trainable.
    """

    layered = False

    def __init__(self, vectors: Tensor) -> None:
        """Begin at some vectors (n, D)."""
        super().__init__()
        self.vectors = nn.Parameter(vectors.detach().clone().float())

    def spoken(self, timesteps: Tensor, layers: Tensor, keep: Tensor | None) -> Spoken:
        """The same vectors in every row."""
        rows = len(timesteps)
        return Spoken(
            vectors=tuple(vector.expand(rows, -1) for vector in self.vectors), bypass=None
        )


class MappedWord(nn.Module):
    """NeTI's word: a mapper from timestep and layer to a vector and a bypass."""

    layered = True

    def __init__(self, mapper: Mapper) -> None:
        """Speak for a mapper."""
        super().__init__()
        self.mapper = mapper

    def spoken(self, timesteps: Tensor, layers: Tensor, keep: Tensor | None) -> Spoken:
        """A vector a row."""
        vectors, bypass = self.mapper(timesteps, layers, keep=keep)
        return Spoken(vectors=(vectors,), bypass=bypass)


class FixedWord(nn.Module):
    """A word that is spoken and learns nothing from it."""

    def __init__(self, word: "PlainWord | MappedWord") -> None:
        """Speak as another word does."""
        super().__init__()
        self.word = word
        self.layered = word.layered

    def spoken(self, timesteps: Tensor, layers: Tensor, keep: Tensor | None) -> Spoken:
        """What the word says, without gradients."""
        with torch.no_grad():
            return self.word.spoken(timesteps, layers, keep)


Word: TypeAlias = PlainWord | MappedWord | FixedWord
"""A learned word. At (R,) timesteps and layers it is `spoken`; `keep` (R,) is nested dropout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Prompts of one subject.

    Attributes:
        ids: (B, L) int64.
        timesteps: (B,) int64.
        words: the subject's, by placeholder.
        keep: (N, B) int64 by placeholder: nested dropout; None: none.
    """

    ids: Tensor
    timesteps: Tensor
    words: Mapping[str, Word]
    keep: Mapping[str, Tensor | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What prompts say.

    Attributes:
        keys, values: (N, B, L, D) float32, N layers; N is 1 where all layers are told the same.
        layered: whether N counts layers.
    """

    keys: Tensor
    values: Tensor
    layered: bool

    @property
    def told(self) -> Told:
        """For the UNet."""
        return Layered(keys=self.keys, values=self.values) if self.layered else self.keys[0]

    def rows(self, first: int, last: int) -> "Said":
        """Some of the rows."""
        return Said(
            keys=self.keys[:, first:last],
            values=self.values[:, first:last],
            layered=self.layered,
        )


def say(
    text_encoder: nn.Module,
    vocabulary: Vocabulary,
    parts: Sequence[Rows],
    layers: int,
    *,
    alpha: float = BYPASS_ALPHA,
) -> Said:
    """Pass prompts of one or several subjects through the frozen text encoder, in one pass.

    Args:
        text_encoder: the base model's.
        vocabulary: that the ids are of.
        parts: each subject's rows, one after the other; all subjects' words are of the same kind.
        layers: cross-attention layers of the UNet.
        alpha: of the bypass.

    Returns:
        All rows, with gradients to the words.
    """
    layered = any(word.layered for part in parts for word in part.words.values())
    count = layers if layered else 1
    vectors: dict[int, Tensor] = {}
    bypass: dict[int, Tensor] = {}
    for name, ids in vocabulary.ids.items():
        spoken = [_spoken(part, name, count) for part in parts]
        for number, token in enumerate(ids):
            vectors[token] = _joined([one.vectors[number] for one in spoken], count)
        found = [one.bypass for one in spoken if one.bypass is not None]
        if found:
            bypass[ids[0]] = _joined(found, count)
    ids_of_all = torch.cat([part.ids for part in parts])
    streams = encode(text_encoder, ids_of_all.repeat(count, 1), vectors, bypass or None, alpha)
    shape = (count, len(ids_of_all), *streams.keys.shape[1:])
    return Said(keys=streams.keys.view(shape), values=streams.values.view(shape), layered=layered)


def _spoken(part: Rows, name: str, count: int) -> Spoken:
    """A word of a part, for all layers: layer by layer, (N * B, D)."""
    rows = len(part.ids)
    layers = torch.arange(count, device=part.ids.device).repeat_interleave(rows)
    keep = part.keep.get(name)
    return part.words[name].spoken(
        part.timesteps.repeat(count), layers, None if keep is None else keep.flatten()
    )


def _joined(parts: Sequence[Tensor], count: int) -> Tensor:
    """Parts of (N * B, D) each, to all rows of layer 0, then all of layer 1, …."""
    joined = torch.cat([part.view(count, -1, part.shape[1]) for part in parts], 1)
    return joined.flatten(0, 1)
