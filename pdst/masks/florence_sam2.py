"""In: a photo and a noun. Out: the mask of the thing of that noun: a box first, then its outline.

Florence-2 (Xiao et al., CVPR 2024) finds boxes for words; SAM 2 (Ravi et al., 2024) finds the mask
in a box. Both are transformers' own classes, so that no code comes with the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdst.masks.segmenter import ALTERNATIVES, Box, Segmented, SegmenterError, segmented
from pdst.types import Photo

DETECTOR = "florence-community/Florence-2-large"
"""MIT licence; 0.77 billion parameters."""
MASKER = "facebook/sam2.1-hiera-large"
"""Apache-2.0 licence; 0.22 billion parameters."""

WORDS, PHRASE, ALL = (
    "<OPEN_VOCABULARY_DETECTION>",
    "<CAPTION_TO_PHRASE_GROUNDING>",
    "<OD>",
)
"""Florence-2's tasks, in the order in which they are tried."""

LONGEST_ANSWER, BEAMS = 1024, 3
"""Tokens and beams of Florence-2's answer, as in its authors' examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A network and its processor, opened."""

    network: Any
    processor: Any
    device: Any


class FlorenceSam2:
    """Masks by two networks, which are loaded when the first mask is asked for."""

    def __init__(
        self,
        detector: str = DETECTOR,
        masker: str = MASKER,
        *,
        detector_revision: str | None = None,
        masker_revision: str | None = None,
        device: str = "auto",
    ) -> None:
        """Nothing is loaded yet.

        Args:
            detector: a Florence-2 of transformers' format: a folder, or a name on the Hub.
            masker: a SAM 2, likewise.
            detector_revision: a commit on the Hub; None: the newest, which the label then names.
            masker_revision: likewise.
            device: a torch device; "auto": a GPU if there is one.
        """
        self._of_detector = (detector, detector_revision)
        self._of_masker = (masker, masker_revision)
        self._device = device

    @property
    def label(self) -> str:
        """Both models with the commits that were loaded."""
        names = (self._of_detector[0], self._of_masker[0])
        models = (self._detector, self._masker)
        return " + ".join(map(_label, names, models))

    def segment(self, photo: Photo, class_noun: str) -> Segmented:
        """Find the subject in a photo.

        Raises:
            SegmenterError: if no such thing is found, or packages or weights are not there.
        """
        image = photo.image()
        boxes = self.boxes(image, class_noun)
        if not boxes:
            raise SegmenterError(
                f"Photo {photo.image_id}: no '{class_noun}' found by {self._of_detector[0]}. Give "
                f"a broader noun, leave the photo out, or: {ALTERNATIVES}"
            )
        box = best_box(boxes, *image.size)
        subject, quality = self.mask(image, box)
        return segmented(
            subject, source=self.label, box=box, candidates=len(boxes), quality=quality
        )

    def boxes(self, image: Image.Image, noun: str) -> list[Box]:
        """All things of that noun: the first of three questions that has an answer decides."""
        found = self._asked(image, WORDS, noun)
        if not found:
            found = self._asked(image, PHRASE, f"a {noun}")
        if not found:
            of_all = self._answer(image, ALL, "")
            pairs = zip(of_all["bboxes"], of_all["labels"], strict=True)
            found = _boxes([box for box, label in pairs if _names(label, noun)])
        return found

    def mask(self, image: Image.Image, box: Box) -> tuple[NDArray[np.bool_], float]:
        """The mask of what is in a box: (H, W), and the predicted IoU in [0, 1]."""
        model = self._masker  # first: it says what is missing, torch too
        import torch

        corners = [box.left, box.top, box.right, box.bottom]
        inputs = model.processor(images=image, input_boxes=[[corners]], return_tensors="pt")
        with torch.inference_mode():
            made = model.network(**inputs.to(model.device), multimask_output=False)
        masks = model.processor.post_process_masks(
            made.pred_masks.cpu(), inputs["original_sizes"].cpu()
        )
        subject: NDArray[np.bool_] = masks[0][0, 0].numpy() > 0
        return subject, float(made.iou_scores[0, 0, 0])

    def _asked(self, image: Image.Image, task: str, words: str) -> list[Box]:
        answer = self._answer(image, task, words)
        outlines = [_around(polygons) for polygons in answer.get("polygons", [])]
        return _boxes([*answer["bboxes"], *outlines])

    def _answer(self, image: Image.Image, task: str, words: str) -> dict[str, Any]:
        """Florence-2's answer, parsed; boxes are (left, top, right, bottom) in pixels."""
        model = self._detector
        import torch

        asked = model.processor(text=f"{task}{words}", images=image, return_tensors="pt")
        # Beams that end late may come to the decoder's last position.
        places = int(model.network.config.text_config.max_position_embeddings)
        with torch.inference_mode():
            tokens = model.network.generate(
                **asked.to(model.device),
                max_new_tokens=min(LONGEST_ANSWER, places),
                num_beams=BEAMS,
                do_sample=False,
            )
        # Places in the picture are special tokens.
        (text,) = model.processor.batch_decode(tokens, skip_special_tokens=False)
        parsed = model.processor.post_process_generation(
            text=text, task=task, image_size=image.size
        )
        answer: dict[str, Any] = parsed[task]
        return answer

    @cached_property
    def _detector(self) -> Model:
        names = "Florence2ForConditionalGeneration", "Florence2Processor"
        return _opened(*names, *self._of_detector, self._device)

    @cached_property
    def _masker(self) -> Model:
        return _opened("Sam2Model", "Sam2Processor", *self._of_masker, self._device)


def best_box(boxes: Sequence[Box], width: int, height: int) -> Box:
    """The box of the subject, most probably: large and near the middle.

    Area times one minus the distance of the centre from the photo's, of the distance that a corner
    has. Of equals, the first.

    Args:
        boxes: at least one.
        width: of the photo.
        height: of the photo.
    """

    def weight(box: Box) -> float:
        x = (box.left + box.right - width) / width
        y = (box.top + box.bottom - height) / height
        return box.area * (1 - float(np.hypot(x, y)) / float(np.sqrt(2)))

    return max(boxes, key=weight)


def _opened(network: str, processor: str, name: str, revision: str | None, device: str) -> Model:
    """A network and its processor, by transformers' classes; float32 as the pixels are."""
    try:
        import torch
        import transformers

        from pdst.encoders.devices import device_named

        of_network, of_processor = (getattr(transformers, one) for one in (network, processor))
    except (ImportError, AttributeError) as error:
        raise SegmenterError(
            f"Masks by Florence-2 and SAM 2 need torch and transformers 5, one of which is not "
            f"installed or too old ({error}). Run: pip install 'pdst[masks]'. {ALTERNATIVES}"
        ) from error
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    where = device_named(device, what="the segmenter", error=SegmenterError)
    try:
        opened = of_network.from_pretrained(
            name, revision=revision, use_safetensors=True, dtype=torch.float32
        )
        prepares = of_processor.from_pretrained(name, revision=revision)
    except Exception as error:  # both the Hub and the files fail in many ways
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SegmenterError(
            f"The weights of {name} cannot be opened ({reason}). Without a network, copy them from "
            f"a machine that has them (hf download {name} --local-dir FOLDER) and give FOLDER. "
            f"{ALTERNATIVES}"
        ) from error
    return Model(
        network=opened.to(where).requires_grad_(False).eval(), processor=prepares, device=where
    )


def _label(name: str, model: Model) -> str:
    commit = getattr(model.network.config, "_commit_hash", None)
    short = name if name.count("/") == 1 and not name.startswith(("/", ".", "~")) else "folder"
    return f"{short}@{commit[:12]}" if commit else short


def _boxes(corners: Sequence[Sequence[float]]) -> list[Box]:
    made = [Box(left=x, top=y, right=to_x, bottom=to_y) for x, y, to_x, to_y in corners]
    return [box for box in made if box.area > 0]


def _around(polygons: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """The box around a thing's polygons, each x, y, x, y, …."""
    across = [value for polygon in polygons for value in polygon[0::2]]
    down = [value for polygon in polygons for value in polygon[1::2]]
    return min(across), min(down), max(across), max(down)


def _names(label: str, noun: str) -> bool:
    """Whether a label has the noun's last word: "cat" of "tabby cat", not "cattle"."""
    return noun.lower().split()[-1] in label.lower().split()
