"""In: a caption. Out: the same in better English, by an instruction-following model run here."""

from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from builders.language.generation import load_model, load_pretrained, loaded_name
from builders.language.prompts import refine_prompt
from builders.language.rows import Called


class LocalRefiner:
    """A refiner by a causal language model of transformers that has a chat template."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str, max_new_tokens: int = 96) -> None:
        """Take a loaded model; `load_local_refiner` loads one."""
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        self._max_new_tokens = max_new_tokens

    def refine(self, caption: str, subject: Called) -> str:
        """The model's likeliest answer: the same each time."""
        inputs = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": refine_prompt(subject, caption)}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device)
        with torch.inference_mode():
            ids: Tensor = self._model.generate(
                **inputs,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                max_new_tokens=self._max_new_tokens,
            )
        answer = ids[0, inputs["input_ids"].shape[1] :]
        decoded: str = self._tokenizer.decode(answer, skip_special_tokens=True)
        return decoded


def load_local_refiner(
    model: str,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: torch.dtype | None = None,
) -> LocalRefiner:
    """Load a model from the Hub or a folder, "Qwen/Qwen2.5-7B-Instruct" for example.

    Args:
        model: a name on the Hub, or a folder.
        device: "cuda" or "cpu"; None: a GPU if there is one.
        dtype: of the weights; None: bfloat16 on a GPU, else float32.
        revision: commit, tag or branch on the Hub; the commit is written into the rows.

    Raises:
        LanguageError: if it cannot be found or read.
    """
    loaded = load_model(AutoModelForCausalLM, model, revision=revision, device=device, dtype=dtype)
    tokenizer = load_pretrained(AutoTokenizer, model, revision=revision)
    return LocalRefiner(loaded, tokenizer, name=loaded_name(model, loaded))
