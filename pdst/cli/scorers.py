"""In: a release, and what is said of a device. Out: which scorers are meant, and where they run."""

import re

from pdst.types import Benchmark


def default_clip(release: Benchmark) -> str:
    """CLIP's weights where none are named.

    Drawn pictures are scored by what was trained on such, photos by what the paper scores with:
    encoders of photos see little of who is in a drawing of 64 pixels, and the miniature's nothing
    of a photo.
    """
    return "miniature" if _is_drawn(release) else "openai"


def default_dino(release: Benchmark) -> str:
    """DINO's weights where none are named; as `default_clip`."""
    return "miniature" if _is_drawn(release) else "dino"


def scorer_device(name: str) -> str:
    """The device that is meant; "auto" is a GPU of CUDA's if there is one, else the CPU."""
    if name != "auto":
        return name
    try:
        import torch
    except ModuleNotFoundError:
        return "cpu"  # the encoders say what to install
    return "cuda" if torch.cuda.is_available() else "cpu"


def _is_drawn(release: Benchmark) -> bool:
    """Whether it is the miniature, of the package or another one of that world (`miniature-7`)."""
    return re.fullmatch(r"miniature(-\d+)?(-one-place)?", release.name) is not None
