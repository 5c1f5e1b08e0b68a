"""In: what the user says about a base model ("sd15", a path, …). Out: its checked folder. No torch.

A base model is a folder as `StableDiffusionPipeline.save_pretrained` writes it. Of it, only
safetensors, JSON and the tokenizer's texts are read: a pickle can run code when it is opened.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pdst import miniature
from pdst.errors import BackboneError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A published base model that has a name here, at a commit of its Hub repository."""

    repository: str
    revision: str


BASES: dict[str, Pinned] = {
    # The head of `main`, which many public projects pin under this repository's name and under
    # that of runwayml, whose weights it mirrors; it holds all three networks as safetensors.
    "sd15": Pinned(
        repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
        revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    ),
}

NETWORKS = {
    "text_encoder": "text_encoder/model.safetensors",
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "vae": "vae/diffusion_pytorch_model.safetensors",
}
CONFIGS = ("scheduler/scheduler_config.json", *(f"{part}/config.json" for part in NETWORKS))
INDEX = "model_index.json"
HINTS = "pdst.json"
"""May say `{"preset": …, "guidance": …}`: which settings of the trainers suit a base model of its
size, and with which classifier-free guidance it draws best."""
TOKENIZER = ("tokenizer/merges.txt", "tokenizer/vocab.json")
TOKENIZER_EXTRAS = tuple(
    f"tokenizer/{name}.json"
    for name in ("added_tokens", "special_tokens_map", "tokenizer", "tokenizer_config")
)

CLASSES: dict[str, tuple[str, ...]] = {
    "text_encoder": ("CLIPTextModel",),
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
}
"""Classes of the networks that make a Stable Diffusion, in diffusers and transformers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A base model on this machine.

    Attributes:
        folder: complete, of the right classes.
        name: for tables ("miniature", "sd15", "org/name", a folder's name).
        label: for records; pinned, and without a path of this machine.
        vae: the autoencoder's class.
        preset: the trainers' preset that suits it, by its own word; None: it says nothing.
        guidance: likewise, of classifier-free guidance.
    """

    folder: Path
    name: str
    label: str
    vae: str
    preset: str | None = None
    guidance: float | None = None


def is_folder(base: str) -> bool:
    """Whether a base model's name means a folder: then no record can say where it is."""
    return base != "miniature" and base not in BASES and not base.startswith("hub:")


def locate(base: str) -> Located:
    """Find a base model, downloading what comes from the Hub and is not cached.

    Args:
        base: "miniature" (travels with the package), "sd15" (Stable Diffusion 1.5, pinned), a
            folder, or `hub:org/name[@revision]`. A folder that is named like one is `./sd15`.

    Raises:
        BackboneError: if it is none of these, files are missing, they are of another kind of
            model, or the Hub cannot be reached.
    """
    if base == "miniature":
        if not (miniature.GENERATOR / INDEX).is_file():
            raise BackboneError(
                "The miniature's generator is not in this installation. Install a released wheel, "
                "or train it in a checkout: python -m builders miniature train, then export."
            )
        return _in_folder(miniature.GENERATOR, name=base, label=base)
    if base in BASES:
        pinned = BASES[base]
        folder = _from_hub(pinned.repository, pinned.revision)
        return _in_folder(
            folder, name=base, label=f"{base} = hub:{pinned.repository}@{pinned.revision}"
        )
    if base.startswith("hub:"):
        repository, at, revision = base.removeprefix("hub:").partition("@")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or (at and not revision):
            raise BackboneError(f"Base model '{base}': wanted hub:org/name or hub:org/name@commit.")
        folder = _from_hub(repository, revision or None)
        # The folder is named after the commit.
        return _in_folder(folder, name=repository, label=f"hub:{repository}@{folder.name}")
    folder = Path(base).expanduser()
    if folder.is_dir():
        name = folder.resolve().name
        return _in_folder(folder, name=name, label=f"folder:{name}")
    what = "a single file" if folder.is_file() else "no folder that is here"
    raise BackboneError(
        f"Base model '{base}' is {what}. Wanted miniature, {', '.join(BASES)}, hub:org/name, or a "
        "folder as StableDiffusionPipeline.save_pretrained writes it."
    )


def digest(folder: Path) -> str:
    """sha256 over the names and bytes of all files of a base model that decide a pixel."""
    total = hashlib.sha256()
    for name in sorted((*CONFIGS, *NETWORKS.values(), *TOKENIZER, *TOKENIZER_EXTRAS)):
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                total.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def read_json(folder: Path, name: str) -> dict[str, object]:
    """A JSON object of a base model's folder.

    Raises:
        BackboneError: if it is none.
    """
    try:
        content: object = json.loads((folder / name).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(
            f"{folder.name}/{name} cannot be read as JSON ({error}). Copy it anew."
        ) from error
    if not isinstance(content, dict):
        raise BackboneError(f"{folder.name}/{name} is no JSON object. Copy it anew.")
    return cast("dict[str, object]", content)


def _from_hub(repository: str, revision: str | None) -> Path:
    wanted = [INDEX, HINTS, *CONFIGS, *NETWORKS.values(), *TOKENIZER, *TOKENIZER_EXTRAS]
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except Exception as error:  # the client lets many families of errors through; all mean this
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        fetch = f"hf download {repository}" + (f" --revision {revision}" if revision else "")
        raise BackboneError(
            f"Cannot get {repository} from the Hugging Face Hub: {reason} Without a network, give "
            f"a folder copied from a machine that has it ({fetch} --local-dir FOLDER), or the base "
            "model that travels with the package: miniature."
        ) from error


def _in_folder(folder: Path, *, name: str, label: str) -> Located:
    if "tokenizer.json" not in _names(folder / "tokenizer"):
        needed = (INDEX, *CONFIGS, *NETWORKS.values(), *TOKENIZER)
    else:
        needed = (INDEX, *CONFIGS, *NETWORKS.values())
    missing = [file for file in needed if not (folder / file).is_file()]
    if missing:
        raise BackboneError(f"Base model {label} lacks {_listed(missing)}. {_hint(folder)}")
    index = read_json(folder, INDEX)
    for part, classes in CLASSES.items():
        entry = index.get(part)
        found = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry
        if found not in classes:
            raise BackboneError(
                f"Base model {label}: its {part} is {found}, wanted {' or '.join(classes)}. "
                "Models of Stable Diffusion's first two generations are supported."
            )
    second = [part for part in ("text_encoder_2", "transformer") if index.get(part)]
    if second:
        raise BackboneError(
            f"Base model {label} has a {second[0]}: a later generation than Stable Diffusion 1 "
            "and 2, which are supported."
        )
    hints = read_json(folder, HINTS) if (folder / HINTS).is_file() else {}
    preset, guidance = hints.get("preset"), hints.get("guidance")
    return Located(
        folder=folder,
        name=name,
        label=label,
        vae=str(cast("list[object]", index["vae"])[1]),
        preset=preset if isinstance(preset, str) else None,
        guidance=float(guidance) if isinstance(guidance, int | float) else None,
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more files" if len(names) > 3 else "")


def _hint(folder: Path) -> str:
    """What to do, by what lies where the networks should."""
    there = sorted(set().union(*(_names(folder / part) for part in NETWORKS)))
    pickles = [name for name in there if name.endswith((".bin", ".ckpt", ".pt", ".pth"))]
    variants = [name for name in there if re.search(r"\.\w+\.safetensors$", name)]
    if pickles:
        return (
            f"{pickles[0]} is a pickle, which can run code when it is opened; only safetensors are "
            "read. Where you trust it: StableDiffusionPipeline.from_pretrained(FOLDER)"
            ".save_pretrained(OTHER)."
        )
    if variants:
        return f"Of variants ({variants[0]}), rename the files to the names without variant."
    return "Wanted is a folder as StableDiffusionPipeline.save_pretrained writes it."


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
