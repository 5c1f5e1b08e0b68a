"""In: a method's name and a preset's. Out: the settings that the preset gives the method. No torch.

A preset fills the fields that a user leaves alone. Which one is meant by "auto" a base model says
itself (`pdst.json` in its folder); without a word from it, it is `reference`.
"""

import logging
from collections.abc import Mapping
from typing import TypeAlias

from pdst.digest import Json
from pdst.errors import SettingsError, unknown_name

log = logging.getLogger(__name__)

Fields: TypeAlias = Mapping[str, Json]

AUTO, REFERENCE, PAPER, MINIATURE = "auto", "reference", "paper", "miniature"

_TI: Fields = {"steps": 3000, "batch": 8, "rate": 2e-3, "decay": 0.0}
_NETI: Fields = {"steps": 1000, "batch": 8, "rate": 8e-3, "decay": 0.01}
_PAPER: Fields = {"steps": 5000, "batch": 8, "rate": 1e-5, "decay": 0.01}
_PLUS: Fields = {"templates": "pdst"}
_SMALL_TI: Fields = {"steps": 300, "batch": 8, "rate": 1e-2, "decay": 0.0}
_SMALL_NETI: Fields = {"steps": 120, "batch": 8, "rate": 8e-3, "decay": 0.01}
_ONE_PHOTO: Fields = {"batch": 1, "clip": 1.0, "flip": False}
_SMALL_PRIOR: Fields = {"prior_images": 16, "prior_steps": 20}

PRESETS: Mapping[str, Mapping[str, Fields]] = {
    # What the released code of each method does, for the whole batch.
    REFERENCE: {
        "TI": _TI,
        "NeTI": _NETI,
        "TI+": {**_TI, **_PLUS},
        "NeTI+": {**_NETI, **_PLUS},
        # diffusers' recipes for Stable Diffusion, with class images beside five photos.
        "DreamBooth": {"steps": 800, "rate": 5e-6, **_ONE_PHOTO},
        "DreamBooth LoRA": {"steps": 500, "rate": 1e-4, **_ONE_PHOTO},
        # For one GPU: 1e-5, scaled by a batch of two and by class images.
        "Custom Diffusion": {"steps": 500, "batch": 2, "rate": 4e-5, "clip": 1.0, "flip": True},
    },
    # Chosen on drawn subjects that are not in the release (`builders miniature release --seed 7`).
    MINIATURE: {
        "TI": _SMALL_TI,
        "NeTI": _SMALL_NETI,
        "TI+": {**_SMALL_TI, **_PLUS, "batch": 9},
        "NeTI+": {**_SMALL_NETI, **_PLUS, "batch": 9},
        "DreamBooth": {**_ONE_PHOTO, **_SMALL_PRIOR, "steps": 80, "batch": 2, "rate": 2e-4},
        "DreamBooth LoRA": {**_ONE_PHOTO, **_SMALL_PRIOR, "steps": 80, "batch": 2, "rate": 5e-3},
        "Custom Diffusion": {
            **_SMALL_PRIOR,
            "steps": 80,
            "batch": 4,
            "rate": 5e-4,
            "clip": 1.0,
            "flip": True,
        },
    },
    # Section 5.1 of Li et al. to the letter; its steps are not stated, 5,000 is where Fig. 1 ends.
    PAPER: {
        "TI": _PAPER,
        "NeTI": _PAPER,
        "TI+": {**_PAPER, **_PLUS, "contrast": 1.0},
        "NeTI+": {**_PAPER, **_PLUS, "contrast": 1.0},
    },
}


def preset_fields(method: str, preset: str) -> Fields:
    """The fields that a preset fills; empty where it says nothing about the method.

    Raises:
        SettingsError: if there is no such preset.
    """
    if preset not in PRESETS:
        raise SettingsError(unknown_name("preset", preset, (*PRESETS, AUTO)))
    found = PRESETS[preset].get(method)
    if found is None and preset != REFERENCE:
        log.warning("Preset %s says nothing about %s: its reference settings.", preset, method)
        found = PRESETS[REFERENCE].get(method)
    elif preset == PAPER:
        log.warning(
            "Preset paper learns with the paper's rate of 1e-5, 100 to 1,000 times below what is "
            "known to work; the checkpoint says whether it moved enough (undertrained)."
        )
    return found or {}


def chosen(preset: str, suggested: str | None) -> str:
    """The preset that is meant: one by name, or for "auto" what the base model suggests."""
    return (suggested or REFERENCE) if preset == AUTO else preset
