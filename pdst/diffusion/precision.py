"""In: a base model in 16 bits on a GPU. Out: its float32 text encoder in the GPU's fast products.

TensorFloat-32 multiplies with ten bits of mantissa and adds in float32. What the text encoder says
is then rounded for the UNet anyway, to ten bits in float16 and to seven in bfloat16.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pdst.diffusion.backbone import Backbone
from pdst.encoders.tower import legacy_precision


def text_products(backbone: Backbone) -> str:
    """How the text encoder multiplies: "tf32" if the UNet is in 16 bits on CUDA, else "float32"."""
    swift = backbone.device.type == "cuda" and backbone.dtype != torch.float32
    return "tf32" if swift else "float32"


@contextmanager
def swift_products(backbone: Backbone) -> Iterator[None]:
    """Let float32 products run as `text_products` says.

    The switches are process-wide and are put back afterwards; `pdst.encoders.tower.exact` inside
    overrules them. Nothing changes for a base model in float32, or on another device.
    """
    if text_products(backbone) == "float32":
        yield
        return
    backends: Any = torch.backends  # typed incompletely
    parts = (backends.cuda.matmul, backends.mkldnn.matmul)
    before, legacy = [part.fp32_precision for part in parts], legacy_precision()
    try:
        if legacy is None:
            backends.cuda.matmul.fp32_precision = "tf32"
        else:  # torch refuses to multiply when both switches disagree: this sets both
            torch.set_float32_matmul_precision("high")
        yield
    finally:
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        for part, precision in zip(parts, before, strict=True):
            part.fp32_precision = precision
