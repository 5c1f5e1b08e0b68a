"""In: one of our students. Out: the same training step, as the field's public code takes it.

Nothing here is theirs but the shape of the step. They get our networks, our random numbers and
photos that are decoded already, with no file and no data loader in their way: where there is a
choice, the faster one.
"""

import copy
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from pdst.diffusion.attention import Layered, told_by_layer
from pdst.diffusion.latents import encode as encode_pictures
from pdst.diffusion.losses import noise_target
from pdst.diffusion.tokens import PLACEHOLDER, encode
from pdst.methods.inversion import Examples, Inversion


class _Usual(ABC):
    """What both steps have in common: the batch's photos are encoded anew at every step."""

    optimizer: torch.optim.Optimizer

    def __init__(self, student: Inversion, pixels: Tensor) -> None:
        """A student to copy.

        Args:
            student: fresh; it is left as it is.
            pixels: (N, 3, H, W) float32 in [0, 1] on the backbone's device.
        """
        self.student, self.room, self.pixels = student, student.room, pixels
        self.backbone = student.room.backbone
        (self.token,) = self.room.vocabulary.ids[PLACEHOLDER]

    def loss(self, shown: Examples, clean: Tensor) -> Tensor:
        """The loss of a batch whose latents are `clean`."""
        noisy = self.room.noise.add_noise(clean, shown.noise, shown.timesteps)
        made = self.backbone.unet(
            noisy.to(self.backbone.dtype), shown.timesteps, encoder_hidden_states=self.told(shown)
        ).sample
        target = noise_target(self.room.noise, clean, shown.noise, shown.timesteps)
        return nn.functional.mse_loss(made.float(), target.float())

    @abstractmethod
    def told(self, shown: Examples) -> Any:
        """What the UNet is told of a batch's prompts."""

    def encoded(self, number: int, rows: int) -> Tensor:
        """Latents of a batch of photos, by the autoencoder: (B, C, h, w)."""
        which = (number * rows + torch.arange(rows)) % len(self.pixels)
        with torch.no_grad():
            found = encode_pictures(self.backbone.vae, self.pixels[which])
            return found.draw(torch.randn_like(found.mean))

    def step(self, number: int) -> None:
        """One step of the optimizer."""
        shown = self.student.examples(number)
        self.loss(shown, self.encoded(number, len(shown.ids))).backward()  # type: ignore[no-untyped-call]  # torch's annotation
        self.optimizer.step()
        self.optimizer.zero_grad()


class UsualTextualInversion(_Usual):
    """Textual Inversion as in diffusers' `examples/textual_inversion/textual_inversion.py`.

    The whole embedding table learns, and all rows but the new token's are then put back.
    """

    def __init__(self, student: Inversion, pixels: Tensor) -> None:
        """As the base class."""
        super().__init__(student, pixels)
        self.text_encoder = copy.deepcopy(self.backbone.text_encoder)
        rows = max(len(self.room.vocabulary.tokenizer), self.text_encoder.config.vocab_size)
        self.text_encoder.resize_token_embeddings(rows, mean_resizing=False)
        self.table: nn.Parameter = self.text_encoder.get_input_embeddings().weight
        with torch.no_grad():
            self.table[self.token] = student.words[PLACEHOLDER].vectors[0]
        self.table.requires_grad_(True)
        settings = self.room.settings
        self.optimizer = torch.optim.AdamW(
            [self.table], lr=settings.rate, weight_decay=settings.decay
        )
        self.before = self.table.detach().clone()
        self.others = torch.ones(rows, dtype=torch.bool)
        self.others[self.token] = False

    def told(self, shown: Examples) -> Tensor:
        """The prompts' last hidden states."""
        states: Tensor = self.text_encoder(shown.ids).last_hidden_state
        return states.to(self.backbone.dtype)

    def step(self, number: int) -> None:
        """One step of the optimizer; all rows but the new token's are then as they were."""
        super().step(number)
        with torch.no_grad():
            self.table[self.others] = self.before[self.others]

    def gradient(self) -> Tensor:
        """Of the learned vector: (D,)."""
        assert self.table.grad is not None
        return self.table.grad[self.token].clone()


class UsualNeTI(_Usual):
    """NeTI as in its released code, `training/coach.py`: a text-encoder pass for every layer.

    That code also has gradients for the whole embedding table, which no optimizer reads; they are
    left out here.
    """

    def __init__(self, student: Inversion, pixels: Tensor) -> None:
        """As the base class."""
        super().__init__(student, pixels)
        self.word = copy.deepcopy(student.words[PLACEHOLDER])
        settings = self.room.settings
        self.optimizer = torch.optim.AdamW(
            self.word.parameters(), lr=settings.rate, weight_decay=settings.decay
        )

    def loss(self, shown: Examples, clean: Tensor) -> Tensor:
        """As the base class, with a UNet that takes other states at each layer."""
        with told_by_layer(self.backbone.unet):
            return super().loss(shown, clean)

    def told(self, shown: Examples) -> Layered:
        """The prompts' states, layer after layer."""
        keep = shown.keep[PLACEHOLDER]
        keys, values = [], []
        for layer in range(self.room.layers):
            spoken = self.word.spoken(
                shown.timesteps,
                torch.full_like(shown.timesteps, layer),
                None if keep is None else keep[layer],
            )
            streams = encode(
                self.backbone.text_encoder,
                shown.ids,
                {self.token: spoken.vectors[0]},
                None if spoken.bypass is None else {self.token: spoken.bypass},
                self.room.alpha,
            )
            keys.append(streams.keys)
            values.append(streams.values)
        return Layered(keys=torch.stack(keys), values=torch.stack(values))

    def gradient(self) -> Tensor:
        """Of the mapper's parameters, one after the other."""
        return flat_gradient(self.word)


def flat_gradient(module: nn.Module) -> Tensor:
    """All gradients of a module, one after the other: (n,)."""
    found = [one.grad.flatten() for one in module.parameters() if one.grad is not None]
    return torch.cat(found)
