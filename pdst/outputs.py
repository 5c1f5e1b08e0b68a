"""In: what a generator returned, or raised. Out: an RGB image, or the reason why it is none."""

import traceback
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pdst.errors import PdstError
from pdst.images import to_rgb

MIN_SIDE, MAX_SIDE = 8, 8192
"""Pixels. Outside of this an image is taken for a mistake of its generator ("wrong_size")."""


def as_image(output: object) -> Image.Image | str:
    """What a generator returned as an RGB image, or the reason why it is none.

    Accepts PIL images of any mode; (H, W, 3) uint8 arrays; (H, W, 3) float arrays in [0, 1].

    Returns:
        An "RGB" image with sides in [MIN_SIDE, MAX_SIDE] that is not all black; or a reason:
        "wrong_type", "wrong_size", "not_finite", "out_of_range" or "black", with details.
    """
    try:
        image = _converted(output)
    except Exception as error:  # a lazy, damaged or overridden image may raise anything
        return f"wrong_type: a {type(output).__name__} that cannot be read: {in_one_line(error)}"
    if isinstance(image, str):
        return image
    if min(image.size) < MIN_SIDE or max(image.size) > MAX_SIDE:
        return (
            f"wrong_size: {image.width} x {image.height} pixels, wanted sides of "
            f"{MIN_SIDE} to {MAX_SIDE}"
        )
    if image.getbbox() is None:
        return "black: every pixel is 0 (a safety checker?)"
    return image


def _converted(output: object) -> Image.Image | str:
    if isinstance(output, np.ndarray):
        return _from_array(np.asarray(output))
    if not isinstance(output, Image.Image):
        return (
            f"wrong_type: got a {type(output).__module__}.{type(output).__name__}, wanted a PIL "
            "image or an (H, W, 3) array"
        )
    if output.width == 0 or output.height == 0:
        return f"wrong_size: {output.width} x {output.height} pixels"
    if output.mode == "F" and not np.isfinite(np.asarray(output)).all():
        return "not_finite: an image of mode F holds NaN or infinity"
    return to_rgb(ImageOps.exif_transpose(output))


def _from_array(array: NDArray[Any]) -> Image.Image | str:
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        return f"wrong_type: an array of shape {array.shape}, wanted (H, W, 3)"
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            return f"not_finite: {int((~np.isfinite(array)).sum())} values are NaN or infinite"
        low, high = float(array.min()), float(array.max())
        if low < -1e-3 or high > 1 + 1e-3:
            return f"out_of_range: float values from {low:g} to {high:g}, wanted [0, 1]"
        array = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        return f"wrong_type: an array of {array.dtype}, wanted uint8, or float in [0, 1]"
    return Image.fromarray(np.ascontiguousarray(array))


def in_one_line(error: BaseException) -> str:
    """An exception in one line that can be stored, whatever its author made of it."""
    try:
        text = " ".join(str(error).split())[:300]
    except Exception:
        text = "(its text cannot be read)"
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return told.encode("utf-8", "backslashreplace").decode()


def trace(cause: BaseException | None) -> str:
    """The traceback, for the generator's author; of characters that every stream takes."""
    if cause is None or isinstance(cause, PdstError):  # those say all in their words
        return ""
    try:
        lines = traceback.format_exception(cause)
    except Exception:
        lines = traceback.format_tb(cause.__traceback__)
    return "\n" + "".join(lines).rstrip().encode("utf-8", "backslashreplace").decode()
