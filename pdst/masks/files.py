"""In: a folder of mask images, named like the photos. Out: the mask of each photo."""

from pathlib import Path

import numpy as np

from pdst.images import decode_mask
from pdst.masks.quality import mask_flags
from pdst.masks.segmenter import Segmented, SegmenterError
from pdst.types import Photo

SUFFIXES = (".png", ".webp", ".bmp", ".tiff", ".tif", ".gif", ".jpg", ".jpeg")
"""In the order in which they are looked for."""


class MaskFiles:
    """Masks that somebody made: `FOLDER/<image id>.png`, white where the subject is.

    The photo's own file name does as well. They are taken as they are: not cleaned, only judged. A
    release's photos bring their own.
    """

    def __init__(self, folder: str | Path) -> None:
        """Look in a folder.

        Raises:
            SegmenterError: if there is none.
        """
        self.folder = Path(folder).expanduser()
        if not self.folder.is_dir():
            raise SegmenterError(
                f"Mask folder {self.folder} is not there. Wanted a folder with a mask for each "
                "photo, <image id>.png, white where the subject is."
            )

    @property
    def label(self) -> str:
        """No path of this machine."""
        return "mask files"

    def segment(self, photo: Photo, class_noun: str) -> Segmented:
        """Read a photo's mask; the noun does not matter.

        Raises:
            SegmenterError: if there is none, or it is of another size than the upright photo.
            UnreadableImageError: if the file is damaged.
        """
        names = dict.fromkeys((photo.image_id, Path(photo.source).stem))
        paths = [self.folder / f"{name}{suffix}" for name in names if name for suffix in SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise SegmenterError(
                f"Photo {photo.image_id} has no mask in {self.folder}, wanted {paths[0].name}. "
                "Put it there, or choose another way: florence-sam2, grabcut."
            )
        mask, size = decode_mask(path.read_bytes(), path.name), photo.image().size
        if mask.size != size:
            raise SegmenterError(
                f"{path} is {mask.width} x {mask.height}, its photo is {size[0]} x {size[1]} once "
                "upright. Save the mask at the photo's size."
            )
        flags = mask_flags(np.asarray(mask) >= 128)
        return Segmented(mask=mask, source=self.label, flags=flags)
