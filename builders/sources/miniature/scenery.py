"""A light, a weather and a random stream in; a toned canvas, skies and trees for places out.

Every colour of a place passes through `Scenery.tone`, so that a landscape darkens to blue at night
and pales in fog, while the subject, drawn later, keeps its colours.
"""

import itertools
import math
import random
from collections.abc import Sequence

import skia

from builders.sources.miniature.canvas import Path, ellipse, outline, paint, skia_colour
from builders.sources.miniature.palette import Rgb, clamp, darker, lighter, mix

FRAME = 128.0
"""Units across a picture."""
MIDDLE = 64.0
"""Where the subject stands, more or less."""

SKIES: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "day": ((112, 184, 236), (168, 214, 244), (226, 241, 248)),
    "sunset": ((122, 98, 166), (240, 132, 118), (255, 202, 124)),
    "night": (
        (16, 22, 66),
        (34, 42, 98),
        (66, 78, 142),
    ),
}
"""Clear skies from the top down."""
GREY_SKIES: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "day": ((128, 140, 156), (158, 167, 179), (194, 200, 206)),
    "sunset": ((122, 110, 136), (184, 138, 138), (230, 172, 136)),
    "night": ((30, 36, 58), (48, 55, 82), (80, 88, 116)),
}
"""Skies of rain from the top down; those of snowfall and fog are lighter."""
CLOUD_SHAPE = ((-11.0, 1.5, 8.0, 4.5), (0.0, -2.0, 9.5, 7.5), (10.5, 1.5, 8.0, 5.0))
"""Puffs of a cloud: x, y, and radii."""


class Scenery:
    """The canvas of a place, with the light and the weather that all its colours share."""

    def __init__(
        self,
        canvas: skia.Canvas,
        weather: str,
        light: str,
        rng: random.Random,
        *,
        indoors: bool = False,
    ) -> None:
        """Begin; the horizon and the side of the landmark are drawn by lot.

        Args:
            canvas: 128 x 128 units.
            weather: one of `facts.WEATHERS`.
            light: one of `facts.LIGHTS`.
            rng: of all that no field names.
            indoors: nights are warm with lamps, not blue.
        """
        self.canvas = canvas
        self.weather = weather
        self.light = light
        self.rng = rng
        self.indoors = indoors
        self.horizon = rng.uniform(63, 79)
        self.side = rng.choice((-1, 1))

    @property
    def clear(self) -> bool:
        """Sun, moon and stars are seen."""
        return self.weather == "clear"

    def edge(self, inset: float, side: int = 1) -> float:
        """X at a distance from the edge of the landmark's side (1) or of the other (-1)."""
        return FRAME - inset if side * self.side > 0 else inset

    def tone(self, colour: Rgb) -> Rgb:
        """The colour of scenery in this light and weather."""
        grey = round(0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2])
        if self.weather == "rain":
            colour = mix(mix(colour, (grey, grey, grey), 0.25), (92, 104, 122), 0.16)
        elif self.weather == "snowfall":
            colour = mix(mix(colour, (grey, grey, grey), 0.2), (214, 222, 232), 0.2)
        elif self.weather == "fog":
            colour = mix(mix(colour, (grey, grey, grey), 0.2), (216, 220, 222), 0.42)
        if self.indoors:
            return mix(colour, (104, 66, 60), 0.3) if self.light == "night" else colour
        if self.light == "night":
            return darker(mix(colour, (84, 100, 176), 0.42), 0.12)
        if self.light == "sunset":
            return mix(colour, (246, 140, 92), 0.16)
        return colour

    def varied(self, colour: Rgb, spread: float = 7.0) -> Rgb:
        """The colour a little changed by lot: lightness mostly, hue a little."""
        light = self.rng.uniform(-spread, spread)
        red, green, blue = (
            clamp(channel + light + self.rng.uniform(-0.5, 0.5) * spread) for channel in colour
        )
        return red, green, blue

    def fill(
        self,
        path: Path,
        colour: Rgb,
        *,
        relief: float = 0.12,
        alpha: int = 255,
        across: bool = False,
    ) -> None:
        """Fill a path in the tone of the scene.

        Args:
            path: what to fill.
            colour: sRGB by day.
            relief: how much lighter its upper (left) and darker its lower (right) end is.
            alpha: 255 hides what is behind.
            across: the relief runs from left to right.
        """
        toned = self.tone(colour)
        filling = paint(toned, alpha=alpha)
        if relief:
            bounds = path.getBounds()
            end = (bounds.right(), bounds.top()) if across else (bounds.left(), bounds.bottom())
            shader = skia.GradientShader.MakeLinear(
                [(bounds.left(), bounds.top()), end],
                [
                    skia_colour(lighter(toned, relief), alpha),
                    skia_colour(darker(toned, 1.2 * relief), alpha),
                ],
            )
            filling.setShader(shader)
        self.canvas.drawPath(path, filling)

    def stroke(self, path: Path, colour: Rgb, width: float, alpha: int = 255) -> None:
        """Draw a line in the tone of the scene."""
        self.canvas.drawPath(path, paint(self.tone(colour), stroke=width, alpha=alpha))

    def line(self, *numbers: float, colour: Rgb, width: float, alpha: int = 255) -> None:
        """Draw a straight line from four numbers."""
        left, top, right, bottom = numbers
        self.stroke(
            outline(("M", left, top), ("L", right, bottom), close=False), colour, width, alpha
        )

    def band(
        self, top: float, bottom: float, colours: Sequence[Rgb], *, toned: bool = True
    ) -> None:
        """Fill the frame between two heights with colours from the top down."""
        shown = [skia_colour(self.tone(colour) if toned else colour) for colour in colours]
        filling = skia.Paint()
        filling.setShader(skia.GradientShader.MakeLinear([(0, top), (0, bottom)], shown))
        self.canvas.drawRect(skia.Rect.MakeLTRB(0, top, FRAME, bottom), filling)

    def glow(self, x: float, y: float, radius: float, colour: Rgb, alpha: int) -> None:
        """Light that spreads from a point over what is there."""
        shader = skia.GradientShader.MakeRadial(
            (x, y), radius, [skia_colour(colour, alpha), skia_colour(colour, 0)]
        )
        filling = skia.Paint(AntiAlias=True)
        filling.setShader(shader)
        # Screened, it lightens and leaves what is there its contrast.
        filling.setBlendMode(skia.BlendMode.kScreen)
        self.canvas.drawPath(ellipse(x, y, radius, radius), filling)

    def sky_colours(self) -> tuple[Rgb, Rgb, Rgb]:
        """The sky from the top down."""
        if self.clear:
            return SKIES[self.light]
        pale = {"rain": 0.0, "snowfall": 0.22, "fog": 0.42}[self.weather]
        pale *= 0.4 if self.light == "night" else 1.0
        top, middle, low = GREY_SKIES[self.light]
        white = (236, 238, 240)
        return mix(top, white, pale), mix(middle, white, pale), mix(low, white, pale)

    def sky(
        self,
        bottom: float,
        *,
        low_sun: float | None = None,
        lower: float = 0.0,
        colours: Sequence[Rgb] | None = None,
    ) -> None:
        """Sky with sun or moon, stars and clouds, down to a height.

        Args:
            bottom: where the sky ends.
            low_sun: height of the middle of the sun at sunset; a little above the bottom if not
                given.
            lower: how far below the usual height the sun of noon and the moon stand.
            colours: of a clear day, where they are not the usual ones.
        """
        usual = self.sky_colours()
        special = colours is not None and self.clear and self.light == "day"
        self.band(0, bottom + 1, colours if special and colours else usual, toned=False)
        rng = self.rng
        x = self.edge(rng.uniform(20, 40), -1)
        if self.clear and self.light == "night":
            self._stars(bottom)
            self.moon(x, rng.uniform(17, 26) + lower, 9.5)
        elif self.clear and self.light == "sunset":
            y = bottom - 9 if low_sun is None else low_sun
            self.glow(x, y, 44, (255, 224, 150), 190)
            self.canvas.drawPath(ellipse(x, y, 12, 12), paint((255, 236, 160)))
        elif self.clear:
            y = rng.uniform(15, 24) + lower
            self.glow(x, y, 24, (255, 248, 200), 200)
            self.canvas.drawPath(ellipse(x, y, 9, 9), paint((255, 232, 120)))
        self._clouds()

    def _stars(self, bottom: float) -> None:
        for _ in range(26):
            x, y = self.rng.uniform(2, 126), self.rng.uniform(2, bottom - 6)
            size = self.rng.uniform(0.6, 1.3)
            self.canvas.drawPath(ellipse(x, y, size, size), paint((255, 250, 222)))

    def moon(self, x: float, y: float, radius: float) -> None:
        """A crescent, turned by lot, in its halo."""
        self.glow(x, y, 2.3 * radius, (190, 200, 255), 110)
        bite = self.rng.choice((-1, 1)) * 0.55 * radius
        crescent = skia.Op(
            ellipse(x, y, radius, radius),
            ellipse(x + bite, y - 0.25 * radius, 0.86 * radius, 0.86 * radius),
            skia.PathOp.kDifference_PathOp,
        )
        self.canvas.drawPath(crescent, paint((255, 246, 206)))

    def _clouds(self) -> None:
        rng = self.rng
        count = rng.randint(1, 3) if self.clear else rng.randint(4, 6)
        tops = {"day": (255, 255, 255), "sunset": (255, 190, 170), "night": (74, 84, 140)}
        colour: Rgb = tops[self.light]
        if not self.clear:
            colour = mix(self.sky_colours()[1], (104, 112, 128), 0.42)
        for _ in range(count):
            x, y = rng.uniform(4, 124), rng.uniform(6, 34 if self.clear else 24)
            size = rng.uniform(0.7, 1.15) * (1.0 if self.clear else 1.7)
            self.cloud(x, y, size, colour, 205 if self.clear and self.light == "day" else 150)

    def cloud(self, x: float, y: float, size: float, colour: Rgb, alpha: int) -> None:
        """Puffs on a flat base, in one piece so that they do not show through one another."""
        whole = skia.Path()
        for dx, dy, rx, ry in CLOUD_SHAPE:
            puff = ellipse(x + dx * size, y + dy * size, rx * size, ry * size)
            whole = skia.Op(whole, puff, skia.PathOp.kUnion_PathOp)
        self.canvas.drawPath(whole, paint(colour, alpha=alpha))

    def fir(self, x: float, base: float, high: float, *, snowy: bool = False) -> None:
        """A fir of three tiers; snowy ones have white shoulders."""
        green = self.varied((58, 104, 84))
        trunk = outline(
            ("M", x - 0.06 * high, base),
            ("L", x - 0.05 * high, base - 0.2 * high),
            ("L", x + 0.05 * high, base - 0.2 * high),
            ("L", x + 0.06 * high, base),
        )
        self.fill(trunk, (104, 74, 54))
        for tier in range(3):
            foot = base - high * (0.12 + 0.25 * tier)
            wide, tip = high * (0.33 - 0.07 * tier), foot - high * 0.4
            self.fill(
                outline(
                    ("M", x, tip),
                    ("Q", x + 0.4 * wide, foot - 0.12 * high, x + wide, foot),
                    ("Q", x, foot + 0.07 * high, x - wide, foot),
                    ("Q", x - 0.4 * wide, foot - 0.12 * high, x, tip),
                ),
                green,
                relief=0.2,
            )
            if snowy:
                snow = outline(
                    ("M", x, tip - 0.5),
                    ("Q", x + 0.3 * wide, foot - 0.2 * high, x + 0.62 * wide, foot - 0.1 * high),
                    ("Q", x + 0.3 * wide, foot - 0.14 * high, x + 0.1 * wide, foot - 0.1 * high),
                    ("Q", x - 0.3 * wide, foot - 0.16 * high, x - 0.62 * wide, foot - 0.1 * high),
                    ("Q", x - 0.3 * wide, foot - 0.2 * high, x, tip - 0.5),
                )
                self.fill(snow, (246, 249, 253), relief=0.0)

    def broad_tree(self, x: float, base: float, high: float, green: Rgb = (84, 144, 76)) -> None:
        """A trunk and a round crown."""
        trunk = outline(
            ("M", x - 0.09 * high, base),
            ("Q", x - 0.04 * high, base - 0.3 * high, x - 0.05 * high, base - 0.5 * high),
            ("L", x + 0.05 * high, base - 0.5 * high),
            ("Q", x + 0.04 * high, base - 0.3 * high, x + 0.09 * high, base),
        )
        self.fill(trunk, (116, 84, 58))
        crown = skia.Path()
        for dx, dy, radius in ((-0.2, 0.5, 0.22), (0.2, 0.5, 0.22), (0.0, 0.72, 0.27)):
            puff = ellipse(x + dx * high, base - dy * high, radius * high, radius * high)
            crown = skia.Op(crown, puff, skia.PathOp.kUnion_PathOp)
        self.fill(crown, self.varied(green), relief=0.22)

    def hill(self, heights: Sequence[float], colours: tuple[Rgb, Rgb], relief: float = 0.0) -> None:
        """Ground below a smooth ridge through heights at equal steps across the frame.

        Args:
            heights: y of the ridge, at least two.
            colours: at the ridge and at the bottom of the frame.
            relief: width of a lighter rim along the ridge, in units.
        """
        step = FRAME / (len(heights) - 1)
        ridge = skia.Path()
        ridge.moveTo(0, heights[0])
        for number, (before, after) in enumerate(itertools.pairwise(heights)):
            x = number * step
            ridge.cubicTo(x + step / 2, before, x + step / 2, after, x + step, after)
        body = skia.Path(ridge)
        body.lineTo(FRAME, FRAME)
        body.lineTo(0, FRAME)
        body.close()
        filling = skia.Paint(AntiAlias=True)
        filling.setShader(
            skia.GradientShader.MakeLinear(
                [(0, min(heights)), (0, FRAME)],
                [skia_colour(self.tone(colour)) for colour in colours],
            )
        )
        self.canvas.drawPath(body, filling)
        if relief:
            self.canvas.save()
            self.canvas.clipPath(body, skia.ClipOp.kIntersect, True)
            self.stroke(ridge, lighter(colours[0], 0.35), 2 * relief, 150)
            self.canvas.restore()

    def tuft(self, x: float, y: float, high: float, colour: Rgb) -> None:
        """Three blades of grass."""
        for lean in (-0.45, 0.05, 0.5):
            blade = outline(
                ("M", x - 0.14 * high, y),
                ("Q", x, y - 0.6 * high, x + lean * high, y - high * (1 - 0.4 * abs(lean))),
                ("Q", x + 0.2 * high, y - 0.4 * high, x + 0.16 * high, y),
            )
            self.fill(blade, colour, relief=0.0)

    def blossom(self, x: float, y: float, radius: float, colour: Rgb) -> None:
        """Five petals around a yellow heart."""
        petals = skia.Path()
        for number in range(5):
            angle = 2 * math.pi * number / 5 - math.pi / 2
            reach = 0.62 * radius
            petals.addPath(
                ellipse(
                    x + reach * math.cos(angle),
                    y + reach * math.sin(angle),
                    0.55 * radius,
                    0.55 * radius,
                )
            )
        self.fill(petals, colour, relief=0.0)
        self.fill(ellipse(x, y, 0.42 * radius, 0.42 * radius), (248, 208, 92), relief=0.0)
