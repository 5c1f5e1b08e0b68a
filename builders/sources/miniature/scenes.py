"""An identity and a seed in; scenes out: where it is, what it does, what is with it."""

import random
from collections.abc import Iterator

from builders.sources.miniature.facts import (
    ACCESSORIES,
    ACTIONS,
    INDOORS,
    LIGHTS,
    PLACES,
    PROPS,
    RELATIONS,
    THING_COLOURS,
    WEATHERS,
    Accessory,
    Camera,
    Identity,
    Prop,
    Scene,
)
from builders.sources.miniature.identities import Pool, draw_identity, is_held_out_scene

IN_THE_AIR = ("flying", "jumping", "floating", "swimming")
STANDS = ("box", "cushion")
"""Props that something can be on."""


def draw_scene(rng: random.Random, identity: Identity, *, held_out: bool | None = None) -> Scene:
    """Draw a scene around an identity.

    Args:
        rng: decides everything.
        identity: who is in it.
        held_out: True: only colour-place-action combinations that no training sees; False: never
            one of them; None: either.
    """
    actions = ACTIONS[identity.class_noun]
    while True:
        place, action = rng.choice(PLACES), _action(rng, actions)
        if held_out is None or held_out == is_held_out_scene(identity.main, place, action):
            break
    prop = _prop(rng, action)
    return Scene(
        identity=identity,
        place=place,
        weather=_weather(rng, place),
        light=_light(rng, place),
        action=action,
        accessory=_accessory(rng, identity),
        prop=prop,
        camera=_camera(rng, action, prop),
        seed=rng.randrange(1 << 30),
    )


def training_scenes(seed: int, pool: Pool) -> Iterator[Scene]:
    """Endless scenes for training: every identity a new one of the pool, no held-out scene."""
    rng = random.Random(f"training/{pool}/{seed}")
    while True:
        yield draw_scene(rng, draw_identity(rng, pool), held_out=False)


def _action(rng: random.Random, actions: tuple[str, ...]) -> str:
    """Things mostly stand upright: tipped over and floating are a fifth each."""
    if "floating" in actions:
        return rng.choices(actions, (3, 1, 1))[0]
    return rng.choice(actions)


def _weather(rng: random.Random, place: str) -> str:
    if place in INDOORS or place == "moon":
        return "clear"
    weather = rng.choices(WEATHERS, (6, 1, 1, 1))[0]
    return "clear" if weather == "snowfall" and place in ("beach", "desert") else weather


def _light(rng: random.Random, place: str) -> str:
    if place == "moon":
        return "day"
    if place in INDOORS:
        return rng.choices(("day", "night"), (3, 1))[0]
    return rng.choices(LIGHTS, (4, 1, 1))[0]


def _accessory(rng: random.Random, identity: Identity) -> Accessory | None:
    if rng.random() < 0.7:
        return None
    nouns = ACCESSORIES[:-1] if identity.kind == "living" else ACCESSORIES[-1:]
    return Accessory(noun=rng.choice(nouns), colour=rng.choice(THING_COLOURS))


def _prop(rng: random.Random, action: str) -> Prop | None:
    if rng.random() < 0.6:
        return None
    # Nobody is on a box who is in the air.
    relation = rng.choice(RELATIONS[:-1] if action in IN_THE_AIR else RELATIONS)
    noun = rng.choice(STANDS if relation == "on" else PROPS)
    # Behind a balloon or a cushion one is hardly behind anything.
    if relation in ("in front of", "behind") and noun in ("balloon", "cushion"):
        noun = "box"
    return Prop(noun=noun, colour=rng.choice(THING_COLOURS), relation=relation)


def _camera(rng: random.Random, action: str, prop: Prop | None) -> Camera:
    relation = prop.relation if prop is not None else None
    largest = {"next to": 1.14, "on": 1.08}.get(relation or "", 1.4)
    if action in IN_THE_AIR:
        largest = min(largest, 1.2)
    scale = rng.uniform(0.94, largest)
    if relation == "next to":
        x = 64 + rng.choice((-1, 1)) * rng.uniform(14, 22)
    else:
        x = 64 + rng.uniform(-16, 16)
    return Camera(scale=scale, x=x, y=rng.uniform(106, 119), mirror=rng.random() < 0.5)
