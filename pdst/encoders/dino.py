"""In: where DINO weights come from. Out: an encoder of images, through timm.

The benchmark's encoder is the original DINO ViT-S/16: the class token after the final norm, on a
centre crop of 224 pixels from an image resized to 256, as the field's evaluators do. timm's own
card for these weights would resize to 248.
"""

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from timm.models.vision_transformer import Block, VisionTransformer

from pdst.digest import Json, digest_json
from pdst.encoders.configuration import Three, as_table, demand, read_table, three
from pdst.encoders.source import WeightsSource, architecture_of, locate
from pdst.encoders.spec import Dtype, EncoderSpec
from pdst.encoders.tower import DTYPES, ImageTower, skip_unread_tokens
from pdst.encoders.weights import build, fill
from pdst.errors import EncoderError

ARCHITECTURE = "vit_small_patch16_224"
TITLE = "DINO ViT-S/16"
RESIZE, CROP = 256, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What decides a DINO besides its weights."""

    architecture: str
    model_args: Mapping[str, Json]
    resize: int
    crop: int
    mean: Three
    std: Three

    @property
    def name(self) -> str:
        """The name in timm, with a digest of the arguments if there are any."""
        if not self.model_args:
            return self.architecture
        return f"{self.architecture}-{digest_json(dict(self.model_args))[:8]}"


DEFAULT = Configuration(
    architecture=ARCHITECTURE, model_args={}, resize=RESIZE, crop=CROP, mean=MEAN, std=STD
)


def load(source: WeightsSource, *, device: torch.device, dtype: Dtype) -> ImageTower:
    """Build a DINO and give it its weights.

    Raises:
        EncoderError: if files are missing, damaged, or do not fit one another.
    """
    located = None if source.kind == "untrained" else locate(source)
    config, _ = architecture_of(source, located)
    configuration = DEFAULT if config is None else read_configuration(config)
    model = build(lambda: _construct(configuration))
    weights = fill(model, source, located, title=TITLE, ignore=("head.",))
    spec = EncoderSpec(
        family="dino",
        architecture=configuration.name,
        title=weights.title,
        weights=weights.weights,
        weights_digest=weights.weights_digest,
        trained=weights.trained,
        resize=configuration.resize,
        crop=configuration.crop,
        mean=configuration.mean,
        std=configuration.std,
        dtype=dtype,
        dim=int(model.num_features),
    )
    if type(model.blocks[-1]) is Block:
        skip_unread_tokens(model.blocks[-1].norm2)
    model = model.eval().requires_grad_(False).to(device, DTYPES[dtype])
    return ImageTower(spec, model, lambda pixels: model.forward_features(pixels)[:, 0], device)


def read_configuration(path: Path) -> Configuration:
    """Read timm's `config.json`.

    Raises:
        EncoderError: if it is damaged, or asks for what PDST does not do.
    """
    content = read_table(path)
    # Before timm 0.9 all of it lay on one level.
    card = as_table(content.get("pretrained_cfg"), f"{path}: pretrained_cfg") or content
    args = as_table(content.get("model_args"), f"{path}: model_args")
    architecture = str(content.get("architecture"))
    match card.get("input_size"), card.get("crop_pct", 1.0):
        case [3, int() as height, int() as width], (int() | float()) as share if (
            height == width > 0 and 0 < share <= 1
        ):
            pass
        case got:
            raise EncoderError(
                f"{path}: input_size and crop_pct are {got}, wanted [3, S, S] and a share in "
                "(0, 1]. Save it with timm.models.save_for_hf."
            )
    demand(card, {"interpolation": "bicubic", "crop_mode": "center"}, str(path))
    # Not everything timm.create_model takes is an architecture: checkpoint_path opens a pickle.
    known = inspect.signature(VisionTransformer).parameters.keys()
    unknown = sorted(set(args) - known)
    if unknown or not timm.is_model(architecture):
        raise EncoderError(
            f"{path}: architecture '{architecture}' with model_args {unknown} is no vision "
            "transformer of timm. See timm.list_models('vit_*') and VisionTransformer's arguments."
        )
    args = {key: value for key, value in args.items() if key != "num_classes"}
    usual = timm.get_pretrained_cfg(architecture)
    if "img_size" not in args and (usual is None or usual.input_size[-1] != width):
        args["img_size"] = width
    published = architecture == ARCHITECTURE and card.get("tag") == "dino" and not args
    return Configuration(
        architecture=architecture,
        model_args=args,
        resize=RESIZE if published else math.floor(width / share),
        crop=width,
        mean=three(card.get("mean"), MEAN, str(path)),
        std=three(card.get("std"), STD, str(path)),
    )


def _construct(configuration: Configuration) -> VisionTransformer:
    try:
        model = timm.create_model(
            configuration.architecture, num_classes=0, **configuration.model_args
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise EncoderError(
            f"timm cannot build {configuration.architecture} with {configuration.model_args} "
            f"({error}). See VisionTransformer's arguments."
        ) from error
    if not isinstance(model, VisionTransformer) or not (
        model.has_class_token and model.global_pool == "token"
    ):
        raise EncoderError(
            f"{configuration.architecture} pools by '{getattr(model, 'global_pool', None)}': "
            "wanted a vision transformer with a class token, pooled by 'token'."
        )
    return model
