"""Scores against a second implementation: transformers' CLIP and ViT, its tokenizer, its processor.

The models have the same untrained weights (`benchmarks/twins.py` renames the tensors). That is no
weakness here: a wrong resize, mean, activation, token, pooling or projection moves the cosines of
random weights as much as those of trained ones. 1e-5 is ten times what float32 sums in another
order come to, and a tenth of what a table rounds to.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torchvision import transforms

from benchmarks.twins import transformers_clip, transformers_processor, transformers_vit
from pdst.embed import EmbedOptions, Encoders, embed_images
from pdst.encoders.clip import ClipEncoder
from pdst.encoders.source import parse_weights
from pdst.metrics.clip_i import clip_i
from pdst.metrics.clip_t import clip_t
from pdst.metrics.dino import dino

CAPTIONS = (
    "a photo of a dog",
    "A dog's bowl, 3 metres from the RED door; it isn't full.",
    "Ein Hund — naïve café, déjà vu: 犬 🐶",
    "",
    "a very long walk with a dog " * 14,  # 98 tokens and both marks
)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Twins:
    """Both implementations on the same weights."""

    ours: Encoders
    clip: Any
    processor: Any
    vit: Any

    def our_scores(self, files: Sequence[bytes], texts: Sequence[str]) -> dict[str, Scores]:
        """The project's own way: bytes, pipeline, metrics. Each image against the one before it."""
        reads = [lambda data=data: data for data in files]
        embedded = list(embed_images(reads, self.ours.all(), EmbedOptions(batch=7)))
        clip_rows = np.stack([image.vectors[0] for image in embedded])
        dino_rows = np.stack([image.vectors[1] for image in embedded])
        numbers = range(len(files))
        return {
            "clip_t": clip_t(clip_rows, self.ours.clip.encode_texts(texts)),
            "clip_i": np.array([clip_i(clip_rows[[n]], clip_rows[[n - 1]])[0] for n in numbers]),
            "dino": np.array([dino(dino_rows[[n]], dino_rows[[n - 1]])[0] for n in numbers]),
        }

    def their_scores(self, files: Sequence[bytes], texts: Sequence[str]) -> dict[str, Scores]:
        """The same through transformers and torchvision alone."""
        images = [their_image(data) for data in files]
        inputs = self.processor(
            text=list(texts), return_tensors="pt", truncation=True, padding=True
        )
        with torch.inference_mode():
            pixels = torch.cat([self.their_pixels(image) for image in images])
            shown = self.clip.get_image_features(pixels).pooler_output
            said = self.clip.get_text_features(**inputs).pooler_output
            seen = self.vit(torch.cat(list(map(dino_pixels, images)))).last_hidden_state[:, 0]
        return {
            "clip_t": cosine(shown, said),
            "clip_i": cosine(shown, shown.roll(1, dims=0)),
            "dino": cosine(seen, seen.roll(1, dims=0)),
        }

    def their_pixels(self, image: Image.Image) -> torch.Tensor:
        """CLIPProcessor's pixels, but for the crop where its rounding is not OpenAI's."""
        pixels: torch.Tensor
        long = int(224 * max(image.size) / min(image.size))
        if (long - 224) % 4 != 3:
            pixels = self.processor(images=image, return_tensors="pt")["pixel_values"]
            return pixels
        uncropped = self.processor(images=image, return_tensors="pt", do_center_crop=False)
        pixels = transforms.functional.center_crop(uncropped["pixel_values"], [224, 224])
        return pixels


def their_image(data: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def dino_pixels(image: Image.Image) -> torch.Tensor:
    steps = transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    pixels: torch.Tensor = steps(image)[None]
    return pixels


def cosine(one: torch.Tensor, other: torch.Tensor) -> Scores:
    scores: Scores = torch.nn.functional.cosine_similarity(one.double(), other.double()).numpy()
    return scores


@pytest.fixture(scope="module")
def twins() -> Twins:
    clip, vit = load("clip"), load("dino")
    assert isinstance(clip, ClipEncoder)
    return Twins(
        ours=Encoders(clip=clip, dino=vit),
        clip=transformers_clip(clip.model),
        processor=transformers_processor(),
        vit=transformers_vit(vit.model),
    )


def load(family: Any) -> Any:
    """As load_clip("untrained") and load_dino("untrained"), with the classes that have a model."""
    from pdst.encoders import clip, dino

    module = {"clip": clip, "dino": dino}[family]
    return module.load(
        parse_weights("untrained", family), device=torch.device("cpu"), dtype="float32"
    )


def drawn(width: int, height: int, seed: int) -> Image.Image:
    """Patches of colour under fine noise: large shapes and sharp edges."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    grain = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return Image.blend(patches.resize((width, height), Image.Resampling.BICUBIC), grain, 0.2)


def encoded(image: Image.Image, format_name: str, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    image.save(buffer, format_name, exif=exif, quality=90)
    return buffer.getvalue()


def assert_parity(twins: Twins, files: Sequence[bytes], texts: Sequence[str]) -> None:
    ours, theirs = twins.our_scores(files, texts), twins.their_scores(files, texts)
    for metric, scores in ours.items():
        assert scores.shape == (len(files),)
        assert np.ptp(theirs[metric]) > 0.05, "the images are too alike to show anything"
        worst = float(np.abs(scores - theirs[metric]).max())
        assert worst < 1e-5, f"{metric} differs by {worst:.2g}"


def test_scores_of_drawn_images_are_those_of_transformers(twins: Twins) -> None:
    shapes = [(300, 200), (200, 301), (224, 224), (227, 224), (90, 400), (33, 20), (512, 512)]
    assert any((int(224 * max(s) / min(s)) - 224) % 4 == 3 for s in shapes)
    files = [
        encoded(drawn(*shape, seed), "JPEG" if seed % 2 else "PNG", orientation=1 + 5 * (seed == 1))
        for seed, shape in enumerate(shapes)
    ]
    texts = [CAPTIONS[number % len(CAPTIONS)] for number in range(len(files))]
    assert_parity(twins, files, texts)


def test_text_embeddings_are_those_of_transformers_beyond_77_tokens_too(twins: Twins) -> None:
    assert twins.ours.clip.count_tokens(CAPTIONS[-1]) == 100
    ours = twins.ours.clip.encode_texts(CAPTIONS)
    inputs = twins.processor(
        text=list(CAPTIONS), return_tensors="pt", truncation=True, padding=True
    )
    assert inputs["input_ids"].shape == (5, 77)
    with torch.inference_mode():
        theirs = twins.clip.get_text_features(**inputs).pooler_output
    assert np.abs(ours - torch.nn.functional.normalize(theirs, dim=-1).numpy()).max() < 1e-6


def test_the_crop_differs_from_transformers_only_where_three_of_four_pixels_are_left(
    twins: Twins,
) -> None:
    for rest in range(9):
        image = drawn(224 + rest, 224, rest)
        pixels = torch.from_numpy(twins.ours.clip.preprocess(image)).permute(2, 0, 1) / 255
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
        theirs = twins.processor(images=image, return_tensors="pt")["pixel_values"][0]
        same = torch.allclose((pixels - mean) / std, theirs, atol=1e-5)
        assert same == (rest % 4 != 3), rest


@pytest.mark.photos
def test_scores_of_real_photos_are_those_of_transformers(twins: Twins, real_photos: Path) -> None:
    """32 photos, cut to mixed sizes and orientations (the originals are square), real captions."""
    paths = sorted(real_photos.glob("*/[0-9][0-9].jpg"))[::4][:32]
    assert len(paths) == 32
    rng = np.random.default_rng(0)
    files, texts = [], []
    for number, path in enumerate(paths):
        image = Image.open(path).convert("RGB")
        width, height = (int(n) for n in rng.integers(150, min(image.size), 2, endpoint=True))
        cut = image.crop((0, 0, width, height))
        files.append(encoded(cut, "JPEG" if number % 3 else "PNG", orientation=1 + number % 8))
        captions = json.loads((real_photos / "captions" / f"{path.parent.name}.json").read_text())
        first = next(iter(next(iter(captions.values())).values())).replace("{}", "dog")
        texts.append(f"{first} " * 9 if number % 6 == 0 else first)
    shapes = [their_image(data).size for data in files]
    assert sum(w > h for w, h in shapes) > 8 < sum(h > w for w, h in shapes)
    assert sum(twins.ours.clip.count_tokens(text) > 77 for text in texts) >= 5
    assert_parity(twins, files, texts)
