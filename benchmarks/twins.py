"""In: open_clip's CLIP or timm's ViT. Out: transformers' model, tokenizer, processor, same weights.

What peers load, on the weights that we load; nothing is downloaded. The parity tests use them as an
independent second implementation.
"""

import gzip
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from open_clip.tokenizer import bytes_to_unicode, default_bpe
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    ViTConfig,
    ViTModel,
)

M = TypeVar("M", bound=nn.Module)

PARTS_IN_A_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def transformers_clip(model: nn.Module) -> Any:  # transformers is untyped here
    """Transformers' `CLIPModel` (ViT-B/32) with the weights of open_clip's."""
    ours = model.state_dict()
    theirs: dict[str, Tensor] = {
        "logit_scale": ours["logit_scale"],
        "visual_projection.weight": ours["visual.proj"].T,
        "text_projection.weight": ours["text_projection"].T,
        "vision_model.embeddings.class_embedding": ours["visual.class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": ours["visual.conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": ours["visual.positional_embedding"],
        "text_model.embeddings.token_embedding.weight": ours["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": ours["positional_embedding"],
    }
    norms = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
    }
    for name, norm in norms.items():
        for kind in ("weight", "bias"):
            theirs[f"{norm}.{kind}"] = ours[f"{name}.{kind}"]
    for name, tensor in ours.items():
        found = re.fullmatch(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)", name)
        if found is None:
            continue
        tower = "vision_model" if found[1] else "text_model"
        layer = f"{tower}.encoder.layers.{found[2]}"
        part, _, kind = found[3].rpartition(".")
        if found[3].startswith("attn.in_proj_"):
            for head, chunk in zip("qkv", tensor.chunk(3), strict=True):
                kind = found[3].removeprefix("attn.in_proj_")
                theirs[f"{layer}.self_attn.{head}_proj.{kind}"] = chunk
        else:
            theirs[f"{layer}.{PARTS_IN_A_BLOCK[part]}.{kind}"] = tensor
    return _filled(lambda: CLIPModel(CLIPConfig()), theirs)


def transformers_vit(model: nn.Module) -> Any:  # transformers is untyped here
    """Transformers' `ViTModel` (ViT-S/16, no pooler) with the weights of timm's."""
    ours = model.state_dict()
    theirs: dict[str, Tensor] = {
        "embeddings.cls_token": ours["cls_token"],
        "embeddings.position_embeddings": ours["pos_embed"],
        "layernorm.weight": ours["norm.weight"],
        "layernorm.bias": ours["norm.bias"],
    }
    parts = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.o_proj",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    for kind in ("weight", "bias"):
        theirs[f"embeddings.patch_embeddings.projection.{kind}"] = ours[f"patch_embed.proj.{kind}"]
    for name, tensor in ours.items():
        found = re.fullmatch(r"blocks\.(\d+)\.(.+)\.(weight|bias)", name)
        if found is None:
            continue
        number, part, kind = found.groups()
        if part == "attn.qkv":
            for head, chunk in zip("qkv", tensor.chunk(3), strict=True):
                theirs[f"layers.{number}.attention.{head}_proj.{kind}"] = chunk
        else:
            theirs[f"layers.{number}.{parts[part]}.{kind}"] = tensor
    config = ViTConfig(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        intermediate_size=1536,
        layer_norm_eps=1e-6,
    )
    return _filled(lambda: ViTModel(config, add_pooling_layer=False), theirs)


def transformers_processor() -> Any:  # transformers is untyped here
    """OpenAI's `CLIPProcessor`: Pillow's bicubic filter, the byte-pair merges open_clip ships."""
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        merges = [tuple(line.split()) for line in file.read().split("\n")[1 : 49152 - 256 - 2 + 1]]
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(m) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    return CLIPProcessor(image_processor=CLIPImageProcessorPil(), tokenizer=tokenizer)


def _filled(make: Any, tensors: Mapping[str, Tensor]) -> Any:
    with torch.device("meta"):
        model = make()
    model.load_state_dict(tensors, strict=True, assign=True)
    for name, buffer in list(model.named_buffers()):
        if name.endswith("position_ids"):  # the only ones that no checkpoint holds
            owner, _, attribute = name.rpartition(".")
            ids = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            setattr(model.get_submodule(owner), attribute, ids)
    return model.eval().requires_grad_(False)
