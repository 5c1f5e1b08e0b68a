"""A `Scenery` in; farm and street out: the places outdoors where somebody has built."""

from builders.sources.miniature.canvas import box, ellipse, outline, paint
from builders.sources.miniature.palette import Rgb, darker
from builders.sources.miniature.scenery import FRAME, MIDDLE, Scenery

WALLS: tuple[Rgb, ...] = (
    (204, 150, 128),
    (222, 200, 150),
    (160, 182, 196),
    (190, 164, 188),
    (168, 190, 158),
    (214, 172, 164),
)


def draw_farm(scenery: Scenery) -> None:
    """A red barn and a silo in a yellow field behind a white fence."""
    rng, horizon = scenery.rng, scenery.horizon
    scenery.sky(horizon - 2, low_sun=horizon - 12)
    scenery.hill(
        [horizon - rng.uniform(1, 9) for _ in range(4)], ((160, 190, 122), (160, 190, 122))
    )
    other = scenery.edge(rng.uniform(8, 18), -1)
    scenery.broad_tree(other, horizon + 3, rng.uniform(22, 28), (112, 156, 86))
    scenery.hill(
        [horizon + rng.uniform(-2, 2) for _ in range(3)], ((240, 212, 112), (224, 186, 84))
    )
    for number in range(-9, 10):
        x = MIDDLE + number * 9
        scenery.line(
            x, horizon + 3, MIDDLE + number * 17, horizon + 24, colour=(206, 164, 70), width=1.3
        )
    _barn(scenery, scenery.edge(rng.uniform(23, 27)), horizon + 5)
    grass = horizon + 19
    scenery.hill(
        [grass + rng.uniform(-1.5, 1.5) for _ in range(4)], ((166, 192, 104), (128, 162, 80))
    )
    for rail in (-9, -4):
        scenery.line(0, grass + rail, FRAME, grass + rail, colour=(244, 238, 224), width=2.2)
    start = rng.uniform(2, 14)
    for number in range(9):
        x = start + 14.5 * number
        scenery.fill(box(x - 1.7, grass - 13, x + 1.7, grass + 2, 1), (250, 246, 234), across=True)
    for _ in range(9):
        x, y = rng.uniform(2, 126), rng.uniform(grass + 6, 126)
        scenery.tuft(x, y, rng.uniform(4, 6), (112, 150, 72))


def _barn(scenery: Scenery, x: float, base: float) -> None:
    red = scenery.varied((188, 76, 66))
    silo = x - scenery.side * 24
    scenery.fill(box(silo - 6, base - 38, silo + 6, base), (188, 192, 196), across=True, relief=0.3)
    scenery.fill(
        outline(("M", silo - 6.5, base - 37), ("Q", silo, base - 51, silo + 6.5, base - 37)),
        (148, 156, 168),
        relief=0.2,
    )
    wall = outline(
        ("M", x - 18, base),
        ("L", x - 18, base - 22),
        ("L", x - 12, base - 35),
        ("L", x, base - 43),
        ("L", x + 12, base - 35),
        ("L", x + 18, base - 22),
        ("L", x + 18, base),
    )
    scenery.fill(wall, red, relief=0.1)
    roof = outline(
        ("M", x - 20, base - 20),
        ("L", x - 13, base - 35.5),
        ("L", x, base - 44),
        ("L", x + 13, base - 35.5),
        ("L", x + 20, base - 20),
        close=False,
    )
    scenery.stroke(roof, (112, 84, 84), 3.6)
    white = (246, 240, 230)
    scenery.fill(box(x - 4, base - 33, x + 4, base - 25), (92, 54, 54), relief=0.0)
    scenery.stroke(box(x - 4, base - 33, x + 4, base - 25), white, 1.5)
    scenery.fill(box(x - 9, base - 19, x + 9, base), darker(red, 0.25), relief=0.0)
    scenery.stroke(box(x - 9, base - 19, x + 9, base), white, 1.9)
    for top, bottom in ((base - 19, base), (base, base - 19)):
        scenery.line(x - 9, top, x + 9, bottom, colour=white, width=1.7)


def draw_street(scenery: Scenery) -> None:
    """A row of houses, a pavement and asphalt with dashes."""
    rng, horizon = scenery.rng, scenery.horizon
    scenery.sky(horizon, low_sun=rng.uniform(17, 22))
    x, number = rng.uniform(-14, -4), rng.randrange(len(WALLS))
    while x < FRAME:
        wide = rng.choice((20.0, 27.0, 27.0, 34.0))
        _house(scenery, x, wide, horizon + 1, scenery.varied(WALLS[number % len(WALLS)]))
        x += wide + 0.6
        number += rng.randint(1, 2)
    scenery.band(horizon, horizon + 9, [(206, 204, 198), (192, 190, 186)])
    scenery.band(horizon + 9, horizon + 11.5, [(166, 164, 162), (150, 148, 148)])
    scenery.band(horizon + 11.5, FRAME, [(130, 132, 142), (108, 110, 120)])
    y, start = rng.uniform(97, 103), rng.uniform(-14, 6)
    for dash in range(5):
        left = start + dash * 33
        mark = outline(
            ("M", left, y + 4.5), ("L", left + 2, y), ("L", left + 20, y), ("L", left + 19, y + 4.5)
        )
        scenery.fill(mark, (238, 234, 220), relief=0.0)
    _street_lamp(scenery, scenery.edge(rng.uniform(8, 16)), horizon + 10)


def _house(scenery: Scenery, left: float, wide: float, base: float, wall: Rgb) -> None:
    rng = scenery.rng
    floors = rng.randint(2, 3)
    top, middle = base - 13 * floors - 3, left + wide / 2
    roof = rng.choice(((150, 92, 82), (112, 104, 116), (134, 104, 84)))
    if rng.random() < 0.6:
        scenery.fill(box(middle + 4, top - 14, middle + 8, top), darker(roof, 0.2))
        gable = outline(
            ("M", left - 1, top + 1), ("L", middle, top - 13), ("L", left + wide + 1, top + 1)
        )
        scenery.fill(gable, roof)
    else:
        scenery.fill(box(left - 1, top - 4, left + wide + 1, top + 1, 1), roof)
    scenery.fill(box(left, top, left + wide, base), wall, relief=0.08)
    columns = round(wide / 7) - 1
    for floor in range(floors):
        for column in range(columns):
            x = left + wide * (column + 0.5) / columns
            y = top + 3.5 + 13 * floor
            if floor == floors - 1 and column == columns // 2:
                scenery.fill(box(x - 2.8, y, x + 2.8, base, 1), (122, 86, 70))
                continue
            scenery.fill(box(x - 2.9, y - 0.6, x + 2.9, y + 7.6), (246, 242, 234), relief=0.0)
            pane = box(x - 2, y + 0.3, x + 2, y + 6.8)
            if scenery.light != "day" and rng.random() < 0.6:
                scenery.canvas.drawPath(pane, paint((255, 222, 130)))
            else:
                scenery.fill(pane, (122, 150, 174), relief=0.15)


def _street_lamp(scenery: Scenery, x: float, foot: float) -> None:
    scenery.line(x, foot, x, foot - 50, colour=(84, 88, 98), width=2.4)
    scenery.fill(
        outline(
            ("M", x - 5.5, foot - 58),
            ("L", x + 5.5, foot - 58),
            ("L", x + 3, foot - 49),
            ("L", x - 3, foot - 49),
        ),
        (246, 234, 196),
    )
    scenery.fill(
        outline(("M", x - 6.5, foot - 58), ("L", x, foot - 63), ("L", x + 6.5, foot - 58)),
        (84, 88, 98),
    )
    if scenery.light == "night":
        scenery.glow(x, foot - 53, 24, (255, 226, 140), 190)
        scenery.canvas.drawPath(ellipse(x, foot - 53.5, 3.6, 4), paint((255, 240, 180)))
