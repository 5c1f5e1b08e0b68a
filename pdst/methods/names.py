"""In: the name of a method that is trained for each subject. Out: its class, when asked for."""

from collections.abc import Mapping
from typing import Any

from pdst import methods
from pdst.errors import SettingsError, unknown_name

TRAINED: Mapping[str, str] = {
    "ti": "TextualInversion",
    "ti+": "TIPlus",
    "neti": "NeTI",
    "neti+": "NeTIPlus",
    "dreambooth": "DreamBooth",
    "dreambooth-lora": "DreamBoothLoRA",
    "custom-diffusion": "CustomDiffusion",
}
"""Names on the command line, entry points too, and classes of `pdst.methods`."""

FROZEN = ("ti", "ti+", "neti", "neti+")
"""Those that leave the base model as it is, so that several subjects fit into one batch."""

LEARNED = "learned"
"""The setting of `trained` that holds a digest of its checkpoints' records."""


def trained_method(name: str) -> Any:
    """The class of a method.

    Raises:
        GeneratorError: if a package that it needs is missing.
        SettingsError: if there is no such method.
    """
    if name not in TRAINED:
        raise SettingsError(unknown_name("method", name, TRAINED))
    return getattr(methods, TRAINED[name])
