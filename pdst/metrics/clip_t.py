"""In: CLIP embeddings of images and texts. Out: prompt fidelity; and the rules that make a text."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pdst.encoders.spec import Embeddings
from pdst.metrics.cosine import row_cosine
from pdst.types import SLOT

TextRule: TypeAlias = Literal["class", "remove"]
TEXT_RULES: tuple[TextRule, ...] = ("class", "remove")


def scored_text(caption: str, rule: TextRule, class_noun: str) -> str:
    """The text that an image is compared with.

    Args:
        caption: with one `{}`.
        rule: "class" (default metric `clip_t`): `{}` becomes the class noun. "remove"
            (`clip_t_remove`): `{}` is deleted, as Textual Inversion's evaluator does with its
            placeholder, and blanks are collapsed; articles and a possessive `'s` stay.
        class_noun: "dog".

    Source:
        The paper leaves the rule open; METHODS: "class" is the default, "remove" stands beside it.
    """
    match rule:
        case "class":
            return caption.replace(SLOT, class_noun)
        case "remove":
            return " ".join(caption.replace(SLOT, "").split())


def clip_t(generated: Embeddings, texts: Embeddings) -> NDArray[np.float64]:
    """Cosine of each generated image with its own prompt, in CLIP space.

    Args:
        generated: (B, D) float32, unit-norm CLIP image embeddings.
        texts: (B, D) float32, unit-norm CLIP text embeddings, row by row the images' prompts.

    Returns:
        (B,) float64 in [-1, 1]; higher follows the prompt better. No factor of 100 or 2.5, no
        clamp.

    Raises:
        ValueError: if the shapes differ.

    Source:
        PDST, section 5 and appendix 11; Ruiz et al., "DreamBooth" (CVPR 2023), section 4.1.
    """
    return row_cosine(generated, texts)
