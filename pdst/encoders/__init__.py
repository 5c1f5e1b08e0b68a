"""In: a word about weights ("openai", a path, …). Out: an encoder. torch is loaded only then.

`spec.py` says what an encoder is, `clip.py` and `dino.py` build the two that the benchmark uses,
`preprocess.py` holds the one resize, `source.py` and `weights.py` where weights come from.
"""

from pdst.encoders.source import LAYOUTS, Family, WeightsSource, parse_weights
from pdst.encoders.spec import (
    Dtype,
    Embeddings,
    EncoderSpec,
    ImageEncoder,
    Pixels,
    TextEncoder,
)
from pdst.errors import EncoderError

__all__ = [
    "LAYOUTS",
    "Dtype",
    "Embeddings",
    "EncoderSpec",
    "Family",
    "ImageEncoder",
    "Pixels",
    "TextEncoder",
    "WeightsSource",
    "load_clip",
    "load_dino",
    "parse_weights",
]

EVAL_PACKAGES = frozenset({"open_clip", "safetensors", "timm", "torch", "torchvision"})


def load_clip(spec: str = "openai", *, device: str = "cpu", dtype: str = "float32") -> TextEncoder:
    """Load the CLIP encoder.

    Args:
        spec: "openai" (the benchmark's: OpenAI ViT-B/32 at a pinned commit of the Hugging Face
            Hub), "miniature" (the package's own, for its drawn world alone),
            `hub:org/name[@revision]`, a `.safetensors` file (open_clip's names, ViT-B/32), a
            folder (`open_clip_config.json` and `open_clip_model.safetensors`, any plain CLIP with
            its tokenizer), or `untrained[:SEED]` or `untrained-miniature[:SEED]`: random, for
            plumbing and controls only.
        device: a torch device ("cpu", "cuda", "cuda:1", "mps").
        dtype: of weights and arithmetic, "float32" (default), "bfloat16" or "float16"; part of the
            spec. Embeddings are float32 always.

    Raises:
        EncoderError: if weights cannot be found or do not fit, there is no such device or dtype, or
            the packages of the extra `eval` are missing.
    """
    source = parse_weights(spec, "clip")
    try:
        from pdst.encoders import clip, tower
    except ModuleNotFoundError as error:
        raise _without_extra(error) from error
    return clip.load(source, device=tower.pick_device(device), dtype=tower.check_dtype(dtype))


def load_dino(spec: str = "dino", *, device: str = "cpu", dtype: str = "float32") -> ImageEncoder:
    """Load the DINO encoder.

    Args:
        spec: "dino" (the benchmark's: the original ViT-S/16 at a pinned commit), "miniature", or
            as `load_clip`; files hold timm's names, folders `config.json` and `model.safetensors`
            as `timm.models.save_for_hf` writes them.
        device: as `load_clip`.
        dtype: as `load_clip`.

    Raises:
        EncoderError: as `load_clip`.
    """
    source = parse_weights(spec, "dino")
    try:
        from pdst.encoders import dino, tower
    except ModuleNotFoundError as error:
        raise _without_extra(error) from error
    return dino.load(source, device=tower.pick_device(device), dtype=tower.check_dtype(dtype))


def _without_extra(error: ModuleNotFoundError) -> Exception:
    if (error.name or "").partition(".")[0] not in EVAL_PACKAGES:
        return error
    return EncoderError(
        f"Encoders need the package '{error.name}', which is not installed. "
        "Run: pip install 'pdst[eval]'"
    )
