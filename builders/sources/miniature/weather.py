"""A weather or a light in; streaks, flakes, veils and tints over a finished picture out."""

import random

import skia

from builders.sources.miniature.canvas import ellipse, outline, paint, skia_colour
from builders.sources.miniature.facts import INDOORS
from builders.sources.miniature.palette import Rgb

FRAME = 128.0
"""Units across a picture."""
TINTS: dict[str, tuple[Rgb, Rgb]] = {
    "sunset": ((255, 236, 214), (255, 246, 234)),
    "night": ((206, 214, 248), (222, 228, 248)),
}
"""What the top and the bottom of a picture are multiplied by. Pale: colours keep their names."""


def draw_weather(picture: skia.Canvas, weather: str, rng: random.Random) -> None:
    """Draw what falls or drifts before everything.

    Args:
        picture: a canvas of 128 x 128 units.
        weather: one of `facts.WEATHERS`; clear draws nothing.
        rng: where drops and flakes are.
    """
    if weather == "rain":
        _draw_rain(picture, rng)
    elif weather == "snowfall":
        _draw_snowfall(picture, rng)
    elif weather == "fog":
        _draw_fog(picture, rng)


def draw_light(picture: skia.Canvas, place: str, light: str) -> None:
    """Tint a finished picture: warm at sunset, blue in a night outdoors, not at all by day.

    Args:
        picture: a canvas of 128 x 128 units.
        place: one of `facts.PLACES`; lamps light those indoors.
        light: one of `facts.LIGHTS`.
    """
    if place in INDOORS or place == "moon" or light not in TINTS:
        return
    tint = skia.Paint()
    tint.setShader(
        skia.GradientShader.MakeLinear(
            [(0, 0), (0, FRAME)], [skia_colour(colour) for colour in TINTS[light]]
        )
    )
    tint.setBlendMode(skia.BlendMode.kMultiply)
    picture.drawRect(skia.Rect.MakeWH(FRAME, FRAME), tint)


def _draw_rain(picture: skia.Canvas, rng: random.Random) -> None:
    slant = rng.choice((-1, 1)) * rng.uniform(0.18, 0.36)
    for row in range(9):
        for column in range(9):
            # One streak in each cell of a grid: by lot alone they would clump.
            x = (column + rng.uniform(-0.2, 1.0)) * 16 - 8
            y = (row + rng.uniform(-0.2, 1.0)) * 16 - 12
            length = rng.uniform(8, 13)
            streak = outline(("M", x, y), ("L", x + slant * length, y + length), close=False)
            # The dark edge keeps streaks visible before snow and pale skies.
            picture.save()
            picture.translate(0.9, 0.2)
            picture.drawPath(streak, paint((44, 66, 110), alpha=60, stroke=1.1))
            picture.restore()
            picture.drawPath(streak, paint((226, 238, 252), alpha=165, stroke=1.2))
    for _ in range(9):
        x, y = rng.uniform(4, 124), rng.uniform(96, 126)
        picture.drawPath(ellipse(x, y, 3.4, 1.2), paint((230, 240, 252), alpha=150, stroke=0.9))


def _draw_snowfall(picture: skia.Canvas, rng: random.Random) -> None:
    for row in range(9):
        for column in range(9):
            x, y = (column + rng.random()) * 14.3, (row + rng.random()) * 14.3
            radius = rng.uniform(0.9, 1.7)
            halo = ellipse(x, y + 0.3, radius + 0.5, radius + 0.5)
            picture.drawPath(halo, paint((84, 104, 146), alpha=70))
            picture.drawPath(ellipse(x, y, radius, radius), paint((255, 255, 255)))


def _draw_fog(picture: skia.Canvas, rng: random.Random) -> None:
    white = (238, 240, 242)
    veil = skia.Paint()
    veil.setShader(
        skia.GradientShader.MakeLinear(
            [(0, 0), (0, FRAME)],
            [skia_colour(white, alpha) for alpha in (84, 92, 52, 30)],
            [0.0, 0.54, 0.8, 1.0],
        )
    )
    picture.drawRect(skia.Rect.MakeWH(FRAME, FRAME), veil)
    for number in range(5):
        x, y = rng.uniform(-10, 138), 34 + 17 * number + rng.uniform(-6, 6)
        bank = ellipse(x, y, rng.uniform(34, 58), rng.uniform(4, 7))
        picture.drawPath(bank, paint((248, 249, 250), alpha=52, blur=4))
