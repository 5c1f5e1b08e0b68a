"""Paths and colours in; a shaded picture and its exact mask out.

A `Brush` draws on two surfaces at once with the same transforms: the picture, and a mask that gets
the very paths of the subject. What stands before the subject wipes the mask, so that the mask is
exactly what is seen.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import skia

from builders.sources.miniature.facts import Identity
from builders.sources.miniature.palette import COLOURS, INK, Rgb, darker, lighter, tinted

Path: TypeAlias = skia.Path
Point = tuple[float, float]
OUTLINE = 1.5
"""Width of an outline in units of the subject."""


def skia_colour(colour: Rgb, alpha: int = 255) -> int:
    """The number that skia calls a colour."""
    return int(skia.Color(*colour, alpha))


def paint(colour: Rgb, *, alpha: int = 255, stroke: float = 0.0, blur: float = 0.0) -> skia.Paint:
    """Fill, or a round stroke of a width; blurred if asked."""
    made = skia.Paint(AntiAlias=True, Color=skia_colour(colour, alpha))
    if stroke:
        made.setStyle(skia.Paint.kStroke_Style)
        made.setStrokeWidth(stroke)
        made.setStrokeCap(skia.Paint.kRound_Cap)
        made.setStrokeJoin(skia.Paint.kRound_Join)
    if blur:
        made.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return made


def outline(*segments: Sequence[float | str], close: bool = True) -> Path:
    """A path from segments: ("M", x, y), ("L", x, y), ("Q", cx, cy, x, y), ("C", 6 numbers)."""
    made = skia.Path()
    methods = {"M": made.moveTo, "L": made.lineTo, "Q": made.quadTo, "C": made.cubicTo}
    for letter, *numbers in segments:
        methods[str(letter)](*numbers)
    if close:
        made.close()
    return made


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0) -> Path:
    """An ellipse around (x, y), turned clockwise."""
    made = skia.Path()
    made.addOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry))
    return turned(made, degrees, x, y) if degrees else made


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Path:
    """A rectangle with round corners."""
    made = skia.Path()
    made.addRoundRect(skia.Rect.MakeLTRB(left, top, right, bottom), radius, radius)
    return made


def turned(path: Path, degrees: float, x: float, y: float) -> Path:
    """The path, turned clockwise about (x, y)."""
    matrix = skia.Matrix()
    matrix.setRotate(degrees, x, y)
    made = skia.Path()
    path.transform(matrix, made)
    return made


def thick(path: Path, width: float) -> Path:
    """The area that a round stroke of a width covers along a path: limbs, handles, tails."""
    made = skia.Path()
    paint((0, 0, 0), stroke=width).getFillPath(path, made)
    # Without this, corners keep the edges of the pieces that meet in them.
    simple: Path = skia.Simplify(made)
    return simple


def limb(points: Sequence[Point], width: float) -> Path:
    """A thick line through points; three points make a curve with the middle one as control."""
    made = skia.Path()
    made.moveTo(*points[0])
    if len(points) == 3:
        made.quadTo(*points[1], *points[2])
    else:
        for point in points[1:]:
            made.lineTo(*point)
    return thick(made, width)


def star(x: float, y: float, radius: float, points: int = 5) -> Path:
    """A star, one point up."""
    made = skia.Path()
    for corner in range(2 * points):
        angle = -math.pi / 2 + corner * math.pi / points
        reach = radius if corner % 2 == 0 else 0.45 * radius
        (made.lineTo if corner else made.moveTo)(
            x + reach * math.cos(angle), y + reach * math.sin(angle)
        )
    made.close()
    return made


def heart(x: float, y: float, r: float) -> Path:
    """A heart of about twice the radius in width."""
    return outline(
        ("M", x, y + r),
        ("C", x - r * 2, y - r * 0.4, x - r * 0.6, y - r * 1.4, x, y - r * 0.4),
        ("C", x + r * 0.6, y - r * 1.4, x + r * 2, y - r * 0.4, x, y + r),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Where accessories go, in units of the subject.

    Attributes:
        head: centre of the head.
        head_radius: its radius.
        neck: centre of the throat.
        neck_width: how wide a scarf has to be.
        top: the highest point of a thing, where a ribbon is tied.
        gaze: 1 for a face seen from the front (both eyes), 0 for a profile that looks right.
        eye: the eye, or the middle between both.
    """

    head: Point
    head_radius: float
    neck: Point
    neck_width: float
    top: Point
    gaze: int
    eye: Point


class Brush:
    """Draws one identity, in its own units, on the picture and on the mask."""

    def __init__(
        self, picture: skia.Canvas, mask: skia.Canvas, identity: Identity, light_from: float
    ) -> None:
        """Begin.

        Args:
            picture: a canvas.
            mask: another, with the same transform.
            identity: whose colours and pattern to use.
            light_from: -1 left, 1 right, in the units of the subject.
        """
        self.picture = picture
        self.mask = mask
        self.identity = identity
        self.light_from = light_from
        self._seen: list[skia.Rect] | None = None

    def colour(self, name: str) -> Rgb:
        """One of "main", "second", "third" of the identity, in its own shade; else by name."""
        if name in ("main", "second", "third"):
            return tinted(COLOURS[getattr(self.identity, name)], self.identity.tint)
        return COLOURS[name]

    def part(
        self,
        path: Path,
        colour: str | Rgb,
        *,
        pattern: bool = False,
        dim: float = 0.0,
        outlined: bool = True,
        shaded: bool = True,
        subject: bool = True,
    ) -> None:
        """Fill a path, with the identity's pattern, light and outline.

        Args:
            path: what to fill.
            colour: "main", "second", "third", a colour's name, or sRGB.
            pattern: draw the identity's pattern on it.
            dim: 0 to 1; parts on the far side are darker.
            outlined: draw the edge, in a dark shade of the fill.
            shaded: light from above, shadow below.
            subject: part of the mask; False wipes the mask instead.
        """
        fill = self.colour(colour) if isinstance(colour, str) else colour
        fill = darker(fill, dim) if dim else fill
        bounds = path.getBounds()
        canvas = self.picture
        if self._seen is not None:
            placed = skia.Path()
            path.transform(canvas.getTotalMatrix(), placed)
            self._seen.append(placed.computeTightBounds())
            return
        canvas.drawPath(path, paint(fill))
        canvas.save()
        canvas.clipPath(path, skia.ClipOp.kIntersect, True)
        if pattern:
            self._pattern(bounds, dim)
        if shaded:
            across, high = max(bounds.width(), 4.0), max(bounds.height(), 4.0)
            shader = skia.GradientShader.MakeRadial(
                (bounds.centerX() + self.light_from * 0.25 * across, bounds.top() + 0.22 * high),
                0.85 * max(across, high),
                [
                    skia_colour((255, 255, 255), 58),
                    skia_colour((255, 255, 255), 0),
                    skia_colour((14, 4, 34), 78),
                ],
                [0.0, 0.42, 1.0],
            )
            glaze = skia.Paint(AntiAlias=True)
            glaze.setShader(shader)
            canvas.drawPaint(glaze)
        canvas.restore()
        if outlined:
            canvas.drawPath(path, paint(darker(fill, 0.62), stroke=OUTLINE))
        ink = (255, 255, 255) if subject else (0, 0, 0)
        self.mask.drawPath(path, paint(ink))
        if outlined:
            self.mask.drawPath(path, paint(ink, stroke=OUTLINE))

    def line(self, path: Path, colour: str | Rgb, width: float) -> None:
        """A stroke inside the subject; the mask is not touched."""
        fill = self.colour(colour) if isinstance(colour, str) else colour
        self.picture.drawPath(path, paint(fill, stroke=width))

    def spot(self, path: Path, colour: str | Rgb, alpha: int = 255) -> None:
        """A flat fill inside the subject; the mask is not touched."""
        fill = self.colour(colour) if isinstance(colour, str) else colour
        self.picture.drawPath(path, paint(fill, alpha=alpha))

    def eye(self, x: float, y: float, radius: float = 3.2, *, closed: bool = False) -> None:
        """An eye in the identity's colour; closed when asleep."""
        if closed:
            lid = outline(
                ("M", x - radius, y),
                ("Q", x, y + 1.3 * radius, x + radius, y),
                close=False,
            )
            self.line(lid, INK, 1.4)
            return
        iris = {
            "black": (28, 26, 30),
            "blue": (60, 125, 220),
            "green": (70, 160, 66),
            "brown": (110, 66, 28),
        }[self.identity.eyes]
        self.spot(ellipse(x, y, radius + 0.7, radius + 0.7), INK)
        self.spot(ellipse(x, y, radius, radius), (250, 250, 250))
        self.spot(ellipse(x + 0.14 * radius, y, 0.78 * radius, 0.78 * radius), iris)
        self.spot(ellipse(x + 0.14 * radius, y, 0.42 * radius, 0.42 * radius), INK)
        self.spot(
            ellipse(x - 0.2 * radius, y - 0.35 * radius, 0.26 * radius, 0.26 * radius),
            (255, 255, 255),
        )

    def motif(self, x: float, y: float, radius: float, within: Path | None = None) -> None:
        """The identity's motif around (x, y), in its third colour, with a thin dark edge."""
        shape = {
            "none": None,
            "star": star(x, y, 1.15 * radius),
            "heart": heart(x, y, 0.9 * radius),
            "moon": _moon(x, y, radius),
            "cross": _cross(x, y, radius),
        }[self.identity.motif]
        if shape is None:
            return
        fill = self.colour("third")
        with self.clipped(within):
            self.picture.drawPath(shape, paint(fill))
            self.picture.drawPath(shape, paint(darker(fill, 0.6), stroke=0.8))

    @contextmanager
    def clipped(self, within: Path | None) -> Iterator[None]:
        """Draw only inside a path."""
        for canvas in (self.picture, self.mask):
            canvas.save()
            if within is not None:
                canvas.clipPath(within, skia.ClipOp.kIntersect, True)
        try:
            yield
        finally:
            self.picture.restore()
            self.mask.restore()

    @contextmanager
    def moved(
        self, x: float = 0.0, y: float = 0.0, *, degrees: float = 0.0, scale: float = 1.0
    ) -> Iterator[None]:
        """Shift, then turn clockwise about the new origin, then scale; picture and mask alike."""
        for canvas in (self.picture, self.mask):
            canvas.save()
            canvas.translate(x, y)
            canvas.rotate(degrees)
            canvas.scale(scale, scale)
        try:
            yield
        finally:
            self.picture.restore()
            self.mask.restore()

    @contextmanager
    def measured(self) -> Iterator[Callable[[], tuple[float, float, float]]]:
        """Draw nothing; afterwards the function tells the leftmost, rightmost and lowest point."""
        seen: list[skia.Rect] = []
        self._seen = seen
        try:
            yield lambda: (
                min(bounds.left() for bounds in seen),
                max(bounds.right() for bounds in seen),
                max(bounds.bottom() for bounds in seen),
            )
        finally:
            self._seen = None

    def _pattern(self, bounds: skia.Rect, dim: float) -> None:
        identity, canvas = self.identity, self.picture
        rng = random.Random(identity.markings)
        fill = self.colour("second")
        second = paint(darker(fill, dim) if dim else fill)
        left, top, width, height = bounds.left(), bounds.top(), bounds.width(), bounds.height()
        if identity.pattern == "spotted":
            size = 0.1 * (min(width, height) + 12)
            for _ in range(rng.randint(8, 12)):
                x, y = left + rng.random() * width, top + rng.random() * height
                canvas.drawPath(ellipse(x, y, size * rng.uniform(0.8, 1.3), size), second)
        elif identity.pattern == "striped":
            step = rng.uniform(7.5, 10.5)
            stripe = paint(darker(fill, dim) if dim else fill, stroke=0.45 * step)
            x = left + 0.4 * step
            while x < left + width:
                curve = outline(
                    ("M", x, top - 2),
                    ("Q", x + 4, top + height / 2, x - 1, top + height + 2),
                    close=False,
                )
                canvas.drawPath(curve, stripe)
                x += step
        elif identity.pattern == "patched":
            for _ in range(3):
                rx, ry = width * rng.uniform(0.18, 0.3), height * rng.uniform(0.24, 0.42)
                x, y = left + rng.random() * width, top + rng.random() * height
                canvas.drawPath(ellipse(x, y, rx, ry, rng.uniform(0, 90)), second)
        elif identity.pattern == "banded":
            y = top + height * rng.uniform(0.4, 0.6)
            band = 0.14 * height + 1.5
            canvas.drawRect(skia.Rect.MakeLTRB(left, y - band, left + width, y + band), second)


def _moon(x: float, y: float, radius: float) -> Path:
    inner = ellipse(x + 0.5 * radius, y - 0.15 * radius, 0.85 * radius, 0.85 * radius)
    return skia.Op(ellipse(x, y, radius, radius), inner, skia.PathOp.kDifference_PathOp)


def _cross(x: float, y: float, radius: float) -> Path:
    arm = 0.36 * radius
    upright = box(x - arm, y - radius, x + arm, y + radius, 0.8)
    across = box(x - radius, y - arm, x + radius, y + arm, 0.8)
    return skia.Op(upright, across, skia.PathOp.kUnion_PathOp)


def shine(colour: Rgb) -> Rgb:
    """The colour of a highlight on a thing of that colour."""
    return lighter(colour, 0.6)
