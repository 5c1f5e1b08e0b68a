"""Encoders: pixels and texts, on small models that take the same way as the large ones."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision import transforms

from pdst.encoders import TextEncoder, load_clip, load_dino
from pdst.encoders.clip import default_configuration, read_configuration
from pdst.encoders.preprocess import LONGEST, crop_offset, resize_and_crop, resized_size
from pdst.encoders.source import LAYOUTS
from pdst.encoders.spec import Pixels
from pdst.errors import EncoderError
from pdst.images import decode_rgb
from pdst.testing import check_encoder


@pytest.fixture(scope="module")
def clip(scorer_folders: tuple[Path, Path]) -> TextEncoder:
    return load_clip(str(scorer_folders[0]))


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture in which every shift by a pixel and every other filter shows."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def torchvision_pixels(image: Image.Image, resize: int, crop: int) -> Pixels:
    steps = transforms.Compose(
        [
            transforms.Resize(resize, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(crop),
        ]
    )
    return np.array(steps(image))


# Pixels


@pytest.mark.parametrize(("resize", "crop"), [(224, 224), (256, 224), (37, 32)])
@pytest.mark.parametrize(
    "size",
    [
        (512, 512),
        (640, 480),
        (480, 640),
        (301, 200),
        (200, 303),
        (9, 7),
        (1, 1),
        (3, 150),
        (224, 225),
    ],
)
def test_pixels_are_those_of_torchvision_on_pillow(
    size: tuple[int, int], resize: int, crop: int
) -> None:
    image = noise(*size)
    assert np.array_equal(
        resize_and_crop(image, resize=resize, crop=crop), torchvision_pixels(image, resize, crop)
    )


def test_halves_of_a_crop_go_to_the_even_neighbour_and_transformers_rounds_down() -> None:
    assert [crop_offset(224 + rest, 224) for rest in range(8)] == [0, 0, 1, 2, 2, 2, 3, 4]
    assert [rest // 2 for rest in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]  # transformers


def test_the_longer_side_is_rounded_down() -> None:
    assert resized_size(1000, 667, 224) == (335, 224)  # 335.83
    assert resized_size(667, 1000, 224) == (224, 335)


def test_a_strip_that_would_become_gigabytes_is_still_resized_by_the_rule() -> None:
    strip = noise(70 * 8, 8)  # 70 times as wide as high; the shortcut starts at 64
    assert max(resized_size(*strip.size, 32)) > LONGEST * 32
    shortcut = resize_and_crop(strip, resize=32, crop=32).astype(int)
    assert np.abs(shortcut - torchvision_pixels(strip, 32, 32)).max() <= 1
    assert resize_and_crop(noise(50_000, 1), resize=256, crop=224).shape == (224, 224, 3)


def test_an_exif_rotation_turns_the_pixels() -> None:
    image = noise(64, 40)
    exif = Image.Exif()
    exif[274] = 6  # to be shown turned by a quarter
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    upright = image.transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(
        resize_and_crop(decode_rgb(buffer.getvalue()), resize=32, crop=32),
        resize_and_crop(upright, resize=32, crop=32),
    )


def test_transparent_sixteen_bit_and_cmyk_files_are_what_they_look_like() -> None:
    transparent = Image.new("RGBA", (50, 40), (200, 0, 0, 0))
    deep = Image.fromarray(np.full((40, 50), 128 * 257, np.uint16))
    printed = Image.new("CMYK", (50, 40), (0, 0, 0, 255))
    for image, format_name, shown in (
        (transparent, "PNG", 255),
        (deep, "PNG", 128),
        (printed, "TIFF", 0),
    ):
        buffer = io.BytesIO()
        image.save(buffer, format_name)
        pixels = resize_and_crop(decode_rgb(buffer.getvalue()), resize=32, crop=32)
        assert np.array_equal(pixels, np.full((32, 32, 3), shown))


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK", "I;16"])
def test_an_image_that_is_not_rgb_is_refused_rather_than_guessed(mode: str) -> None:
    with pytest.raises(ValueError, match=r"decode_rgb"):
        resize_and_crop(Image.new(mode, (9, 9)), resize=8, crop=8)


def test_pixels_of_another_size_or_type_are_refused(clip: TextEncoder) -> None:
    crop = clip.spec.crop
    with pytest.raises(ValueError, match=r"uint8 pixels, got \(1, 31"):
        clip.encode_images(np.zeros((1, 31, crop, 3), np.uint8))
    with pytest.raises(ValueError, match="float32"):
        clip.encode_images(np.zeros((1, crop, crop, 3), np.float32))


def test_no_image_and_no_text_give_no_embedding(clip: TextEncoder) -> None:
    crop, dim = clip.spec.crop, clip.spec.dim
    assert clip.encode_images(np.zeros((0, crop, crop, 3), np.uint8)).shape == (0, dim)
    assert clip.encode_texts([]).shape == (0, dim)


# Both encoders


def test_the_built_in_encoders_keep_the_contract(scorer_folders: tuple[Path, Path]) -> None:
    check_encoder(load_clip(str(scorer_folders[0])))
    check_encoder(load_dino(str(scorer_folders[1])))


def test_batch_size_moves_an_embedding_by_less_than_a_millionth(
    scorer_folders: tuple[Path, Path],
) -> None:
    for encoder in (load_clip(str(scorer_folders[0])), load_dino(str(scorer_folders[1]))):
        pixels = np.stack([encoder.preprocess(noise(60, 50, seed)) for seed in range(35)])
        whole = encoder.encode_images(pixels)
        for batch, count in ((1, 3), (7, 35), (32, 35)):
            starts = range(0, count, batch)
            parts = np.concatenate([encoder.encode_images(pixels[s : s + batch]) for s in starts])
            assert np.abs(whole[:count] - parts).max() < 1e-6


def test_tokens_that_nothing_reads_are_skipped_without_moving_an_embedding(
    scorer_folders: tuple[Path, Path],
) -> None:
    seen: list[torch.Size] = []
    watch = torch.nn.modules.module.register_module_forward_hook(
        lambda module, _, output: (
            seen.append(output.shape)
            if isinstance(module, torch.nn.Linear) and output.shape[-1] == 128  # MLPs' width
            else None
        )
    )
    with watch:
        for encoder in (load_clip(str(scorer_folders[0])), load_dino(str(scorer_folders[1]))):
            encoder.encode_images(np.stack([encoder.preprocess(noise(40, 40))] * 2))
    # 5 tokens in the first block, the class token alone in the last; for both encoders.
    assert seen == [torch.Size([2, 5, 128]), torch.Size([2, 1, 128])] * 2


def test_pixels_that_may_not_be_written_are_encoded(clip: TextEncoder) -> None:
    pixels = np.stack([clip.preprocess(noise(40, 40))])
    pixels.flags.writeable = False
    assert np.array_equal(clip.encode_images(pixels), clip.encode_images(pixels.copy()))


LOOSE = """
import numpy as np, torch
from pdst.encoders import load_clip
from pdst.encoders.tower import exact

clip = load_clip(FOLDER)
pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
images, texts = clip.encode_images(pixels), clip.encode_texts(["a dog"])
backends = torch.backends
parts = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv)
for how in (
    "torch.set_float32_matmul_precision('medium')",
    "backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = True",
    "backends.fp32_precision = 'tf32'",
    "backends.cudnn.conv.fp32_precision = 'ieee'; parts[0].fp32_precision = 'tf32'",
):
    exec(how)
    state = [part.fp32_precision for part in parts]
    assert state != ["ieee"] * 4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert np.array_equal(clip.encode_images(pixels), images), how
        assert np.array_equal(clip.encode_texts(["a dog"]), texts), how
        with exact(torch.device("cpu")):
            assert [part.fp32_precision for part in parts] == ["ieee"] * 4, how
            assert not torch.is_autocast_enabled("cpu"), how
    assert [part.fp32_precision for part in parts] == state, how
"""


def test_a_process_that_computes_loosely_is_scored_exactly_and_left_as_it_was(
    scorer_folders: tuple[Path, Path],
) -> None:
    program = LOOSE.replace("FOLDER", repr(str(scorer_folders[0])))
    # A process of its own: torch does not forget which of its switches were ever used.
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_half_precision_is_another_encoder_with_nearly_the_same_numbers(
    scorer_folders: tuple[Path, Path],
) -> None:
    folder = str(scorer_folders[0])
    exact, half = load_clip(folder), load_clip(folder, dtype="bfloat16")
    assert (exact.spec.dtype, half.spec.dtype) == ("float32", "bfloat16")
    assert exact.spec.weights_digest == half.spec.weights_digest
    assert exact.spec.digest != half.spec.digest
    pixels = np.stack([exact.preprocess(noise(40, 40))])
    embedded = half.encode_images(pixels)
    assert embedded.dtype == np.float32
    assert 0.999 < (embedded @ exact.encode_images(pixels).T).item() < 1 + 1e-6
    assert 0.999 < (half.encode_texts(["a"]) @ exact.encode_texts(["a"]).T).item() < 1 + 1e-6


def test_an_embedding_that_is_not_finite_is_an_error(
    scorer_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(scorer_folders[0], tmp_path / "clip"))
    weights = folder / LAYOUTS["clip"].weights
    tensors = load_file(weights)
    tensors["visual.proj"][0, 0] = float("nan")
    save_file(tensors, weights)
    broken = load_clip(str(folder))
    with pytest.raises(EncoderError, match="not finite in float32"):
        broken.encode_images(np.stack([broken.preprocess(noise(40, 40))]))


# Texts


def test_an_over_long_text_keeps_the_end_token_and_is_counted(clip: TextEncoder) -> None:
    context = clip.spec.context
    assert context == 16
    words = list("abcdefghijklmnopqrstuvwxyz")
    whole, cut = " ".join(words), " ".join(words[: context - 2])
    assert clip.count_tokens(cut) == context
    assert clip.count_tokens(whole) == len(words) + 2
    # Cut to 14 words and the end token, it is the text of those 14 words.
    assert np.array_equal(*clip.encode_texts([whole, cut]))


def test_openai_s_tokenizer_cuts_at_77_with_the_end_token_last() -> None:
    tokenizer = default_configuration().tokenizer
    assert tokenizer.name == "clip-bpe-362257d4"  # part of every score's identity: changes never
    assert tokenizer.encode("A photo of a cat!") == [49406, 320, 1125, 539, 320, 2368, 256, 49407]
    assert tokenizer.encode("") == tokenizer.encode("  \n") == [49406, 49407]
    assert tokenizer.encode("café") == tokenizer.encode("CAFÉ") == tokenizer.encode("cafe\u0301")
    assert tokenizer.encode("犬 🐶")[-1] == 49407


def test_padding_is_left_out_without_moving_a_text(
    clip: TextEncoder, scorer_folders: tuple[Path, Path]
) -> None:
    texts = ["a dog", "", "a photo of a dog on a red sofa in a room", "Ünï 犬 🐶", "x " * 40]
    model = open_clip.create_model(f"local-dir:{scorer_folders[0]}").eval()
    tokens = torch.zeros(len(texts), 16, dtype=torch.long)
    tokenizer = read_configuration(scorer_folders[0] / LAYOUTS["clip"].config).tokenizer
    for row, text in enumerate(texts):
        ids = tokenizer.encode(text)
        ids = ids if len(ids) <= 16 else [*ids[:15], tokenizer.end]
        tokens[row, : len(ids)] = torch.tensor(ids)
    with torch.inference_mode():
        padded = model.encode_text(tokens, normalize=True).numpy()
    assert np.abs(clip.encode_texts(texts) - padded).max() < 1e-6


def test_a_text_has_its_embedding_whatever_stands_beside_it(clip: TextEncoder) -> None:
    texts = [f"a dog {'very ' * (n % 9)}{n}" for n in range(70)]  # over two batches, all lengths
    together = clip.encode_texts(texts)
    alone = np.concatenate([clip.encode_texts([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-6
