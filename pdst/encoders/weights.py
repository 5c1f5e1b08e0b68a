"""In: a model's constructor, a safetensors file or a seed. Out: the filled model, its digest."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pdst.encoders.source import Located, WeightsSource, architecture_of
from pdst.errors import EncoderError

M = TypeVar("M", bound=nn.Module)

EMBEDDINGS = ("embedding", "pos_embed", "cls_token")
"""Parameters whose names hold one of these are added to tokens, not multiplied with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What a spec says about the weights of a filled model; fields as in `EncoderSpec`."""

    title: str
    weights: str
    weights_digest: str
    trained: bool


def fill(
    model: nn.Module,
    source: WeightsSource,
    located: Located | None,
    *,
    title: str,
    ignore: tuple[str, ...] = (),
) -> Weights:
    """Give a model its weights.

    Args:
        model: as `build` makes it.
        source: what was asked for.
        located: its files; None for untrained weights.
        title: of the family's own encoder ("CLIP ViT-B/32"); others are named after their source.
        ignore: as `fill_from_file`.

    Raises:
        EncoderError: if a file cannot be read, or does not fit.
    """
    _, name = architecture_of(source, located)
    own_title = f"{source.family.upper()} {name}" if name else title
    if located is None:
        fill_untrained(model, source.seed)
        kind = f"untrained-{source.name}" if source.name else "untrained"
        label, title = f"{kind}:{source.seed}", f"untrained {own_title} (seed {source.seed})"
    else:
        fill_from_file(model, located.weights, ignore=ignore)
        label = located.label
        if source.kind != "pretrained":
            title = own_title
    return Weights(
        title=title,
        weights=label,
        weights_digest=weights_digest(model.state_dict()),
        trained=located is not None,
    )


def build(make: Callable[[], M]) -> M:
    """Construct a model, in float32 on the CPU, without spending time on values soon overwritten.

    The global random state is left alone. The weights are undefined until they are filled.
    """
    with _plain_float32(), torch.device("meta"):
        model = make()
    stored = model.state_dict().keys()
    loose = {name for name, _ in model.named_buffers() if name not in stored}
    if loose - {"attn_mask"}:
        # A buffer that no checkpoint holds and only the constructor can compute: the slow way.
        with torch.random.fork_rng(devices=[]), _plain_float32(), torch.device("cpu"):
            return make()
    model.to_empty(device="cpu")
    for name, buffer in model.named_buffers():
        if name in loose:  # open_clip's causal mask: -inf above the diagonal
            buffer.fill_(-math.inf).triu_(1)
    return model


def fill_from_file(model: nn.Module, path: Path, *, ignore: tuple[str, ...] = ()) -> None:
    """Copy a safetensors file into a model: the same names, the same shapes, nothing left over.

    Args:
        model: gets the values, converted to its own type.
        path: the file.
        ignore: beginnings of names in the file that may be left over (a classifier).

    Raises:
        EncoderError: if the file cannot be read, or does not fit.
    """
    wanted = model.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if not name.startswith(ignore)]  # noqa: SIM118
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            _check_fit(path, wanted, shapes)
            for name in names:
                wanted[name].copy_(file.get_tensor(name))
    except (SafetensorError, OSError) as error:
        raise EncoderError(
            f"{path.name} cannot be read as safetensors ({error}). Copy or convert it anew."
        ) from error


def fill_untrained(model: nn.Module, seed: int) -> None:
    """Give a model random weights: the same on every machine, a function of seed and names alone.

    Uniform numbers of variance 1 / fan-in (0.02 for tables added to tokens); norms are 1, biases 0,
    and so are what normalization has seen: deviations 1, means 0.
    Only plain arithmetic on PCG64 integers, so no library version moves a digest.
    """
    for name, tensor in model.state_dict().items():
        if name.endswith(("bias", "running_mean")) or tensor.ndim == 0:
            tensor.zero_()
        elif tensor.ndim == 1 and name.endswith(("weight", "running_var")):
            tensor.fill_(1.0)
        else:
            fan_in = math.prod(tensor.shape[1:])
            is_table = any(part in name for part in EMBEDDINGS)
            width = np.float32(math.sqrt(3) * (0.02 if is_table else fan_in**-0.5))
            identity = hashlib.sha256(f"{seed}:{name}".encode()).digest()
            generator = np.random.Generator(np.random.PCG64(int.from_bytes(identity, "big")))
            values = generator.random(tuple(tensor.shape), dtype=np.float32)
            values -= np.float32(0.5)
            values *= np.float32(2) * width
            tensor.copy_(torch.from_numpy(values))


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over tensors in the order of their names: name, type, shape and bytes of each.

    Neither a file's name nor its layout enters.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_fit(
    path: Path, wanted: Mapping[str, Tensor], got: Mapping[str, tuple[int, ...]]
) -> None:
    missing = [name for name in wanted if name not in got]
    extra = [name for name in got if name not in wanted]
    misshapen = [
        f"{name} is {got[name]}, wanted {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in got and got[name] != tuple(tensor.shape)
    ]
    if not missing and not extra and not misshapen:
        return
    parts = [
        f"{len(found)} {what}: {_some(found)}"
        for what, found in (
            ("tensors missing", missing),
            ("tensors unknown", extra),
            ("tensors of another shape", misshapen),
        )
        if found
    ]
    if any(name.startswith(("vision_model.", "embeddings.", "encoder.layer.")) for name in extra):
        hint = "These are transformers' names; wanted are open_clip's (CLIP) or timm's (DINO)."
    else:
        hint = "For another architecture, give a folder with its configuration."
    raise EncoderError(f"{path.name} does not fit the architecture. {'; '.join(parts)}. {hint}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown}, …" if len(names) > 3 else shown


@contextmanager
def _plain_float32() -> Iterator[None]:
    """New tensors are float32, whatever some generator's code made the default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
