"""In: nothing. Out: what a run ran on: package versions and hardware, for its record."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from pdst.digest import Json

PACKAGES = (
    "pdst",
    "datasets",
    "diffusers",
    "numpy",
    "open_clip_torch",
    "pillow",
    "pyarrow",
    "scipy",
    "timm",
    "torch",
    "torchvision",
    "transformers",
)
"""Packages whose version may move a pixel or a score."""


def versions() -> dict[str, Json]:
    """Python's version and those of the installed packages among PACKAGES."""
    found: dict[str, Json] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Json]:
    """System, processor, cores, accelerators; no host or user name, as records get published."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "accelerators": _accelerators(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _accelerators() -> list[Json]:
    """Names of the devices that torch sees, if torch is in use: it is not imported for this."""
    if "torch" not in sys.modules:
        return []
    import torch

    if torch.backends.mps.is_available():
        return ["mps"]
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
