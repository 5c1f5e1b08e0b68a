"""In: an empty folder. Out: a CLIP or a DINO in it, as small as they come, with random weights.

The formats are open_clip's `local-dir` and timm's, so that loading takes the same way as for large
ones. For measuring memory and for tests; a score from them means nothing.
"""

import gzip
import json
from pathlib import Path

import open_clip
import timm
from open_clip.tokenizer import default_bpe
from safetensors.torch import save_file

from pdst.digest import Json
from pdst.encoders.source import LAYOUTS
from pdst.encoders.weights import build, fill_untrained

MERGES = 500
"""Of OpenAI's 48,894, the most frequent ones come first."""


def write_clip(folder: Path, *, size: int = 32, context: int = 16, seed: int = 0) -> Path:
    """Write a CLIP of two blocks a tower, with a byte-pair vocabulary of its own.

    Args:
        folder: is made if need be.
        size: side of the square images that it takes, a multiple of 16.
        context: text tokens at most.
        seed: of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[: 1 + MERGES]
    with gzip.open(folder / "merges.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    model_cfg: dict[str, Json] = {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": size,
            "patch_size": 16,
            "width": 32,
            "head_width": 16,
            "layers": 2,
        },
        "text_cfg": {
            "context_length": context,
            "vocab_size": 512 + MERGES + 2,
            "width": 32,
            "heads": 2,
            "layers": 2,
            "tokenizer_kwargs": {"bpe_path": "merges.txt.gz"},
        },
    }
    preprocess: dict[str, Json] = {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    model = build(lambda: open_clip.CLIP(**model_cfg))
    fill_untrained(model, seed)
    layout = LAYOUTS["clip"]
    content = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    (folder / layout.config).write_text(json.dumps(content, indent=2))
    save_file(model.state_dict(), folder / layout.weights)
    return folder


def write_dino(folder: Path, *, size: int = 32, crop_share: float = 0.8, seed: int = 0) -> Path:
    """Write a DINO of two blocks.

    Args:
        folder: is made if need be.
        size: side of the square images that it takes, a multiple of 16.
        crop_share: the part of the resized shorter side that the crop keeps.
        seed: of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model_args: dict[str, Json] = {
        "img_size": size,
        "patch_size": 16,
        "embed_dim": 32,
        "depth": 2,
        "num_heads": 2,
    }
    architecture = "vit_tiny_patch16_224"
    model = build(lambda: timm.create_model(architecture, num_classes=0, **model_args))
    fill_untrained(model, seed)
    layout = LAYOUTS["dino"]
    content = {
        "architecture": architecture,
        "num_classes": 0,
        "num_features": 32,
        "global_pool": "token",
        "model_args": model_args,
        "pretrained_cfg": {
            "input_size": [3, size, size],
            "interpolation": "bicubic",
            "crop_pct": crop_share,
            "crop_mode": "center",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
            "num_classes": 0,
        },
    }
    (folder / layout.config).write_text(json.dumps(content, indent=2))
    save_file(model.state_dict(), folder / layout.weights)
    return folder
