"""Small shapes in; what all rigid things share out: turned profiles, emblems, gloss, anchors."""

import math
from collections.abc import Sequence

import skia

from builders.sources.miniature.canvas import (
    Anchors,
    Brush,
    Path,
    Point,
    ellipse,
    limb,
    outline,
    thick,
)
from builders.sources.miniature.palette import INK, darker, lighter


def sized(length: float, slider: float, share: float = 0.22) -> float:
    """A length, changed by a slider in [-1, 1] by at most a share of itself."""
    return length * (1 + share * slider)


STEEL = (176, 180, 190)
TYRE = (52, 50, 56)


def smooth(points: Sequence[Point], into: Path) -> None:
    """Go on from the first point, where the path already is, smoothly through the others."""
    for index in range(len(points) - 1):
        before = points[max(index - 1, 0)]
        here, there = points[index], points[index + 1]
        after = points[min(index + 2, len(points) - 1)]
        into.cubicTo(
            here[0] + (there[0] - before[0]) / 6,
            here[1] + (there[1] - before[1]) / 6,
            there[0] - (after[0] - here[0]) / 6,
            there[1] - (after[1] - here[1]) / 6,
            *there,
        )


def lathe(*profile: Point, sag: float = 0.0) -> Path:
    """A shape turned on a lathe.

    Args:
        profile: its right edge from top to bottom; a point given twice is a corner.
        sag: how far the middle of the lower edge hangs, for a foot that is seen from above.
    """
    right = list(profile)
    left = [(-x, y) for x, y in reversed(right)]
    made = skia.Path()
    made.moveTo(*right[0])
    smooth(right, made)
    made.quadTo(0, right[-1][1] + 2 * sag, *left[0])
    smooth(left, made)
    made.close()
    return made


def emblem(brush: Brush, x: float, y: float, radius: float, within: Path | None = None) -> None:
    """The motif; on a patterned ground it gets a plain plate, or spots would swallow it."""
    if brush.identity.motif == "none":
        return
    if brush.identity.pattern != "plain":
        plate = ellipse(x, y, 1.32 * radius, 1.32 * radius)
        with brush.clipped(within):
            brush.spot(plate, lighter(brush.colour("main"), 0.04))
    brush.motif(x, y, radius, within=within)


def gloss(brush: Brush, path: Path, within: Path, alpha: int = 95) -> None:
    """A reflection on glaze or glass, cut to what it lies on."""
    with brush.clipped(within):
        brush.spot(path, (255, 255, 255), alpha)


def thing_anchors(top: Point, width: float, middle: float) -> Anchors:
    """Anchors of a thing without a face.

    Args:
        top: its highest point, where a ribbon is tied.
        width: how wide it is there.
        middle: height of its middle, negative.
    """
    return Anchors(
        head=(top[0], top[1] + width / 2),
        head_radius=width / 2,
        neck=(top[0], middle),
        neck_width=width,
        top=top,
        gaze=1,
        eye=(top[0], middle),
    )


def loop_handle(
    x: float, top: float, bottom: float, reach: float, width: float, shape: int
) -> Path:
    """A handle from (x, top) to (x, bottom): 0 round, 1 square, 2 a drop that hangs low."""
    high = bottom - top
    if shape == 0:
        bend = ("C", x + 1.35 * reach, top - 0.1 * high, x + 1.35 * reach, bottom, x, bottom)
        line = outline(("M", x, top), bend, close=False)
    elif shape == 1:
        line = outline(
            ("M", x, top),
            ("L", x + reach, top),
            ("L", x + reach, bottom - 0.12 * high),
            ("L", x, bottom),
            close=False,
        )
    else:
        line = outline(
            ("M", x, top + 0.1 * high),
            ("Q", x + 0.3 * reach, top - 0.2 * high, x + 0.9 * reach, top - 0.16 * high),
            ("C", x + 1.5 * reach, top, x + 0.7 * reach, bottom - 0.2 * high, x, bottom),
            close=False,
        )
    return thick(line, width)


def flower(brush: Brush, x: float, y: float, size: float, kind: int) -> None:
    """A flower in the third colour: 0 a daisy, 1 a tulip, 2 a round blossom."""
    if kind == 1:
        cup = outline(
            ("M", x - size, y - size),
            ("L", x - 0.4 * size, y - 0.3 * size),
            ("L", x, y - 1.2 * size),
            ("L", x + 0.4 * size, y - 0.3 * size),
            ("L", x + size, y - size),
            (
                "C",
                x + 1.2 * size,
                y + 1.2 * size,
                x - 1.2 * size,
                y + 1.2 * size,
                x - size,
                y - size,
            ),
        )
        brush.part(cup, "third")
        return
    if kind == 2:
        brush.part(ellipse(x, y, size, size), "third")
        brush.line(ellipse(x, y, 0.5 * size, 0.5 * size), darker(brush.colour("third"), 0.4), 1.4)
        return
    for petal in range(5):
        angle = petal * math.tau / 5 - math.pi / 2
        at = x + 0.62 * size * math.cos(angle), y + 0.62 * size * math.sin(angle)
        brush.part(ellipse(*at, 0.55 * size, 0.55 * size), "third")
    heart_of = "orange" if brush.identity.third == "yellow" else "yellow"
    brush.part(ellipse(x, y, 0.42 * size, 0.42 * size), heart_of, outlined=False)


def wheel_at(brush: Brush, x: float, radius: float, kind: int) -> None:
    """A wheel on the ground: 0 a plain hub, 1 spokes, 2 a ring."""
    y = -radius
    brush.part(ellipse(x, y, radius, radius), TYRE)
    rim = 0.58 * radius
    brush.part(ellipse(x, y, rim, rim), "third", shaded=False)
    if kind == 1:
        for spoke in range(3):
            angle = spoke * math.pi / 3
            dx, dy = rim * math.cos(angle), rim * math.sin(angle)
            brush.line(limb([(x - dx, y - dy), (x + dx, y + dy)], 0.1), INK, 1.6)
    elif kind == 2:
        brush.spot(ellipse(x, y, 0.62 * rim, 0.62 * rim), TYRE)
        brush.spot(ellipse(x, y, 0.34 * rim, 0.34 * rim), "third")
    else:
        brush.spot(ellipse(x, y, 0.35 * rim, 0.35 * rim), STEEL)


def cabin_of(kind: int, left: float, right: float, base: float, top: float) -> Path:
    """What is above the doors: 0 a round roof, 1 a van's box, 2 a pickup's short cab."""
    if kind == 0:
        return outline(
            ("M", left - 2, base),
            ("C", left + 4, top - 5, right - 12, top - 5, right + 3, base),
        )
    slope = 9 if kind == 1 else 6
    back = left if kind == 1 else left + 0.3 * (right - left)
    return outline(
        ("M", back, base),
        ("L", back + 1, top + 4),
        ("Q", back + 1, top, back + 5, top),
        ("L", right - slope, top),
        ("L", right + 3, base),
    )
