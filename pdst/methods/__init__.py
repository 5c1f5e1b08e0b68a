"""Generators that come with PDST, one file each; those that need torch are imported on first use.

`pdst-eval --model pdst.methods:ClassNoun` and `--model class-noun` are the same.
"""

import importlib
from typing import TYPE_CHECKING

from pdst.errors import GeneratorError

if TYPE_CHECKING:
    from pdst.methods.class_noun import ClassNoun
    from pdst.methods.inversions import NeTI, NeTIPlus, TextualInversion, TIPlus

__all__ = ["ClassNoun", "NeTI", "NeTIPlus", "TIPlus", "TextualInversion"]

_HOMES = {"ClassNoun": "pdst.methods.class_noun"} | dict.fromkeys(
    ("NeTI", "NeTIPlus", "TIPlus", "TextualInversion"), "pdst.methods.inversions"
)

_PACKAGES = frozenset({"accelerate", "diffusers", "safetensors", "torch", "transformers"})


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
