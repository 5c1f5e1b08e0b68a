"""Claims about captions by Qwen2-VL and refinement by a local model, on tiny ones of their classes.

Everything but the weights is what runs on a user's machine: processor, prompt, draws, decoding.
"""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from builders.language import caption, check, neutralize, refine
from builders.language.captioning import Pictured
from builders.language.local_refiner import load_local_refiner
from builders.language.prompts import caption_prompt, refine_prompt
from builders.language.qwen2vl import LONG_SIDE, Qwen2VL, Sampling, load_qwen2vl
from builders.language.refining import load_refiner
from builders.language.rows import Called, CaptionRow, LanguageError
from tests.tiny_qwen2vl import SHIPPED_GENERATION, save_tiny_qwen2, save_tiny_qwen2vl

DOG = Called(subject_id="dog", class_noun="dog", kind="living")
SHORT = Sampling(max_new_tokens=12, batch=4)


def photo(image_id: str = "03", size: tuple[int, int] = (140, 84)) -> Pictured:
    def image() -> Image.Image:
        return Image.effect_noise(size, 80).convert("RGB")

    return Pictured(subject_id="dog", image_id=image_id, image=image)


def fixed_photo() -> Pictured:
    image = Image.linear_gradient("L").resize((84, 56)).convert("RGB")
    return Pictured(subject_id="dog", image_id="03", image=lambda: image)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny-qwen2-vl"
    save_tiny_qwen2vl(path)
    return path


@pytest.fixture(scope="module")
def captioner(folder: Path) -> Qwen2VL:
    return load_qwen2vl(str(folder), device="cpu", sampling=SHORT)


def test_the_photo_and_the_prompt_reach_the_model_as_one_chat(captioner: Qwen2VL) -> None:
    inputs = captioner._inputs(photo(size=(140, 84)).image(), DOG)
    time, height, width = inputs["image_grid_thw"][0].tolist()
    assert (time, height, width) == (1, 6, 10), "84 x 140 pixels in patches of 14"
    assert inputs["pixel_values"].shape == (60, 3 * 2 * 14 * 14)
    text = captioner._processor.decode(inputs["input_ids"][0])
    pads = "<|image_pad|>" * (60 // 4)
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|>{pads}<|vision_end|>{caption_prompt(DOG)}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_large_photo_is_shrunk_before_it_costs_memory(captioner: Qwen2VL) -> None:
    inputs = captioner._inputs(Image.new("RGB", (4000, 3000)), DOG)
    _, height, width = inputs["image_grid_thw"][0].tolist()
    assert max(height, width) * 14 == pytest.approx(LONG_SIDE, abs=28)
    assert width / height == pytest.approx(4 / 3, abs=0.05)


def test_answers_hold_what_was_generated_and_nothing_of_the_prompt(
    captioner: Qwen2VL, folder: Path
) -> None:
    """The same draw by hand, from the library's own calls."""
    model = Qwen2VLForConditionalGeneration.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    chat = [
        {
            "role": "user",
            "content": [
                {"type": "image", "image": fixed_photo().image()},
                {"type": "text", "text": caption_prompt(DOG)},
            ],
        }
    ]
    inputs = processor.apply_chat_template(
        chat, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    torch.manual_seed(7)
    ids = model.generate(
        **inputs,
        do_sample=True,
        temperature=0.7,
        top_p=0.95,
        top_k=0,
        max_new_tokens=12,
        num_return_sequences=3,
    )
    start = inputs["input_ids"].shape[1]
    assert (ids.shape[0], ids.shape[1] - start) == (3, 12)
    wanted = [processor.tokenizer.decode(row[start:], skip_special_tokens=True) for row in ids]
    assert captioner.write(fixed_photo(), DOG, count=3, seed=7) == wanted


def test_draws_differ_though_the_shipped_settings_would_not_let_them(
    captioner: Qwen2VL, folder: Path
) -> None:
    shipped = captioner._model.generation_config
    assert {name: getattr(shipped, name) for name in SHIPPED_GENERATION} == SHIPPED_GENERATION
    answers = captioner.write(fixed_photo(), DOG, count=6, seed=1)
    assert len(answers) == 6
    assert len(set(answers)) == 6


def test_a_seed_decides_the_answers_and_touches_no_other_draw(captioner: Qwen2VL) -> None:
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    first = captioner.write(fixed_photo(), DOG, count=2, seed=5)
    assert torch.equal(torch.rand(3), expected)
    assert captioner.write(fixed_photo(), DOG, count=2, seed=5) == first
    assert captioner.write(fixed_photo(), DOG, count=2, seed=6) != first


def test_a_model_that_was_taught_one_caption_gives_it_and_says_when_it_has_no_other(
    folder: Path,
) -> None:
    """From photo to checked row; the model learns its one sentence in a second or two."""
    sentence = "A brown [SUBJ] sits on a bench."
    model = Qwen2VLForConditionalGeneration.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    taught = Qwen2VL(model, processor, name="taught", sampling=Sampling(temperature=0.05, batch=2))
    _teach(model, processor, taught._inputs(fixed_photo().image(), DOG), sentence)

    (rows,) = caption([fixed_photo()], taught, [DOG], count=3, rounds=2)
    assert [row.text for row in rows] == [sentence, "", ""]
    assert [row.status for row in rows] == ["captioned", "failed", "failed"]
    assert rows[1].reason == (
        "taught has 1 distinct captions of this photo. Write this one by hand."
    )
    (rows,) = check(*_all(neutralize(rows, [DOG])), [DOG])
    assert [row.text for row in rows] == ["A {} sits on a bench.", "", ""]
    assert [row.status for row in rows] == ["passed", "failed", "failed"]


def _all(images: object) -> tuple[list[CaptionRow]]:
    return ([row for image in images for row in image],)  # type: ignore[attr-defined]


def _teach(
    model: Qwen2VLForConditionalGeneration, processor: object, inputs: dict, sentence: str
) -> None:
    answer = processor.tokenizer(sentence + "<|im_end|>", return_tensors="pt").input_ids
    prompt = inputs["input_ids"]
    ids = torch.cat([prompt, answer], dim=1)
    labels = ids.clone()
    labels[:, : prompt.shape[1]] = -100
    batch = {
        **inputs,
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": labels,
    }
    if "mm_token_type_ids" in inputs:
        kinds = inputs["mm_token_type_ids"]
        batch["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(answer)], dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(200):
        loss = model(**batch).loss
        if loss.item() < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def test_half_precision_draws_as_well(folder: Path) -> None:
    """What a GPU runs by default; the photo comes in float32."""
    half = load_qwen2vl(str(folder), device="cpu", dtype=torch.bfloat16, sampling=SHORT)
    assert half._model.dtype == torch.bfloat16
    assert len(half.write(fixed_photo(), DOG, count=2, seed=1)) == 2


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(LanguageError, match=r"cannot be loaded as Qwen2VLForConditionalGeneration"):
        load_qwen2vl(str(tmp_path), device="cpu")


# --- a refiner -----------------------------------------------------------------------------------


def test_a_local_refiner_answers_the_prompt_alike_each_time(tmp_path: Path) -> None:
    save_tiny_qwen2(tmp_path / "tiny-qwen2")
    refiner = load_local_refiner(str(tmp_path / "tiny-qwen2"), device="cpu")
    refiner._max_new_tokens = 8
    assert refiner.name == "tiny-qwen2"
    first = refiner.refine("A [SUBJ] sit on bench.", DOG)
    assert first == refiner.refine("A [SUBJ] sit on bench.", DOG)
    assert refine_prompt(DOG, "A [SUBJ] sit on bench.") not in first

    row = CaptionRow(
        subject_id="dog",
        image_id="03",
        caption_index=0,
        text="A {} sit on bench.",
        source="x",
        status="captioned",
    )
    ((kept,),) = refine([row], refiner, [DOG])
    assert kept.text == row.text, "noise from random weights may not replace a caption"
    assert re.match(r"tiny-qwen2 (gave no answer|changed how often)", kept.reason)


def test_a_refiner_that_is_no_model_is_named() -> None:
    with pytest.raises(LanguageError, match="no-such-folder cannot be loaded"):
        load_refiner("./no-such-folder")
