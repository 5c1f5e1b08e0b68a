"""In: a mask as a segmenter gave it. Out: the same without crumbs, and reasons to look at it."""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

LEAST_PIECE = 0.01
"""Of the mask's area; smaller pieces are crumbs."""

LEAST_AREA, MOST_AREA = 0.02, 0.90
"""Of the photo's area: outside, the mask is probably of something else."""

LEAST_QUALITY = 0.8
"""The predicted IoU below which a person should look."""


def cleaned(subject: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask without crumbs and holes.

    Pieces, connected by edges, of at least `LEAST_PIECE` of the mask stay; what a piece encloses is
    filled. Nothing is dilated.

    Args:
        subject: (H, W), True where the subject is.

    Returns:
        (H, W), a new array.
    """
    pieces, count = scipy.ndimage.label(subject)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    keep = sizes >= LEAST_PIECE * sizes[1:].sum()
    keep[0] = False
    filled: NDArray[np.bool_] = scipy.ndimage.binary_fill_holes(keep[pieces])
    return filled


def mask_flags(
    subject: NDArray[np.bool_], *, quality: float | None = None, candidates: int = 1
) -> tuple[str, ...]:
    """Reasons for a person to look at a mask.

    Args:
        subject: (H, W), True where the subject is, cleaned.
        quality: predicted IoU, in [0, 1], if there is one.
        candidates: things that the subject could have been.

    Returns:
        "name: what was found" each, of the names empty, area, borders, pieces, quality,
        candidates; empty: there is no reason.

    Source:
        METHODS 6.5.
    """
    if not subject.any():
        return ("empty: no pixel is the subject's",)
    flags = []
    share = float(subject.mean())
    if not LEAST_AREA <= share <= MOST_AREA:
        flags.append(f"area: {share:.1%} of the photo")
    if all(edge.any() for edge in (subject[0], subject[-1], subject[:, 0], subject[:, -1])):
        flags.append("borders: touches all four")
    pieces = int(scipy.ndimage.label(subject)[1])
    if pieces > 1:
        flags.append(f"pieces: {pieces}")
    if quality is not None and quality < LEAST_QUALITY:
        flags.append(f"quality: predicted IoU {quality:.2f}")
    if candidates > 1:
        flags.append(f"candidates: {candidates}")
    return tuple(flags)
