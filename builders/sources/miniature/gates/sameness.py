"""Embeddings of pictures of known subjects in; how well they tell who it is out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(N, D), unit length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """A difference of two mean cosines with its 95 % bootstrap interval over identities."""

    value: float
    low: float
    high: float


def nearest_neighbours(
    vectors: Vectors, identities: NDArray[np.int32], places: NDArray[np.int16]
) -> float:
    """How often the nearest picture *at another place* shows the same identity.

    Pictures at the same place are no candidates, so that a background helps nobody; one that has
    no other picture of its identity elsewhere is not asked.
    """
    cosines = vectors @ vectors.T
    elsewhere = places[:, None] != places[None]
    same = identities[:, None] == identities[None]
    asked = (same & elsewhere).any(1)
    nearest = np.where(elsewhere, cosines, -np.inf).argmax(1)
    return float((identities[nearest] == identities)[asked].mean())


def mean_cosines(
    vectors: Vectors,
    identities: NDArray[np.int32],
    classes: NDArray[np.int16],
    places: NDArray[np.int16],
) -> NDArray[np.float64]:
    """(I, 3): per identity the mean cosine to itself, to its class, to other classes.

    Of pictures at different places only. An identity without such a pair has NaN.
    """
    cosines = (vectors @ vectors.T).astype(np.float64)
    elsewhere = places[:, None] != places[None]
    same = identities[:, None] == identities[None]
    of_class = classes[:, None] == classes[None]
    groups = (same & elsewhere, of_class & ~same & elsewhere, ~of_class & elsewhere)
    names = np.unique(identities)
    found = np.full((len(names), 3), np.nan)
    for row, identity in enumerate(names):
        rows = identities == identity
        for column, group in enumerate(groups):
            if group[rows].any():
                found[row, column] = cosines[rows][group[rows]].mean()
    return found


def margins(cosines: NDArray[np.float64], draws: int = 1000) -> tuple[Margin, Margin]:
    """Same identity over same class, and same class over other class, resampling identities.

    Args:
        cosines: of `mean_cosines`.
        draws: of the bootstrap.
    """
    kept = cosines[~np.isnan(cosines).any(1)]
    rng = np.random.default_rng(0)
    picked = rng.integers(0, len(kept), (draws, len(kept)))
    found = []
    for a, b in ((0, 1), (1, 2)):
        differences = kept[:, a] - kept[:, b]
        low, high = np.quantile(differences[picked].mean(1), (0.025, 0.975))
        found.append(Margin(value=float(differences.mean()), low=float(low), high=float(high)))
    return found[0], found[1]


def colour_histograms(images: NDArray[np.uint8], bins: int = 8) -> Vectors:
    """(N, bins^3), unit length: square roots of the shares of RGB cells, a simple rule's features.

    Square roots make the cosine the Bhattacharyya coefficient.
    """
    cells = (images // (256 // bins)).astype(np.int64)
    numbers = (cells[..., 0] * bins + cells[..., 1]) * bins + cells[..., 2]
    found = np.stack([np.bincount(one.ravel(), minlength=bins**3) for one in numbers])
    shares = np.sqrt(found / numbers[0].size)
    made: Vectors = shares.astype(np.float32)
    return made
