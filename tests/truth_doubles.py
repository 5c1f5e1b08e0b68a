"""Encoders whose answer is known beforehand, for pictures of the miniature's truth set.

They stand in for networks: each knows every picture of the set and tells one fact of it, as an
angle in a plane, so that the cosine of two pictures falls as their facts lie apart.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from pdst.embed import Encoders
from pdst.encoders.spec import Embeddings, EncoderSpec, Pixels
from pdst.images import decode_rgb
from pdst.miniature.truth import FAITHFULNESS_LEVELS, FIDELITY_LEVELS, Render, Truth

Angles = dict[bytes, float]
"""An image file's bytes -> an angle."""


class AngleEncoder:
    """Knows an angle for every picture; every text is at angle 0."""

    def __init__(self, angles: Angles) -> None:
        self._angles = {
            np.asarray(decode_rgb(encoded)).tobytes(): angle for encoded, angle in angles.items()
        }
        self.spec = EncoderSpec(
            family="clip",
            architecture="a double",
            title="a double",
            weights="none",
            weights_digest="0" * 64,
            trained=True,
            resize=64,
            crop=64,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            dim=2,
        )

    def preprocess(self, image: Image.Image) -> Pixels:
        return np.asarray(image)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        return _plane([self._angles[picture.tobytes()] for picture in pixels])

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        return _plane([0.0] * len(texts))

    def count_tokens(self, text: str) -> int:
        return 1


def truthful(truth: Truth) -> Encoders:
    """Sees how many parameters or facts differ, and nothing else."""
    angles: Angles = {}
    for pair in truth.pairs:
        angles[pair.reference.encoded] = 0.0
        angles[pair.render.encoded] = 0.2 * FIDELITY_LEVELS.index(pair.level)
    for square in truth.backgrounds:
        angles[square.unmoved.encoded] = 0.0
        angles[square.swapped.encoded] = 0.2 * FIDELITY_LEVELS.index("other-identity")
    for case in truth.faithfulness:
        angles[case.render.encoded] = 0.2 * FAITHFULNESS_LEVELS.index(case.level)
    return _both(angles)


def seeing_only_the_background(truth: Truth) -> Encoders:
    """Sees place, weather and light, and nothing of the subject."""
    known: dict[tuple[str, str, str], float] = {}

    def angle(render: Render) -> float:
        return known.setdefault((render.place, render.weather, render.light), 0.02 * len(known))

    return _both({render.encoded: angle(render) for render in every_render(truth)})


def unable_to_see(parameter: str, truth: Truth) -> Encoders:
    """Counts every parameter that differs but one."""
    angles = {render.encoded: 0.0 for render in every_render(truth)}
    for pair in truth.pairs:
        angles[pair.render.encoded] = 0.1 * len(set(pair.differs) - {parameter})
    return _both(angles)


def seeing_nothing(truth: Truth) -> Encoders:
    """Gives one answer to everything."""
    return _both({render.encoded: 0.0 for render in every_render(truth)})


def every_render(truth: Truth) -> list[Render]:
    """All pictures, some more than once."""
    found = [render for pair in truth.pairs for render in (pair.reference, pair.render)]
    found += [case.render for case in truth.faithfulness]
    for square in truth.backgrounds:
        found += [square.unmoved, square.moved, square.swapped, square.both]
    return found


def _both(angles: Angles) -> Encoders:
    return Encoders(clip=AngleEncoder(angles), dino=AngleEncoder(angles))


def _plane(angles: Sequence[float]) -> Embeddings:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
