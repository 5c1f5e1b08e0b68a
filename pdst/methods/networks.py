"""In: a base model. Out: what methods that change networks need: copies, states, a measure."""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pdst.diffusion.attention import EagerAttention
from pdst.diffusion.backbone import Backbone


def arithmetic(backbone: Backbone) -> torch.autocast:
    """A context for passes that learn: bfloat16 products for a 16-bit base model, else float32.

    What learns, and the optimizer, are float32 in any case. A GPU without bfloat16 computes in
    float32: gradients in float16 would need a scaled loss.
    """
    cuda = backbone.device.type == "cuda"
    able = not cuda or torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(
        backbone.device.type,
        dtype=torch.bfloat16,
        enabled=able and backbone.dtype != torch.float32,
    )


def own_unet(backbone: Backbone, *, gradient_checkpointing: bool) -> Any:
    """A copy of a base model's UNet to change: float32, frozen until a method says what learns.

    Args:
        backbone: whose UNet is copied.
        gradient_checkpointing: compute parts of a pass twice, to save memory.
    """
    unet = copy.deepcopy(backbone.unet).float().requires_grad_(False)
    if gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if backbone.device.type == "cpu" and backbone.dtype != torch.float32:
        unet.set_attn_processor(EagerAttention())
    return unet


def training_backbone(backbone: Backbone, unet: Any) -> Backbone:
    """A base model with a UNet in training, as `own_unet` makes it, in its place."""
    return replace(backbone, unet=unet, dtype=torch.float32)


def frozen_states(backbone: Backbone) -> Callable[[Sequence[str]], Tensor]:
    """The base model's own text states, each prompt's computed once."""

    @lru_cache(None)
    @torch.no_grad()
    def of(prompt: str) -> Tensor:
        return backbone.text_states([prompt])[0]

    return lambda prompts: torch.stack([of(prompt) for prompt in prompts])


@torch.no_grad()
def relative_drift(pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Norm of all differences over the norm of all beginnings.

    Args:
        pairs: (now, begun) of one shape each, on one device.
    """
    moved = begun = 0.0
    for now, before in pairs:
        moved += float((now.float() - before.float()).square().sum())
        begun += float(before.float().square().sum())
    return math.sqrt(moved / begun)
