"""In: a base model's name or folder. Out: its frozen networks, opened and identified.

Nothing here or below asks which base model it is: the miniature and Stable Diffusion 1.5 differ in
widths and in the class of their autoencoder only.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from pdst.diffusion.source import digest, locate, read_json
from pdst.digest import Json
from pdst.encoders.devices import device_named
from pdst.errors import BackboneError, unknown_name
from pdst.types import Sampling

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

NOISE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
)
"""What a base model's scheduler says about its training; the rest is how to sample, ours to say."""

_VAES = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A base model: frozen, in evaluation mode, on one device.

    Attributes:
        name: for tables ("miniature").
        label: for records ("sd15 = hub:…@…"); without a path of this machine.
        digest: sha256 over its files, whatever the arithmetic.
        unet: UNet2DConditionModel, in `dtype`.
        vae: AutoencoderKL or AutoencoderTiny, in `dtype`; `pdst.diffusion.latents` serves both.
        text_encoder: CLIPTextModel, in float32: learned tokens pass it. Its products may be
            faster ones on a GPU; see `pdst.diffusion.precision`.
        tokenizer: CLIPTokenizer.
        noise: the schedule it was trained with: `DDPMScheduler(**noise)` adds that noise.
        dtype: of the UNet's and the VAE's weights and arithmetic.
        preset: the trainers' preset that suits it, by its own word; None: it says nothing.
        guidance: likewise, of classifier-free guidance.
    """

    name: str
    label: str
    digest: str
    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    noise: Mapping[str, Json]
    device: torch.device
    dtype: torch.dtype
    preset: str | None = None
    guidance: float | None = None

    @property
    def factor(self) -> int:
        """Pixels a latent cell, along a side: 8 for Stable Diffusion 1.5, 4 for the miniature."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def resolution(self) -> int:
        """Pixels a side of the pictures that it was trained on."""
        size = self.unet.config.sample_size
        return self.factor * int(size if isinstance(size, int) else min(size))

    def sampling(
        self, steps: int, guidance: float | None = None, resolution: int | None = None
    ) -> Sampling:
        """How to draw with it.

        Args:
            steps: of DPM-Solver++ 2M.
            guidance: of classifier-free guidance; None: what its own folder says, else 7.5.
            resolution: pixels a side; None: what it was trained at.
        """
        own = Sampling().guidance if self.guidance is None else self.guidance
        return Sampling(
            steps=steps,
            guidance=float(own if guidance is None else guidance),
            resolution=resolution or self.resolution,
        )

    def told(self, sampling: Sampling) -> dict[str, Json]:
        """For records: how it draws, and its own guidance, if its folder says one."""
        own: dict[str, Json] = {} if self.guidance is None else {"base_guidance": self.guidance}
        return {**cast("dict[str, Json]", asdict(sampling)), **own}

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Token ids of prompts: (B, L) int64 on the device, L the text encoder's context.

        Padded as CLIP's are; a longer prompt is cut and keeps its end token.
        """
        found = self.tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=self.text_encoder.config.max_position_embeddings,
            return_tensors="pt",
        )
        ids: Tensor = found.input_ids.to(self.device)
        return ids

    def text_states(self, prompts: Sequence[str]) -> Tensor:
        """What the UNet is told of prompts: (B, L, D) float32, the last hidden states."""
        states: Tensor = self.text_encoder(self.tokens(prompts)).last_hidden_state
        return states


def load_backbone(base: str, *, device: str = "auto", dtype: str = "auto") -> Backbone:
    """Open a base model. Nothing is downloaded but what comes from the Hub and is not cached.

    Attention stays what diffusers chooses, torch's fused one. Forwards on a CPU it is also the
    faster one at the miniature's small heads: 21 ms a sample against 30 (batch 16, one core of an
    AMD EPYC, torch 2.15); both agree to 1.3e-6.

    Args:
        base: "miniature", "sd15" (pinned), a folder, or `hub:org/name[@revision]`.
        device: a torch device; "auto": a GPU of CUDA's if there is one, else the CPU.
        dtype: of the UNet and the VAE: "float32", "bfloat16", "float16"; "auto": float32 on a CPU,
            on a GPU bfloat16, or float16 where that is emulated.

    Raises:
        BackboneError: if it cannot be found or opened, or there is no such device or dtype.
    """
    where = _device(device)
    arithmetic = _dtype(dtype, where)
    found = locate(base)
    folder = found.folder

    def opened(part: str, kind: Any, **how: Any) -> Any:
        return _opened(found.label, part, kind, folder / part, **how).to(where)

    unet = opened("unet", UNet2DConditionModel, torch_dtype=arithmetic)
    vae = opened("vae", _VAES[found.vae], torch_dtype=arithmetic)
    text_encoder = opened("text_encoder", CLIPTextModel, dtype=torch.float32)
    tokenizer = _reading(
        found.label,
        "tokenizer",
        lambda: CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
    )
    _require_fit(found.label, unet, vae, text_encoder, tokenizer)
    schedule = read_json(folder, "scheduler/scheduler_config.json")
    return Backbone(
        name=found.name,
        label=found.label,
        digest=digest(folder),
        unet=unet,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        noise={key: cast("Json", schedule[key]) for key in NOISE if schedule.get(key) is not None},
        device=where,
        dtype=arithmetic,
        preset=found.preset,
        guidance=found.guidance,
    )


def _opened(label: str, part: str, kind: Any, folder: Path, **how: Any) -> Any:
    """A network from its folder, frozen; all of its weights must be in the file."""
    network, loading = _reading(
        label,
        part,
        lambda: kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **how
        ),
    )
    missing = sorted(loading["missing_keys"])
    if missing:
        raise BackboneError(
            f"Base model {label}: the {part}'s file lacks {len(missing)} of the weights that its "
            f"config.json asks for ({missing[0]}, …). Copy the folder anew."
        )
    return network.requires_grad_(False).eval()


def _reading(label: str, part: str, read: Callable[[], Any]) -> Any:
    try:
        with _quietly():
            return read()
    except Exception as error:  # both libraries let many families of errors through
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackboneError(
            f"Base model {label}: its {part} cannot be opened ({reason}). Copy the folder anew, or "
            "check that StableDiffusionPipeline.from_pretrained opens it."
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """No progress bars, and no warnings of what is checked here anyway."""
    libraries = (diffusers_logging, transformers_logging)
    before = [library.get_verbosity() for library in libraries]
    bars = [library.is_progress_bar_enabled() for library in libraries]
    try:
        for library in libraries:
            library.set_verbosity(logging.ERROR)
            library.disable_progress_bar()
        yield
    finally:
        for library, level, shown in zip(libraries, before, bars, strict=True):
            library.set_verbosity(level)
            if shown:
                library.enable_progress_bar()


def _require_fit(label: str, unet: Any, vae: Any, text_encoder: Any, tokenizer: Any) -> None:
    """The parts must be of one model: what passes from one to the other has one width."""
    pairs = (
        ("the UNet takes", unet.config.in_channels, "latent channels, the VAE makes"),
        ("the UNet's attention is", unet.config.cross_attention_dim, "wide, the text states are"),
    )
    given = (vae.config.latent_channels, text_encoder.config.hidden_size)
    for (taker, wanted, giver), got in zip(pairs, given, strict=True):
        if wanted != got:
            raise BackboneError(
                f"Base model {label}: {taker} {wanted} {giver} {got}. Wanted a plain text-to-image "
                "model (no inpainting), all parts from one release."
            )
    known = text_encoder.config.vocab_size
    if len(tokenizer) > known:
        raise BackboneError(
            f"Base model {label}: the tokenizer has {len(tokenizer)} tokens, the text encoder "
            f"knows {known}. Wanted all parts from one release."
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return device_named(name, what="the base model", error=BackboneError)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if bfloat16 else torch.float16
    if name not in DTYPES:
        raise BackboneError(unknown_name("dtype", name, (*DTYPES, "auto")))
    return DTYPES[name]
