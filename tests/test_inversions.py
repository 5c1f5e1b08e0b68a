"""TI, NeTI and both +: what they learn from, what they keep, what others read of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pdst.diffusion import training
from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.photos import LatentPhotos, latent_photos
from pdst.diffusion.sampling import prompt_states, sample
from pdst.diffusion.tokens import ATTRACTOR, PLACEHOLDER
from pdst.diffusion.training import Student, TrainingOptions, Watched, train
from pdst.errors import DatasetError, SettingsError
from pdst.methods import NeTI, NeTIPlus, TextualInversion, TIPlus
from pdst.methods.checkpoints import load_words
from pdst.methods.inversion import Classroom, Inversion
from pdst.methods.inversion_settings import InversionSettings, NeTISettings, PlusSettings
from pdst.testing import check_generator, drawn_benchmark
from pdst.types import Subject

# Their class nouns are not one token of the small vocabulary; "a" is.
BALL, PUP = (replace(one, init_token="a") for one in drawn_benchmark().subjects)
PLUS = PlusSettings(attractor="a")
USUAL = TrainingOptions()


@pytest.fixture(scope="module")
def backbone(pipeline_folder: Path) -> Backbone:
    return load_backbone(str(pipeline_folder), device="cpu")


def photos_of(backbone: Backbone, subject: Subject, *, masked: bool) -> LatentPhotos:
    return latent_photos(backbone, subject.train, 32, masked=masked)


def test_kept_latents_are_those_that_were_made_in_memory_too(
    pipeline_folder: Path, kl_pipeline_folder: Path, tmp_path: Path
) -> None:
    for number, folder in enumerate((pipeline_folder, kl_pipeline_folder)):
        own = load_backbone(str(folder), device="cpu")
        cache = tmp_path / f"{number}.safetensors"
        made, kept = (
            latent_photos(own, BALL.train, 32, masked=False, cache=cache).encoded for _ in range(2)
        )
        assert torch.equal(made.mean, kept.mean)
        assert made.mean.stride() == kept.mean.stride()  # convolutions round by it
        assert (made.logvar is None) == (number == 0)
        if made.logvar is not None and kept.logvar is not None:
            assert torch.equal(made.logvar, kept.logvar)
            assert made.logvar.stride() == kept.logvar.stride()


def learned(
    backbone: Backbone,
    folder: Path,
    settings: InversionSettings,
    plus: PlusSettings | None,
    subjects: tuple[Subject, ...] = (BALL,),
    options: TrainingOptions = USUAL,
    photos: LatentPhotos | None = None,
) -> list[dict[str, Tensor]]:
    """Train and return all parameters that came out, a subject each."""
    room = Classroom(backbone, settings, plus)
    students = [
        Inversion(room, one, photos or photos_of(backbone, one, masked=plus is not None))
        for one in subjects
    ]
    folders = [folder / one.subject_id for one in subjects]
    train(students, room.lesson, settings, [{} for _ in subjects], folders, options)
    return [
        {f"{name}/{key}": value for name, word in words.items() for key, value in state(word)}
        for words in map(load_words, folders)
    ]


def state(word: Any) -> list[tuple[str, Tensor]]:
    return list(word.state_dict().items())


def test_ti_plus_with_one_pool_no_contrast_and_full_masks_is_ti_bit_for_bit(
    backbone: Backbone, tmp_path: Path
) -> None:
    settings = InversionSettings(steps=4, batch=4, rate=1e-2, templates="pdst")
    (plain,) = learned(backbone, tmp_path / "ti", settings, None)
    photos = photos_of(backbone, BALL, masked=True)
    assert photos.masks is not None
    full = replace(photos, masks=torch.ones_like(photos.masks))
    reduced = replace(PLUS, pools=(1.0, 0.0, 0.0), contrast=0.0)
    (plus,) = learned(backbone, tmp_path / "plus", settings, reduced, photos=full)
    assert torch.equal(plain[f"{PLACEHOLDER}/vectors"], plus[f"{PLACEHOLDER}/vectors"])


@pytest.mark.parametrize(
    "settings",
    [
        InversionSettings(steps=3, batch=6, templates="pdst", vectors=2),
        NeTISettings(steps=3, batch=3, templates="pdst", hidden=16, frequencies=32),
    ],
)
def test_background_teaches_the_attractor_alone_and_the_subject_s_pool_the_word_alone(
    backbone: Backbone, settings: InversionSettings
) -> None:
    weights: dict[str, Mapping[str, float]] = {
        PLACEHOLDER: {"background_weight": 0.0, "joint_weight": 0.0},
        ATTRACTOR: {"subject_weight": 0.0, "joint_weight": 0.0},
    }
    for taught, off in weights.items():
        room = Classroom(backbone, settings, replace(PLUS, contrast=0.0, **dict(off)))
        student = Inversion(room, BALL, photos_of(backbone, BALL, masked=True))
        (loss,) = room.lesson([student], [0])
        loss.total.backward()  # type: ignore[no-untyped-call]  # torch's annotation
        for name, word in student.words.items():
            size = sum(float(p.grad.abs().sum()) for p in word.parameters() if p.grad is not None)
            assert (size > 0) == (name == taught), name


def test_the_attractor_s_context_may_be_kept_from_teaching_the_subject_s_word(
    backbone: Backbone,
) -> None:
    settings = NeTISettings(steps=3, batch=6, templates="pdst", hidden=16, frequencies=32)
    only_contrast: dict[str, Any] = {
        **{"subject_weight": 0.0, "background_weight": 0.0, "joint_weight": 0.0},
        **{"contrast": 1.0, "schedule": "one"},
    }

    def gradients(**other: Any) -> tuple[float, dict[str, Tensor]]:
        room = Classroom(backbone, settings, replace(PLUS, **only_contrast, **other))
        student = Inversion(room, BALL, photos_of(backbone, BALL, masked=True))
        (loss,) = room.lesson([student], [0])
        loss.total.backward()  # type: ignore[no-untyped-call]  # torch's annotation
        return float(loss.total.detach()), {
            name: torch.cat([p.grad.flatten() for p in word.parameters() if p.grad is not None])
            for name, word in student.words.items()
        }

    usual, moved = gradients()
    apart, kept = gradients(stopgrad_attractor_context=True)
    assert apart == pytest.approx(usual, abs=1e-6)  # the same number
    torch.testing.assert_close(kept[ATTRACTOR], moved[ATTRACTOR])
    distance = (kept[PLACEHOLDER] - moved[PLACEHOLDER]).norm() / moved[PLACEHOLDER].norm()
    assert distance > 0.01
    alone, _ = gradients(nce_layers="random1")
    again, _ = gradients(nce_layers="random1")
    assert alone == again  # the layer follows from the pass
    assert abs(alone - usual) > 1e-4


class Waits(TorchDispatchMode):
    """Counts how often a number is asked for, for which a GPU would have to be waited for."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_what_losses_tell_is_asked_for_once_a_pass(backbone: Backbone) -> None:
    settings = NeTISettings(steps=2, batch=6, templates="pdst", hidden=16, frequencies=32)
    room = Classroom(backbone, settings, PLUS)
    students = [Inversion(room, one, photos_of(backbone, one, masked=True)) for one in (BALL, PUP)]
    with Waits() as drawing:
        for student in students:
            student.examples(0)
    with Waits() as all_of_it:
        losses = room.lesson(students, [0, 0])
    assert all_of_it.count == drawing.count > 0
    for loss, terms in zip(losses, training.read(losses), strict=True):
        assert list(terms) == ["loss", *loss.terms]
        assert terms["loss"] == loss.total.item()
        assert terms == {"loss": loss.total.item(), **{k: float(v) for k, v in loss.terms.items()}}
        assert terms["contrast weight"] == 0.0  # where a cosine begins


class KilledError(RuntimeError):
    """Stands for a kill between two steps."""


@pytest.mark.parametrize("kind", ["plain", "mapped"])
def test_a_killed_training_ends_with_the_same_words_bit_for_bit(
    backbone: Backbone, tmp_path: Path, kind: str
) -> None:
    settings = (
        InversionSettings(steps=5, batch=4, templates="pdst", accumulate=2)
        if kind == "plain"
        else NeTISettings(steps=5, batch=3, templates="pdst", hidden=16, frequencies=32)
    )

    def kill(student: Student, step: int) -> bool:
        raise KilledError

    (whole,) = learned(backbone, tmp_path / "whole", settings, PLUS)
    killed = TrainingOptions(save_every=0, watched=[Watched(every=4, look=kill)])
    with pytest.raises(KilledError):
        learned(backbone, tmp_path / "killed", settings, PLUS, options=killed)
    assert (tmp_path / "killed" / "ball" / training.STATE).exists()
    (resumed,) = learned(backbone, tmp_path / "killed", settings, PLUS)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert training.read_log(tmp_path / "whole" / "ball") == training.read_log(
        tmp_path / "killed" / "ball"
    )


@pytest.mark.parametrize("plus", [None, PLUS])
def test_subjects_learn_the_same_together_as_alone(
    backbone: Backbone, tmp_path: Path, plus: PlusSettings | None
) -> None:
    settings = NeTISettings(steps=2, batch=3, templates="pdst", hidden=16, frequencies=32)
    together = learned(backbone, tmp_path / "together", settings, plus, (BALL, PUP))
    for subject, ours in zip((BALL, PUP), together, strict=True):
        (alone,) = learned(
            backbone, tmp_path / f"alone-{subject.subject_id}", settings, plus, (subject,)
        )
        apart = max(float((ours[name] - alone[name]).abs().max()) for name in alone)
        # AdamW's first steps are of the rate's size whatever the gradient's, 8e-3 in all here.
        assert apart < 2e-4


def test_diffusers_reads_the_word_and_draws_the_same_picture(
    pipeline_folder: Path, backbone: Backbone, tmp_path: Path
) -> None:
    settings = {"steps": 3, "batch": 2, "vectors": 2, "sampling_steps": 4}
    ours = TextualInversion(
        str(pipeline_folder), checkpoints=str(tmp_path), device="cpu", **settings
    )
    sampler = ours.personalize(BALL)
    (drawn,) = sampler.sample(["A {} on a hill."], [3])
    path = tmp_path / "ball" / "learned_embeds.safetensors"
    assert list(load_file(path)) == [PLACEHOLDER]
    stock = StableDiffusionPipeline.from_pretrained(pipeline_folder)
    stock.load_textual_inversion(path)
    prompt = stock.maybe_convert_prompt(f"A {PLACEHOLDER} on a hill.", stock.tokenizer)
    ids = stock.tokenizer(
        prompt, padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        states = stock.text_encoder(ids).last_hidden_state[0]
    (theirs,) = sample(
        backbone, [states], [3], sampler._sampling, empty=prompt_states(backbone, ""), batch=1
    )
    assert distance(drawn, theirs) <= 1  # of 255 levels: rounding


def distance(one: Image.Image, other: Image.Image) -> int:
    pairs = zip(one.tobytes(), other.tobytes(), strict=True)
    return max(abs(a - b) for a, b in pairs)


@pytest.mark.parametrize("method", [TextualInversion, NeTI, TIPlus, NeTIPlus])
def test_every_method_keeps_the_generators_contract(
    pipeline_folder: Path, tmp_path: Path, method: type[TextualInversion]
) -> None:
    small: dict[str, Any] = {"steps": 1, "batch": 3, "sampling_steps": 2}
    if issubclass(method, NeTI):
        small |= {"hidden": 16, "frequencies": 32}
    if method.PLUS:
        small |= {"attractor": "a"}
    generator = method(str(pipeline_folder), checkpoints=str(tmp_path), device="cpu", **small)
    generator = Starting(generator)
    assert {result.status for result in check_generator(generator)} <= {"passed"}


class Starting:
    """A method whose subjects begin at a token that the small vocabulary has."""

    def __init__(self, method: TextualInversion) -> None:
        self.method, self.info = method, method.info

    def personalize(self, subject: Subject) -> Any:
        return self.method.personalize(replace(subject, init_token="a"))


def test_a_changed_setting_is_named(pipeline_folder: Path, tmp_path: Path) -> None:
    def made(**given: Any) -> TextualInversion:
        return TextualInversion(
            str(pipeline_folder), checkpoints=str(tmp_path), device="cpu", batch=2, **given
        )

    made(steps=1).personalize(BALL)
    with pytest.raises(SettingsError, match=r"training\.rate is 0\.002 there, 0\.5 here"):
        made(steps=1, rate=0.5).personalize(BALL)
    with pytest.raises(SettingsError, match="Did you mean 'rate'"):
        made(rat=0.5)


def test_a_plus_method_without_masks_says_what_to_do(pipeline_folder: Path, tmp_path: Path) -> None:
    bare = replace(BALL, train=tuple(replace(p, encoded_mask=None) for p in BALL.train))
    method = TIPlus(str(pipeline_folder), device="cpu", steps=1, attractor="a")
    with pytest.raises(DatasetError, match="has no mask"):
        method.personalize(bare)
