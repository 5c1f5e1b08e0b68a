"""In: a photo. Out: the mask of what stands out in it, by a network of `rembg`, no noun.

The networks are ONNX files that rembg fetches, checks and keeps. Those that send photos to a
service, or whose licence forbids commercial use (rembg's own default), are not on offer.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdst.errors import unknown_name
from pdst.masks.segmenter import ALTERNATIVES, Segmented, SegmenterError, segmented
from pdst.types import Photo

MODELS: Mapping[str, str] = {
    "birefnet-general": "BiRefNet (Zheng et al., 2024), MIT",
    "birefnet-general-lite": "BiRefNet with a smaller backbone, MIT",
    "isnet-general-use": "IS-Net (Qin et al., ECCV 2022), Apache-2.0",
    "u2net": "U2-Net (Qin et al., 2020), Apache-2.0",
    "u2netp": "U2-Net, small, Apache-2.0",
}
"""rembg's networks for things of any kind: what they are, and their licence."""

BEST = "birefnet-general"

INSIDE = 0.5
"""Of a network's range in this photo: above, a pixel is the subject's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A network, and its file's digest."""

    session: Any
    digest: str


class Saliency:
    """Masks of what stands out; the network is loaded when the first mask is asked for.

    It knows no nouns: of two things that stand out it takes both, which the mask's flags (pieces)
    may then say.
    """

    def __init__(self, model: str = BEST) -> None:
        """Nothing is loaded yet.

        Args:
            model: one of `MODELS`.

        Raises:
            SegmenterError: if it is none of them.
        """
        if model not in MODELS:
            raise SegmenterError(unknown_name("saliency network", model, MODELS))
        self.model = model

    @property
    def label(self) -> str:
        """The network with the beginning of its file's SHA-256."""
        return f"rembg {self.model}@{self._opened.digest[:12]}"

    def segment(self, photo: Photo, class_noun: str) -> Segmented:
        """Cut out what stands out; the noun does not matter.

        Quality is the IoU to be expected if the network's values were probabilities. They are not
        quite: rembg stretches them over the photo's range. A blurred outline lowers it.

        Raises:
            SegmenterError: if nothing stands out, or package or weights are not there.
        """
        values = self._values(photo)
        subject = values > INSIDE
        if not subject.any():
            raise SegmenterError(
                f"Photo {photo.image_id}: nothing stands out to {self.model}. Leave the photo out, "
                f"take another network ({', '.join(MODELS)}), or: {ALTERNATIVES}"
            )
        return segmented(subject, source=self.label, quality=_expected_iou(values, subject))

    def _values(self, photo: Photo) -> NDArray[np.float32]:
        """How much each pixel stands out: (H, W), in [0, 1]."""
        # A network that answers with one value everywhere divides nothing by nothing.
        with np.errstate(invalid="ignore"):
            maps = self._opened.session.predict(photo.image())
        return np.asarray(maps[0], np.float32) / np.float32(255)

    @cached_property
    def _opened(self) -> _Opened:
        kinds = _sessions()
        from rembg import new_session

        kind = kinds[self.model]
        # The CPU alone: the same mask on every machine.
        how = {"providers": ["CPUExecutionProvider"]}
        try:
            session = new_session(self.model, **how)
            with Path(kind.download_models()).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except Exception as error:  # a network and its file fail in many ways
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            wanted = Path(kind.model_dir()) / f"{self.model}.onnx"
            raise SegmenterError(
                f"The weights of {self.model} cannot be opened ({reason}). Without a network, copy "
                f"them from a machine that has them to {wanted}. {ALTERNATIVES}"
            ) from error
        return _Opened(session=session, digest=digest)


def _expected_iou(values: NDArray[np.float32], subject: NDArray[np.bool_]) -> float:
    """Of a mask with a truth whose pixels are the subject's with these probabilities, in [0, 1]."""
    return float(values[subject].sum() / (subject.sum() + values[~subject].sum()))


def _sessions() -> Mapping[str, Any]:
    """The networks of rembg by name.

    Raises:
        SegmenterError: if rembg or its runtime is not installed.
    """
    try:
        import onnxruntime  # noqa: F401  # without it, rembg ends the process
        from rembg.sessions import sessions
    except ImportError as error:
        raise SegmenterError(
            f"Masks by saliency need the packages 'rembg' and 'onnxruntime', one of which is not "
            f"installed ({error}). Run: pip install 'pdst[saliency]'. {ALTERNATIVES}"
        ) from error
    found: Mapping[str, Any] = sessions
    return found
