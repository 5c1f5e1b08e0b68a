"""In: what the user says about weights ("openai", a path, …). Out: files on this machine. No torch.

Only safetensors are read. Pickled checkpoints (.pt, .pth, .bin, .ckpt) can run code when they are
opened, and a benchmark is handed weights by strangers.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pdst.errors import EncoderError
from pdst.miniature import CLIP, DINO

Family: TypeAlias = Literal["clip", "dino"]

PICKLES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained:
    """Published weights that have a name here, pinned to a commit of their Hub repository."""

    repository: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """Trained weights that travel inside the package: their folder and their name in titles."""

    folder: Path
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a folder (or a Hub repository) of one family holds, and what its names mean.

    Attributes:
        library: whose format it is.
        config, weights: file names.
        pretrained: name -> published weights; the first is the family's default.
        packaged: name -> weights inside the package.
    """

    library: str
    config: str
    weights: str
    pretrained: Mapping[str, Pretrained]
    packaged: Mapping[str, Packaged]


LAYOUTS: dict[Family, Layout] = {
    "clip": Layout(
        library="open_clip",
        config="open_clip_config.json",
        weights="open_clip_model.safetensors",
        pretrained={
            "openai": Pretrained(
                repository="timm/vit_base_patch32_clip_224.openai",
                revision="ab5b8ef490e86faa07d3523926b842c765de1de5",
            )
        },
        packaged={"miniature": Packaged(folder=CLIP, title="miniature RN23")},
    ),
    "dino": Layout(
        library="timm",
        config="config.json",
        weights="model.safetensors",
        pretrained={
            "dino": Pretrained(
                repository="timm/vit_small_patch16_224.dino",
                revision="733b42a211ebe03aa7327050699cfcee7cd96123",
            )
        },
        packaged={"miniature": Packaged(folder=DINO, title="miniature ViT-Ti/8")},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsSource:
    """Where weights are to come from, before anything is read.

    Attributes:
        kind: "pretrained" or "packaged" (a name), "hub" (org/name), "file", "folder" or
            "untrained".
        name: the name, the repository, or the path; of untrained weights, whose packaged
            architecture they have, or "" for the published one's.
        revision: of a Hub repository; None: its main branch.
        seed: of untrained weights.
    """

    family: Family
    kind: Literal["pretrained", "packaged", "hub", "file", "folder", "untrained"]
    name: str
    revision: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Weights on this machine.

    Attributes:
        weights: a safetensors file.
        config: the model's configuration; None: the family's default architecture.
        label: for `EncoderSpec.weights`; without a path of this machine.
        name: for titles.
    """

    weights: Path
    config: Path | None
    label: str
    name: str


def parse_weights(spec: str, family: Family) -> WeightsSource:
    """Understand what the user said about weights; reads nothing but whether a path exists.

    Args:
        spec: a published name ("openai" for CLIP, "dino" for DINO), "miniature" (the package's
            own), `hub:org/name[@revision]`, a `.safetensors` file, a folder with configuration and
            weights; `untrained[:SEED]`, of the published one's architecture, or
            `untrained-miniature[:SEED]`, of the miniature's. A path that looks like a name is
            written `./openai`.
        family: whose weights.

    Raises:
        EncoderError: if it is none of these, or a pickle.
    """
    layout = LAYOUTS[family]
    if spec in layout.pretrained:
        return WeightsSource(family=family, kind="pretrained", name=spec)
    if spec in layout.packaged:
        return WeightsSource(family=family, kind="packaged", name=spec)
    what, colon, seed = spec.partition(":")
    shapes = {"untrained": "", **{f"untrained-{name}": name for name in layout.packaged}}
    if what in shapes:
        digits = seed if colon else "0"
        if not (digits.isascii() and digits.isdecimal()):
            raise EncoderError(
                f"{family} weights '{spec}': wanted {what}:SEED with a whole number, like {what}:1."
            )
        return WeightsSource(family=family, kind="untrained", name=shapes[what], seed=int(digits))
    if spec.startswith("hub:"):
        repository, _, revision = spec.removeprefix("hub:").partition("@")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or spec.endswith("@"):
            raise EncoderError(
                f"{family} weights '{spec}': wanted hub:org/name or hub:org/name@revision."
            )
        return WeightsSource(family=family, kind="hub", name=repository, revision=revision or None)
    path = Path(spec).expanduser()
    if path.suffix.lower() in PICKLES:
        raise EncoderError(_refusal(path.name))
    if path.is_dir():
        return WeightsSource(family=family, kind="folder", name=str(path))
    if path.is_file():
        if path.suffix.lower() != ".safetensors":
            raise EncoderError(
                f"{family} weights '{path.name}': wanted a .safetensors file, or a folder with "
                f"{layout.config} and {layout.weights}."
            )
        return WeightsSource(family=family, kind="file", name=str(path))
    names = ", ".join((*layout.pretrained, *layout.packaged))
    raise EncoderError(
        f"No {family} weights '{spec}': neither a file or folder that exists, nor one of "
        f"{names}, hub:org/name, {', '.join(shapes)}, untrained:SEED."
    )


def architecture_of(source: WeightsSource, located: Located | None) -> tuple[Path | None, str]:
    """The configuration that says what is built, and a name for titles.

    Args:
        source: what was asked for.
        located: its files; None for untrained weights.

    Returns:
        None and an empty name for the family's default architecture.
    """
    layout = LAYOUTS[source.family]
    if located is not None:
        return located.config, located.name
    if source.name in layout.packaged:
        packaged = layout.packaged[source.name]
        return packaged.folder / layout.config, packaged.title
    return None, ""


def locate(source: WeightsSource) -> Located:
    """Find a source's files, downloading what comes from the Hub and is not cached.

    Args:
        source: anything but untrained weights, which have no files.

    Raises:
        EncoderError: if files are missing or the Hub cannot be reached.
    """
    layout = LAYOUTS[source.family]
    match source.kind:
        case "file":
            path = Path(source.name)
            return Located(weights=path, config=None, label=f"file:{path.name}", name=path.stem)
        case "pretrained":
            pinned = layout.pretrained[source.name]
            with _reaching(pinned.repository, layout):
                from huggingface_hub import hf_hub_download

                weights = hf_hub_download(
                    pinned.repository, layout.weights, revision=pinned.revision
                )
            label = f"{source.name} = hub:{pinned.repository}@{pinned.revision}"
            # The architecture of a name is ours to say, not the repository's.
            return Located(weights=Path(weights), config=None, label=label, name=source.name)
        case "packaged":
            packaged = layout.packaged[source.name]
            if not (packaged.folder / layout.weights).is_file():
                raise EncoderError(
                    f"{source.family} weights '{source.name}': this copy of PDST carries none in "
                    f"{packaged.folder.parent.name}/{packaged.folder.name}. Install PDST from a "
                    "wheel, or run: python -m builders miniature train && "
                    "python -m builders miniature export"
                )
            return _in_folder(packaged.folder, layout, label=source.name, name=packaged.title)
        case "hub":
            with _reaching(source.name, layout):
                from huggingface_hub import snapshot_download

                # A tokenizer may lie beside the configuration.
                wanted = [layout.weights, "*.json", "*.txt", "*.txt.gz"]
                snapshot = Path(
                    snapshot_download(source.name, revision=source.revision, allow_patterns=wanted)
                )
            label = f"hub:{source.name}@{snapshot.name}"  # the folder is named after the commit
            return _in_folder(snapshot, layout, label=label, name=source.name)
        case _:
            folder = Path(source.name)
            name = folder.resolve().name
            return _in_folder(folder, layout, label=f"folder:{name}", name=name)


@contextmanager
def _reaching(repository: str, layout: Layout) -> Iterator[None]:
    """Say what else can be done when the Hub cannot be reached or has no such thing."""
    try:
        yield
    except Exception as error:  # the client lets many families of errors through; all mean this
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EncoderError(
            f"Cannot get {repository} from the Hugging Face Hub: {reason} "
            f"Without a network, give a .safetensors file or a folder with {layout.config} and "
            f"{layout.weights} (copied from a machine that has them), or `untrained` to try the "
            "plumbing."
        ) from error


def _in_folder(folder: Path, layout: Layout, *, label: str, name: str) -> Located:
    missing = [file for file in (layout.config, layout.weights) if not (folder / file).is_file()]
    if missing:
        there = sorted(path.name for path in folder.iterdir())[:8]
        pickles = [file for file in there if Path(file).suffix in PICKLES]
        raise EncoderError(
            f"{folder} lacks {' and '.join(missing)} (the format of {layout.library}), "
            f"it holds: {', '.join(there) or 'nothing'}. "
            + (_refusal(pickles[0]) if pickles else "Only safetensors are read.")
        )
    return Located(
        weights=folder / layout.weights, config=folder / layout.config, label=label, name=name
    )


def _refusal(name: str) -> str:
    stem = Path(name).stem
    return (
        f"{name} is a pickle, which can run code when it is opened; only .safetensors is read. "
        'Convert it where you trust it: python -c "import torch, safetensors.torch as s; '
        f"s.save_file(torch.load('{name}', weights_only=True), '{stem}.safetensors')\""
    )
