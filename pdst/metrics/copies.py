"""In: embeddings of generated images and of all photos. Out: which images are copies of which."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings

ORDINARY = 0.9
"""The share of photos whose nearest other photo counts as ordinary likeness. The rest, a tenth,
leaves room for the near-duplicates that real collections hold."""

EXACT = 1.0 - 1e-6
"""A cosine from here up is 1 but for float32 rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """For each generated image, the most similar photo.

    Attributes:
        similarity: (B,) float64, cosine with that photo.
        index: (B,) int64, its row among the photos.
    """

    similarity: NDArray[np.float64]
    index: NDArray[np.int64]


def nearest_photo(generated: Embeddings, photos: Embeddings) -> Nearest:
    """The most similar photo of the whole benchmark, training and held-out, any subject.

    Args:
        generated: (B, D) float32, unit norm.
        photos: (P, D) float32, unit norm, P >= 1.

    Raises:
        ValueError: if there is no photo, or the widths D differ.
    """
    if photos.ndim != 2 or photos.shape[0] == 0 or generated.shape[1:] != photos.shape[1:]:
        raise ValueError(
            f"nearest_photo needs (B, D) images and (P, D) photos with P >= 1, got "
            f"{generated.shape} and {photos.shape}: embed both with the same encoder."
        )
    similarity = generated.astype(np.float64) @ photos.astype(np.float64).T
    index = similarity.argmax(axis=1)
    return Nearest(
        similarity=np.take_along_axis(similarity, index[:, None], axis=1)[:, 0],
        index=index.astype(np.int64),
    )


def copy_threshold(photos: Embeddings) -> float:
    """The similarity from which an image counts as a copy, measured on the benchmark itself.

    Halfway between identity (1) and the likeness that nine in ten photos have to their nearest
    other photo. So it means the same for every encoder: a copy is closer to a photo than different
    photos of one subject are to each other.

    Args:
        photos: (P, D) float32, unit norm, P >= 1: training and held-out ones of all subjects.

    Returns:
        A cosine in [0, EXACT]; EXACT where there is nothing to measure: a single photo, or more
        than a tenth of the photos repeated.

    Raises:
        ValueError: without a photo.
    """
    if photos.ndim != 2 or photos.shape[0] == 0:
        raise ValueError(f"copy_threshold needs (P, D) with P >= 1 photos, got {photos.shape}.")
    if photos.shape[0] == 1:
        return EXACT
    wide = photos.astype(np.float64)
    similarity = wide @ wide.T
    np.fill_diagonal(similarity, -np.inf)
    ordinary = float(np.quantile(similarity.max(axis=1), ORDINARY))
    return min((1.0 + ordinary) / 2.0, EXACT)
