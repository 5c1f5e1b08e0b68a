"""A `Scenery` in; living room, kitchen, library and stage out, by day or by the light of lamps."""

import itertools

import skia

from builders.sources.miniature.canvas import box, ellipse, limb, outline, paint
from builders.sources.miniature.palette import Rgb, darker, lighter, mix
from builders.sources.miniature.scenery import FRAME, MIDDLE, Scenery

WALLPAPERS: tuple[Rgb, ...] = (
    (232, 212, 186),
    (188, 208, 216),
    (226, 196, 190),
    (206, 214, 184),
    (212, 202, 220),
)
FABRICS: tuple[Rgb, ...] = ((170, 104, 96), (92, 128, 148), (118, 142, 104), (196, 156, 96))
SPINES: tuple[Rgb, ...] = (
    (182, 82, 74),
    (76, 112, 160),
    (90, 140, 98),
    (216, 176, 92),
    (138, 98, 150),
    (226, 212, 184),
    (74, 142, 146),
)
LAMPLIGHT: Rgb = (255, 214, 132)


def draw_living_room(scenery: Scenery) -> None:
    """A papered wall, a window, a sofa, a standing lamp, a wooden floor and a rug."""
    rng, horizon = scenery.rng, scenery.horizon
    wall = scenery.varied(rng.choice(WALLPAPERS))
    scenery.band(0, horizon, [lighter(wall, 0.12), wall])
    for number in range(9):
        x = number * 16 + 8
        scenery.fill(box(x - 3.5, 0, x + 3.5, horizon), lighter(wall, 0.3), relief=0.0, alpha=110)
    scenery.fill(box(0, horizon - 4, FRAME, horizon + 1), (246, 240, 230), relief=0.05)
    _boards(scenery, (196, 146, 102))
    fabric = scenery.varied(rng.choice(FABRICS))
    left = scenery.edge(32, -1)
    window(scenery, left - 19, 10, left + 19, 46)
    for side in (-1, 1):
        hook = left + side * 20
        drape = outline(
            ("M", hook - 6, 6),
            ("L", hook + 6, 6),
            ("Q", hook + 3, 30, hook + 6 * side + 2, 52),
            ("L", hook + 6 * side - 8, 52),
            ("Q", hook - 5, 28, hook - 6, 6),
        )
        scenery.fill(drape, mix(fabric, (250, 240, 228), 0.45), relief=0.14, across=True)
    scenery.line(left - 28, 6.5, left + 28, 6.5, colour=(128, 92, 66), width=2.2)
    _sofa(scenery, scenery.edge(24), horizon + 7, fabric)
    picture = scenery.edge(rng.uniform(38, 46))
    scenery.fill(box(picture - 8, 14, picture + 8, 34, 1), (150, 108, 72))
    scenery.fill(box(picture - 6, 16, picture + 6, 32), (226, 228, 214), relief=0.0)
    scenery.fill(
        outline(("M", picture - 6, 32), ("L", picture - 1, 23), ("L", picture + 6, 32)),
        (134, 166, 128),
    )
    rug = scenery.varied(mix(rng.choice(FABRICS), (236, 222, 204), 0.45))
    scenery.fill(ellipse(MIDDLE, 111, 56, 14.5), darker(rug, 0.18), relief=0.0)
    scenery.fill(ellipse(MIDDLE, 111, 51, 12.4), lighter(rug, 0.3), relief=0.0)
    scenery.fill(ellipse(MIDDLE, 111, 47, 10.8), rug, relief=0.06)
    _standing_lamp(scenery, scenery.edge(rng.uniform(9, 13)), horizon + 9)


def _boards(scenery: Scenery, wood: Rgb) -> None:
    horizon = scenery.horizon
    wood = scenery.varied(wood)
    scenery.band(horizon + 1, FRAME, [lighter(wood, 0.05), darker(wood, 0.12)])
    for number in range(-7, 8):
        x = MIDDLE + number * 13
        scenery.line(
            x,
            horizon + 1,
            MIDDLE + number * 27,
            FRAME,
            colour=darker(wood, 0.3),
            width=0.9,
            alpha=170,
        )
        joint = scenery.rng.uniform(0.2, 0.95)
        y = horizon + joint * (FRAME - horizon)
        step, left = 13 + 14 * joint, MIDDLE + number * (13 + 14 * joint)
        scenery.line(left, y, left + step, y, colour=darker(wood, 0.3), width=0.9, alpha=170)


def window(scenery: Scenery, left: float, top: float, right: float, bottom: float) -> None:
    """A white window on the sky outside: sun and cloud by day, moon and stars at night."""
    canvas, rng = scenery.canvas, scenery.rng
    scenery.fill(box(left, top, right, bottom, 1.5), (248, 245, 238), relief=0.05)
    pane = skia.Rect.MakeLTRB(left + 2.5, top + 2.5, right - 2.5, bottom - 2.5)
    canvas.save()
    canvas.clipRect(pane, skia.ClipOp.kIntersect, True)
    scenery.band(top, bottom, scenery.sky_colours(), toned=False)
    x, y = left + (right - left) * rng.uniform(0.25, 0.75), top + 0.36 * (bottom - top)
    if scenery.light == "night":
        for _ in range(7):
            star = (rng.uniform(left, right), rng.uniform(top, bottom))
            canvas.drawPath(ellipse(*star, 0.9, 0.9), paint((255, 250, 222)))
        scenery.moon(x, y, 6.5)
    else:
        scenery.glow(x, y, 15, (255, 248, 200), 220)
        canvas.drawPath(ellipse(x, y, 5, 5), paint((255, 234, 130)))
        cloud = (left + right - x, y + 7)
        scenery.cloud(*cloud, 0.6, (255, 255, 255), 230)
        hedge = ellipse((left + right) / 2, bottom + 1, 0.62 * (right - left), 9)
        canvas.drawPath(hedge, paint((134, 182, 112)))
    canvas.restore()
    across, down = (left + right) / 2, (top + bottom) / 2
    scenery.line(across, top + 2, across, bottom - 2, colour=(248, 245, 238), width=1.8)
    scenery.line(left + 2, down, right - 2, down, colour=(248, 245, 238), width=1.8)
    scenery.fill(box(left - 2, bottom - 1, right + 2, bottom + 2.5, 1), (238, 232, 222))


def _sofa(scenery: Scenery, x: float, base: float, fabric: Rgb) -> None:
    for foot in (-22, 22):
        scenery.fill(box(x + foot - 1.5, base - 3, x + foot + 1.5, base + 2), (98, 72, 56))
    scenery.fill(box(x - 25, base - 31, x + 25, base - 4, 7), fabric, relief=0.16)
    for side in (-1, 1):
        cushion = box(x + 11.5 * side - 11, base - 16, x + 11.5 * side + 11, base - 6, 3)
        scenery.fill(cushion, lighter(fabric, 0.16), relief=0.14)
    scenery.fill(box(x - 25, base - 8, x + 25, base - 2, 2), darker(fabric, 0.12))
    for side in (-1, 1):
        arm = box(x + 25 * side - 5, base - 22, x + 25 * side + 5, base - 1, 5)
        scenery.fill(arm, lighter(fabric, 0.06), relief=0.18)


def _standing_lamp(scenery: Scenery, x: float, foot: float) -> None:
    scenery.fill(ellipse(x, foot, 6, 2), (98, 78, 66))
    scenery.line(x, foot, x, foot - 52, colour=(98, 78, 66), width=2.2)
    shade = outline(
        ("M", x - 10, foot - 46),
        ("L", x - 5.5, foot - 62),
        ("L", x + 5.5, foot - 62),
        ("L", x + 10, foot - 46),
    )
    if scenery.light == "night":
        scenery.glow(x, foot - 52, 58, LAMPLIGHT, 165)
        scenery.canvas.drawPath(shade, paint((255, 234, 166)))
    else:
        scenery.fill(shade, (244, 222, 160), relief=0.14)


def _hanging_lamp(scenery: Scenery, x: float, y: float, colour: Rgb) -> None:
    scenery.line(x, 0, x, y, colour=(92, 82, 80), width=1.4)
    if scenery.light == "night":
        scenery.glow(x, y + 8, 56, LAMPLIGHT, 165)
    bulb = ellipse(x, y + 8, 4, 3.4)
    scenery.canvas.drawPath(
        bulb, paint((255, 240, 190) if scenery.light == "night" else (244, 238, 220))
    )
    scenery.fill(
        outline(
            ("M", x - 10, y + 8), ("Q", x - 8, y - 3, x, y - 3), ("Q", x + 8, y - 3, x + 10, y + 8)
        ),
        colour,
    )


def draw_kitchen(scenery: Scenery) -> None:
    """Tiles, a chequered floor, cupboards, a stove and a fridge."""
    rng, horizon = scenery.rng, scenery.horizon
    wall = scenery.varied(rng.choice(((226, 232, 222), (236, 226, 204), (216, 228, 234))))
    front = scenery.varied(
        rng.choice(((132, 172, 170), (206, 168, 124), (156, 176, 140), (150, 164, 194)))
    )
    scenery.band(0, horizon, [wall, darker(wall, 0.06)])
    for y in range(4, int(horizon), 8):
        scenery.line(0, y, FRAME, y, colour=darker(wall, 0.16), width=0.7)
    for column in range(16):
        x = column * 8.0 + 4
        scenery.line(x, 0, x, horizon, colour=darker(wall, 0.16), width=0.7)
    _chequers(
        scenery, (240, 234, 222), rng.choice(((164, 186, 192), (190, 158, 146), (166, 182, 158)))
    )
    counter, base = horizon - 20, horizon + 5
    fridge, stove = scenery.edge(14), scenery.edge(rng.uniform(24, 30), -1)
    middle = scenery.edge(46)
    window(scenery, middle - 15, 12, middle + 15, 40)
    for x in (scenery.edge(14, -1), scenery.edge(34, -1)):
        scenery.fill(box(x - 9.6, 4, x + 9.6, 30, 1.5), front, relief=0.1)
        scenery.stroke(box(x - 6.6, 7, x + 6.6, 27, 1), darker(front, 0.22), 1.0)
        scenery.fill(ellipse(x + 4.6, 24, 1.5, 1.5), (246, 240, 228), relief=0.0)
    for number in range(6):
        x = number * 22.0 + 9
        scenery.fill(box(x - 10.7, counter, x + 10.7, base), front, relief=0.1)
        scenery.stroke(box(x - 7.6, counter + 7, x + 7.6, base - 4, 1), darker(front, 0.22), 1.0)
        scenery.line(x - 3, counter + 10, x + 3, counter + 10, colour=(246, 240, 228), width=1.5)
    scenery.fill(box(-1, counter - 1, 129, counter + 3), (196, 154, 114), relief=0.1)
    scenery.fill(box(0, base - 2, FRAME, base + 1), darker(front, 0.4), relief=0.0)
    _stove(scenery, stove, counter, base)
    _fridge(scenery, fridge, base)
    _hanging_lamp(scenery, MIDDLE - scenery.side * 9, 8, (206, 98, 84))


def _chequers(scenery: Scenery, light: Rgb, dark: Rgb) -> None:
    top = scenery.horizon + 4
    scenery.band(top, FRAME, [light, darker(light, 0.06)])
    rows = 6
    edges = [top + (FRAME - top) * (row / rows) ** 1.45 for row in range(rows + 1)]
    for row, (y, below) in enumerate(itertools.pairwise(edges)):
        near, nearer = (0.62 + 0.9 * (edge - top) / (FRAME - top) for edge in (y, below))
        for column in range(-9, 9):
            if (row + column) % 2:
                tile = outline(
                    ("M", MIDDLE + column * 14 * near, y),
                    ("L", MIDDLE + (column + 1) * 14 * near, y),
                    ("L", MIDDLE + (column + 1) * 14 * nearer, below),
                    ("L", MIDDLE + column * 14 * nearer, below),
                )
                scenery.fill(tile, dark, relief=0.0)


def _stove(scenery: Scenery, x: float, counter: float, base: float) -> None:
    scenery.fill(box(x - 13, counter - 2, x + 13, base + 1, 1), (228, 230, 232), relief=0.1)
    scenery.fill(box(x - 13, counter - 2, x + 13, counter + 2), (84, 86, 94), relief=0.0)
    for dx in (-8, 0, 8):
        scenery.fill(ellipse(x + dx, counter + 5.2, 1.7, 1.7), (96, 98, 106), relief=0.0)
    scenery.fill(box(x - 9.5, counter + 9, x + 9.5, base - 3, 1.5), (98, 92, 98), relief=0.16)
    pot = scenery.varied((196, 104, 88))
    scenery.fill(box(x - 7.5, counter - 12, x + 7.5, counter - 2, 2), pot, relief=0.14)
    scenery.line(x - 10, counter - 8, x + 10, counter - 8, colour=darker(pot, 0.3), width=1.8)
    scenery.fill(
        outline(("M", x - 8, counter - 12), ("Q", x, counter - 17, x + 8, counter - 12)),
        lighter(pot, 0.2),
    )
    scenery.fill(ellipse(x, counter - 15.5, 1.6, 1.6), darker(pot, 0.3), relief=0.0)


def _fridge(scenery: Scenery, x: float, base: float) -> None:
    left, right, top = x - 13, x + 13, base - 62
    scenery.fill(box(left, top, right, base + 2, 3), (238, 240, 242), relief=0.1, across=True)
    scenery.line(left, top + 20, right, top + 20, colour=(166, 172, 180), width=1.4)
    grip = x - scenery.side * 8.5
    for upper, lower in ((top + 8, top + 16), (top + 25, top + 39)):
        scenery.line(grip, upper, grip, lower, colour=(150, 156, 166), width=2.2)


def draw_library(scenery: Scenery) -> None:
    """Shelves full of books around a narrow window, and a carpet."""
    rng, horizon = scenery.rng, scenery.horizon
    wood = scenery.varied((140, 98, 66))
    base = horizon + 5
    scenery.band(0, base, [(214, 196, 166), (204, 184, 152)])
    gap = scenery.edge(rng.uniform(40, 48), -1)
    scenery.fill(box(gap - 14, base - 14, gap + 14, base), darker(wood, 0.1))
    for left, right in ((-4.0, gap - 15), (gap + 15, 132.0)):
        _shelves(scenery, left, right, base, wood)
    _hanging_lamp(scenery, scenery.edge(rng.uniform(36, 44)), 2, (92, 132, 104))
    window(scenery, gap - 11, 8, gap + 11, 52)
    colour = scenery.varied(rng.choice(((150, 96, 92), (104, 128, 126), (120, 114, 150))))
    scenery.band(base, FRAME, [(176, 130, 90), (156, 112, 78)])
    rim = outline(("M", 14, base + 7), ("L", 114, base + 7), ("L", 134, 125), ("L", -6, 125))
    scenery.fill(rim, darker(colour, 0.15), relief=0.0)
    inner = outline(("M", 18, base + 10), ("L", 110, base + 10), ("L", 126, 121.5), ("L", 2, 121.5))
    scenery.fill(inner, (228, 204, 156), relief=0.0)
    field = outline(("M", 20, base + 11.5), ("L", 108, base + 11.5), ("L", 123, 120), ("L", 5, 120))
    scenery.fill(field, lighter(colour, 0.16), relief=0.06)


def _shelves(scenery: Scenery, left: float, right: float, base: float, wood: Rgb) -> None:
    rng = scenery.rng
    scenery.fill(box(left, 2, right, base + 1), darker(wood, 0.45), relief=0.0)
    rows = 4
    high = (base - 6) / rows
    for row in range(rows):
        floor = 5 + (row + 1) * high
        x = left + 3.0
        while x < right - 6:
            wide, tall = rng.uniform(3.4, 5.6), high * rng.uniform(0.62, 0.86)
            if rng.random() < 0.07:
                x += wide
                continue
            spine = mix(scenery.varied(rng.choice(SPINES), 9), wood, 0.16)
            scenery.fill(
                box(x, floor - tall, x + wide, floor, 0.5), spine, relief=0.16, across=True
            )
            if wide > 4:
                scenery.line(
                    x + 1,
                    floor - 0.75 * tall,
                    x + wide - 1,
                    floor - 0.75 * tall,
                    colour=lighter(spine, 0.5),
                    width=1.1,
                )
            x += wide + 0.3
        scenery.fill(box(left, floor, right, floor + 2.4), lighter(wood, 0.08), relief=0.1)
    for x in (left, right - 3):
        scenery.fill(box(x, 2, x + 3, base + 2), wood, relief=0.16, across=True)
    scenery.fill(box(left, 0, right, 4.5), lighter(wood, 0.06))


def draw_stage(scenery: Scenery) -> None:
    """Red curtains, boards and a spotlight; the backdrop is a starry sky at night."""
    rng, canvas, horizon = scenery.rng, scenery.canvas, scenery.horizon
    night = scenery.light == "night"
    if night:
        scenery.band(0, horizon + 1, [(26, 30, 70), (58, 60, 116)], toned=False)
        for _ in range(16):
            x, y = rng.uniform(28, 100), rng.uniform(20, horizon - 6)
            canvas.drawPath(ellipse(x, y, 0.9, 0.9), paint((255, 246, 206)))
        scenery.moon(scenery.edge(rng.uniform(38, 46), -1), rng.uniform(31, 36), 7)
    else:
        backdrop = scenery.varied(rng.choice(((218, 196, 160), (190, 204, 208), (208, 192, 206))))
        scenery.band(0, horizon + 1, [lighter(backdrop, 0.15), darker(backdrop, 0.12)])
    wood = scenery.varied((190, 138, 88))
    scenery.band(horizon, FRAME, [darker(wood, 0.16), wood])
    for number in range(1, 6):
        y = horizon + (FRAME - horizon) * (number / 6) ** 1.4
        scenery.line(0, y, FRAME, y, colour=darker(wood, 0.36), width=1.0)
    source, spread = scenery.edge(rng.uniform(26, 40)), rng.uniform(34, 40)
    beam = outline(
        ("M", source - 4, 8),
        ("L", source + 4, 8),
        ("L", MIDDLE + spread, 112),
        ("L", MIDDLE - spread, 112),
    )
    strong = 92 if night else 74
    canvas.drawPath(beam, paint((255, 244, 190), alpha=strong, blur=1.2))
    canvas.drawPath(
        ellipse(MIDDLE, 112, spread + 3, 10.5), paint((255, 240, 180), alpha=150, blur=1.6)
    )
    red = scenery.varied((176, 50, 56))
    for side in (-1, 1):
        edge = MIDDLE + side * MIDDLE
        for fold in range(4):
            x = edge - side * (2 + 6.2 * fold)
            drape = outline(
                ("M", x - 4.4, 0),
                ("L", x + 4.4, 0),
                ("Q", x + 3 - side * fold, 50, x + 4.4 + side * 0.5 * fold, horizon + 13 - fold),
                ("L", x - 4.4 + side * 0.5 * fold, horizon + 13 - fold),
                ("Q", x - 5 - side * fold, 50, x - 4.4, 0),
            )
            scenery.fill(drape, red, relief=0.26, across=True)
    count = 6
    for number in range(count):
        x, wide = (number + 0.5) * FRAME / count, FRAME / count
        swag = outline(
            ("M", x - wide / 2, -1),
            ("L", x + wide / 2, -1),
            ("L", x + wide / 2, 10),
            ("Q", x, 24, x - wide / 2, 10),
        )
        scenery.fill(swag, lighter(red, 0.06), relief=0.2)
        hem = outline(("M", x - wide / 2, 10), ("Q", x, 24, x + wide / 2, 10), close=False)
        scenery.stroke(hem, (236, 192, 96), 2.0)
    lamp = limb([(source, 3), (source, 9)], 9)
    scenery.fill(lamp, (72, 70, 80))
    canvas.drawPath(ellipse(source, 12.5, 4.2, 2.4), paint((255, 248, 206)))
