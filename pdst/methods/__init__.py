"""Generators that come with PDST, one file each; those that need torch are imported on first use.

`pdst-eval --model pdst.methods:ClassNoun` and `--model class-noun` are the same.
"""

import importlib
from typing import TYPE_CHECKING

from pdst.errors import GeneratorError

if TYPE_CHECKING:
    from pdst.methods.class_noun import ClassNoun
    from pdst.methods.custom_diffusion import CustomDiffusion
    from pdst.methods.dreambooth import DreamBooth
    from pdst.methods.inversions import NeTI, NeTIPlus, TextualInversion, TIPlus
    from pdst.methods.lora import DreamBoothLoRA
    from pdst.methods.trained import Trained

__all__ = [
    "ClassNoun",
    "CustomDiffusion",
    "DreamBooth",
    "DreamBoothLoRA",
    "NeTI",
    "NeTIPlus",
    "TIPlus",
    "TextualInversion",
    "Trained",
]

_HOMES = {
    "ClassNoun": "pdst.methods.class_noun",
    "CustomDiffusion": "pdst.methods.custom_diffusion",
    "DreamBooth": "pdst.methods.dreambooth",
    "DreamBoothLoRA": "pdst.methods.lora",
    "Trained": "pdst.methods.trained",
    **dict.fromkeys(("NeTI", "NeTIPlus", "TIPlus", "TextualInversion"), "pdst.methods.inversions"),
}

_PACKAGES = frozenset({"accelerate", "diffusers", "peft", "safetensors", "torch", "transformers"})


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'pdst.methods' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise GeneratorError(
            f"{name} needs the package '{error.name}', which is not installed. "
            "Run: pip install 'pdst[diffusion]'"
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
