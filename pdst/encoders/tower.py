"""In: uint8 pixels and a torch module. Out: unit-norm float32 embeddings, by exact arithmetic."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pdst.encoders.devices import device_named
from pdst.encoders.preprocess import resize_and_crop
from pdst.encoders.spec import Dtype, Embeddings, EncoderSpec, Pixels
from pdst.errors import EncoderError, unknown_name

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

AT_ONCE_ON_CPU = 16
"""Images a forward pass on a CPU, however many are given. At 32, the arrays between two layers are
larger than glibc reuses (32 MiB) and than a cache holds: a ViT-S/16 took 90 ms an image instead of
62, a ViT-B/32 75 instead of 58 (2 cores, AMD EPYC, torch 2.15; 8 to 24 are alike)."""


class ImageTower:
    """An ImageEncoder: a spec, and a function from normalized pixels to features.

    Attributes:
        model: the module behind `features`, in evaluation mode.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        model: nn.Module,
        features: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        """Wrap `features`: (B, 3, crop, crop) of the spec's type on `device` to (B, D)."""
        self.model = model
        self._spec = spec
        self._features = features
        self._device = device
        self._mean = torch.tensor(spec.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(spec.std, device=device).view(1, 3, 1, 1)

    @property
    def spec(self) -> EncoderSpec:
        """Everything that decides a number."""
        return self._spec

    def preprocess(self, image: Image.Image) -> Pixels:
        """Resize and centre-crop an RGB image: (crop, crop, 3) uint8. Safe to call from threads."""
        return resize_and_crop(image, resize=self._spec.resize, crop=self._spec.crop)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embed (B, crop, crop, 3) uint8 pixels: (B, D) float32, unit norm.

        Raises:
            ValueError: for another shape or type.
            EncoderError: if an embedding is not finite (16-bit arithmetic can overflow).
        """
        crop = self._spec.crop
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (crop, crop, 3):
            raise ValueError(
                f"{self._spec.title} takes (B, {crop}, {crop}, 3) uint8 pixels, got "
                f"{pixels.shape} {pixels.dtype}. Make them with its `preprocess`."
            )
        if not len(pixels):
            return np.empty((0, self._spec.dim), np.float32)
        # torch warns of memory it may not write to, such as numpy's view of a PIL image.
        owned = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        at_once = AT_ONCE_ON_CPU if self._device.type == "cpu" else len(owned)
        with exact(self._device):
            starts = range(0, len(owned), at_once)
            parts = [self._embed(owned[start : start + at_once]) for start in starts]
        return np.concatenate(parts)

    def _embed(self, pixels: Tensor) -> Embeddings:
        # Exactly torchvision's ToTensor and Normalize, in float32 whatever the weights are.
        moved = pixels.to(self._device).permute(0, 3, 1, 2).contiguous()
        values = moved.float().div_(255).sub_(self._mean).div_(self._std)
        return unit_rows(self._features(values.to(DTYPES[self._spec.dtype])), self._spec)


def skip_unread_tokens(last_norm: nn.Module) -> None:
    """Let the last block of a vision transformer compute its MLP for the class token alone.

    The block adds `mlp(last_norm(tokens))` to all tokens, but only the class token, the first, is
    read afterwards. Broadcast from (B, 1, C), the sum is right for that token and meaningless for
    the others: a twentieth of all work less, and no number moves by more than float32 rounding.
    """

    def first_token(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (inputs[0][:, :1],)

    last_norm.register_forward_pre_hook(first_token)


def unit_rows(features: Tensor, spec: EncoderSpec) -> Embeddings:
    """Divide each row of (B, D) features by its length, in float32: (B, D) float32 on the CPU.

    Raises:
        EncoderError: if a row is not finite or zero.
    """
    rows = features.float()
    rows = rows / rows.norm(dim=-1, keepdim=True)
    embeddings: Embeddings = rows.cpu().numpy()
    if not np.isfinite(embeddings).all():
        raise EncoderError(
            f"{spec.title} gave an embedding that is not finite in {spec.dtype}. "
            "Use float32, or other weights."
        )
    return embeddings


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Inference without shortcuts: no gradients, autocast, TF32, bf16 or autotuned kernels.

    The switches are process-wide, and a generator in the same process may have set them; they are
    put back afterwards.
    """
    switches = _switches()
    before = [getattr(owner, name) for owner, name, _ in switches]
    legacy = legacy_precision()
    try:
        if legacy is not None:
            torch.set_float32_matmul_precision("highest")
        for owner, name, value in switches:
            setattr(owner, name, value)
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        for (owner, name, _), value in zip(switches, before, strict=True):
            setattr(owner, name, value)


def _switches() -> list[tuple[Any, str, object]]:
    """Attributes of torch.backends and what they have to be."""
    backends: Any = torch.backends  # typed incompletely
    parts = (
        backends.cuda.matmul,
        backends.cudnn.conv,
        backends.mkldnn.matmul,
        backends.mkldnn.conv,
    )
    return [
        (backends.cudnn, "benchmark", False),
        (backends.cudnn, "deterministic", True),
        *((part, "fp32_precision", "ieee") for part in parts),
    ]


def legacy_precision() -> str | None:
    """The older switch of torch, which has to agree with the newer ones; None if it is not in use.

    Reading it is an error once a process has used the newer ones.
    """
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def pick_device(name: str) -> torch.device:
    """The torch device of that name.

    Raises:
        EncoderError: if there is no such device here.
    """
    return device_named(name, what="the encoders", error=EncoderError)


def check_dtype(name: str) -> Dtype:
    """A name of `DTYPES`, typed.

    Raises:
        EncoderError: if it is none.
    """
    match name:
        case "float32" | "bfloat16" | "float16":
            return name
        case _:
            raise EncoderError(unknown_name("dtype", name, DTYPES))
