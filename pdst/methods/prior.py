"""In: a class prompt. Out: what the frozen base model draws of it, as latents, drawn once.

Prior preservation (Ruiz et al., "DreamBooth", CVPR 2023, section 3.3) holds a fine-tuned model to
these: while it learns one dog, it shall go on drawing the dogs that it drew before. The latents are
those that the sampler ends with. They are not decoded and encoded again, and never mirrored.
"""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import cast

import filelock
import torch
from torch import Tensor

from pdst.diffusion.backbone import Backbone
from pdst.diffusion.sampling import SOLVER, denoise, prompt_states, start
from pdst.digest import Json, canonical_json, digest_json
from pdst.errors import StoreError
from pdst.methods.tensors import read_tensors, write_tensors
from pdst.types import Sampling

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Images a pass. Fixed, and passes are always whole: an image's last bits depend on its company, so
that only in this way a cache that grows is the same as one made at once."""

VERSION = 1
"""Of what the file below holds; another one is made anew."""


def class_facts(backbone: Backbone, prompt: str, sampling: Sampling, first_seed: int) -> Json:
    """All that class images follow from, but how many there are: the key of their file."""
    return {
        "version": VERSION,
        "base_digest": backbone.digest,
        "dtype": str(backbone.dtype).removeprefix("torch."),
        "prompt": prompt,
        "first_seed": first_seed,
        "at_once": AT_ONCE,
        "sampling": cast("Json", asdict(sampling)),
        "solver": dict(SOLVER),
    }


def class_latents(
    backbone: Backbone,
    prompt: str,
    count: int,
    sampling: Sampling,
    *,
    first_seed: int = 0,
    cache: Path | None = None,
) -> Tensor:
    """Class images of the base model, by the sampler that all methods share.

    Image n has the seed `first_seed` + n. A file that holds fewer than are wanted is added to, also
    after a kill; one that holds more lends its first ones.

    Args:
        backbone: who draws; frozen.
        prompt: "a photo of dog".
        count: how many, at least 1.
        sampling: steps, guidance and resolution.
        first_seed: of the first image.
        cache: a folder that methods and subjects may share; a file in it is named after all that
            its latents follow from. Of several processes one draws, the others wait.

    Returns:
        (count, C, h, w) float32 on the backbone's device: scaled latents.

    Raises:
        SettingsError: as `pdst.diffusion.sampling.solver`.
    """
    facts = class_facts(backbone, prompt, sampling, first_seed)
    key = digest_json(facts)
    path = None if cache is None else cache / f"{key[:16]}.safetensors"
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if path is None else filelock.FileLock(path.with_suffix(".lock")):
        made = None if path is None else _kept(path, key)
        if made is None or len(made) < count:
            log.info("Drawing %d class images: %s", count, prompt)
        while made is None or len(made) < count:
            first = first_seed + (0 if made is None else len(made))
            more = _drawn(backbone, prompt, range(first, first + AT_ONCE), sampling)
            made = more if made is None else torch.cat([made, more])
            if path is not None:
                write_tensors(path, {"latents": made}, _described(facts, key, first_seed, made))
    return made[:count].to(backbone.device)


def _drawn(backbone: Backbone, prompt: str, seeds: range, sampling: Sampling) -> Tensor:
    noise = start(backbone, seeds, sampling.resolution)
    states = torch.stack([prompt_states(backbone, text) for text in ("", prompt)])
    told = states.repeat_interleave(len(seeds), 0).to(backbone.dtype)
    # A copy: the sampler's own tensors are barred from training. In the order in memory that one
    # from a file has: convolutions round by it.
    made = denoise(backbone, noise, lambda timestep: told, sampling).cpu()
    return made.clone(memory_format=torch.contiguous_format)


def _described(facts: Json, key: str, first_seed: int, made: Tensor) -> Mapping[str, str]:
    seeds = list(range(first_seed, first_seed + len(made)))
    return {
        "key": key,
        "facts": canonical_json(facts),
        "seeds": canonical_json(cast("Json", seeds)),
    }


def _kept(path: Path, key: str) -> Tensor | None:
    """Whole passes of an earlier call; None if there are none, or they cannot be read."""
    try:
        tensors, described = read_tensors(path)
    except StoreError:
        return None
    if described.get("key") != key or "latents" not in tensors:
        return None
    latents = tensors["latents"]
    return latents[: len(latents) // AT_ONCE * AT_ONCE] if len(latents) >= AT_ONCE else None
