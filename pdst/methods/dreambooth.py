"""In: a subject. Out: pictures by a UNet that was trained on it, every weight of it.

Ruiz et al., "DreamBooth" (CVPR 2023): a rare word before the class noun comes to mean the subject,
while class images keep the class what it was. The autoencoder stays frozen; so does the text
encoder, unless told otherwise.
"""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pdst.diffusion.backbone import DTYPES, Backbone
from pdst.digest import Json
from pdst.errors import SettingsError, StoreError
from pdst.files import write_json
from pdst.methods.class_noun import ClassNounSampler
from pdst.methods.finetuning import FineTuningSettings
from pdst.methods.networks import (
    frozen_states,
    own_unet,
    relative_drift,
    training_backbone,
)
from pdst.methods.tensors import read_tensors, write_tensors
from pdst.methods.tuner import FineTuning
from pdst.types import Sampling, Subject

UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT_ENCODER = "text_encoder/model.safetensors"
"""Named as in a Stable Diffusion's folder, so that `from_pretrained` opens them."""


@dataclass(frozen=True, kw_only=True)
class RareWordSettings(FineTuningSettings):
    """Methods that call the subject by a rare word of the base model's own.

    Attributes:
        identifier: the word, before the class noun; several tokens do as well.
    """

    identifier: str = "sks"

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if not self.identifier.strip():
            raise SettingsError("identifier is empty, wanted a rare word, such as 'sks'.")


@dataclass(frozen=True, kw_only=True)
class DreamBoothSettings(RareWordSettings):
    """DreamBooth.

    Attributes:
        text_encoder: whether the text encoder is trained too.
        stored: number type of the weights on disk, which are the ones that draw: "float16", half
            as large, or "float32".
    """

    text_encoder: bool = False
    stored: Literal["float16", "float32"] = "float16"


class WholeNetworks:
    """All weights of a UNet, and if asked of a text encoder."""

    def __init__(
        self,
        backbone: Backbone,
        settings: DreamBoothSettings,
        *,
        gradient_checkpointing: bool = False,
    ) -> None:
        """Begin at the base model's weights."""
        self._backbone, self._settings = backbone, settings
        self.unet: Any = own_unet(
            backbone, gradient_checkpointing=gradient_checkpointing
        ).requires_grad_(True)
        self.text_encoder: Any = None
        if settings.text_encoder:
            self.text_encoder = copy.deepcopy(backbone.text_encoder).requires_grad_(True)
        self._told = _states_of(backbone, self.text_encoder)

    def parameters(self) -> list[nn.Parameter]:
        """The UNet's, then the text encoder's."""
        return [p for network, _ in self._networks() for p in network.parameters()]

    def states(self, prompts: Sequence[str]) -> Tensor:
        """What the UNet is told of prompts: (B, L, D) float32."""
        return self._told(prompts)

    def drift(self) -> float:
        """Norm of all that changed over the norm of the base model's weights."""
        return relative_drift(
            pair
            for network, base in self._networks()
            for pair in zip(network.parameters(), base.parameters(), strict=True)
        )

    def save(self, folder: Path) -> None:
        """Write the networks as parts of a Stable Diffusion's folder."""
        self._save(folder / UNET, self.unet, self.unet.to_json_string())
        if self.text_encoder is not None:
            text = self.text_encoder.config.to_json_string()
            self._save(folder / TEXT_ENCODER, self.text_encoder, text)

    def sampler(self, sampling: Sampling, batch: int, words: str) -> ClassNounSampler:
        """Draw with what has been learned so far."""
        own = training_backbone(self._backbone, self.unet)
        if self.text_encoder is not None:
            own = replace(own, text_encoder=self.text_encoder)
        return ClassNounSampler(own, sampling, batch, words)

    def _save(self, path: Path, network: Any, config: str) -> None:
        write_tensors(path, network.state_dict(), dtype=DTYPES[self._settings.stored])
        facts: dict[str, Json] = json.loads(config)
        facts.pop("_name_or_path", None)  # a path of this machine
        write_json(path.with_name("config.json"), facts)

    def _networks(self) -> Iterator[tuple[Any, Any]]:
        """What learns, each with the base model's own."""
        yield self.unet, self._backbone.unet
        if self.text_encoder is not None:
            yield self.text_encoder, self._backbone.text_encoder


def _states_of(backbone: Backbone, text_encoder: Any) -> Callable[[Sequence[str]], Tensor]:
    if text_encoder is None:
        return frozen_states(backbone)
    own = replace(backbone, text_encoder=text_encoder)
    return own.text_states


class DreamBooth(FineTuning):
    """A UNet of its own for each subject.

    Of Stable Diffusion 1.5 a checkpoint takes 1.7 GB; `keep="nothing"` spares the disk. On a GPU,
    `dtype="float16"` draws with exactly the weights that are stored; bfloat16 rounds them again.
    """

    NAME = "DreamBooth"
    SETTINGS = DreamBoothSettings

    def sampler(self, subject: Subject, folder: Path) -> ClassNounSampler:
        """What a checkpoint draws."""
        base = self.backbone
        own = replace(base, unet=_with_weights(base.unet, folder / UNET))
        if self._settings.text_encoder:
            encoder = _with_weights(base.text_encoder, folder / TEXT_ENCODER)
            own = replace(own, text_encoder=encoder)
        return ClassNounSampler(own, self.sampling, self._batch, self.words(subject))

    def files(self) -> tuple[str, ...]:
        """The UNet, and the text encoder if it learns."""
        return (UNET, TEXT_ENCODER) if self._settings.text_encoder else (UNET,)

    def _modifier(self) -> str:
        return str(self._settings.identifier)

    def _tuned(self, subject: Subject) -> WholeNetworks:
        return WholeNetworks(
            self.backbone, self._settings, gradient_checkpointing=self._gradient_checkpointing
        )


def _with_weights(network: Any, path: Path) -> Any:
    """A copy of a network, in its own type, with the weights of a file."""
    tensors, _ = read_tensors(path)
    made = copy.deepcopy(network)
    try:
        with torch.no_grad():
            made.load_state_dict(tensors)
    except RuntimeError as error:
        raise StoreError(
            f"{path} does not hold the weights of this base model ({str(error).splitlines()[0]}). "
            "Give the base model that it was trained on."
        ) from error
    return made
