"""In: DINO image embeddings. Out: subject fidelity that tells individuals of a class apart."""

import numpy as np
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings
from pdst.metrics.cosine import mean_cosine


def dino(generated: Embeddings, references: Embeddings) -> NDArray[np.float64]:
    """Mean cosine of each generated image with the references, in DINO space.

    DINO is trained without labels, so it does not ignore what differs between two dogs, as a model
    trained on captions may. References as in `pdst.metrics.clip_i`.

    Args:
        generated: (B, D) float32, unit-norm DINO class-token embeddings, one per image.
        references: (R, D) float32, unit norm, R >= 1, all of the same subject.

    Returns:
        (B,) float64 in [-1, 1]; higher is more faithful to the subject.

    Raises:
        ValueError: if there is no reference, or the widths D differ.

    Source:
        PDST, section 5 and appendix 11; Ruiz et al., "DreamBooth" (CVPR 2023), section 4.1.
    """
    return mean_cosine(generated, references)
