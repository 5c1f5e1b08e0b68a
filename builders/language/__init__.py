"""In: test photos, or captions of them. Out: neutral, checked captions, and how much they leak.

The order of the steps: `caption`, `refine`, `neutralize`, `check`. Each takes rows and yields rows,
an image at a time. Models that write have modules of their own: `qwen2vl`, `local_refiner`,
`endpoint`. Names are looked up when they are used, so that rows can be read without spaCy; nothing
but the models needs torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builders.language.captioning import Captioner, Pictured, caption, read_captions
    from builders.language.leaks import Leak, find_leaks
    from builders.language.neutral import neutralize_caption
    from builders.language.probe import Probe, leak_probe
    from builders.language.refining import Refiner, RulesRefiner, load_refiner, refine
    from builders.language.rows import (
        SCHEMA,
        Called,
        CaptionRow,
        LanguageError,
        from_table,
        to_table,
    )
    from builders.language.steps import check, neutralize

__all__ = [
    "SCHEMA",
    "Called",
    "CaptionRow",
    "Captioner",
    "LanguageError",
    "Leak",
    "Pictured",
    "Probe",
    "Refiner",
    "RulesRefiner",
    "caption",
    "check",
    "find_leaks",
    "from_table",
    "leak_probe",
    "load_refiner",
    "neutralize",
    "neutralize_caption",
    "read_captions",
    "refine",
    "to_table",
]

_MODULES = {
    "captioning": ("Captioner", "Pictured", "caption", "read_captions"),
    "leaks": ("Leak", "find_leaks"),
    "neutral": ("neutralize_caption",),
    "probe": ("Probe", "leak_probe"),
    "refining": ("Refiner", "RulesRefiner", "load_refiner", "refine"),
    "rows": ("SCHEMA", "Called", "CaptionRow", "LanguageError", "from_table", "to_table"),
    "steps": ("check", "neutralize"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'builders.language' has no attribute '{name}'")
    return getattr(importlib.import_module(f"builders.language.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
