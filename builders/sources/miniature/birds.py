"""A brush and an action in; a bird, a duck or a penguin, drawn, and where it wears things out.

The six sliders of a bird: width, height, legs and wings, head, crest and beak, tail. Of a duck:
length, height, neck and wings, head, bill, tail. Of a penguin: width, height, flippers, head, beak,
feet.
"""

from builders.sources.miniature.canvas import (
    Anchors,
    Brush,
    box,
    ellipse,
    limb,
    outline,
    thick,
)
from builders.sources.miniature.palette import Rgb
from builders.sources.miniature.plumage import (
    draw_beak,
    draw_bill,
    draw_bird_leg,
    draw_bird_tail,
    draw_crest,
    draw_duck_crown,
    draw_duck_tail,
    draw_folded_wing,
    draw_raised_wing,
    draw_webbed_foot,
)
from builders.sources.miniature.swimmers import carried, joined, overlap

PALE: tuple[tuple[str, Rgb], ...] = (
    ("white", (250, 248, 244)),
    ("cream", (246, 226, 190)),
    ("", (206, 222, 238)),
)
"""What the belly of a penguin may be, in this order: it must differ from body and motif."""


def draw_bird(brush: Brush, action: str, phase: float) -> Anchors:
    """A songbird with a crest and a long tail, standing or flying.

    Variants: crest (feathers, comb, plume), tail (long, forked, fan), beak (short, hooked, long).
    """
    width, height, limbs, head, crest, tail = brush.identity.proportions
    crest_kind, tail_kind, beak_kind = brush.identity.variants
    rx, ry = 15 * (1 + 0.2 * width), 17 * (1 + 0.17 * height)
    radius = 12.2 * (1 + 0.17 * head)
    tail_length = 27 * (1 + 0.28 * tail)
    flying = action == "flying"
    if flying:
        cx, cy, lean = -1.0, -1.05 * rx - 6, 68.0
        hx, hy = cx + 0.95 * ry, cy - 0.62 * rx
        tail_at, tail_turn = (cx - 0.55 * ry, cy + 0.1 * rx), -14.0 - 4 * phase
        tail_length *= 0.95
    else:
        leg = 9 * (1 + 0.35 * limbs)
        cx, cy, lean = -1.0, -leg - ry + 2, 17.0
        hx, hy = cx + 0.42 * rx, cy - 0.86 * ry - 0.22 * radius
        tail_at, tail_turn = (cx - 0.52 * rx, cy + 0.36 * ry), -24.0
        for far, x in ((True, 4.5), (False, -3.0)):
            draw_bird_leg(brush, x, cy + 0.7 * ry, far=far)

    wing = 33 * (1 + 0.18 * limbs)
    if flying:
        with brush.moved(cx + 5, cy - 0.5 * rx, degrees=-4 + 7 * phase):
            draw_raised_wing(brush, wing, far=True)
        # Feet drawn up, trailing.
        with brush.moved(cx - 4, cy + 0.8 * rx, degrees=20):
            brush.part(limb([(0, 0), (-8, 2)], 3.4), "third")
    with brush.moved(*tail_at, degrees=tail_turn):
        draw_bird_tail(brush, tail_kind, tail_length)
    draw_crest(brush, crest_kind, hx, hy, radius, 11 * (1 + 0.3 * crest))

    body = joined(ellipse(cx, cy, rx, ry, lean), ellipse(hx, hy, radius, 0.98 * radius))
    brush.part(body, "main", pattern=True)
    mx, my = (cx + 0.28 * ry, cy + 0.2 * rx) if flying else (cx + 0.5 * rx, cy + 0.18 * ry)
    brush.motif(mx, my, 6.6, within=body)
    if flying:
        with brush.moved(cx - 1, cy - 0.3 * rx, degrees=-52 - 8 * phase):
            draw_raised_wing(brush, wing, far=False)
    else:
        with brush.moved(cx - 0.3 * rx, cy - 0.25 * ry, degrees=-52):
            draw_folded_wing(brush, 25 * (1 + 0.2 * limbs), 0.72 * rx)

    length = 9.5 * (1 + 0.3 * crest)
    draw_beak(brush, beak_kind, hx + 0.86 * radius, hy + 1.5, length)
    ex, ey = hx + 0.32 * radius, hy - 0.12 * radius
    brush.spot(ellipse(hx + 0.1 * radius, hy + 0.5 * radius, 3.4, 2.6), "third", 210)
    brush.eye(ex, ey, 0.34 * radius)
    return Anchors(
        head=(hx, hy),
        head_radius=radius,
        neck=(hx - 1, hy + 0.9 * radius),
        neck_width=1.5 * radius,
        top=(hx, hy - radius),
        gaze=0,
        eye=(ex, ey),
    )


def draw_duck(brush: Brush, action: str, phase: float) -> Anchors:
    """A duck: a long body low on the ground and a broad flat bill; standing or flying.

    Variants: crown (smooth, curl, crest), tail (curl, point, fan), colours of head and neck (a
    ring, a hood, a crown stripe).
    """
    width, height, neck, head, bill, tail = brush.identity.proportions
    crown, tail_kind, dress = brush.identity.variants
    half, deep = 20 * (1 + 0.16 * width), 13 * (1 + 0.2 * height)
    radius = 11.4 * (1 + 0.16 * head)
    flying = action == "flying"
    stretch = 1 + 0.45 * neck
    cx = -6.0
    if flying:
        cy = -deep - 5
        hx, hy = cx + 0.95 * half + 5 * stretch, cy - 0.35 * deep - 7 * stretch
    else:
        cy = -deep - 4.5
        hx, hy = cx + 0.74 * half, cy - deep - 10 * stretch
        for far, x in ((True, cx + 7), (False, cx - 1)):
            draw_webbed_foot(brush, x, cy + 0.8 * deep, far=far)
    wing = 34 * (1 + 0.14 * neck)
    if flying:
        with brush.moved(cx + 4, cy - 0.5 * deep, degrees=-6 + 7 * phase):
            draw_raised_wing(brush, wing, far=True)
        for y in (2.0, -2.0):
            foot = outline(("M", 6, y - 2), ("L", -6, y - 1), ("L", -9, y + 5), ("L", 6, y + 2))
            with brush.moved(cx - 0.75 * half, cy + 0.62 * deep, degrees=-4):
                brush.part(foot, "third", dim=0.2 if y < 0 else 0.0)
    draw_duck_tail(brush, tail_kind, cx - 0.86 * half, cy - 0.15 * deep, 13 * (1 + 0.35 * tail))

    hull = outline(
        ("M", cx + 1.02 * half, cy - 0.1 * deep),
        ("C", cx + 1.02 * half, cy + 0.7 * deep, cx + 0.5 * half, cy + deep, cx, cy + deep),
        (
            "C",
            cx - 0.7 * half,
            cy + deep,
            cx - 1.1 * half,
            cy + 0.3 * deep,
            cx - 1.2 * half,
            cy - 0.62 * deep,
        ),
        (
            "C",
            cx - 0.8 * half,
            cy - 0.4 * deep,
            cx - 0.6 * half,
            cy - 0.85 * deep,
            cx - 0.1 * half,
            cy - 0.9 * deep,
        ),
        (
            "C",
            cx + 0.5 * half,
            cy - deep,
            cx + 1.02 * half,
            cy - 0.8 * deep,
            cx + 1.02 * half,
            cy - 0.1 * deep,
        ),
    )
    skull = ellipse(hx, hy, 1.04 * radius, radius)
    throat = limb([(cx + 0.52 * half, cy), (hx - 2, cy - 0.8 * deep), (hx - 1, hy)], 1.25 * radius)
    body = joined(hull, throat, skull)
    draw_duck_crown(brush, crown, hx, hy, radius)
    brush.part(body, "main", pattern=True)
    ring_y = hy + 0.98 * radius
    if dress == 1:
        brush.part(overlap(body, box(-90, hy - 3 * radius, 90, ring_y, 0)), "second")
    elif dress == 2:
        cap = overlap(skull, ellipse(hx - 3, hy - 0.95 * radius, 1.3 * radius, 0.72 * radius))
        brush.part(cap, "second")
    else:
        ring = limb(
            [(hx - 1.2 * radius, ring_y - 1), (hx - 1, ring_y + 2.5), (hx + radius, ring_y - 1)],
            4.4,
        )
        brush.part(overlap(throat, ring), "third")
    brush.motif(cx + 0.5 * half, cy + 0.12 * deep, 6.8, within=body)
    if flying:
        with brush.moved(cx - 2, cy - 0.25 * deep, degrees=-52 - 8 * phase):
            draw_raised_wing(brush, wing, far=False)
    else:
        with brush.moved(cx - 0.18 * half, cy - 0.2 * deep, degrees=4):
            draw_folded_wing(brush, 22 * (1 + 0.2 * neck), 0.62 * deep)
    draw_bill(brush, hx + 0.72 * radius, hy + 2, 14 * (1 + 0.28 * bill))
    ex, ey = hx + 0.3 * radius, hy - 0.2 * radius
    brush.eye(ex, ey, 0.34 * radius)
    return Anchors(
        head=(hx, hy),
        head_radius=radius,
        neck=(hx - 1, hy + 1.05 * radius),
        neck_width=1.35 * radius,
        top=(hx, hy - radius),
        gaze=0,
        eye=(ex, ey),
    )


def draw_penguin(brush: Brush, action: str, phase: float) -> Anchors:
    """A penguin from the front: standing, jumping (flippers up), or asleep on its belly.

    Variants: head (smooth, brows, tuft), face (two lobes, one mask, cheeks), flippers (paddle,
    pointed, with a trim).
    """
    if action == "sleeping":
        return _sleeping_penguin(brush)
    width, height, flippers, head, _, feet = brush.identity.proportions
    jumping = action == "jumping"
    x, y, degrees = (-5.0, -2.0, 21.0 + 3 * phase) if jumping else (0.0, 0.0, 1.5 * phase)
    rx = 17.5 * (1 + 0.19 * width) * (0.92 if jumping else 1.0)
    tall = 42 * (1 + 0.13 * height) * (1.02 if jumping else 1.0)
    radius = 13.6 * (1 + 0.15 * head)
    hy = -tall - 0.42 * radius
    with brush.moved(x, y, degrees=degrees):
        for side in (-1, 1):
            size = 8 * (1 + 0.3 * feet)
            turn = 62 if jumping else 0
            foot = ellipse(
                side * 0.45 * rx + (0 if jumping else 1.5 * side), -2.6, size, 3.8, side * turn
            )
            brush.part(foot, "third")
        for side in (-1, 1):
            up = (128.0 + 12 * phase) if jumping else 24.0
            with brush.moved(side * 0.78 * rx, -0.74 * tall, degrees=-side * up):
                _flipper(brush, 24 * (1 + 0.27 * flippers), side)
        trunk = outline(
            ("M", 0, -2),
            ("C", -1.35 * rx, -2, -1.2 * rx, -0.62 * tall, -0.68 * radius, -tall),
            ("L", 0.68 * radius, -tall),
            ("C", 1.2 * rx, -0.62 * tall, 1.35 * rx, -2, 0, -2),
        )
        body = joined(trunk, ellipse(0, hy, 1.06 * radius, radius))
        _tuft(brush, hy, radius)
        brush.part(body, "main", pattern=True)
        belly = outline(
            ("M", 1.5, -5),
            ("C", -0.95 * rx, -5, -0.85 * rx, -0.6 * tall, -0.25 * rx, -0.8 * tall),
            ("Q", 1.5, -0.88 * tall, 0.25 * rx + 3, -0.8 * tall),
            ("C", 0.85 * rx + 3, -0.6 * tall, 0.95 * rx + 3, -5, 1.5, -5),
        )
        brush.part(overlap(belly, body), _pale(brush), pattern=True)
        brush.motif(1.5, -0.42 * tall, 7.6, within=belly)
        _penguin_face(brush, 1.5, hy, radius, asleep=False)
    anchors = Anchors(
        head=(0, hy),
        head_radius=radius,
        neck=(0, hy + radius),
        neck_width=1.6 * radius,
        top=(0, hy - radius),
        gaze=1,
        eye=(1.5, hy - 0.08 * radius),
    )
    return carried(anchors, x, y, degrees)


def _sleeping_penguin(brush: Brush) -> Anchors:
    width, height, flippers, head, _, feet = brush.identity.proportions
    high, half = 27 * (1 + 0.19 * width), 25 * (1 + 0.13 * height)
    radius = 12.8 * (1 + 0.15 * head)
    cx = -7.0
    hx, hy = cx + 0.86 * half, -radius - 0.5
    size = 7.5 * (1 + 0.3 * feet)
    for y, dim in ((-8.5, 0.25), (-4.0, 0.0)):
        brush.part(ellipse(cx - half - 0.3 * size, y, size, 3.4, -12), "third", dim=dim)
    back = outline(
        ("M", cx - half - 2, -3),
        ("C", cx - 0.9 * half, -0.95 * high, cx, -1.15 * high, cx + 0.6 * half, -0.95 * high),
        ("C", cx + 1.1 * half, -0.8 * high, cx + 1.15 * half, -1, cx + 0.8 * half, -1),
        ("L", cx - 0.8 * half, -1),
    )
    brush.part(back, "main", pattern=True)
    belly = overlap(back, ellipse(cx - 0.02 * half, 0, 0.92 * half, 0.62 * high))
    brush.part(belly, _pale(brush), pattern=True)
    brush.motif(cx - 0.22 * half, -0.29 * high, 6.2, within=belly)
    with brush.moved(cx + 0.1 * half, -0.82 * high, degrees=68):
        _flipper(brush, 19 * (1 + 0.27 * flippers), -1)
    with brush.moved(hx, 0):
        _tuft(brush, hy, radius)
    brush.part(ellipse(hx, hy, 1.1 * radius, radius), "main", pattern=True)
    _penguin_face(brush, hx + 1.5, hy, radius, asleep=True)
    return Anchors(
        head=(hx, hy),
        head_radius=radius,
        neck=(hx - 0.9 * radius, hy + 0.6 * radius),
        neck_width=1.3 * radius,
        top=(hx, hy - radius),
        gaze=1,
        eye=(hx + 1.5, hy - 0.08 * radius),
    )


def _pale(brush: Brush) -> Rgb:
    taken = (brush.identity.main, brush.identity.third)
    return next(colour for name, colour in PALE if name not in taken)


def _penguin_face(brush: Brush, x: float, y: float, radius: float, *, asleep: bool) -> None:
    brow, face, _ = brush.identity.variants
    pale = _pale(brush)
    if face == 0:
        lobes = [ellipse(x + s * 0.42 * radius, y, 0.48 * radius, 0.58 * radius) for s in (-1, 1)]
        chin = ellipse(x, y + 0.4 * radius, 0.62 * radius, 0.42 * radius)
        brush.part(joined(*lobes, chin), pale, outlined=False, shaded=False)
    elif face == 1:
        mask = ellipse(x, y + 0.22 * radius, 0.82 * radius, 0.66 * radius)
        brush.part(mask, pale, outlined=False, shaded=False)
    else:
        for side in (-1, 1):
            # Closed lids must show on a dark head.
            lid = ellipse(x + side * 0.42 * radius, y - 0.06 * radius, 0.42 * radius, 0.4 * radius)
            brush.part(lid, pale, outlined=False, shaded=False)
            cheek = ellipse(x + side * 0.66 * radius, y + 0.52 * radius, 4.4, 4.4, side * 20)
            brush.part(
                overlap(cheek, ellipse(x - 1.5, y, 1.06 * radius, radius)), "third", outlined=False
            )
    for side in (-1, 1):
        brush.eye(x + side * 0.42 * radius, y - 0.08 * radius, 0.27 * radius, closed=asleep)
        if brow == 1:
            plume = outline(
                ("M", x + side * 0.18 * radius, y - 0.46 * radius),
                (
                    "Q",
                    x + side * 0.6 * radius,
                    y - 0.86 * radius,
                    x + side * 1.34 * radius,
                    y - 0.72 * radius,
                ),
                close=False,
            )
            brush.part(thick(plume, 3.4), "third")
    size = 5.4 * (1 + 0.3 * brush.identity.proportions[4])
    nose = outline(
        ("M", x - 1.05 * size, y + 2.2),
        ("Q", x, y - 0.2 * size, x + 1.05 * size, y + 2.2),
        ("Q", x + 0.5 * size, y + 2.6 + 0.9 * size, x, y + 2.4 + 1.25 * size),
        ("Q", x - 0.5 * size, y + 2.6 + 0.9 * size, x - 1.05 * size, y + 2.2),
    )
    brush.part(nose, "third")


def _tuft(brush: Brush, y: float, radius: float) -> None:
    """Three feathers on the crown of a penguin of that kind."""
    if brush.identity.variants[0] != 2:
        return
    for tip in (-7.0, 0.0, 7.0):
        feather = outline(
            ("M", -3.5, y - 0.85 * radius),
            ("Q", tip - 1, y - radius - 4, tip, y - radius - 9 + 0.3 * abs(tip)),
            ("Q", tip + 2, y - radius - 2, 3.5, y - 0.85 * radius),
        )
        brush.part(feather, "second")


def _flipper(brush: Brush, length: float, side: int) -> None:
    """A flipper that hangs from the origin; `side` is where its outer edge is."""
    kind = brush.identity.variants[2]
    wide = 5.6 if kind == 1 else 7.2
    end = 0.0 if kind == 1 else 3.5
    path = outline(
        ("M", -side * 4, -3),
        ("C", side * wide, -4, side * 1.2 * wide, 0.6 * length, side * end, length),
        ("Q", -side * (end + 1), length + end, -side * (0.6 * wide), 0.6 * length),
        ("Q", -side * 5, 0.3 * length, -side * 4, -3),
    )
    brush.part(path, "second")
    if kind == 2:
        brush.part(overlap(path, box(-20, 0.68 * length, 20, 2 * length)), "third")
