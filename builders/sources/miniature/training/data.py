"""A seed and a count in; drawn scenes out, as arrays at the size that the networks see.

Pictures are drawn at twice that size and shrunk with the filter that shrinks a benchmark's photos,
so that what the networks learn from looks like what they will be asked about.
"""

import json
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from builders.sources.miniature.captions import training_captions
from builders.sources.miniature.facts import Scene
from builders.sources.miniature.identities import Pool, draw_identity
from builders.sources.miniature.render import render
from builders.sources.miniature.scenes import draw_scene

SIZE = 64
"""Pixels a side of every picture that a network of the miniature takes or makes."""
SHARD = 2000
"""Scenes drawn by one task."""
CAPTIONS = 4
"""Captions kept a scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Many scenes.

    Attributes:
        images: (N, S, S, 3) uint8, sRGB, in one file mapped to memory.
        masks: (N, S, S) uint8, 255 where the subject is seen.
        facts: (N, 9) int16; see `FACTS`.
        captions: N tuples of `CAPTIONS` captions, the subject described.
        identities: (N,) int32: scenes with the same number show the same identity.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    facts: NDArray[np.int16]
    captions: tuple[tuple[str, ...], ...]
    identities: NDArray[np.int32]

    def __len__(self) -> int:
        """How many scenes."""
        return len(self.images)


def shrunk(picture: NDArray[np.uint8], size: int = SIZE) -> NDArray[np.uint8]:
    """A picture, or a mask, at another size: bicubic with antialiasing."""
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def drawn_scenes(
    folder: Path,
    *,
    pool: Pool,
    seed: int,
    count: int,
    views: int = 1,
    held_out: bool | None = False,
    processes: int = 2,
    progress: Callable[[str], None] = lambda text: None,
) -> Drawn:
    """Draw scenes, or open them if they have been drawn into the folder before.

    Args:
        folder: where they are kept; made.
        pool: whose identities.
        seed: another seed, other scenes.
        count: scenes, a multiple of `views`.
        views: scenes in a row that show the same identity.
        held_out: as `draw_scene`.
        processes: how many draw at a time; changes nothing but the time.
        progress: is told what happens.
    """
    name = f"{pool.replace(' ', '-')}-{seed}-{count}-{views}-{held_out}"
    home = folder / name
    done = home / "captions.json"
    home.mkdir(parents=True, exist_ok=True)
    # Of several workers that train together one draws, and the others wait for it.
    with FileLock(home / ".lock"):
        if not done.exists():
            starts = range(0, count, SHARD)
            images = np.lib.format.open_memmap(
                home / "images.npy", "w+", np.uint8, (count, SIZE, SIZE, 3)
            )
            masks = np.lib.format.open_memmap(
                home / "masks.npy", "w+", np.uint8, (count, SIZE, SIZE)
            )
            facts = np.zeros((count, len(FACTS)), np.int16)
            captions: list[list[str]] = []
            with ProcessPoolExecutor(processes, get_context("spawn")) as workers:
                tasks = [
                    (pool, seed, start, min(SHARD, count - start), views, held_out)
                    for start in starts
                ]
                for start, shard in zip(starts, workers.map(_draw_shard, tasks), strict=True):
                    end = start + len(shard[0])
                    images[start:end], masks[start:end], facts[start:end] = shard[:3]
                    captions.extend(shard[3])
                    progress(f"drawn {end} of {count} scenes of {name}")
            images.flush()
            masks.flush()
            np.save(home / "facts.npy", facts)
            done.write_text(json.dumps(captions))
    return Drawn(
        images=np.load(home / "images.npy"),
        masks=np.load(home / "masks.npy"),
        facts=np.load(home / "facts.npy"),
        captions=tuple(map(tuple, json.loads(done.read_text()))),
        identities=np.arange(count, dtype=np.int32) // views,
    )


def chosen(drawn: Drawn, rows: NDArray[np.intp]) -> Drawn:
    """Some of the scenes, in the order of `rows`."""
    return Drawn(
        images=drawn.images[rows],
        masks=drawn.masks[rows],
        facts=drawn.facts[rows],
        captions=tuple(drawn.captions[row] for row in rows),
        identities=drawn.identities[rows],
    )


FACTS = (
    "class",
    "main",
    "second",
    "pattern",
    "place",
    "weather",
    "light",
    "action",
    "prop",
)
"""What a classifier may be asked of a scene, as whole numbers in the order of `fact_values`."""
SURROUNDINGS = ("place", "weather", "light", "prop")
"""Facts that a subject alone does not show."""


def without_surroundings(facts: NDArray[np.int16], count: int) -> NDArray[np.int16]:
    """The facts with -1 for what the first `count` rows do not show on a plain ground."""
    found = facts.copy()
    for fact in SURROUNDINGS:
        found[:count, FACTS.index(fact)] = -1
    return found


def whole_numbers(values: NDArray[np.integer[Any]]) -> Tensor:
    """Any whole numbers as int64, which torch indexes with."""
    return torch.from_numpy(values.astype(np.int64))


def fact_values() -> dict[str, tuple[str, ...]]:
    """The names behind the numbers of each fact."""
    from builders.sources.miniature import facts, palette

    actions = tuple(dict.fromkeys(a for found in facts.ACTIONS.values() for a in found))
    return {
        "class": facts.CLASSES,
        "main": tuple(palette.COLOURS),
        "second": tuple(palette.COLOURS),
        "pattern": facts.PATTERNS,
        "place": facts.PLACES,
        "weather": facts.WEATHERS,
        "light": facts.LIGHTS,
        "action": actions,
        "prop": ("none", *facts.PROPS),
    }


def facts_of(scene: Scene) -> tuple[int, ...]:
    """The facts of a scene as numbers, in the order of `FACTS`."""
    identity = scene.identity
    said = {
        "class": identity.class_noun,
        "main": identity.main,
        "second": identity.second,
        "pattern": identity.pattern,
        "place": scene.place,
        "weather": scene.weather,
        "light": scene.light,
        "action": scene.action,
        "prop": scene.prop.noun if scene.prop else "none",
    }
    values = fact_values()
    return tuple(values[fact].index(said[fact]) for fact in FACTS)


Shard = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int16], list[list[str]]]


def _draw_shard(task: tuple[Pool, int, int, int, int, bool | None]) -> Shard:
    pool, seed, start, count, views, held_out = task
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    masks = np.empty((count, SIZE, SIZE), np.uint8)
    facts = np.empty((count, len(FACTS)), np.int16)
    captions = []
    for row in range(count):
        number = start + row
        identity = draw_identity(random.Random(f"{pool}/{seed}/{number // views}"), pool)
        rng = random.Random(f"{pool}/{seed}/{number}/scene")
        scene = draw_scene(rng, identity, held_out=held_out)
        picture = render(scene, 2 * SIZE)
        images[row], masks[row] = shrunk(picture.rgb), shrunk(picture.mask)
        facts[row] = facts_of(scene)
        captions.append(list(islice(training_captions(scene, rng), CAPTIONS)))
    return images, masks, facts, captions
