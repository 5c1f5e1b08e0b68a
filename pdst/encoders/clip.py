"""In: where CLIP weights come from. Out: an encoder of images and texts, through open_clip.

The benchmark's encoder is OpenAI's ViT-B/32 as it was trained, with QuickGELU (open_clip's
"ViT-B-32-quickgelu"; plain "ViT-B-32" has another activation and other numbers).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from PIL import Image
from torch import Tensor

from pdst.digest import Json, digest_json
from pdst.encoders.configuration import Table, Three, as_table, demand, read_table, square, three
from pdst.encoders.source import WeightsSource, architecture_of, locate
from pdst.encoders.spec import Dtype, Embeddings, EncoderSpec, Pixels
from pdst.encoders.tokens import Tokenizer, cut, default_tokenizer, folder_tokenizer
from pdst.encoders.tower import DTYPES, ImageTower, exact, skip_unread_tokens, unit_rows
from pdst.encoders.weights import build, fill
from pdst.errors import EncoderError

ARCHITECTURE = "ViT-B-32-quickgelu"
TITLE = "CLIP ViT-B/32"
TEXTS_AT_ONCE = 64

MEAN: Three = tuple(open_clip.OPENAI_DATASET_MEAN)
STD: Three = tuple(open_clip.OPENAI_DATASET_STD)

TOKENIZER_KEYS = frozenset({"hf_tokenizer_name", "tokenizer_kwargs", "tokenizer_mode"})
"""Of a text configuration: recorded as `EncoderSpec.tokenizer`, not as architecture."""


class ClipEncoder:
    """A TextEncoder: CLIP's two towers.

    Attributes:
        model: open_clip's module, in evaluation mode.
    """

    def __init__(
        self, model: open_clip.CLIP, tokenizer: Tokenizer, spec: EncoderSpec, device: torch.device
    ) -> None:
        """Wrap a filled model; it is moved to `device` and the spec's type."""
        self.model: open_clip.CLIP = (
            model.eval().requires_grad_(False).to(device, DTYPES[spec.dtype])
        )
        self._tokenizer = tokenizer
        self._device = device
        self._images = ImageTower(spec, self.model.visual, self.model.visual, device)

    @property
    def spec(self) -> EncoderSpec:
        """Everything that decides a number."""
        return self._images.spec

    def preprocess(self, image: Image.Image) -> Pixels:
        """Resize and centre-crop an RGB image: (crop, crop, 3) uint8. Safe to call from threads."""
        return self._images.preprocess(image)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embed (B, crop, crop, 3) uint8 pixels: (B, D) float32, unit norm."""
        return self._images.encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts; over-long ones are cut *keeping* the end token: (T, D) float32, unit norm.

        Texts of like length go together, without the padding up to `context` that open_clip adds:
        a token of a causal tower never sees what follows it, so the values are the same.
        """
        context = self.model.context_length
        rows = [cut(self._tokenizer.encode(text), context) for text in texts]
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        embeddings = np.empty((len(rows), self.spec.dim), np.float32)
        for start in range(0, len(order), TEXTS_AT_ONCE):
            which = order[start : start + TEXTS_AT_ONCE]
            with exact(self._device):
                features = self._text_features([rows[row] for row in which])
                embeddings[which] = unit_rows(features, self.spec)
        return embeddings

    def count_tokens(self, text: str) -> int:
        """Tokens of a text before any cut, both end marks included."""
        return len(self._tokenizer.encode(text))

    def _text_features(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """`open_clip.CLIP.encode_text` on no more positions than the longest row has."""
        model = self.model
        length = max(len(row) for row in rows)
        padded = [[*row, *[self._tokenizer.pad] * (length - len(row))] for row in rows]
        ids = torch.tensor(padded, device=self._device)
        ends = torch.tensor([len(row) - 1 for row in rows], device=self._device)
        tokens = model.token_embedding(ids) + model.positional_embedding[:length]
        tokens = model.transformer(tokens, attn_mask=model.attn_mask[:length, :length])
        pooled = model.ln_final(tokens)[torch.arange(len(rows), device=self._device), ends]
        projection = model.text_projection
        if isinstance(projection, torch.nn.Linear):
            projected: Tensor = projection(pooled)
        else:
            projected = pooled @ projection
        return projected


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What decides a CLIP besides its weights; `model_cfg` is open_clip's."""

    architecture: str
    model_cfg: Table
    size: int
    mean: Three
    std: Three
    tokenizer: Tokenizer


def load(source: WeightsSource, *, device: torch.device, dtype: Dtype) -> ClipEncoder:
    """Build a CLIP and give it its weights.

    Raises:
        EncoderError: if files are missing, damaged, or do not fit one another.
    """
    located = None if source.kind == "untrained" else locate(source)
    config, _ = architecture_of(source, located)
    configuration = default_configuration() if config is None else read_configuration(config)
    model = build(lambda: _construct(configuration.model_cfg))
    _check_reading(model, configuration)
    weights = fill(model, source, located, title=TITLE)
    spec = EncoderSpec(
        family="clip",
        architecture=configuration.architecture,
        title=weights.title,
        weights=weights.weights,
        weights_digest=weights.weights_digest,
        trained=weights.trained,
        resize=configuration.size,
        crop=configuration.size,
        mean=configuration.mean,
        std=configuration.std,
        dtype=dtype,
        dim=int(model.visual.output_dim),
        context=int(model.context_length),
        tokenizer=configuration.tokenizer.name,
    )
    _without_detours(model)
    return ClipEncoder(model, configuration.tokenizer, spec, device)


def default_configuration() -> Configuration:
    """OpenAI's ViT-B/32."""
    return Configuration(
        architecture=ARCHITECTURE,
        model_cfg=open_clip.get_model_config(ARCHITECTURE),
        size=224,
        mean=MEAN,
        std=STD,
        tokenizer=default_tokenizer(),
    )


def read_configuration(path: Path) -> Configuration:
    """Read an `open_clip_config.json`; its folder may hold the tokenizer.

    Raises:
        EncoderError: if it is damaged, or asks for what PDST does not do.
    """
    content = read_table(path)
    model_cfg = as_table(content.get("model_cfg"), f"{path}: model_cfg")
    vision = as_table(model_cfg.get("vision_cfg"), f"{path}: vision_cfg")
    text = as_table(model_cfg.get("text_cfg"), f"{path}: text_cfg")
    preprocess = as_table(content.get("preprocess_cfg"), f"{path}: preprocess_cfg")
    if "embed_dim" not in model_cfg or not vision or not text:
        raise EncoderError(
            f"{path}: wanted model_cfg with embed_dim, vision_cfg and text_cfg, as open_clip "
            f"saves it, got {sorted(content)}. Save it with the model anew."
        )
    plain_only = {
        "model_cfg": (model_cfg, ("custom_text", "multimodal_cfg")),
        "vision_cfg": (vision, ("timm_model_name",)),
        "text_cfg": (text, ("hf_model_name", "no_causal_mask", "embed_cls")),
    }
    for where, (part, keys) in plain_only.items():
        for key in keys:
            if part.get(key):
                raise EncoderError(
                    f"{path}: {where}.{key} is {part[key]!r}, wanted none: a plain CLIP, an image "
                    "tower of open_clip's own and a causal text tower."
                )
    size = square(vision.get("image_size", 224), str(path))
    wanted: Table = {"interpolation": "bicubic", "resize_mode": "shortest", "mode": "RGB"}
    demand(preprocess, wanted, f"{path}: preprocess_cfg")
    if square(preprocess.get("size") or size, f"{path}: preprocess_cfg") != size:
        raise EncoderError(
            f"{path}: preprocess_cfg.size is {preprocess['size']}, but vision_cfg.image_size is "
            f"{size}. Make them equal."
        )
    model_cfg = {key: value for key, value in model_cfg.items() if key != "custom_text"}
    return Configuration(
        architecture=_architecture_name(model_cfg, path),
        model_cfg=model_cfg,
        size=size,
        mean=three(preprocess.get("mean"), MEAN, str(path)),
        std=three(preprocess.get("std"), STD, str(path)),
        tokenizer=folder_tokenizer(text, path.parent),
    )


def _construct(model_cfg: Mapping[str, Json]) -> open_clip.CLIP:
    # Not open_clip.create_model: that falls back to pickles, and warns through the root logger.
    try:
        model = open_clip.CLIP(**model_cfg)
    except (TypeError, ValueError, RuntimeError, AssertionError, ZeroDivisionError) as error:
        raise EncoderError(
            f"open_clip cannot build a CLIP with {json.dumps(model_cfg)} "
            f"({type(error).__name__}: {error}). See its CLIPVisionCfg and CLIPTextCfg."
        ) from error
    if model.text_projection is None:
        raise EncoderError("text_cfg.proj_type is 'none', wanted 'linear', as CLIP has it.")
    return model


class _QuickGELU(torch.nn.Module):
    """open_clip's, bit for bit, with one new array instead of three."""

    def forward(self, values: Tensor) -> Tensor:
        return (values * 1.702).sigmoid_().mul_(values)


def _without_detours(model: Any) -> None:  # open_clip is untyped
    """Leave out what costs time and moves no number."""
    visual = model.visual
    towers = [model.transformer]
    if isinstance(visual, VisionTransformer):
        towers.append(visual.transformer)
        if visual.attn_pool is None and visual.pool_type == "tok":
            skip_unread_tokens(visual.transformer.resblocks[-1].ln_2)
    for tower in towers:
        for block in tower.resblocks:
            if type(block.mlp.gelu) is QuickGELU:
                block.mlp.gelu = _QuickGELU()


def _architecture_name(model_cfg: Table, path: Path) -> str:
    """open_clip's name of a configuration, whichever defaults it spells out; else its digest."""
    try:
        facts = _facts(model_cfg)
    except TypeError as error:
        raise EncoderError(
            f"{path}: open_clip does not know this configuration ({error}). "
            "See its CLIPVisionCfg and CLIPTextCfg for what it may hold."
        ) from error
    names: list[str] = [ARCHITECTURE, *sorted(open_clip.list_models())]
    for name in names:
        if _facts(open_clip.get_model_config(name)) == facts:
            return name
    return f"open_clip-{facts[:8]}"


def _facts(model_cfg: dict[str, Any]) -> str:
    text = {k: v for k, v in model_cfg["text_cfg"].items() if k not in TOKENIZER_KEYS}
    towers = {
        "quick_gelu": False,
        **model_cfg,
        "vision_cfg": asdict(open_clip.CLIPVisionCfg(**model_cfg["vision_cfg"])),
        "text_cfg": asdict(open_clip.CLIPTextCfg(**text)),
    }
    return digest_json(towers)


def _check_reading(model: open_clip.CLIP, configuration: Configuration) -> None:
    """Whether the tower was made to be read where the tokenizer puts the end mark.

    open_clip's default finds it as the largest id of a text, which is right for OpenAI's
    vocabulary and silently wrong for one whose end mark is not the last id.
    """
    tokenizer = configuration.tokenizer
    ids = tokenizer.encode("a photo of a dog")
    read_at = {"argmax": max(ids), "eos": model.text_eos_id}.get(model.text_pool_type)
    if read_at != tokenizer.end:
        raise EncoderError(
            f"text_cfg.pool_type '{model.text_pool_type}' reads a text at id {read_at}, but the "
            f"tokenizer {tokenizer.name} ends it with {tokenizer.end}. "
            f'Wanted: "pool_type": "eos", "eos_id": {tokenizer.end}.'
        )
    if tokenizer.size > model.vocab_size:
        raise EncoderError(
            f"The tokenizer {tokenizer.name} has {tokenizer.size} ids, the text tower "
            f"{model.vocab_size}. Put the tokenizer that it was trained with into the folder."
        )
