"""A brush, an action and a phase in; a drawn dog or cat and its anchors out."""

from builders.sources.miniature.canvas import (
    Anchors,
    Brush,
    Path,
    Point,
    ellipse,
    limb,
    outline,
    thick,
)
from builders.sources.miniature.palette import INK
from builders.sources.miniature.quadruped_parts import (
    DIM,
    PINK,
    Build,
    Fit,
    build_of,
    draw_coat,
    draw_collar,
    draw_eye,
    draw_fitted,
    draw_legs,
    draw_smile,
    features,
    joined,
    mirrored,
    placed,
    spun,
    throat_of,
)
from builders.sources.miniature.quadruped_stances import stance_of

SKULL = 12.0
"""Heads are drawn with this radius and scaled."""
# A snout or a tail that reaches far: moved, the whole animal is in the middle of its box.
DOG_FITS = {
    "standing": Fit(x=-3.5, scale=0.9),
    "sitting": Fit(x=0.5, scale=0.97),
    "running": Fit(x=-3.5, scale=0.85),
    "sleeping": Fit(x=-6.0),
}
CAT_FITS = {
    "standing": Fit(x=-3.0, scale=0.97),
    "sitting": Fit(x=1.0, scale=1.04),
    "running": Fit(x=-1.0, scale=0.87),
    "sleeping": Fit(x=-5.0, scale=1.06),
}


def draw_dog(brush: Brush, action: str, phase: float) -> Anchors:
    """A dog, its head in profile with a long snout.

    Sliders: length, depth, legs, head, ears, tail. Variants: ears floppy, pointed or folded; tail
    like a sabre, curled up or bushy; light muzzle, eye patch and tan paws, or blaze and long socks.

    Args:
        brush: with the identity.
        action: standing, sitting, running or sleeping.
        phase: of the stride.
    """
    return draw_fitted(brush, DOG_FITS[action], lambda: _dog(brush, action, phase))


def _dog(brush: Brush, action: str, phase: float) -> Anchors:
    identity = brush.identity
    build = build_of(identity, length=18, depth=10, leg=16, thickness=7.4, head=SKULL)
    stance = stance_of(build, action, phase, 5.0)
    marking = identity.variants[2]
    socks, reach = (None, "second", "second")[marking], (0.0, 5.0, 11.0)[marking]
    draw_legs(brush, stance.far, socks, reach, DIM)
    resting = action == "sleeping"
    tail, tip = _dog_tail(identity.variants[1], build.tail, action)
    if not resting:
        _draw_tail(brush, tail, tip, stance.tail)
    neck = limb([stance.shoulder, stance.head], 1.25 * build.head)
    shape = draw_coat(brush, stance, [neck], socks, reach)
    brush.motif(*stance.side, 6.8, shape)
    if resting:
        _draw_tail(brush, tail, tip, stance.tail)
    throat = throat_of(stance, build, 1.12)
    draw_collar(brush, throat, stance.head, 1.5 * build.head, shape)
    scale = build.head / SKULL
    with brush.moved(*stance.head, degrees=stance.tilt, scale=scale):
        _dog_head(brush, build, action)
    return Anchors(
        head=stance.head,
        head_radius=build.head,
        neck=throat,
        neck_width=1.5 * build.head,
        top=(stance.head[0], stance.head[1] - build.head),
        gaze=0,
        eye=spun((4.5, -3.2), stance.head, stance.tilt, scale),
    )


def _draw_tail(brush: Brush, tail: Path, tip: Point, root: Point) -> None:
    """A tail that is drawn about its root, its tip in the third colour."""
    path = placed(tail, *root)
    brush.part(path, "main", pattern=brush.identity.pattern == "striped")
    with brush.clipped(path):
        brush.part(ellipse(root[0] + tip[0], root[1] + tip[1], 7, 7), "third", shaded=False)
    brush.line(path, INK, 0.5)


def _dog_tail(variant: int, size: float, action: str) -> tuple[Path, Point]:
    """The tail about its root, and its tip."""
    if action == "sleeping":
        # Around the rump and along the belly, on the ground.
        end = (6 + 13 * size, 1.2)
        return limb([(-1, -7), (-9, 4), end], (6.5, 6.5, 9)[variant]), end
    if variant == 1:
        r = 5.5 * size
        ring = outline(
            ("M", 1, 0),
            ("C", -1.9 * r, -0.1 * r, -2.3 * r, -2.9 * r, -0.6 * r, -2.9 * r),
            ("C", 0.9 * r, -2.9 * r, 0.7 * r, -1.1 * r, -0.5 * r, -1.4 * r),
            close=False,
        )
        path = thick(ring, 6.2)
        tip = (-0.5 * r, -1.4 * r)
    elif variant == 2:
        far = (17 if action == "standing" else 14) * size
        path = outline(
            ("M", 2, -3),
            ("C", -0.4 * far, -5, -0.3 * far, -1.1 * far, -0.75 * far, -1.25 * far),
            ("C", -1.3 * far, -0.8 * far, -1.1 * far, 0.25 * far, 1, 4),
        )
        tip = (-0.8 * far, -1.15 * far)
    else:
        far = (17 if action == "standing" else 14) * size
        path = limb([(1, 0), (-0.75 * far, -1), (-0.8 * far, -far)], 6.4)
        tip = (-0.8 * far, -far)
    # Streaming behind, or lying on the ground.
    degrees = {"running": -20.0 if variant == 1 else -32.0, "sitting": -28.0}.get(action, 0.0)
    return placed(path, 0, 0, degrees), spun(tip, (0, 0), degrees)


def _dog_ear(variant: int, size: float, back: float) -> Path:
    """The near ear of a head of radius 12."""
    if variant == 0:
        ear = outline(
            ("M", 4, -3),
            ("C", -4, -7, -12, -2, -11, 8 * size),
            ("C", -11, 20 * size, 0, 20 * size, 2, 10 * size),
            ("Q", 3, 4, 4, -3),
        )
        return placed(ear, -5, -6, 8 + 55 * back)
    if variant == 1:
        ear = outline(
            ("M", -7, 3),
            ("C", -9, -6 * size, -6, -13 * size, -3, -18 * size),
            ("C", 2, -13 * size, 6, -8, 7, 1),
        )
        return placed(ear, -3.5, -8, -10 - 28 * back)
    ear = outline(
        ("M", -7, 3),
        ("C", -8, -5, -8, -12 * size, -2, -14 * size),
        ("C", 5, -16 * size, 11, -8 * size, 13, 1 - 2 * size),
        ("Q", 9, -3 * size, 5.5, -3 * size),
        ("L", 7, 1),
    )
    return placed(ear, -3, -8, -12 - 20 * back)


def _dog_fold(size: float, back: float) -> Path:
    """The tip of a folded ear, which hangs forward over the rest of it."""
    flap = outline(
        ("M", -5, -11 * size),
        ("C", 2, -19 * size, 11, -8 * size, 13, 1 - 2 * size),
        ("Q", 3, -2 * size, -5, -11 * size),
    )
    return placed(flap, -3, -8, -12 - 20 * back)


def _dog_head(brush: Brush, build: Build, action: str) -> None:
    """The head about (0, 0), of radius 12, the snout to the right."""
    ears, _, marking = brush.identity.variants
    back = 1.0 if action == "running" else 0.0
    ear = _dog_ear(ears, build.ear, back)
    brush.part(placed(ear, 7 if ears else 9, -1 if ears else -2), "second", dim=DIM)
    snout = outline(
        ("M", 5, -6),
        ("C", 10, -4, 15, -4, 20, -3.6),
        ("C", 25, -3, 25.5, 8, 18, 9.6),
        ("C", 12, 11.5, 7, 11.5, 2, 11),
    )
    head = joined(ellipse(0, 0, 12.4, 12), snout)
    brush.part(head, "main", pattern=brush.identity.pattern != "banded")
    muzzle = "main"
    with brush.clipped(head):
        if marking == 0:
            brush.part(ellipse(18, 6, 11.5, 9.5), "second", outlined=False)
            muzzle = "second"
        elif marking == 1:
            brush.part(ellipse(4, -3.6, 7, 7.2), "second", outlined=False)
        else:
            blaze = outline(
                ("M", 0, -14), ("L", 12, -14), ("Q", 12, -3, 26, -3), ("L", 26, 4),
                ("Q", 10, 4, 8, -3), ("Q", 6, -8, 0, -14),
            )  # fmt: skip
            brush.part(blaze, "second", outlined=False)
    ink = features(brush, muzzle)
    draw_smile(brush, (21, 5.4), (15, 9.6), (9.5, 5.6), ink)
    nose = ellipse(21.6, -1.6, 4.4, 3.7)
    brush.part(nose, (34, 28, 34), shaded=False)
    brush.spot(ellipse(20.6, -2.9, 1.4, 0.9), (255, 255, 255), 200)
    if action == "running":
        tongue = limb([(13, 8.6), (12.5, 12), (11, 14.5)], 4.6)
        brush.part(tongue, PINK)
    around = "second" if marking == 1 else "main"
    draw_eye(brush, 4.6, -3.2, 3.7, around, action == "sleeping")
    brush.part(ear, "second")
    if ears == 2:
        brush.part(_dog_fold(build.ear, back), "second", dim=0.22)


def draw_cat(brush: Brush, action: str, phase: float) -> Anchors:
    """A cat, its round face seen from the front, with pointed ears, whiskers and a long tail.

    Sliders: length, depth, legs, head, ears, tail. Variants: ears pointed, wide apart with tufts or
    folded; tail like an S, a hook or bushy; light muzzle and paws, dark mask, or tabby forehead.

    Args:
        brush: with the identity.
        action: standing, sitting, running or sleeping.
        phase: of the stride.
    """
    return draw_fitted(brush, CAT_FITS[action], lambda: _cat(brush, action, phase))


def _cat(brush: Brush, action: str, phase: float) -> Anchors:
    identity = brush.identity
    build = build_of(identity, length=17, depth=8.6, leg=14.5, thickness=6.6, head=SKULL)
    stance = stance_of(build, action, phase, 4.4)
    marking = identity.variants[2]
    socks, reach = ("second", "second", None)[marking], (5.0, 12.0, 0.0)[marking]
    draw_legs(brush, stance.far, socks, reach, DIM)
    resting = action == "sleeping"
    tail, tip = _cat_tail(identity.variants[1], build, action)
    if not resting:
        _draw_tail(brush, tail, tip, stance.tail)
    neck = limb([stance.shoulder, stance.head], 1.1 * build.head)
    shape = draw_coat(brush, stance, [neck], socks, reach)
    brush.motif(*stance.side, 6.2, shape)
    if resting:
        _draw_tail(brush, tail, tip, stance.tail)
    throat = throat_of(stance, build, 1.08)
    draw_collar(brush, throat, stance.head, 1.5 * build.head, shape)
    scale = 1.08 * build.head / SKULL
    with brush.moved(*stance.head, degrees=stance.tilt, scale=scale):
        _cat_head(brush, build.ear, action)
    return Anchors(
        head=stance.head,
        head_radius=1.05 * build.head,
        neck=throat,
        neck_width=1.5 * build.head,
        top=(stance.head[0], stance.head[1] - build.head),
        gaze=1,
        eye=spun((0, -1), stance.head, stance.tilt, scale),
    )


def _cat_tail(variant: int, build: Build, action: str) -> tuple[Path, Point]:
    """The tail about its root, and its tip."""
    size = build.tail
    width = (5.4, 5.4, 9.5)[variant]
    if action == "sleeping":
        end = (10 + 16 * size, 1.4)
        return limb([(-1, -8), (-10, 5), end], min(width, 8)), end
    if action == "sitting":
        end = (-9 - 6 * size, -10 * size)
        curve = outline(("M", 3, 1), ("C", -8, 3, -10 - 8 * size, 2, *end), close=False)
        if variant == 1:
            end = (-1 - 6 * size, -17 * size)
            curve = outline(
                ("M", 3, 1), ("C", -18 * size, 4, -18 * size, -22 * size, *end), close=False
            )
        return thick(curve, width), end
    if action == "running":
        end = (-10 - 10 * size, -9 - 3 * size)
        bend = -12 if variant == 1 else 3
        curve = outline(("M", 2, 0), ("C", -9, bend, -10, bend, *end), close=False)
        return thick(curve, width), end
    if variant == 1:
        end = (-1, -27 * size)
        curve = outline(
            ("M", 2, 0), ("C", -12, -2, -13, -34 * size, -6, -30 * size),
            ("Q", -2, -30 * size, *end), close=False,
        )  # fmt: skip
    else:
        end = (-9 - 2 * size, -28 * size)
        curve = outline(("M", 2, 0), ("C", -17, -1, -2, -19 * size, *end), close=False)
    return thick(curve, width), end


def _cat_ear(variant: int, size: float) -> tuple[Path, Path]:
    """The right ear of a head of radius 12 and its inside."""
    if variant == 0:
        ear = outline(("M", 13, -1), ("Q", 13, -12 * size, 11, -12 - 9 * size),
                      ("Q", 4, -10 - 5 * size, 1.5, -8))  # fmt: skip
    elif variant == 1:
        ear = outline(("M", 12, 2), ("L", 18, -9 - 8 * size), ("Q", 8, -8 - 8 * size, 3, -8))
    else:
        ear = outline(("M", 12.5, -3), ("Q", 15, -7 - 5 * size, 9, -7 - 5 * size),
                      ("Q", 3, -7 - 5 * size, 2, -9))  # fmt: skip
    bounds = ear.getBounds()
    middle = (bounds.centerX(), bounds.centerY() + 1.0)
    inside = placed(placed(ear, -middle[0], -middle[1]), *middle, 0, 0.56)
    return ear, inside


def _cat_head(brush: Brush, ear_size: float, action: str) -> None:
    """The face about (0, 0), of radius 12, seen from the front."""
    ears, _, marking = brush.identity.variants
    ear, inside = _cat_ear(ears, ear_size)
    coat = "second" if marking == 1 else "main"
    for shape, hollow in ((ear, inside), (mirrored(ear), mirrored(inside))):
        brush.part(shape, coat)
        brush.part(hollow, "third", outlined=False, shaded=False)
    face = outline(
        ("M", 0, -11),
        ("C", 9, -11.5, 14, -6, 14.2, 1),
        ("L", 16.5, 5.5),
        ("L", 12, 7.4),
        ("C", 8, 12, 4, 12.2, 0, 12.2),
        ("C", -4, 12.2, -8, 12, -12, 7.4),
        ("L", -16.5, 5.5),
        ("L", -14.2, 1),
        ("C", -14, -6, -9, -11.5, 0, -11),
    )
    brush.part(face, "main", pattern=brush.identity.pattern != "banded")
    muzzle = "main"
    with brush.clipped(face):
        if marking == 0:
            brush.part(joined(ellipse(-3.6, 7.2, 5.6, 4.8), ellipse(3.6, 7.2, 5.6, 4.8)),
                       "second", outlined=False)  # fmt: skip
            muzzle = "second"
        elif marking == 1:
            mask = outline(
                ("M", 0, -9),
                ("C", 13, -8, 14, 8, 5, 13),
                ("L", -5, 13),
                ("C", -14, 8, -13, -8, 0, -9),
            )
            brush.part(mask, "second", outlined=False)
            muzzle = "second"
        else:
            for x in (-5.6, 0.0, 5.6):
                brush.spot(limb([(x, -13), (0.7 * x, -7.2)], 2.8), "second")
            for side in (-1, 1):
                brush.spot(limb([(side * 16, 1.6), (side * 10.8, 2.8)], 2.4), "second")
                brush.spot(limb([(side * 16, 5.6), (side * 10.8, 6.2)], 2.4), "second")
    ink = features(brush, muzzle)
    for side in (-1, 1):
        draw_eye(brush, side * 5.7, -1, 3.7, coat, action == "sleeping")
        draw_smile(brush, (0, 6.4), (side * 2, 9.6), (side * 4.6, 7.4), ink)
        for drop in (-1.8, 1.8):
            whisker = limb([(side * 9, 6.4 + 0.4 * drop), (side * 20, 5.6 + drop)], 0.9)
            brush.part(whisker, features(brush, "main"), outlined=False, shaded=False)
    brush.part(outline(("M", -2.4, 3.4), ("L", 2.4, 3.4), ("L", 0, 6.6)), PINK, shaded=False)
