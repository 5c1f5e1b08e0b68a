"""In: a subject. Out: pictures by a base model whose cross-attention has learned it.

Kumari et al., "Multi-Concept Customization of Text-to-Image Diffusion" (CVPR 2023): of the UNet,
the matrices that make keys and values of text learn, 19,169,280 numbers for Stable Diffusion 1.5,
and with them the embedding of a new word before the class noun.

Class images are drawn by the base model; the paper retrieves photos by caption, and its code has
both ways. Sampling is PDST's for all methods; the paper's is 100 DDPM steps with guidance 6.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pdst.diffusion.backbone import Backbone
from pdst.diffusion.layers import cross_attention_layers
from pdst.diffusion.tokens import Vocabulary, encode, vocabulary
from pdst.encoders.tower import exact
from pdst.errors import SettingsError, StoreError
from pdst.methods.augmentation import AugmentedPhotos
from pdst.methods.class_noun import ClassNounSampler
from pdst.methods.finetuning import FineTuningSettings, Views
from pdst.methods.networks import own_unet, relative_drift, training_backbone
from pdst.methods.tensors import read_tensors, write_tensors
from pdst.methods.tuner import FineTuning
from pdst.types import Sampling, Subject

MODIFIER = "<new1>"
"""The word that is learned."""

WEIGHTS = "pytorch_custom_diffusion_weights.safetensors"
WORD = "learned_embeds.safetensors"
"""`unet.load_attn_procs` and `pipeline.load_textual_inversion` of diffusers read these."""

PROJECTIONS = ("to_k", "to_v")


@dataclass(frozen=True, kw_only=True)
class CustomDiffusionSettings(FineTuningSettings):
    """Custom Diffusion.

    Attributes:
        modifier_init: a rare word that the new one begins at; see `rare_vector`.
        augment: show the photos smaller and larger; else as they are.

    The public code divides a photo's error by its area and not by the channels of latents, so that
    photos weigh as much more as there are channels: its weight of class images, 1, is a
    `prior_weight` of 0.25 here for Stable Diffusion.
    """

    prompt: str = "photo of a {}"
    modifier_init: str = "ktn"
    augment: bool = True


class KeysAndValues:
    """What makes keys and values of text in a UNet, and a new word."""

    def __init__(
        self,
        backbone: Backbone,
        settings: CustomDiffusionSettings,
        *,
        gradient_checkpointing: bool = False,
    ) -> None:
        """Begin at the base model's matrices and at the initial word.

        Raises:
            SettingsError: if the initial word is no token at all.
        """
        self._backbone = backbone
        self.unet = own_unet(backbone, gradient_checkpointing=gradient_checkpointing)
        self._layers = projections(self.unet)
        for layer in self._layers.values():
            layer.weight.requires_grad_(True)
            layer.register_forward_hook(_without_start)
        self._begun = rare_vector(backbone, settings.modifier_init)
        self.modifier = nn.Parameter(self._begun.clone())
        self._vocabulary = vocabulary(backbone, {MODIFIER: 1})

    def parameters(self) -> list[nn.Parameter]:
        """The matrices in the order in which they run, keys first; then the word."""
        return [*(layer.weight for layer in self._layers.values()), self.modifier]

    def states(self, prompts: Sequence[str]) -> Tensor:
        """What the UNet is told of prompts: (B, L, D) float32."""
        return said(self._backbone, self._vocabulary, prompts, self.modifier)

    def drift(self) -> float:
        """Norm of all that changed over the norm of what it was."""
        before = projections(self._backbone.unet)
        matrices = ((layer.weight, before[name].weight) for name, layer in self._layers.items())
        return relative_drift([*matrices, (self.modifier, self._begun)])

    def save(self, folder: Path) -> None:
        """Write matrices and word, each as diffusers does."""
        tensors = {_stored(name): layer.weight for name, layer in self._layers.items()}
        # diffusers wants a word on every attention layer; an empty one says: as it is.
        others = [name for name in self.unet.attn_processors if ".attn1." in name]
        write_tensors(folder / WEIGHTS, {**tensors, **dict.fromkeys(others, torch.empty(0))})
        write_tensors(folder / WORD, {MODIFIER: self.modifier[None]})

    def sampler(self, sampling: Sampling, batch: int, words: str) -> "WordSampler":
        """Draw with what has been learned so far."""
        own = training_backbone(self._backbone, self.unet)
        return WordSampler(own, sampling, batch, words, self.modifier.detach())


class CustomDiffusion(FineTuning):
    """Keys, values and a word of its own for each subject."""

    NAME = "Custom Diffusion"
    SETTINGS = CustomDiffusionSettings

    def sampler(self, subject: Subject, folder: Path) -> "WordSampler":
        """What a checkpoint draws."""
        unet = copy.deepcopy(self.backbone.unet)
        tensors, _ = read_tensors(folder / WEIGHTS)
        word, _ = read_tensors(folder / WORD)
        try:
            with torch.no_grad():
                for name, layer in projections(unet).items():
                    layer.weight.copy_(tensors[_stored(name)])
            (modifier,) = word[MODIFIER]
        except (KeyError, RuntimeError, ValueError) as error:
            raise StoreError(
                f"{folder} does not hold what Custom Diffusion learns of this base model "
                f"({error}). Give the base model that it was trained on."
            ) from error
        own = replace(self.backbone, unet=unet)
        return WordSampler(own, self.sampling, self._batch, self.words(subject), modifier)

    def files(self) -> tuple[str, ...]:
        """Matrices and word."""
        return (WEIGHTS, WORD)

    def _modifier(self) -> str:
        return MODIFIER

    def _tuned(self, subject: Subject) -> KeysAndValues:
        return KeysAndValues(
            self.backbone, self._settings, gradient_checkpointing=self._gradient_checkpointing
        )

    def _views(self, subject: Subject, folder: Path) -> Views:
        if not self._settings.augment:
            return super()._views(subject, folder)
        return AugmentedPhotos(self.backbone, subject.train, self.sampling.resolution)


class WordSampler(ClassNounSampler):
    """A base model that knows one more word."""

    def __init__(
        self, backbone: Backbone, sampling: Sampling, batch: int, words: str, modifier: Tensor
    ) -> None:
        """Nothing is computed yet.

        Args:
            backbone: who draws.
            sampling: how.
            batch: images a pass.
            words: that take the place of `{}`.
            modifier: (D,) float32, the new word's embedding.
        """
        super().__init__(backbone, sampling, batch, words)
        self._vocabulary = vocabulary(backbone, {MODIFIER: 1})
        self._modifier = modifier.to(backbone.device)

    def _told(self, prompt: str) -> Tensor:
        with exact(self._backbone.device):
            return said(self._backbone, self._vocabulary, [prompt], self._modifier)[0]


def projections(unet: Any) -> dict[str, Any]:
    """The layers that make keys and values of text, by name, in the order in which they run."""
    return {
        f"{name}.{projection}": unet.get_submodule(f"{name}.{projection}")
        for name in cross_attention_layers(unet)
        for projection in PROJECTIONS
    }


def rare_vector(backbone: Backbone, word: str) -> Tensor:
    """Where a new word begins: (D,) float32, a copy of rows of the embedding table.

    The row of the word if it is one token. Else that of the token which looks like it inside of
    other words, if there is one: CLIP's vocabulary has "ktn" only so, and the public code takes it.
    Else the mean of the word's tokens, lengthened to their mean norm, which means as little.

    Raises:
        SettingsError: if the word is no token at all.
    """
    ids = backbone.tokenizer(word, add_special_tokens=False).input_ids
    if not ids:
        raise SettingsError(f"Initial word '{word}' is nothing, wanted a rare word, such as 'ktn'.")
    inner = backbone.tokenizer.get_vocab().get(word)
    if len(ids) > 1 and inner is not None:
        ids = [inner]
    rows: Tensor = backbone.text_encoder.get_input_embeddings().weight[ids].detach().float()
    if len(rows) == 1:
        return rows[0].clone()
    mean = rows.mean(0)
    lengthened: Tensor = mean * (rows.norm(dim=1).mean() / mean.norm())
    return lengthened


def said(backbone: Backbone, words: Vocabulary, prompts: Sequence[str], modifier: Tensor) -> Tensor:
    """Text states of prompts that may hold the new word: (B, L, D) float32, with its gradients."""
    (token,) = words.ids[MODIFIER]
    vectors = {token: modifier.expand(len(prompts), -1)}
    return encode(backbone.text_encoder, words.tokens(prompts).to(backbone.device), vectors).keys


def _without_start(module: Any, args: tuple[Tensor, ...], made: Tensor) -> Tensor:
    """No gradient through the start token's key and value, which are the same in every prompt."""
    return torch.cat([made[:, :1].detach(), made[:, 1:]], 1)


def _stored(name: str) -> str:
    """A layer's name in diffusers' format."""
    attention, _, projection = name.rpartition(".")
    return f"{attention}.processor.{projection}_custom_diffusion.weight"
