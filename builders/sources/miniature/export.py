"""A work folder of trained checkpoints in; the weights that the wheel carries out.

The generator becomes a folder that `StableDiffusionPipeline.from_pretrained` opens as it opens
Stable Diffusion 1.5: float16 safetensors, averaged weights, no safety checker.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import nn

from builders.sources.miniature.export_scorers import export_clip, export_dino, export_judge
from builders.sources.miniature.training.generator import (
    BETAS,
    CONTEXT,
    GUIDANCE,
    new_text_encoder,
    new_unet,
)
from builders.sources.miniature.training.loop import averaged_weights
from builders.sources.miniature.training.stages import miniature_tokenizer, trained_vae
from pdst.diffusion.sampling import SOLVER
from pdst.diffusion.source import HINTS
from pdst.methods.presets import MINIATURE
from pdst.miniature import CLIP, DINO, GENERATOR


def export_generator(work: Path, out: Path) -> None:
    """Write the trained generator as a stock diffusers folder.

    Its scheduler is PDST's sampler, so that the stock pipeline, asked for 50 steps, draws PDST's
    pictures.

    Args:
        work: with the checkpoint of stage `generator`, `vae/model` and `tokenizer`.
        out: the folder; replaced if it is there.
    """
    tokenizer = miniature_tokenizer(work)
    trained = nn.ModuleDict({"text_encoder": new_text_encoder(tokenizer), "unet": new_unet()})
    trained.load_state_dict(averaged_weights(work / "generator"))
    pipeline = StableDiffusionPipeline(
        vae=_anew(trained_vae(work)),
        text_encoder=trained["text_encoder"].half(),
        tokenizer=tokenizer,
        unet=trained["unet"].half(),
        # The offset matters to no timestep here, but the pipeline warns without it.
        scheduler=DPMSolverMultistepScheduler(**BETAS, **SOLVER, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made = out.with_name(f"{out.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    pipeline.save_pretrained(made)
    _as_published(made / "text_encoder")
    # The very files that it was trained with, not what this version of transformers makes of them.
    shutil.rmtree(made / "tokenizer")
    shutil.copytree(work / "tokenizer", made / "tokenizer")
    path = made / "tokenizer" / "tokenizer_config.json"
    settings = {**json.loads(path.read_text("utf-8")), "model_max_length": CONTEXT}
    path.write_text(json.dumps(settings, indent=2) + "\n")
    (made / HINTS).write_text(json.dumps({"preset": MINIATURE, "guidance": GUIDANCE}) + "\n")
    shutil.rmtree(out, ignore_errors=True)
    made.rename(out)


def export_vae(work: Path, out: Path) -> None:
    """Write the autoencoder and the tokenizer alone: what a generator needs to be trained.

    Args:
        work: with `vae/model` and `tokenizer`.
        out: the generator's folder; its `vae` and `tokenizer` are replaced, nothing else.
    """
    vae = _anew(trained_vae(work))
    miniature_tokenizer(work)
    for name in ("vae", "tokenizer"):
        shutil.rmtree(out / name, ignore_errors=True)
    vae.save_pretrained(out / "vae")
    shutil.copytree(work / "tokenizer", out / "tokenizer")


def _anew(opened: AutoencoderTiny) -> AutoencoderTiny:
    """The same weights, as float16, without the folder that they were opened from.

    A network that was opened from a folder writes that folder's path into its configuration.
    """
    vae = AutoencoderTiny.from_config({**opened.config, "_name_or_path": ""})
    vae.load_state_dict(opened.state_dict())
    return vae.half()


def _as_published(text_encoder: Path) -> None:
    """Make the text encoder's folder say what Stable Diffusion's own says.

    * `text_model.` before all names: transformers writes them without since 5.6, and reads both;
      versions before read only these.
    * float32 as its type: transformers opens a network in the type that it is told there, and
      diffusers in float32 whatever is stored, and then the two do not fit together.
    """
    path = text_encoder / "model.safetensors"
    tensors = {  # copies: what is opened is the file itself, which is about to be written
        f"text_model.{name.removeprefix('text_model.')}": tensor.clone()
        for name, tensor in load_file(path).items()
    }
    save_file(tensors, path, {"format": "pt"})
    path = text_encoder / "config.json"
    config = {**json.loads(path.read_text("utf-8")), "dtype": "float32"}
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


JUDGE = Path(__file__).parent / "gates" / "judge"
EXPORTS: dict[str, tuple[Callable[[Path, Path], None], Path]] = {
    "generator": (export_generator, GENERATOR),
    "vae": (export_vae, GENERATOR),
    "clip": (export_clip, CLIP),
    "dino": (export_dino, DINO),
    "judge": (export_judge, JUDGE),
}
"""What writes a stage's weights, and where the package (or, the judge, the repository) has them."""


def weights_of(stage: str, work: Path) -> Path:
    """The weights of a work folder as the wheel would carry them, or else those that it carries."""
    write, carried = EXPORTS[stage]
    if not (work / stage / "checkpoint.safetensors").exists():
        return carried
    out = work / "weights" / stage
    out.parent.mkdir(parents=True, exist_ok=True)
    write(work, out)
    return out
