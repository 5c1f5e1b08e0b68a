"""In: a seed. Out: the rows of `sketch`, a small drawn release for trying PDST without any photo.

Plumbing only: the pictures are drawn by rules, so numbers measured on them say nothing about a
method. Everything in a row is true all the same: masks are exact, captions name what was drawn, and
a subject keeps its shape, colours and markings wherever it is.
"""

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from builders.rows import About, PhotoRow
from builders.sources.strokes import MODELS, PLACES, PROPS, Model, Palette, Pen
from pdst.types import Split

NAME = "sketch"
VERSION = "1.0.0"

TRAIN, TEST = 5, 10
"""Photos a subject, as in the paper."""

MAX_SUBJECTS = sum(len(model.palettes) for model in MODELS)

SUPERSAMPLING = 3
"""Drawn this much larger and averaged down: smooth edges, and few megabytes all the same."""

LIGHTS = {
    "in plain daylight": (None, 0.0),
    "in warm evening light": ("#e0692a", 0.22),
    "in blue moonlight": ("#16224f", 0.38),
}

SIDES = {"on the left": 0.3, "in the middle": 0.5, "on the right": 0.7}

SIZES = {"far away": 0.34, "at some distance": 0.46, "close up": 0.6}
"""Of the subject, as a share of the picture's height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one photo shows, beside its subject."""

    place: str
    prop: str
    light: str
    side: str
    size: str

    @property
    def prop_side(self) -> str:
        """The prop stands where the subject leaves room."""
        return "on the left" if self.side == "on the right" else "on the right"


def rows(*, subjects: int = 4, size: int = 256, seed: int = 0) -> tuple[PhotoRow, ...]:
    """Draw the release.

    Args:
        subjects: 1 to MAX_SUBJECTS, living and rigid in turn.
        size: of the pictures, in pixels.
        seed: another seed draws other pictures.

    Raises:
        ValueError: for a number of subjects that it cannot draw, or pictures under 32 pixels.
    """
    if not 1 <= subjects <= MAX_SUBJECTS:
        raise ValueError(f"subjects: got {subjects}, wanted 1 to {MAX_SUBJECTS}.")
    if size < 32:
        raise ValueError(f"size: got {size}, wanted at least 32 pixels.")
    result = []
    for number in range(subjects):
        model = MODELS[number % len(MODELS)]
        palette = model.palettes[number // len(MODELS)]
        subject_id = f"{model.class_noun}-{number // len(MODELS) + 1}"
        rng = random.Random(f"sketch/{seed}/{subject_id}")
        for index, scene in enumerate(scenes(rng)):
            split: Split = "train" if index < TRAIN else "test"
            picture, mask = draw(model, palette, scene, size=size, rng=rng)
            result.append(
                PhotoRow(
                    split=split,
                    subject_id=subject_id,
                    class_noun=model.class_noun,
                    init_token=model.class_noun,
                    kind="living" if model.living else "rigid",
                    image_id=f"{index:02}",
                    image=_png(picture),
                    suffix=".png",
                    mask=_png(mask),
                    source=f"builders/sources/sketch.py, seed {seed}: {subject_id}/{index:02}",
                    author="The PDST authors",
                    licence="CC-BY-4.0",
                    licence_url="https://creativecommons.org/licenses/by/4.0/",
                    captions=captions(scene) if split == "test" else (),
                )
            )
    return tuple(result)


def about() -> About:
    """What the card says beside the counts."""
    return About(
        name=NAME,
        version=VERSION,
        summary=(
            "A small **drawn** release for trying PDST without photos and without a network. It is "
            "for plumbing only: the pictures are drawn by rules, and numbers measured on them say "
            "nothing about a method."
        ),
        licence_fields={"license": "cc-by-4.0"},
        notes=(
            "## How it was made\n\n"
            "`python -m builders sketch` draws every picture from a seed, supersampled. Masks are "
            "the drawn subject itself. Captions are sentences about what was drawn (place, prop, "
            "light, position, size), never about the subject."
        ),
    )


def draw(
    model: Model, palette: Palette, scene: Scene, *, size: int, rng: random.Random
) -> tuple[Image.Image, Image.Image]:
    """Draw one photo.

    Returns:
        The picture ("RGB") and the subject's exact mask ("L", 0 or 255), size x size pixels.
    """
    large = size * SUPERSAMPLING
    canvas = Image.new("RGBA", (large, large))
    ground = rng.uniform(0.55, 0.66)
    PLACES[scene.place].draw(Pen(canvas), rng, ground)
    canvas = _mottled(canvas, rng)

    prop = Image.new("RGBA", (round(rng.uniform(0.28, 0.36) * large),) * 2)
    PROPS[scene.prop](Pen(prop))
    prop_x = SIDES[scene.prop_side] + (0.13 if scene.prop_side == "on the right" else -0.13)
    prop_foot = ground + rng.uniform(0.08, 0.16)
    canvas.alpha_composite(_placed(prop, large, prop_x + rng.uniform(-0.03, 0.03), prop_foot))

    height = SIZES[scene.size] * rng.uniform(0.94, 1.06)
    x = SIDES[scene.side] + rng.uniform(-0.03, 0.03)
    foot = rng.uniform(ground + 0.17, 0.93)
    shadow = Image.new("RGBA", canvas.size)
    Pen(shadow).oval(x, foot - 0.02 * height, 0.36 * height, 0.07 * height, "#00000050")
    canvas.alpha_composite(shadow)
    subject = Image.new("RGBA", (round(height * large),) * 2)
    model.draw(Pen(subject), palette)
    layer = _placed(_posed(subject, rng), large, x, foot)
    canvas.alpha_composite(layer)

    picture = canvas.convert("RGB").resize((size, size), Image.Resampling.BOX)
    tint, strength = LIGHTS[scene.light]
    if tint is not None:
        picture = Image.blend(picture, Image.new("RGB", picture.size, tint), strength)
    share = layer.getchannel("A").resize((size, size), Image.Resampling.BOX)
    return picture, share.point([0] * 128 + [255] * 128)


def captions(scene: Scene) -> tuple[str, ...]:
    """Ten true sentences about a scene, the subject left out as `{}`.

    Each names the place and the prop in some way, so that no other photo of the subject has it.
    """
    place = PLACES[scene.place]
    on, behind, prop = place.on, place.behind, scene.prop
    return (
        f"A {{}} {on}, with {prop} {scene.prop_side}.",
        f"The {{}} is {scene.side} of the picture, {on}; {prop} is {scene.prop_side}.",
        f"{_capital(scene.light)}, a {{}} can be seen {on}, next to {prop}.",
        f"{_capital(prop)} is next to a {{}} {on}.",
        f"{_capital(behind)} can be seen behind a {{}} and {prop}.",
        f"A {{}} {scene.size}, {on}, with {prop} {scene.light}.",
        f"{_capital(on)} there are {prop} and a {{}}.",
        f"{_capital(scene.side)}, a {{}}; {scene.prop_side}, {prop}; behind them, {behind}.",
        f"A simple drawing of a {{}} {scene.light}, {on}, beside {prop}.",
        f"{_capital(prop)} {scene.prop_side} and a {{}} {scene.size}, {on}.",
    )


def scenes(rng: random.Random) -> Sequence[Scene]:
    """Scenes of one subject, train first. Test photos are in places that no train photo shows."""
    places = rng.sample(list(PLACES), k=len(PLACES))
    return [*_some(rng, places[:3], TRAIN), *_some(rng, places[3:], TEST)]


def _some(rng: random.Random, places: Sequence[str], number: int) -> Sequence[Scene]:
    """So many scenes, each place about as often; no two share both place and prop."""
    props = {place: rng.sample(list(PROPS), k=len(PROPS)) for place in places}
    return [
        Scene(
            place=(place := places[index % len(places)]),
            prop=props[place].pop(),
            light=rng.choice(list(LIGHTS)),
            side=rng.choice(list(SIDES)),
            size=rng.choice(list(SIZES)),
        )
        for index in range(number)
    ]


def _mottled(canvas: Image.Image, rng: random.Random) -> Image.Image:
    """Grain a background, as paper would, so that no two are the same in their fine structure."""
    side = 48
    grain = Image.frombytes("L", (side, side), rng.randbytes(side * side))
    grain = grain.resize(canvas.size, Image.Resampling.BICUBIC)
    opaque = Image.new("L", canvas.size, 255)
    return Image.blend(canvas, Image.merge("RGBA", (grain, grain, grain, opaque)), 0.16)


def _posed(subject: Image.Image, rng: random.Random) -> Image.Image:
    """Turn, lean and narrow a drawn subject, as another viewpoint would; mirror it or not."""
    tilt, lean = rng.uniform(-0.16, 0.16), rng.uniform(-0.15, 0.15)
    narrow = rng.uniform(0.78, 0.94) * rng.choice((-1, 1))
    xx, xy = math.cos(tilt) / narrow, math.sin(tilt) / narrow + lean
    yx, yy = -math.sin(tilt), math.cos(tilt)
    middle = subject.width / 2
    shifts = middle * (1 - xx - xy), middle * (1 - yx - yy)
    return subject.transform(
        subject.size,
        Image.Transform.AFFINE,
        (xx, xy, shifts[0], yx, yy, shifts[1]),
        Image.Resampling.BICUBIC,
    )


def _placed(sticker: Image.Image, large: int, x: float, foot: float) -> Image.Image:
    """A canvas, empty but for a sticker: its middle at x, its lower edge at foot."""
    layer = Image.new("RGBA", (large, large))
    left = round(x * large - sticker.width / 2)
    layer.paste(sticker, (left, round(foot * large - sticker.height)))
    return layer


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
