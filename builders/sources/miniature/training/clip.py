"""Captioned scenes in; a CLIP out, as open_clip builds it: a small ResNet and a causal text tower.

InfoNCE (Radford et al., ICML 2021) over a batch; captions that read the same are all right. Alone
it finds the places in minutes and needs hours for classes, colours and actions. So, and this is no
part of CLIP, linear layers read the facts of a scene from both towers' outputs while they learn
(`Answers`, one set for both): cross-entropy on what a picture shows and what its caption says. They
are dropped afterwards; what is exported is a plain CLIP. A quarter of the pictures show the subject
alone on a plain ground: no caption is true of them, so only their subjects' facts are asked.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTokenizer

from builders.sources.miniature.captions import DOING
from builders.sources.miniature.gates.zero_shot import Vectors, retrieved, zero_shot
from builders.sources.miniature.training.answers import Answers
from builders.sources.miniature.training.data import (
    FACTS,
    SIZE,
    Drawn,
    fact_values,
    whole_numbers,
    without_surroundings,
)
from builders.sources.miniature.training.stage import Batch, device_of
from builders.sources.miniature.training.views import normalized, on_plain, shifted
from builders.sources.miniature.training.words import CONTEXT

DIM = 192
PLAIN = 4
"""One picture of so many is on a plain ground."""
SHOWN, SAID = 3.0, 0.5
"""Weights of the facts that pictures show and captions say, means over facts, beside InfoNCE.

At 0.5 for both, 2,000 steps left classes at .74, main colours at .41 and patterns at chance.
"""
Tokens = NDArray[np.int16]


def clip_config(words: int) -> dict[str, Any]:
    """open_clip's `model_cfg`, for a vocabulary of so many ids whose last is the end mark."""
    return {
        "embed_dim": DIM,
        "vision_cfg": {
            "image_size": SIZE,
            "layers": [2, 2, 2, 1],
            "width": 24,
            "head_width": 64,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": words,
            "width": DIM,
            "heads": 4,
            "layers": 3,
        },
    }


def new_clip(words: int, seed: int = 0) -> open_clip.CLIP:
    """An untrained CLIP."""
    torch.manual_seed(seed)
    return open_clip.CLIP(**clip_config(words))


def tokens_of(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tokens:
    """(N, L) ids, as long as the longest text and no longer."""
    found = tokenizer(
        list(texts), padding=True, truncation=True, max_length=CONTEXT, return_tensors="np"
    )
    return np.asarray(found["input_ids"], np.int16)


def text_features(model: Any, ids: Tensor, ends: Tensor) -> Tensor:
    """`open_clip.CLIP.encode_text` on no more positions than the ids have: (B, D).

    A causal tower never sees what follows a token, so the values are the same.

    Args:
        model: an `open_clip.CLIP`.
        ids: (B, L) int64.
        ends: (B,) int64, where each row's end mark is.
    """
    length = ids.shape[1]
    states = model.token_embedding(ids) + model.positional_embedding[:length]
    # On CPUs the fused attention is slow at so small heads, backwards above all.
    with sdpa_kernel(SDPBackend.MATH):
        states = model.transformer(states, attn_mask=model.attn_mask[:length, :length])
    pooled = model.ln_final(states)[torch.arange(len(ids), device=ids.device), ends]
    projected: Tensor = pooled @ model.text_projection
    return projected


def said_facts(captions: Sequence[Sequence[str]], facts: NDArray[np.int16]) -> NDArray[np.int16]:
    """(N, C, 9): the facts that each caption says; -1 for those that it does not.

    Class and place are always said. Weather, light and props are left to the pictures.
    """
    values = fact_values()
    said = np.full((len(captions), len(captions[0]), len(FACTS)), -1, np.int16)
    for fact in ("class", "place"):
        at = FACTS.index(fact)
        said[:, :, at] = facts[:, None, at]
    main, action = FACTS.index("main"), FACTS.index("action")
    nouns = FACTS.index("class")
    for row, told in enumerate(captions):
        coloured = f"{values['main'][facts[row, main]]} {values['class'][facts[row, nouns]]}"
        doing = DOING[values["action"][facts[row, action]]]
        for which, caption in enumerate(told):
            if coloured in caption:
                said[row, which, main] = facts[row, main]
            if any(re.search(rf"\b{words}\b", caption) for words in doing):
                said[row, which, action] = facts[row, action]
    return said


class ClipStage:
    """InfoNCE between scenes and captions, with linear layers that read the facts."""

    name = "clip"

    def __init__(
        self,
        drawn: Drawn,
        held_out: Drawn,
        tokenizer: CLIPTokenizer,
        *,
        batch: int = 128,
        seed: int = 0,
    ) -> None:
        """Train on `drawn`, so many scenes a step; the curve is of `held_out`."""
        self.drawn, self.held_out, self.tokenizer = drawn, held_out, tokenizer
        self.size, self.plain = batch, batch // PLAIN
        flat = [caption for told in drawn.captions for caption in told]
        tokens = tokens_of(tokenizer, flat)
        self.tokens = tokens.reshape(len(drawn), -1, tokens.shape[1])
        self.said = said_facts(drawn.captions, drawn.facts)
        self.ends = (self.tokens == int(tokenizer.eos_token_id)).argmax(2)
        self.modules = nn.ModuleDict(
            {"clip": new_clip(len(tokenizer), seed), "answers": Answers(DIM)}
        )

    def batch(self, step: int, rng: torch.Generator) -> Batch:
        """Scenes, some of them alone; of two captions of each the longer one, which says more."""
        rows = torch.randint(len(self.drawn), (self.size,), generator=rng).numpy()
        pairs = torch.randint(self.tokens.shape[1], (self.size, 2), generator=rng).numpy()
        lengths = self.ends[rows[:, None], pairs]
        which = np.where(lengths[:, 0] >= lengths[:, 1], pairs[:, 0], pairs[:, 1])
        pixels = normalized(self.drawn.images[rows])
        pixels = on_plain(pixels, self.drawn.masks[rows], rng, self.plain)
        facts = without_surroundings(self.drawn.facts[rows], self.plain)
        return {
            "pixels": shifted(pixels, rng),
            "facts": whole_numbers(facts),
            "ids": whole_numbers(self.tokens[rows, which]),
            "ends": whole_numbers(self.ends[rows, which]),
            "said": whole_numbers(self.said[rows, which]),
        }

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """InfoNCE of the scenes that are not alone, and the facts of all."""
        clip: Any = self.modules["clip"]
        answers: Any = self.modules["answers"]
        ids = batch["ids"][self.plain :]
        with torch.autocast(ids.device.type, torch.bfloat16):
            seen = clip.visual(batch["pixels"])
            told = text_features(clip, ids, batch["ends"][self.plain :])
        seen, told = seen.float(), told.float()
        contrast = _infonce(seen[self.plain :], told, ids, clip.logit_scale)
        shown = answers.loss(seen, batch["facts"])
        said = answers.loss(told, batch["said"][self.plain :])
        return contrast + SHOWN * shown + SAID * said, {
            "infonce": contrast.detach(),
            "shown": shown.detach(),
            "said": said.detach(),
        }

    def after(self, step: int) -> None:
        """Nothing follows."""

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Zero-shot answers and 200-way retrieval on held-out scenes."""
        held = self.held_out
        images = image_vectors(modules["clip"], held.images)

        def encode(texts: Sequence[str]) -> Vectors:
            return text_vectors(modules["clip"], self.tokenizer, texts)

        found = zero_shot(images, held.facts, encode)
        captions = [told[0] for told in held.captions[:200]]
        top = retrieved(images[:200], encode(captions), captions)
        return {**{fact: float(right.mean()) for fact, right in found.items()}, "retrieval": top}


def _infonce(seen: Tensor, told: Tensor, ids: Tensor, logit_scale: Tensor) -> Tensor:
    """Cross-entropy both ways, in float32; equal captions share a picture's probability."""
    scale = logit_scale.clamp(max=float(np.log(100))).exp()
    logits = scale * functional.normalize(seen) @ functional.normalize(told).T
    same = (ids[:, None] == ids[None]).all(2).float()
    wanted = same / same.sum(1, keepdim=True)
    both = functional.cross_entropy(logits, wanted) + functional.cross_entropy(logits.T, wanted)
    return 0.5 * both


@torch.inference_mode()
def image_vectors(model: Any, images: NDArray[np.uint8]) -> Vectors:
    """(N, D), unit length, float32 arithmetic."""
    device = device_of(model)
    parts = [
        functional.normalize(model.visual(normalized(images[start : start + 100]).to(device)))
        for start in range(0, len(images), 100)
    ]
    found: Vectors = torch.cat(parts).cpu().numpy()
    return found


@torch.inference_mode()
def text_vectors(model: Any, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Vectors:
    """(N, D), unit length, float32 arithmetic."""
    tokens, end = tokens_of(tokenizer, texts), int(tokenizer.eos_token_id)
    device = device_of(model)
    parts = []
    for start in range(0, len(tokens), 200):
        some = tokens[start : start + 200]
        ends = (some == end).argmax(1)
        ids = whole_numbers(some[:, : int(ends.max()) + 1])
        found = text_features(model, ids.to(device), whole_numbers(ends).to(device))
        parts.append(functional.normalize(found))
    vectors: Vectors = torch.cat(parts).cpu().numpy()
    return vectors
