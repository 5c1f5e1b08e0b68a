"""Colour names in, sRGB out: the one table of named colours, and how light changes them."""

import colorsys

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "white": (242, 240, 235),
    "black": (48, 47, 54),
    "gray": (146, 148, 154),
    "brown": (126, 80, 46),
    "cream": (238, 212, 168),
    "red": (206, 48, 46),
    "orange": (236, 128, 38),
    "yellow": (244, 206, 58),
    "green": (58, 152, 76),
    "teal": (36, 152, 158),
    "blue": (52, 98, 200),
    "purple": (132, 74, 176),
    "pink": (240, 146, 180),
}
"""Every colour that a caption may name."""

INK: Rgb = (40, 32, 42)
"""Outlines, pupils, mouths."""


def clamp(value: float) -> int:
    """A channel, rounded and kept in [0, 255]."""
    return round(max(0.0, min(255.0, value)))


def mix(a: Rgb, b: Rgb, amount: float) -> Rgb:
    """From `a` (amount 0) to `b` (amount 1)."""
    return (
        clamp(a[0] + (b[0] - a[0]) * amount),
        clamp(a[1] + (b[1] - a[1]) * amount),
        clamp(a[2] + (b[2] - a[2]) * amount),
    )


def darker(colour: Rgb, amount: float = 0.5) -> Rgb:
    """The colour in shadow; amount 1 is ink."""
    return mix(colour, INK, amount)


def lighter(colour: Rgb, amount: float = 0.5) -> Rgb:
    """The colour in light; amount 1 is white."""
    return mix(colour, (255, 255, 255), amount)


def tinted(colour: Rgb, tint: tuple[float, float, float]) -> Rgb:
    """The colour a little changed, so that two subjects may share its name and not its shade.

    Args:
        colour: sRGB.
        tint: hue, saturation and lightness, each in [-1, 1]; at most 11 degrees of hue, 14 % of
            saturation and 7 % of lightness, too little for another name to fit.
    """
    hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    hue = (hue + 0.03 * tint[0]) % 1.0
    saturation = max(0.0, min(1.0, saturation * (1 + 0.14 * tint[1])))
    light = max(0.12, min(0.96, light + 0.07 * tint[2]))
    red, green, blue = colorsys.hls_to_rgb(hue, light, saturation)
    return clamp(red * 255), clamp(green * 255), clamp(blue * 255)
