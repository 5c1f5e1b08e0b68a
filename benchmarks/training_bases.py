"""In: a base model's name, a device. Out: the base model; also Stable Diffusion 1.5 by size alone.

`sd15-random` has Stable Diffusion 1.5's classes, widths and vocabulary, and random weights: what a
step costs does not depend on their values, and nothing has to be downloaded.
"""

import gzip
import math
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from open_clip.tokenizer import bytes_to_unicode, default_bpe
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pdst.diffusion.backbone import DTYPES, Backbone, load_backbone
from pdst.digest import Json
from pdst.encoders.devices import device_named
from pdst.errors import BackboneError

RANDOM = "sd15-random"

UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
    "norm_num_groups": 32,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
TEXT_ENCODER: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}
NOISE: dict[str, Json] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
"""The four parts as Stable Diffusion 1.5's configuration files have them."""

MERGES = 48_894
"""Of CLIP's vocabulary; with the bytes and two special tokens, 49,408 tokens."""


def open_base(base: str, *, device: str = "auto", dtype: str = "auto") -> Backbone:
    """A base model as `load_backbone` opens it, or the one of random weights.

    Raises:
        BackboneError: as `load_backbone`.
    """
    if base != RANDOM:
        return load_backbone(base, device=device, dtype=dtype)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    where = device_named(device, what="the base model", error=BackboneError)
    if dtype == "auto":
        dtype = "float32" if where.type == "cpu" else "bfloat16"
    return random_sd15(where, DTYPES[dtype])


def random_sd15(device: torch.device, dtype: torch.dtype, *, seed: int = 0) -> Backbone:
    """Stable Diffusion 1.5 with random weights: 1.07 billion numbers, 4.3 GB in float32.

    Args:
        device: where it is made.
        dtype: of the UNet and the VAE; the text encoder is float32.
        seed: of the weights, which differ between devices.
    """
    rng = torch.Generator(device).manual_seed(seed)
    with torch.device("meta"):
        # torch's own `to`: diffusers' one warns of weights that there are none of.
        unet = nn.Module.to(UNet2DConditionModel(**UNET), dtype)
        vae = nn.Module.to(AutoencoderKL(**VAE), dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER))
    return Backbone(
        name=RANDOM,
        label=RANDOM,
        digest=f"{RANDOM}-{seed}-{device.type}",
        unet=_filled(unet, device, rng),
        vae=_filled(vae, device, rng),
        text_encoder=text_encoder.to(device).requires_grad_(False).eval(),
        tokenizer=_tokenizer(),
        noise=NOISE,
        device=device,
        dtype=dtype,
    )


@torch.no_grad()
def _filled(network: Any, device: torch.device, rng: torch.Generator) -> Any:
    """A network of uniform weights of variance 1 / fan-in; norms are 1, biases 0."""
    made: nn.Module = network.to_empty(device=device)
    for name, weights in made.named_parameters():
        if weights.ndim == 1:
            weights.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            bound = math.sqrt(3 / math.prod(weights.shape[1:]))
            weights.uniform_(-bound, bound, generator=rng)
    return made.requires_grad_(False).eval()


def _tokenizer() -> Any:
    """CLIP's, from the merges that open_clip carries."""
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        lines = [line for line in file.read().split("\n")[1:] if line][:MERGES]
    merges = [tuple(line.split()) for line in lines]
    symbols = list(bytes_to_unicode().values())
    tokens = [
        *symbols,
        *(f"{symbol}</w>" for symbol in symbols),
        *("".join(merge) for merge in merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges)
