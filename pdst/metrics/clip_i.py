"""In: CLIP image embeddings. Out: subject fidelity against reference photos."""

import numpy as np
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings
from pdst.metrics.cosine import mean_cosine


def clip_i(generated: Embeddings, references: Embeddings) -> NDArray[np.float64]:
    """Mean cosine of each generated image with the references, in CLIP space.

    PDST's reference is the one held-out photo that the prompt describes (R = 1). With the training
    photos as references it is `clip_i_train`: what older protocols report.

    Args:
        generated: (B, D) float32, unit-norm CLIP image embeddings, one per image.
        references: (R, D) float32, unit norm, R >= 1, all of the same subject.

    Returns:
        (B,) float64 in [-1, 1]; higher is more faithful to the subject.

    Raises:
        ValueError: if there is no reference, or the widths D differ.

    Source:
        PDST, section 5 and appendix 11; Ruiz et al., "DreamBooth" (CVPR 2023), section 4.1.
    """
    return mean_cosine(generated, references)
