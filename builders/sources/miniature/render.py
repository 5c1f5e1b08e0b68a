"""A `Scene` in; the picture, RGB, and the exact mask of its subject out. Any size; no other input.

The order is the order of depth: place, what stands behind, shadow, subject, what it wears, what
stands before, weather, light.
"""

import random
from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import NDArray

from builders.sources.miniature.accessories import draw_accessory
from builders.sources.miniature.birds import draw_bird, draw_duck, draw_penguin
from builders.sources.miniature.canvas import Anchors, Brush, ellipse, paint
from builders.sources.miniature.facts import Scene
from builders.sources.miniature.places import draw_place
from builders.sources.miniature.props import draw_prop, prop_height, prop_width
from builders.sources.miniature.quadrupeds import (
    draw_cat,
    draw_dog,
    draw_elephant,
    draw_horse,
    draw_rabbit,
)
from builders.sources.miniature.swimmers import draw_fish, draw_turtle
from builders.sources.miniature.things import (
    draw_backpack,
    draw_boot,
    draw_car,
    draw_chair,
    draw_umbrella,
)
from builders.sources.miniature.vessels import (
    draw_clock,
    draw_lamp,
    draw_mug,
    draw_teapot,
    draw_vase,
)
from builders.sources.miniature.weather import draw_light, draw_weather

FRAME = 128
"""Units across a picture."""

DRAWINGS = {
    "dog": draw_dog,
    "cat": draw_cat,
    "horse": draw_horse,
    "rabbit": draw_rabbit,
    "elephant": draw_elephant,
    "bird": draw_bird,
    "duck": draw_duck,
    "penguin": draw_penguin,
    "fish": draw_fish,
    "turtle": draw_turtle,
    "mug": draw_mug,
    "teapot": draw_teapot,
    "vase": draw_vase,
    "clock": draw_clock,
    "lamp": draw_lamp,
    "backpack": draw_backpack,
    "car": draw_car,
    "chair": draw_chair,
    "boot": draw_boot,
    "umbrella": draw_umbrella,
}
"""A class in one line: (brush, action, phase) -> anchors. Foot at (0, 0), facing right."""

IN_THE_AIR = {"flying": 13.0, "jumping": 12.0, "swimming": 9.0, "floating": 14.0}
"""How high above the ground, in units of the subject."""
TIPPED = 62.0
"""Degrees by which a thing lies over."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn scene.

    Attributes:
        rgb: (S, S, 3) uint8, sRGB.
        mask: (S, S) uint8, 255 where the subject is seen, with soft edges.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def render(scene: Scene, size: int = 256) -> Picture:
    """Draw a scene.

    Args:
        scene: what to draw.
        size: pixels a side.
    """
    rng = random.Random(scene.seed)
    surface, masked = skia.Surface(size, size), skia.Surface(size, size)
    picture, mask = surface.getCanvas(), masked.getCanvas()
    picture.clear(skia.ColorWHITE)
    mask.clear(skia.ColorBLACK)
    for canvas in (picture, mask):
        canvas.scale(size / FRAME, size / FRAME)
    draw_place(picture, scene.place, scene.weather, scene.light, rng)
    _draw_subject(picture, mask, scene, rng)
    draw_weather(picture, scene.weather, rng)
    draw_light(picture, scene.place, scene.light)
    return Picture(rgb=_pixels(surface)[..., :3].copy(), mask=_pixels(masked)[..., 0].copy())


def _pixels(surface: skia.Surface) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = surface.toarray(colorType=skia.kRGB_888x_ColorType)
    return found


def _draw_subject(
    picture: skia.Canvas, mask: skia.Canvas, scene: Scene, rng: random.Random
) -> None:
    camera, prop, action = scene.camera, scene.prop, scene.action
    side = -1.0 if camera.mirror else 1.0
    light_from, phase, beside = rng.choice((-1.0, 1.0)), rng.uniform(-1, 1), rng.choice((-1, 1))
    for canvas in (picture, mask):
        canvas.save()
        canvas.translate(camera.x, camera.y)
        canvas.scale(camera.scale * side, camera.scale)
    brush = Brush(picture, mask, scene.identity, light_from * side)
    relation = prop.relation if prop is not None else None
    stand = 0.0
    if prop is not None and relation == "on":
        draw_prop(brush, prop.noun, prop.colour)
        stand = prop_height(prop.noun)
    if prop is not None and relation == "in front of":
        with brush.moved(beside * 13, -5):
            draw_prop(brush, prop.noun, prop.colour)
    if prop is not None and relation == "next to":
        # Towards the middle of the picture, where there is room.
        inwards = 1.0 if (camera.x < FRAME / 2) == (side > 0) else -1.0
        with brush.moved(inwards * (25 + prop_width(prop.noun) / 2), 1):
            draw_prop(brush, prop.noun, prop.colour)
    height = IN_THE_AIR.get(action, 0.0)
    if relation != "on":
        alpha, width = (70, 20) if height else (105, 25)
        shadow = paint((16, 10, 34), alpha=alpha, blur=2.5)
        picture.drawPath(ellipse(0, 0.5, width, 4.2), shadow)
    with brush.moved(0, -height - stand):
        _draw_posed(brush, scene, phase)
    if prop is not None and relation == "behind":
        with brush.moved(beside * 15, 6):
            draw_prop(brush, prop.noun, prop.colour)
    for canvas in (picture, mask):
        canvas.restore()


def _draw_posed(brush: Brush, scene: Scene, phase: float) -> None:
    identity, action = scene.identity, scene.action
    draw = DRAWINGS[identity.class_noun]
    if action == "tipped over":
        middle, lowest = _lying(brush, scene, phase)
        with brush.moved(-middle, -lowest), brush.moved(degrees=TIPPED):
            _draw_worn(brush, scene, draw(brush, action, phase))
    elif action == "floating":
        with brush.moved(0, 0, degrees=14 * phase):
            _draw_worn(brush, scene, draw(brush, action, phase))
    else:
        _draw_worn(brush, scene, draw(brush, action, phase))


def _lying(brush: Brush, scene: Scene, phase: float) -> tuple[float, float]:
    """Where the middle and the lowest point of a thing come to be when it is turned over."""
    nowhere, unseen = skia.Surface(1, 1), skia.Surface(1, 1)
    measuring = Brush(nowhere.getCanvas(), unseen.getCanvas(), brush.identity, brush.light_from)
    with measuring.moved(degrees=TIPPED), measuring.measured() as extent:
        DRAWINGS[scene.identity.class_noun](measuring, scene.action, phase)
    left, right, lowest = extent()
    return (left + right) / 2, lowest


def _draw_worn(brush: Brush, scene: Scene, anchors: Anchors) -> None:
    if scene.accessory is not None:
        draw_accessory(brush, scene.accessory.noun, scene.accessory.colour, anchors)
