"""In: photos. Out: pairs that may be one shot, and groups that may show one subject.

Perceptual hashes and alignment (`pdst.lookalikes`) always; DINO embeddings where the extra `eval`
is installed and the settings name an encoder. `Sight.how` says which, and the card repeats it.
"""

import importlib.util
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse.csgraph
from numpy.typing import NDArray
from PIL import Image

from pdst.lookalikes import Look, align, alignable, compare, look

ALIKE_COSINE = 0.95
"""DINO cosine from which two photos of one subject may be one shot. It only asks for a look, and
has not been calibrated on photos: what a hash or an alignment finds has (`pdst.lookalikes`)."""

CLUSTER_COSINE = 0.7
"""DINO cosine from which two photos may show one subject: a proposal, people decide."""

CLUSTER_BITS = 14
"""Without embeddings: bits of 64 that the hashes of photos of one scene may differ in."""

HASHES_ALONE = "perceptual hashes and alignment alone, no embeddings"

_BATCH = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What photos are compared by.

    Attributes:
        how: for people.
        embed: photos -> (B, D) float32, unit norm; None without an encoder.
    """

    how: str
    embed: Callable[[Sequence[Image.Image]], NDArray[np.float32]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two photos that may be one shot.

    Attributes:
        sure: beyond doubt; otherwise somebody should look.
    """

    one: str
    other: str
    sure: bool
    how: str

    @property
    def names(self) -> frozenset[str]:
        """Both, in no order."""
        return frozenset({self.one, self.other})


def open_sight(dino: str) -> Sight:
    """Load the encoder, if there is to be one.

    Args:
        dino: as `pdst.encoders.load_dino` takes it, or "none".

    Raises:
        EncoderError: if its weights cannot be had. That it cannot be run at all is only told.
    """
    if dino == "none":
        return Sight(how=HASHES_ALONE)
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("timm") is None:
        _log.warning(
            "Photos are compared by %s. For embeddings: pip install 'pdst[eval]'", HASHES_ALONE
        )
        return Sight(how=HASHES_ALONE)
    from pdst.encoders import load_dino

    encoder = load_dino(dino)

    def embed(images: Sequence[Image.Image]) -> NDArray[np.float32]:
        parts = [
            encoder.encode_images(np.stack([encoder.preprocess(image) for image in batch]))
            for batch in (images[i : i + _BATCH] for i in range(0, len(images), _BATCH))
        ]
        return np.concatenate(parts)

    spec = encoder.spec
    return Sight(how=f"perceptual hashes, alignment and {spec.title} ({spec.name})", embed=embed)


def alike_pairs(photos: Mapping[str, Image.Image], sight: Sight) -> list[Pair]:
    """Pairs of one subject's photos that may be one shot; some 20 ms a pair.

    Args:
        photos: name -> RGB image.
        sight: what to compare by.
    """
    names = list(photos)
    looks = {name: look(image) for name, image in photos.items()}
    ready = {name: alignable(own) for name, own in looks.items()}
    cosines = _cosines(list(photos.values()), sight)
    pairs = []
    for (i, one), (j, other) in itertools.combinations(enumerate(names), 2):
        found = compare(looks[one], looks[other])
        if found is None or not found.sure:
            found = align(ready[one], ready[other], zoom=True) or found
        if found is not None:
            pairs.append(Pair(one=one, other=other, sure=found.sure, how=found.how))
        elif cosines is not None and cosines[i, j] >= ALIKE_COSINE:
            how = f"their DINO embeddings have cosine {cosines[i, j]:.3f}"
            pairs.append(Pair(one=one, other=other, sure=False, how=how))
    return pairs


def shared_shots(looks: Mapping[str, Look], subject_of: Callable[[str], str]) -> list[Pair]:
    """Pairs of photos of two subjects that are one shot, beyond doubt."""
    return [
        Pair(one=one, other=other, sure=True, how=found.how)
        for one, other in itertools.combinations(looks, 2)
        if subject_of(one) != subject_of(other)
        and (found := compare(looks[one], looks[other])) is not None
        and found.sure
    ]


def clusters(
    photos: Mapping[str, Image.Image], authors: Mapping[str, str], sight: Sight
) -> Mapping[str, int]:
    """Propose which photos show one subject; the proposals are for people to decide on.

    Two photos are linked if one author made both and they look alike; groups are what is linked,
    by any way.

    Args:
        photos: name -> RGB image.
        authors: name -> who made it; "" is nobody's.
        sight: what to compare by.

    Returns:
        Name -> group, from 1, the largest first.
    """
    names = list(photos)
    alike = _cosines(list(photos.values()), sight)
    hashes = [look(image).whole for image in photos.values()] if alike is None else []
    linked = np.zeros((len(names), len(names)), dtype=bool)
    for i, j in itertools.combinations(range(len(names)), 2):
        if authors[names[i]] and authors[names[i]] == authors[names[j]]:
            near = (
                alike[i, j] >= CLUSTER_COSINE
                if alike is not None
                else (hashes[i] - hashes[j] <= CLUSTER_BITS)
            )
            linked[i, j] = bool(near)
    found = scipy.sparse.csgraph.connected_components(linked, directed=False)[1]
    labels = [int(label) for label in found]
    order = sorted(set(labels), key=lambda label: (-labels.count(label), labels.index(label)))
    return {name: order.index(label) + 1 for name, label in zip(names, labels, strict=True)}


def _cosines(images: Sequence[Image.Image], sight: Sight) -> NDArray[np.float32] | None:
    if sight.embed is None or not images:
        return None
    embedded = sight.embed(images)
    return np.asarray(embedded @ embedded.T, dtype=np.float32)
