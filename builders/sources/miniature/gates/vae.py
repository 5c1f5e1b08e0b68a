"""A trained autoencoder in; how well it keeps what a benchmark asks about out."""

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from builders.sources.miniature.gates.gate import Gate
from builders.sources.miniature.training.data import Drawn
from builders.sources.miniature.training.vae import fidelity, new_vae, reconstructed

JUST_NOTICEABLE = 2.3
"""CIE Lab units; Mahy et al., Color Research and Application 19 (1994)."""


def vae_gates(vae: AutoencoderTiny, held_out: Drawn) -> list[Gate]:
    """Measure reconstruction on subjects that no training saw.

    Args:
        vae: trained; its control is the same network untrained.
        held_out: scenes of the held-out pool.
    """
    images, masks = held_out.images[:500], held_out.masks[:500]
    with torch.inference_mode():
        made = reconstructed(vae.eval(), images)
        control = reconstructed(new_vae().eval(), images)
    ours, theirs = fidelity(made, images, masks), fidelity(control, images, masks)
    return [
        Gate(
            name="VAE: PSNR of full frames, dB",
            value=ours["psnr"],
            wanted=28.0,
            control=theirs["psnr"],
        ),
        Gate(
            name="VAE: PSNR inside masks, dB",
            value=ours["psnr in masks"],
            wanted=25.0,
            control=theirs["psnr in masks"],
        ),
        Gate(
            name="VAE: shift of a subject's mean colour, CIEDE2000",
            value=colour_shift(made, images, masks),
            wanted=JUST_NOTICEABLE,
            at_least=False,
            control=colour_shift(control, images, masks),
        ),
    ]


def colour_shift(
    made: NDArray[np.uint8], images: NDArray[np.uint8], masks: NDArray[np.uint8]
) -> float:
    """Mean over images of the CIEDE2000 between the mean Lab colours inside the mask."""
    shifts = []
    for after, before, mask in zip(made, images, masks > 127, strict=True):
        if mask.any():
            shifts.append(
                float(deltaE_ciede2000(rgb2lab(before)[mask].mean(0), rgb2lab(after)[mask].mean(0)))
            )
    return float(np.mean(shifts))
