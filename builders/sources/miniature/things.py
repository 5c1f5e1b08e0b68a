"""Identities of backpacks, cars, chairs, boots and umbrellas in; drawings and anchors out.

Of each class the docstring says what the six proportions and the three variants change.
"""

import itertools

from builders.sources.miniature.canvas import (
    Anchors,
    Brush,
    box,
    ellipse,
    limb,
    outline,
    thick,
)
from builders.sources.miniature.palette import INK, darker
from builders.sources.miniature.rigid import (
    cabin_of,
    emblem,
    gloss,
    lathe,
    sized,
    thing_anchors,
    wheel_at,
)

BRASS = (236, 204, 110)
GLASS = (176, 220, 242)


def draw_backpack(brush: Brush, action: str, phase: float) -> Anchors:
    """A backpack from the front; flap and pocket of the second colour, straps of the third.

    Proportions: width, height, spread of the bottom, depth of the flap, size of the grip, height of
    the pocket. Variants: a zip, a flap with two belts or a drawn-up sack; a wide pocket, two small
    ones or a round one; side pouches, shoulder straps or a rolled mat on top.
    """
    p, (closing, pocket, extra) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(21, p[0], 0.17), sized(52, p[1], 0.13)
    low, grip = wide * (1.02 + 0.14 * p[2]), sized(8, p[4], 0.35)
    flap, depth = sized(0.34, p[3], 0.25) * high, sized(0.34, p[5], 0.2) * high
    top = -high - 1
    # The grip starts above the ruff of a sack.
    root, across = top + (4 if closing < 2 else -5), 0.36 * wide
    bow = ("C", -across, root - 1.5 * grip - 4, across, root - 1.5 * grip - 4, across, root)
    brush.part(thick(outline(("M", -across, root), bow, close=False), 4.5), "third")
    peak = root - 1.1 * grip - 5
    for side in (-1, 1):
        if extra == 0:
            inner, outer = sorted((side * (low - 6), side * (low + 7)))
            brush.part(box(inner, -0.42 * high, outer, -3, 5), "third")
        elif extra == 1:
            strap = ("C", side * (wide + 10), top + 6, side * (low + 9), -6, side * (low - 4), -6)
            line = outline(("M", side * (wide - 6), top + 10), strap, close=False)
            brush.part(thick(line, 5), "third")
    if closing == 2:
        body = lathe(
            (0.62 * wide, top),
            (0.72 * wide, top + 5),
            (wide, top + 0.36 * high),
            (low, -12),
            (low * 0.9, 0),
            sag=0.5,
        )
    else:
        body = outline(
            ("M", -low + 5, 0),
            ("Q", -low, 0, -low, -6),
            ("L", -wide, top + 0.34 * high),
            ("C", -wide, top - 3, wide, top - 3, wide, top + 0.34 * high),
            ("L", low, -6),
            ("Q", low, 0, low - 5, 0),
        )
    brush.part(body, "main", pattern=True)
    if closing == 0:
        seam = outline(
            ("M", -wide, top + flap), ("Q", 0, top + flap + 5, wide, top + flap), close=False
        )
        with brush.clipped(body):
            brush.line(seam, "second", 5)
            brush.line(seam, darker(brush.colour("second"), 0.5), 1)
        brush.part(box(0.5 * wide, top + flap, 0.5 * wide + 4, top + flap + 9, 1.8), "third")
    elif closing == 1:
        lid = lathe(
            (0.6 * wide, top - 2),
            (1.04 * wide, top + 0.5 * flap),
            (0.98 * wide, top + flap),
            sag=2.5,
        )
        brush.part(lid, "second")
        for x in (-0.5 * wide, 0.5 * wide):
            brush.part(box(x - 2.6, top + 0.45 * flap, x + 2.6, top + flap + 8, 1.5), "third")
            brush.part(box(x - 3.4, top + flap + 1, x + 3.4, top + flap + 6, 1.2), BRASS)
    else:
        gather = box(-0.74 * wide, top + 3, 0.74 * wide, top + 8, 2.5)
        ruff = outline(
            ("M", -0.7 * wide, top + 4),
            ("L", -0.95 * wide, top - 5),
            ("Q", 0, top - 9, 0.95 * wide, top - 5),
            ("L", 0.7 * wide, top + 4),
        )
        brush.part(ruff, "second")
        brush.part(gather, "third")
    if extra == 2:
        brush.part(box(-wide * 1.12, top - 8, wide * 1.12, top + 4, 6), "third")
        brush.part(ellipse(wide * 1.12 - 4, top - 2, 3.6, 5), darker(brush.colour("third"), 0.25))
        for x in (-0.45 * wide, 0.45 * wide):
            brush.part(box(x - 2, top - 8.5, x + 2, top + 6, 1.5), "second")
        peak = min(peak, top - 8)
    where = -0.5 * depth - 4
    if pocket == 0:
        front = box(-0.76 * low, -depth - 4, 0.76 * low, -4, 5)
    elif pocket == 1:
        for side in (-1, 1):
            left, right = sorted((side * 2, side * 0.84 * low))
            brush.part(box(left, -depth - 2, right, -4, 4), "second")
            brush.part(box(left - 0.6, -depth - 4, right + 0.6, -0.66 * depth - 2, 2.5), "third")
        emblem(brush, 0, -depth - 10.5, 5.8, body)
        return thing_anchors((0, peak), 2 * wide, -high / 2)
    else:
        front = ellipse(0, where - 1, 0.68 * low, 0.62 * depth)
    brush.part(front, "second")
    if brush.identity.motif == "none":
        zipper = outline(
            ("M", -0.5 * low, where - 3), ("Q", 0, where, 0.5 * low, where - 3), close=False
        )
        brush.line(zipper, "third", 2.6)
    brush.motif(0, where - 0.4, min(7.5, 0.42 * depth), within=front)
    return thing_anchors((0, peak), 2 * wide, -high / 2)


def draw_car(brush: Brush, action: str, phase: float) -> Anchors:
    """A car in profile; the cabin is of the second colour, hubs and bumpers of the third.

    Proportions: length, height of the body, size of the wheels, height of the cabin, its length,
    size of the bumpers. Variants: a round roof, a van or a pickup; plain, spoked or ringed hubs;
    luggage on the roof, a fin behind or a plain back with a stripe along the side.
    """
    p, (cabin, hubs, extra) = brush.identity.proportions, brush.identity.variants
    half, high = sized(30, p[0], 0.1), sized(19, p[1], 0.2)
    wheel, roof = sized(8.6, p[2], 0.2), sized(18, p[3], 0.22)
    span, bumper = sized(0.56, p[4], 0.17) * half, sized(4, p[5], 0.35)
    base, floor = -wheel - high + 3, -wheel + 1.5
    top = base - roof
    left, right = (-0.18 - 0.1 * (cabin == 1)) * half - span, 0.02 * half + span
    with brush.moved(0, 0, scale=1.04):
        if extra == 1:
            fin = outline(
                ("M", -half + 2, base + 6),
                ("L", -half - 4, base - 11),
                ("L", -half + 5, base - 11),
                ("L", -half + 13, base + 4),
            )
            brush.part(fin, "third")
        shape = cabin_of(cabin, left, right, base + 2, top)
        brush.part(shape, "second")
        panes = cabin_of(cabin, left + 4.5, right - 4.5, base, top + 4)
        brush.part(panes, GLASS, shaded=False)
        pillar = (left + right) / 2 - 0.5 + (5 if cabin == 2 else 0)
        with brush.clipped(panes):
            brush.spot(box(pillar - 1.8, top, pillar + 1.8, base + 1), "second")
            shine = outline(
                ("M", right - 13, base),
                ("L", right - 5, top),
                ("L", right - 2, top),
                ("L", right - 10, base),
            )
            brush.spot(shine, (255, 255, 255), 130)
        if extra == 0:
            middle = (left + right) / 2 + (4 if cabin == 2 else 0)
            width = 0.3 * (right - left)
            brush.part(box(middle - width, top - 7, middle + width, top + 1, 2), "third")
            brush.line(limb([(middle, top - 6.5), (middle, top)], 0.1), "second", 2.6)
        nose = 0.42 * high
        body = outline(
            ("M", -half, floor),
            ("C", -half - 2, base + 1, -half, base, -half + 9, base),
            ("L", 0.45 * half, base),
            ("C", 0.9 * half, base, half + 2, base + nose, half, floor),
        )
        brush.part(body, "main", pattern=True)
        front, rear = 0.58 * half, -0.6 * half
        if extra == 2:
            with brush.clipped(body):
                stripe = box(-half - 4, floor - 5.5, half + 4, floor - 2)
                brush.spot(stripe, "third")
            brush.line(body, darker(brush.colour("main"), 0.62), 1.5)
        gloss(brush, box(-0.8 * half, base + 1.8, 0.45 * half, base + 3.6, 0.9), body, alpha=110)
        emblem(brush, -0.02 * half, base + 0.5 * high, 0.4 * high, body)
        for end in (-1, 1):
            tip = end * (half - 1)
            brush.part(
                box(tip - bumper, floor - 1.4 - 0.5 * bumper, tip + bumper, floor + 2.5, 2.2),
                "third",
            )
        brush.part(ellipse(0.9 * half, base + nose + 2.5, 3, 3.4), (255, 236, 150))
        brush.part(box(-half - 0.5, base + 4, -half + 3, base + 9, 1.2), (206, 40, 40))
        for x in (rear, front):
            brush.spot(ellipse(x, -wheel, wheel + 2, wheel + 2), darker(brush.colour("main"), 0.7))
            wheel_at(brush, x, wheel, hubs)
    return thing_anchors((pillar, 1.04 * top), right - left, base)


def draw_chair(brush: Brush, action: str, phase: float) -> Anchors:
    """A chair from the front; the seat is of the second colour, the legs of the third.

    Proportions: width, height of the back, length of the legs, how far the back widens to the top,
    thickness of the seat, thickness of the legs. Variants: back square, oval or of two boards;
    straight legs, legs with balls or splayed ones; with a rung, with arms or with a thick cushion.
    """
    p, (back, legs, extra) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(18.5, p[0], 0.18), sized(34, p[1], 0.15)
    leg, flare = sized(20, p[2], 0.22), 1.0 + 0.17 * p[3]
    seat, width = sized(6.5, p[4], 0.35), sized(6, p[5], 0.25)
    near, rim = -leg, 1.2 * wide
    far = near - seat - 5
    top = far - high + 2
    splay = 6 if legs == 2 else 0
    for side in (-1, 1):
        foot = (side * (0.72 * wide + 0.5 * splay), -6.5)
        behind = limb([(side * 0.72 * wide, near), foot], 0.85 * width)
        brush.part(behind, "third", dim=0.35)
    if extra == 0:
        brush.part(box(-0.95 * rim, -0.52 * leg - 2, 0.95 * rim, -0.52 * leg + 2, 1.5), "third")
    for side in (-1, 1):
        foot = (side * (rim - 4 + splay), -0.5 * width)
        brush.part(limb([(side * (rim - 4), near), foot], width), "third")
        if legs == 1:
            x, size = side * (rim - 4), 0.72 * width
            brush.part(ellipse(x, -0.6 * leg, size + 0.6, size), "third")
            brush.part(ellipse(x, -size, size + 0.6, size), "third")
    for side in (-1, 1):
        posts = limb([(side * 0.72 * wide, far + 4), (side * 0.76 * flare * wide, top + 4)], width)
        brush.part(posts, "third")
    if back == 0:
        rest = lathe(
            (0.9 * flare * wide, top),
            (1.02 * flare * wide, top + 5),
            (0.98 * wide, far - 8),
            (0.9 * wide, far - 5),
            sag=1,
        )
        centre = top + 0.45 * (high - 6)
    elif back == 1:
        rest = ellipse(0, top + 0.45 * high, wide * (0.6 + 0.5 * flare), 0.53 * high)
        centre = top + 0.45 * high
    else:
        lower = box(-0.94 * wide, far - 0.34 * high, 0.94 * wide, far - 0.34 * high + 7, 3)
        brush.part(lower, "main", pattern=True)
        rest = lathe(
            (flare * wide, top),
            (1.1 * flare * wide, top + 4),
            (1.02 * wide, top + 0.48 * high),
            sag=1,
        )
        centre = top + 0.26 * high
        for side in (-1, 1):
            brush.part(ellipse(side * 0.8 * flare * wide, top - 2.4, 3.6, 3.6), "third")
    brush.part(rest, "main", pattern=True)
    emblem(brush, 0, centre, 8 if back < 2 else min(8, 0.23 * high), rest)
    surface = outline(
        ("M", -wide, far), ("L", wide, far), ("L", rim, near - seat), ("L", -rim, near - seat)
    )
    brush.part(surface, "second")
    brush.part(box(-rim, near - seat, rim, near + 1.5, 2.5), "second", dim=0.16)
    if extra == 2:
        cushion = box(-1.08 * wide, far - 4.5, 1.08 * wide, near - seat + 2, 5)
        brush.part(cushion, "main", pattern=True)
        brush.line(
            outline(("M", -wide, far + 3), ("Q", 0, far + 6, wide, far + 3), close=False),
            "third",
            1.8,
        )
    elif extra == 1:
        for side in (-1, 1):
            arm = far - 0.34 * high
            brush.part(
                limb([(side * (rim - 1), near - seat), (side * (rim - 0.5), arm)], width), "third"
            )
            brush.part(
                limb([(side * 0.95 * wide, arm - 3), (side * (rim + 1), arm)], width + 1), "second"
            )
    return thing_anchors((0, top), 2 * wide, far)


def draw_boot(brush: Brush, action: str, phase: float) -> Anchors:
    """One big boot, toe to the right; cuff and toe of the second colour, sole of the third.

    Proportions: width of the shaft, its height, length of the foot, height of the toe, depth of the
    cuff, thickness of the sole. Variants: a straight, furry or pointed cuff; laces, a buckled belt
    or two straps; a flat sole, a heel or a tread.
    """
    p, (cuff, fastening, sole) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(26, p[0], 0.16), sized(60, p[1], 0.12)
    foot, toe = sized(24, p[2], 0.24), sized(19, p[3], 0.22)
    trim, under = sized(10, p[4], 0.3), sized(6.5, p[5], 0.3)
    lift = under + (4 if sole == 1 else 0)
    left = -(wide + foot) / 2
    front, tip = left + wide, left + wide + foot
    top = -high
    body = outline(
        ("M", left, top + 4),
        ("L", front, top + 4),
        ("C", front, -lift - 1.5 * toe, front + 1, -lift - toe - 3, front + 7, -lift - toe - 1),
        ("C", tip + 2, -lift - toe + 1, tip + 2, -lift - 5, tip, -lift + 1),
        ("L", left + 1, -lift + 1),
        ("C", left - 3, -lift - 8, left + 4, -lift - 14, left, top + 4),
    )
    if sole == 1:
        heel = outline(
            ("M", left - 1, -lift - 1),
            ("L", left + 0.62 * wide, -lift - 1),
            ("L", left + 0.5 * wide, 0),
            ("L", left, 0),
        )
        brush.part(heel, "third", dim=0.15)
        bottom = outline(
            ("M", left - 1, -lift - 2), ("L", tip + 2, -lift - 2), ("Q", tip + 3, 0, tip - 4, 0),
            ("L", front - 0.05 * wide, 0), ("Q", left + 0.7 * wide, -lift + 3, left - 1, -lift + 3),
        )  # fmt: skip
    else:
        bottom = box(left - 3, -lift - 2, tip + 3, 0, 3)
    brush.part(body, "main", pattern=True)
    with brush.clipped(body):
        cap = ellipse(tip, -lift + 1, 0.66 * foot, toe * 0.98)
        brush.part(cap, "second")
    brush.line(body, darker(brush.colour("main"), 0.62), 1.5)
    brush.part(bottom, "third")
    if sole == 2:
        for step in range(5):
            x = left + 2 + step * (wide + foot - 4) / 4
            brush.spot(box(x - 1.6, -2.6, x + 1.6, 0.4), INK)
    middle = top + trim + max(0.5 * (high - trim - lift - toe), 10.0)
    if fastening == 0:
        for row in range(3):
            y = top + trim + 6 + row * 0.26 * (high - trim - lift - 4)
            x = front - 1 + (2 if row == 2 else 0)
            brush.part(limb([(x - 7, y + 2), (x + 1, y - 2)], 3.6), "third", shaded=False)
    elif fastening == 1:
        y = -lift - toe - 2
        brush.part(box(left + 0.5, y - 3, front + 3.5, y + 4, 2), "third")
        brush.part(box(front - 11, y - 4.5, front - 2, y + 5.5, 1.6), BRASS)
        brush.spot(box(front - 8.6, y - 2, front - 4.4, y + 3), darker(brush.colour("third"), 0.3))
    else:
        for y in (top + trim + 5, -lift - toe - 2):
            brush.part(box(front - 10, y - 3.2, front + 3.5, y + 3.8, 3), "third")
    emblem(brush, left + 0.41 * wide, middle + 1, 7, body)
    if cuff == 1:
        size = wide / 6 + 2.2
        brush.part(box(left - 2, top + size, front + 2, top + trim + 2, 3), "second")
        for tuft in (0, 3, 1, 2):
            at = left + (tuft + 0.5) * wide / 4
            brush.part(ellipse(at, top + 0.5 * trim, size, 0.5 * trim + 1.5), "second")
    elif cuff == 2:
        halfway = left + 0.5 * wide
        peak = outline(
            ("M", left - 2, top + trim), ("L", left - 3, top - 4),
            ("Q", left + 0.3 * wide, top - 1, halfway, top + 5),
            ("Q", left + 0.7 * wide, top - 1, front + 3, top - 4), ("L", front + 2, top + trim),
            ("Q", halfway, top + trim + 4, left - 2, top + trim),
        )  # fmt: skip
        brush.part(peak, "second")
    else:
        brush.part(box(left - 3, top, front + 3, top + trim, 3.5), "second")
    return thing_anchors((left + wide / 2, top), wide, middle)


def draw_umbrella(brush: Brush, action: str, phase: float) -> Anchors:
    """An open umbrella; hem and tip are of the second colour, stick and handle of the third.

    Proportions: width, height of the canopy, depth of the scallops, size of the tip, size of the
    handle, length of the stick. Variants: canopy a dome, a pagoda or a bell; handle a hook to the
    right, a wide crook to the left or a square hook; hem plain, broad or with beads on the ribs.
    """
    p, (shape, hook, hem) = brush.identity.proportions, brush.identity.variants
    wide, high = sized(30.5, p[0], 0.11), sized(26 if shape < 2 else 28, p[1], 0.2)
    scallop, tip = sized(5, p[2], 0.5), sized(4.6, p[3], 0.45)
    grip, stick = sized(6.2, p[4], 0.28), sized(28.5, p[5], 0.13)
    floor = -2.6
    edge = floor - stick
    top = edge - high
    brush.part(ellipse(0, edge - 1, 0.95 * wide, 0.75 * scallop + 2), "main", dim=0.5, shaded=False)
    brush.part(box(-1.9, edge - 2, 1.9, -grip - 3, 1), "third")
    turn = -1 if hook == 1 else 1
    size = grip * (1.3 if hook == 1 else 1.0)
    if hook == 2:
        bend: tuple[tuple[float | str, ...], ...] = (
            ("L", 0, floor),
            ("L", 1.9 * size, floor),
            ("L", 1.9 * size, -size - 2),
        )
    else:
        low = floor - 0.15 * size + 1
        bend = (
            (
                "C",
                0,
                low + 0.3 * size,
                turn * 2 * size,
                low + 0.3 * size,
                turn * 2 * size,
                -size - 2,
            ),
        )
    line = outline(("M", 0, -0.42 * stick), ("L", 0, -size - 2), *bend, close=False)
    brush.part(thick(line, 5.2), "third")
    brush.part(lathe((1.2, top - tip - 2), (2.6, top + 2)), "second")

    if shape == 0:
        ribs = (0.98, 0.28, 0.56, 0.0)
    elif shape == 1:
        ribs = (0.55, 0.52, 0.2, 0.3)
    else:
        ribs = (1.0, 0.75, 0.85, -0.04)
    # Along a rib: control points at (a, b) near the edge and (c, d) near the tip, as shares.
    near_x, far_x = ribs[0] * wide, ribs[2] * wide
    near_y, far_y = edge - ribs[1] * high, top + ribs[3] * high
    joints = (wide, 0.4 * wide, -0.4 * wide, -wide)
    dip = edge - 2 * scallop + 1
    scallops = [
        ("Q", (start + end) / 2, dip, end, edge + (1.5 if end > -wide else 0.0))
        for start, end in itertools.pairwise(joints)
    ]
    canopy = outline(
        ("M", -wide, edge),
        ("C", -near_x, near_y, -far_x, far_y, 0, top),
        ("C", far_x, far_y, near_x, near_y, wide, edge),
        *scallops,
    )
    brush.part(canopy, "main", pattern=True)
    lower = outline(("M", wide, edge), *scallops, close=False)
    with brush.clipped(canopy):
        brush.line(lower, "second", 13 if hem == 1 else 6.5)
    dark = darker(brush.colour("main"), 0.5)
    for x in (-0.4, 0.4):
        curve = ("C", x * near_x, near_y, x * far_x, far_y, 0, top)
        rib = outline(("M", x * wide, edge + 1), curve, close=False)
        brush.line(rib, dark, 1.3)
    brush.line(canopy, darker(brush.colour("main"), 0.62), 1.5)
    emblem(brush, 0, top + (0.62 if shape == 1 else 0.46) * high, 7, canopy)
    if hem == 2:
        for x in joints:
            brush.part(ellipse(x, edge + 2.2, 3.2, 3.2), "third")
    return thing_anchors((0, top), 0.8 * wide, edge)
