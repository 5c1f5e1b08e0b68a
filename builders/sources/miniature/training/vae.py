"""Scenes in; an autoencoder out, `AutoencoderTiny`, whose latents are a quarter as wide."""

from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor, nn

from builders.sources.miniature.training.data import Drawn
from builders.sources.miniature.training.stage import Batch, device_of

NOISE = 0.03
"""Standard deviation of what is added to latents in training, so that near latents look alike."""

CHANNELS = 8
"""Of the latents. Four, as Stable Diffusion 1.5 has, stayed below 22 dB inside the masks."""
SPREAD = 0.5
"""Standard deviation that each latent channel is pulled to; the decoder clamps softly at 3."""


def new_vae(seed: int = 0) -> AutoencoderTiny:
    """An untrained autoencoder: `CHANNELS` latent channels at a quarter of the width."""
    torch.manual_seed(seed)
    return AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48),
        decoder_block_out_channels=(48, 48, 48),
        num_encoder_blocks=(1, 2, 2),
        num_decoder_blocks=(2, 2, 1),
        latent_channels=CHANNELS,
    )


class VaeStage:
    """Reconstruction: absolute and squared error, edges, and colour; subjects count four times."""

    name = "vae"

    def __init__(self, drawn: Drawn, held_out: Drawn, *, batch: int = 8, seed: int = 0) -> None:
        """Train on `drawn`, so many scenes a step; the curve is of `held_out`."""
        self.drawn, self.held_out, self.size = drawn, held_out, batch
        self.modules = nn.ModuleDict({"vae": new_vae(seed)})

    def batch(self, step: int, rng: torch.Generator) -> Batch:
        """Scenes, mirrored at random, and noise for their latents."""
        rows = torch.randint(len(self.drawn), (self.size,), generator=rng).numpy()
        target = pixels(self.drawn.images[rows])
        weight = 1 + 3 * torch.from_numpy(self.drawn.masks[rows]).float()[:, None] / 255
        if torch.rand((), generator=rng) < 0.5:
            target, weight = target.flip(3), weight.flip(3)
        side = target.shape[-1] // 4
        noise = torch.randn((self.size, CHANNELS, side, side), generator=rng)
        return {"target": target, "weight": weight, "noise": noise}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Of pictures, their edges and their colours, and of how even the latents are."""
        target, weight = batch["target"], batch["weight"]
        vae: Any = self.modules["vae"]
        with torch.autocast(target.device.type, torch.bfloat16):
            latents = vae.encoder(target)
            made = vae.decoder(latents + NOISE * batch["noise"])
        made = made.float()
        error = made - target
        plain = (weight * (error.abs() + error.square())).mean()
        down = (error[:, :, 1:] - error[:, :, :-1]).abs().mean()
        across = (error[:, :, :, 1:] - error[:, :, :, :-1]).abs().mean()
        # What is lost first is colour: the mean over channels taken away leaves the chroma.
        chroma = (weight * (error - error.mean(1, keepdim=True)).abs()).mean()
        # A diffusion model learns best on channels of one scale around zero.
        centre, spread = latents.float().mean((0, 2, 3)), latents.float().std((0, 2, 3))
        even = centre.square().mean() + (spread - SPREAD).square().mean()
        loss = plain + 0.3 * (down + across) + 0.5 * chroma + 0.02 * even
        return loss, {"latent std": spread.detach().mean()}

    def after(self, step: int) -> None:
        """Nothing follows."""

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """PSNR on held-out scenes, whole and inside the masks."""
        made = reconstructed(modules["vae"], self.held_out.images[:128])
        return fidelity(made, self.held_out.images[:128], self.held_out.masks[:128])


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) uint8 to (B, 3, S, S) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_bytes(made: Tensor) -> NDArray[np.uint8]:
    """(B, 3, S, S) in [-1, 1] to (B, S, S, 3) uint8."""
    found: NDArray[np.uint8] = (
        ((made.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    )
    return found


def reconstructed(vae: Any, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images through the autoencoder and back, in float32."""
    device = device_of(vae)
    parts = [
        as_bytes(vae.decoder(vae.encoder(pixels(images[start : start + 64]).to(device))))
        for start in range(0, len(images), 64)
    ]
    return np.concatenate(parts)


def fidelity(
    made: NDArray[np.uint8], images: NDArray[np.uint8], masks: NDArray[np.uint8]
) -> dict[str, float]:
    """PSNR in dB of the mean squared error of all frames, and of what the masks show."""
    squared = ((made.astype(np.float64) - images) / 255) ** 2
    inside = masks > 127
    frame = -10 * np.log10(squared.mean())
    subject = -10 * np.log10(squared[inside].mean())
    return {"psnr": float(frame), "psnr in masks": float(subject)}


def mean_and_std(vae: Any, images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Of the latents, per channel."""
    device = device_of(vae)
    latents = torch.cat(
        [
            vae.encoder(pixels(images[start : start + 64]).to(device)).cpu()
            for start in range(0, len(images), 64)
        ]
    )
    return latents.mean((0, 2, 3)), latents.std((0, 2, 3))
