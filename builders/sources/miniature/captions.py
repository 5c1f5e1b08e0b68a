"""A scene in; true English sentences about it out, the subject as `{}` or described.

In the manner of the paper's Fig. 12: "A {} wearing a red party hat is sitting on the sand beside
the sea." Everything a caption says is a field of the scene; a caption may leave things out, but
never the place. Captions for the benchmark say nothing that tells whose picture it is.
"""

import random
from collections.abc import Iterator, Sequence

from builders.sources.miniature.facts import INDOORS, Accessory, Identity, Prop, Scene

PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "beach": ("on the beach", "on a sandy beach", "on the sand beside the sea"),
    "snow": ("in the snow", "on a snowy field", "in a snowy landscape with fir trees"),
    "forest": ("in the forest", "in a forest", "among the tall trees of a forest"),
    "desert": ("in the desert", "on the sand of a desert", "among the dunes of the desert"),
    "meadow": ("in a meadow", "on the grass of a meadow", "in a green meadow with flowers"),
    "mountains": ("in the mountains", "in front of the mountains", "before a mountain range"),
    "lake": ("by a lake", "on the shore of a lake", "at the lake"),
    "farm": ("on a farm", "on a farm with a red barn", "in front of a barn"),
    "street": ("on a street", "on a city street", "on the road in front of houses"),
    "living room": ("in a living room", "in the living room", "on the floor of a living room"),
    "kitchen": ("in a kitchen", "in the kitchen", "on the tiled floor of a kitchen"),
    "library": ("in a library", "in the library", "in front of the shelves of a library"),
    "stage": ("on a stage", "on the stage", "on a stage with red curtains"),
    "moon": ("on the moon", "on the surface of the moon", "on the gray ground of the moon"),
}
"""Each place in several words; the first ones are the plainest."""

IN_THE_AIR = ("flying", "jumping", "floating", "swimming")
AIRY_PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "beach": ("on the beach", "on a sandy beach"),
    "snow": ("in the snow", "in a snowy landscape with fir trees"),
    "desert": ("in the desert", "among the dunes of the desert"),
    "meadow": ("in a meadow", "in a green meadow with flowers"),
    "lake": ("by a lake", "at the lake"),
    "street": ("on a street", "on a city street", "in front of houses"),
    "living room": ("in a living room", "in the living room"),
    "kitchen": ("in a kitchen", "in the kitchen"),
    "moon": ("on the moon",),
}
"""For those in the air, where words above say that something is on the ground."""

DOING: dict[str, tuple[str, ...]] = {
    "standing": ("standing",),
    "sitting": ("sitting",),
    "running": ("running",),
    "sleeping": ("sleeping", "lying asleep"),
    "jumping": ("jumping", "leaping"),
    "flying": ("flying",),
    "swimming": ("swimming",),
    "standing upright": ("standing upright", "standing"),
    "tipped over": ("tipped over", "lying on its side"),
    "floating": ("floating in the air", "floating"),
}
"""After "is", or right after the noun."""

LIGHT_WORDS: dict[str, tuple[str, ...]] = {
    "sunset": ("at sunset", "in the light of the setting sun"),
    "night": ("at night", "at night under the moon"),
}
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "rain": ("in the rain", "on a rainy day"),
    "snowfall": ("while snow is falling", "in falling snow"),
    "fog": ("in the fog", "on a foggy day"),
}
OPENINGS = (
    "A photo of a {}",
    "A picture of a {}",
    "An image of a {}",
    "A close-up photo of a {}",
)
SHOWING = ("A photo shows a {}", "A picture shows a {}", "An image shows a {}")
CLOSE_UP = 1.15
"""Camera scale from which a picture is called a close-up."""
EXHAUSTED = 2000
"""After so many sentences in a row that were said before, all is said."""


def captions(scene: Scene, count: int = 10) -> tuple[str, ...]:
    """Distinct true captions with exactly one `{}` each.

    Args:
        scene: what to tell.
        count: how many; fewer come of a scene of which there is less to say. Any has ten.
    """
    rng = random.Random(f"captions/{scene.seed}")
    found: dict[str, None] = {}
    misses = 0
    while len(found) < count and misses < EXHAUSTED:
        before = len(found)
        found[_sentence(scene, rng)] = None
        misses = 0 if len(found) > before else misses + 1
    return tuple(found)


def training_captions(scene: Scene, rng: random.Random) -> Iterator[str]:
    """Endless captions of one scene for training, the subject described more or less fully."""
    while True:
        yield described(_sentence(scene, rng), scene, rng)


def described(caption: str, scene: Scene, rng: random.Random) -> str:
    """The caption with its `{}` replaced by words for the subject: "red mug with white spots"."""
    words = rng.choices(
        (scene.identity.class_noun, _coloured(scene.identity), _full(scene.identity)), (3, 4, 3)
    )[0]
    return filled(caption, words)


def filled(caption: str, words: str) -> str:
    """The caption with its `{}` replaced, and "a" before it made "an" where English has it so."""
    before, after = caption.split("{}")
    if words[0] in "aeiou" and before.endswith(("A ", "a ")):
        before = before[:-1] + "n "
    return before + words + after


def _coloured(identity: Identity) -> str:
    return f"{identity.main} {identity.class_noun}"


def _full(identity: Identity) -> str:
    noun, main, second = identity.class_noun, identity.main, identity.second
    return {
        "plain": f"plain {main} {noun}",
        "spotted": f"{main} {noun} with {second} spots",
        "striped": f"{main} {noun} with {second} stripes",
        "patched": f"{main} {noun} with {second} patches",
        "banded": f"{main} {noun} with {_a(second)} band",
    }[identity.pattern]


def _sentence(scene: Scene, rng: random.Random) -> str:
    doing = rng.choice(DOING[scene.action])
    worn = _worn(scene.accessory, rng) if scene.accessory and rng.random() < 0.75 else ""
    beside = _beside(scene.prop, rng) if scene.prop and rng.random() < 0.75 else ""
    place = _place(scene, beside, rng)
    outside = _outside(scene, rng)
    tail = _joined((beside, place, outside))
    form = rng.random()
    if form < 0.45:
        return f"A {{}}{worn} is {doing}{tail}." if worn else f"A {{}} is {doing}{tail}."
    if form < 0.6:
        return f"{rng.choice(SHOWING)}{worn} {doing}{tail}."
    if form < 0.75:
        openings = OPENINGS if scene.camera.scale >= CLOSE_UP else OPENINGS[:-1]
        said = f" {doing}" if rng.random() < 0.7 else ""
        return f"{rng.choice(openings)}{worn}{said}{tail}."
    if form < 0.9:
        facing = "left" if scene.camera.mirror else "right"
        told = rng.random() < 0.3 and _has_front(scene) and not outside.endswith("falling")
        turned = f", facing {facing}" if told else ""
        return f"A {{}}{worn} {doing}{tail}{turned}."
    rest = _joined((beside, outside))
    return f"{place[0].upper()}{place[1:]}, a {{}}{worn} is {doing}{rest}."


def _has_front(scene: Scene) -> bool:
    return scene.identity.kind == "living"


def _worn(accessory: Accessory, rng: random.Random) -> str:
    noun, colour = accessory.noun, accessory.colour
    if noun == "sunglasses":
        return f" wearing {colour} sunglasses"
    if noun == "ribbon":
        return f" with {_a(colour)} ribbon"
    verb = rng.choice(("wearing", "wearing", "with"))
    return f" {verb} {_a(colour)} {noun}"


def _beside(prop: Prop, rng: random.Random) -> str:
    thing = f"{_a(prop.colour)} {prop.noun}"
    return {
        "next to": rng.choice((f"next to {thing}", f"beside {thing}")),
        "in front of": f"in front of {thing}",
        "behind": f"behind {thing}",
        "on": rng.choice((f"on {thing}", f"on top of {thing}")),
    }[prop.relation]


def _place(scene: Scene, beside: str, rng: random.Random) -> str:
    """Words for the place that say nothing twice: no "in front of a box in front of a barn"."""
    words = PLACE_WORDS[scene.place]
    if scene.action in IN_THE_AIR:
        words = AIRY_PLACE_WORDS.get(scene.place, words)
    twice = [start for start in ("in front of", "beside") if start in beside]
    fitting = [word for word in words if not any(start in word for start in twice)]
    return rng.choice(fitting)


def _outside(scene: Scene, rng: random.Random) -> str:
    told: list[str] = []
    if scene.weather != "clear" and rng.random() < 0.75:
        words = WEATHER_WORDS[scene.weather]
        if scene.place == "snow" and scene.weather == "snowfall":
            words = words[:1]  # not "in the snow in falling snow"
        elif scene.light == "night":
            words = tuple(word for word in words if "day" not in word)
        told.append(rng.choice(words))
    if scene.light != "day" and rng.random() < 0.75:
        words = LIGHT_WORDS[scene.light]
        # Indoors no moon is seen, and none through clouds.
        plain = scene.place in INDOORS or scene.weather != "clear"
        told.append(words[0] if plain else rng.choice(words))
    return " ".join(told)


def _joined(parts: Sequence[str]) -> str:
    return "".join(f" {part}" for part in parts if part)


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
