"""In: a UNet, text states of its own for each layer. Out: that UNet, told them while in a context.

The layers are those of `pdst.diffusion.layers`, by their place in the order of execution.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn

from pdst.diffusion.layers import cross_attention_layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Layered:
    """What a UNet is told when every layer is told something else: `encoder_hidden_states`.

    Attributes:
        keys: (N, B, L, D), for N cross-attention layers in execution order.
        values: the same shape.
    """

    keys: Tensor
    values: Tensor

    def __post_init__(self) -> None:
        """Refuse two streams of two shapes."""
        if self.keys.shape != self.values.shape or self.keys.ndim != 4:
            raise ValueError(
                f"Layered states are {tuple(self.keys.shape)} and {tuple(self.values.shape)}, "
                "wanted (N, B, L, D) twice: stack what `encode` gives for each layer."
            )


class EagerAttention:
    """diffusers' attention processor for Stable Diffusion 1 and 2 as plain products and a softmax.

    For CPUs in bfloat16, where torch's fused attention is the slower one backwards: there and back
    through the miniature's UNet 24 ms a sample against 34 (batch 24, one core of an AMD EPYC, torch
    2.15). In float32 it is not: 39 against 35, and `python -m benchmarks training` agrees.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """As diffusers' processors; no mask, which a text-to-image UNet does not have."""
        assert attention_mask is None
        told = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        return _attended(attn, hidden_states, told, told, eager=True)


class LayeredAttention:
    """An attention processor for one cross-attention layer, which takes its own of `Layered`.

    Told a plain tensor, it does what the UNet's own would: diffusers' `AttnProcessor2_0`, or
    `EagerAttention`. The layer's number is fixed here, not counted during a pass: gradient
    checkpointing runs layers twice.

    Source:
        Alaluf et al., "A Neural Space-Time Representation for Text-to-Image Personalization"
        (SIGGRAPH Asia 2023): the textual bypass goes to the values, not to the keys.
    """

    def __init__(self, layer: int, *, eager: bool = False) -> None:
        """Attend for the layer of that place, counted from 0 in the order of execution."""
        self.layer = layer
        self.eager = eager
        self.plain = _plain(eager)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | Layered | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """As diffusers' processors: (B, H·W, C) to the same."""
        if not isinstance(encoder_hidden_states, Layered):
            made: Tensor = self.plain(
                attn, hidden_states, encoder_hidden_states, attention_mask, temb
            )
            return made
        assert attention_mask is None
        keys = encoder_hidden_states.keys[self.layer]
        values = encoder_hidden_states.values[self.layer]
        return _attended(attn, hidden_states, keys, values, eager=self.eager)


@contextmanager
def told_by_layer(unet: Any, *, eager: bool = False) -> Iterator[None]:
    """While in here, a UNet takes `Layered` states as well as plain ones.

    Args:
        unet: UNet2DConditionModel; the processors that it has come back at the end, also after an
            exception.
        eager: attend by plain products and a softmax, in every layer, instead of torch's fused
            attention.
    """
    before = dict(unet.attn_processors)
    place = {f"{name}.processor": at for at, name in enumerate(cross_attention_layers(unet))}
    new = {
        name: LayeredAttention(place[name], eager=eager) if name in place else _plain(eager)
        for name in before
    }
    try:
        unet.set_attn_processor(new)
        yield
    finally:
        unet.set_attn_processor(before)


def _plain(eager: bool) -> Any:
    return EagerAttention() if eager else AttnProcessor2_0()


def _attended(attn: Any, hidden: Tensor, keys: Tensor, values: Tensor, *, eager: bool) -> Tensor:
    """Attention over text states: (B, H·W, C) to the same.

    Args:
        attn: diffusers' `Attention`.
        hidden: (B, H·W, C), where queries come from.
        keys: (B, L, D), any dtype.
        values: (B, L, D), any dtype.
        eager: by plain products and a softmax.
    """
    assert hidden.ndim == 3
    # What diffusers' own processor also heeds, and Stable Diffusion 1 and 2 do not have.
    assert not attn.norm_cross
    assert not attn.residual_connection
    assert attn.rescale_output_factor == 1
    assert attn.group_norm is attn.spatial_norm is attn.norm_q is attn.norm_k is None

    def heads(states: Tensor) -> Tensor:
        return states.reshape(*states.shape[:2], attn.heads, -1).transpose(1, 2)

    query = heads(attn.to_q(hidden))
    key = heads(attn.to_k(keys.to(hidden.dtype)))
    value = heads(attn.to_v(values.to(hidden.dtype)))
    if eager:
        found = torch.softmax((attn.scale * query) @ key.transpose(-1, -2), dim=-1) @ value
    else:
        found = nn.functional.scaled_dot_product_attention(query, key, value)
    made: Tensor = attn.to_out[1](attn.to_out[0](found.transpose(1, 2).flatten(2)))
    return made
