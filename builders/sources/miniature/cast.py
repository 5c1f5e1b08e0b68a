"""A seed in; the twenty subjects of the release out."""

import random
from collections import Counter

import numpy as np

from builders.sources.miniature.facts import (
    ACTIONS,
    CLASSES,
    PLACES,
    SEED,
    Camera,
    Identity,
    Scene,
)
from builders.sources.miniature.identities import draw_identity, is_held_out_scene
from builders.sources.miniature.palette import COLOURS, INK
from builders.sources.miniature.render import render
from builders.sources.miniature.sight import SEEN, lab

MOST = {"colour": 2, "pattern": 5, "motif": 5}
"""Subjects that share one."""
APART = 90.0
"""Distance in sRGB between the main colour and the others: markings are to be seen."""
LEAST_HELD_OUT = 3
"""Pairs of place and action in which no training has seen the subject's colour."""


def subjects(seed: int = SEED) -> tuple[Identity, ...]:
    """One held-out identity of each class, of many colours, patterns and motifs."""
    rng = random.Random(f"release/{seed}")
    used: Counter[tuple[str, str]] = Counter()
    found = []
    for class_noun in CLASSES:
        while True:
            identity = draw_identity(rng, "held out", class_noun)
            looks = (
                ("colour", identity.main),
                ("pattern", identity.pattern),
                ("motif", identity.motif),
            )
            room = all(used[one] < MOST[one[0]] for one in looks)
            if room and _fits(identity):
                break
        used.update(looks)
        found.append(identity)
    return tuple(found)


def _fits(identity: Identity) -> bool:
    main, second, third = (
        np.array(COLOURS[name]) for name in (identity.main, identity.second, identity.third)
    )
    return bool(
        np.linalg.norm(main - second) >= APART
        and np.linalg.norm(main - third) >= APART
        and (identity.pattern, identity.motif) != ("plain", "none")
        and len(held_out_of(identity)) >= LEAST_HELD_OUT
        and _looks_like_its_name(identity)
    )


def _looks_like_its_name(identity: Identity) -> bool:
    """Whether its main colour is seen most, by far: large patches and spots may hide it."""
    camera = Camera(scale=1.3, x=64.0, y=114.0, mirror=False)
    scene = Scene(
        identity=identity,
        place="meadow",
        weather="clear",
        light="day",
        action=ACTIONS[identity.class_noun][0],
        accessory=None,
        prop=None,
        camera=camera,
        seed=0,
    )
    picture = render(scene, 64)
    names = (identity.main, identity.second, identity.third)
    wanted = lab(np.array([*(COLOURS[name] for name in names), INK], np.uint8))
    seen = lab(picture.rgb[picture.mask > SEEN])
    nearest = np.linalg.norm(seen[:, None] - wanted, axis=2).argmin(axis=1)
    main, *others = np.bincount(nearest, minlength=4)[:3]
    return bool(main > 1.3 * max(others))


def held_out_of(identity: Identity) -> list[tuple[str, str]]:
    """Places and actions in which no training has seen the subject's colour."""
    return [
        (place, action)
        for place in PLACES
        for action in ACTIONS[identity.class_noun]
        if is_held_out_scene(identity.main, place, action)
    ]
