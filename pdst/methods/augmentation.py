"""In: a photo. Out: the photo smaller or larger within its frame, and words and mask that say so.

Custom Diffusion (Kumari et al., CVPR 2023) sees a subject at many sizes. Around a photo that was
made smaller there is plain grey, the zero of what the autoencoder takes, as in the public code; the
loss does not count there. Photos come as squares, resized whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageOps
from torch import Tensor

from pdst.diffusion.backbone import Backbone
from pdst.diffusion.latents import encode, to_pixels
from pdst.encoders.tower import exact
from pdst.errors import DatasetError
from pdst.methods.finetuning import Seen
from pdst.types import Photo

SHRUNK = 0.66
"""The share of photos that are made smaller; the others are made larger."""
LARGER = (1.2, 1.4)
FAR, NEAR = ("a far away ", "very small "), ("zoomed in ", "close up ")
FAR_BELOW = 0.6
"""The size, as a part of the frame's, below which a prompt says that the subject is far away."""
GREY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a photo lies in a frame.

    Attributes:
        size: pixels a side of the photo, resized.
        top, left: of the photo in the frame if it is the smaller one; else of the frame in it.
        share: in [0, 1): which of two prefixes.
    """

    size: int
    top: int
    left: int
    share: float


def drawn_placement(frame: int, factor: int, rng: torch.Generator) -> Placement:
    """A random size, from a third of the frame to the whole or a larger one, and a random place.

    Args:
        frame: pixels a side.
        factor: pixels a latent cell, along a side: a photo is at least four cells wide.
        rng: on the CPU.
    """

    def between(least: int, beyond: int) -> int:
        return int(torch.randint(least, beyond, (), generator=rng))

    if float(torch.rand((), generator=rng)) < SHRUNK:
        size = between(max(frame // 3, 4 * factor), frame + 1)
    else:
        size = between(*(int(times * frame) for times in LARGER))
    room = abs(frame - size) + 1
    top, left = between(0, room), between(0, room)
    return Placement(size=size, top=top, left=left, share=float(torch.rand((), generator=rng)))


def prefix(placement: Placement, frame: int) -> str:
    """What stands before the prompt, with its blank: nothing for a photo near its own size."""
    if placement.size < FAR_BELOW * frame:
        words: tuple[str, str] = FAR
    elif placement.size > frame:
        words = NEAR
    else:
        return ""
    return words[int(placement.share * len(words))]


def placed(pixels: Tensor, placement: Placement, frame: int) -> Tensor:
    """A photo in its frame: (C, size, size) to (C, frame, frame), grey around it."""
    size, top, left = placement.size, placement.top, placement.left
    if size > frame:
        return pixels[:, top : top + frame, left : left + frame]
    made = pixels.new_full((len(pixels), frame, frame), GREY)
    made[:, top : top + size, left : left + size] = pixels
    return made


def region(placement: Placement, frame: int, factor: int) -> Tensor:
    """Latent cells where the loss counts: (1, h, w) float32.

    All for a larger photo. For a smaller one those of the photo without its outermost ones, to
    which the surroundings contribute.
    """
    cells = frame // factor
    if placement.size > frame:
        return torch.ones(1, cells, cells)
    made = torch.zeros(1, cells, cells)
    rows, columns = (
        slice(at // factor + 1, (at + placement.size) // factor - 1)
        for at in (placement.top, placement.left)
    )
    made[:, rows, columns] = 1
    return made


class AugmentedPhotos:
    """Photos at another size and place each time; encoded each time, since no two are alike."""

    def __init__(self, backbone: Backbone, photos: Sequence[Photo], frame: int) -> None:
        """Decode the photos.

        Args:
            backbone: whose autoencoder encodes.
            photos: at least one.
            frame: pixels a side of what is encoded.

        Raises:
            DatasetError: if there is no photo.
        """
        if not photos:
            raise DatasetError("There is no training photo, wanted at least one.")
        self._backbone, self._frame = backbone, frame
        self._images = [photo.image() for photo in photos]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._images)

    def seen(self, photos: Tensor, mirrored: Tensor, rng: torch.Generator) -> Seen:
        """Place, encode and mask some of them."""
        frame, factor, device = self._frame, self._backbone.factor, self._backbone.device
        places = [drawn_placement(frame, factor, rng) for _ in photos]
        pixels = torch.stack(
            [
                placed(to_pixels([self._image(*which)], place.size)[0], place, frame)
                for which, place in zip(
                    zip(photos.tolist(), mirrored.tolist(), strict=True), places, strict=True
                )
            ]
        )
        with exact(device):
            encoded = encode(self._backbone.vae, pixels.to(device))
            noise = torch.randn(encoded.mean.shape, generator=rng)
            clean = encoded.draw(noise.to(device))
        return Seen(
            clean=clean.clone(),  # a copy: tensors of inference are barred from training
            masks=torch.stack([region(place, frame, factor) for place in places]).to(device),
            prefixes=tuple(prefix(place, frame) for place in places),
        )

    def _image(self, number: int, mirrored: bool) -> Image.Image:
        image = self._images[number]
        return ImageOps.mirror(image) if mirrored else image
