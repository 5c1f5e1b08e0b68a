"""A `Scenery` in; beach and lake out: the places with water behind the subject.

Landmarks stand at the sides and above the horizon, where no subject hides them.
"""

import math

import skia

from builders.sources.miniature.canvas import box, ellipse, limb, outline, paint, turned
from builders.sources.miniature.palette import Rgb
from builders.sources.miniature.scenery import FRAME, MIDDLE, Scenery

PARASOLS: tuple[Rgb, ...] = ((222, 106, 96), (92, 140, 204), (236, 184, 92), (96, 172, 150))


def draw_beach(scenery: Scenery) -> None:
    """Sea, surf and sand between a palm and a sun umbrella."""
    rng, horizon = scenery.rng, scenery.horizon
    sea_top = horizon - 15
    scenery.sky(sea_top, low_sun=sea_top - 8)
    scenery.band(sea_top, horizon + 10, [(46, 124, 178), (66, 164, 194), (122, 206, 208)])
    for _ in range(7):
        x, y = rng.uniform(0, 128), rng.uniform(sea_top + 3, horizon - 1)
        scenery.line(x - 5, y, x + 5, y, colour=(196, 232, 238), width=0.9, alpha=150)
    if rng.random() < 0.5:
        _sailing_boat(scenery, rng.uniform(48, 80), sea_top + 3)
    heights = [horizon + rng.uniform(2, 7) for _ in range(4)]
    scenery.hill([y - 2.5 for y in heights], ((244, 250, 248), (244, 250, 248)))
    scenery.hill(heights, ((238, 220, 176), (222, 196, 146)))
    for _ in range(9):
        x, y = rng.uniform(4, 124), rng.uniform(horizon + 16, 126)
        scenery.fill(ellipse(x, y, 2.2, 0.9), (204, 176, 128), relief=0.0)
    _parasol(scenery, scenery.edge(rng.uniform(15, 21), -1), horizon + 22)
    _palm(scenery, horizon)


def _sailing_boat(scenery: Scenery, x: float, y: float) -> None:
    scenery.fill(
        outline(("M", x - 5, y - 1), ("L", x + 5, y - 1), ("L", x + 3, y + 2)), (150, 92, 70)
    )
    scenery.fill(outline(("M", x, y - 2), ("L", x, y - 12), ("L", x + 5, y - 2)), (250, 248, 240))


def _parasol(scenery: Scenery, x: float, foot: float) -> None:
    colour = scenery.varied(scenery.rng.choice(PARASOLS))
    lean = -6 * (1 if x < MIDDLE else -1)
    top = (x + lean * 0.3, foot - 38)
    scenery.line(x - lean * 0.2, foot, *top, colour=(240, 236, 226), width=1.8)
    whole = outline(
        ("M", top[0] - 18, top[1] + 12),
        ("C", top[0] - 15, top[1] - 6, top[0] + 15, top[1] - 6, top[0] + 18, top[1] + 12),
        ("Q", top[0], top[1] + 7, top[0] - 18, top[1] + 12),
    )
    whole = turned(whole, 2 * lean, *top)
    scenery.fill(whole, (250, 246, 238))
    scenery.canvas.save()
    scenery.canvas.clipPath(whole, skia.ClipOp.kIntersect, True)
    for left, right in ((-20, -10), (-3.5, 3.5), (10, 20)):
        gore = outline(
            ("M", top[0], top[1] - 4),
            ("Q", top[0] + left, top[1] - 2, top[0] + left, top[1] + 14),
            ("L", top[0] + right, top[1] + 14),
            ("Q", top[0] + right, top[1] - 2, top[0], top[1] - 4),
        )
        scenery.fill(turned(gore, 2 * lean, *top), colour)
    scenery.canvas.restore()


def _palm(scenery: Scenery, horizon: float) -> None:
    rng = scenery.rng
    inwards = -scenery.side
    x = scenery.edge(rng.uniform(6, 13))
    top_x, top_y = x + inwards * rng.uniform(4, 9), horizon - rng.uniform(38, 48)
    trunk = limb([(x, horizon + 20), (x - inwards * 3, horizon - 15), (top_x, top_y)], 5)
    scenery.fill(trunk, (150, 112, 76), across=True, relief=0.2)
    for number in range(8):
        turn = -168 + number * 48 + rng.uniform(-8, 8)
        reach = rng.uniform(19, 24)
        angle = math.radians(turn)
        tip = (top_x + reach * math.cos(angle), top_y + 0.55 * reach * math.sin(angle) + 7)
        bend = (top_x + 0.55 * reach * math.cos(angle), top_y + 0.5 * reach * math.sin(angle) - 8)
        leaf = outline(
            ("M", top_x, top_y),
            ("Q", bend[0], bend[1] - 2, *tip),
            ("Q", bend[0] * 0.9 + top_x * 0.1, bend[1] + 8, top_x, top_y + 1),
        )
        scenery.fill(leaf, scenery.varied((74, 150, 82), 14), relief=0.15)
    for dx in (-2.2, 2.2):
        scenery.fill(ellipse(top_x + dx, top_y + 3, 2.4, 2.4), (112, 78, 50))


def draw_lake(scenery: Scenery) -> None:
    """Blue water between a wooded far shore and a grassy bank with reeds."""
    rng, horizon = scenery.rng, scenery.horizon
    shore = horizon - 5
    scenery.sky(shore - 4, low_sun=shore - 22)
    scenery.hill([shore - rng.uniform(6, 20) for _ in range(4)], ((150, 180, 190), (146, 180, 184)))
    scenery.hill([shore - rng.uniform(3, 9) for _ in range(12)], ((92, 140, 106), (92, 140, 106)))
    sky = scenery.sky_colours()
    scenery.band(shore, shore + 3, [(78, 122, 110), (80, 134, 160)])
    scenery.band(shore + 3, FRAME, [(104, 170, 214), (58, 122, 188), (52, 112, 180)])
    # The sky lies on the water, most where it is farthest.
    scenery.canvas.drawPath(box(0, shore + 3, FRAME, shore + 14), paint(sky[2], alpha=70))
    for _ in range(15):
        y = rng.uniform(shore + 5, 98)
        x, reach = rng.uniform(-4, 132), rng.uniform(5, 13)
        scenery.line(x - reach, y, x + reach, y, colour=(196, 226, 242), width=1.3, alpha=140)
    bank = rng.uniform(98, 101)
    heights = [bank - rng.uniform(2, 10), bank + 1, bank, bank + 1, bank - rng.uniform(2, 10)]
    scenery.hill([y - 1.5 for y in heights], ((196, 180, 130), (196, 180, 130)))
    scenery.hill(heights, ((134, 182, 92), (98, 150, 72)), 1.0)
    for side, count in ((1, 6), (-1, 3)):
        for number in range(count):
            x = scenery.edge(2 + number * rng.uniform(3.4, 4.6), side)
            _reed(scenery, x, bank + rng.uniform(0, 5), rng.uniform(26, 40))
    for _ in range(7):
        x, y = rng.uniform(2, 126), rng.uniform(bank + 6, 127)
        scenery.tuft(x, y, rng.uniform(4, 6), (88, 146, 70))


def _reed(scenery: Scenery, x: float, foot: float, high: float) -> None:
    lean = scenery.rng.uniform(-3, 3)
    scenery.stroke(
        outline(("M", x, foot), ("Q", x, foot - high / 2, x + lean, foot - high), close=False),
        (92, 136, 72),
        1.6,
    )
    scenery.fill(
        limb([(x + lean, foot - high), (x + lean * 0.9, foot - high + 7)], 3.6), (124, 82, 56)
    )
    leaf = outline(
        ("M", x - 1.3, foot),
        ("Q", x - 2 - lean, foot - 0.4 * high, x - 2 * lean, foot - 0.72 * high),
        ("Q", x, foot - 0.3 * high, x + 1.3, foot),
    )
    scenery.fill(leaf, scenery.varied((108, 154, 80)))
