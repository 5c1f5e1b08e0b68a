"""Custom Diffusion: what of it learns, how photos are shown, what others read of it."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pdst.diffusion import training
from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.layers import cross_attention_layers
from pdst.diffusion.sampling import prompt_states, sample
from pdst.diffusion.tokens import initial_vector
from pdst.diffusion.training import Student, TrainingOptions, Watched, train
from pdst.errors import SettingsError, StoreError
from pdst.methods import CustomDiffusion
from pdst.methods.augmentation import (
    AugmentedPhotos,
    Placement,
    drawn_placement,
    placed,
    prefix,
    region,
)
from pdst.methods.custom_diffusion import (
    MODIFIER,
    WEIGHTS,
    WORD,
    _without_start,
    projections,
    rare_vector,
)
from pdst.methods.finetuning import lesson
from pdst.testing import check_generator, drawn_benchmark
from pdst.types import Sampling
from tests.test_dreambooth import SMALL, distance, fall_of_loss, same, student_of, weights

BALL, PUP = drawn_benchmark().subjects
USUAL = TrainingOptions()

Make = Callable[..., CustomDiffusion]


@pytest.fixture(scope="module")
def backbone(pipeline_folder: Path) -> Backbone:
    return load_backbone(str(pipeline_folder), device="cpu")


@pytest.fixture
def make(
    backbone: Backbone,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Make:
    """Makes methods that share a base model, opened once, and class images."""
    monkeypatch.setattr("pdst.methods.learner.load_backbone", lambda *_, **__: backbone)
    shared = tmp_path_factory.getbasetemp() / "class images of Custom Diffusion"

    def made(folder: str = "run", **other: Any) -> CustomDiffusion:
        settings: dict[str, Any] = {"class_images": str(shared), **SMALL, **other}
        return CustomDiffusion("small", checkpoints=str(tmp_path / folder), **settings)

    return made


# --- what learns ---------------------------------------------------------------------------------


def test_stable_diffusion_has_nineteen_million_numbers_to_learn() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, block_out_channels=(320, 640, 1280, 1280)
        )
    layers = projections(unet)
    assert len(layers) == 2 * 16
    assert sum(p.numel() for layer in layers.values() for p in layer.parameters()) == 19_169_280


def test_keys_values_and_the_word_move_and_nothing_else(make: Make, tmp_path: Path) -> None:
    method = make(rate=1e-3)
    base = method.backbone
    networks = (base.unet, base.text_encoder, base.vae)
    before = [weights(network) for network in networks]
    student, tuned = student_of(method, BALL, tmp_path)
    assert student.drift() == 0
    begun = tuned.modifier.detach().clone()
    train([student], lesson, method._settings, [{}], [tmp_path / "out"], USUAL)
    assert all(same(weights(n), b) for n, b in zip(networks, before, strict=True))
    wanted = {
        f"{name}.{part}.weight"
        for name, part in product(cross_attention_layers(base.unet), ("to_k", "to_v"))
    }
    after = weights(tuned.unet)
    assert {name for name in after if not torch.equal(after[name], before[0][name])} == wanted
    assert not torch.equal(tuned.modifier, begun)
    assert len(student.parameters()) == 33


def test_the_start_token_s_key_and_value_teach_nothing() -> None:
    layer = nn.Linear(2, 1, bias=False)
    told = torch.tensor([[[5.0, 7.0], [1.0, 2.0], [3.0, 4.0]]])
    plain = layer(told).detach()
    layer.register_forward_hook(_without_start)
    made = layer(told)
    assert torch.equal(made, plain)
    made.sum().backward()
    # Of tokens 1 and 2 alone.
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[1.0 + 3.0, 2.0 + 4.0]]


def test_every_layer_of_the_copy_leaves_the_start_token_out(
    backbone: Backbone, make: Make, tmp_path: Path
) -> None:
    _, tuned = student_of(make(), BALL, tmp_path)
    told = torch.zeros(1, 77, 16)
    told[:, 0] = 1.0  # all that is told is at the start token
    rng = torch.Generator().manual_seed(0)
    channels = backbone.unet.config.in_channels
    noisy = torch.randn(1, channels, 8, 8, generator=rng)
    tuned.unet(noisy, torch.tensor([500]), encoder_hidden_states=told).sample.sum().backward()
    assert all(not layer.weight.grad.any() for layer in projections(tuned.unet).values())


def test_a_rare_word_is_one_token_or_the_mean_of_its_tokens_at_their_length(
    backbone: Backbone,
) -> None:
    def tokens(word: str) -> list[int]:
        return list(backbone.tokenizer(word, add_special_tokens=False).input_ids)

    table = backbone.text_encoder.get_input_embeddings().weight
    assert torch.equal(rare_vector(backbone, "a"), initial_vector(backbone, "a"))
    known = backbone.tokenizer.get_vocab()
    inner = next(word for word in known if word.isalpha() and len(tokens(word)) > 1)
    assert torch.equal(rare_vector(backbone, inner), table[known[inner]])
    assert len(tokens("ktn")) > 1
    assert "ktn" not in known
    rows = table[tokens("ktn")]
    found = rare_vector(backbone, "ktn")
    assert torch.nn.functional.cosine_similarity(found, rows.mean(0), dim=0) > 0.99999
    assert float(found.norm()) == pytest.approx(float(rows.norm(dim=1).mean()), rel=1e-5)
    with pytest.raises(SettingsError, match="is nothing"):
        rare_vector(backbone, "")


def test_clip_s_vocabulary_has_the_rare_word_inside_of_words_only() -> None:
    clip = SimpleTokenizer()
    assert len(clip.encode("ktn")) == 2
    assert clip.encoder["ktn"] == 42170


def test_the_miniature_learns_a_photo(tmp_path: Path) -> None:
    found = fall_of_loss(CustomDiffusion, tmp_path, rate=5e-3, augment=False)
    assert found > 0.015  # measured: 0.036


# --- how photos are shown ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "top", "left", "rows", "columns"),
    [
        (256, 100, 0, (13, 43), (1, 31)),  # 100/8+1 = 13, 356/8-1 = 43; 0+1, 256/8-1
        (512, 0, 0, (1, 63), (1, 63)),
        (170, 342, 171, (43, 63), (22, 41)),  # 342/8 = 42.75, 512/8; 171/8 = 21.4, 341/8 = 42.6
        (640, 50, 9, (0, 64), (0, 64)),
    ],
)
def test_the_loss_counts_in_the_photo_s_cells_without_the_outermost(
    size: int, top: int, left: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    found = region(Placement(size=size, top=top, left=left, share=0.0), 512, 8)
    wanted = torch.zeros(1, 64, 64)
    wanted[:, slice(*rows), slice(*columns)] = 1
    assert torch.equal(found, wanted)


def test_a_smaller_photo_lies_on_grey_and_a_larger_one_is_cut() -> None:
    photo = torch.arange(4.0).view(1, 2, 2)
    found = placed(photo, Placement(size=2, top=1, left=2, share=0.0), 4)
    assert found.tolist() == [
        [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0, 1], [0.5, 0.5, 2, 3], [0.5, 0.5, 0.5, 0.5]]
    ]
    large = torch.arange(9.0).view(1, 3, 3)
    cut = placed(large, Placement(size=3, top=1, left=0, share=0.0), 2)
    assert cut.tolist() == [[[3, 4], [6, 7]]]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (170, ("a far away ", "very small ")),
        (307, ("a far away ", "very small ")),  # 0.6 of 512 is 307.2
        (308, ("", "")),
        (512, ("", "")),
        (614, ("zoomed in ", "close up ")),
    ],
)
def test_the_prompt_says_how_large_the_photo_is(size: int, words: tuple[str, str]) -> None:
    shares = (0.1, 0.9)
    found = [prefix(Placement(size=size, top=0, left=0, share=share), 512) for share in shares]
    assert tuple(found) == words


@pytest.mark.parametrize(("frame", "factor", "least"), [(512, 8, 170), (64, 4, 21), (32, 4, 16)])
def test_sizes_and_places_are_drawn_over_their_whole_ranges(
    frame: int, factor: int, least: int
) -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = [drawn_placement(frame, factor, rng) for _ in range(3000)]
    small = [one for one in drawn if one.size <= frame]
    large = [one for one in drawn if one.size > frame]
    # Three standard deviations of 3,000 coins.
    assert abs(len(small) / len(drawn) - 0.66) < 0.026
    step = max(1, frame // 50)
    assert least <= min(one.size for one in small) <= least + step
    assert frame - step <= max(one.size for one in small) <= frame
    assert int(1.2 * frame) <= min(one.size for one in large) <= int(1.2 * frame) + step
    assert max(one.size for one in large) < int(1.4 * frame)
    for one in drawn:
        room = abs(frame - one.size)
        assert 0 <= one.top <= room
        assert 0 <= one.left <= room
        assert region(one, frame, factor).sum() > 0
    assert {one.top for one in small if one.size < frame} > {0, 1, frame // 3}
    again = torch.Generator().manual_seed(0)
    assert [drawn_placement(frame, factor, again) for _ in range(3)] == drawn[:3]


def test_every_cell_that_counts_shows_the_photo_alone() -> None:
    rng = torch.Generator().manual_seed(1)
    for _ in range(200):
        place = drawn_placement(64, 4, rng)
        shown = placed(torch.ones(1, place.size, place.size), place, 64)
        whole = torch.nn.functional.avg_pool2d(shown, 4) == 1
        assert whole[region(place, 64, 4) == 1].all()


def test_a_pass_sees_photos_as_placed_with_prompts_that_say_so(
    backbone: Backbone, make: Make, tmp_path: Path
) -> None:
    student, _ = student_of(make(batch=2), BALL, tmp_path)
    shown = [student.examples(number) for number in range(20)]
    fronts = {"", "a far away ", "very small ", "zoomed in ", "close up "}
    subject = f"photo of a {MODIFIER} toy ball"
    assert {prompt for one in shown for prompt in one.prompts[:2]} == {f + subject for f in fronts}
    assert {prompt for one in shown for prompt in one.prompts[2:]} == {"photo of a toy ball"}
    assert all(one.masks is not None and one.masks.shape == (2, 1, 8, 8) for one in shown)
    again = student_of(make(batch=2), BALL, tmp_path)[0].examples(7)
    assert torch.equal(again.clean, shown[7].clean)
    assert again.prompts == shown[7].prompts


def test_a_mirrored_photo_is_mirrored_before_it_is_placed(backbone: Backbone) -> None:
    views = AugmentedPhotos(backbone, BALL.train, 32)
    mirrored = [
        replace(one, encoded=lambda one=one: encoded_mirror(one.image())) for one in BALL.train
    ]
    other = AugmentedPhotos(backbone, mirrored, 32)
    which, no, yes = torch.tensor([0]), torch.tensor([False]), torch.tensor([True])
    ours = views.seen(which, yes, torch.Generator().manual_seed(2))
    theirs = other.seen(which, no, torch.Generator().manual_seed(2))
    assert torch.equal(ours.clean, theirs.clean)
    plain = views.seen(which, no, torch.Generator().manual_seed(2))
    assert not torch.equal(ours.clean, plain.clean)


def encoded_mirror(image: Image.Image) -> bytes:
    file = BytesIO()
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(file, "PNG")
    return file.getvalue()


def test_without_augmentation_photos_are_whole(make: Make, tmp_path: Path) -> None:
    student, _ = student_of(make(augment=False), BALL, tmp_path)
    shown = student.examples(0)
    assert shown.masks is None
    assert shown.prompts[0] == f"photo of a {MODIFIER} toy ball"
    assert (tmp_path / "latents.safetensors").exists()


# --- resuming, reading ---------------------------------------------------------------------------


class KilledError(RuntimeError):
    """Stands for a kill between two steps."""


def test_a_killed_training_ends_with_the_same_weights_bit_for_bit(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdst.methods.tuner.STATE_BYTES_A_SECOND", float("inf"))

    def kill(student: Student, step: int) -> bool:
        raise KilledError

    settings = {"steps": 3, "accumulate": 2, "rate": 1e-3}
    make(**settings).learn(BALL, tmp_path / "whole", USUAL)
    killed = TrainingOptions(save_every=0, watched=[Watched(every=2, look=kill)])
    with pytest.raises(KilledError):
        make(**settings).learn(BALL, tmp_path / "killed", killed)
    assert (tmp_path / "killed" / training.STATE).exists()
    make(**settings).learn(BALL, tmp_path / "killed", USUAL)
    for name in (WEIGHTS, WORD):
        one, other = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
        assert same(one, other)


def test_diffusers_reads_weights_and_word_and_draws_the_same_picture(
    make: Make, pipeline_folder: Path, backbone: Backbone, tmp_path: Path
) -> None:
    sampler = make(rate=0.1).personalize(BALL)
    (drawn,) = sampler.sample(["A {} on a hill."], [3])
    folder = tmp_path / "run" / "ball"
    stock = StableDiffusionPipeline.from_pretrained(pipeline_folder)
    stock.unet.load_attn_procs(folder, weight_name=WEIGHTS, _pipeline=stock)
    stock.load_textual_inversion(folder, weight_name=WORD)
    ids = stock.tokenizer(
        f"A {MODIFIER} toy ball on a hill.",
        padding="max_length",
        max_length=77,
        return_tensors="pt",
    ).input_ids
    with torch.no_grad():
        states = stock.text_encoder(ids).last_hidden_state[0]

    def redrawn(unet: Any, states: Tensor) -> Image.Image:
        own = replace(backbone, unet=unet)
        few = Sampling(steps=2, resolution=32)
        empty = prompt_states(backbone, "")
        (image,) = sample(own, [states], [3], few, empty=empty, batch=1)
        return image

    assert distance(drawn, redrawn(stock.unet, states)) <= 1  # of 255 levels: rounding
    assert distance(drawn, redrawn(backbone.unet, states)) > 5
    plain = prompt_states(backbone, "A toy ball on a hill.")
    assert distance(drawn, redrawn(stock.unet, plain)) > 5


def test_a_look_at_a_student_shows_what_its_checkpoint_draws(make: Make, tmp_path: Path) -> None:
    made = make(rate=1e-2)
    seen: list[Image.Image] = []

    def look(student: Any, step: int) -> bool:
        seen.extend(made.watcher(student).sample(["A {}."], [3]))
        return False

    options = TrainingOptions(keep=[1], watched=[Watched(every=1, look=look)])
    made.learn(BALL, tmp_path / "out", options)
    for folder, image in zip(("step-1", "."), seen, strict=True):
        (drawn,) = made.sampler(BALL, tmp_path / "out" / folder).sample(["A {}."], [3])
        assert distance(drawn, image) <= 1  # of 255 levels: rounding
    assert distance(*seen) > 1


def test_it_keeps_the_generators_contract(make: Make) -> None:
    assert {result.status for result in check_generator(make())} == {"passed"}


def test_a_checkpoint_of_another_base_model_is_told(make: Make, tmp_path: Path) -> None:
    make().personalize(BALL)
    path = tmp_path / "run" / "ball" / WEIGHTS
    tensors = load_file(path)
    name = next(name for name in tensors if "to_k" in name)
    save_file({**tensors, name: torch.zeros(3, 3)}, path)
    with pytest.raises(StoreError, match="Give the base model that it was trained on"):
        make().personalize(BALL)
