"""A brush and an action in; a fish or a turtle, drawn, and where it wears things out.

The six sliders of a fish: length, height, back fin, eye and face, side and belly fins, tail. Of a
turtle: width of the shell, its height, legs, head, neck, tail.
"""

import math
from dataclasses import replace

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
    turned,
)
from builders.sources.miniature.palette import INK, darker, lighter


def joined(first: Path, *others: Path) -> Path:
    """The area of all paths as one, without lines where they meet."""
    made = first
    for other in others:
        made = skia.Op(made, other, skia.PathOp.kUnion_PathOp)
    return made


def overlap(first: Path, second: Path) -> Path:
    """The area that two paths share."""
    made: Path = skia.Op(first, second, skia.PathOp.kIntersect_PathOp)
    return made


def carried(anchors: Anchors, x: float, y: float, degrees: float) -> Anchors:
    """The anchors of something drawn around the origin, then turned clockwise and put at (x, y)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def put(point: Point) -> Point:
        return x + cos * point[0] - sin * point[1], y + sin * point[0] + cos * point[1]

    return replace(
        anchors,
        head=put(anchors.head),
        neck=put(anchors.neck),
        top=put(anchors.top),
        eye=put(anchors.eye),
    )


def draw_fish(brush: Brush, action: str, phase: float) -> Anchors:
    """A fish: level when swimming, tilted steeply up when jumping.

    Variants: shape of the tail, of the back fin, of body and face.
    """
    if action == "jumping":
        x, y, degrees = 1.0, -32.0, -56.0 + 4 * phase
    else:
        x, y, degrees = 4.0, -23.0, 3 * phase
    with brush.moved(x, y, degrees=degrees):
        # The tail beats upwards in a jump, so that even the shape of the back differs.
        anchors = _level_fish(brush, 24.0 if action == "jumping" else 7 * phase)
    return carried(anchors, x, y, degrees)


def _level_fish(brush: Brush, bend: float) -> Anchors:
    length, height, sail, face, fins, tail = brush.identity.proportions
    tail_kind, sail_kind, body_kind = brush.identity.variants
    a, b = 25 * (1 + 0.13 * length), 15.5 * (1 + 0.2 * height)
    body = _fish_body(body_kind, a, b)

    with brush.moved(-0.8 * a, 0, degrees=bend):
        _fish_tail(brush, tail_kind, 15 * (1 + 0.3 * tail))
    _back_fin(brush, sail_kind, a, b, 10 * (1 + 0.4 * sail))
    drop = 9 * (1 + 0.35 * fins)
    for start in (0.28 * a, -0.42 * a):
        belly_fin = outline(
            ("M", start, 0.6 * b),
            ("Q", start - 1, 0.85 * b + drop, start - 0.9 * drop, 0.85 * b + drop),
            ("Q", start - 6, 0.9 * b, start - 9, 0.6 * b),
        )
        brush.part(belly_fin, "second")

    brush.part(body, "main", pattern=True)
    with brush.clipped(body):
        _scales(brush, a, b)
        # A pale belly makes it round.
        brush.spot(ellipse(0.1 * a, 1.15 * b, 0.9 * a, 0.42 * b), (255, 255, 255), 70)
    if body_kind == 1:
        hood = ellipse(1.02 * a, 0, (0.62 + 0.1 * face) * a, 2 * b)
        brush.part(overlap(body, hood), "second")
    eye = 4.9 * (1 + 0.25 * face)
    gill = outline(("M", 0.36 * a, -0.62 * b), ("Q", 0.16 * a, 0, 0.36 * a, 0.62 * b), close=False)
    if body_kind != 1:
        brush.spot(thick(gill, 1.5), INK, 130)
    if body_kind == 2:
        stripe = thick(outline(("M", 0.58 * a, -b), ("L", 0.62 * a, b), close=False), 7.5)
        brush.part(overlap(body, stripe), "third", outlined=False)
    brush.motif(-0.3 * a, -0.12 * b, 7.0, within=body)

    fin = 10.5 * (1 + 0.35 * fins)
    with brush.moved(0.34 * a, 0.4 * b, degrees=-34):
        side_fin = outline(
            ("M", 2, -3),
            ("Q", -0.6 * fin, -6, -fin, -1),
            ("Q", -0.8 * fin, 2, -fin, 5),
            ("Q", -0.4 * fin, 9, 2, 4),
        )
        brush.part(side_fin, "second")
        for end in (-2, 3):
            ray = outline(("M", -1, 0.5), ("L", -0.7 * fin, end), close=False)
            brush.line(ray, darker(brush.colour("second"), 0.4), 0.9)
    lips = ellipse(0.985 * a, 0.27 * b, 2.8, 3.7, 12)
    brush.part(lips, "third")
    brush.line(
        outline(
            ("M", 0.86 * a, 0.32 * b),
            ("Q", 0.95 * a, 0.36 * b, 0.97 * a + 3, 0.25 * b),
            close=False,
        ),
        INK,
        1.2,
    )
    brush.eye(0.63 * a, -0.14 * b, eye)
    return Anchors(
        head=(0.5 * a, -0.02 * b),
        head_radius=0.8 * b,
        neck=(0.3 * a, 0.72 * b),
        neck_width=1.1 * b,
        top=(0, -b),
        gaze=0,
        eye=(0.63 * a, -0.14 * b),
    )


def _fish_body(kind: int, a: float, b: float) -> Path:
    """Almond, round, or with a hump and a snout; nose at the right."""
    if kind == 1:
        return outline(
            ("M", a, 0),
            ("C", a, -1.2 * b, -0.3 * a, -1.35 * b, -0.95 * a, -0.22 * b),
            ("L", -0.95 * a, 0.22 * b),
            ("C", -0.3 * a, 1.35 * b, a, 1.2 * b, a, 0),
        )
    if kind == 2:
        return outline(
            ("M", 1.08 * a, 0.22 * b),
            ("C", 0.85 * a, -0.1 * b, 0.6 * a, -1.12 * b, 0.1 * a, -1.12 * b),
            ("C", -0.4 * a, -1.12 * b, -0.7 * a, -0.3 * b, -a, -0.24 * b),
            ("L", -a, 0.24 * b),
            ("C", -0.5 * a, 0.7 * b, 0.4 * a, 1.3 * b, 1.08 * a, 0.38 * b),
        )
    return outline(
        ("M", 1.05 * a, 0.1 * b),
        ("C", 0.6 * a, -1.15 * b, -0.3 * a, -1.25 * b, -a, -0.24 * b),
        ("L", -a, 0.24 * b),
        ("C", -0.3 * a, 1.25 * b, 0.6 * a, 1.15 * b, 1.05 * a, 0.1 * b),
    )


def _fish_tail(brush: Brush, kind: int, size: float) -> None:
    """A fork, a fan, or two long points; it grows to the left of the origin."""
    if kind == 0:
        path = outline(
            ("M", 2, 0),
            ("Q", -0.4 * size, -0.3 * size, -size, -1.05 * size),
            ("Q", -0.85 * size, -0.3 * size, -0.55 * size, 0),
            ("Q", -0.85 * size, 0.3 * size, -size, 1.05 * size),
            ("Q", -0.4 * size, 0.3 * size, 2, 0),
        )
    elif kind == 1:
        path = outline(
            ("M", 2, -3),
            ("Q", -0.5 * size, -1.2 * size, -size, -0.8 * size),
            ("Q", -1.1 * size, -0.5 * size, -0.95 * size, -0.28 * size),
            ("Q", -1.25 * size, 0, -0.95 * size, 0.28 * size),
            ("Q", -1.1 * size, 0.5 * size, -size, 0.8 * size),
            ("Q", -0.5 * size, 1.2 * size, 2, 3),
        )
    else:
        path = outline(
            ("M", 2, -3),
            ("C", -0.3 * size, -size, -0.8 * size, -1.2 * size, -1.25 * size, -1.2 * size),
            ("C", -0.7 * size, -0.7 * size, -0.7 * size, 0.7 * size, -1.25 * size, 1.2 * size),
            ("C", -0.8 * size, 1.2 * size, -0.3 * size, size, 2, 3),
        )
    brush.part(path, "third")
    ray_colour = darker(brush.colour("third"), 0.4)
    for end in (-0.5, 0.5):
        ray = outline(("M", -2, end), ("L", -0.7 * size, end * size), close=False)
        brush.line(ray, ray_colour, 1.1)


def _back_fin(brush: Brush, kind: int, a: float, b: float, rise: float) -> None:
    """A long sail, one swept point, or three spikes."""
    foot = -0.6 * b
    if kind == 0:
        path = outline(
            ("M", 0.35 * a, foot),
            ("C", 0.2 * a, -b - rise, -0.4 * a, -b - rise, -0.75 * a, -0.8 * b - 0.4 * rise),
            ("Q", -0.5 * a, -0.7 * b, -0.6 * a, 0.4 * foot),
        )
    elif kind == 1:
        path = outline(
            ("M", 0.3 * a, foot),
            ("Q", 0, -b - 0.6 * rise, -0.4 * a, -b - 1.25 * rise),
            ("Q", -0.2 * a, -b - 0.3 * rise, -0.4 * a, foot),
        )
    else:
        path = outline(
            ("M", 0.35 * a, foot),
            ("L", 0.2 * a, -b - 0.9 * rise),
            ("Q", 0.05 * a, -b, 0, -b),
            ("L", -0.2 * a, -b - 0.9 * rise),
            ("Q", -0.3 * a, -b, -0.36 * a, -0.9 * b),
            ("L", -0.6 * a, -0.8 * b - 0.7 * rise),
            ("L", -0.68 * a, 0.4 * foot),
        )
    brush.part(path, "third")


def _scales(brush: Brush, a: float, b: float) -> None:
    """Faint rows of arcs behind the gill."""
    for column in range(6):
        x = 0.26 * a - 6.4 * column
        for row in range(-3, 4):
            y = 6.4 * row + (3.2 if column % 2 else 0)
            arc = outline(("M", x, y - 3.2), ("Q", x - 5.2, y, x, y + 3.2), close=False)
            brush.spot(thick(arc, 1.1), INK, 48)


def draw_turtle(brush: Brush, action: str, phase: float) -> Anchors:
    """A turtle: standing, running (legs stretched, leaning), sleeping (drawn into its shell).

    Variants: outline of the shell, its plates, tail and feet.
    """
    width, height, legs, head, neck, tail = brush.identity.proportions
    shell_kind, plates, tail_kind = brush.identity.variants
    half, dome = 21.5 * (1 + 0.14 * width), 28 * (1 + 0.2 * height)
    leg = 11.5 * (1 + 0.3 * legs)
    radius = 9.6 * (1 + 0.18 * head)
    reach = 9 * (1 + 0.45 * neck)
    tail_length = 9 * (1 + 0.4 * tail)
    centre, base, lean = -6.5, -leg, 0.0
    if action == "running":
        centre, base, lean = -5.0, -leg - 4.0, 10.0
        spots = ((half * 0.62, 0.74), (-half * 0.62, -0.82))
        stride = 15.0 + 2 * phase
    elif action == "sleeping":
        centre, base, spots, stride = -3.0, -4.0, ((half * 0.66, 0.2), (-half * 0.7, -0.2)), 0.0
    else:
        spots, stride = ((half * 0.6, 0.1), (-half * 0.6, -0.1)), leg
    asleep = action == "sleeping"

    thickness = 8.6 * (1 + 0.14 * legs)
    for far in (True, False):
        for x, outwards in spots:
            # Near and far legs stride in turn.
            start = centre + x + (3.5 if far else 0)
            push = stride * outwards * (0.5 if far and action == "running" else 1.0)
            _turtle_leg(brush, start, base, push, thickness, tail_kind, far=far, asleep=asleep)
        if far:
            with brush.moved(centre, base, degrees=lean):
                _turtle_tail(brush, tail_kind, -half, tail_length * (0.55 if asleep else 1.0))
    with brush.moved(centre, base, degrees=lean):
        if asleep:
            anchors = _turtle_head(brush, (half + 0.55 * radius, 3.4 - radius), radius, half, True)
            _shell(brush, shell_kind, plates, half, dome)
        else:
            run = action == "running"
            place = (half + reach + (4 if run else 0), -dome * (0.34 if run else 0.5) - 0.6 * reach)
            anchors = _turtle_head(brush, place, radius, half, False)
            _shell(brush, shell_kind, plates, half, dome)
    return carried(anchors, centre, base, lean)


def _turtle_head(brush: Brush, place: Point, radius: float, half: float, asleep: bool) -> Anchors:
    x, y = place
    skull = ellipse(x, y, 1.12 * radius, radius)
    neck = limb([(half - 8, -6), (half + 0.3 * (x - half), -4), (x - 0.35 * radius, y + 3)], 9.5)
    brush.part(skull if asleep else joined(skull, neck), "second")
    brush.spot(ellipse(x + 0.1 * radius, y + 0.5 * radius, 2.4, 1.7), (240, 120, 130), 120)
    if asleep:
        # A paler lid, so that it shows on a dark head.
        lid = ellipse(x + 0.32 * radius, y - 0.1 * radius, 0.5 * radius, 0.46 * radius)
        brush.spot(lid, lighter(brush.colour("second"), 0.35))
    brush.eye(x + 0.32 * radius, y - 0.16 * radius, 0.4 * radius, closed=asleep)
    mouth = outline(
        ("M", x + 0.45 * radius, y + 0.52 * radius),
        ("Q", x + 0.8 * radius, y + 0.62 * radius, x + 1.02 * radius, y + 0.3 * radius),
        close=False,
    )
    brush.line(mouth, INK, 1.3)
    return Anchors(
        head=(x, y),
        head_radius=radius,
        neck=(x - 0.45 * radius, y + 0.95 * radius),
        neck_width=12.0,
        top=(x, y - radius),
        gaze=0,
        eye=(x + 0.32 * radius, y - 0.16 * radius),
    )


def _turtle_leg(
    brush: Brush,
    x: float,
    base: float,
    push: float,
    thickness: float,
    kind: int,
    *,
    far: bool,
    asleep: bool,
) -> None:
    dim = 0.3 if far else 0.0
    if asleep:
        # Only the toes look out below the shell.
        brush.part(ellipse(x, -2.6, 0.75 * thickness, 3), "second", dim=dim)
        return
    end = x + push
    foot = ellipse(end + 1.6, -2.8, 0.72 * thickness, 3.2)
    brush.part(
        joined(limb([(x, base - 2), (x + 0.45 * push, 0.5 * base), (end, -4)], thickness), foot),
        "second",
        dim=dim,
    )
    if kind != 1 and not far:
        for toe in (-1.0, 1.6, 4.2):
            claw = ellipse(end + 0.8 + toe, -1.5, 1.0, 1.3)
            brush.spot(claw, "cream" if brush.identity.second != "cream" else "brown")


def _turtle_tail(brush: Brush, kind: int, x: float, length: float) -> None:
    """A point, a curl, or a club with knobs."""
    if kind == 0:
        path = outline(
            ("M", x + 5, -8), ("Q", x - 0.6 * length, -5, x - length, 3), ("L", x + 5, 3)
        )
    elif kind == 1:
        path = limb([(x + 4, -3), (x - 1.1 * length, 2), (x - length, -1.1 * length)], 4.4)
    else:
        path = joined(
            limb([(x + 4, -2), (x - 0.6 * length, -2)], 5),
            ellipse(x - 0.8 * length, -3, 0.42 * length, 0.42 * length),
        )
    brush.part(path, "third" if kind == 2 else "second")


def _shell(brush: Brush, kind: int, plates: int, half: float, dome: float) -> None:
    """A dome over (0, 0): round, peaked, or with a comb of knobs; plates, motif and rim."""
    if kind == 1:
        shell = outline(
            ("M", -half, 0),
            ("C", -half, -0.6 * dome, -0.62 * half, -1.1 * dome, 0, -1.1 * dome),
            ("C", 0.62 * half, -1.1 * dome, half, -0.6 * dome, half, 0),
        )
    else:
        shell = outline(("M", -half, 0), ("C", -half, -1.32 * dome, half, -1.32 * dome, half, 0))
    if kind == 2:
        for x, y, degrees in (
            (-0.62, -0.72, -42),
            (-0.22, -0.95, -15),
            (0.22, -0.95, 15),
            (0.62, -0.72, 42),
        ):
            with brush.moved(x * half, y * dome, degrees=degrees):
                brush.part(
                    outline(("M", -6, 4), ("Q", -2, -6, 0, -7.5), ("Q", 2, -6, 6, 4)), "third"
                )
    brush.part(shell, "main", pattern=True)
    middle = -0.5 * dome
    with brush.clipped(shell):
        for groove in _grooves(plates, half, dome, middle):
            brush.spot(thick(groove, 1.5), INK, 115)
    brush.motif(0, middle, 7.2, within=shell)
    rim = limb([(-half + 0.5, -1), (0, 4.6), (half - 0.5, -1)], 7.4)
    brush.part(rim, "third")
    joint = darker(brush.colour("third"), 0.45)
    for step in range(-2, 3):
        x, sag = step * half * 0.36, 1.8 - 0.7 * abs(step)
        brush.line(outline(("M", x, sag - 3), ("L", x, sag + 3), close=False), joint, 1.1)


def _grooves(kind: int, half: float, dome: float, middle: float) -> list[Path]:
    """Lines between plates: around a hexagon, fanned arches, or diamonds."""
    if kind == 0:
        corners = [
            (11 * math.cos(angle * math.pi / 3), middle + 11 * math.sin(angle * math.pi / 3))
            for angle in range(6)
        ]
        lines = [
            outline(
                ("M", *corner), ("L", 4 * corner[0], middle + 4 * (corner[1] - middle)), close=False
            )
            for corner in corners
        ]
        first, *rest = corners
        return [outline(("M", *first), *(("L", *corner) for corner in rest)), *lines]
    if kind == 1:
        arches = [
            outline(
                ("M", -part * half, 0),
                (
                    "C",
                    -part * half,
                    -1.32 * part * dome,
                    part * half,
                    -1.32 * part * dome,
                    part * half,
                    0,
                ),
                close=False,
            )
            for part in (0.76, 0.5)
        ]
        return arches + [
            turned(outline(("M", 0, -0.38 * dome), ("L", 0, -2 * dome), close=False), turn, 0, 0)
            for turn in (-66, -33, 0, 33, 66)
        ]
    return [
        outline(("M", x - side * 1.2 * dome, -1.3 * dome), ("L", x, 0), close=False)
        for side in (-1, 1)
        for x in (-2.4 * half, -1.6 * half, -0.8 * half, 0.0, 0.8 * half, 1.6 * half, 2.4 * half)
    ]
