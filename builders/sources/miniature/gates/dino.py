"""A trained DINO in; how well it tells who is who, beside two controls, out.

The controls are the same network untrained and a colour histogram: what subjects look alike by
palette alone is no achievement.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.sources.miniature.gates.gate import Gate
from builders.sources.miniature.gates.sameness import (
    Vectors,
    colour_histograms,
    margins,
    mean_cosines,
    nearest_neighbours,
)
from builders.sources.miniature.identities import changed, draw_identity
from builders.sources.miniature.render import render
from builders.sources.miniature.scenes import draw_scene
from builders.sources.miniature.training.data import FACTS, SIZE, Drawn, shrunk
from builders.sources.miniature.training.dino import new_dino, token_vectors
from pdst.encoders import ImageEncoder

Encode = Callable[[NDArray[np.uint8]], Vectors]
CHANGES = (0, 1, 2, 4)
"""How many parameters of an identity are changed."""


def dino_gates(encoder: ImageEncoder, subjects: Drawn, *, count: int = 200) -> list[Gate]:
    """Nearest neighbours, margins, and how the cosine falls with changed parameters.

    Args:
        encoder: opened from the exported folder, as users open it.
        subjects: 200 held-out identities, five scenes each.
        count: identities to change.
    """
    untrained = new_dino().eval()

    def control(images: NDArray[np.uint8]) -> Vectors:
        return token_vectors(untrained, images)

    classes, places = (subjects.facts[:, FACTS.index(fact)] for fact in ("class", "place"))
    vectors, nothing, palette = (
        encode(subjects.images) for encode in (encoder.encode_images, control, colour_histograms)
    )
    nearest, by_nothing, by_palette = (
        nearest_neighbours(one, subjects.identities, places) for one in (vectors, nothing, palette)
    )
    identities = len(set(subjects.identities.tolist()))
    gates = [
        Gate(
            name=f"DINO: nearest picture at another place is of the same identity, of {identities}",
            value=nearest,
            wanted=0.90,
            control=by_palette,
            note=f"control: colour histogram; the same network untrained: {by_nothing:.3f}",
        )
    ]
    ours = margins(mean_cosines(vectors, subjects.identities, classes, places))
    theirs = margins(mean_cosines(nothing, subjects.identities, classes, places))
    for name, margin, other in zip(
        ("same identity over same class", "same class over other class"), ours, theirs, strict=True
    ):
        gates.append(
            Gate(
                name=f"DINO: {name}, mean cosine, low end of 95 %",
                value=margin.low,
                wanted=0.0,
                control=other.low,
                note=f"margin {margin.value:.3f} [{margin.low:.3f}, {margin.high:.3f}]; "
                "control: the same network untrained",
            )
        )
    pictures = changed_pictures(count)
    means, falls = fall(encoder.encode_images, pictures), fall(control, pictures)
    told = ", ".join(f"{n}: {mean:.3f}" for n, mean in zip(CHANGES, means, strict=True))
    gates.append(
        Gate(
            name="DINO: smallest fall of the mean cosine from 0 to 1 to 2 to 4 changed parameters",
            value=float(-np.diff(means).max()),
            wanted=0.0,
            control=float(-np.diff(falls).max()),
            note=f"mean cosine by changes: {told}; control: the same network untrained",
        )
    )
    return gates


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Held-out subjects and what becomes of them.

    Attributes:
        originals: (N, S, S, 3).
        others: for each of `CHANGES` (N, S, S, 3): the subject so much changed, in another scene.
    """

    originals: NDArray[np.uint8]
    others: tuple[NDArray[np.uint8], ...]


def changed_pictures(count: int) -> Changed:
    """Draw held-out identities in one scene, and unchanged or changed in a second one.

    The second scene is the same for all changes of an identity, so that only they differ.
    """
    originals: list[NDArray[np.uint8]] = []
    others: list[list[NDArray[np.uint8]]] = [[] for _ in CHANGES]
    for number in range(count):
        rng = random.Random(f"changed/{number}")
        identity = draw_identity(rng, "held out")
        originals.append(shrunk(render(draw_scene(rng, identity), 2 * SIZE).rgb))
        seed = rng.randrange(1 << 30)
        for row, changes in enumerate(CHANGES):
            other = changed(identity, changes, rng)
            scene = draw_scene(random.Random(seed), other)
            others[row].append(shrunk(render(scene, 2 * SIZE).rgb))
    return Changed(originals=np.stack(originals), others=tuple(np.stack(found) for found in others))


def fall(encode: Encode, pictures: Changed) -> NDArray[np.float64]:
    """The mean cosine of a subject and itself changed, for each of `CHANGES`."""
    vectors = encode(pictures.originals)
    return np.array(
        [(vectors * encode(others)).sum(1).mean() for others in pictures.others], np.float64
    )
