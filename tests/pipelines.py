"""In: an empty folder. Out: a Stable Diffusion in it, as small as they come, with random weights.

The classes, and so all names and the sixteen cross-attention layers, are those of Stable Diffusion
1.5; the widths are not. A picture from it means nothing.
"""

import gzip
import json
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from open_clip.tokenizer import bytes_to_unicode, default_bpe
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

MERGES = 500
"""Of OpenAI's 48,894, the most frequent ones come first."""
WIDTH = 16
SIDE = 32
"""Pixels of a picture."""

SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
"""Of Stable Diffusion 1.5."""


def write_pipeline(folder: Path, *, vae: Literal["kl", "tiny"] = "tiny", seed: int = 0) -> Path:
    """Write a pipeline that draws 32 x 32 pixels from 8 x 8 latents.

    Args:
        folder: made if need be.
        vae: the autoencoder's kind: AutoencoderKL or AutoencoderTiny, with 4 pixels a cell.
        seed: of the weights.
    """
    tokenizer = write_tokenizer(folder / "tokenizer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = StableDiffusionPipeline(
            vae=new_kl() if vae == "kl" else new_tiny(),
            text_encoder=new_text_encoder(tokenizer),
            tokenizer=tokenizer,
            unet=new_unet(),
            scheduler=PNDMScheduler(**SCHEDULER),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder)
    # Stable Diffusion 1.5's file is older than some settings, and what it leaves out matters:
    # a scheduler made from it takes its own defaults for those.
    content = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **SCHEDULER}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(content))
    return folder


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's own tokenizer with its first merges only: any text, a byte a token at worst."""
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        merges = [line for line in file.read().split("\n")[1:] if line][:MERGES]
    symbols = list(bytes_to_unicode().values())
    tokens = [
        *symbols,
        *(f"{symbol}</w>" for symbol in symbols),
        *("".join(merge.split()) for merge in merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return CLIPTokenizer.from_pretrained(folder)


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=77,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_unet(**other: Any) -> UNet2DConditionModel:
    """Stable Diffusion 1.5's topology: four levels, cross-attention in three of them."""
    settings = {
        "sample_size": SIDE // 4,
        "block_out_channels": (8, 16, 16, 16),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**{**settings, **other})


def new_kl() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        norm_num_groups=4,
        sample_size=SIDE,
    )


def new_tiny() -> AutoencoderTiny:
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1, 1),
        scaling_factor=1.7,
    )
