"""In: a subject. Out: pictures by a base model with low-rank changes that were trained on it.

DreamBooth's lesson for small machines, and another method: the UNet's weights stay, and small
products beside its attention layers learn (Hu et al., "LoRA", ICLR 2022). By PEFT, in diffusers'
format.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.tuners.lora import Conv2d, Linear
from peft.utils import get_peft_model_state_dict
from torch import Tensor, nn

from pdst.diffusion.backbone import Backbone
from pdst.diffusion.training import stream
from pdst.errors import SettingsError, StoreError
from pdst.files import whole_file
from pdst.methods.class_noun import ClassNounSampler
from pdst.methods.dreambooth import RareWordSettings
from pdst.methods.networks import frozen_states, own_unet, training_backbone
from pdst.methods.tuner import FineTuning
from pdst.types import Sampling, Subject

FILE = "pytorch_lora_weights.safetensors"
"""`StableDiffusionPipeline.load_lora_weights(FOLDER)` looks for this name."""

ADAPTER = "default"


@dataclass(frozen=True, kw_only=True)
class LoRASettings(RareWordSettings):
    """DreamBooth LoRA.

    Attributes:
        rank: of the changes.
        alpha: they are multiplied by alpha / rank; None: by 1.
        targets: ends of the names of the UNet's layers that change; linear ones or convolutions.
    """

    rank: int = 4
    alpha: int | None = None
    targets: tuple[str, ...] = ("to_k", "to_q", "to_v", "to_out.0")

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if self.rank < 1:
            raise SettingsError(f"rank is {self.rank}, wanted at least 1.")


class LowRank:
    """Products of two thin matrices beside layers of a UNet."""

    def __init__(
        self,
        backbone: Backbone,
        settings: LoRASettings,
        name: str,
        *,
        gradient_checkpointing: bool = False,
    ) -> None:
        """Begin at no change: the second matrices are zero, the first ones random.

        Args:
            backbone: the base model.
            settings: of the changes.
            name: the subject's id, for random numbers.
            gradient_checkpointing: as `own_unet`.

        Raises:
            SettingsError: if no layer has such a name.
        """
        self._backbone = backbone
        self.unet = own_unet(backbone, gradient_checkpointing=gradient_checkpointing)
        self._told = frozen_states(backbone)
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.rank if settings.alpha is None else settings.alpha,
            target_modules=list(settings.targets),
            init_lora_weights=False,
        )
        try:
            with torch.random.fork_rng(devices=[]):  # PEFT's own beginning is written over
                self.unet.add_adapter(config, ADAPTER)
        except ValueError as error:
            raise SettingsError(
                f"targets is {list(settings.targets)}: {error} Wanted ends of names of the UNet's "
                "layers, such as to_k and to_v."
            ) from error
        self._begin(settings, name)

    @torch.no_grad()
    def _begin(self, settings: LoRASettings, name: str) -> None:
        """As PEFT's "gaussian", from random numbers that follow from seed and subject."""
        rng = stream(settings.seed, name, "lora")
        for key, parameter in self.unet.named_parameters():
            if "lora_A" in key:
                drawn = torch.randn(parameter.shape, generator=rng) / settings.rank
                parameter.copy_(drawn)
            elif "lora_B" in key:
                parameter.zero_()

    def parameters(self) -> list[nn.Parameter]:
        """Both matrices of each layer, in the UNet's order."""
        return [parameter for parameter in self.unet.parameters() if parameter.requires_grad]

    def states(self, prompts: Sequence[str]) -> Tensor:
        """What the UNet is told of prompts: (B, L, D) float32."""
        return self._told(prompts)

    @torch.no_grad()
    def drift(self) -> float:
        """Norm of the changes over the norm of the weights that they are added to."""
        moved = begun = 0.0
        for layer in self.unet.modules():
            if isinstance(layer, Linear | Conv2d):
                moved += float(layer.get_delta_weight(ADAPTER).square().sum())
                begun += float(layer.weight.square().sum())
        return math.sqrt(moved / begun)

    def save(self, folder: Path) -> None:
        """Write the changes as diffusers does, their scale in the file's head."""
        config = self.unet.peft_config[ADAPTER].to_dict()
        # A set, whose order would be another in every process.
        config["target_modules"] = sorted(config["target_modules"])
        changes = convert_state_dict_to_diffusers(
            get_peft_model_state_dict(self.unet, adapter_name=ADAPTER)
        )
        with whole_file(folder / FILE) as temporary:
            StableDiffusionLoraLoaderMixin.save_lora_weights(
                temporary.parent,
                unet_lora_layers={name: tensor.cpu() for name, tensor in changes.items()},
                unet_lora_adapter_metadata=config,
                weight_name=temporary.name,
            )

    def sampler(self, sampling: Sampling, batch: int, words: str) -> ClassNounSampler:
        """Draw with what has been learned so far."""
        return ClassNounSampler(
            training_backbone(self._backbone, self.unet), sampling, batch, words
        )


class DreamBoothLoRA(FineTuning):
    """Low-rank changes of its own for each subject: another method than DreamBooth."""

    NAME = "DreamBooth LoRA"
    SETTINGS = LoRASettings

    def sampler(self, subject: Subject, folder: Path) -> ClassNounSampler:
        """What a checkpoint draws."""
        unet = copy.deepcopy(self.backbone.unet)
        try:
            unet.load_lora_adapter(
                folder, prefix="unet", weight_name=FILE, use_safetensors=True, local_files_only=True
            )
        except Exception as error:  # diffusers and PEFT let many families of errors through
            raise StoreError(
                f"{folder / FILE} cannot be read ({error}). Delete its folder to train anew."
            ) from error
        own = replace(self.backbone, unet=unet.requires_grad_(False).eval())
        return ClassNounSampler(own, self.sampling, self._batch, self.words(subject))

    def files(self) -> tuple[str, ...]:
        """The changes."""
        return (FILE,)

    def _modifier(self) -> str:
        return str(self._settings.identifier)

    def _tuned(self, subject: Subject) -> LowRank:
        return LowRank(
            self.backbone,
            self._settings,
            subject.subject_id,
            gradient_checkpointing=self._gradient_checkpointing,
        )
