"""Captioned latents in; a text encoder and a UNet of Stable Diffusion 1.5's shape out.

Sixteen cross-attention layers in the same places, noise prediction, the same betas; narrower, and
on 16 x 16 latents. Both networks learn together from nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from builders.sources.miniature.training.data import SIZE, Drawn, whole_numbers
from builders.sources.miniature.training.stage import Batch, device_of
from builders.sources.miniature.training.vae import CHANNELS, pixels

CONTEXT = 48
"""Tokens of a prompt. The longest caption has 37; every token more costs sixteen layers twice."""
WIDTH = 192
"""Of text states, and so of the keys and values of cross-attention."""
EMPTY = 0.1
"""Share of captions left empty, for classifier-free guidance."""
SUBJECT = 3.0
"""What a latent inside the mask counts more; where it is right does not move by it."""
GUIDANCE = 3.0
"""Of sampling. At Stable Diffusion's 7.5 outlines and colours are overdrawn: see MINIATURE.md."""
GAMMA = 5.0
"""Of min-SNR weighting (Hang et al., ICCV 2023)."""
BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


def new_text_encoder(tokenizer: CLIPTokenizer, seed: int = 0) -> CLIPTextModel:
    """An untrained text encoder of three layers."""
    torch.manual_seed(seed)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation="eager",
        )
    )


def new_unet(seed: int = 0) -> UNet2DConditionModel:
    """An untrained UNet: 15 million weights, sixteen cross-attention layers."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=SIZE // 4,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        layers_per_block=2,
        block_out_channels=(48, 96, 160, 160),
        norm_num_groups=16,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,  # diffusers' name for the number of heads
    )
    # On CPUs the fused attention is slow at so small heads, backwards above all.
    unet.set_attn_processor(AttnProcessor())
    return unet


def with_fused_attention(modules: nn.ModuleDict) -> None:
    """Let text encoder and UNet attend as suits GPUs."""
    unet, text_encoder = modules["unet"], modules["text_encoder"]
    assert isinstance(unet, UNet2DConditionModel)
    assert isinstance(text_encoder, CLIPTextModel)
    unet.set_default_attn_processor()
    text_encoder.set_attn_implementation("sdpa")


@dataclass(frozen=True, slots=True)
class Captioned:
    """What the generator learns from.

    Attributes:
        latents: (N, C, 16, 16) float16, scaled to unit variance.
        weights: (N, 1, 16, 16) float16: the mask, in [0, 1].
        tokens: (N, C, L) int16: C captions a scene.
        empty: (L,) int16: the empty caption.
    """

    latents: NDArray[np.float16]
    weights: NDArray[np.float16]
    tokens: NDArray[np.int16]
    empty: NDArray[np.int16]


def captioned(
    drawn: Drawn, vae: AutoencoderTiny, tokenizer: CLIPTokenizer, cache: Path | None = None
) -> Captioned:
    """Encode every scene and its captions once.

    Args:
        drawn: the scenes.
        vae: trained; its `scaling_factor` is applied.
        tokenizer: pads to its context.
        cache: folder for the latents, which take minutes; they belong to this VAE alone.
    """
    kept = None if cache is None else cache / "latents.npy"
    if kept is not None and kept.exists():
        latents = np.load(kept)
    else:
        latents = np.empty((len(drawn), CHANNELS, SIZE // 4, SIZE // 4), np.float16)
        device = device_of(vae)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            for start in range(0, len(drawn), 64):
                made = vae.encoder(pixels(drawn.images[start : start + 64]).to(device)).float()
                latents[start : start + 64] = (made * vae.config.scaling_factor).cpu().numpy()
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            written = kept.with_name(f"{os.getpid()}.npy")  # another worker may be reading
            np.save(written, latents)
            written.replace(kept)
    weights = np.empty((len(drawn), 1, SIZE // 4, SIZE // 4), np.float16)
    for start in range(0, len(drawn), 2048):
        masks = torch.from_numpy(np.ascontiguousarray(drawn.masks[start : start + 2048]))
        part = functional.avg_pool2d(masks.float()[:, None] / 255, 4)
        weights[start : start + 2048] = part.numpy()
    flat = [caption for told in drawn.captions for caption in told]
    tokens = _tokens(tokenizer, flat).reshape(len(drawn), -1, CONTEXT)
    return Captioned(latents, weights, tokens, _tokens(tokenizer, [""])[0])


def _tokens(tokenizer: CLIPTokenizer, captions: list[str]) -> NDArray[np.int16]:
    found = tokenizer(
        captions, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="np"
    )
    return np.asarray(found["input_ids"], np.int16)


class GeneratorStage:
    """Noise prediction on captioned latents, text encoder and UNet together."""

    name = "generator"

    def __init__(
        self,
        learned: Captioned,
        held_out: Captioned,
        tokenizer: CLIPTokenizer,
        *,
        batch: int = 24,
        seed: int = 0,
    ) -> None:
        """Train on `learned`, so many latents a step; the curve is of `held_out`."""
        self.learned, self.held_out, self.size = learned, held_out, batch
        self.modules = nn.ModuleDict(
            {"text_encoder": new_text_encoder(tokenizer, seed), "unet": new_unet(seed)}
        )
        signal = DDPMScheduler(**BETAS).alphas_cumprod
        ratio = signal / (1 - signal)
        tables = {
            "kept": signal.sqrt(),
            "noised": (1 - signal).sqrt(),
            "weights": ratio.clamp(max=GAMMA) / ratio,
        }
        for name, table in tables.items():  # with the modules, where they learn
            self.modules.register_buffer(name, table, persistent=False)

    def batch(self, step: int, rng: torch.Generator) -> Batch:
        """Latents, each with one of its captions or none, and noise."""
        learned, size = self.learned, self.size
        rows = torch.randint(len(learned.latents), (size,), generator=rng).numpy()
        which = torch.randint(learned.tokens.shape[1], (size,), generator=rng).numpy()
        tokens = learned.tokens[rows, which]
        tokens[(torch.rand(size, generator=rng) < EMPTY).numpy()] = learned.empty
        # One step of noise each, spread evenly over a batch: fewer batches are all easy.
        spread = (torch.arange(size) + torch.rand(size, generator=rng)) / size
        return {
            "clean": torch.from_numpy(learned.latents[rows]).float(),
            "inside": torch.from_numpy(learned.weights[rows]).float(),
            "tokens": whole_numbers(tokens),
            "steps": (1000 * spread).long().clamp(max=999),
            "noise": torch.randn((size, *learned.latents.shape[1:]), generator=rng),
        }

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted squared error of the noise."""
        error = self._error(self.modules, batch)
        weight = 1 + SUBJECT * batch["inside"]
        each = (weight * error).mean((1, 2, 3)) / weight.mean((1, 2, 3))
        counts: Tensor = self.modules.get_buffer("weights")[batch["steps"]]
        return (counts * each).mean(), {"mse": error.detach().mean()}

    def after(self, step: int) -> None:
        """Nothing follows."""

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Squared error of the noise on held-out scenes, whole and in masks, at fixed noise."""
        held, rng = self.held_out, torch.Generator().manual_seed(1)
        count = min(192, len(held.latents))
        fixed = {
            "clean": torch.from_numpy(held.latents[:count]).float(),
            "inside": torch.from_numpy(held.weights[:count]).float(),
            "tokens": whole_numbers(held.tokens[:count, 0]),
            "steps": ((torch.arange(count) + 0.5) * 1000 / count).long(),
            "noise": torch.randn((count, *held.latents.shape[1:]), generator=rng),
        }
        device = device_of(modules)
        parts = [
            {name: tensor[start : start + 48].to(device) for name, tensor in fixed.items()}
            for start in range(0, count, 48)
        ]
        error = torch.cat([self._error(modules, part) for part in parts]).cpu()
        inside = fixed["inside"]
        subject = (error * inside).sum() / (inside.sum() * error.shape[1])
        return {"held-out mse": float(error.mean()), "held-out mse in masks": float(subject)}

    def _error(self, modules: nn.ModuleDict, batch: Batch) -> Tensor:
        steps, noise = batch["steps"], batch["noise"]
        kept, noised = (
            modules.get_buffer(name)[steps][:, None, None, None] for name in ("kept", "noised")
        )
        with torch.autocast(steps.device.type, torch.bfloat16):
            states = modules["text_encoder"](batch["tokens"]).last_hidden_state
            said = modules["unet"](kept * batch["clean"] + noised * noise, steps, states).sample
        error: Tensor = said.float() - noise
        return error.square()
