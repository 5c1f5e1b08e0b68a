"""In: a canvas and a few choices. Out: places, props and subjects drawn on it, for `sketch`.

Coordinates run from 0 to 1 over the canvas, x to the right and y downwards.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw

Colour: TypeAlias = str
"""What Pillow understands: "#e0a050"."""

INK = "#26222b"


class Pen:
    """Draws in unit coordinates on an RGBA canvas."""

    def __init__(self, canvas: Image.Image) -> None:
        """Draw on this canvas."""
        self._draw = ImageDraw.Draw(canvas)
        self._size = canvas.width

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """An ellipse around a centre."""
        self._draw.ellipse(self._scaled(x - rx, y - ry, x + rx, y + ry), fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour, r: float = 0.0) -> None:
        """A rectangle with rounded corners."""
        place = self._scaled(x0, y0, x1, y1)
        self._draw.rounded_rectangle(place, radius=r * self._size, fill=fill)

    def shape(self, *points: float, fill: Colour) -> None:
        """A polygon through x, y, x, y, and so on."""
        self._draw.polygon(self._scaled(*points), fill=fill)

    def line(self, *points: float, fill: Colour, width: float) -> None:
        """A line through x, y, x, y, and so on, with round joints and ends."""
        scaled = self._scaled(*points)
        thick = round(width * self._size)
        self._draw.line(scaled, fill=fill, width=thick, joint="curve")
        for x, y in zip(points[::2], points[1::2], strict=True):
            self.oval(x, y, width / 2, width / 2, fill)

    def ring(self, x: float, y: float, r: float, width: float, fill: Colour) -> None:
        """A circle's outline."""
        place = self._scaled(x - r, y - r, x + r, y + r)
        self._draw.ellipse(place, outline=fill, width=round(width * self._size))

    def _scaled(self, *values: float) -> list[float]:
        return [value * self._size for value in values]


# --- subjects: c is (main, second, accent) --------------------------------------------------------

Palette: TypeAlias = tuple[Colour, Colour, Colour]


def _cat(pen: Pen, c: Palette) -> None:
    pen.line(0.74, 0.84, 0.9, 0.74, 0.9, 0.54, 0.82, 0.46, fill=c[0], width=0.08)
    pen.line(0.86, 0.5, 0.82, 0.46, fill=c[1], width=0.08)
    pen.oval(0.52, 0.72, 0.26, 0.22, c[0])
    for x in (0.54, 0.63, 0.72):
        pen.line(x, 0.54, x + 0.02, 0.66, fill=c[1], width=0.035)
    pen.oval(0.46, 0.8, 0.13, 0.13, c[2])
    for x in (0.38, 0.52):
        pen.box(x - 0.055, 0.74, x + 0.055, 0.95, c[0], 0.05)
        pen.oval(x, 0.93, 0.065, 0.035, c[2])
    for side in (-1, 1):
        pen.shape(
            *(0.44 + side * 0.2, 0.1, 0.44 + side * 0.03, 0.24, 0.44 + side * 0.23, 0.34), fill=c[0]
        )
        pen.shape(
            *(0.44 + side * 0.17, 0.17, 0.44 + side * 0.09, 0.24, 0.44 + side * 0.19, 0.3),
            fill=c[2],
        )
    pen.oval(0.44, 0.39, 0.23, 0.19, c[0])
    for x in (0.37, 0.44, 0.51):
        pen.line(x, 0.23, x, 0.3, fill=c[1], width=0.03)
    pen.oval(0.44, 0.47, 0.1, 0.07, c[2])
    for x in (0.35, 0.53):
        pen.oval(x, 0.38, 0.04, 0.05, "#fbfbf0")
        pen.oval(x, 0.385, 0.02, 0.035, INK)
    pen.shape(0.41, 0.43, 0.47, 0.43, 0.44, 0.46, fill=INK)


def _bird(pen: Pen, c: Palette) -> None:
    for x in (0.45, 0.58):
        pen.line(x, 0.78, x, 0.93, x - 0.05, 0.95, fill=c[2], width=0.03)
    pen.shape(0.72, 0.52, 0.98, 0.36, 0.96, 0.5, 0.76, 0.72, fill=c[1])
    pen.oval(0.52, 0.6, 0.28, 0.24, c[0])
    pen.oval(0.45, 0.68, 0.18, 0.15, "#f4ead2")
    pen.oval(0.62, 0.58, 0.17, 0.12, c[1])
    for x in (0.56, 0.63, 0.7):
        pen.oval(x, 0.59, 0.022, 0.05, "#f4ead2")
    for x, y in ((0.3, 0.06), (0.37, 0.03), (0.44, 0.06)):
        pen.line(0.37, 0.2, x, y, fill=c[2], width=0.04)
    pen.oval(0.37, 0.31, 0.19, 0.18, c[0])
    pen.shape(0.2, 0.28, 0.2, 0.4, 0.05, 0.36, fill=c[2])
    pen.oval(0.32, 0.28, 0.055, 0.055, "#fbfbf0")
    pen.oval(0.31, 0.285, 0.03, 0.03, INK)


def _robot(pen: Pen, c: Palette) -> None:
    pen.line(0.5, 0.2, 0.5, 0.06, fill=INK, width=0.025)
    pen.oval(0.5, 0.06, 0.045, 0.045, c[2])
    for side in (-1, 1):
        pen.line(0.5 + side * 0.24, 0.54, 0.5 + side * 0.34, 0.68, fill=INK, width=0.06)
        pen.oval(0.5 + side * 0.35, 0.71, 0.06, 0.06, c[2])
        pen.box(0.5 + side * 0.12 - 0.07, 0.8, 0.5 + side * 0.12 + 0.07, 0.95, INK, 0.03)
    pen.box(0.26, 0.46, 0.74, 0.85, c[0], 0.06)
    pen.box(0.34, 0.53, 0.66, 0.7, c[1], 0.03)
    for x, fill in ((0.41, c[2]), (0.5, "#fbfbf0"), (0.59, c[2])):
        pen.oval(x, 0.615, 0.035, 0.035, fill)
    pen.box(0.26, 0.76, 0.74, 0.8, c[2])
    pen.box(0.28, 0.16, 0.72, 0.44, c[0], 0.08)
    pen.box(0.33, 0.21, 0.67, 0.35, INK, 0.05)
    for x in (0.42, 0.58):
        pen.oval(x, 0.28, 0.045, 0.045, c[1])
    pen.box(0.41, 0.38, 0.59, 0.41, c[1])


def _mug(pen: Pen, c: Palette) -> None:
    pen.ring(0.74, 0.56, 0.19, 0.065, c[1])
    pen.box(0.18, 0.24, 0.74, 0.93, c[0], 0.09)
    pen.oval(0.46, 0.26, 0.28, 0.085, c[1])
    pen.oval(0.46, 0.265, 0.23, 0.06, "#4a2e22")
    pen.box(0.18, 0.46, 0.74, 0.53, c[2])
    pen.box(0.18, 0.78, 0.74, 0.85, c[2])
    for number in range(4):
        x = 0.25 + number * 0.14
        pen.shape(x, 0.57, x + 0.055, 0.655, x, 0.74, x - 0.055, 0.655, fill=c[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A subject that can be drawn, in several palettes."""

    class_noun: str
    living: bool
    draw: Callable[[Pen, Palette], None]
    palettes: tuple[Palette, ...]


MODELS: tuple[Model, ...] = (
    Model(
        class_noun="cat",
        living=True,
        draw=_cat,
        palettes=(("#d9822b", "#8a4310", "#fbe9cf"), ("#7d8796", "#3f4650", "#e9edf2")),
    ),
    Model(
        class_noun="robot",
        living=False,
        draw=_robot,
        palettes=(("#cfd6dc", "#35b6c9", "#e4572e"), ("#5d4a8f", "#f2c14e", "#9be564")),
    ),
    Model(
        class_noun="bird",
        living=True,
        draw=_bird,
        palettes=(("#2f7fd1", "#173f7a", "#f5b52e"), ("#c2336b", "#6d1638", "#f0922b")),
    ),
    Model(
        class_noun="mug",
        living=False,
        draw=_mug,
        palettes=(("#7a3fa0", "#f3e3ff", "#f7c948"), ("#1f9d6b", "#eafff5", "#e0475b")),
    ),
)

# --- places ---------------------------------------------------------------------------------------


def _meadow(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#a9d8f5")
    for _ in range(3):
        _cloud(pen, rng.random(), rng.uniform(0.08, y - 0.2))
    pen.oval(rng.random(), y + 0.1, 0.5, 0.22, "#8cc26b")
    pen.box(0, y, 1, 1, "#6fae4f")
    for _ in range(60):
        gx, gy = rng.random(), rng.uniform(y, 1)
        pen.line(gx, gy, gx + rng.uniform(-0.01, 0.01), gy - 0.03, fill="#4f8c38", width=0.006)


def _beach(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#cbe9f7")
    pen.box(0, y - 0.2, 1, y + 0.05, "#3c8fc0")
    for _ in range(14):
        wx, wy = rng.random(), rng.uniform(y - 0.18, y)
        pen.line(wx, wy, wx + 0.08, wy, fill="#9fd0ea", width=0.008)
    pen.box(0, y, 1, 1, "#ecd9a0")
    for _ in range(70):
        pen.oval(rng.random(), rng.uniform(y + 0.02, 1), 0.004, 0.004, "#c4ab6a")


def _snow(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#b9c8dc")
    for _ in range(3):
        x = rng.random()
        pen.shape(
            x - 0.35, y + 0.02, x, rng.uniform(y - 0.4, y - 0.2), x + 0.35, y + 0.02, fill="#8d9db8"
        )
    pen.box(0, y, 1, 1, "#f3f7fb")
    for _ in range(60):
        pen.oval(rng.random(), rng.random(), 0.007, 0.007, "#ffffff")


def _desert(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#f7dfb0")
    for shade in ("#e8b878", "#dfa55f"):
        pen.oval(rng.random(), y + 0.12, rng.uniform(0.4, 0.7), 0.25, shade)
    pen.box(0, y + 0.04, 1, 1, "#d2924a")
    for _ in range(8):
        ry = rng.uniform(y + 0.06, 1)
        pen.line(0, ry, rng.uniform(0.3, 0.6), ry - 0.02, 1, ry, fill="#bd7f3b", width=0.008)


def _forest(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#5f8463")
    for number in range(9):
        x = number / 8 + rng.uniform(-0.04, 0.04)
        wide = rng.uniform(0.025, 0.045)
        pen.box(x - wide, 0, x + wide, y + 0.04, rng.choice(("#4a3527", "#5c4433", "#3b2a20")))
    pen.box(0, y, 1, 1, "#4c4a2c")
    for _ in range(70):
        leaf = rng.choice(("#a8622a", "#c98a35", "#7d4a22"))
        pen.oval(rng.random(), rng.uniform(y, 1), 0.014, 0.008, leaf)


def _city(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#c5cad6")
    x = -0.05
    while x < 1:
        wide, top = rng.uniform(0.14, 0.24), rng.uniform(0.08, y - 0.25)
        pen.box(x, top, x + wide, y, rng.choice(("#7b6f80", "#8f7a6d", "#66707f")))
        for row in range(int((y - top) / 0.09)):
            for column in range(int(wide / 0.06)):
                wx, wy = x + 0.02 + column * 0.06, top + 0.03 + row * 0.09
                pen.box(wx, wy, wx + 0.03, wy + 0.045, rng.choice(("#f5dc8a", "#4d5563")))
        x += wide + 0.01
    pen.box(0, y, 1, 1, "#5a5d66")
    pen.box(0, y, 1, y + 0.05, "#9a9ca4")


def _kitchen(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#d9e6e2")
    shift = rng.random() * 0.1
    for number in range(12):
        pen.line(number / 10 - shift, 0, number / 10 - shift, y, fill="#b5c9c3", width=0.006)
        pen.line(0, number / 10 - shift, 1, number / 10 - shift, fill="#b5c9c3", width=0.006)
    pen.box(0, y, 1, 1, "#b07a48")
    for _ in range(10):
        gy = rng.uniform(y + 0.04, 1)
        gx = rng.random()
        pen.line(gx - 0.2, gy, gx + 0.2, gy, fill="#96633a", width=0.006)


def _bedroom(pen: Pen, rng: random.Random, y: float) -> None:
    pen.box(0, 0, 1, 1, "#ead9e2")
    for number in range(8):
        x = number / 7 + rng.uniform(-0.01, 0.01)
        pen.box(x - 0.02, 0, x + 0.02, y, "#dfc4d2")
    wx = rng.choice((0.12, 0.58))
    pen.box(wx, 0.08, wx + 0.3, 0.4, "#fbfbf5")
    pen.box(wx + 0.02, 0.1, wx + 0.28, 0.38, "#9ccbe8")
    pen.box(wx + 0.14, 0.08, wx + 0.16, 0.4, "#fbfbf5")
    pen.box(0, y, 1, 1, "#8b6a50")
    pen.oval(0.5, y + 0.2, 0.48, 0.14, "#4f7c8a")
    pen.oval(0.5, y + 0.2, 0.4, 0.11, "#6c9aa8")


def _cloud(pen: Pen, x: float, y: float) -> None:
    for dx, r in ((-0.06, 0.035), (0, 0.05), (0.06, 0.035)):
        pen.oval(x + dx, y, r * 1.3, r, "#ffffff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a subject can be.

    Attributes:
        on: completes "a {} is …". behind: what is seen behind it.
    """

    on: str
    behind: str
    draw: Callable[[Pen, random.Random, float], None]


PLACES: Mapping[str, Place] = {
    "meadow": Place(on="on a grassy meadow", behind="a low hill and small clouds", draw=_meadow),
    "beach": Place(on="on a sandy beach", behind="the sea", draw=_beach),
    "snow": Place(on="in the snow", behind="a row of mountains", draw=_snow),
    "desert": Place(on="in a dry desert", behind="a row of dunes", draw=_desert),
    "forest": Place(on="on the leafy floor of a forest", behind="dark tree trunks", draw=_forest),
    "city": Place(on="on a city street", behind="tall houses with many windows", draw=_city),
    "kitchen": Place(on="on a wooden kitchen table", behind="a tiled wall", draw=_kitchen),
    "bedroom": Place(on="on a round rug", behind="a striped wall with a window", draw=_bedroom),
}

# --- props: drawn in a unit square that stands on y = 1 -------------------------------------------


def _ball(pen: Pen) -> None:
    pen.oval(0.5, 0.72, 0.28, 0.28, "#d9342b")
    pen.box(0.23, 0.68, 0.77, 0.76, "#fbfbf0")


def _pine(pen: Pen) -> None:
    pen.box(0.44, 0.8, 0.56, 1, "#5a3d28")
    for top, half in ((0.02, 0.22), (0.22, 0.3), (0.44, 0.38)):
        pen.shape(0.5, top, 0.5 - half, top + 0.38, 0.5 + half, top + 0.38, fill="#1f6b4a")


def _lamp(pen: Pen) -> None:
    pen.box(0.46, 0.2, 0.54, 1, "#33363d")
    pen.box(0.36, 0.95, 0.64, 1, "#33363d")
    pen.shape(0.3, 0.26, 0.4, 0.04, 0.6, 0.04, 0.7, 0.26, fill="#f7df7a")


def _mushroom(pen: Pen) -> None:
    pen.box(0.4, 0.55, 0.6, 1, "#f2e6cf", 0.06)
    pen.shape(0.12, 0.62, 0.28, 0.36, 0.5, 0.28, 0.72, 0.36, 0.88, 0.62, fill="#c9402f")
    for x, y in ((0.34, 0.5), (0.52, 0.4), (0.68, 0.53)):
        pen.oval(x, y, 0.05, 0.04, "#fbfbf0")


def _crate(pen: Pen) -> None:
    pen.box(0.15, 0.42, 0.85, 1, "#b9864e")
    for x in (0.18, 0.82):
        pen.line(x, 0.45, x, 0.97, fill="#7d5529", width=0.06)
    for y in (0.45, 0.71, 0.97):
        pen.line(0.18, y, 0.82, y, fill="#7d5529", width=0.06)


def _sunflower(pen: Pen) -> None:
    pen.line(0.5, 0.3, 0.5, 0.98, fill="#3f8a3a", width=0.05)
    pen.oval(0.62, 0.68, 0.12, 0.05, "#3f8a3a")
    for dx, dy in (
        (0, -1),
        (0.7, -0.7),
        (1, 0),
        (0.7, 0.7),
        (0, 1),
        (-0.7, 0.7),
        (-1, 0),
        (-0.7, -0.7),
    ):
        pen.oval(0.5 + dx * 0.17, 0.26 + dy * 0.17, 0.09, 0.09, "#f6c32c")
    pen.oval(0.5, 0.26, 0.13, 0.13, "#6b3f1d")


PROPS: Mapping[str, Callable[[Pen], None]] = {
    "a red ball": _ball,
    "a pine tree": _pine,
    "a lamp post": _lamp,
    "a spotted mushroom": _mushroom,
    "a wooden crate": _crate,
    "a tall sunflower": _sunflower,
}
