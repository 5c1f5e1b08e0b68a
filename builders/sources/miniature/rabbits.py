"""A brush, an action and a phase in; a drawn rabbit and its anchors out."""

from dataclasses import replace

from builders.sources.miniature.canvas import Anchors, Brush, Path, Point, ellipse, limb, outline
from builders.sources.miniature.palette import darker
from builders.sources.miniature.quadruped_parts import (
    DIM,
    PINK,
    Build,
    Fit,
    Leg,
    Stance,
    build_of,
    draw_coat,
    draw_collar,
    draw_fitted,
    draw_legs,
    draw_smile,
    features,
    joined,
    leg_of,
    placed,
    spun,
    throat_of,
)

SKULL = 11.5
"""The head is drawn with this radius and scaled."""


def draw_rabbit(brush: Brush, action: str, phase: float) -> Anchors:
    """A rabbit with very long ears, a round body and a cotton tail.

    Sliders: length, depth, feet, head, ears, tail. Variants: ears up, one folded or both hanging;
    light belly, ruff or dark rump; light muzzle and paws, eye patch, or dark nose and ear tips.

    Args:
        brush: with the identity.
        action: standing (upright on its hind legs), sitting or jumping.
        phase: of the stride.
    """
    # Hanging ears leave room above: the whole rabbit is larger.
    scale = 1.1 if brush.identity.variants[0] == 2 else 0.96
    return draw_fitted(brush, Fit(x=0.0, scale=scale), lambda: _rabbit(brush, action, phase))


def _rabbit(brush: Brush, action: str, phase: float) -> Anchors:
    identity = brush.identity
    _, fur, marking = identity.variants
    build = build_of(identity, length=18.5, depth=13.5, leg=9, thickness=7.2, head=12.8)
    stance = {"standing": _standing, "jumping": _jumping}.get(action, _sitting)(build, phase)
    sock, high = (None if marking == 1 else "second"), 6.0 if marking == 0 else 8.0
    draw_legs(brush, stance.far, sock, high, DIM)
    tail = 6.0 * build.tail
    x, y = stance.tail
    puff = joined(
        ellipse(x - 0.3 * tail, y, tail, tail),
        ellipse(x + 0.2 * tail, y - 0.6 * tail, 0.8 * tail, 0.8 * tail),
        ellipse(x - 0.7 * tail, y + 0.5 * tail, 0.7 * tail, 0.7 * tail),
    )
    brush.part(puff, "second")
    scale = build.head / SKULL
    with brush.moved(*stance.head, degrees=stance.tilt, scale=scale):
        _ear(brush, build.ear, action, far=True)
    neck = limb([stance.shoulder, stance.head], 1.2 * build.head)
    # The legs before the trunk come later: fur and motif lie under them.
    shape = draw_coat(brush, replace(stance, before=()), [neck], sock, high)
    _fur(brush, fur, stance, build, shape)
    brush.motif(*stance.side, 6.6, shape)
    draw_legs(brush, stance.before, sock, high, 0.0)
    throat = throat_of(stance, build, 1.0)
    draw_collar(brush, throat, stance.head, 1.5 * build.head, shape)
    with brush.moved(*stance.head, degrees=stance.tilt, scale=scale):
        _head(brush)
        _ear(brush, build.ear, action, far=False)
    return Anchors(
        head=stance.head,
        head_radius=build.head,
        neck=throat,
        neck_width=1.6 * build.head,
        top=(stance.head[0], stance.head[1] - build.head),
        gaze=0,
        eye=spun((4.2, -2.2), stance.head, stance.tilt, scale),
    )


def _long_foot(foot: Point, size: float, turn: float = 0.0) -> Leg:
    """A hind foot."""
    return Leg(path=ellipse(*foot, size, 4.0, turn), foot=foot, paw=size)


def _sitting(build: Build, phase: float) -> Stance:
    """A loaf: round, close to the ground."""
    length, depth, width = build.length, build.depth, build.thickness
    high = 2.0 * depth + 0.35 * build.leg
    trunk = outline(
        ("M", -0.95 * length, -1),
        ("C", -1.75 * length, -0.6 * high, -0.95 * length, -1.12 * high, -0.15 * length, -high),
        ("C", 0.6 * length, -0.98 * high, 1.15 * length, -0.6 * high, 0.95 * length, -1),
    )
    haunch = ellipse(-0.42 * length, -0.34 * high, 0.52 * length, 0.33 * high)
    size = 0.62 * build.leg + 4
    fore = leg_of((0.66 * length, -0.4 * high), (0.8 * length, -8), (0.8 * length + phase, -3.6),
                  width - 1, 4.4)  # fmt: skip
    return Stance(
        trunk=trunk,
        far=(leg_of((0.9 * length, -9), (1.0 * length, -7), (1.05 * length, -3.6), width, 4.0),),
        near=(fore,),
        shoulder=(0.45 * length, -0.75 * high),
        head=(0.72 * length, -0.86 * high - 0.45 * build.head),
        tilt=0.0,
        tail=(-1.22 * length, -0.32 * high),
        side=(-0.38 * length, -0.7 * high),
        haunch=haunch,
        before=(_long_foot((-0.12 * length, -4.0), size),),
    )


def _standing(build: Build, phase: float) -> Stance:
    """Upright on the hind legs, fore paws before the chest."""
    length, depth, width = 0.8 * build.length, build.depth, build.thickness
    high = 1.6 * depth + 1.1 * build.leg
    trunk = outline(
        ("M", -0.7 * length, -2),
        ("C", -1.25 * length, -0.5 * high, -0.62 * length, -1.05 * high, 0.05 * length, -high - 1),
        ("C", 0.75 * length, -1.0 * high, 1.1 * length, -0.45 * high, 0.75 * length, -2),
    )
    size = 0.5 * build.leg + 3.4
    paw = leg_of((0.3 * length, -0.72 * high), (0.6 * length, -0.48 * high),
                 (1.0 * length, -0.6 * high + phase), width - 1.2, 3.8, -20)  # fmt: skip
    far = leg_of((0.6 * length, -0.78 * high), (1.0 * length, -0.6 * high),
                 (1.25 * length, -0.7 * high - phase), width - 1.2, 3.8, -20)  # fmt: skip
    return Stance(
        trunk=trunk,
        far=(far, _long_foot((0.62 * length, -4.2), size)),
        near=(),
        shoulder=(0.1 * length, -0.8 * high),
        head=(0.2 * length, -high - 0.5 * build.head),
        tilt=-4.0,
        tail=(-0.95 * length, -0.28 * high),
        side=(-0.12 * length, -0.42 * high),
        before=(_long_foot((0.15 * length, -4.0), size), paw),
    )


def _jumping(build: Build, phase: float) -> Stance:
    """In the middle of a leap: stretched, nose up, hind legs trailing."""
    length, depth, width = 1.02 * build.length, 0.86 * build.depth, build.thickness
    middle, reach = -18.0, 0.9 * build.leg
    trunk = ellipse(-1, middle, 1.12 * length, depth, -20)
    hind, fore = (-0.7 * length, middle + 5), (0.75 * length, middle - 1)
    return Stance(
        trunk=trunk,
        far=(
            leg_of(hind, (-length, -8), (-length - reach + 5, -2 - phase), width, 6.0, -35),
            leg_of(fore, (length + 3, -15), (length + reach + 3, -20 + phase), width - 1, 4.2, -10),
        ),
        near=(
            leg_of(hind, (-length, -9), (-length - reach - 3, -6 + phase), width + 0.6, 6.6, -35),
            leg_of(fore, (length, -11), (length + reach - 1, -13 - phase), width - 1, 4.2, 4),
        ),
        shoulder=(0.6 * length, middle - 6),
        head=(0.9 * length, middle - 0.75 * depth - 0.5 * build.head),
        tilt=-10.0,
        tail=(-1.08 * length, middle + 1),
        side=(-0.15 * length, middle + 1),
        haunch=ellipse(-0.6 * length, middle + 4, 0.42 * length, 0.75 * depth, -35),
    )


def _fur(brush: Brush, variant: int, stance: Stance, build: Build, shape: Path) -> None:
    """Light belly, ruff or dark rump, inside the shape."""
    bounds = stance.trunk.getBounds()
    left, wide, bottom, high = bounds.left(), bounds.width(), bounds.bottom(), bounds.height()
    if variant == 0:
        area = ellipse(left + 0.85 * wide, bottom - 0.3 * high, 0.24 * wide + 2, 0.42 * high, 8)
    elif variant == 1:
        area = ellipse(*throat_of(stance, build, 1.15), 1.05 * build.head, 0.75 * build.head)
    else:
        area = ellipse(left + 0.08 * wide, bottom - 0.3 * high, 0.36 * wide, 0.6 * high, -8)
    with brush.clipped(shape):
        brush.part(area, "second", outlined=False)
    with brush.clipped(area):
        brush.line(shape, darker(brush.colour("second"), 0.62), 1.5)


def _ear(brush: Brush, size: float, action: str, *, far: bool) -> None:
    """One ear of a head of radius 11.5."""
    ears, _, marking = brush.identity.variants
    long = 25.5 * size
    ear = outline(
        ("M", -3.5, 2),
        ("C", -6.5, -0.3 * long, -7, -0.9 * long, -1, -long),
        ("C", 6, -0.95 * long, 6, -0.3 * long, 3.5, 2),
    )
    lean = {"sitting": -24.0, "jumping": -62.0}.get(action, -7.0) + (16.0 if far else 0.0)
    root = (2.0, -8.5) if far else (-4.0, -8.0)
    if ears == 2:
        lean, root = (150.0, (6.0, -6.0)) if far else (202.0, (-5.0, -6.0))
        if action == "jumping":
            lean += 50.0 if not far else 35.0
    inside = placed(ear, 0.1, -0.12 * long, 0, 0.62)
    dim = DIM if far else 0.0
    if ears == 1 and not far:
        # Broken in the middle: the upper half hangs back.
        low, high = 0.5 * long, 0.62 * long
        stump = outline(("M", -3.5, 2), ("L", -6, -low), ("L", 5.5, -low), ("L", 3.5, 2))
        flap = outline(
            ("M", 5.5, -low + 1), ("C", 4, -low - 7, -6, -low - 7, -9, -low + 2),
            ("C", -14, -low + 6, -13, high - low - 2, -9, high - low),
            ("C", -4, high - low - 2, -2, -low + 6, 5.5, -low + 1),
        )  # fmt: skip
        brush.part(placed(stump, *root, lean), "main")
        brush.part(placed(flap, *root, lean), "second" if marking == 2 else "main")
        brush.part(
            placed(placed(flap, 3.4, low * 0.36, 0, 0.6), *root, lean), "third", outlined=False
        )
        return
    whole = placed(ear, *root, lean)
    brush.part(whole, "main", dim=dim)
    if marking == 2:
        with brush.clipped(whole):
            tip = spun((0, -long), root, lean)
            brush.part(ellipse(*tip, 0.42 * long, 0.42 * long), "second", dim=dim, outlined=False)
    if ears != 2:
        brush.part(placed(inside, *root, lean), "third", dim=dim, outlined=False)


def _head(brush: Brush) -> None:
    """The head about (0, 0), of radius 11.5, the nose to the right."""
    _, _, marking = brush.identity.variants
    head = joined(ellipse(0, 0, 11.8, 11.2), ellipse(6.5, 3.6, 7.6, 6.8))
    brush.part(head, "main", pattern=brush.identity.pattern in ("spotted", "patched"))
    muzzle = "main"
    with brush.clipped(head):
        if marking == 0:
            brush.part(ellipse(10, 5.5, 7.2, 6), "second", outlined=False)
            muzzle = "second"
        elif marking == 1:
            brush.part(ellipse(3.8, -3, 7.4, 7), "second", outlined=False)
        else:
            brush.part(ellipse(14, 2.5, 6, 6.5), "second", outlined=False)
            muzzle = "second"
    ink = features(brush, muzzle)
    brush.part(outline(("M", 11.4, 0), ("Q", 15.5, -1, 14.6, 2), ("Q", 13, 4, 11.4, 0)), PINK,
               shaded=False)  # fmt: skip
    draw_smile(brush, (13, 3.4), (11.6, 7.6), (7.6, 6.6), ink)
    brush.part(outline(("M", 9.6, 7.2), ("L", 12.4, 6.6), ("L", 12.2, 10.4), ("L", 9.8, 10.4)),
               (252, 250, 246), shaded=False)  # fmt: skip
    for drop in (-2.2, 1.2):
        whisker = limb([(8, 4), (-5, 4.5 + 2 * drop)], 0.9)
        brush.spot(whisker, ink, 150)
    brush.eye(4.2, -2.2, 3.7)
