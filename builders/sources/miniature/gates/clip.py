"""A trained CLIP in; what it says of held-out pictures, beside the same network untrained, out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import CLIPTokenizer

from builders.sources.miniature.gates.gate import Gate
from builders.sources.miniature.gates.zero_shot import Vectors, retrieved, zero_shot
from builders.sources.miniature.training.clip import image_vectors, new_clip, text_vectors
from builders.sources.miniature.training.data import Drawn
from pdst.encoders import TextEncoder

WANTED = {"class": 0.90, "place": 0.95, "main": 0.90, "action": 0.80}
NAMES = {
    "class": "class of 20",
    "place": "place of 14",
    "main": "colour, of those of the class",
    "action": "action, of those of the class",
}
WAYS, RETRIEVAL = 200, 0.60


def clip_gates(encoder: TextEncoder, tokenizer: CLIPTokenizer, held_out: Drawn) -> list[Gate]:
    """Zero-shot answers and caption-image retrieval.

    Args:
        encoder: opened from the exported folder, as users open it.
        tokenizer: its own, for the control.
        held_out: scenes of held-out identities, colour, place and action never seen together.
    """
    untrained = new_clip(len(tokenizer)).eval()

    def control(texts: Sequence[str]) -> Vectors:
        return text_vectors(untrained, tokenizer, texts)

    images, nothing = (
        encoder.encode_images(held_out.images),
        image_vectors(untrained, held_out.images),
    )
    said = zero_shot(images, held_out.facts, encoder.encode_texts)
    guessed = zero_shot(nothing, held_out.facts, control)
    note = f"control: the same network untrained; {len(images)} scenes"
    gates = [
        Gate(
            name=f"CLIP: zero-shot {NAMES[fact]}",
            value=float(said[fact].mean()),
            wanted=wanted,
            control=float(guessed[fact].mean()),
            note=note,
        )
        for fact, wanted in WANTED.items()
    ]
    captions = fullest(held_out)
    return [
        *gates,
        Gate(
            name=f"CLIP: {WAYS}-way retrieval of the picture of a caption, top-1",
            value=_retrieval(images, encoder.encode_texts(captions), captions),
            wanted=RETRIEVAL,
            control=_retrieval(nothing, control(captions), captions),
            note="control: the same network untrained; of four captions a scene the longest",
        ),
    ]


def fullest(drawn: Drawn) -> list[str]:
    """The longest caption of each scene: a short one is true of many pictures."""
    return [max(told, key=len) for told in drawn.captions]


def _retrieval(images: Vectors, texts: Vectors, captions: Sequence[str]) -> float:
    """Mean over as many groups of `WAYS` scenes as there are."""
    starts = range(0, max(1, len(images) - WAYS + 1), WAYS)
    groups = [slice(start, start + WAYS) for start in starts]
    tops: NDArray[np.float64] = np.array(
        [retrieved(images[group], texts[group], captions[group]) for group in groups]
    )
    return float(tops.mean())
