"""A brush and a place in; one part of a bird drawn there: wings, tails, crests, beaks, feet."""

from builders.sources.miniature.canvas import Brush, Path, box, ellipse, limb, outline, thick
from builders.sources.miniature.palette import INK, darker
from builders.sources.miniature.swimmers import joined, overlap


def draw_bird_leg(brush: Brush, x: float, top: float, *, far: bool) -> None:
    """A thin leg and its toes."""
    dim = 0.25 if far else 0.0
    foot = joined(limb([(x - 3, -1.8), (x + 5.5, -1.8)], 3.4), limb([(x, top), (x, -2)], 3.4))
    brush.part(foot, "third", dim=dim)


def draw_webbed_foot(brush: Brush, x: float, top: float, *, far: bool) -> None:
    """A short leg and a web."""
    web = outline(("M", x - 2, -4.5), ("Q", x + 5, -4, x + 10, -0.6), ("L", x - 4, -0.6))
    foot = joined(limb([(x, top), (x, -3)], 4), thick(web, 1.4), web)
    brush.part(foot, "third", dim=0.25 if far else 0.0)


def _feather_lines(brush: Brush, *lines: Path) -> None:
    for line in lines:
        brush.line(line, darker(brush.colour("second"), 0.45), 1.2)


def draw_raised_wing(brush: Brush, length: float, *, far: bool) -> None:
    """A wing that rises from the origin, its feathers to the left."""
    path = outline(
        ("M", 9, 1),
        ("C", 13, -0.45 * length, 7, -0.88 * length, -3, -length),
        ("Q", -11, -0.97 * length, -10, -0.75 * length),
        ("Q", -18, -0.7 * length, -14, -0.5 * length),
        ("Q", -21, -0.42 * length, -14, -0.25 * length),
        ("Q", -17, -0.05 * length, -8, 3),
    )
    brush.part(path, "second", dim=0.24 if far else 0.0)
    if not far:
        _feather_lines(
            brush,
            *(
                outline(
                    ("M", right * 1.0, inner * length),
                    ("Q", -5, inner * length - 3, -10.5, outer * length),
                    close=False,
                )
                for right, inner, outer in ((1, -0.62, -0.74), (2, -0.4, -0.5), (2, -0.18, -0.25))
            ),
        )


def draw_folded_wing(brush: Brush, length: float, deep: float) -> None:
    """A wing that lies on the body: shoulder at the origin, tip to the left."""
    path = outline(
        ("M", 8, -0.2 * deep),
        ("C", 4, -1.15 * deep, -0.5 * length, -0.9 * deep, -length, 0.25 * deep),
        ("Q", -0.8 * length, 0.62 * deep, -0.62 * length, 0.55 * deep),
        ("Q", -0.5 * length, 0.95 * deep, -0.3 * length, 0.85 * deep),
        ("Q", -0.12 * length, 1.15 * deep, 2, 0.9 * deep),
        ("Q", 9, 0.6 * deep, 8, -0.2 * deep),
    )
    brush.part(path, "second")
    _feather_lines(
        brush,
        outline(
            ("M", -0.62 * length, 0.55 * deep),
            ("Q", -0.4 * length, 0.5 * deep, -0.22 * length, 0.1 * deep),
            close=False,
        ),
        outline(
            ("M", -0.3 * length, 0.85 * deep),
            ("Q", -0.1 * length, 0.7 * deep, 0, 0.25 * deep),
            close=False,
        ),
    )


def draw_bird_tail(brush: Brush, kind: int, length: float) -> None:
    """A tail to the left of the origin; its end is in the third colour."""
    if kind == 0:
        path = outline(
            ("M", 3, -5),
            ("L", -0.7 * length, -6),
            ("Q", -length, -5, -1.12 * length, 0),
            ("Q", -length, 5.5, -0.7 * length, 6),
            ("L", 3, 6),
        )
    elif kind == 1:
        path = outline(
            ("M", 3, -5),
            ("Q", -0.5 * length, -5, -1.1 * length, -11),
            ("Q", -0.85 * length, -3, -0.6 * length, 0),
            ("Q", -0.85 * length, 4, -1.1 * length, 12),
            ("Q", -0.5 * length, 7, 3, 6),
        )
    else:
        path = outline(
            ("M", 3, -4),
            ("L", -0.78 * length, -13),
            ("Q", -length, -12, -0.93 * length, -5),
            ("Q", -1.12 * length, 0, -0.93 * length, 5),
            ("Q", -length, 12, -0.78 * length, 13),
            ("L", 3, 5),
        )
    brush.part(path, "second")
    brush.part(overlap(path, box(-2 * length, -30, -0.7 * length, 30)), "third")


def draw_duck_tail(brush: Brush, kind: int, x: float, y: float, length: float) -> None:
    """A curl, a raised point, or a fan, to the left of (x, y)."""
    if kind == 0:
        curl = outline(
            ("M", x + 2, y),
            (
                "C",
                x - 0.9 * length,
                y + 1,
                x - 1.05 * length,
                y - 0.95 * length,
                x - 0.3 * length,
                y - 0.85 * length,
            ),
            close=False,
        )
        path = thick(curl, 6)
    elif kind == 1:
        path = outline(
            ("M", x + 4, y - 4),
            ("L", x - length, y - 0.85 * length),
            ("Q", x - 0.7 * length, y + 4, x + 4, y + 7),
        )
    else:
        path = outline(
            ("M", x + 4, y - 3),
            ("L", x - 0.55 * length, y - 1.05 * length),
            ("Q", x - 0.95 * length, y - length, x - 0.85 * length, y - 0.6 * length),
            ("Q", x - 1.3 * length, y - 0.35 * length, x - length, y),
            ("Q", x - 1.2 * length, y + 0.4 * length, x - 0.7 * length, y + 0.42 * length),
            ("L", x + 4, y + 6),
        )
    brush.part(path, "second")


def draw_crest(brush: Brush, kind: int, x: float, y: float, radius: float, size: float) -> None:
    """Swept feathers, a round comb, or one plume with a ball."""
    if kind == 0:
        for back, up in ((1.25, 0.2), (0.9, 0.7), (0.2, 1.0)):
            feather = outline(
                ("M", x - 9, y - 0.4 * radius),
                (
                    "Q",
                    x - 0.4 * size * back - 3,
                    y - radius - 0.5 * size * up,
                    x - size * back - 3,
                    y - 0.75 * radius - size * up,
                ),
                ("Q", x - 2, y - radius - 0.4 * size * up, x + 4, y - 0.8 * radius),
            )
            brush.part(feather, "third")
    elif kind == 1:
        knob = 0.44 * size
        comb = joined(
            ellipse(x - 0.62 * radius, y - 0.78 * radius, knob, knob),
            ellipse(x - 0.1 * radius, y - 1.1 * radius, 1.15 * knob, 1.25 * knob),
            ellipse(x + 0.45 * radius, y - 0.92 * radius, 0.9 * knob, knob),
        )
        brush.part(comb, "third")
    else:
        stem = outline(
            ("M", x - 1, y - 0.8 * radius),
            ("Q", x - 3, y - radius - 0.8 * size, x + 0.5 * size, y - radius - 0.8 * size),
            close=False,
        )
        ball = ellipse(x + 0.55 * size, y - radius - 0.7 * size, 0.4 * size, 0.4 * size)
        brush.part(joined(thick(stem, 3.4), ball), "third")


def draw_duck_crown(brush: Brush, kind: int, x: float, y: float, radius: float) -> None:
    """Nothing, a curl on the crown, or a crest behind the head."""
    if kind == 1:
        curl = outline(
            ("M", x, y - 0.8 * radius),
            ("C", x - 2, y - radius - 9, x - 11, y - radius - 8, x - 8, y - radius - 2),
            close=False,
        )
        brush.part(thick(curl, 3.6), "third")
    elif kind == 2:
        crest = outline(
            ("M", x + 2, y - 0.92 * radius),
            ("Q", x - 0.8 * radius, y - 1.35 * radius, x - 1.9 * radius, y - 0.85 * radius),
            ("Q", x - 1.2 * radius, y - 0.5 * radius, x - 1.75 * radius, y + 0.1 * radius),
            ("Q", x - radius, y + 0.4 * radius, x - 0.5 * radius, y + 0.5 * radius),
        )
        brush.part(crest, "third")


def draw_beak(brush: Brush, kind: int, x: float, y: float, length: float) -> None:
    """Short, hooked, or long; its root at (x, y)."""
    if kind == 0:
        path = outline(
            ("M", x - 2, y - 5),
            ("Q", x + 0.6 * length, y - 4.5, x + length, y + 0.5),
            ("Q", x + 0.4 * length, y + 4.5, x - 2, y + 5),
        )
    elif kind == 1:
        path = outline(
            ("M", x - 3, y - 6.5),
            ("C", x + 0.8 * length, y - 9, x + 1.25 * length, y + 1, x + 0.72 * length, y + 9),
            ("Q", x + 0.45 * length, y + 4, x - 2, y + 6),
        )
    else:
        path = outline(
            ("M", x - 2, y - 4),
            ("Q", x + length, y - 1, x + 1.55 * length, y + 2.5),
            ("Q", x + 0.6 * length, y + 4, x - 2, y + 4.5),
        )
    brush.part(path, "third")
    slit = outline(("M", x - 1, y + 1), ("L", x + 0.55 * length, y + 1), close=False)
    brush.line(slit, INK, 1.0)


def draw_bill(brush: Brush, x: float, y: float, length: float) -> None:
    """Broad and flat, a little raised at the end."""
    path = outline(
        ("M", x - 1, y - 6),
        ("C", x + 0.25 * length, y - 5, x + 0.5 * length, y - 1.5, x + 0.8 * length, y - 2.8),
        ("C", x + 1.1 * length, y - 3.5, x + 1.15 * length, y + 4.5, x + 0.9 * length, y + 5.5),
        ("Q", x + 0.6 * length, y + 8.5, x - 2, y + 8),
    )
    brush.part(path, "third")
    smile = outline(
        ("M", x - 1.5, y + 3.5),
        ("Q", x + 0.5 * length, y + 4.6, x + 0.98 * length, y + 1.4),
        close=False,
    )
    brush.line(smile, INK, 1.1)
