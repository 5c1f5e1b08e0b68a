"""In: only definitions. Out: what an encoder is, which facts of it decide a number. No torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdst.digest import digest_json

Pixels: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) or (B, H, W, 3) uint8 sRGB, already resized and cropped for one encoder."""

Embeddings: TypeAlias = NDArray[np.float32]
"""(B, D) float32, unit norm, one row an image or a text."""

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16"]
"""Of an encoder's weights and arithmetic; embeddings are float32 always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec:
    """Everything about an encoder that decides a number, because the resize is part of the metric.

    Attributes:
        family: "clip" (images and texts) or "dino" (images).
        architecture: the library's name for it ("ViT-B-32-quickgelu").
        title: for tables ("CLIP ViT-B/32", "untrained CLIP ViT-B/32 (seed 0)").
        weights: where they came from ("openai", "file:clip.safetensors", "untrained:0"); for
            people, not part of `digest`.
        weights_digest: sha256 over the tensors (names, types, shapes, bytes), not over a file.
        trained: False for random weights: plumbing only, never submittable.
        resize: pixels of the shorter side after the resize; aspect ratio kept.
        crop: pixels of the square centre crop.
        filter: always Pillow's antialiased "bicubic".
        mean, std: normalization of [0, 1] RGB.
        dtype: of weights and arithmetic ("float32").
        dim: width D of an embedding.
        context: text tokens at most, both end marks included; None without a text tower.
        tokenizer: name and digest of the text tokenizer ("clip-bpe-362257d4"); None without one.
    """

    family: Literal["clip", "dino"]
    architecture: str
    title: str
    weights: str
    weights_digest: str
    trained: bool
    resize: int
    crop: int
    filter: Literal["bicubic"] = "bicubic"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    dtype: Dtype = "float32"
    dim: int
    context: int | None = None
    tokenizer: str | None = None

    @property
    def digest(self) -> str:
        """sha256 of what decides a number: two encoders with one digest give one score."""
        facts = {k: v for k, v in asdict(self).items() if k not in {"title", "weights"}}
        facts["mean"], facts["std"] = list(self.mean), list(self.std)
        return digest_json(facts)

    @property
    def name(self) -> str:
        """Folder name of its embeddings: "clip-1a2b3c4d"."""
        return f"{self.family}-{self.digest[:8]}"


class ImageEncoder(Protocol):
    """Weights that turn images into embeddings."""

    @property
    def spec(self) -> EncoderSpec:
        """Everything that decides a number."""
        ...

    def preprocess(self, image: Image.Image) -> Pixels:
        """Resize and centre-crop an RGB image: (crop, crop, 3) uint8. Safe to call from threads."""
        ...

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embed (B, crop, crop, 3) uint8 pixels: (B, D) float32, unit norm."""
        ...


class TextEncoder(ImageEncoder, Protocol):
    """An image encoder with a text tower in the same space."""

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, cutting over-long ones *before* the end token: (T, D) float32, unit norm."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text before any cut, both end marks included."""
        ...
