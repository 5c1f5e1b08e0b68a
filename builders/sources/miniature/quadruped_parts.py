"""An identity in; its measures, legs, coat, collar and other parts of four-legged animals out.

Trunk and near legs are joined into one outline, so that an animal is one shape and no doll of
separate pieces; the far legs lie behind it, darker.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import skia

from builders.sources.miniature.canvas import (
    OUTLINE,
    Anchors,
    Brush,
    Path,
    Point,
    box,
    ellipse,
    limb,
    outline,
)
from builders.sources.miniature.facts import Identity
from builders.sources.miniature.palette import INK, Rgb, darker, lighter

DIM = 0.3
"""How much darker the far side is."""
PINK: Rgb = (232, 128, 144)
"""Noses and tongues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The measures of an animal, in units.

    Attributes:
        length: half the length of the trunk.
        depth: half its height.
        leg: from belly to ground.
        thickness: width of a leg.
        head: radius.
        ear, tail: factors around 1.
    """

    length: float
    depth: float
    leg: float
    thickness: float
    head: float
    ear: float
    tail: float


def build_of(
    identity: Identity, *, length: float, depth: float, leg: float, thickness: float, head: float
) -> Build:
    """The measures of a class, changed by the six sliders of an identity.

    Args:
        identity: whose proportions.
        length: half the length of the trunk in the middle of its slider, as are the others.
        depth: half its height.
        leg: from belly to ground.
        thickness: of a leg.
        head: radius.
    """
    wide, high, limbs, skull, ear, tail = identity.proportions
    return Build(
        length=length * (1 + 0.2 * wide),
        depth=depth * (1 + 0.25 * high),
        leg=leg * (1 + 0.32 * limbs),
        thickness=thickness * (1 + 0.1 * high),
        head=head * (1 + 0.18 * skull),
        ear=1 + 0.32 * ear,
        tail=1 + 0.38 * tail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A leg: its area, where its paw is and the paw's size."""

    path: Path
    foot: Point
    paw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """How the animal holds itself, in units of the subject.

    Attributes:
        trunk: the trunk alone.
        far, near: legs behind and before the trunk.
        shoulder: where the neck begins.
        head: where the head is; with its tilt, clockwise.
        tilt: see head.
        tail: root of the tail.
        side: a flat place for the motif.
        haunch: the thigh's edge, drawn on the trunk; or None.
        before: near legs that lie on the trunk with an outline of their own.
    """

    trunk: Path
    far: tuple[Leg, ...]
    near: tuple[Leg, ...]
    shoulder: Point
    head: Point
    tilt: float
    tail: Point
    side: Point
    haunch: Path | None = None
    before: tuple[Leg, ...] = ()


def tapered(start: Point, one: Point, two: Point, end: Point, wide: float, thin: float) -> Path:
    """A trunk or a tail along a cubic curve, `wide` at its start and `thin` at its end."""
    pieces = 14
    left: list[Point] = []
    right: list[Point] = []
    for piece in range(pieces + 1):
        t = piece / pieces
        u = 1 - t
        weights = (u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t)
        slopes = (-u * u, u * u - 2 * u * t, 2 * u * t - t * t, t * t)
        knots = (start, one, two, end)
        x, y = (sum(w * k[axis] for w, k in zip(weights, knots, strict=True)) for axis in (0, 1))
        dx, dy = (sum(w * k[axis] for w, k in zip(slopes, knots, strict=True)) for axis in (0, 1))
        half = 0.5 * (wide + (thin - wide) * t) / max(1e-6, math.hypot(dx, dy))
        left.append((x - dy * half, y + dx * half))
        right.append((x + dy * half, y - dx * half))
    around = left + right[::-1]
    strip = outline(("M", *around[0]), *(("L", *point) for point in around[1:]))
    return joined(strip, ellipse(*end, thin / 2, thin / 2))


def mirrored(path: Path) -> Path:
    """The path on the other side of x = 0."""
    made = skia.Path()
    path.transform(skia.Matrix.Scale(-1, 1), made)
    return made


def joined(*paths: Path) -> Path:
    """One path around all of them."""
    return reduce(lambda a, b: skia.Op(a, b, skia.PathOp.kUnion_PathOp), paths)


def placed(path: Path, x: float, y: float, degrees: float = 0.0, scale: float = 1.0) -> Path:
    """The path, drawn about (0, 0), scaled, turned clockwise and shifted to (x, y)."""
    matrix = skia.Matrix()
    matrix.preTranslate(x, y)
    matrix.preRotate(degrees)
    matrix.preScale(scale, scale)
    made = skia.Path()
    path.transform(matrix, made)
    return made


def spun(point: Point, origin: Point, degrees: float, scale: float = 1.0) -> Point:
    """A point about (0, 0), scaled, turned clockwise and shifted to an origin."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = point[0] * scale, point[1] * scale
    return origin[0] + x * cosine - y * sine, origin[1] + x * sine + y * cosine


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a drawing is brought into its box: scaled, turned clockwise, shifted."""

    x: float
    y: float = 0.0
    degrees: float = 0.0
    scale: float = 1.0


def draw_fitted(brush: Brush, fit: Fit, draw: Callable[[], Anchors]) -> Anchors:
    """Draw something fitted; its anchors in the units outside."""
    with brush.moved(fit.x, fit.y, degrees=fit.degrees, scale=fit.scale):
        anchors = draw()

    def moved(point: Point) -> Point:
        return spun(point, (fit.x, fit.y), fit.degrees, fit.scale)

    return replace(
        anchors,
        head=moved(anchors.head),
        head_radius=anchors.head_radius * fit.scale,
        neck=moved(anchors.neck),
        neck_width=anchors.neck_width * fit.scale,
        top=moved(anchors.top),
        eye=moved(anchors.eye),
    )


def leg_of(
    hip: Point, knee: Point, foot: Point, width: float, paw: float, turn: float = 0.0
) -> Leg:
    """A leg that is thicker at the hip, with a paw that points forward.

    Args:
        hip: where it begins.
        knee: the control point of its curve.
        foot: where it ends.
        width: at the ankle.
        paw: half its length; 0 for a hoof or, below a thick leg, a flat foot.
        turn: of the paw, clockwise.
    """
    paths = [limb([hip, knee, foot], width)]
    # A wedge from the hip down to the knee makes a thigh of it.
    middle = (
        (hip[0] + 2 * knee[0] + foot[0]) / 4,
        (hip[1] + 2 * knee[1] + foot[1]) / 4,
    )
    paths.append(limb([hip, middle], 1.25 * width))
    if paw:
        offset = spun((0.3 * paw, 0.0), foot, turn)
        paths.append(ellipse(*offset, paw, 3.7, turn))
    elif width > 9:
        sole = box(-0.56 * width, -4, 0.68 * width, 0.5 * width, 2.5)
        paths.append(placed(sole, *foot, turn))
    else:
        hoof = outline(
            ("M", -0.5 * width, -3.5),
            ("L", 0.5 * width, -3.5),
            ("L", 0.8 * width, 3.6),
            ("L", -0.6 * width, 3.6),
        )
        paths.append(placed(hoof, *foot, turn))
    return Leg(path=joined(*paths), foot=foot, paw=paw)


def draw_legs(brush: Brush, legs: Sequence[Leg], sock: str | None, high: float, dim: float) -> None:
    """Legs with an outline of their own, and socks."""
    for leg in legs:
        brush.part(leg.path, "main", dim=dim)
        draw_socks(brush, (leg,), sock, high, dim)


def draw_socks(
    brush: Brush, legs: Sequence[Leg], sock: str | None, high: float, dim: float = 0.0
) -> None:
    """Paws, or legs up to a height, in another colour.

    Args:
        brush: what to draw with.
        legs: drawn already.
        sock: colour, or None for none.
        high: how far up from the foot.
        dim: darker on the far side.
    """
    if sock is None:
        return
    fill = darker(brush.colour(sock), dim) if dim else brush.colour(sock)
    for leg in legs:
        with brush.clipped(leg.path):
            area = ellipse(leg.foot[0] + 0.3 * leg.paw, leg.foot[1], leg.paw + 3 + 0.2 * high, high)
            brush.part(area, fill, outlined=False)
            brush.line(area, darker(fill, 0.35), 0.8)
        with brush.clipped(area):
            brush.line(leg.path, darker(fill, 0.62), OUTLINE)


def draw_coat(
    brush: Brush, stance: Stance, extra: Sequence[Path], sock: str | None, high: float
) -> Path:
    """Trunk, neck and near legs as one shape, with pattern, motif and socks.

    Args:
        brush: what to draw with.
        stance: of the animal.
        extra: further paths of the same shape: a neck, a head.
        sock: colour of the socks, or None.
        high: height of the socks.

    Returns:
        The shape.
    """
    shape = joined(stance.trunk, *extra, *(leg.path for leg in stance.near))
    edge = darker(brush.colour("main"), 0.62)
    brush.part(shape, "main", pattern=True)
    draw_socks(brush, stance.near, sock, high)
    if stance.haunch is not None:
        with brush.clipped(shape):
            brush.line(stance.haunch, darker(brush.colour("main"), 0.4), 1.4)
    brush.line(shape, edge, OUTLINE)
    draw_legs(brush, stance.before, sock, high, 0.0)
    return shape


def throat_of(stance: Stance, build: Build, share: float) -> Point:
    """The middle of the collar: from the head towards the shoulder, just below the head."""
    dx, dy = stance.shoulder[0] - stance.head[0], stance.shoulder[1] - stance.head[1]
    reach = share * build.head / max(1.0, math.hypot(dx, dy))
    return stance.head[0] + dx * reach, stance.head[1] + dy * reach


def draw_collar(brush: Brush, neck: Point, towards: Point, width: float, within: Path) -> None:
    """A collar in the third colour, across the neck.

    Args:
        brush: what to draw with.
        neck: middle of the collar.
        towards: the head; the collar lies across this direction.
        width: of the neck.
        within: the neck's shape.
    """
    across, along = towards[0] - neck[0], towards[1] - neck[1]
    size = math.hypot(across, along) or 1.0
    dx, dy = -along / size * width * 0.6, across / size * width * 0.6
    ends = ((neck[0] - dx, neck[1] - dy), (neck[0] + dx, neck[1] + dy))
    with brush.clipped(within):
        brush.part(limb(ends, 5.6), "third", shaded=False)


def features(brush: Brush, colour: str | Rgb) -> Rgb:
    """The colour of mouths and whiskers that shows on a coat."""
    coat = brush.colour(colour) if isinstance(colour, str) else colour
    return lighter(coat, 0.5) if sum(coat) < 240 else INK


def draw_eye(
    brush: Brush, x: float, y: float, radius: float, coat: str | Rgb, closed: bool = False
) -> None:
    """An eye; when closed, a lid in a colour that shows on the coat."""
    if closed:
        lid = outline(("M", x - radius, y), ("Q", x, y + 1.4 * radius, x + radius, y), close=False)
        brush.line(lid, features(brush, coat), 1.7)
    else:
        brush.eye(x, y, radius)


def draw_smile(brush: Brush, start: Point, dip: Point, end: Point, colour: Rgb) -> None:
    """A mouth from start to end."""
    brush.line(outline(("M", *start), ("Q", *dip, *end), close=False), colour, 1.4)
