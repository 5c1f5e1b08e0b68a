"""A scene and its picture in; how well the subject, and what is said of it, can be seen, out."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from builders.sources.miniature.facts import Scene
from builders.sources.miniature.render import Picture, render

SEEN = 127
"""Mask levels above it are subject."""
RING = 0.04
"""Width of the surroundings that a subject has to stand out from, as a share of the picture."""
CHANGED = 24
"""Levels of 255 by which a pixel changes if something is drawn over it."""
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float64
)
WHITE = TO_XYZ.sum(axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What can be seen; every number is a share in [0, 1] but for the contrast.

    Attributes:
        size: of the picture that shows the subject.
        cut: of the picture's edge that the subject touches.
        covered: of the subject that its prop hides.
        contrast: mean distance of its pixels from the mean colour around it, CIE Lab units.
        prop, accessory: of the picture that shows them; None if there are none.
    """

    size: float
    cut: float
    covered: float
    contrast: float
    prop: float | None
    accessory: float | None


def look_at(scene: Scene, picture: Picture) -> Sight:
    """Measure a drawn scene.

    Args:
        scene: what was drawn.
        picture: of it, at any size.
    """
    subject = picture.mask > SEEN
    edge = np.concatenate([subject[0], subject[-1], subject[:, 0], subject[:, -1]])
    covered, prop = 0.0, None
    if scene.prop is not None:
        without = render(replace(scene, prop=None), len(subject))
        if scene.prop.relation == "behind":
            covered = 1 - float(subject.mean() / max((without.mask > SEEN).mean(), 1e-9))
        prop = float((_changed(picture, without) & ~subject).mean())
    accessory = None
    if scene.accessory is not None:
        bare = render(replace(scene, accessory=None), len(subject))
        accessory = float(_changed(picture, bare).mean())
    return Sight(
        size=float(subject.mean()),
        cut=float(edge.mean()),
        covered=covered,
        contrast=_contrast(picture.rgb, subject),
        prop=prop,
        accessory=accessory,
    )


def _changed(one: Picture, other: Picture) -> NDArray[np.bool_]:
    apart = np.abs(one.rgb.astype(np.int16) - other.rgb).max(axis=2)
    changed: NDArray[np.bool_] = apart > CHANGED
    return changed


def _contrast(rgb: NDArray[np.uint8], subject: NDArray[np.bool_]) -> float:
    width = max(1, round(RING * len(subject)))
    around = scipy.ndimage.binary_dilation(subject, iterations=width) & ~subject
    inner = scipy.ndimage.binary_erosion(subject, iterations=2)
    if not around.any() or not inner.any():
        return 0.0
    apart = lab(rgb[inner]) - lab(rgb[around]).mean(axis=0)
    return float(np.linalg.norm(apart, axis=1).mean())


def lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIE L*a*b*, white D65.

    Args:
        rgb: (..., 3), sRGB.

    Source:
        IEC 61966-2-1 (sRGB); CIE 15 (L*a*b*).
    """
    share = rgb / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T / WHITE
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
