"""In: embeddings of several seeds of one prompt. Out: how different the seeds' images are."""

import numpy as np
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings


def diversity(generated: Embeddings) -> NDArray[np.float64]:
    """One minus each image's mean cosine with the other seeds of its prompt.

    The mean over the S images equals one minus the mean pairwise cosine.

    Args:
        generated: (S, D) float32, unit norm, S >= 2, all drawn from one prompt.

    Returns:
        (S,) float64 in [0, 2]; 0 when all seeds give one image. High is not good by itself: noise
        is diverse. Read it beside the fidelity scores.

    Raises:
        ValueError: with fewer than two images.

    Source:
        Ruiz et al., "DreamBooth" (CVPR 2023), section 4.3, with DINO for LPIPS.
    """
    if generated.ndim != 2 or generated.shape[0] < 2:
        raise ValueError(f"diversity needs (S, D) with S >= 2 seeds, got {generated.shape}.")
    wide = generated.astype(np.float64)
    similarity = wide @ wide.T
    count = wide.shape[0]
    others: NDArray[np.float64] = (similarity.sum(axis=1) - similarity.diagonal()) / (count - 1)
    return 1.0 - others
