"""What is in a scene: the nouns that the renderer draws, captions tell and tests ask for.

Everything that a picture shows is a field here; a picture is a function of its `Scene` alone.
Lengths are in units: a picture is 128 x 128 units whatever its size in pixels, y points down.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["living", "rigid"]

SEED = 0
"""Of version 1 of the release."""

LIVING = (
    "dog",
    "cat",
    "horse",
    "rabbit",
    "elephant",
    "bird",
    "duck",
    "penguin",
    "fish",
    "turtle",
)
RIGID = (
    "mug",
    "teapot",
    "vase",
    "clock",
    "lamp",
    "backpack",
    "car",
    "chair",
    "boot",
    "umbrella",
)
CLASSES = LIVING + RIGID

PATTERNS = ("plain", "spotted", "striped", "patched", "banded")
MOTIFS = ("none", "star", "heart", "moon", "cross")
EYES = ("black", "blue", "green", "brown")

ACTIONS: dict[str, tuple[str, ...]] = {
    "dog": ("standing", "sitting", "running", "sleeping"),
    "cat": ("standing", "sitting", "running", "sleeping"),
    "horse": ("standing", "running", "jumping"),
    "rabbit": ("standing", "sitting", "jumping"),
    "elephant": ("standing", "sitting", "running"),
    "bird": ("standing", "flying"),
    "duck": ("standing", "flying"),
    "penguin": ("standing", "jumping", "sleeping"),
    "fish": ("swimming", "jumping"),
    "turtle": ("standing", "running", "sleeping"),
    **dict.fromkeys(RIGID, ("standing upright", "tipped over", "floating")),
}

PLACES = (
    "beach",
    "snow",
    "forest",
    "desert",
    "meadow",
    "mountains",
    "lake",
    "farm",
    "street",
    "living room",
    "kitchen",
    "library",
    "stage",
    "moon",
)
INDOORS = ("living room", "kitchen", "library", "stage")
WEATHERS = ("clear", "rain", "snowfall", "fog")
"""Of places outdoors; the moon has none."""
LIGHTS = ("day", "sunset", "night")
"""Indoors it is day or night; on the moon always day."""

ACCESSORIES = ("party hat", "crown", "sunglasses", "scarf", "bow tie", "ribbon")
"""The ribbon is for things; the others are for the living."""
PROPS = ("ball", "box", "balloon", "flower", "mushroom", "pumpkin", "bucket", "cushion")
RELATIONS = ("next to", "in front of", "behind", "on")
"""Where the subject is, seen from the prop. It is on boxes and cushions only."""
THING_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")


def kind_of(class_noun: str) -> Kind:
    """Living or rigid."""
    return "living" if class_noun in LIVING else "rigid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who it is: everything about a subject that no scene changes.

    Attributes:
        class_noun: one of `CLASSES`.
        main, second, third: names in `COLOURS`, all different.
        tint: shifts of hue, saturation and lightness of the three colours, each in [-1, 1].
        pattern: one of `PATTERNS`, drawn in the second colour.
        motif: one of `MOTIFS`, drawn in the third colour on body, chest or side.
        eyes: one of `EYES`; things have none.
        proportions: six sliders in [-1, 1]: body width, body height, limbs or foot, head or lid,
            ears or handle, tail or spout; each class says what it makes of them.
        variants: three choices of 0, 1 or 2: shapes of parts (ears, tail, feet; handle, lid, base).
        markings: seed of where spots and patches lie.
    """

    class_noun: str
    main: str
    second: str
    third: str
    tint: tuple[float, float, float]
    pattern: str
    motif: str
    eyes: str
    proportions: tuple[float, float, float, float, float, float]
    variants: tuple[int, int, int]
    markings: int

    @property
    def kind(self) -> Kind:
        """Living or rigid."""
        return kind_of(self.class_noun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Where the subject stands in the picture.

    Attributes:
        scale: 1 draws the subject about 64 units high.
        x, y: where its foot is, in units of the picture.
        mirror: False faces right.
    """

    scale: float
    x: float
    y: float
    mirror: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accessory:
    """Something worn: one of `ACCESSORIES` in one of `THING_COLOURS`."""

    noun: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prop:
    """Another thing in the scene: one of `PROPS`, its colour, and where the subject is from it."""

    noun: str
    colour: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A picture before it is drawn.

    Attributes:
        identity: who is in it.
        place: one of `PLACES`.
        weather: one of `WEATHERS`.
        light: one of `LIGHTS`.
        action: one of `ACTIONS` of the class.
        accessory, prop: or None.
        camera: where the subject stands.
        seed: of everything that no field names: clouds, trees, windows, the phase of a stride.
    """

    identity: Identity
    place: str
    weather: str
    light: str
    action: str
    accessory: Accessory | None
    prop: Prop | None
    camera: Camera
    seed: int
