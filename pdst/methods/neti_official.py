"""In: a mapper as NeTI's released code saves it (`mapper-steps-*.pt`). Out: our mapper, the same.

Such a file is a pickle, which can run code when it is opened. It is read with torch's weights-only
unpickler, which makes tensors and plain containers and nothing else, and only if the caller says
so. One of the released code's classes, the positional encoding, stands in the file as an object; an
empty class takes its place, whose attributes are data.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from pdst.diffusion.mapper import TIMESTEPS, Mapper, MapperSettings
from pdst.diffusion.tokens import PLACEHOLDER
from pdst.diffusion.words import MappedWord
from pdst.digest import Json, digest_bytes
from pdst.errors import StoreError
from pdst.files import write_json
from pdst.methods.checkpoints import save_words

ENCODER = "models.positional_encoding.NeTIPositionalEncoding"
"""The released code's class of random frequencies, the one that our mapper has."""

PLAIN = "models.positional_encoding.BasicEncoder"
"""Its class of an ablation without them, which our mapper does not have."""

LAYERS = 16

NAMES = {
    "input": "input_layer",
    "body.0": "net.1",
    "body.1": "net.2",
    "body.3": "net.4",
    "body.4": "net.5",
    "output": "output_layer.0",
}
"""From our mapper's modules to the released code's; each has a weight and a bias."""


class _Encoder:
    """Takes the place of the released code's encodings: attributes, no behaviour."""


class _PlainEncoder(_Encoder):
    """Of the ablation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialNeTI:
    """A subject that the released code has learned.

    Attributes:
        mapper: in evaluation mode, on the CPU, without gradients.
        placeholder: the token that it stood for there.
        super_category: the word whose embedding's norm its vectors have.
        base: the base model that it was trained on, as the released code names it.
        sha256: of the file.
    """

    mapper: Mapper
    placeholder: str
    super_category: str
    base: str
    sha256: str


def read_official(path: Path, *, allow_pickle: bool = False) -> OfficialNeTI:
    """Read a mapper of NeTI's released code.

    Args:
        path: `mapper-steps-*.pt` or `mapper-final.pt`.
        allow_pickle: the caller knows that the file is a pickle. It is read by
            `torch.load(weights_only=True)` all the same, and never by another unpickler.

    Raises:
        StoreError: without `allow_pickle`; if the file holds anything but a mapper with positional
            encoding and a target norm, or is damaged.

    Source:
        github.com/NeuralTextualInversion/NeTI: `checkpoint_handler.py`, `models/neti_mapper.py`.
    """
    if not allow_pickle:
        raise StoreError(
            f"{path} is a pickle, which can run code when it is opened. Where you trust it, allow "
            "it (--allow-pickle): it is then read by torch's weights-only unpickler. Better: ask "
            "for safetensors."
        )
    content = _loaded(path)
    state, config, encoder = (content.get(part) for part in ("state_dict", "cfg", "encoder"))
    if not isinstance(state, dict) or not isinstance(config, dict):
        raise StoreError(
            f"{path} holds {sorted(map(str, content))}, wanted state_dict, cfg and encoder, as "
            "NeTI's released code writes mapper-steps-*.pt."
        )
    waves = state.get("encoder.w", getattr(encoder, "w", None))
    if isinstance(encoder, _PlainEncoder) or not isinstance(waves, Tensor):
        raise StoreError(
            f"{path} is a mapper without positional encoding (its encoder is "
            f"{type(encoder).__name__.strip('_')}), which is not supported. Train it with "
            "use_positional_encoding."
        )
    mapper = _mapper(path, state, _part(path, config, "model"), waves)
    data = _part(path, config, "data")
    return OfficialNeTI(
        mapper=mapper,
        placeholder=str(data.get("placeholder_token", "")),
        super_category=str(data.get("super_category_token", "")),
        base=str(_part(path, config, "model").get("pretrained_model_name_or_path", "")),
        sha256=digest_bytes(path.read_bytes()),
    )


def convert(path: Path, folder: Path, *, allow_pickle: bool = False) -> OfficialNeTI:
    """Write a released mapper as our own safetensors, which `load_words` opens.

    Args:
        path: as `read_official`.
        folder: made if missing; gets `mapper.safetensors`, and `official.json`: where it is from.
        allow_pickle: as `read_official`.

    Raises:
        StoreError: as `read_official`, or if the folder cannot be written.
    """
    found = read_official(path, allow_pickle=allow_pickle)
    save_words(folder, {PLACEHOLDER: MappedWord(found.mapper)})
    facts: dict[str, Json] = {
        "method": "NeTI, released code",
        "file": path.name,
        "sha256": found.sha256,
        "base": found.base,
        "placeholder": found.placeholder,
        "super_category": found.super_category,
    }
    write_json(folder / "official.json", facts)
    return found


def _loaded(path: Path) -> dict[str, Any]:
    stand_ins: list[Any] = [(_Encoder, ENCODER), (_PlainEncoder, PLAIN)]
    try:
        with torch.serialization.safe_globals(stand_ins):
            found: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        foreign = _foreign(path)
        what = f"it holds {', '.join(foreign)}" if foreign else str(error).splitlines()[0]
        raise StoreError(
            f"{path} holds more than tensors and settings, and was not opened ({what}). Where you "
            "trust it, open it with the code that wrote it and save state_dict, cfg and encoder "
            "alone, cfg as plain values."
        ) from error
    except Exception as error:  # damaged archives fail in many ways
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StoreError(f"{path} cannot be read ({reason}). Copy it anew.") from error
    if not isinstance(found, dict):
        raise StoreError(f"{path} holds a {type(found).__name__}, wanted a NeTI mapper's file.")
    return cast("dict[str, Any]", found)


def _foreign(path: Path) -> list[str]:
    """What the file asks for that is not made, by name; nothing is opened for this."""
    try:
        asked = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # of torch's older file formats it cannot tell
        return []
    return sorted(set(asked) - {ENCODER, PLAIN})


def _part(path: Path, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = config.get(name)
    if not isinstance(part, dict):
        raise StoreError(f"{path}: its settings have no '{name}'. Wanted NeTI's own file.")
    return part


def _mapper(
    path: Path, state: Mapping[str, Any], settings: Mapping[str, Any], waves: Tensor
) -> Mapper:
    norm = settings.get("target_norm")
    if not isinstance(norm, int | float):
        raise StoreError(
            f"{path}: its target_norm is {norm}: outputs of no fixed norm, which is not supported. "
            "Train it with normalize_mapper_output."
        )
    try:
        bypass = bool(settings.get("output_bypass", True))
        anchors, hidden = state["input_layer.weight"].shape[0], state["net.1.weight"].shape[0]
        sigmas = settings.get("pe_sigmas") or {}
        made = Mapper(
            MapperSettings(
                width=state["output_layer.0.weight"].shape[0] // (2 if bypass else 1),
                norm=float(norm),
                layers=LAYERS,
                bypass=bypass,
                norm_mode="joint",
                sigma_t=float(sigmas.get("sigma_t", 0.03)),
                sigma_l=float(sigmas.get("sigma_l", 2.0)),
                frequencies=waves.shape[0],
                hidden=hidden,
                anchor_step=TIMESTEPS // (anchors // LAYERS),
                dropout=float(settings.get("nested_dropout_prob", 0.5)),
            ),
            seed=0,
        )
        ours = {
            f"{name}.{kind}": state[f"{theirs}.{kind}"]
            for name, theirs in NAMES.items()
            for kind in ("weight", "bias")
        }
        made.load_state_dict({**ours, "waves": waves.detach()})
    except (
        KeyError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
        ArithmeticError,
    ) as error:
        reason = str(error).strip().splitlines()[0]
        raise StoreError(f"{path} is no mapper of NeTI's released code ({reason}).") from error
    return made.requires_grad_(False).eval()
