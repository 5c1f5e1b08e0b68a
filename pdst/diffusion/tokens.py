"""In: prompts with placeholders, and vectors for those. Out: what a UNet is told of the prompts.

The base model's tokenizer and embedding table stay what they are: a copy of the tokenizer knows the
placeholders, whose ids lie beyond the table, and a hook puts their vectors in.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pdst.diffusion.backbone import Backbone
from pdst.errors import SettingsError

PLACEHOLDER = "<pdst-subject>"
"""Stands for the subject in a prompt."""
ATTRACTOR = "<pdst-attractor>"
"""Stands for what is around the subject."""

_FORM = re.compile(r"<[a-z0-9._-]+>")
"""No placeholder of this form is part of another, or equals another's `<t>_1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """A base model's vocabulary with placeholders.

    Attributes:
        tokenizer: a copy of the base model's, with the placeholders.
        ids: from a placeholder to the ids of its n tokens, one a vector.
        length: L, the text encoder's context.
    """

    tokenizer: Any
    ids: Mapping[str, tuple[int, ...]]
    length: int

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Token ids of prompts: (B, L) int64 on the CPU, padded and cut as `Backbone.tokens`."""
        found = self.tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        )
        ids: Tensor = found.input_ids
        return ids

    def words(self, placeholder: str) -> str:
        """What stands in a prompt for a placeholder: all its tokens, joined by blanks."""
        return " ".join(_tokens(placeholder, len(self.ids[placeholder])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What a UNet is told of prompts: text states that keys and values are made of.

    Attributes:
        keys: (B, L, D) float32.
        values: (B, L, D) float32; the same tensor where there is no bypass.
    """

    keys: Tensor
    values: Tensor


def vocabulary(backbone: Backbone, placeholders: Mapping[str, int]) -> Vocabulary:
    """A base model's vocabulary, and placeholders.

    Args:
        backbone: whose tokenizer is copied.
        placeholders: from a name like `<pdst-subject>` to its number of vectors, n >= 1. Its tokens
            are `<t>`, `<t>_1`, …, `<t>_{n-1}`, as diffusers names them.

    Raises:
        SettingsError: if a name is not of that form, or a token is in the vocabulary already.
    """
    tokenizer = copy.deepcopy(backbone.tokenizer)
    # `add_tokens` says that it added a token which is there, and gives it the id that it has.
    known = tokenizer.get_vocab()
    before = len(tokenizer)
    ids: dict[str, tuple[int, ...]] = {}
    for name, vectors in placeholders.items():
        _require_form(name, vectors)
        tokens = _tokens(name, vectors)
        for token in tokens:
            if token in known:
                raise SettingsError(
                    f"Placeholder '{name}': the tokenizer of {backbone.name} knows '{token}' "
                    "already. Take another name."
                )
        tokenizer.add_tokens(tokens)
        ids[name] = tuple(tokenizer.convert_tokens_to_ids(tokens))
    new = [number for numbers in ids.values() for number in numbers]
    assert new == list(range(before, before + len(new)))
    return Vocabulary(
        tokenizer=tokenizer,
        ids=ids,
        length=backbone.text_encoder.config.max_position_embeddings,
    )


def initial_vector(backbone: Backbone, word: str) -> Tensor:
    """A word's row of the embedding table: (D,) float32, a copy.

    Args:
        backbone: whose table.
        word: exactly one token: "dog", not "teddy bear".

    Raises:
        SettingsError: if it is none or several.
    """
    ids = backbone.tokenizer(word, add_special_tokens=False).input_ids
    if len(ids) != 1:
        pieces = " + ".join(backbone.tokenizer.convert_ids_to_tokens(ids)) or "nothing"
        raise SettingsError(
            f"Initial word '{word}' is {len(ids)} tokens of {backbone.name} ({pieces}), wanted "
            "exactly one. Take a broader word that is in its vocabulary, such as 'dog', 'toy' or "
            "'object'."
        )
    row: Tensor = backbone.text_encoder.get_input_embeddings().weight[ids[0]]
    return row.detach().clone().float()


def encode(
    text_encoder: Any,
    ids: Tensor,
    vectors: Mapping[int, Tensor],
    bypass: Mapping[int, Tensor] | None = None,
    alpha: float = 0.2,
) -> Streams:
    """Encode prompts, some of whose tokens have a vector of their own in each row.

    A token's vector takes the place of its row of the table, wherever the token stands; position
    embeddings come on top as for any other. With a bypass, the token's last hidden state h, before
    the final LayerNorm, becomes h + alpha |h| b / |b| in the values' stream, at that token alone.

    Args:
        text_encoder: CLIPTextModel, or one that holds it as `text_model`. Not for two threads at
            a time.
        ids: (B, L) int64 on its device.
        vectors: from a token's id to (B, D), one vector a row of `ids`.
        bypass: from a token's id to (B, D): b, of which only the direction counts.
        alpha: how far the bypass goes, as a part of |h|.

    Raises:
        ValueError: if an id beyond the embedding table has no vector, or a shape does not fit.

    Source:
        Alaluf et al., "A Neural Space-Time Representation for Text-to-Image Personalization"
        (SIGGRAPH Asia 2023), and its released code, where alpha is 0.2.
    """
    core = getattr(text_encoder, "text_model", text_encoder)
    table = text_encoder.get_input_embeddings()
    _require_shapes(ids, table.embedding_dim, vectors, bypass or {})
    beyond = ids >= table.num_embeddings
    lacking = sorted(set(ids[beyond].tolist()) - set(vectors))
    if lacking:
        raise ValueError(
            f"Tokens {lacking} lie beyond the embedding table, which has {table.num_embeddings} "
            f"rows, and have no vector. Given: {sorted(vectors)}. Give (B, D) vectors for them."
        )
    before_norm: list[Tensor] = []

    def known(module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0].masked_fill(beyond, 0),)

    def put_in(module: Any, args: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
        for token, vector in vectors.items():
            there = (ids == token)[..., None]
            embedded = torch.where(there, vector[:, None].to(embedded.dtype), embedded)
        return embedded

    def capture(module: Any, args: tuple[Tensor, ...]) -> None:
        before_norm.append(args[0])

    with (
        table.register_forward_pre_hook(known),
        table.register_forward_hook(put_in),
        core.final_layer_norm.register_forward_pre_hook(capture),
    ):
        keys: Tensor = text_encoder(input_ids=ids).last_hidden_state.float()
    if not bypass:
        return Streams(keys=keys, values=keys)
    (hidden,) = before_norm
    size = hidden.norm(dim=-1, keepdim=True)
    moved = hidden
    for token, vector in bypass.items():
        step = alpha * size * nn.functional.normalize(vector, dim=-1)[:, None].to(hidden.dtype)
        moved = torch.where((ids == token)[..., None], hidden + step, moved)
    return Streams(keys=keys, values=core.final_layer_norm(moved).float())


def _tokens(name: str, vectors: int) -> list[str]:
    return [name, *(f"{name}_{number}" for number in range(1, vectors))]


def _require_form(name: str, vectors: int) -> None:
    if not _FORM.fullmatch(name):
        # CLIP's tokenizer lower-cases prompts before it looks for added tokens.
        raise SettingsError(
            f"Placeholder '{name}': wanted lower-case letters, digits, '-', '_' or '.' between < "
            f"and >, such as {PLACEHOLDER}. Rename it."
        )
    if vectors < 1:
        raise SettingsError(f"Placeholder '{name}' has {vectors} vectors, wanted 1 or more.")


def _require_shapes(ids: Tensor, width: int, *groups: Mapping[int, Tensor]) -> None:
    wanted = (ids.shape[0], width)
    for group in groups:
        for token, vector in group.items():
            if tuple(vector.shape) != wanted:
                raise ValueError(
                    f"The vectors of token {token} are {tuple(vector.shape)}, wanted {wanted}: one "
                    "of the text encoder's width for each row of ids. Expand a single one."
                )
