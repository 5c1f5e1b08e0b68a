"""In: an encoder. Out: whether it keeps the contract of `pdst.encoders.spec`, claim by claim."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdst.encoders.preprocess import resize_and_crop
from pdst.encoders.spec import Embeddings, EncoderSpec, ImageEncoder, Pixels, TextEncoder
from pdst.testing.contract import CheckResult, broken, run_checks
from pdst.testing.drawn import drawn_benchmark

TOLERANCE = 1e-5
"""How much a number of a unit-norm float32 embedding may move with the rest of its batch: room for
sums in another order, a tenth of the 1e-4 that tables round to."""

_NORM_TOLERANCE = 1e-4
_TEXTS = (
    "a dog",
    "A photo of a cat on a red sofa, seen from above.",
    "¿a toy? “ball” — 3½ 球",
    "a",
)
_LONG_TEXT = "a street with a red door, a green door and a blue door, " * 20


def check_spec_is_plain(encoder: ImageEncoder) -> None:
    """`spec` is an EncoderSpec and stays the same; its sizes and weights digest make sense."""
    spec: object = encoder.spec
    if not isinstance(spec, EncoderSpec):
        broken(f"spec is a {type(spec).__name__}, wanted a pdst.encoders.spec.EncoderSpec.")
    if encoder.spec.digest != spec.digest:
        broken("spec changes from one look to the next: return the same each time.")
    if not 0 < spec.crop <= spec.resize or spec.dim < 1:
        broken(
            f"spec has resize {spec.resize}, crop {spec.crop}, dim {spec.dim}; wanted "
            "0 < crop <= resize, and dim >= 1."
        )
    if len(spec.weights_digest) != 64 or not set(spec.weights_digest) <= set("0123456789abcdef"):
        broken(f"weights_digest is '{spec.weights_digest}', wanted a sha256 over the tensors.")
    if not spec.trained and "untrained" not in spec.title:
        broken(f"an untrained encoder is titled '{spec.title}': put 'untrained' into the title.")


def check_pixels_have_the_size_of_the_spec(encoder: ImageEncoder) -> None:
    """Images of any shape become (crop, crop, 3) uint8."""
    crop = encoder.spec.crop
    strips = [Image.new("RGB", (1, 1), (9, 8, 7)), Image.new("RGB", (300, 7)), _picture(7, 300)]
    for image in [*_photos(), *strips]:
        pixels = encoder.preprocess(image)
        if pixels.shape != (crop, crop, 3) or pixels.dtype != np.uint8:
            broken(
                f"an image of {image.size} became {pixels.shape} {pixels.dtype}, wanted "
                f"({crop}, {crop}, 3) uint8."
            )


def check_pixels_are_bicubic_and_centred(encoder: ImageEncoder) -> None:
    """Large images are shrunk with Pillow's antialiased bicubic filter and cropped in the middle.

    Within one level of 255; on shapes for which all roundings agree.
    """
    spec = encoder.spec
    for width, height in ((4, 2), (2, 4), (3, 3)):
        image = _picture(width * spec.resize, height * spec.resize)
        got = encoder.preprocess(image).astype(np.int16)
        wanted = resize_and_crop(image, resize=spec.resize, crop=spec.crop).astype(np.int16)
        difference = int(np.abs(got - wanted).max())
        if difference > 1:
            broken(
                f"an image of {image.size} is preprocessed in another way: a pixel differs by "
                f"{difference} of 255 levels, wanted at most 1. Bring the shorter side to "
                f"{spec.resize} with Image.resize(..., BICUBIC), then crop the middle."
            )


def check_preprocessing_is_safe_in_threads(encoder: ImageEncoder) -> None:
    """Four threads at once get the pixels that one gets."""
    images = _photos() * 4
    alone = [encoder.preprocess(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(encoder.preprocess, images))
    if any(not np.array_equal(a, b) for a, b in zip(alone, together, strict=True)):
        broken("preprocess gives other pixels when threads run it: keep no state in it.")


def check_embeddings_are_unit_rows(encoder: ImageEncoder) -> None:
    """Embeddings are (B, dim) float32, finite, of length 1."""
    pixels = _pixels(encoder)
    for count in (1, len(pixels)):
        _require_unit_rows(encoder.encode_images(pixels[:count]), count, encoder.spec.dim)


def check_images_are_told_apart(encoder: ImageEncoder) -> None:
    """Different images have different embeddings."""
    rows = encoder.encode_images(_pixels(encoder))
    if len(np.unique(rows, axis=0)) < len(rows):
        broken("two different images have one embedding: does the encoder look at its input?")


def check_embedding_order_is_kept(encoder: ImageEncoder, tolerance: float = TOLERANCE) -> None:
    """The n-th embedding belongs to the n-th image."""
    pixels = _pixels(encoder)
    forwards = encoder.encode_images(pixels)
    backwards = encoder.encode_images(np.ascontiguousarray(pixels[::-1]))[::-1]
    _require_close("encoded in reverse", forwards, backwards, tolerance)


def check_embedding_batch_size_does_not_matter(
    encoder: ImageEncoder, tolerance: float = TOLERANCE
) -> None:
    """One by one and in threes, images have the embeddings that they have together."""
    pixels = _pixels(encoder)
    together = encoder.encode_images(pixels)
    for size in (1, 3):
        parts = [
            encoder.encode_images(pixels[start : start + size])
            for start in range(0, len(pixels), size)
        ]
        how = f"encoded in batches of {size}"
        _require_close(how, together, np.concatenate(parts), tolerance)


def check_encoder_inputs_are_untouched(encoder: ImageEncoder) -> None:
    """Neither the image nor the array of pixels is changed."""
    image = _photos()[0]
    before = image.copy()
    encoder.preprocess(image)
    pixels = _pixels(encoder)
    kept = pixels.copy()
    encoder.encode_images(pixels)
    if image != before or not np.array_equal(pixels, kept):
        broken("the encoder changes the image or the pixels that it is given: work on copies.")


def check_texts_are_unit_rows(encoder: TextEncoder) -> None:
    """Text embeddings are (T, dim) float32, finite, of length 1."""
    for count in (1, len(_TEXTS)):
        _require_unit_rows(encoder.encode_texts(_TEXTS[:count]), count, encoder.spec.dim)


def check_text_batch_size_does_not_matter(
    encoder: TextEncoder, tolerance: float = TOLERANCE
) -> None:
    """A text alone has the embedding that it has beside longer ones, and in its own place."""
    texts = (*_TEXTS, _LONG_TEXT)
    together = encoder.encode_texts(texts)
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    _require_close("of texts encoded one by one", together, alone, tolerance)


def check_a_long_text_is_cut(encoder: TextEncoder) -> None:
    """A text over the context is encoded, and what lies far beyond the cut does not matter."""
    one, other = encoder.encode_texts([_LONG_TEXT, _LONG_TEXT + "and a dragon"])
    _require_unit_rows(one[None], 1, encoder.spec.dim)
    _require_close("of a text that only its cut end tells apart", one, other, TOLERANCE)


def check_tokens_are_counted(encoder: TextEncoder) -> None:
    """`count_tokens` counts both end marks and what will be cut."""
    context = encoder.spec.context
    if context is None:
        broken("spec.context is None, but there is a text tower: wanted its number of tokens.")
    short, longer = encoder.count_tokens("dog"), encoder.count_tokens(_LONG_TEXT)
    if not 3 <= short <= context < longer:
        broken(
            f"count_tokens gives {short} for 'dog' and {longer} for {len(_LONG_TEXT.split())} "
            f"words; wanted at least 3, and more than the context of {context}."
        )


ENCODER_CHECKS: tuple[Callable[[ImageEncoder], None], ...] = (
    check_spec_is_plain,
    check_pixels_have_the_size_of_the_spec,
    check_pixels_are_bicubic_and_centred,
    check_preprocessing_is_safe_in_threads,
    check_embeddings_are_unit_rows,
    check_images_are_told_apart,
    check_embedding_order_is_kept,
    check_embedding_batch_size_does_not_matter,
    check_encoder_inputs_are_untouched,
)
"""For every encoder."""

TEXT_CHECKS: tuple[Callable[[TextEncoder], None], ...] = (
    check_texts_are_unit_rows,
    check_text_batch_size_does_not_matter,
    check_a_long_text_is_cut,
    check_tokens_are_counted,
)
"""For encoders with a text tower."""


def check_encoder(
    encoder: ImageEncoder | TextEncoder, *, allow: Mapping[str, str] | None = None
) -> list[CheckResult]:
    """Check an encoder against the whole contract; its texts too, if it has `encode_texts`.

    Args:
        encoder: to be checked, in float32. (For another dtype, call the checks that have a
            `tolerance` alone, and allow them here.)
        allow: name of a check -> why its failure is acceptable.

    Returns:
        One result a check.

    Raises:
        BrokenContractError: (an AssertionError) listing all failures that are not allowed.
        SettingsError: if `allow` names no check, or gives no reason.
    """
    checks: dict[str, Callable[[], None]] = {
        check.__name__: partial(check, encoder) for check in ENCODER_CHECKS
    }
    if _has_texts(encoder):
        checks |= {check.__name__: partial(check, encoder) for check in TEXT_CHECKS}
    foundations = {"check_spec_is_plain", "check_pixels_have_the_size_of_the_spec"}
    return run_checks(encoder.spec.title, checks, foundations=foundations, allow=allow)


def _has_texts(encoder: ImageEncoder | TextEncoder) -> TypeGuard[TextEncoder]:
    return hasattr(encoder, "encode_texts")


def _photos() -> list[Image.Image]:
    """Seven small pictures of mixed shapes."""
    benchmark = drawn_benchmark()
    train = [photo.image() for photo in benchmark.subjects[0].train]
    return train + [held_out.photo.image() for held_out in benchmark.test[:3]]


def _picture(width: int, height: int) -> Image.Image:
    """Fine noise on a coarse pattern: shows another filter, and another place of the crop."""
    rng = np.random.default_rng(width)
    coarse = rng.integers(0, 200, (9, 9, 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BOX))
    fine = rng.integers(0, 56, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(large + fine)


def _pixels(encoder: ImageEncoder) -> Pixels:
    return np.stack([encoder.preprocess(image) for image in _photos()])


def _require_unit_rows(rows: Embeddings, count: int, dim: int) -> None:
    if rows.shape != (count, dim) or rows.dtype != np.float32:
        broken(f"{count} inputs gave {rows.shape} {rows.dtype}, wanted ({count}, {dim}) float32.")
    if not np.isfinite(rows).all():
        broken("an embedding holds NaN or infinity.")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    if np.abs(lengths - 1).max() > _NORM_TOLERANCE:
        broken(f"embeddings have lengths {lengths}, wanted 1 within {_NORM_TOLERANCE}: normalize.")


def _require_close(
    how: str, one: NDArray[np.float32], other: NDArray[np.float32], tolerance: float
) -> None:
    if one.shape != other.shape:
        broken(f"embeddings {how} have the shape {other.shape}, wanted {one.shape}.")
    difference = float(np.abs(one - other).max())
    if not difference <= tolerance:
        broken(
            f"embeddings {how} differ by {difference:.2g}, wanted at most {tolerance:g}: switch "
            "to evaluation mode, exact arithmetic, and let no row look at another."
        )
