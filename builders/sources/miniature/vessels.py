"""Identities of mugs, teapots, vases, clocks and lamps in; their drawings and anchors out.

Of each class the docstring says what the six proportions and the three variants change.
"""

import math

from builders.sources.miniature.canvas import (
    Anchors,
    Brush,
    box,
    ellipse,
    heart,
    limb,
    outline,
    paint,
    thick,
)
from builders.sources.miniature.palette import INK, darker, lighter
from builders.sources.miniature.rigid import (
    emblem,
    flower,
    gloss,
    lathe,
    loop_handle,
    sized,
    thing_anchors,
)

COCOA = (92, 54, 34)
LEAF = (62, 140, 70)
CREAM_TOP = (252, 247, 238)
DIAL = (250, 247, 238)
LIT = (255, 236, 166)


def draw_mug(brush: Brush, action: str, phase: float) -> Anchors:
    """A mug of cocoa; the handle is of the second colour, rim and foot of the third.

    Proportions: width, height, width of the foot, flare of the rim, reach of the handle, thickness
    of the handle. Variants: handle round, square or drop; a thin rim, a broad band or a heap of
    cream; flat, on a saucer or on a foot.
    """
    p, (handle, rim, base) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(20, p[0], 0.18), sized(44 if rim == 2 else 49, p[1], 0.17)
    foot, mouth = wide * (0.82 + 0.17 * p[2]), wide * (1.02 + 0.13 * p[3])
    reach, width = sized(14.5, p[4], 0.3), sized(6.8, p[5], 0.28)
    lift = (2.5, 5.0, 7.0)[base]
    top = -high - lift
    with brush.moved(-reach / 2, 0):
        if base == 1:
            brush.part(ellipse(0, -4.5, wide + 10, 5.0), "third")
            brush.spot(ellipse(0, -5.6, wide + 5, 2.6), darker(brush.colour("third"), 0.3))
        elif base == 2:
            brush.part(lathe((foot * 0.7, -9), (foot * 0.62, -6), (foot * 1.05, -1.5)), "third")
        brush.part(
            loop_handle(wide * 0.86, top + 0.2 * high, top + 0.76 * high, reach, width, handle),
            "second",
        )
        body = lathe(
            (mouth, top), (wide, top + 0.35 * high), (foot * 1.04, -lift - 3), (foot * 0.93, -lift),
            sag=2.4,
        )  # fmt: skip
        brush.part(body, "main", pattern=True)
        if rim == 1:
            with brush.clipped(body):
                brush.part(
                    lathe((mouth + 3, top - 2), (wide + 3, top + 10), sag=4.5),
                    "third",
                    shaded=False,
                )
        emblem(brush, 0, top + (0.6 if rim == 1 else 0.55) * high, 8, body)
        streak = -0.72 if brush.light_from < 0 else 0.5
        gloss(brush, box(wide * streak, top + 9, wide * streak + 4, -lift - 8, 2), body, alpha=80)
        brush.part(ellipse(0, top, mouth, 5.2), "third")
        brush.spot(ellipse(0, top + 0.3, mouth - 3, 3.4), darker(brush.colour("main"), 0.35))
        brush.spot(ellipse(0, top + 1.1, mouth - 4, 2.6), COCOA)
        if rim == 2:
            for x, y, size in ((-0.42, -3.5, 0.46), (0.42, -3.5, 0.46), (0, -7.5, 0.46)):
                brush.part(ellipse(x * mouth, top + y, size * mouth, 6.2), CREAM_TOP)
            brush.part(ellipse(1.5, top - 14, 4, 4), "third")
            top -= 16
    return thing_anchors((-reach / 2, top), 2 * mouth, -lift - high / 2)


def draw_teapot(brush: Brush, action: str, phase: float) -> Anchors:
    """A teapot, spout to the right; lid and handle of the second colour, knob of the third.

    Proportions: width, height, height of the feet, size of the lid, reach of the handle, length of
    the spout. Variants: handle a loop, square or an arch over the lid; lid a dome with a ball, a
    cone, or flat with a heart; body round, a pear or a barrel on ball feet.
    """
    p, (handle, lid, base) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(21.5, p[0], 0.17), sized(39, p[1], 0.16)
    foot, cover = sized(4.5, p[2], 0.6), sized(0.56, p[3], 0.28) * wide
    reach, spout = sized(9.5, p[4], 0.35), sized(12, p[5], 0.35)
    top, middle = -foot - high, -foot - 0.47 * high
    # Without a handle behind, the arch leaves room on the left.
    with brush.moved((reach - spout) / 2 if handle < 2 else -spout / 2, 0):
        if handle == 2:
            peak = 1.4 * reach + 14
            arch = ("C", -wide * 1.3, top - peak, wide * 1.3, top - peak, wide * 0.72, top + 5)
            line = outline(("M", -wide * 0.72, top + 5), arch, close=False)
            brush.part(thick(line, 5.5), "second")
        else:
            with brush.moved(-wide * 0.8, 0):
                loop = loop_handle(0, top + 0.2 * high, top + 0.74 * high, -reach - 3, 6.2, handle)
                brush.part(loop, "second")
        tip, mouth = wide + spout, top + 0.1 * high
        brush.part(
            outline(
                ("M", wide * 0.7, middle - 4),
                ("Q", wide + 0.4 * spout, middle - 3, tip - 5, mouth - 1),
                ("L", tip + 3, mouth + 2),
                ("Q", wide + 0.75 * spout, middle + 12, wide * 0.6, middle + 0.32 * high),
            ),
            "main",
        )
        brush.part(limb([(tip - 5.5, mouth - 0.5), (tip + 3.5, mouth + 3)], 4.2), "third")
        if base == 2:
            for x in (-0.6, 0, 0.6):
                brush.part(ellipse(x * wide, -foot * 0.6 - 1, 4.6, foot * 0.6 + 1), "third")
        else:
            brush.part(box(-0.62 * wide, -foot - 4, 0.62 * wide, 0, 2.5), "third")
        if base == 0:
            body = ellipse(0, middle - 0.03 * high, wide * 1.04, high / 2)
        elif base == 1:
            body = lathe(
                (0.5 * wide, top), (0.74 * wide, top + 0.28 * high),
                (1.06 * wide, top + 0.6 * high), (1.1 * wide, top + 0.82 * high),
                (0.8 * wide, -foot), sag=1,
            )  # fmt: skip
        else:
            body = box(-wide, top + 1, wide, -foot, 9)
        brush.part(body, "main", pattern=True)
        emblem(brush, 0, middle + 1, 8, body)
        streak = -0.62 if brush.light_from < 0 else 0.62
        gloss(brush, ellipse(streak * wide, middle - 0.2 * high, 2.4, 6, 18), body)
        peak = top - (7, 13, 4)[lid] * (1 + 0.3 * p[3])
        if lid == 0:
            hat = outline(
                ("M", -cover, top + 4),
                ("C", -cover, peak - 2, cover, peak - 2, cover, top + 4),
                ("Q", 0, top + 8, -cover, top + 4),
            )
        elif lid == 1:
            hat = outline(
                ("M", -cover, top + 4),
                ("Q", -0.3 * cover, top - 1, 0, peak),
                ("Q", 0.3 * cover, top - 1, cover, top + 4),
                ("Q", 0, top + 8, -cover, top + 4),
            )
        else:
            hat = box(-cover * 1.2, peak, cover * 1.2, top + 5, 3)
        brush.part(hat, "second")
        knob = sized(4.2, p[3], 0.2)
        brush.part(
            heart(0, peak - knob, 1.3 * knob)
            if lid == 2
            else ellipse(0, peak - knob * 0.6, knob, knob),
            "third",
        )
    return thing_anchors((0, peak - 2 * knob), 2 * wide, middle)


def draw_vase(brush: Brush, action: str, phase: float) -> Anchors:
    """A vase with three flowers; lip and handles of the second colour, flowers of the third.

    Proportions: width, height, width of the foot, size of the flowers, width of the neck, length of
    the stems. Variants: a bottle, an urn or a beaker; daisies, tulips or round blossoms; plain,
    with two handles, or on a broad foot.
    """
    p, (shape, kind, trim) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(16.5, p[0], 0.2), sized(38, p[1], 0.14)
    foot, size = sized(0.62, p[2], 0.3) * wide, sized(7.6, p[3], 0.25)
    neck, stem = sized(7, p[4], 0.3), sized(14, p[5], 0.28)
    lift = 5.0 if trim == 2 else 0.0
    top = -high - lift
    # The middle flower is drawn last, before its neighbours.
    for x, reach in ((-13, 0.55), (13, 0.55), (0, 1.0)):
        at = x * (0.75 + size / 30), top - stem * reach - 2
        brush.part(limb([(0, top + 6), (0.35 * x, top - 6), at], 2.6), LEAF, outlined=False)
        if x:
            leaf = outline(
                ("M", 0, top + 4),
                ("Q", x * 1.1, top - 1, x * 1.5, top - 7),
                ("Q", x * 0.5, top - 9, 0, top + 1),
            )
            brush.part(leaf, LEAF)
        flower(brush, *at, size, kind)
    if trim == 1:
        for side in (-1, 1):
            loop = loop_handle(
                side * wide * 0.6, top + 6, top + 0.6 * high, side * wide * 0.66, 4.4, 0
            )
            brush.part(loop, "second")
    elif trim == 2:
        brush.part(
            lathe((foot * 0.8, -8), (foot * 0.9, -5), (foot * 1.7, -2), (foot * 1.7, 0)), "second"
        )
    mouth = neck
    if shape == 0:
        body = lathe(
            (neck, top), (neck * 0.9, top + 0.2 * high), (wide * 1.02, top + 0.62 * high),
            (foot * 1.1, -lift - 2), (foot, -lift), sag=1,
        )  # fmt: skip
        centre = 0.64
    elif shape == 1:
        body = lathe(
            (neck * 1.1, top), (neck * 0.95, top + 0.1 * high), (wide * 1.1, top + 0.36 * high),
            (foot * 1.05, -lift - 5), (foot, -lift), sag=1,
        )  # fmt: skip
        centre = 0.42
    else:
        mouth = 0.6 * wide + neck * 0.7
        body = lathe(
            (mouth, top), (wide * 0.84, top + 0.35 * high), (wide * 0.8, top + 0.7 * high),
            (foot * 1.2, -lift), sag=1,
        )  # fmt: skip
        centre = 0.5
    brush.part(body, "main", pattern=True)
    emblem(brush, 0, top + centre * high, 7.5, body)
    streak = -0.6 if brush.light_from < 0 else 0.55
    gloss(brush, ellipse(streak * wide, top + (centre - 0.06) * high, 1.9, 5.5, 8), body)
    brush.part(box(-mouth - 2, top - 2.5, mouth + 2, top + 3.5, 2.6), "second")
    return thing_anchors((0, top), 2 * neck + 4, top + 0.3 * high)


def draw_clock(brush: Brush, action: str, phase: float) -> Anchors:
    """An alarm clock; bells of the second colour, feet, hands and motif of the third.

    Proportions: width, height, length of the feet, size of the bells, distance of the bells, size
    of the dial. Variants: a round, square or eight-sided case; two bells with a hammer, two with a
    carrying arch, or one big bell; slanting feet, ball feet or a plinth.
    """
    p, (case, bells, feet) = brush.identity.proportions, brush.identity.variants
    rx, ry = sized(23, p[0], 0.15), sized(21.5, p[1], 0.13)
    foot, bell = sized(6, p[2], 0.5), sized(8.5, p[3], 0.25)
    apart, face = sized(0.58, p[4], 0.25) * rx, sized(0.72, p[5], 0.12)
    y = -foot - ry
    top = y - ry
    for side in (-1, 1):
        if feet == 0:
            start = (side * 0.5 * rx, y + 0.7 * ry)
            brush.part(limb([start, (side * 0.78 * rx, -3)], 6.5), "third")
        elif feet == 1:
            brush.part(ellipse(side * 0.55 * rx, -foot * 0.9, foot * 0.8 + 2, foot * 0.9), "third")
    if feet == 2:
        plinth = outline(
            ("M", -0.6 * rx, y + 0.7 * ry),
            ("L", 0.6 * rx, y + 0.7 * ry),
            ("L", rx, 0),
            ("L", -rx, 0),
        )
        brush.part(plinth, "third")
    peak = top - bell - 5
    if bells == 1:
        arch = ("C", -apart, peak - 6, apart, peak - 6, apart, top - 2)
        brush.part(thick(outline(("M", -apart, top - 2), arch, close=False), 4.5), "third")
    if bells == 2:
        brush.part(box(-2.5, top - 4, 2.5, top + 4), "third")
        dome = outline(
            ("M", -1.7 * bell, top),
            ("C", -1.6 * bell, top - 1.9 * bell, 1.6 * bell, top - 1.9 * bell, 1.7 * bell, top),
        )
        brush.part(dome, "second")
        peak = top - 1.42 * bell
        brush.part(ellipse(0, peak - 2, 3.6, 3.6), "third")
    else:
        if bells == 0:
            brush.part(limb([(0, top + 2), (0, peak + 4)], 3.5), "third", shaded=False)
            brush.part(box(-5, peak, 5, peak + 6, 2), "third")
        for side in (-1, 1):
            # A half dome that leans outwards.
            with brush.moved(
                side * apart,
                top + (0.0 if case == 1 else 0.24 * ry * apart / rx) - 1,
                degrees=side * 32,
            ):
                dome = outline(
                    ("M", -bell, 0), ("C", -bell, -1.6 * bell, bell, -1.6 * bell, bell, 0)
                )
                brush.part(limb([(0, 2), (0, 8)], 3.5), "third", shaded=False)
                brush.part(dome, "second")
    if case == 0:
        body = ellipse(0, y, rx, ry)
    elif case == 1:
        body = box(-rx * 0.95, y - ry * 0.96, rx * 0.95, y + ry * 0.98, 7)
    else:
        cut = 0.42
        body = outline(
            ("M", -cut * rx, y - ry), ("L", cut * rx, y - ry), ("L", rx, y - cut * ry),
            ("L", rx, y + cut * ry), ("L", cut * rx, y + ry), ("L", -cut * rx, y + ry),
            ("L", -rx, y + cut * ry), ("L", -rx, y - cut * ry),
        )  # fmt: skip
    brush.part(body, "main", pattern=True)
    dx, dy = face * rx, face * ry
    pale = brush.identity.third in ("white", "cream")
    brush.part(ellipse(0, y, dx, dy), LIT if pale else DIAL)
    for hour in range(12):
        if hour == 6 and brush.identity.motif != "none":
            continue
        angle = hour * math.tau / 12
        dot = 1.7 if hour % 3 == 0 else 0.8
        brush.spot(
            ellipse(0.83 * dx * math.sin(angle), y - 0.83 * dy * math.cos(angle), dot, dot), INK
        )
    brush.motif(0, y + 0.53 * dy, 6)
    # Ten past ten: both hands are up, so that they leave the motif free.
    brush.line(limb([(0, y), (-0.46 * dx, y - 0.36 * dy)], 0.1), INK, 3)
    brush.line(limb([(0, y), (0.4 * dx, y - 0.56 * dy)], 0.1), INK, 2.4)
    brush.spot(ellipse(0, y, 2.4, 2.4), "third")
    return thing_anchors((0, peak), 1.4 * rx, y)


def draw_lamp(brush: Brush, action: str, phase: float) -> Anchors:
    """A table lamp, lit; the stem is of the second colour, base and trim of the third.

    Proportions: width of the shade, its height, width of the base, how far the shade tapers, bulge
    of the stem, length of stem and cord. Variants: shade a cone, a dome or a drum; stem a pole, a
    gourd or three balls; base a disc, steps or three feet.
    """
    p, (shade, stem, base) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(26, p[0], 0.18), sized(32, p[1], 0.17)
    foot, taper = sized(15, p[2], 0.28), sized(0.5, p[3], 0.3)
    bulge, pole = sized(1, p[4], 0.3), sized(22, p[5], 0.25)
    floor = -7.0
    lower = floor - pole
    top = lower - high
    if base == 0:
        brush.part(ellipse(0, -4, foot * 1.1, 4.5), "third")
    elif base == 1:
        brush.part(box(-foot, -5, foot, 0, 1.5), "third")
        brush.part(box(-0.62 * foot, -10, 0.62 * foot, -4.5, 1.5), "third")
    else:
        for side in (-1, 1):
            brush.part(
                limb([(0, floor - 4), (side * 0.7 * foot, -10), (side * foot, -2.5)], 5), "third"
            )
        brush.part(limb([(0, floor - 4), (0, -2.5)], 5), "third")
    if stem == 0:
        brush.part(box(-2.8 * bulge, lower - 6, 2.8 * bulge, floor + 2, 1.5), "second")
    elif stem == 1:
        brush.part(box(-3, lower - 6, 3, floor + 2), "second")
        gourd = ellipse(0, floor - 0.42 * pole, 10.5 * bulge, 0.42 * pole)
        brush.part(gourd, "second")
    else:
        brush.part(box(-2, lower - 4, 2, floor + 2), "second")
        for part in (0.82, 0.5, 0.18):
            brush.part(ellipse(0, floor - part * pole, 6.6 * bulge, pole * 0.18), "second")
    brush.part(ellipse(0, lower, wide * 0.96, 4.2), LIT)
    crown = taper * wide
    if shade == 0:
        body = lathe((crown, top), (wide, lower), sag=3.4)
    elif shade == 1:
        body = outline(
            ("M", -wide, lower),
            ("C", -wide, lower - 0.6 * high, -crown * 1.2, top, 0, top),
            ("C", crown * 1.2, top, wide, lower - 0.6 * high, wide, lower),
            ("Q", 0, lower + 6.8, -wide, lower),
        )
    else:
        crown = (0.55 + 0.6 * taper) * wide
        body = lathe((crown, top), (wide * 0.92, lower), sag=3.4)
    brush.part(body, "main", pattern=True)
    with brush.clipped(body):
        edge = outline(
            ("M", -wide - 2, lower - 1.5), ("Q", 0, lower + 5.3, wide + 2, lower - 1.5), close=False
        )
        brush.line(edge, "third", 4.5)
        # The bulb shines through.
        bulb = ellipse(0, lower - 0.25 * high, 0.55 * wide, 0.32 * high)
        brush.picture.drawPath(bulb, paint(LIT, alpha=90, blur=5))
    brush.line(body, darker(brush.colour("main"), 0.62), 1.5)
    emblem(brush, 0, top + 0.52 * high, 8, body)
    brush.part(ellipse(0, top - 2, 3.6, 3.6), "third")
    cord = sized(9, p[5], 0.4)
    brush.part(
        limb([(0.55 * wide, lower + 2), (0.55 * wide, lower + cord)], 1.2),
        lighter(INK, 0.2),
        shaded=False,
    )
    brush.part(ellipse(0.55 * wide, lower + cord + 2, 2.8, 2.8), "third")
    return thing_anchors((0, top - 5), 2 * crown, lower)
