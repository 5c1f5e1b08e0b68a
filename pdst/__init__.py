"""PDST: personalized image generation, scored on photos that the method has never seen.

Importing this is cheap: what is named here is imported on first use, and `datasets` learns the name
"pdst" (`load_dataset("pdst", NAME, data_dir=FOLDER)`) at once or as soon as it is imported itself.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from pdst import registration
from pdst.version import __version__

if TYPE_CHECKING:
    from pdst.dataset import load
    from pdst.errors import PdstError
    from pdst.evaluate import evaluate
    from pdst.generator import Generator, GeneratorInfo, Sampler
    from pdst.types import Benchmark, Case, Photo, Subject

__all__ = [
    "Benchmark",
    "Case",
    "Generator",
    "GeneratorInfo",
    "PdstError",
    "Photo",
    "Sampler",
    "Subject",
    "__version__",
    "evaluate",
    "load",
]

_HOMES = {
    "Benchmark": "pdst.types",
    "Case": "pdst.types",
    "Generator": "pdst.generator",
    "GeneratorInfo": "pdst.generator",
    "PdstError": "pdst.errors",
    "Photo": "pdst.types",
    "Sampler": "pdst.generator",
    "Subject": "pdst.types",
    "evaluate": "pdst.evaluate",
    "load": "pdst.dataset",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'pdst' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Package(ModuleType):
    """Keeps `pdst.evaluate` the function, though a submodule has that name, too.

    Importing a submodule sets it as an attribute of its package, which would hide the function from
    then on. `from pdst.evaluate import …` is not concerned.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
registration.register()
