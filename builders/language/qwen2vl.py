"""In: a photo. Out: captions by Qwen2-VL, through transformers."""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from builders.language.captioning import Pictured
from builders.language.generation import load_model, load_pretrained, loaded_name, seeded
from builders.language.prompts import caption_prompt
from builders.language.rows import Called

QWEN2_VL = "Qwen/Qwen2-VL-7B-Instruct"
"""The size the paper used is not known; "Qwen/Qwen2-VL-2B-Instruct" needs some 5 GB."""

LONG_SIDE = 1024
"""Pixels that a photo is shrunk to: some 1,400 image tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How captions are drawn.

    Attributes:
        temperature, top_p: of the draw.
        max_new_tokens: a caption of 30 words takes some 45.
        batch: captions drawn at once of one photo; less needs less memory.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    max_new_tokens: int = 96
    batch: int = 5


class Qwen2VL:
    """A captioner that shows photos to Qwen2-VL."""

    def __init__(
        self,
        model: Qwen2VLForConditionalGeneration,
        processor: Any,
        *,
        name: str,
        sampling: Sampling | None = None,
    ) -> None:
        """Take a loaded model; `load_qwen2vl` loads one.

        Args:
            model: in eval mode, on its device.
            processor: the model's own, with its chat template.
            name: as written into the rows.
            sampling: how to draw; None: the defaults.
        """
        self.name = name
        self._model = model
        self._processor = processor
        self._sampling = sampling or Sampling()

    def write(self, photo: Pictured, subject: Called, *, count: int, seed: int) -> list[str]:
        """Draw `count` captions, each by itself."""
        inputs = self._inputs(photo.image(), subject)
        answers: list[str] = []
        with seeded(seed, self._model.device), torch.inference_mode():
            while len(answers) < count:
                number = min(self._sampling.batch, count - len(answers))
                answers += self._answers(inputs, number)
        return answers

    def _inputs(self, image: Image.Image, subject: Called) -> Any:
        """The chat with the photo, as tensors on the model's device."""
        small = image.convert("RGB")
        small.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
        content = [
            {"type": "image", "image": small},
            {"type": "text", "text": caption_prompt(subject)},
        ]
        return self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device)

    def _answers(self, inputs: Any, number: int) -> list[str]:
        # Qwen2-VL's own generation settings have top_k 1 and top_p 0.001, with which every draw is
        # the same caption: both are given here.
        ids: Tensor = self._model.generate(
            **inputs,
            do_sample=True,
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            top_k=0,
            max_new_tokens=self._sampling.max_new_tokens,
            num_return_sequences=number,
        )
        answers = ids[:, inputs["input_ids"].shape[1] :]
        decoded: list[str] = self._processor.batch_decode(answers, skip_special_tokens=True)
        return decoded


def load_qwen2vl(
    model: str = QWEN2_VL,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    sampling: Sampling | None = None,
) -> Qwen2VL:
    """Load Qwen2-VL from the Hub or a folder.

    Args:
        model: a name on the Hub, or a folder.
        revision: commit, tag or branch on the Hub; the commit is written into the rows.
        device: "cuda" or "cpu"; None: a GPU if there is one. A CPU takes minutes a photo.
        dtype: of the weights; None: bfloat16 on a GPU (7B: 17 GB), else float32.
        sampling: how to draw; None: the defaults.

    Raises:
        LanguageError: if it cannot be found or read.
    """
    loaded = load_model(
        Qwen2VLForConditionalGeneration, model, revision=revision, device=device, dtype=dtype
    )
    processor = load_pretrained(AutoProcessor, model, revision=revision)
    return Qwen2VL(loaded, processor, name=loaded_name(model, loaded), sampling=sampling)
