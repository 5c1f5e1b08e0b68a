"""In: generated images with their held-out photos and captions. Out: scores, as peers do it.

Nothing here is theirs but the shape of the loop. They get our weights, the same bytes in memory (so
no disk), Pillow's decoder and inference mode: where there is a choice, the faster one.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchmetrics.multimodal import CLIPScore
from torchvision import transforms

BATCH = 16

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One generated image, the held-out photo that it is compared with, its scored text."""

    generated: bytes
    reference: bytes
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """What the peers' loops run on.

    Attributes:
        clip, processor: transformers' CLIPModel and CLIPProcessor.
        dino: timm's module; without a head, its output is the class token.
    """

    clip: Any
    processor: Any
    dino: nn.Module


@torch.inference_mode()
def pair_by_pair(pairs: Sequence[Pair], peers: Peers) -> dict[str, Scores]:
    """The field's usual loop, as in DreamBench++ (`metrics/clip_score.py`, `dino_score.py`).

    Metric after metric, pair after pair: both images are decoded and encoded anew, one at a time,
    the reference as often as it is compared with.
    """
    steps = transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )

    def clip_image(data: bytes) -> Tensor:
        inputs = peers.processor(images=[_decoded(data)], return_tensors="pt")
        return _unit(peers.clip.get_image_features(inputs["pixel_values"]).pooler_output)

    def clip_text(text: str) -> Tensor:
        inputs = peers.processor(text=[text], padding=True, return_tensors="pt")
        return _unit(peers.clip.get_text_features(**inputs).pooler_output)

    def dino_image(data: bytes) -> Tensor:
        return _unit(peers.dino(torch.stack([steps(_decoded(data))])))

    return {
        "clip_i": _each((clip_image(p.generated), clip_image(p.reference)) for p in pairs),
        "clip_t": _each((clip_text(p.text), clip_image(p.generated)) for p in pairs),
        "dino": _each((dino_image(p.generated), dino_image(p.reference)) for p in pairs),
    }


class TensorClip:
    """A CLIPModel whose features are tensors again, as they were before transformers 5.

    torchmetrics 1.9 divides what `get_image_features` returns by its norm, and transformers 5
    returns an object.
    """

    def __init__(self, clip: Any) -> None:
        """Wrap transformers' CLIPModel."""
        self.clip = clip
        self.config = clip.config

    def to(self, device: torch.device) -> "TensorClip":
        """Everything is where it should be."""
        return self

    def get_image_features(self, pixel_values: Tensor) -> Tensor:
        """(B, D) features."""
        features: Tensor = self.clip.get_image_features(pixel_values).pooler_output
        return features

    def get_text_features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, D) features."""
        features: Tensor = self.clip.get_text_features(input_ids, attention_mask).pooler_output
        return features


@torch.inference_mode()
def with_torchmetrics(pairs: Sequence[Pair], peers: Peers) -> dict[str, float]:
    """Mean clip_i and clip_t by torchmetrics' CLIPScore: `.update` on batches of 16 uint8 images.

    Its own `compute` clamps the mean at 0 and multiplies by 100; its sums are read instead.
    """
    means = {}
    for metric_id in ("clip_i", "clip_t"):
        metric = CLIPScore(model_name_or_path=lambda: (TensorClip(peers.clip), peers.processor))
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            generated = [_as_uint8(pair.generated) for pair in batch]
            if metric_id == "clip_i":
                metric.update(generated, [_as_uint8(pair.reference) for pair in batch])
            else:
                metric.update(generated, [pair.text for pair in batch])
        means[metric_id] = float(metric.score / metric.n_samples) / 100
    return means


def _decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _as_uint8(data: bytes) -> Tensor:
    return torch.from_numpy(np.array(_decoded(data))).permute(2, 0, 1)


def _unit(features: Tensor) -> Tensor:
    lengths: Tensor = features.norm(p=2, dim=-1, keepdim=True)
    return features / lengths


def _each(pairs: Any) -> Scores:
    return np.array([(one * other).sum().item() for one, other in pairs], np.float64)
