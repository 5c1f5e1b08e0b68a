"""In: a photo, and a box around the subject or none. Out: its mask by colours alone, no weights.

GrabCut (Rother et al., SIGGRAPH 2004), as OpenCV has it: what is outside of the box is background,
what is inside belongs to whose colours it has. Good for a thing before an even wall.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pdst.masks.segmenter import Box, Segmented, SegmenterError, segmented
from pdst.types import Photo

SIDE = 640
"""Longest side in pixels at which colours are modelled; the mask is brought back to the photo's."""

INSET = 0.05
"""Of a side: how far the box that is used without another lies inside the photo."""

ROUNDS = 8


class GrabCut:
    """Masks by colour; needs `opencv-python-headless`."""

    def __init__(self, box: Callable[[Photo, str], Box] | None = None) -> None:
        """Cut out what lies in a box.

        Args:
            box: where the subject is, from a photo and a noun; None: all but the photo's edge,
                which a mask's flags then say.
        """
        self.box = box

    @property
    def label(self) -> str:
        """Without OpenCV's version, which the record of a run has."""
        return "grabcut" if self.box is None else "grabcut in a box"

    def segment(self, photo: Photo, class_noun: str) -> Segmented:
        """Cut the subject out; without a box, the noun does not matter.

        Raises:
            SegmenterError: if OpenCV is missing, or nothing is left of the subject.
        """
        image = photo.image()
        box = _middle(*image.size) if self.box is None else self.box(photo, class_noun)
        scale = min(1.0, SIDE / max(image.size))
        width, height = (max(8, round(side * scale)) for side in image.size)
        small = np.asarray(image.resize((width, height)))
        found = _cut(small, *_inside(box, width / image.width, height / image.height, small))
        rows = np.arange(image.height) * height // image.height
        columns = np.arange(image.width) * width // image.width
        subject = found[rows][:, columns]
        if not subject.any():
            raise SegmenterError(
                f"Photo {photo.image_id}: GrabCut found no subject, since it has the colours of "
                "what is around it. Give a mask file, or take florence-sam2."
            )
        return segmented(subject, source=self.label, box=box, guessed=self.box is None)


def _middle(width: int, height: int) -> Box:
    return Box(
        left=INSET * width,
        top=INSET * height,
        right=(1 - INSET) * width,
        bottom=(1 - INSET) * height,
    )


def _inside(
    box: Box, across: float, down: float, pixels: NDArray[np.uint8]
) -> tuple[int, int, int, int]:
    """A box as OpenCV's rectangle (x, y, width, height), with background left on every side."""
    height, width = pixels.shape[:2]
    left = min(max(1, round(box.left * across)), width - 3)
    top = min(max(1, round(box.top * down)), height - 3)
    right = min(max(left + 1, round(box.right * across)), width - 1)
    bottom = min(max(top + 1, round(box.bottom * down)), height - 1)
    return left, top, right - left, bottom - top


def _cut(pixels: NDArray[np.uint8], *rectangle: int) -> NDArray[np.bool_]:
    try:
        import cv2
    except ImportError as error:
        raise SegmenterError(
            "GrabCut needs the package 'opencv-python-headless', which is not installed. Run: "
            "pip install 'pdst[masks]'. Or give mask files."
        ) from error
    state = np.zeros(pixels.shape[:2], np.uint8)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its first guess of the colours is a random one
    bgr = np.ascontiguousarray(pixels[:, :, ::-1])
    how = cv2.GC_INIT_WITH_RECT
    cv2.grabCut(bgr, state, rectangle, background, foreground, ROUNDS, how)
    return np.isin(state, (cv2.GC_FGD, cv2.GC_PR_FGD))
