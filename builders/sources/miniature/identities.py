"""Seeds in; identities out: who may be drawn, in which pool, and who differs by how much.

An identity's pool follows from what it looks like, not from who asks, so nobody can draw a held-out
subject by chance: the generator learns from one pool, the scorers from another, and what they are
judged on belongs to neither.
"""

import hashlib
import random
from dataclasses import replace
from typing import Literal

from builders.sources.miniature.facts import (
    CLASSES,
    EYES,
    LIVING,
    MOTIFS,
    PATTERNS,
    Identity,
)
from builders.sources.miniature.palette import COLOURS

Pool = Literal["held out", "generator", "scorers"]

FURRED = ("dog", "cat", "horse", "rabbit", "elephant")
FUR = ("white", "black", "gray", "brown", "cream", "orange")
BRIGHT = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white", "black")
PARAMETERS = (
    "main",
    "second",
    "third",
    "pattern",
    "motif",
    "build",
    "first variant",
    "second variant",
    "third variant",
)
"""What `changed` may change, one at a time. The build is all six proportions together."""


def pool_of(identity: Identity) -> Pool:
    """Who may see this identity in training: a fifth of all are held out."""
    key = "/".join(
        (identity.class_noun, identity.main, identity.second, identity.pattern, identity.motif)
    )
    slot = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % 10
    return "held out" if slot < 2 else "generator" if slot < 7 else "scorers"


def is_held_out_scene(colour: str, place: str, action: str) -> bool:
    """Whether this colour, place and action are never seen together in any training."""
    key = f"{colour}/{place}/{action}"
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % 12 == 0


def draw_identity(rng: random.Random, pool: Pool, class_noun: str | None = None) -> Identity:
    """Draw one identity of a pool, evenly over classes, colours and patterns."""
    class_noun = class_noun or rng.choice(CLASSES)
    while True:
        found = _any_identity(rng, class_noun)
        if pool_of(found) == pool:
            return found


def changed(identity: Identity, parameters: int, rng: random.Random) -> Identity:
    """The same identity but for so many parameters, chosen at random of `PARAMETERS`.

    Every change can be seen: a colour gets another name, the build moves each slider by at least
    0.8. With a plain pattern the second colour still shows on ears, paws, lid or trim.
    """
    chosen = rng.sample(PARAMETERS, parameters)
    for parameter in chosen:
        identity = _change(identity, parameter, rng)
    return identity


def differing(a: Identity, b: Identity) -> int:
    """How many of `PARAMETERS` differ; proportions count once."""
    return sum(
        (
            a.main != b.main,
            a.second != b.second,
            a.third != b.third,
            a.pattern != b.pattern,
            a.motif != b.motif,
            a.proportions != b.proportions,
            *(x != y for x, y in zip(a.variants, b.variants, strict=True)),
        )
    )


def _any_identity(rng: random.Random, class_noun: str) -> Identity:
    palette = FUR if class_noun in FURRED else BRIGHT
    main, second = rng.sample(palette, 2)
    third = rng.choice([name for name in BRIGHT if name not in (main, second)])
    return Identity(
        class_noun=class_noun,
        main=main,
        second=second,
        third=third,
        tint=(rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1)),
        pattern=rng.choice(PATTERNS),
        motif=rng.choice(MOTIFS),
        eyes=rng.choice(EYES) if class_noun in LIVING else "black",
        proportions=_proportions(rng),
        variants=(rng.randrange(3), rng.randrange(3), rng.randrange(3)),
        markings=rng.randrange(1 << 30),
    )


def _proportions(rng: random.Random) -> tuple[float, float, float, float, float, float]:
    a, b, c, d, e, f = (rng.uniform(-1, 1) for _ in range(6))
    return a, b, c, d, e, f


def _change(identity: Identity, parameter: str, rng: random.Random) -> Identity:
    if parameter in ("main", "second", "third"):
        taken = {identity.main, identity.second, identity.third}
        furred = identity.class_noun in FURRED and parameter != "third"
        names = [name for name in (FUR if furred else BRIGHT) if name not in taken]
        assert set(names) <= set(COLOURS)
        name = rng.choice(names)
        if parameter == "main":
            return replace(identity, main=name)
        return (
            replace(identity, second=name)
            if parameter == "second"
            else replace(identity, third=name)
        )
    if parameter == "pattern":
        other = rng.choice([name for name in PATTERNS if name != identity.pattern])
        return replace(identity, pattern=other)
    if parameter == "motif":
        other = rng.choice([name for name in MOTIFS if name != identity.motif])
        return replace(identity, motif=other)
    if parameter == "build":
        a, b, c, d, e, f = (
            value - 1 if value > 0.2 else value + 1 if value < -0.2 else value + rng.choice((-1, 1))
            for value in identity.proportions
        )
        return replace(identity, proportions=(a, b, c, d, e, f))
    index = ("first variant", "second variant", "third variant").index(parameter)
    values = list(identity.variants)
    values[index] = (values[index] + rng.choice((1, 2))) % 3
    return replace(identity, variants=(values[0], values[1], values[2]))
