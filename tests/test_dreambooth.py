"""DreamBooth and its LoRA variant: what they learn from, what changes, what others read of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import pdst
from pdst.diffusion import training
from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.latents import decode, to_images
from pdst.diffusion.sampling import prompt_states, sample
from pdst.diffusion.training import Student, TrainingOptions, Watched, train
from pdst.errors import SettingsError, StoreError
from pdst.methods import ClassNoun, DreamBooth, DreamBoothLoRA
from pdst.methods.dreambooth import TEXT_ENCODER, UNET
from pdst.methods.finetuning import FineTuned, lesson, weighted_loss
from pdst.methods.lora import FILE, LowRank
from pdst.methods.prior import class_latents
from pdst.methods.tuner import CLASS_IMAGES, FineTuning
from pdst.testing import check_generator, drawn_benchmark
from pdst.types import Sampling, Subject

BALL, PUP = drawn_benchmark().subjects
SMALL: dict[str, Any] = {"steps": 2, "prior_images": 3, "prior_steps": 2, "sampling_steps": 2}
USUAL = TrainingOptions()
FEW = Sampling(steps=2, resolution=32)

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def backbone(pipeline_folder: Path) -> Backbone:
    return load_backbone(str(pipeline_folder), device="cpu")


@pytest.fixture(scope="module")
def class_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all generators of this file, as they share their prompts."""
    return tmp_path_factory.mktemp("class images")


@pytest.fixture
def make(
    backbone: Backbone, tmp_path: Path, class_images: Path, monkeypatch: pytest.MonkeyPatch
) -> Make:
    """Makes methods that share a base model, opened once, and class images."""
    monkeypatch.setattr("pdst.methods.learner.load_backbone", lambda *_, **__: backbone)

    def made(method: type[FineTuning], folder: str = "run", **other: Any) -> FineTuning:
        settings: dict[str, Any] = {"class_images": str(class_images), **SMALL, **other}
        return method("small", checkpoints=str(tmp_path / folder), **settings)

    return made


def student_of(method: FineTuning, subject: Subject, folder: Path) -> tuple[FineTuned, Any]:
    """What `learn` trains, and the networks in its hands."""
    student = method._student(subject, folder)
    return student, student.tuned


def weights(network: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def distance(one: Image.Image, other: Image.Image) -> int:
    pairs = zip(one.tobytes(), other.tobytes(), strict=True)
    return max(abs(a - b) for a, b in pairs)


# --- the loss ------------------------------------------------------------------------------------


def test_the_loss_is_the_photos_error_and_the_weighted_class_images_error() -> None:
    errors = torch.tensor([1.0, 3.0, 2.0, 4.0])  # two photos, two class images
    target = torch.randn(4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    predicted = target + errors.view(4, 1, 1, 1)
    found = weighted_loss(predicted, target, None, photos=2, prior_weight=0.5)
    assert float(found.total) == pytest.approx((1 + 9) / 2 + 0.5 * (4 + 16) / 2, rel=1e-6)
    assert found.terms == pytest.approx({"photos": 5.0, "class images": 10.0}, rel=1e-6)
    alone = weighted_loss(predicted[:2], target[:2], None, photos=2, prior_weight=0.5)
    assert float(alone.total) == pytest.approx(5.0, rel=1e-6)
    assert set(alone.terms) == {"photos"}


def test_a_photo_s_error_counts_within_its_mask_alone_whatever_its_size() -> None:
    predicted = torch.zeros(3, 2, 2, 2)
    predicted[0, :, 0, 0] = 3.0  # 9 in the one cell that counts
    predicted[0, :, 1, 1] = 100.0  # outside
    predicted[1] = 2.0  # 4 in each of two cells
    predicted[2] = 1.0  # a class image: no mask
    masks = torch.zeros(2, 1, 2, 2)
    masks[0, 0, 0, 0] = masks[1, 0, 0, 0] = masks[1, 0, 1, 0] = 1
    found = weighted_loss(predicted, torch.zeros_like(predicted), masks, 2, prior_weight=1.0)
    assert float(found.total) == pytest.approx((9 + 4) / 2 + 1, rel=1e-6)


# --- what a pass shows ---------------------------------------------------------------------------


def test_photos_come_in_rounds_beside_as_many_class_images(make: Make, tmp_path: Path) -> None:
    method = make(DreamBooth, batch=2)
    student, _ = student_of(method, BALL, tmp_path)
    count = len(BALL.train)
    latents = method._views(BALL, tmp_path)._photos.encoded.mean[:, 0]
    shown = torch.cat([student.examples(number).clean[:2] for number in range(count)])
    places = [int((latents - one).flatten(1).norm(dim=1).argmin()) for one in shown]
    assert sorted(places[:count]) == sorted(places[count:]) == list(range(count))
    first = student.examples(0)
    assert first.prompts == ("a photo of sks toy ball",) * 2 + ("a photo of toy ball",) * 2
    assert (first.photos, first.masks, len(first.clean)) == (2, None, 4)
    prior = method._prior("toy ball")
    assert all(any(torch.equal(one, drawn) for drawn in prior) for one in first.clean[2:])
    again = student_of(method, BALL, tmp_path)[0].examples(0)
    assert torch.equal(first.noise, again.noise)
    assert torch.equal(first.timesteps, again.timesteps)


def test_without_class_images_there_is_no_prior(make: Make, tmp_path: Path) -> None:
    student, _ = student_of(make(DreamBooth, prior_images=0), BALL, tmp_path)
    assert len(student.examples(0).clean) == 1
    assert set(student.loss(0).terms) == {"photos"}


# --- class images --------------------------------------------------------------------------------


def test_class_images_are_what_the_class_noun_draws(
    pipeline_folder: Path, backbone: Backbone
) -> None:
    latents = class_latents(backbone, "a photo of toy ball", 2, FEW, first_seed=5)
    plain = ClassNoun(str(pipeline_folder), steps=2, device="cpu").personalize(BALL)
    theirs = plain.sample(["a photo of {}"] * 2, [5, 6])
    ours = to_images(decode(backbone.vae, latents))
    assert max(map(distance, ours, theirs)) <= 1  # of 255 levels: rounding


def test_class_images_are_drawn_once_and_a_larger_set_contains_the_smaller(
    backbone: Backbone, tmp_path: Path
) -> None:
    def some(count: int, cache: Path, prompt: str = "a dog") -> Tensor:
        return class_latents(backbone, prompt, count, FEW, cache=cache)

    passes: list[int] = []
    counting = backbone.unet.register_forward_hook(lambda *_: passes.append(1))
    try:
        few = some(3, tmp_path / "grown")
        assert len(passes) == FEW.steps
        again = some(3, tmp_path / "grown")
        assert torch.equal(again, few)
        assert again.stride() == few.stride()  # convolutions round by the order in memory
        assert torch.equal(some(8, tmp_path / "grown")[:3], few)
        assert len(passes) == FEW.steps
        many = some(11, tmp_path / "grown")
        assert len(passes) == 2 * FEW.steps
    finally:
        counting.remove()
    assert torch.equal(many, some(11, tmp_path / "at once"))
    (path,) = (tmp_path / "grown").glob("*.safetensors")
    some(1, tmp_path / "grown", "a cat")
    assert len(list((tmp_path / "grown").glob("*.safetensors"))) == 2
    path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(some(3, tmp_path / "grown"), few)


def test_subjects_of_a_class_and_methods_share_class_images(make: Make, tmp_path: Path) -> None:
    twin = replace(BALL, subject_id="ball2", train=PUP.train)
    kept = tmp_path / "run" / CLASS_IMAGES
    for method in (
        make(DreamBooth, class_images=None),
        make(DreamBoothLoRA, "lora", class_images=str(kept)),
    ):
        for subject in (BALL, twin, PUP):
            method._student(subject, tmp_path / "out" / subject.subject_id)
    assert len(list(kept.glob("*.safetensors"))) == 2  # toy ball, and the pup's class


# --- what changes --------------------------------------------------------------------------------


@pytest.mark.parametrize("with_text_encoder", [False, True])
def test_all_weights_of_the_copies_move_and_none_of_the_base_model(
    make: Make, tmp_path: Path, with_text_encoder: bool
) -> None:
    method = make(DreamBooth, text_encoder=with_text_encoder, rate=1e-3)
    base = method.backbone
    networks = (base.unet, base.text_encoder, base.vae)
    before = [weights(network) for network in networks]
    student, tuned = student_of(method, BALL, tmp_path)
    assert student.drift() == 0
    train([student], lesson, method._settings, [{}], [tmp_path / "out"], USUAL)
    assert all(same(weights(n), b) for n, b in zip(networks, before, strict=True))
    assert not any(p.requires_grad for network in networks for p in network.parameters())
    assert all(not torch.equal(now, before[0][name]) for name, now in weights(tuned.unet).items())
    assert 0 < student.drift() < 0.1
    if not with_text_encoder:
        assert tuned.text_encoder is None
        return
    moved = {n: not torch.equal(t, before[1][n]) for n, t in weights(tuned.text_encoder).items()}
    assert all(moved.values()), moved


def test_with_lora_the_thin_matrices_move_and_nothing_else(make: Make, tmp_path: Path) -> None:
    method = make(DreamBoothLoRA, rank=2, alpha=4)
    base = method.backbone
    before = weights(base.unet)
    student, tuned = student_of(method, BALL, tmp_path)
    begun = weights(tuned.unet)
    assert student.drift() == 0
    train([student], lesson, method._settings, [{}], [tmp_path / "out"], USUAL)
    assert same(weights(base.unet), before)
    moved = {n for n, t in weights(tuned.unet).items() if not torch.equal(t, begun[n])}
    thin = {name for name in begun if "lora_" in name}
    # Four layers, two matrices each, in self- and cross-attention of sixteen blocks.
    assert len(student.parameters()) == len(thin) == 4 * 2 * 2 * 16
    assert all(len(begun[name]) == 2 for name in thin if "lora_A" in name)
    assert moved <= thin
    # Where latents are one cell wide, it can attend to itself alone: no query or key matters.
    idle = {f"mid_block.attentions.0.transformer_blocks.0.attn1.to_{part}" for part in "qk"}
    assert {name.partition(".lora_")[0] for name in thin - moved} <= idle


def test_lora_begins_at_the_same_numbers_whatever_was_drawn_before(
    backbone: Backbone, make: Make
) -> None:
    settings = make(DreamBoothLoRA)._settings
    one = weights(LowRank(backbone, settings, "ball").unet)
    state = torch.get_rng_state()
    torch.rand(3)
    other = weights(LowRank(backbone, settings, "ball").unet)
    assert same(one, other)
    torch.set_rng_state(state)
    LowRank(backbone, settings, "ball")
    assert torch.equal(torch.get_rng_state(), state)
    assert not same(one, weights(LowRank(backbone, settings, "pup").unet))


@pytest.mark.parametrize(
    ("method", "settings", "least"),
    [(DreamBooth, {"rate": 5e-4}, 0.06), (DreamBoothLoRA, {"rate": 1e-2}, 0.02)],
)
def test_the_miniature_learns_a_photo(
    tmp_path: Path, method: type[FineTuning], settings: dict[str, float], least: float
) -> None:
    found = fall_of_loss(method, tmp_path, **settings)
    assert found > least  # measured: 0.135 and 0.051


def fall_of_loss(method: type[FineTuning], folder: Path, **settings: Any) -> float:
    """By what part of itself eight steps lower the loss of a photo, on noise not trained on."""
    subject = pdst.load("miniature").subjects[0]
    made = method(
        **{"device": "cpu", "steps": 8, "batch": 2, "prior_images": 0, "flip": False, **settings}
    )
    student, _ = student_of(made, replace(subject, train=subject.train[:1]), folder)

    def loss() -> float:
        with torch.no_grad():
            return sum(student.loss(100_000 + number).terms["photos"] for number in range(6)) / 6

    before = loss()
    train([student], lesson, made._settings, [{}], [folder / "out"], USUAL)
    return 1 - loss() / before


# --- resuming ------------------------------------------------------------------------------------


class KilledError(RuntimeError):
    """Stands for a kill between two steps."""


@pytest.mark.parametrize(
    ("method", "settings", "file"),
    [
        (DreamBooth, {"stored": "float32", "text_encoder": True}, UNET),
        (DreamBoothLoRA, {}, FILE),
    ],
)
def test_a_killed_training_ends_with_the_same_weights_bit_for_bit(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: type[FineTuning],
    settings: dict[str, Any],
    file: str,
) -> None:
    def kill(student: Student, step: int) -> bool:
        raise KilledError

    monkeypatch.setattr("pdst.methods.tuner.STATE_BYTES_A_SECOND", float("inf"))

    def generator() -> FineTuning:
        made: FineTuning = make(method, steps=3, accumulate=2, rate=1e-3, **settings)
        return made

    generator().learn(BALL, tmp_path / "whole", USUAL)
    killed = TrainingOptions(save_every=0, watched=[Watched(every=2, look=kill)])
    with pytest.raises(KilledError):
        generator().learn(BALL, tmp_path / "killed", killed)
    assert (tmp_path / "killed" / training.STATE).exists()
    generator().learn(BALL, tmp_path / "killed", USUAL)
    assert same(load_file(tmp_path / "whole" / file), load_file(tmp_path / "killed" / file))
    logs = [training.read_log(tmp_path / name) for name in ("whole", "killed")]
    assert logs[0] == logs[1] != []


@pytest.mark.parametrize("method", [DreamBooth, DreamBoothLoRA])
def test_gradient_checkpointing_changes_nothing_that_is_learned(
    make: Make, tmp_path: Path, method: type[FineTuning]
) -> None:
    grads = []
    for whether in (False, True):
        student, tuned = student_of(make(method, gradient_checkpointing=whether), BALL, tmp_path)
        assert tuned.unet.is_gradient_checkpointing == whether
        student.loss(0).total.backward()  # type: ignore[no-untyped-call]  # torch's annotation
        grads.append([parameter.grad for parameter in student.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*grads, strict=True))


def test_who_keeps_nothing_learns_the_same_anew(make: Make, tmp_path: Path) -> None:
    kept = make(DreamBooth, "kept").personalize(BALL).sample(["A {}."], [3])
    assert (tmp_path / "kept" / "ball" / UNET).exists()
    method = make(DreamBooth, "gone", keep="nothing")
    for _ in range(2):  # the second call finds a record and no weights
        drawn = method.personalize(BALL).sample(["A {}."], [3])
        assert drawn[0].tobytes() == kept[0].tobytes()
        assert not (tmp_path / "gone" / "ball" / UNET).exists()
        assert training.read_record(tmp_path / "gone" / "ball") is not None


def test_subjects_that_were_prepared_are_only_read(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = make(DreamBooth, "alone").personalize(PUP).sample(["A {}."], [3])
    prepared = make(DreamBooth)
    prepared._home = None
    shares: list[float] = []
    prepared.prepare([BALL, PUP], tmp_path / "learned", shares.append)
    assert shares == [0.25, 0.5, 0.5, 0.75, 1.0, 1.0]
    monkeypatch.setattr("pdst.methods.tuner.train", None)
    drawn = prepared.personalize(PUP).sample(["A {}."], [3])
    assert drawn[0].tobytes() == alone[0].tobytes()
    assert {path.name for path in (tmp_path / "learned").iterdir()} == {"ball", "pup"}


@pytest.mark.parametrize(
    ("method", "settings"),
    [(DreamBooth, {"stored": "float32", "text_encoder": True}), (DreamBoothLoRA, {})],
)
def test_a_look_at_a_student_shows_what_its_checkpoint_draws(
    make: Make, tmp_path: Path, method: type[FineTuning], settings: dict[str, Any]
) -> None:
    made = make(method, rate=1e-2, **settings)
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
    assert len(made.watcher(made._student(BALL, tmp_path), 1).sample(["A {}."], [3])) == 1


# --- what others read ----------------------------------------------------------------------------


def test_diffusers_reads_the_networks_and_draws_the_same_picture(
    make: Make, pipeline_folder: Path, backbone: Backbone, tmp_path: Path
) -> None:
    sampler = make(DreamBooth, rate=1e-2, text_encoder=True).personalize(BALL)
    (drawn,) = sampler.sample(["A {} on a hill."], [3])
    folder = tmp_path / "run" / "ball"
    assert load_file(folder / UNET)["conv_in.weight"].dtype == torch.float16
    for name in (UNET, TEXT_ENCODER):
        assert str(tmp_path) not in json.dumps(
            json.loads((folder / name).with_name("config.json").read_text())
        )
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    own = replace(backbone, unet=unet)
    encoder = type(backbone.text_encoder).from_pretrained(folder / "text_encoder")
    theirs = redrawn(replace(own, text_encoder=encoder.float()), "A sks toy ball on a hill.")
    assert distance(drawn, theirs) <= 1  # of 255 levels: rounding
    base = redrawn(backbone, "A sks toy ball on a hill.")
    assert distance(drawn, base) > 5


def test_diffusers_loads_the_lora_and_draws_the_same_picture(
    make: Make, pipeline_folder: Path, backbone: Backbone, tmp_path: Path
) -> None:
    # alpha is not rank: the file must say the scale.
    sampler = make(DreamBoothLoRA, rate=0.1, rank=2, alpha=6).personalize(BALL)
    (drawn,) = sampler.sample(["A {} on a hill."], [3])
    stock = StableDiffusionPipeline.from_pretrained(pipeline_folder)
    stock.load_lora_weights(tmp_path / "run" / "ball")
    theirs = redrawn(replace(backbone, unet=stock.unet), "A sks toy ball on a hill.")
    assert distance(drawn, theirs) <= 1  # of 255 levels: rounding
    assert distance(drawn, redrawn(backbone, "A sks toy ball on a hill.")) > 5


def redrawn(backbone: Backbone, prompt: str) -> Image.Image:
    states = [prompt_states(backbone, text) for text in (prompt, "")]
    (image,) = sample(backbone, states[:1], [3], FEW, empty=states[1], batch=1)
    return image


@pytest.mark.parametrize("method", [DreamBooth, DreamBoothLoRA])
def test_the_methods_keep_the_generators_contract(make: Make, method: type[FineTuning]) -> None:
    assert {result.status for result in check_generator(make(method))} == {"passed"}


def test_nothing_on_disk_is_needed(pipeline_folder: Path) -> None:
    method = DreamBooth(str(pipeline_folder), device="cpu", **SMALL)
    assert len(method.personalize(BALL).sample(["A {}."], [3])) == 1


# --- mistakes ------------------------------------------------------------------------------------


def test_mistakes_are_named(make: Make, tmp_path: Path) -> None:
    wrong: list[tuple[type[FineTuning], dict[str, Any], str]] = [
        (DreamBooth, {"prompt": "a photo"}, r"wanted one \{\} in it"),
        (DreamBooth, {"rat": 1.0}, "No setting of DreamBooth named 'rat'. Did you mean 'rate'"),
        (DreamBooth, {"keep": "all"}, "No keep named 'all'"),
        (DreamBooth, {"stored": "float8"}, "stored is 'float8', wanted 'float16'"),
        (DreamBooth, {"prior_weight": -1.0}, "prior_weight is -1.0"),
        (DreamBooth, {"identifier": " "}, "identifier is empty"),
        (DreamBooth, {"prior_steps": 1001}, "steps is 1001"),
        (DreamBoothLoRA, {"rank": 0}, "rank is 0"),
    ]
    for method, settings, message in wrong:
        with pytest.raises(SettingsError, match=message):
            make(method, **settings)
    with pytest.raises(SettingsError, match="ends of names"):
        make(DreamBoothLoRA, targets=["to_kk"]).personalize(BALL)
    make(DreamBooth).personalize(BALL)
    with pytest.raises(SettingsError, match=r"training\.prior_weight is 1\.0 there, 2\.0 here"):
        make(DreamBooth, prior_weight=2.0).personalize(BALL)


@pytest.mark.parametrize(("method", "file"), [(DreamBooth, UNET), (DreamBoothLoRA, FILE)])
def test_a_damaged_checkpoint_is_told(
    make: Make, tmp_path: Path, method: type[FineTuning], file: str
) -> None:
    make(method).personalize(BALL)
    path = tmp_path / "run" / "ball" / file
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StoreError, match="cannot be read"):
        make(method).personalize(BALL)
