"""Claims about pixels: what any file decodes to, what is refused, what is written."""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from pdst.errors import PdstError
from pdst.images import (
    FORMATS,
    MAX_PIXELS,
    UnreadableImageError,
    decode_mask,
    decode_rgb,
    image_format,
    pixel_digest,
    to_rgb,
)

ORIENTATION = 0x0112
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(size: tuple[int, int] = (48, 32)) -> Image.Image:
    """Red, green / blue, yellow: quarters that tell every turn and flip apart."""
    width, height = size
    image = Image.new("RGB", size)
    for colour, left, top in ((RED, 0, 0), (GREEN, 1, 0), (BLUE, 0, 1), (YELLOW, 1, 1)):
        box = (left * width // 2, top * height // 2)
        image.paste(colour, (*box, box[0] + width // 2, box[1] + height // 2))
    return image


def photo(size: tuple[int, int] = (40, 24), seed: int = 5) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def looks(image: Image.Image) -> list[str]:
    """The nearest pure colour of each quarter, in reading order."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "yellow": YELLOW}
    found = []
    for y in (image.height // 4, 3 * image.height // 4):
        for x in (image.width // 4, 3 * image.width // 4):
            got = np.array(image.getpixel((x, y)), int)
            found.append(min(names, key=lambda name: np.abs(np.array(names[name]) - got).sum()))
    return found


# --- orientation ---------------------------------------------------------------------------------

# Where the EXIF standard says that stored row 0 and column 0 belong in the upright picture.
UPRIGHT = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def by_the_standard(stored: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """The upright pixels by the standard's words alone."""
    row_0, column_0 = UPRIGHT[orientation]
    if row_0 in {"left", "right"}:  # rows become columns
        stored = stored.swapaxes(0, 1)
        row_0, column_0 = column_0, row_0
    if row_0 == "bottom":
        stored = stored[::-1]
    return stored[:, ::-1] if column_0 == "right" else stored


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_exif_orientation_is_turned_upright_to_the_pixel(kind: str, orientation: int) -> None:
    stored = photo()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image = decode_rgb(saved(stored, kind, exif=exif, **options))
    assert np.array_equal(np.asarray(image), by_the_standard(np.asarray(stored), orientation))
    assert image.info == {}
    assert dict(image.getexif()) == {}


@pytest.mark.parametrize(
    ("orientation", "quarters"),
    [
        (1, ["red", "green", "blue", "yellow"]),
        (2, ["green", "red", "yellow", "blue"]),
        (3, ["yellow", "blue", "green", "red"]),
        (4, ["blue", "yellow", "red", "green"]),
        (5, ["red", "blue", "green", "yellow"]),
        (6, ["blue", "red", "yellow", "green"]),
        (7, ["yellow", "green", "blue", "red"]),
        (8, ["green", "yellow", "red", "blue"]),
    ],
)
def test_a_phones_jpeg_is_turned_upright(orientation: int, quarters: list[str]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = decode_rgb(saved(corners(), "JPEG", exif=exif, quality=95, subsampling=0))
    assert image.size == ((48, 32) if orientation < 5 else (32, 48))
    assert looks(image) == quarters


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = decode_rgb(saved(photo(), "PNG", exif=exif))
    assert np.array_equal(np.asarray(image), np.asarray(photo()))


def test_an_image_in_memory_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    with Image.open(io.BytesIO(saved(corners(), "PNG", exif=exif))) as opened:
        assert looks(to_rgb(opened)) == ["red", "green", "blue", "yellow"]


# --- transparency --------------------------------------------------------------------------------

ALPHAS = ((0, 255), (51, 204), (255, 0))
"""Alpha, and black over white with it: 255 - alpha."""


def test_alpha_is_composited_over_white() -> None:
    image = Image.new("RGBA", (4, 1))
    image.putdata([(200, 100, 0, 0), (200, 100, 0, 51), (200, 100, 0, 204), (200, 100, 0, 255)])
    got = np.asarray(decode_rgb(saved(image, "PNG")), int)[0]
    # By hand: 255 + (value - 255) * alpha / 255, alpha = 0, 1/5, 4/5, 1.
    wanted = [[255, 255, 255], [244, 224, 204], [211, 131, 51], [200, 100, 0]]
    assert np.abs(got - wanted).max() <= 1


@pytest.mark.parametrize(("alpha", "value"), ALPHAS)
def test_grey_with_alpha_is_composited_over_white(alpha: int, value: int) -> None:
    assert decode_rgb(saved(Image.new("LA", (2, 2), (0, alpha)), "PNG")).getpixel((1, 1)) == (
        value,
        value,
        value,
    )


def test_a_palettes_transparent_colour_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    decoded = decode_rgb(saved(image, "PNG", transparency=0))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [WHITE, BLUE]


@pytest.mark.parametrize(("alpha", "value"), ALPHAS)
def test_a_palettes_alphas_are_composited_over_white(alpha: int, value: int) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*BLACK, *RED])
    image.putdata([0, 1])
    decoded = decode_rgb(saved(image, "PNG", transparency=bytes([alpha, 255])))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(value, value, value), RED]


@pytest.mark.parametrize(("alpha", "value"), ALPHAS)
def test_a_palette_of_four_bands_is_composited_over_white(alpha: int, value: int) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*BLACK, alpha, *RED, 255], "RGBA")
    image.putdata([0, 1])
    assert to_rgb(image).getpixel((0, 0)) == (value, value, value)
    assert to_rgb(image).getpixel((1, 0)) == RED


@pytest.mark.parametrize("mode", ["RGBa", "La", "PA"])
def test_the_rarer_alpha_modes_are_composited_too(mode: str) -> None:
    clear = {"RGBa": (0, 0, 0, 0), "La": (0, 0), "PA": (0, 0)}[mode]
    assert to_rgb(Image.new(mode, (2, 2), clear)).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(
    ("mode", "clear", "other"), [("L", 7, 8), ("RGB", (7, 0, 0), (8, 0, 0)), ("1", 0, 1)]
)
def test_a_colour_named_transparent_becomes_white(mode: str, clear: Any, other: Any) -> None:
    image = Image.new(mode, (2, 1), clear)
    image.putpixel((1, 0), other)
    decoded = decode_rgb(saved(image, "PNG", transparency=clear))
    opaque = {"L": (8, 8, 8), "RGB": (8, 0, 0), "1": WHITE}[mode]
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [WHITE, opaque]


# --- depths and colour spaces --------------------------------------------------------------------


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 128, 129, 128 * 257, 254 * 257 + 128, 65535]], np.uint16)
    decoded = decode_rgb(saved(Image.fromarray(values), "PNG"))
    # v / 257 = 0, 0.498, 0.502, 128, 254.498, 255
    assert [decoded.getpixel((x, 0)) for x in range(6)] == [
        (v, v, v) for v in (0, 0, 1, 128, 254, 255)
    ]


def test_sixteen_bit_grey_keeps_its_transparent_value() -> None:
    values = np.array([[300, 128 * 257]], np.uint16)
    data = saved(Image.fromarray(values), "PNG")
    # Pillow writes no tRNS chunk for 16 bits: put it before the pixels.
    body = b"tRNS" + struct.pack(">H", 300)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    at = data.index(b"IDAT") - 4
    decoded = decode_rgb(data[:at] + chunk + data[at:])
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (128, 128, 128)]


@pytest.mark.parametrize("kind", ["<u2", ">u2", "<i4"])
def test_wide_integers_of_a_tiff_are_scaled_too(kind: str) -> None:
    values = np.array([[0, 128 * 257, 65535]], kind)
    mode = {"<u2": "I;16", ">u2": "I;16B", "<i4": "I"}[kind]
    image = Image.frombytes(mode, (3, 1), values.tobytes())
    for decoded in (to_rgb(image), decode_rgb(saved(image, "TIFF"))):
        assert [decoded.getpixel((x, 0)) for x in range(3)] == [(v, v, v) for v in (0, 128, 255)]


def test_sixteen_bit_colour_keeps_the_high_byte() -> None:
    row = struct.pack(">6H", 0, 128 * 256, 65535, 255, 256, 511)
    data = png_file(2, 1, depth=16, colour=2, rows=b"\0" + row)
    decoded = decode_rgb(data)
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(0, 128, 255), (0, 1, 1)]


def test_float_grey_counts_to_255_and_nan_is_refused() -> None:
    values = np.array([[-5.0, 0.4, 127.6, 300.0]], np.float32)
    image = to_rgb(Image.fromarray(values))
    assert [image.getpixel((x, 0)) for x in range(4)] == [(v, v, v) for v in (0, 0, 128, 255)]
    values[0, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        to_rgb(Image.fromarray(values))
    with pytest.raises(UnreadableImageError, match="NaN"):
        decode_rgb(saved(Image.fromarray(values), "TIFF"))


def test_one_bit_becomes_black_and_white() -> None:
    image = Image.new("1", (2, 1), 0)
    image.putpixel((1, 0), 1)
    decoded = decode_rgb(saved(image, "PNG"))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [BLACK, WHITE]


@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), WHITE),
        ((0, 0, 0, 255), BLACK),
        ((0, 255, 255, 0), RED),
        ((255, 0, 0, 0), (0, 255, 255)),
    ],
)
def test_cmyk_inks_become_their_colours(ink: tuple[int, ...], colour: tuple[int, ...]) -> None:
    data = saved(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95)
    got = np.array(decode_rgb(data).getpixel((8, 8)), int)
    assert np.abs(got - colour).max() <= 3  # JPEG's rounding


def test_lab_is_no_alpha_though_a_band_is_called_a() -> None:
    image = Image.frombytes("LAB", (1, 1), bytes([136, 80, 67]))  # L* 53, a* 80, b* 67: sRGB red
    got = np.array(to_rgb(image).getpixel((0, 0)), int)
    assert np.abs(got - RED).max() <= 12  # integer L*, a*, b*


def test_a_profile_is_not_applied_and_not_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    decoded = decode_rgb(saved(photo(), "PNG", icc_profile=profile))
    assert np.array_equal(np.asarray(decoded), np.asarray(photo()))
    assert "icc_profile" not in decoded.info


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE, GREEN)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)
    assert decode_rgb(data).getpixel((8, 8)) == RED


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image.new("RGBA", (3, 2), (9, 8, 7, 100)),
        lambda: Image.new("LA", (3, 2), (9, 100)),
        lambda: Image.fromarray(np.full((2, 3), 40000, np.uint16)),
        lambda: Image.fromarray(np.full((2, 3), 12.5, np.float32)),
        lambda: Image.new("P", (3, 2), 3),
        lambda: Image.new("CMYK", (3, 2), (9, 8, 7, 6)),
        lambda: Image.new("RGB", (3, 2), (9, 8, 7)),
    ],
    ids=["RGBA", "LA", "I;16", "F", "P", "CMYK", "RGB"],
)
def test_the_input_of_to_rgb_is_neither_changed_nor_returned(
    make: Callable[[], Image.Image],
) -> None:
    image = make()
    image.info["dpi"] = (72, 72)
    before = (image.mode, image.tobytes(), dict(image.info))
    made = to_rgb(image)
    made.paste((1, 2, 3), (0, 0, *made.size))
    assert (image.mode, image.tobytes(), dict(image.info)) == before
    assert (made.mode, made.size, made.info) == ("RGB", (3, 2), {})


# --- masks ---------------------------------------------------------------------------------------


def test_a_mask_is_subject_from_128_up() -> None:
    image = Image.new("L", (5, 1))
    image.putdata([0, 1, 127, 128, 255])
    mask = decode_mask(saved(image, "PNG"))
    assert mask.mode == "L"
    assert [mask.getpixel((x, 0)) for x in range(5)] == [0, 0, 0, 255, 255]


def test_a_one_bit_mask_and_a_16_bit_mask_read_the_same() -> None:
    bits = np.array([[False, True]])
    wide = np.array([[127 * 257, 128 * 257]], np.uint16)
    for image in (Image.fromarray(bits), Image.fromarray(wide)):
        mask = decode_mask(saved(image, "PNG"))
        assert [mask.getpixel((x, 0)) for x in (0, 1)] == [0, 255]


def test_what_is_transparent_in_a_mask_is_background() -> None:
    image = Image.new("RGBA", (2, 1), (255, 255, 255, 0))
    image.putpixel((1, 0), (255, 255, 255, 255))
    mask = decode_mask(saved(image, "PNG"))
    assert [mask.getpixel((x, 0)) for x in (0, 1)] == [0, 255]


def test_a_mask_is_turned_upright_like_its_photo() -> None:
    image = Image.new("L", (4, 2), 0)
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn clockwise: top left goes to top right
    mask = decode_mask(saved(image, "PNG", exif=exif))
    assert mask.size == (2, 4)
    assert mask.getpixel((1, 0)) == 255


# --- what is refused -----------------------------------------------------------------------------


def png_file(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by hand; `rows` is the uncompressed pixel data with filter bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def refused(data: bytes) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        decode_rgb(data, "dog6/03.jpg")
    message = str(caught.value)
    assert message.startswith("dog6/03.jpg: cannot be decoded: ")
    return message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_file_that_is_cut_short_is_an_error(kind: str) -> None:
    whole = saved(photo((64, 64)), kind)
    decode_rgb(whole)
    assert "Replace the file." in refused(whole[: len(whole) * 2 // 3])


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"no image at all", b"\x89PNG\r\n\x1a\n", b"\xff\xd8"]
)
def test_bytes_that_are_no_image_are_an_error(data: bytes) -> None:
    assert "Replace the file." in refused(data)


def test_a_format_that_runs_programs_is_refused_unopened() -> None:
    assert "PNG, JPEG, WEBP" in refused(saved(photo(), "EPS"))


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (9_460, 9_460), (2**31 - 1, 1)])
def test_a_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    assert width * height > MAX_PIXELS
    with warnings.catch_warnings():
        # As outside of tests, where Pillow's warning is no error.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        message = refused(png_file(width, height, depth=8, colour=2, rows=b"\0" * 10))
    assert f"over {MAX_PIXELS} pixels" in message


def test_a_bomb_is_refused_though_pillows_own_limit_is_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    data = png_file(30_000, 30_000, depth=8, colour=2, rows=b"\0" * 10)
    assert f"over {MAX_PIXELS} pixels" in refused(data)


def test_a_damaged_mask_is_the_same_error() -> None:
    with pytest.raises(UnreadableImageError, match=r"^mask of 03: cannot be decoded"):
        decode_mask(b"nothing", "mask of 03")


SEEDS = [
    saved(photo((9, 7)), "PNG"),
    saved(photo((9, 7)), "JPEG"),
    saved(photo((9, 7)), "WEBP", lossless=True),
    saved(photo((9, 7)).convert("P"), "GIF"),
    saved(photo((9, 7)), "TIFF"),
    saved(photo((9, 7)), "BMP"),
    saved(Image.new("RGBA", (9, 7), (1, 2, 3, 4)), "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    whole=st.sampled_from(SEEDS),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12),
    keep=st.floats(0, 1),
)
def test_damage_is_never_another_error(
    whole: bytes, flips: list[tuple[int, int]], keep: float
) -> None:
    data = bytearray(whole)
    for position, value in flips:
        data[position % len(data)] = value
    decoded_or_refused(bytes(data[: round(len(data) * keep)]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    head=st.sampled_from([whole[:size] for whole in SEEDS for size in (0, 4, 16)]),
    tail=st.binary(max_size=200),
)
def test_random_bytes_are_never_another_error(head: bytes, tail: bytes) -> None:
    decoded_or_refused(head + tail)


def decoded_or_refused(data: bytes) -> None:
    try:
        image = decode_rgb(data)
    except UnreadableImageError:
        return
    assert image.mode == "RGB"
    assert min(image.size) > 0


def test_decoding_in_threads_leaves_the_warning_filters_alone() -> None:
    data = saved(photo((64, 64)), "PNG")
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [decode_rgb(data) for _ in range(30)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


# --- identity ------------------------------------------------------------------------------------


def test_one_picture_in_two_lossless_files_has_one_pixel_digest() -> None:
    png, webp = (image_format(name).encode(photo()) for name in ("png", "webp"))
    assert png != webp
    assert pixel_digest(decode_rgb(png)) == pixel_digest(decode_rgb(webp)) == pixel_digest(photo())


def test_the_same_bytes_in_another_shape_are_another_picture() -> None:
    values = np.arange(2 * 3 * 3, dtype=np.uint8)
    wide, tall = (Image.fromarray(values.reshape(shape)) for shape in ((2, 3, 3), (3, 2, 3)))
    assert wide.tobytes() == tall.tobytes()
    assert pixel_digest(wide) != pixel_digest(tall)


def test_a_pixel_digest_is_of_size_and_pixels_alone() -> None:
    image = Image.new("RGB", (1, 2), (1, 2, 3))
    image.info["comment"] = b"not a pixel"
    # python3 -c 'import hashlib; print(hashlib.sha256(b"1x2:\1\2\3\1\2\3").hexdigest())'
    known = "552db089fcc607156b261b52c578cbf137f19ad6cc9765a72d6dddf139d4871c"
    assert pixel_digest(image) == known
    assert pixel_digest(image.convert("RGBA")) == known


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["png", "webp"])
def test_a_lossless_format_keeps_every_pixel(name: str) -> None:
    kept = image_format(name)
    assert kept.lossless
    decoded = decode_rgb(kept.encode(photo((31, 17))))
    assert np.array_equal(np.asarray(decoded), np.asarray(photo((31, 17))))


def test_jpeg_is_quality_95_with_full_colour() -> None:
    kept = image_format("jpeg")
    assert not kept.lossless
    data = kept.encode(corners((64, 64)))
    with Image.open(io.BytesIO(data)) as opened:
        assert isinstance(opened, JpegImageFile)
        # Component sampling 1x1 for all three: 4:4:4. A luma table of quality 95 begins with 2.
        assert [(c[1], c[2]) for c in opened.layer] == [(1, 1)] * 3
        assert opened.quantization[0][0] == 2
    error = np.abs(np.asarray(decode_rgb(data), int) - np.asarray(corners((64, 64)), int))
    assert error.max() <= 6


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_pixels_give_the_same_bytes_whatever_came_along(name: str) -> None:
    plain = photo()
    rich = photo()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rich.info |= {"icc_profile": profile, "dpi": (300, 300), "comment": b"seed 4", "gamma": 0.4}
    kept = image_format(name)
    assert kept.encode(rich) == kept.encode(plain)
    assert rich.info["dpi"] == (300, 300)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(PdstError, match=r"No image format named 'jpg'\. .* Known: jpeg, png, webp"):
        image_format("jpg")
