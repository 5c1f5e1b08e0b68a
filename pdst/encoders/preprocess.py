"""In: an RGB image of any size. Out: the square of uint8 pixels that an encoder sees. No torch.

The rule is OpenAI's, DreamBooth's and torchvision's (`Resize` then `CenterCrop` on a PIL image):
Pillow's antialiased bicubic filter brings the shorter side to `resize`; the longer side becomes
int(resize * long / short); the crop starts at round((side - crop) / 2), halves going to the even
neighbour as Python's round does. transformers' processors start at (side - crop) // 2 instead: one
pixel earlier where the remainder is 3, 7, 11, … pixels. A test holds both facts.
"""

import numpy as np
from PIL import Image

from pdst.encoders.spec import Pixels

LONGEST = 64
"""Beyond a longer side of so many times `resize`, only the part that is kept is ever computed."""


def resize_and_crop(image: Image.Image, *, resize: int, crop: int) -> Pixels:
    """Resize the shorter side and cut the middle out.

    Args:
        image: an "RGB" image; smaller than `crop` is enlarged.
        resize: pixels of the shorter side afterwards.
        crop: pixels of the square, at most `resize`.

    Returns:
        (crop, crop, 3) uint8, a copy of its own.

    Raises:
        ValueError: for another mode, an empty image, or a crop larger than the resized image.
    """
    if image.mode != "RGB":
        raise ValueError(
            f"An encoder takes an RGB image, got mode {image.mode}. "
            "Decode it with pdst.images.decode_rgb, which decides alpha, 16 bit and CMYK."
        )
    if not image.width or not image.height or not 0 < crop <= resize:
        raise ValueError(
            f"Cannot resize {image.width} x {image.height} pixels to a shorter side of {resize} "
            f"and crop {crop}: wanted at least one pixel, and a crop of at most the resized side."
        )
    width, height = resized_size(image.width, image.height, resize)
    left, top = crop_offset(width, crop), crop_offset(height, crop)
    if max(width, height) > LONGEST * resize:
        # A 50,000 x 1 strip would become gigabytes. The same filter over the kept part alone can
        # differ from the rule by one level of 255 here and there, on images that no one draws.
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + crop) * across, (top + crop) * down)
        kept = image.resize((crop, crop), Image.Resampling.BICUBIC, box=box)
    else:
        whole = image.resize((width, height), Image.Resampling.BICUBIC)
        kept = whole.crop((left, top, left + crop, top + crop))
    return np.array(kept)


def resized_size(width: int, height: int, resize: int) -> tuple[int, int]:
    """Width and height after the shorter side became `resize`: torchvision's rounding (down)."""
    if width <= height:
        return resize, int(resize * height / width)
    return int(resize * width / height), resize


def crop_offset(side: int, crop: int) -> int:
    """Where a centre crop begins on a side: torchvision's rounding (half to even)."""
    return round((side - crop) / 2)
