"""In: a subject's training photos. Out: latents and masks, upright and mirrored, encoded once.

The networks that encode are frozen, so nothing about a photo changes while a method learns: what
public scripts encode anew every step is read from memory here, and kept on disk by the content that
it belongs to, never by a file's name or date.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pdst.diffusion.backbone import Backbone
from pdst.diffusion.latents import Encoded, encode, to_pixels
from pdst.diffusion.masks import background, latent_mask
from pdst.encoders.tower import exact
from pdst.errors import DatasetError
from pdst.files import whole_file
from pdst.types import Photo

VERSION = 1
"""Of what the file below holds; another one is made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentPhotos:
    """Training photos as a diffusion model sees them; index 1 of the second axis is mirrored.

    Attributes:
        ids: image ids, P of them.
        encoded: of (P, 2, C, h, w) tensors on the backbone's device.
        masks: (P, 2, 1, h, w) float32 on that device, 1 where the subject is; None: no masks asked.
    """

    ids: tuple[str, ...]
    encoded: Encoded
    masks: Tensor | None

    def clean(self, photos: Tensor, mirrored: Tensor, noise: Tensor) -> Tensor:
        """Latents of some photos: (B, C, h, w) float32.

        Args:
            photos: (B,) int64, which.
            mirrored: (B,) bool.
            noise: (B, C, h, w), of the autoencoder's own spread; of no effect where it has none.
        """
        which = mirrored.long()
        logvar = self.encoded.logvar
        drawn = Encoded(
            mean=self.encoded.mean[photos, which],
            logvar=None if logvar is None else logvar[photos, which],
        )
        return drawn.draw(noise)


def latent_photos(
    backbone: Backbone,
    photos: Sequence[Photo],
    resolution: int,
    *,
    masked: bool,
    soft: bool = False,
    cache: Path | None = None,
) -> LatentPhotos:
    """Encode training photos, or read what was encoded of the very same before.

    Photos are resized whole to a square, not cropped (Textual Inversion, section 4).

    Args:
        backbone: whose autoencoder encodes.
        photos: at least one.
        resolution: pixels a side.
        masked: whether masks are needed.
        soft: keep the masks' averages instead of 0 and 1.
        cache: a file for the latents; made, or made anew if it is of other photos, of another base
            model or arithmetic, or damaged.

    Raises:
        DatasetError: if there is no photo; with `masked`, if a photo has no mask or one in which
            subject or background is too small.
    """
    if not photos:
        raise DatasetError("There is no training photo, wanted at least one.")
    return LatentPhotos(
        ids=tuple(photo.image_id for photo in photos),
        encoded=_encoded(backbone, photos, resolution, cache),
        masks=_masks(photos, resolution, backbone, soft=soft) if masked else None,
    )


def _encoded(
    backbone: Backbone, photos: Sequence[Photo], resolution: int, cache: Path | None
) -> Encoded:
    key = _key(backbone, photos, resolution)
    kept = None if cache is None else _kept(cache, key)
    if kept is None:
        parts = []
        with torch.no_grad(), exact(backbone.device):
            for photo in photos:
                image = photo.image()
                pixels = to_pixels([image, ImageOps.mirror(image)], resolution)
                parts.append(encode(backbone.vae, pixels.to(backbone.device)))
        logvars = [part.logvar for part in parts if part.logvar is not None]
        # In one order in memory, as they come from a cache: convolutions round by it.
        kept = {"mean": torch.stack([part.mean for part in parts]).contiguous()}
        if logvars:
            kept["logvar"] = torch.stack(logvars).contiguous()
        if cache is not None:
            with whole_file(cache) as temporary:
                on_cpu = {name: tensor.cpu() for name, tensor in kept.items()}
                save_file(on_cpu, temporary, {"key": key})
    logvar = kept.get("logvar")
    return Encoded(
        mean=kept["mean"].to(backbone.device),
        logvar=None if logvar is None else logvar.to(backbone.device),
    )


def _key(backbone: Backbone, photos: Sequence[Photo], resolution: int) -> str:
    """What the latents follow from: nothing else moves them."""
    facts = (VERSION, backbone.digest, backbone.dtype, resolution, *(p.sha256 for p in photos))
    return hashlib.sha256("\n".join(map(str, facts)).encode()).hexdigest()


def _kept(path: Path, key: str) -> dict[str, Tensor] | None:
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None


def _masks(photos: Sequence[Photo], resolution: int, backbone: Backbone, *, soft: bool) -> Tensor:
    rows = []
    for photo in photos:
        mask = photo.mask()
        if mask is None:
            raise DatasetError(
                f"Photo {photo.image_id} has no mask, which this method needs to tell subject from "
                "background. Give it one in the release, or "
                "choose a method without: TI, NeTI."
            )
        rows.append(torch.stack([_mask(photo, m, resolution, backbone, soft) for m in _both(mask)]))
    return torch.stack(rows).to(backbone.device)


def _both(mask: Image.Image) -> tuple[Image.Image, Image.Image]:
    return mask, ImageOps.mirror(mask)


def _mask(
    photo: Photo, mask: Image.Image, resolution: int, backbone: Backbone, soft: bool
) -> Tensor:
    try:
        found = latent_mask(mask, resolution, backbone.factor, soft=soft)
        background(found)
    except DatasetError as error:
        raise DatasetError(f"Mask of photo {photo.image_id}: {error}") from error
    return found
