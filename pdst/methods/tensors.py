"""In: named tensors. Out: one safetensors file, whole or not there; and back."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pdst.errors import StoreError
from pdst.files import whole_file


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write tensors.

    Args:
        path: of the file; its folder is made.
        tensors: on any device.
        facts: what else the file says of them.
        dtype: of floating-point tensors in the file; None: as they are.

    Raises:
        StoreError: if the disk does not let us write.
    """

    def stored(tensor: Tensor) -> Tensor:
        wanted = dtype if tensor.is_floating_point() else None
        return tensor.detach().to("cpu", wanted or tensor.dtype).contiguous()

    with whole_file(path) as temporary:
        # "format" is what transformers and diffusers ask of a file.
        described = {"format": "pt", **(facts or {})}
        save_file({name: stored(tensor) for name, tensor in tensors.items()}, temporary, described)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors, on the CPU, and what else the file says of them.

    Raises:
        StoreError: if the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}). Delete its folder to train anew."
        ) from error
