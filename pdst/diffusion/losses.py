"""In: predicted and true noise, or text embeddings. Out: what training makes small.

Pure functions: which samples go in, and with what weight the losses are added, is the caller's.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize as to_unit_norm


def masked_mse(
    predicted: Tensor,
    target: Tensor,
    mask: Tensor | None,
    *,
    norm: Literal["elements", "area"] = "elements",
) -> Tensor:
    """Each sample's mean squared error where its mask is 1.

    Args:
        predicted: (B, C, h, w), any float type; computed in float32.
        target: the same shape.
        mask: (B, 1, h, w) in [0, 1], multiplied onto the error before it is squared; None: all
            ones, to the last bit.
        norm: what the sum is divided by. "elements": C * h * w, so that a small subject weighs
            little; "area": C times the mask's sum, so that its size does not matter.

    Returns:
        (B,) float32, 0 or more, lower is better; 0 where a mask is empty.

    Raises:
        ValueError: if the shapes do not fit.

    Source:
        Li et al., arXiv 2503.06632, section 4, Eq. (4), up to the constant C * h * w. "area":
        the convention of Custom Diffusion (Kumari et al., CVPR 2023).
    """
    if predicted.ndim != 4 or predicted.shape != target.shape:
        raise ValueError(
            f"masked_mse needs two (B, C, h, w) tensors of one shape, got "
            f"{tuple(predicted.shape)} and {tuple(target.shape)}: predict one noise per latent."
        )
    error = predicted.float() - target.float()
    if mask is None:
        return error.square().flatten(1).mean(dim=1)
    batch, channels, height, width = predicted.shape
    if mask.shape != (batch, 1, height, width):
        raise ValueError(
            f"masked_mse needs a mask of {(batch, 1, height, width)}, got {tuple(mask.shape)}: "
            "stack one (1, h, w) mask a sample."
        )
    weight = mask.float()
    squared = (weight * error).square().flatten(1)
    if norm == "elements":
        return squared.mean(dim=1)
    area = channels * weight.flatten(1).sum(dim=1)
    return squared.sum(dim=1) / area.clamp(min=torch.finfo(torch.float32).tiny)


def noise_target(scheduler: Any, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What a UNet is to predict: the noise, or v where the base model was trained on that.

    Args:
        scheduler: `DDPMScheduler` with the base model's settings.
        clean: (B, C, h, w) scaled latents.
        noise: the same shape, what is added to them.
        timesteps: (B,) int64.

    Source:
        Salimans and Ho, arXiv 2202.00512, for v.
    """
    if scheduler.config.prediction_type == "v_prediction":
        velocity: Tensor = scheduler.get_velocity(clean, noise, timesteps)
        return velocity
    return noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """The contrastive loss of a batch, and what to log of it.

    Attributes:
        loss: scalar float32, 0 or more; lower is better separated.
        positive: scalar, mean similarity of two different subject vectors; None without a pair.
        negative: scalar, mean similarity of a subject vector and an attractor; None likewise.
        pairs: ordered pairs of subject vectors, V * (V - 1), in a layer; 0: there was nothing to
            contrast, and the loss is 0.
    """

    loss: Tensor
    positive: Tensor | None
    negative: Tensor | None
    pairs: int


def info_nce(
    subjects: Tensor,
    attractors: Tensor,
    *,
    temperature: float = 0.07,
    normalize: bool = True,
    form: Literal["pooled", "per_anchor"] = "pooled",
) -> Contrast:
    """Draw subject vectors to each other and away from the attractor's.

    A subject vector's positives are those of other samples, i != j; its negatives are all
    attractors, that of its own prompt too. Everything stays a logarithm, so that raw inner products
    (about 768 for CLIP's width, 11,000 once divided by 0.07) do not overflow.

    Args:
        subjects: (V, D) text-encoder outputs at v*, one a sample; or (N, V, D), one a layer and
            sample: pairs are made within a layer, and the loss is the layers' mean. Any float
            type; computed in float32, under autocast too (on a GPU with the products that
            `pdst.diffusion.precision` allows).
        attractors: (A, D) at A*, or (N, A, D).
        temperature: similarities are divided by it; above 0. Low: only attractors about as near as
            the positives are pushed. High: pushed on until they point the other way.
        normalize: similarity is the cosine. False: the inner product, as the paper's equation says.
        form: "pooled": one ratio of sums over the batch. "per_anchor": each subject vector's own
            ratio, and then the mean of the logarithms.

    Returns:
        The loss, and similarities before division by the temperature. With V < 2 or A < 1: a zero
        that gradients pass through, and no pairs.

    Raises:
        ValueError: if the shapes do not fit, or the temperature is not above 0.

    Source:
        Li et al., arXiv 2503.06632, section 4, Eq. (5): "pooled", normalize=False. Temperature
        and cosine are not the paper's: METHODS 3.5.
    """
    _require_fitting(subjects, attractors)
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature is {temperature}, wanted a number above 0, such as 0.07.")
    count = subjects.shape[-2]
    if count < 2 or attractors.shape[-2] < 1:
        zero = (subjects.float().sum() + attractors.float().sum()) * 0
        return Contrast(loss=zero, positive=None, negative=None, pairs=0)
    ours, theirs = subjects.float(), attractors.float()
    if normalize:
        ours, theirs = to_unit_norm(ours, dim=-1), to_unit_norm(theirs, dim=-1)
    with torch.autocast(ours.device.type, enabled=False):  # it would multiply in half precision
        square, negative = ours @ ours.mT, ours @ theirs.mT
    # (..., V, V - 1): without each vector's pair with itself.
    # Their places are counted here: a device that counted them would have to be waited for.
    rows, columns = (~torch.eye(count, dtype=torch.bool)).nonzero().to(ours.device).unbind(1)
    positive = square[..., rows, columns].reshape(*square.shape[:-1], count - 1)
    over = (-2, -1) if form == "pooled" else (-1,)
    near = torch.logsumexp(positive / temperature, dim=over)
    far = torch.logsumexp(negative / temperature, dim=over)
    # logaddexp(near, far) - near, without taking two large numbers from each other.
    difference = far - near
    loss = torch.logaddexp(torch.zeros_like(difference), difference).mean()
    return Contrast(
        loss=loss,
        positive=positive.detach().mean(),
        negative=negative.detach().mean(),
        pairs=count * (count - 1),
    )


def _require_fitting(subjects: Tensor, attractors: Tensor) -> None:
    fits = (
        subjects.ndim in (2, 3)
        and subjects.ndim == attractors.ndim
        and subjects.shape[:-2] == attractors.shape[:-2]
        and subjects.shape[-1] == attractors.shape[-1]
    )
    if not fits:
        raise ValueError(
            f"info_nce needs (V, D) subjects and (A, D) attractors, or (N, V, D) and (N, A, D), "
            f"got {tuple(subjects.shape)} and {tuple(attractors.shape)}: take both from one "
            "encoder."
        )
