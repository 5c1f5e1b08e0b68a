"""A brush, an action and a phase in; a drawn four-legged animal and its anchors out."""

from dataclasses import replace

from builders.sources.miniature.canvas import Anchors, Brush, Path, Point, ellipse, limb, outline
from builders.sources.miniature.palette import darker
from builders.sources.miniature.pets import draw_cat, draw_dog
from builders.sources.miniature.quadruped_parts import (
    DIM,
    Build,
    Fit,
    Stance,
    build_of,
    draw_coat,
    draw_fitted,
    draw_legs,
    draw_smile,
    draw_socks,
    features,
    leg_of,
    placed,
    spun,
    tapered,
)
from builders.sources.miniature.quadruped_stances import running, stance_of, standing
from builders.sources.miniature.rabbits import draw_rabbit

__all__ = ["draw_cat", "draw_dog", "draw_elephant", "draw_horse", "draw_rabbit"]

HORSE_SKULL, ELEPHANT_SKULL = 10.0, 15.0
"""Heads are drawn with these radii and scaled."""
HORSE_FITS = {
    "standing": Fit(x=-4.5, scale=0.91),
    "running": Fit(x=-4.5, scale=0.8),
    "jumping": Fit(x=3.0, y=-6.0, degrees=-18.0, scale=0.84),
}
ELEPHANT_FITS = {
    "standing": Fit(x=-7.5, scale=0.87),
    "sitting": Fit(x=-3.0, scale=0.92),
    "running": Fit(x=-7.0, scale=0.8),
}
TUSK = (250, 244, 226)


def draw_horse(brush: Brush, action: str, phase: float) -> Anchors:
    """A horse on long legs, its head in profile, with mane, halter and hooves.

    Sliders: length, depth, legs, head, mane and ears, tail. Variants: mane flowing, upright or in
    tufts; tail long, tied or raised; blaze and socks, dark muzzle and stockings, or light rump.

    Args:
        brush: with the identity.
        action: standing, running or jumping.
        phase: of the stride.
    """
    return draw_fitted(brush, HORSE_FITS[action], lambda: _horse(brush, action, phase))


def _horse_stance(build: Build, action: str, phase: float) -> Stance:
    """The stance, with the head high on a long neck."""
    if action == "standing":
        stance = standing(build, phase, 0.0)
        back = stance.shoulder[1]
        return replace(stance, head=(build.length + 7, back - 1.15 * build.head - 7), tilt=14.0)
    stance = running(build, phase, 0.0)
    length, back = build.length, stance.shoulder[1]
    stance = replace(stance, head=(length + 10, back - 0.8 * build.head - 4), tilt=2.0)
    if action == "running":
        return stance
    # Fore legs drawn up, hind legs stretched out.
    width, chest = build.thickness, back + 0.9 * build.depth
    reach = 0.55 * build.leg
    hind = (-0.74 * length, back + build.depth)

    def folded(x: float, drop: float) -> Point:
        return x, chest + drop

    return replace(
        stance,
        near=(
            leg_of(hind, (-length - 1, -14), (-length - reach, -4 - phase), width, 0.0, 40),
            leg_of(
                folded(0.7 * length, 2),
                folded(length + 1.25 * reach, 0),
                folded(length + 0.35 * reach, 15 + phase),
                width,
                0.0,
                55,
            ),
        ),
        far=(
            leg_of(hind, (-length + 3, -12), (-length - reach + 7, -2), width, 0.0, 40),
            leg_of(
                folded(0.8 * length, 0),
                folded(length + 2.0 * reach, -5),
                folded(length + 1.05 * reach, 9 - phase),
                width,
                0.0,
                45,
            ),
        ),
    )


def _horse(brush: Brush, action: str, phase: float) -> Anchors:
    identity = brush.identity
    mane, tail, marking = identity.variants
    build = build_of(identity, length=17, depth=9, leg=21, thickness=6.4, head=HORSE_SKULL)
    stance = _horse_stance(build, action, phase)
    sock, high = ("second", "second", None)[marking], (8.5, 15.0, 0.0)[marking]
    draw_legs(brush, stance.far, sock, high, DIM)
    draw_socks(brush, stance.far, "third", 4.4, DIM)
    _horse_tail(brush, stance.tail, tail, build.tail, action)
    length, (x, y), back = build.length, stance.head, stance.shoulder[1]
    scale = build.head / HORSE_SKULL
    head = placed(_horse_head(), x, y, stance.tilt, scale)
    ear = outline(("M", -6.5, -4), ("Q", -8, -13, -3.4, -17 * build.ear), ("Q", 1, -11, 0, -6))
    brush.part(placed(ear, x + 4, y, stance.tilt, scale), "main", dim=DIM)
    neck = outline(
        ("M", 0.05 * length, back - 0.4 * build.depth),
        ("Q", 0.6 * length, back - 6, x - 6 * scale, y - 6 * scale),
        ("L", x + 5 * scale, y + 7 * scale),
        ("Q", 1.05 * length, back, 1.06 * length, back + 0.7 * build.depth),
        ("L", 0.3 * length, back + 0.8 * build.depth),
    )
    shape = draw_coat(brush, stance, [neck, head], sock, high)
    draw_socks(brush, stance.near, "third", 4.4)
    if marking == 2:
        rump = ellipse(-0.9 * length, stance.tail[1] + 2, 0.75 * length, 1.15 * build.depth)
        with brush.clipped(stance.trunk):
            brush.part(rump, "second", outlined=False)
        with brush.clipped(rump):
            brush.line(shape, darker(brush.colour("second"), 0.62), 1.5)
    brush.motif(stance.side[0] + 1, stance.side[1], 6.4, shape)
    with brush.moved(x, y, degrees=stance.tilt, scale=scale):
        _horse_face(brush, marking, ear)
    _horse_mane(brush, (0.2 * length, back - 0.3 * build.depth), stance, scale, mane)
    throat = (0.5 * (x + 0.8 * length), 0.55 * back + 0.45 * y)
    return Anchors(
        head=(x + 1, y),
        head_radius=0.95 * build.head,
        neck=throat,
        neck_width=17.0,
        top=(x - 2, y - build.head),
        gaze=0,
        eye=spun((2.5, -2.2), stance.head, stance.tilt, scale),
    )


def _horse_head() -> Path:
    """The head about (0, 0), of radius 10, the nose to the right."""
    return outline(
        ("M", -8, -3),
        ("Q", -4, -9.5, 3, -8.5),
        ("C", 9, -6, 13, -2, 18, 1.5),
        ("C", 23, 5, 21, 13, 15, 13),
        ("C", 9, 13.5, 7, 9.5, 2, 9.5),
        ("Q", -8, 9, -8, -3),
    )


def _horse_face(brush: Brush, marking: int, ear: Path) -> None:
    """What is on the head: marking, eye, nostril, mouth, halter, the near ear."""
    head = _horse_head()
    muzzle = "main"
    with brush.clipped(head):
        if marking == 0:
            blaze = outline(("M", 1, -12), ("L", 25, 1), ("L", 21, 7), ("Q", 10, 0, 1, -5.5))
            brush.part(blaze, "second", outlined=False)
        elif marking == 1:
            brush.part(ellipse(18.5, 8, 8, 9), "second", outlined=False)
            muzzle = "second"
        else:
            brush.part(ellipse(7, -5.5, 4.2, 3.6, 30), "second", outlined=False)
        for strap in (((13.5, -5), (7.5, 14)), ((9.5, 5.5), (-5, -4)), ((-4, -10), (-5, 11))):
            brush.spot(limb(strap, 3.6), darker(brush.colour("third"), 0.55))
            brush.spot(limb(strap, 2.6), "third")
    brush.line(head, darker(brush.colour("main"), 0.62), 1.2)
    ink = features(brush, muzzle)
    brush.spot(ellipse(18.2, 5, 1.5, 1.9, 20), ink)
    draw_smile(brush, (19.4, 10), (16, 11.4), (13.4, 9.4), ink)
    brush.eye(2.5, -2.2, 3.3)
    brush.part(ear, "main")
    brush.part(placed(ear, -1.6, -3.6, 0, 0.5), "second", outlined=False, shaded=False)


def _horse_mane(brush: Brush, withers: Point, stance: Stance, scale: float, variant: int) -> None:
    """Along the crest, from the forelock to the withers."""
    size = scale * (1 + 0.25 * brush.identity.proportions[4])
    poll = spun((-5, -7), stance.head, stance.tilt, scale)
    bend = (0.45 * poll[0] + 0.55 * withers[0] + 1, 0.62 * poll[1] + 0.38 * withers[1] + 4)

    def crest(share: float, out: float) -> Point:
        """A point along the crest, and so far out of the neck."""
        rest = 1 - share
        x, y = (
            rest * rest * poll[axis] + 2 * rest * share * bend[axis] + share * share * withers[axis]
            for axis in (0, 1)
        )
        return x - 0.8 * out, y - 0.6 * out

    if variant == 0:
        # Hangs over the near side of the neck in three locks.
        lower = ((1.0, -3, 2), (0.84, -12, 7), (0.66, -6, 2), (0.5, -12, 8), (0.33, -5, 1))
        edge = [crest(share, out * size) for share, out, _ in lower]
        edge = [(x, y + drop * size) for (x, y), (_, _, drop) in zip(edge, lower, strict=True)]
        mane = outline(
            ("M", *crest(0.0, 2)),
            ("Q", *crest(0.45, 9), *crest(1.0, 3)),
            ("Q", *edge[1], *edge[2]),
            ("Q", *edge[3], *edge[4]),
            ("Q", *crest(0.2, -13 * size), *crest(0.0, -4)),
        )
        brush.part(mane, "second")
    elif variant == 1:
        # Cut short: a brush that stands up.
        spikes = [("L", *crest(step / 10, (7.5 if step % 2 else 2.5) * size)) for step in range(11)]
        back = [("L", *crest(step / 10, -3)) for step in range(10, -1, -1)]
        brush.part(outline(("M", *crest(0, 0)), *spikes, *back), "second")
    else:
        for step in range(5):
            knot = crest(1 - 0.245 * step, 1)
            brush.part(ellipse(*knot, 4.6 * size, 4.2 * size), "second")
    lock = outline(("M", -7, -8), ("Q", 0, -14 * size, 6, -7), ("Q", 2, -7.5, -3, -5))
    brush.part(placed(lock, *stance.head, stance.tilt, scale), "second")


def _horse_tail(brush: Brush, root: Point, variant: int, size: float, action: str) -> None:
    """Long, tied with a band of the third colour, or carried high."""
    x, y = root[0] + 2, root[1]
    flying = -42.0 if action != "standing" else 0.0
    if variant == 0:
        tail = outline(
            ("M", 2, -3),
            ("C", -9, -5, -13, 4, -12 - 2 * size, 18 * size),
            ("Q", -12, 25 * size, -15, 30 * size),
            ("C", -2, 28 * size, -3, 12 * size, 2, 5),
        )
    elif variant == 1:
        tail = outline(
            ("M", 2, -3),
            ("C", -7, -5, -9, 0, -8, 6),
            ("C", -15 * size, 10, -14 * size, 20 * size, -8, 22 * size),
            ("C", -2, 20 * size, -2, 10, -4, 6),
            ("Q", -3, 3, 2, 4),
        )
    else:
        tail = outline(
            ("M", 2, -2),
            ("C", -4, -20 * size, -22 * size, -18 * size, -20 * size, 10 * size),
            ("C", -15 * size, 2, -9, 2, -9 * size, 14 * size),
            ("C", -4, 6, -6, 3, 2, 5),
        )
    tail = placed(tail, x, y, -flying)
    brush.part(tail, "second")
    if variant == 1:
        ends = (spun((-10, 6), (x, y), -flying), spun((-2.5, 6), (x, y), -flying))
        brush.part(limb(ends, 3.4), "third", shaded=False)


def draw_elephant(brush: Brush, action: str, phase: float) -> Anchors:
    """An elephant in profile: trunk, a huge ear, tusks and thick legs.

    Sliders: length, depth, legs, head, ears, trunk. Variants: ear round, fan or with two lobes;
    tusks short, long and curved or straight down; blanket, cap or anklets.

    Args:
        brush: with the identity.
        action: standing, sitting or running.
        phase: of the stride.
    """
    return draw_fitted(brush, ELEPHANT_FITS[action], lambda: _elephant(brush, action, phase))


def _elephant(brush: Brush, action: str, phase: float) -> Anchors:
    identity = brush.identity
    _, _, dress = identity.variants
    build = build_of(identity, length=20, depth=13.5, leg=14, thickness=11.5, head=ELEPHANT_SKULL)
    stance = stance_of(build, action, phase, 0.0)
    if action != "sitting":
        # Elephants have no neck to speak of: the head is before the shoulder, not above it.
        stance = replace(
            stance, head=(build.length + 3, stance.shoulder[1] - 0.35 * build.head), tilt=0.0
        )
    anklet, high = ("third", 4.6) if dress != 2 else ("second", 11.0)
    draw_legs(brush, stance.far, anklet, high, DIM)
    if dress == 2:
        draw_socks(brush, stance.far, "third", 4.6, DIM)
    root = stance.tail
    tip = (root[0] - 9, root[1] + 13) if action != "running" else (root[0] - 13, root[1] - 3)
    if action == "sitting":
        tip = (root[0] - 12, -3.5)
    brush.part(limb([root, (root[0] - 8, root[1] + 1), tip], 3.6), "main")
    brush.part(ellipse(*tip, 3.4, 4.6, 20), "third", shaded=False)
    shape = draw_coat(brush, stance, [], anklet, high)
    if dress == 2:
        draw_socks(brush, (*stance.near, *stance.before), "third", 4.6)
    elif dress == 0:
        _blanket(brush, stance, build, action, shape)
    brush.motif(stance.side[0] - 2, stance.side[1], 7.0, shape)
    scale = build.head / ELEPHANT_SKULL
    with brush.moved(*stance.head, degrees=stance.tilt, scale=scale):
        _elephant_head(brush, build, action, phase)
    x, y = stance.head
    return Anchors(
        head=(x + 1, y),
        head_radius=build.head,
        neck=(x - 5, y + 0.95 * build.head),
        neck_width=1.9 * build.head,
        top=(x, y - build.head),
        gaze=0,
        eye=spun((6, -3.5), stance.head, stance.tilt, scale),
    )


def _blanket(brush: Brush, stance: Stance, build: Build, action: str, shape: Path) -> None:
    """A cloth over the back, in the second colour with an edge of the third."""
    x, y = stance.side
    half, low = 0.5 * build.length + 2, y + 0.62 * build.depth
    cloth = outline(
        ("M", x - half - 2, y - 3 * build.depth),
        ("L", x + half - 4, y - 3 * build.depth),
        ("L", x + half - 2, low),
        ("Q", x - 2, low + 4, x - half - 2, low),
    )
    if action == "sitting":
        cloth = placed(placed(cloth, -x, -y), x - 2, y, -32)
    with brush.clipped(shape):
        brush.part(cloth, "second")
        brush.line(cloth, darker(brush.colour("third"), 0.6), 6.4)
        brush.line(cloth, "third", 4.6)
    with brush.clipped(cloth):
        brush.line(shape, darker(brush.colour("second"), 0.62), 1.5)


def _elephant_ear(variant: int, size: float) -> Path:
    """The near ear about its root, hanging to the left."""
    if variant == 0:
        return ellipse(-8 * size, 2 * size, 13 * size, 15 * size, 10)
    if variant == 1:
        return outline(
            ("M", 3, -10),
            ("C", -8 * size, -22 * size, -27 * size, -16 * size, -23 * size, 0),
            ("C", -21 * size, 9 * size, -12 * size, 12 * size, -7 * size, 23 * size),
            ("C", -1, 18 * size, 5, 8, 3, -10),
        )
    return outline(
        ("M", 3, -10),
        ("C", -4 * size, -24 * size, -26 * size, -20 * size, -21 * size, -2 * size),
        ("C", -27 * size, 4 * size, -20 * size, 21 * size, -7 * size, 17 * size),
        ("C", 2, 15 * size, 5, 6, 3, -10),
    )


def _tusk(variant: int) -> Path:
    """A tusk about (0, 0), where it leaves the head."""
    if variant == 0:
        return tapered((0, 0), (2, 4), (5, 5), (8, 4.5), 5.4, 2.6)
    if variant == 1:
        return tapered((0, 0), (2, 10), (12, 12), (16, 3), 5.4, 2.4)
    return tapered((0, 0), (1, 6), (2, 10), (4, 15), 6.0, 2.6)


def _elephant_head(brush: Brush, build: Build, action: str, phase: float) -> None:
    """The head about (0, 0), of radius 15, the trunk to the right."""
    ears, tusks, dress = brush.identity.variants
    size, reach = build.ear, build.tail
    one, two, end = {
        "standing": ((24.0, 4.0), (11.0, 32 * reach), (20 + 4 * reach + phase, 22 * reach + 3)),
        "sitting": ((25.0, 16.0), (32.0, 2.0), (19 + 4 * reach + phase, -16 * reach)),
        "running": ((19.0, 15.0), (18 + 8 * reach, 15.0), (17 + 9 * reach + phase, -4 * reach)),
    }[action]
    start = (8.0, 3.0)
    trunk = tapered(start, one, two, end, 14, 6.5)
    ear = _elephant_ear(ears, size)
    brush.part(placed(_tusk(tusks), 13, 10), TUSK, dim=0.2)
    brush.part(trunk, "main")
    skull = ellipse(0, 0, 14.5, 15)
    brush.part(skull, "main", pattern=brush.identity.pattern in ("spotted", "patched"))
    # The trunk grows out of the face: no edge between them.
    root = tapered(start, one, two, end, 12.4, 5.2)
    with brush.clipped(ellipse(9, 3, 11, 9)):
        brush.part(root, "main", outlined=False, shaded=False)
    brush.part(placed(_tusk(tusks), 8, 11), TUSK)
    if dress == 1:
        cap = outline(("M", -9, -13), ("Q", 2, -19, 11, -11), ("Q", 14, -7, 12, -4),
                      ("Q", 4, -10, -8, -4))  # fmt: skip
        brush.part(cap, "third")
    brush.eye(6, -3.5, 3.4)
    brush.part(placed(ear, -3, -1, 14 if action == "running" else 0), "main")
    inside = placed(ear, -4.5, -0.5, 14 if action == "running" else 0, 0.72)
    brush.part(inside, "second", outlined=False)
    draw_smile(brush, (9, 12.6), (5, 14.4), (2, 11.6), features(brush, "main"))
