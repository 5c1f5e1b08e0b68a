"""A prop's noun and colour in; the thing, standing at (0, 0), out. It wipes the mask."""

import math
from collections.abc import Callable

from builders.sources.miniature.canvas import Brush, Path, box, ellipse, limb, outline, star, thick
from builders.sources.miniature.palette import COLOURS, Rgb, darker, lighter, mix

HEIGHTS = {
    "ball": 27.0,
    "box": 21.0,
    "balloon": 40.0,
    "flower": 28.0,
    "mushroom": 26.0,
    "pumpkin": 24.0,
    "bucket": 23.0,
    "cushion": 8.5,
}
"""Up to where one stands on it: the middle of the top of a box, the dent in a cushion."""
WIDTHS = {
    "ball": 27.0,
    "box": 30.0,
    "balloon": 22.0,
    "flower": 21.0,
    "mushroom": 28.0,
    "pumpkin": 30.0,
    "bucket": 26.0,
    "cushion": 36.0,
}


def prop_height(noun: str) -> float:
    """How far above the ground a subject stands on it."""
    return HEIGHTS[noun]


def prop_width(noun: str) -> float:
    """How wide it is."""
    return WIDTHS[noun]


def draw_prop(brush: Brush, noun: str, colour: str) -> None:
    """Draw a prop on the ground.

    Args:
        brush: in the units of the subject.
        noun: one of `facts.PROPS`.
        colour: one of `facts.THING_COLOURS`.
    """
    DRAWINGS[noun](brush, COLOURS[colour])


def accent(colour: Rgb) -> Rgb:
    """A second shade for trim on a thing that is to keep the name of its one colour."""
    pale = min(colour) > 200
    return mix(colour, (150, 156, 170), 0.42) if pale else lighter(colour, 0.6)


def _part(brush: Brush, path: Path, colour: Rgb) -> None:
    brush.part(path, colour, subject=False)


def _draw_ball(brush: Brush, colour: Rgb) -> None:
    whole = ellipse(0, -13.5, 13.5, 13.5)
    _part(brush, whole, colour)
    with brush.clipped(whole):
        band = limb([(-15, -8), (1, -17), (15, -14)], 6)
        brush.spot(band, accent(colour), 235)
        brush.spot(star(-4, -21.5, 4), accent(colour), 235)
    brush.spot(ellipse(5, -21.5, 3, 1.9, 30), (255, 255, 255), 170)


def _draw_box(brush: Brush, colour: Rgb) -> None:
    lid = outline(("M", -15, -18), ("L", -11, -25), ("L", 11, -25), ("L", 15, -18))
    _part(brush, lid, lighter(colour, 0.22))
    _part(brush, box(-15, -18.5, 15, 0, 1), colour)
    tape = box(-3, -18.5, 3, 0)
    brush.spot(tape, accent(colour), 225)
    brush.spot(
        outline(("M", -3, -18), ("L", -2.2, -25), ("L", 2.2, -25), ("L", 3, -18)),
        accent(colour),
        225,
    )
    for side in (-1, 1):
        brush.line(
            outline(("M", 7.5 * side, -12), ("L", 11 * side, -12), close=False),
            darker(colour, 0.4),
            1.6,
        )


def _draw_balloon(brush: Brush, colour: Rgb) -> None:
    string = outline(("M", 0, 0), ("C", 5, -5, -5, -10, 0, -16), close=False)
    brush.part(thick(string, 1.5), (84, 80, 92), subject=False, shaded=False, outlined=False)
    _part(brush, outline(("M", 0, -17), ("L", -3, -13.8), ("L", 3, -13.8)), colour)
    whole = outline(
        ("M", 0, -16),
        ("C", -8, -19, -11.5, -24, -11.5, -29.5),
        ("C", -11.5, -36, -6.5, -40.5, 0, -40.5),
        ("C", 6.5, -40.5, 11.5, -36, 11.5, -29.5),
        ("C", 11.5, -24, 8, -19, 0, -16),
    )
    _part(brush, whole, colour)
    brush.spot(ellipse(-4.6, -33.5, 2, 3.8, 28), (255, 255, 255), 185)


def _draw_flower(brush: Brush, colour: Rgb) -> None:
    green = (74, 146, 72)
    _part(brush, limb([(0, 0), (-1.5, -8), (0, -17)], 2.4), green)
    for side, y in ((-1, -3.0), (1, -6.0)):
        leaf = outline(
            ("M", 0, y), ("Q", 4 * side, y - 8, 10.5 * side, y - 6), ("Q", 7 * side, y + 2, 0, y)
        )
        _part(brush, leaf, green)
    for number in range(6):
        angle = math.tau * number / 6 + math.pi / 6
        x, y = 6.2 * math.cos(angle), -18 + 6.2 * math.sin(angle)
        _part(brush, ellipse(x, y, 4.5, 4.5), colour)
    # A yellow flower needs another heart.
    heart = (126, 80, 46) if colour in (COLOURS["yellow"], COLOURS["orange"]) else COLOURS["yellow"]
    _part(brush, ellipse(0, -18, 3.9, 3.9), heart)


def _draw_mushroom(brush: Brush, colour: Rgb) -> None:
    stalk = outline(
        ("M", -5.5, 0),
        ("Q", -4, -7, -4.5, -13),
        ("L", 4.5, -13),
        ("Q", 4, -7, 5.5, 0),
        ("Q", 0, 1.5, -5.5, 0),
    )
    _part(brush, stalk, (242, 228, 202))
    cap = outline(
        ("M", -14, -11),
        ("C", -14, -21, -8, -26, 0, -26),
        ("C", 8, -26, 14, -21, 14, -11),
        ("Q", 0, -7, -14, -11),
    )
    _part(brush, cap, colour)
    dots = (168, 140, 112) if min(colour) > 200 else (252, 248, 240)
    with brush.clipped(cap):
        for x, y, radius in ((-7, -15, 2.6), (0, -20.5, 2.9), (7.5, -14.5, 2.4), (-12, -20, 1.7)):
            brush.spot(ellipse(x, y, 1.1 * radius, radius), dots)


def _draw_pumpkin(brush: Brush, colour: Rgb) -> None:
    stem = outline(("M", -2.5, -19), ("Q", -2, -23, 2, -26), ("L", 5, -24), ("Q", 2, -22, 2.5, -19))
    _part(brush, stem, (92, 128, 58))
    for x, radius in ((-8.5, 6.5), (8.5, 6.5), (-4.2, 6.5), (4.2, 6.5), (0, 6.2)):
        _part(brush, ellipse(x, -10.2, radius, 10.2 - 0.09 * abs(x)), colour)
    brush.spot(ellipse(-3, -15.5, 1.5, 2.8, 12), (255, 255, 255), 110)


def _draw_bucket(brush: Brush, colour: Rgb) -> None:
    grip = limb([(-11, -20), (0, -35), (11, -20)], 2.2)
    _part(brush, grip, (150, 152, 160))
    body = outline(("M", -12, -20), ("L", -9, -1), ("Q", 0, 2, 9, -1), ("L", 12, -20))
    _part(brush, body, colour)
    with brush.clipped(body):
        brush.line(outline(("M", -12, -9), ("Q", 0, -6, 12, -9), close=False), accent(colour), 3.4)
    _part(brush, ellipse(0, -20, 12.4, 3.2), colour)
    brush.spot(ellipse(0, -19.7, 10, 2.0), darker(colour, 0.55))


def _draw_cushion(brush: Brush, colour: Rgb) -> None:
    whole = outline(
        ("M", -18, -1),
        ("Q", -15, -6, -17.5, -10.5),
        ("Q", 0, -15, 17.5, -10.5),
        ("Q", 15, -6, 18, -1),
        ("Q", 0, 2, -18, -1),
    )
    _part(brush, whole, colour)
    for x, y in ((-17.6, -1.2), (17.6, -1.2), (-17.1, -10.2), (17.1, -10.2)):
        _part(brush, ellipse(x, y, 2.1, 2.1), accent(colour))
    piping = outline(("M", -15.5, -5.5), ("Q", 0, -3, 15.5, -5.5), close=False)
    brush.line(piping, accent(colour), 2.0)


DRAWINGS: dict[str, Callable[[Brush, Rgb], None]] = {
    "ball": _draw_ball,
    "box": _draw_box,
    "balloon": _draw_balloon,
    "flower": _draw_flower,
    "mushroom": _draw_mushroom,
    "pumpkin": _draw_pumpkin,
    "bucket": _draw_bucket,
    "cushion": _draw_cushion,
}
"""A prop in one line."""
