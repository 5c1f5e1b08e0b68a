"""Measures and an action in; how a four-legged animal holds itself out."""

import skia

from builders.sources.miniature.canvas import Path, ellipse, outline
from builders.sources.miniature.quadruped_parts import Build, Leg, Stance, joined, leg_of, placed


def standing(build: Build, phase: float, paw: float) -> Stance:
    """On four straight legs."""
    length, depth, leg, width = build.length, build.depth, build.leg, build.thickness
    middle, swing = -leg - depth, 1.5 * phase
    back, front = -length + 0.55 * width, length - 0.55 * width

    def pair(x: float, shift: float, bend: float) -> Leg:
        foot = (x + shift, -_sole(width))
        return leg_of((x, middle + 1), (x + bend, -0.5 * leg - 2), foot, width, paw)

    inwards = 1.05 * width
    return Stance(
        trunk=_barrel(length, depth, middle),
        far=(pair(back + inwards, -swing, -3), pair(front - inwards, swing, 1)),
        near=(pair(back, swing, -3), pair(front, -swing, 1)),
        shoulder=(0.72 * length, middle - 0.35 * depth),
        head=(length - 1, middle - depth - 0.5 * build.head),
        tilt=0.0,
        tail=(-0.93 * length, middle - 0.45 * depth),
        side=(-0.12 * length, middle - 0.05 * depth),
    )


def running(build: Build, phase: float, paw: float) -> Stance:
    """In full stretch: hind legs far back, fore legs far ahead, the body low and leaning."""
    length, depth, leg, width = build.length, 0.9 * build.depth, build.leg, build.thickness
    middle, stride = -0.92 * leg - depth - 2, 2.0 * phase
    reach = 0.72 * leg
    low, high = -_sole(width) - 1, -0.42 * leg - 5
    hind, fore = (-0.74 * length, middle + 3), (0.72 * length, middle + 1)
    return Stance(
        trunk=placed(_barrel(1.06 * length, depth, 0.0), 0, middle, -7),
        far=(
            leg_of(hind, (-0.5 * length, low - 7), (-length + 5 - stride, low), width, paw, 18),
            leg_of(fore, (length - 2, low - 9), (length + 1 + stride, low), width, paw, -8),
        ),
        near=(
            leg_of(
                hind,
                (-length + 1, low - 9),
                (-length - reach - stride, low - 2),
                width,
                paw,
                52,
            ),
            leg_of(
                fore,
                (length + 3, 0.7 * high),
                (length + 0.95 * reach + stride, high),
                width,
                paw,
                -22,
            ),
        ),
        shoulder=(0.72 * length, middle - 0.5 * depth),
        head=(length + 0.3 * build.head, middle - 0.9 * depth - 0.45 * build.head),
        tilt=-6.0,
        tail=(-0.97 * length, middle + 0.0 * depth),
        side=(-0.1 * length, middle - 0.05 * depth),
    )


def sitting(build: Build, phase: float, paw: float) -> Stance:
    """Upright on the haunches, fore legs straight."""
    length, depth, width = build.length, build.depth, build.thickness
    top = build.leg + 1.1 * depth + 7
    trunk = outline(
        ("M", -0.9 * length, -1.5),
        ("C", -1.45 * length, -1.7 * depth, -0.62 * length, -0.85 * top, 0.02 * length, -top),
        ("Q", 0.4 * length, -top - 4, 0.72 * length, -top),
        ("C", 0.98 * length, -0.7 * top, 0.86 * length, -0.3 * top, 0.55 * length, -1.5),
    )
    thigh, lean = 0.62 * depth + 5, 0.6 * phase

    def fore(x: float) -> Leg:
        return leg_of((x - 2, -0.62 * top), (x, -0.3 * top), (x + lean, -_sole(width)), width, paw)

    foot = (-0.08 * length, -3.7)
    haunch = ellipse(-0.5 * length, -thigh, 0.2 * length + 6, thigh - 1, 12)
    hind = Leg(path=ellipse(*foot, paw + 2.5, 3.9), foot=(foot[0] + 2, foot[1]), paw=paw + 2)
    return Stance(
        trunk=joined(trunk, haunch),
        far=(fore(0.62 * length + 0.8 * width),),
        near=(fore(0.52 * length),),
        shoulder=(0.36 * length, -0.86 * top),
        head=(0.45 * length + 1, -top - 0.5 * build.head),
        tilt=0.0,
        tail=(-0.92 * length, -5.0),
        side=(-0.08 * length, -0.55 * top),
        haunch=haunch,
        before=(hind,),
    )


def sleeping(build: Build, paw: float) -> Stance:
    """Curled up flat on the ground, the head on it."""
    length, depth, width = build.length, build.depth, build.thickness
    high = 1.25 * depth + 0.3 * build.leg
    trunk = outline(
        ("M", -1.2 * length, -1),
        (
            "C",
            -1.75 * length,
            -0.95 * high,
            -1.0 * length,
            -1.3 * high,
            -0.3 * length,
            -1.25 * high,
        ),
        ("C", 0.5 * length, -1.2 * high, 1.15 * length, -0.8 * high, 1.1 * length, -1),
    )
    haunch = ellipse(-0.8 * length, -0.44 * high, 0.36 * length, 0.44 * high - 0.5, -8)
    foot = (-0.3 * length, -3.8)
    hind = Leg(path=ellipse(*foot, paw + 2.5, 3.8), foot=(foot[0] + 2, foot[1]), paw=paw + 2)
    stretched = (1.0 * length + build.head + 1, -3.6)
    fore = leg_of((0.5 * length, -5), (0.9 * length, -4.5), stretched, width - 0.5, paw)
    return Stance(
        trunk=joined(trunk, haunch),
        far=(),
        near=(),
        shoulder=(0.4 * length, -0.7 * high),
        head=(0.82 * length, -0.98 * build.head - 1.5),
        tilt=7.0,
        tail=(-1.18 * length, -5.0),
        side=(-0.42 * length, -0.78 * high),
        haunch=haunch,
        before=(hind, fore),
    )


def stance_of(build: Build, action: str, phase: float, paw: float) -> Stance:
    """The stance of dogs, cats and elephants for an action.

    Args:
        build: the measures.
        action: standing, sitting, running or sleeping.
        phase: of the stride.
        paw: half the length of a paw.
    """
    if action == "sitting":
        return sitting(build, phase, paw)
    if action == "running":
        return running(build, phase, paw)
    if action == "sleeping":
        return sleeping(build, paw)
    return standing(build, phase, paw)


def _sole(width: float) -> float:
    """How far the middle of a foot is above the ground."""
    return max(3.6, 0.5 * width)


def _barrel(length: float, depth: float, middle: float) -> Path:
    """A trunk: round rump on the left, deep chest on the right, a slight waist."""
    curves = (
        (-1.06, -1.1, -0.6, -1.06, 0.0, -0.95),
        (0.5, -0.9, 1.05, -1.3, 1.08, -0.05),
        (1.06, 1.2, 0.5, 1.1, 0.0, 0.92),
        (-0.5, 0.78, -1.02, 1.15, -1.04, 0.0),
    )
    made = skia.Path()
    made.moveTo(-1.04 * length, middle)
    for curve in curves:
        made.cubicTo(
            *(
                share * length if place % 2 == 0 else middle + share * depth
                for place, share in enumerate(curve)
            )
        )
    made.close()
    return made
