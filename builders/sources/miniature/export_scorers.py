"""A work folder of trained checkpoints in; the miniature's CLIP, DINO and judge out.

CLIP and DINO become folders as open_clip and timm keep them: float16 safetensors, averaged weights.
What only training needed (the layers that read facts, DINO's head, its student) stays behind. The
judge says what a generator's pictures show; only gates need it, so it is in no wheel.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTokenizer

from builders.sources.miniature.training.clip import clip_config
from builders.sources.miniature.training.data import SIZE
from builders.sources.miniature.training.dino import ARCHITECTURE, MODEL_ARGS, WIDTH
from builders.sources.miniature.training.judge import Judge
from builders.sources.miniature.training.loop import averaged_weights
from builders.sources.miniature.training.views import MEAN, STD
from pdst.encoders import LAYOUTS

JUDGE_WEIGHTS = "judge.safetensors"


def export_clip(work: Path, out: Path) -> None:
    """Write the trained CLIP with its tokenizer, for `open_clip`'s "local-dir:".

    Args:
        work: with the checkpoint of stage `clip` and `tokenizer`.
        out: the folder; replaced if it is there.
    """
    config = clip_config(len(CLIPTokenizer.from_pretrained(work / "tokenizer")))
    # For a "local-dir:" open_clip reads the folder itself, whatever this name is.
    text = {**config["text_cfg"], "hf_tokenizer_name": "miniature"}
    preprocess = {
        "size": SIZE,
        "mode": "RGB",
        "mean": MEAN,
        "std": STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    }
    content = {"model_cfg": {**config, "text_cfg": text}, "preprocess_cfg": preprocess}
    tensors = part(averaged_weights(work / "clip"), "clip.")
    made = _begun(out)
    layout = LAYOUTS["clip"]
    _write_json(made / layout.config, content)
    save_file(tensors, made / layout.weights, {"format": "pt"})
    # The very files that it was trained with.
    shutil.copytree(work / "tokenizer", made, dirs_exist_ok=True)
    _finished(made, out)


def export_dino(work: Path, out: Path) -> None:
    """Write the trained DINO, its teacher, for `timm`'s "local-dir:".

    Args:
        work: with the checkpoint of stage `dino`.
        out: the folder; replaced if it is there.
    """
    card = {
        "tag": "miniature",
        "custom_load": False,
        "input_size": [3, SIZE, SIZE],
        "fixed_input_size": True,
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "crop_mode": "center",
        "mean": MEAN,
        "std": STD,
        "num_classes": 0,
        "pool_size": None,
        "first_conv": "patch_embed.backbone.conv",
        "classifier": "head",
    }
    content = {
        "architecture": ARCHITECTURE,
        "num_classes": 0,
        "num_features": WIDTH,
        "global_pool": "token",
        "model_args": MODEL_ARGS,
        "pretrained_cfg": card,
    }
    tensors = part(averaged_weights(work / "dino"), "teacher.vit.")
    made = _begun(out)
    layout = LAYOUTS["dino"]
    _write_json(made / layout.config, content)
    save_file(tensors, made / layout.weights, {"format": "pt"})
    _finished(made, out)


def export_judge(work: Path, out: Path) -> None:
    """Write the trained judge.

    Args:
        work: with the checkpoint of stage `judge`.
        out: the folder; replaced if it is there.
    """
    made = _begun(out)
    save_file(part(averaged_weights(work / "judge"), "judge."), made / JUDGE_WEIGHTS)
    _finished(made, out)


def trained_judge(folder: Path) -> Judge:
    """The judge of an exported folder."""
    judge = Judge()
    judge.load_state_dict(load_file(folder / JUDGE_WEIGHTS))
    return judge.eval()


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it; floats in float16, counts as they are."""
    return {
        name.removeprefix(prefix): (
            tensor.half() if tensor.is_floating_point() else tensor
        ).contiguous()
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }


def _begun(out: Path) -> Path:
    made = out.with_name(f"{out.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    return made


def _finished(made: Path, out: Path) -> None:
    for path in made.iterdir():
        path.chmod(0o644)  # safetensors writes for its owner alone
    shutil.rmtree(out, ignore_errors=True)
    made.rename(out)


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
