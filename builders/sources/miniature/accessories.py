"""What is worn, its colour and a subject's anchors in; the drawn accessory out, off the mask."""

from collections.abc import Callable

from builders.sources.miniature.canvas import (
    Anchors,
    Brush,
    Path,
    box,
    ellipse,
    limb,
    outline,
    turned,
)
from builders.sources.miniature.palette import COLOURS, Rgb, darker
from builders.sources.miniature.props import accent

LENS: Rgb = (34, 32, 44)
"""Glass of sunglasses."""


def draw_accessory(brush: Brush, noun: str, colour: str, anchors: Anchors) -> None:
    """Draw an accessory on a subject.

    Args:
        brush: in the units of the subject.
        noun: one of `facts.ACCESSORIES`.
        colour: one of `facts.THING_COLOURS`.
        anchors: where head, neck and top of the subject are.
    """
    DRAWINGS[noun](brush, COLOURS[colour], anchors)


def _part(brush: Brush, path: Path, colour: Rgb) -> None:
    brush.part(path, colour, subject=False)


def _draw_party_hat(brush: Brush, colour: Rgb, anchors: Anchors) -> None:
    radius = max(anchors.head_radius, 9.0)
    # Set into the head, not on it, and a little askew: so hats sit.
    with brush.moved(anchors.head[0], anchors.head[1] - 0.72 * anchors.head_radius, degrees=-6):
        cone = outline(
            ("M", -0.85 * radius, 0),
            ("L", 0, -1.95 * radius),
            ("L", 0.85 * radius, 0),
            ("Q", 0, 0.35 * radius, -0.85 * radius, 0),
        )
        _part(brush, cone, colour)
        with brush.clipped(cone):
            for y in (-0.25, -0.95):
                stripe = outline(
                    ("M", -radius, (y - 0.18) * radius),
                    ("Q", 0, (y + 0.3) * radius, radius, (y - 0.18) * radius),
                    close=False,
                )
                brush.line(stripe, accent(colour), 0.3 * radius)
        _part(brush, ellipse(0, -1.98 * radius, 0.3 * radius, 0.3 * radius), accent(colour))


def _draw_crown(brush: Brush, colour: Rgb, anchors: Anchors) -> None:
    radius = max(anchors.head_radius, 9.0)
    wide, high = 0.86 * radius, 1.3 * radius
    with brush.moved(anchors.head[0], anchors.head[1] - 0.7 * anchors.head_radius, degrees=-4):
        ring = outline(
            ("M", -wide, 0),
            ("L", -1.2 * wide, -high),
            ("L", -0.5 * wide, -0.55 * high),
            ("L", 0, -1.15 * high),
            ("L", 0.5 * wide, -0.55 * high),
            ("L", 1.2 * wide, -high),
            ("L", wide, 0),
            ("Q", 0, 0.3 * radius, -wide, 0),
        )
        _part(brush, ring, colour)
        for x, y in ((-1.2 * wide, -high), (0.0, -1.15 * high), (1.2 * wide, -high)):
            _part(brush, ellipse(x, y, 0.17 * radius, 0.17 * radius), accent(colour))
        for x in (-0.52, 0.0, 0.52):
            y = (0.02 if x else 0.06) * radius - 0.26 * high
            brush.spot(ellipse(x * wide, y, 0.13 * radius, 0.15 * radius), accent(colour))


def _draw_sunglasses(brush: Brush, colour: Rgb, anchors: Anchors) -> None:
    x, y = anchors.eye
    radius = anchors.head_radius
    lens = max(0.44 * radius, 4.6)
    middles: tuple[float, ...]
    if anchors.gaze:
        apart = max(0.5 * radius, lens + 0.8)
        middles = (x - apart, x + apart)
        temple = box(x - apart - lens, y - 0.55 * lens, x + apart + lens, y - 0.05 * lens, 1)
    else:
        lens = 1.12 * lens
        middles = (x,)
        back = min(anchors.head[0] - 0.75 * radius, x - 2 * lens)
        temple = box(back, y - 0.5 * lens, x + 0.5 * lens, y + 0.02 * lens, 1)
    _part(brush, temple, colour)
    for middle in middles:
        frame = outline(
            ("M", middle - 1.12 * lens, y - 0.86 * lens),
            ("L", middle + 1.12 * lens, y - 0.86 * lens),
            ("Q", middle + 1.2 * lens, y + lens, middle, y + lens),
            ("Q", middle - 1.2 * lens, y + lens, middle - 1.12 * lens, y - 0.86 * lens),
        )
        _part(brush, frame, colour)
        glass = outline(
            ("M", middle - 0.72 * lens, y - 0.46 * lens),
            ("L", middle + 0.72 * lens, y - 0.46 * lens),
            ("Q", middle + 0.74 * lens, y + 0.6 * lens, middle, y + 0.6 * lens),
            ("Q", middle - 0.74 * lens, y + 0.6 * lens, middle - 0.72 * lens, y - 0.46 * lens),
        )
        brush.spot(glass, LENS)
        shine = limb(
            [(middle - 0.35 * lens, y + 0.15 * lens), (middle + 0.1 * lens, y - 0.3 * lens)], 0.9
        )
        brush.spot(shine, (255, 255, 255), 150)


def _draw_scarf(brush: Brush, colour: Rgb, anchors: Anchors) -> None:
    x, y = anchors.neck
    half = max(anchors.neck_width / 2, 7.0)
    thick = max(0.34 * half, 3.2)
    tail = turned(box(x - 0.62 * half - 3.4, y, x - 0.62 * half + 3.4, y + 15, 1.2), 10, x, y)
    _part(brush, tail, colour)
    with brush.clipped(tail):
        for down in (8.0, 12.5):
            stripe = limb([(x - half - 9, y + down), (x + half, y + down)], 2.2)
            brush.spot(turned(stripe, 10, x, y), accent(colour))
    wrap = outline(
        ("M", x - half, y - thick),
        ("Q", x, y + 0.3 * thick, x + half, y - thick),
        ("Q", x + 1.16 * half, y, x + half, y + thick),
        ("Q", x, y + 2.6 * thick, x - half, y + thick),
        ("Q", x - 1.16 * half, y, x - half, y - thick),
    )
    _part(brush, wrap, colour)
    fold = outline(
        ("M", x - 0.9 * half, y), ("Q", x, y + 1.4 * thick, x + 0.9 * half, y), close=False
    )
    brush.line(fold, darker(colour, 0.3), 1.1)


def _draw_bow(brush: Brush, colour: Rgb, wide: float, high: float) -> None:
    """Two loops and a knot around the origin."""
    for side in (-1, 1):
        loop = outline(
            ("M", 0, 0),
            (
                "C",
                0.4 * wide * side,
                -1.2 * high,
                wide * side,
                -1.5 * high,
                wide * side,
                -0.5 * high,
            ),
            ("Q", 0.9 * wide * side, 0, wide * side, 0.5 * high),
            ("C", wide * side, 1.5 * high, 0.4 * wide * side, 1.2 * high, 0, 0),
        )
        _part(brush, loop, colour)
        crease = outline(("M", 0.25 * wide * side, 0), ("L", 0.62 * wide * side, 0), close=False)
        brush.line(crease, darker(colour, 0.4), 1.1)
    _part(brush, box(-0.24 * wide, -0.48 * high, 0.24 * wide, 0.48 * high, 1.8), accent(colour))


def _draw_bow_tie(brush: Brush, colour: Rgb, anchors: Anchors) -> None:
    wide = min(max(0.52 * anchors.neck_width, 9.0), 12.0)
    with brush.moved(anchors.neck[0], anchors.neck[1] + 1.5):
        _draw_bow(brush, colour, wide, 0.62 * wide)


def _draw_ribbon(brush: Brush, colour: Rgb, anchors: Anchors) -> None:
    with brush.moved(*anchors.top):
        for side in (-1, 1):
            end = outline(
                ("M", -1.5 * side, 0),
                ("Q", 4 * side, 4, 6 * side, 13),
                ("L", 9 * side, 10.5),
                ("L", 12.5 * side, 11.5),
                ("Q", 10 * side, 3, 2 * side, -1),
            )
            _part(brush, end, darker(colour, 0.12))
        _draw_bow(brush, colour, 14.0, 7.6)


DRAWINGS: dict[str, Callable[[Brush, Rgb, Anchors], None]] = {
    "party hat": _draw_party_hat,
    "crown": _draw_crown,
    "sunglasses": _draw_sunglasses,
    "scarf": _draw_scarf,
    "bow tie": _draw_bow_tie,
    "ribbon": _draw_ribbon,
}
"""An accessory in one line."""
