"""In: a UNet. Out: the names of its cross-attention layers, in the order in which they run."""

from typing import Any


def cross_attention_layers(unet: Any) -> tuple[str, ...]:
    """Names of a UNet's cross-attention modules as in `named_modules()`, in execution order.

    Sixteen for Stable Diffusion 1.5. Read off the structure: `named_modules()` itself lists the mid
    block last, but it runs between the down and the up blocks. A layer index is a place in here.

    Args:
        unet: UNet2DConditionModel.
    """
    names = [name for name, _ in unet.named_modules() if name.endswith(".attn2")]
    parts = ("down_blocks.", "mid_block.", "up_blocks.")
    return tuple(name for part in parts for name in names if name.startswith(part))
