"""A place, a weather and a light in; the whole frame behind the subject out."""

import random
from collections.abc import Callable

import skia

from builders.sources.miniature.buildings import draw_farm, draw_street
from builders.sources.miniature.facts import INDOORS
from builders.sources.miniature.indoors import (
    draw_kitchen,
    draw_library,
    draw_living_room,
    draw_stage,
)
from builders.sources.miniature.outdoors import (
    draw_desert,
    draw_forest,
    draw_meadow,
    draw_moon,
    draw_mountains,
    draw_snow,
)
from builders.sources.miniature.scenery import Scenery
from builders.sources.miniature.shores import draw_beach, draw_lake

VIEWS: dict[str, Callable[[Scenery], None]] = {
    "beach": draw_beach,
    "snow": draw_snow,
    "forest": draw_forest,
    "desert": draw_desert,
    "meadow": draw_meadow,
    "mountains": draw_mountains,
    "lake": draw_lake,
    "farm": draw_farm,
    "street": draw_street,
    "living room": draw_living_room,
    "kitchen": draw_kitchen,
    "library": draw_library,
    "stage": draw_stage,
    "moon": draw_moon,
}
"""A place in one line."""


def draw_place(
    picture: skia.Canvas, place: str, weather: str, light: str, rng: random.Random
) -> None:
    """Draw all that lies behind the subject.

    Args:
        picture: a canvas of 128 x 128 units.
        place: one of `facts.PLACES`.
        weather: one of `facts.WEATHERS`.
        light: one of `facts.LIGHTS`.
        rng: of what no field names: tints, counts and where things stand.
    """
    VIEWS[place](Scenery(picture, weather, light, rng, indoors=place in INDOORS))
