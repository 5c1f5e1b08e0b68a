"""In: unit-norm embeddings. Out: cosines in float64, plain: no x100, no x2.5, no clamp."""

import numpy as np
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings


def row_cosine(left: Embeddings, right: Embeddings) -> NDArray[np.float64]:
    """Cosine of each row with the row of the same number.

    Args:
        left: (B, D) float32, unit norm.
        right: the same shape.

    Returns:
        (B,) float64 in [-1, 1] up to float32 rounding (about 1e-7).

    Raises:
        ValueError: if the shapes differ.
    """
    if left.ndim != 2 or left.shape != right.shape:
        raise ValueError(
            f"row_cosine needs two (B, D) arrays of one shape, got {left.shape} and {right.shape}: "
            "embed both with the same encoder."
        )
    paired: NDArray[np.float64] = np.einsum(
        "bd,bd->b", left.astype(np.float64), right.astype(np.float64)
    )
    return paired


def mean_cosine(generated: Embeddings, references: Embeddings) -> NDArray[np.float64]:
    """Mean over the references of each generated image's cosine with them.

    The mean of cosines, not the cosine with a mean embedding, and not the maximum.

    Args:
        generated: (B, D) float32, unit norm.
        references: (R, D) float32, unit norm, R >= 1.

    Returns:
        (B,) float64 in [-1, 1] up to float32 rounding.

    Raises:
        ValueError: if there is no reference, or the widths D differ.
    """
    if (
        generated.ndim != 2
        or references.ndim != 2
        or references.shape[0] == 0
        or generated.shape[1] != references.shape[1]
    ):
        raise ValueError(
            f"mean_cosine needs (B, D) images and (R, D) references with R >= 1, got "
            f"{generated.shape} and {references.shape}: embed both with the same encoder."
        )
    similarity = generated.astype(np.float64) @ references.astype(np.float64).T
    mean: NDArray[np.float64] = similarity.mean(axis=1)
    return mean
