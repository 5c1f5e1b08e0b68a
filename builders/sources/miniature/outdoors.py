"""A `Scenery` in; snow, forest, desert, meadow, mountains and moon out.

Landmarks stand at the sides and above the horizon, where no subject hides them; the ground before
is kept calm.
"""

import skia

from builders.sources.miniature.canvas import box, ellipse, limb, outline, paint
from builders.sources.miniature.palette import Rgb, darker, lighter, mix
from builders.sources.miniature.scenery import FRAME, MIDDLE, Scenery

PETALS: tuple[Rgb, ...] = ((255, 252, 246), (250, 214, 110), (240, 150, 180), (206, 150, 214))


def draw_snow(scenery: Scenery) -> None:
    """White ground and snowy firs under a pale sky."""
    rng, horizon = scenery.rng, scenery.horizon
    pale = ((150, 190, 226), (190, 214, 236), (228, 238, 246))
    scenery.sky(horizon, colours=pale)
    scenery.hill(
        [horizon - rng.uniform(2, 16) for _ in range(4)], ((216, 228, 244), (220, 230, 245))
    )
    spots = [rng.uniform(2, 24), rng.uniform(104, 126), rng.uniform(30, 98)]
    spots += [scenery.edge(rng.uniform(16, 36)) for _ in range(rng.randint(1, 2))]
    trees = sorted((horizon + rng.uniform(-3, 10), x) for x in spots)
    drifts = [horizon + rng.uniform(-3, 4) for _ in range(5)]
    scenery.hill(drifts, ((236, 242, 250), (214, 226, 242)), 1.0)
    for foot, x in trees:
        near_middle = abs(x - MIDDLE) < 34
        high = rng.uniform(24, 30) if near_middle else rng.uniform(38, 52)
        scenery.fill(ellipse(x, foot, 0.3 * high, 2.5), (186, 204, 230), relief=0.0)
        scenery.fir(x, foot, high, snowy=True)
    scenery.hill(
        [horizon + rng.uniform(22, 34) for _ in range(4)], ((243, 247, 252), (220, 231, 245))
    )


def draw_forest(scenery: Scenery) -> None:
    """Trunks behind trunks under one dark canopy."""
    rng, horizon = scenery.rng, scenery.horizon
    scenery.sky(horizon, low_sun=horizon - 22, lower=18)
    scenery.fill(
        box(0, 0, FRAME, horizon + 2),
        (116, 160, 96),
        alpha=120 if scenery.light == "day" else 60,
        relief=0.0,
    )
    for number in range(13):
        x, wide = number * 10.5 + rng.uniform(-3, 3), rng.uniform(2.5, 4)
        colour = mix((108, 104, 72), (142, 166, 112), rng.uniform(0.2, 0.6))
        scenery.fill(box(x - wide / 2, 0, x + wide / 2, horizon + 2), colour, across=True)
    bushes = [horizon - rng.uniform(3, 10) for _ in range(9)]
    scenery.hill(bushes, ((88, 130, 74), (88, 130, 74)))
    heights = [horizon + rng.uniform(0, 5) for _ in range(4)]
    scenery.hill(heights, ((112, 146, 82), (80, 112, 62)))
    for number in range(6):
        x = number * 23.5 + 5 + rng.uniform(-5, 5)
        wide = rng.uniform(6.5, 10) * (0.8 if 40 < x < 88 else 1.15)
        foot = horizon + rng.uniform(4, 9) + (0 if 40 < x < 88 else 6)
        trunk = outline(
            ("M", x - 0.85 * wide, foot),
            ("Q", x - 0.45 * wide, foot - 7, x - 0.45 * wide, foot - 16),
            ("L", x - 0.4 * wide, 0),
            ("L", x + 0.4 * wide, 0),
            ("L", x + 0.45 * wide, foot - 16),
            ("Q", x + 0.45 * wide, foot - 7, x + 0.85 * wide, foot),
            ("Q", x, foot + 2.5, x - 0.85 * wide, foot),
        )
        scenery.fill(trunk, scenery.varied((112, 82, 58), 9), across=True, relief=0.25)
    for row, dark in ((0, 0.3), (1, 0.08)):
        for number in range(9):
            x = number * 16 + rng.uniform(-6, 6)
            y, radius = rng.uniform(10, 22) - 15 * row, rng.uniform(10, 14.5)
            green = darker(scenery.varied((66, 120, 66), 12), dark)
            scenery.fill(ellipse(x, y, 1.15 * radius, radius), green, relief=0.16)
    for _ in range(10):
        x, y = rng.uniform(2, 126), rng.uniform(horizon + 12, 126)
        scenery.tuft(x, y, rng.uniform(4, 6), scenery.varied((124, 160, 84)))


def draw_desert(scenery: Scenery) -> None:
    """Orange dunes with cactuses."""
    rng, horizon = scenery.rng, scenery.horizon
    warm = ((126, 192, 230), (190, 218, 224), (250, 230, 190))
    scenery.sky(horizon - 2, low_sun=horizon - 17, colours=warm)
    if rng.random() < 0.7:
        _mesa(scenery, scenery.edge(rng.uniform(26, 46), rng.choice((-1, 1))), horizon)
    for shift, light in ((-7.0, 0.12), (1.0, 0.0)):
        heights = [horizon + shift + rng.uniform(-9, 6) for _ in range(4)]
        scenery.hill(heights, (lighter((228, 150, 84), light), (226, 150, 84)), 1.3)
    heights = [horizon + rng.uniform(9, 22) for _ in range(4)]
    scenery.hill(heights, ((242, 180, 108), (218, 146, 80)), 1.3)
    for number in range(4):
        y = 98 + 8.5 * number + rng.uniform(-2, 2)
        x = rng.uniform(-6, 90)
        ripple = outline(
            ("M", x, y),
            ("Q", x + 13, y - 4, x + 26, y),
            ("Q", x + 37, y + 3, x + 46, y - 1),
            close=False,
        )
        scenery.stroke(ripple, (204, 132, 70), 1.1, 130)
    _cactus(scenery, scenery.edge(rng.uniform(15, 20)), horizon + rng.uniform(12, 20), 1.0)
    _cactus(scenery, scenery.edge(rng.uniform(7, 26), -1), horizon + rng.uniform(4, 8), 0.55)


def _mesa(scenery: Scenery, x: float, base: float) -> None:
    wide, high = scenery.rng.uniform(15, 22), scenery.rng.uniform(18, 26)
    rock = outline(
        ("M", x - wide, base + 4),
        ("L", x - 0.72 * wide, base - high),
        ("L", x + 0.7 * wide, base - high + 1.5),
        ("L", x + wide, base + 4),
    )
    scenery.fill(rock, scenery.varied((202, 122, 88)), relief=0.2, across=True)


def _cactus(scenery: Scenery, x: float, foot: float, size: float) -> None:
    green = scenery.varied((84, 142, 92))
    mirror = scenery.rng.choice((-1, 1))
    arms = (
        [
            (x, foot - 16 * size),
            (x - mirror * 14 * size, foot - 14 * size),
            (x - mirror * 13 * size, foot - 31 * size),
        ],
        [
            (x, foot - 22 * size),
            (x + mirror * 13 * size, foot - 20 * size),
            (x + mirror * 12 * size, foot - 38 * size),
        ],
    )
    scenery.fill(ellipse(x, foot, 11 * size, 2.6 * size), (190, 118, 64), relief=0.0)
    for arm in arms:
        scenery.fill(limb(arm, 6 * size), green, across=True, relief=0.16)
    scenery.fill(
        limb([(x, foot - 2 * size), (x, foot - 46 * size)], 9 * size),
        green,
        across=True,
        relief=0.22,
    )
    for dx in (-2 * size, 1.5 * size):
        scenery.line(
            x + dx, foot - 4, x + dx, foot - 45 * size, colour=lighter(green, 0.3), width=0.8 * size
        )


def draw_meadow(scenery: Scenery) -> None:
    """Round green hills full of flowers."""
    rng, horizon = scenery.rng, scenery.horizon
    scenery.sky(horizon - 4, low_sun=horizon - 18)
    scenery.hill(
        [horizon - rng.uniform(0, 18) for _ in range(4)], ((156, 202, 134), (140, 190, 110))
    )
    if rng.random() < 0.7:
        scenery.broad_tree(scenery.edge(rng.uniform(10, 24)), horizon + 3, rng.uniform(26, 38))
    scenery.hill(
        [horizon + rng.uniform(-5, 5) for _ in range(4)], ((142, 200, 108), (120, 182, 90)), 1.2
    )
    heights = [horizon + rng.uniform(8, 20) for _ in range(3)]
    scenery.hill(heights, ((150, 206, 106), (104, 166, 78)), 1.2)
    for _ in range(12):
        x, y = rng.uniform(2, 126), rng.uniform(horizon + 14, 126)
        scenery.tuft(x, y, rng.uniform(4, 6), (94, 158, 74))
    flowers = sorted(rng.uniform(horizon + 1, 126) for _ in range(34))
    for y in flowers:
        near = (y - horizon) / (FRAME - horizon)
        x = rng.uniform(2, 126)
        if near > 0.5 and 42 < x < 86:
            continue  # calm ground where the subject stands
        scenery.blossom(x, y, 1.6 + 2.2 * near, rng.choice(PETALS))


def draw_mountains(scenery: Scenery) -> None:
    """Grey peaks with snow on them, stones before them."""
    rng, horizon = scenery.rng, scenery.horizon
    scenery.sky(horizon - 6, low_sun=horizon - 38)
    for number in range(5):
        x, y = number * 32 + rng.uniform(-9, 9), rng.uniform(26, 38)
        _peak(scenery, (x, y), horizon + 4, lighter((142, 152, 172), 0.22))
    for inset, side in ((rng.uniform(12, 26), 1), (rng.uniform(8, 26), -1)):
        top = (scenery.edge(inset, side), rng.uniform(10, 26) + (6 if side < 0 else 0))
        _peak(scenery, top, horizon + 5, (124, 130, 146))
    heights = [horizon + rng.uniform(-3, 3) for _ in range(5)]
    scenery.hill(heights, ((134, 146, 120), (140, 146, 126)))
    for _ in range(6):
        x = scenery.edge(rng.uniform(2, 40), rng.choice((-1, 1)))
        scenery.fir(x, horizon + rng.uniform(3, 7), rng.uniform(9, 14))
    heights = [horizon + rng.uniform(12, 22) for _ in range(4)]
    scenery.hill(heights, ((166, 166, 154), (138, 138, 130)), 1.0)
    for side in (-1, -1, 1, 1):
        x, y = scenery.edge(rng.uniform(2, 20), side), rng.uniform(horizon + 20, 122)
        _stone(scenery, x, y, rng.uniform(4, 7.5))
    for _ in range(8):
        x, y = rng.uniform(4, 124), rng.uniform(horizon + 20, 126)
        scenery.fill(ellipse(x, y, 1.8, 1.0), (120, 120, 114), relief=0.0)


def _peak(scenery: Scenery, top: tuple[float, float], base: float, grey: Rgb) -> None:
    x, y = top
    high = base - y
    wide = high * scenery.rng.uniform(0.62, 0.78)
    ridge = x + 0.1 * wide
    scenery.fill(
        outline(("M", x, y), ("L", x + wide, base), ("L", x - wide, base)), grey, relief=0.12
    )
    shadow = outline(
        ("M", x, y),
        ("L", x + wide, base),
        ("L", ridge + 0.1 * wide, base),
        ("L", ridge - 2, y + 0.45 * high),
    )
    scenery.fill(shadow, darker(grey, 0.24), relief=0.08)
    cap = outline(
        ("M", x, y),
        ("L", x + 0.36 * wide, y + 0.36 * high),
        ("L", x + 0.2 * wide, y + 0.31 * high),
        ("L", x + 0.1 * wide, y + 0.42 * high),
        ("L", x - 0.05 * wide, y + 0.3 * high),
        ("L", x - 0.2 * wide, y + 0.4 * high),
        ("L", x - 0.34 * wide, y + 0.34 * high),
    )
    scenery.fill(cap, (246, 248, 252), across=True, relief=0.1)


def _stone(scenery: Scenery, x: float, y: float, radius: float) -> None:
    stone = outline(
        ("M", x - radius, y),
        ("L", x - 0.7 * radius, y - 0.7 * radius),
        ("L", x + 0.1 * radius, y - radius),
        ("L", x + 0.8 * radius, y - 0.5 * radius),
        ("L", x + radius, y),
    )
    scenery.fill(ellipse(x, y, 1.15 * radius, 0.25 * radius), (110, 110, 106), relief=0.0)
    scenery.fill(stone, scenery.varied((156, 158, 162)), relief=0.25)


def draw_moon(scenery: Scenery) -> None:
    """Grey craters under a black sky with the earth in it."""
    rng, canvas = scenery.rng, scenery.canvas
    horizon = 62 + 0.5 * (scenery.horizon - 62)
    scenery.band(0, horizon + 4, [(12, 12, 24), (24, 24, 44), (58, 58, 88)], toned=False)
    for _ in range(34):
        x, y, size = rng.uniform(2, 126), rng.uniform(2, horizon - 4), rng.uniform(0.5, 1.2)
        canvas.drawPath(ellipse(x, y, size, size), paint((255, 252, 236)))
    _earth(scenery, scenery.edge(rng.uniform(20, 34)), rng.uniform(18, 26), rng.uniform(12, 15))
    heights = [horizon + rng.uniform(-9, 3) for _ in range(5)]
    scenery.hill(heights, ((150, 150, 158), (150, 150, 158)), 0.8)
    scenery.hill(
        [horizon + rng.uniform(0, 7) for _ in range(4)], ((196, 196, 200), (150, 150, 158)), 0.8
    )
    craters = [
        (scenery.edge(rng.uniform(8, 34), side), share)
        for side in (-1, 1)
        for share in (0.12, 0.5, 0.9)
    ]
    craters += [(rng.uniform(40, 88), 0.3), (rng.uniform(44, 84), 1.0)]
    for x, share in craters:
        y = horizon + 10 + share * (122 - horizon - 10) + rng.uniform(-3, 3)
        wide = rng.uniform(5, 8) + 6 * share * rng.uniform(0.6, 1)
        scenery.fill(ellipse(x, y + 0.8, 1.12 * wide, 0.42 * wide), (214, 214, 218), relief=0.0)
        scenery.fill(ellipse(x, y, wide, 0.34 * wide), (126, 126, 136), relief=-0.14)


def _earth(scenery: Scenery, x: float, y: float, radius: float) -> None:
    canvas, rng = scenery.canvas, scenery.rng
    scenery.glow(x, y, 1.6 * radius, (120, 180, 255), 130)
    whole = ellipse(x, y, radius, radius)
    canvas.drawPath(whole, paint((70, 136, 214)))
    canvas.save()
    canvas.clipPath(whole, skia.ClipOp.kIntersect, True)
    for dx, dy, rx, ry in (
        (-0.45, -0.35, 0.5, 0.38),
        (0.4, 0.3, 0.36, 0.5),
        (-0.35, 0.6, 0.3, 0.25),
    ):
        turn = rng.uniform(-40, 40)
        land = ellipse(x + dx * radius, y + dy * radius, rx * radius, ry * radius, turn)
        canvas.drawPath(land, paint((104, 170, 96)))
    for _ in range(3):
        cx, cy = x + rng.uniform(-0.7, 0.7) * radius, y + rng.uniform(-0.8, 0.8) * radius
        canvas.drawPath(
            ellipse(cx, cy, 0.5 * radius, 0.1 * radius), paint((255, 255, 255), alpha=220)
        )
    shadow = skia.Op(
        whole,
        ellipse(x - 0.4 * radius, y - 0.3 * radius, 1.1 * radius, 1.1 * radius),
        skia.PathOp.kDifference_PathOp,
    )
    canvas.drawPath(shadow, paint((10, 14, 44), alpha=130))
    canvas.restore()
