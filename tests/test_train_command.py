"""`pdst-train`: from photos to a checkpoint that draws, stops early and can be evaluated."""

import json
import shlex
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from safetensors import safe_open
from typer.testing import CliRunner

from pdst.cli.reading import reading
from pdst.cli.training import training
from pdst.diffusion.interrupts import held_interrupts
from pdst.diffusion.training import TrainingOptions, read_log
from pdst.embed import Encoders
from pdst.errors import SettingsError, StoreError
from pdst.generator import GeneratorInfo
from pdst.masks import Segmented
from pdst.masks.grabcut import GrabCut
from pdst.methods import TextualInversion, TIPlus
from pdst.methods.names import TRAINED, trained_method
from pdst.methods.presets import PRESETS, chosen, preset_fields
from pdst.methods.trained import Trained
from pdst.methods.watching import ValidationSettings, Validator, without_validation_photo
from pdst.testing import drawn_benchmark
from pdst.types import Photo, Subject

BALL = drawn_benchmark().subject("ball")
QUICK = ["--set", "steps=2", "--set", "batch=3", "--device", "cpu", "--quiet"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos of one thing and their masks."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    for number, photo in enumerate(BALL.train[:3]):
        photo.image().save(tmp_path / "photos" / f"{number}.png")
        mask = photo.mask()
        assert mask is not None
        mask.save(tmp_path / "masks" / f"{number}.png")
    return tmp_path


def trained(*arguments: object) -> Result:
    return CliRunner().invoke(training, [str(argument) for argument in arguments])


def own(photos: Path) -> list[str]:
    # Of the small vocabulary no noun is one token; "a" is.
    images = str(photos / "photos")
    return ["--images", images, "--class-noun", "toy ball", "--init-token", "a"]


def test_own_photos_become_a_checkpoint_that_draws(photos: Path, pipeline_folder: Path) -> None:
    out = photos / "out"
    command = [
        *("ti+", *own(photos), "--masks", photos / "masks", "--base", pipeline_folder),
        *("--out", out, *QUICK, "--set", "attractor=a", "--keep", "1", "--preview-every", "1"),
    ]
    done = trained(*command, "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert (told["subject"], told["steps"], told["kept_step"]) == ("photos", 2, None)
    assert {"loss", "subject", "background", "joint", "drift"} <= set(told["terms"])
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        f"photos/{name}"
        for name in (
            "attractor_embeds.safetensors",
            "latents.safetensors",
            "learned_embeds.safetensors",
            "log.jsonl",
            "picture.png",
            "previews/step-000001.png",
            "previews/step-000002.png",
            "step-1/attractor_embeds.safetensors",
            "step-1/learned_embeds.safetensors",
            "training.json",
        )
    }
    before = (out / "photos" / "training.json").read_bytes()
    assert "pdst draw" in trained(*command).stderr  # nothing to do: told again
    assert (out / "photos" / "training.json").read_bytes() == before

    picture = photos / "picture.png"
    drawn = CliRunner().invoke(
        reading,
        [
            *("draw", str(out / "photos"), "A photo of {}.", "A {} on a hill."),
            *("--out", str(picture), "--seeds", "0,1,2", "--base", str(pipeline_folder)),
            *("--steps", "2", "--device", "cpu"),
        ],
    )
    assert drawn.exit_code == 0, drawn.output
    with Image.open(picture) as opened:
        assert opened.size == (3 * 32 + 2 * 4, 2 * 32 + 4)


def test_mistakes_get_a_message_and_exit_code_2(photos: Path, pipeline_folder: Path) -> None:
    base = ["--base", pipeline_folder, "--out", photos / "out", *QUICK]

    def refused(*arguments: object) -> str:
        done = trained(*arguments, *base)
        assert done.exit_code == 2, done.output
        return " ".join(done.stderr.split())

    assert "Did you mean 'neti'" in refused("netti", *own(photos))
    assert "Say whom to learn" in refused("ti")
    assert "one subject of your own" in refused("ti", *own(photos), "--all")
    assert "needs --class-noun" in refused("ti", "--images", photos / "photos")
    assert "No subject named 'nobody'" in refused("ti", "--subject", "nobody")
    assert "has no mask" in refused("ti+", *own(photos), "--set", "attractor=a")
    assert "Did you mean 'rate'" in refused("ti", *own(photos), "--set", "raet=1")
    assert "No preset named 'papr'" in refused("ti", *own(photos), "--preset", "papr")
    assert "--keep is 'x'" in refused("ti", *own(photos), "--keep", "x")


def test_validation_keeps_a_photo_back_and_the_best_step(
    photos: Path, pipeline_folder: Path, scorer_folders: tuple[Path, Path]
) -> None:
    out = photos / "out"
    done = trained(
        *("ti", *own(photos), "--base", pipeline_folder, "--out", out, *QUICK, "--json"),
        *("--validate-every", 1, "--scorer", scorer_folders[1]),
    )
    assert done.exit_code == 0, done.output
    record = json.loads((out / "photos" / "training.json").read_text())
    lines = (out / "photos" / "validation.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(record["photos"]) == 2
    assert (record["preset"], record["placeholder"]) == ("reference", "<pdst-subject>")
    best = max(rows, key=lambda row: (row["score"], -row["step"]))
    assert (record["kept_step"], record["validation_score"]) == (best["step"], best["score"])
    assert (record["drift"], record["undertrained"]) == (best["drift"], best["undertrained"])
    kept, at_best = (
        (out / "photos" / folder / "learned_embeds.safetensors").read_bytes()
        for folder in ("", "best")
    )
    assert kept == at_best


class Scripted:
    """A student and its sampler whose likeness to a photo follows a script, look by look."""

    name, least_drift = "ball", 0.25

    def __init__(self, photo: Image.Image, likeness: Sequence[float]) -> None:
        self.photo, self.likeness, self.looks, self.saved = photo, likeness, 0, list[int]()

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        share = self.likeness[self.looks]
        self.looks += 1
        size = self.photo.size
        return [
            Image.blend(Image.effect_noise(size, 80 + seed).convert("RGB"), self.photo, share)
            for seed in seeds
        ]

    def drift(self) -> float:
        return self.looks / 10

    def save(self, folder: Path) -> None:
        self.saved.append(self.looks)


def test_a_training_ends_when_it_no_longer_gets_better(scorers: Encoders, tmp_path: Path) -> None:
    subject, photo = without_validation_photo(BALL)
    assert [*subject.train, photo] == [*BALL.train]
    script: Any = Scripted(photo.image(), [0.2, 0.9, 0.7, 0.6, 0.5])
    validator = Validator(
        ValidationSettings(every=5, patience=2, images=2),
        photo,
        lambda student: script,
        scorers.dino,
        tmp_path,
    )
    ends = [validator.look(script, step) for step in (5, 10, 15, 20)]
    assert ends == [False, False, False, True]
    assert script.saved == [1, 2]
    best = validator.best()
    assert best is not None
    assert (best.step, best.drift, best.undertrained) == (10, 0.2, True)
    # Resumed from step 10, later looks are forgotten.
    script.looks = 2
    validator.look(script, 15)
    looks = [(look.step, look.undertrained) for look in validator.looks()]
    assert looks == [(5, True), (10, True), (15, False)]


def test_validation_needs_two_photos() -> None:
    with pytest.raises(SettingsError, match="Give at least two photos"):
        without_validation_photo(replace(BALL, train=BALL.train[:1]))
    with pytest.raises(SettingsError, match="validation's every is 0"):
        ValidationSettings(every=0)


def test_trained_draws_what_the_method_draws_and_refuses_what_does_not_fit(
    pipeline_folder: Path, kl_pipeline_folder: Path, tmp_path: Path
) -> None:
    ball = replace(BALL, init_token="a")
    small: dict[str, Any] = {"steps": 2, "batch": 2, "sampling_steps": 3, "device": "cpu"}
    method = TextualInversion(str(pipeline_folder), checkpoints=str(tmp_path / "ck"), **small)
    (ours,) = method.personalize(ball).sample(["A {}."], [5])

    def opened(base: Path | None) -> Trained:
        where = None if base is None else str(base)
        return Trained(str(tmp_path / "ck"), base=where, sampling_steps=3, device="cpu")

    (theirs,) = opened(pipeline_folder).personalize(ball).sample(["A {}."], [5])
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    with pytest.raises(StoreError, match="are no training photos"):
        opened(pipeline_folder).personalize(replace(ball, train=ball.train[1:]))
    with pytest.raises(StoreError, match=r"holds no finished training\. There are: ball"):
        opened(pipeline_folder).personalize(named(ball, "other"))
    with pytest.raises(StoreError, match="Say where it is: base=FOLDER"):
        opened(None)
    with pytest.raises(StoreError, match="was trained with"):
        opened(kl_pipeline_folder)
    with pytest.raises(StoreError, match=r"Give the folder above it"):
        Trained(str(tmp_path / "ck" / "ball"))


def test_a_run_of_trained_knows_other_checkpoints_of_the_same_settings(
    pipeline_folder: Path, tmp_path: Path
) -> None:
    ball = replace(BALL, init_token="a")
    small: dict[str, Any] = {"steps": 2, "batch": 2, "device": "cpu"}

    def info(folder: str, subject: Subject, **facts: Any) -> GeneratorInfo:
        method = TextualInversion(str(pipeline_folder), **small)
        method.learn_all([subject], [tmp_path / folder / "ball"], TrainingOptions(), facts)
        return Trained(str(tmp_path / folder), base=str(pipeline_folder), device="cpu").info

    fewer = replace(ball, train=ball.train[:2])
    one, again, other = info("one", ball), info("again", ball), info("other", fewer)
    assert one == again
    assert {key for key in one.settings if one.settings[key] != other.settings[key]} == {"learned"}
    validated = info("validated", fewer, validation={"every": 1})
    assert validated.settings["validation"] == {"every": 1}


def named(subject: Subject, name: str) -> Subject:
    return replace(subject, subject_id=name)


def test_presets_fill_what_is_left_alone(
    pipeline_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen("auto", "miniature") == "miniature"
    assert chosen("auto", None) == "reference"
    assert chosen("paper", "miniature") == "paper"
    assert preset_fields("NeTI", "reference") == {
        "steps": 1000,
        "batch": 8,
        "rate": 8e-3,
        "decay": 0.01,
    }
    paper = TextualInversion(str(pipeline_folder), preset="paper", steps=7, device="cpu")
    settings: Any = paper.info.settings["training"]
    assert (settings["rate"], settings["steps"], settings["decay"]) == (1e-5, 7, 0.01)
    assert "100 to 1,000 times below" in caplog.text


@pytest.mark.parametrize("preset", PRESETS)
def test_every_method_can_work_with_every_preset(pipeline_folder: Path, preset: str) -> None:
    for name in TRAINED:
        method = trained_method(name)
        made = method(str(pipeline_folder), preset=preset, device="cpu")
        settings = made.info.settings["training"]
        for field, value in PRESETS[preset].get(method.NAME, {}).items():
            assert settings[field] == value, (name, field)


def test_a_base_model_says_which_preset_suits_it(pipeline_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(pipeline_folder, folder)
    before = TextualInversion(str(folder), device="cpu").info
    (folder / "pdst.json").write_text('{"preset": "miniature"}')
    after = TextualInversion(str(folder), device="cpu").info
    assert (before.settings["preset"], after.settings["preset"]) == ("reference", "miniature")
    assert before.settings["base_digest"] == after.settings["base_digest"]  # it moves no pixel
    settings: Any = after.settings["training"]
    assert settings["rate"] == PRESETS["miniature"]["TI"]["rate"]


# --- what would have gone wrong without a word


@pytest.mark.parametrize(
    ("method", "setting", "wanted"),
    [
        ("ti", "flip=False", "flip is 'False', wanted true or false."),
        ("ti", "accumulate=2.5", "accumulate is 2.5, wanted a whole number."),
        ("ti", "rate=abc", "rate is 'abc', wanted a number."),
        ("ti", "betas=0.9", "betas is 0.9, wanted a list of 2: a number, a number."),
        ("ti+", "mask_norm=are", "mask_norm is 'are', wanted 'elements' or 'area'."),
        ("ti+", "temperature=0", "temperature is 0, wanted a number above 0, such as 0.07."),
        ("ti+", "joint_weight=-1", "joint_weight is -1, wanted at least 0."),
        ("ti", "clip=-1", "clip is -1, wanted a number above 0, or none."),
        ("ti", "decay=-1", "decay is -1, wanted at least 0."),
        ("ti", "betas=[2,3]", "betas is (2, 3), wanted two numbers from 0 to below 1."),
        ("dreambooth", "prior_images=a", "prior_images is 'a', wanted a whole number."),
    ],
)
def test_a_setting_of_another_type_is_refused(
    photos: Path, pipeline_folder: Path, method: str, setting: str, wanted: str
) -> None:
    base = ["--masks", photos / "masks", "--base", pipeline_folder, "--out", photos / "out"]
    attractor = ["--set", "attractor=a"] if method == "ti+" else []
    done = trained(method, *own(photos), *base, *QUICK, *attractor, "--set", setting)
    assert done.exit_code == 2
    assert wanted in " ".join(done.stderr.split())


@pytest.mark.parametrize("method", ["ti", "neti"])
def test_a_training_that_diverges_says_so_and_keeps_no_word(
    photos: Path, pipeline_folder: Path, method: str
) -> None:
    out = photos / "out"
    how = ["--base", pipeline_folder, "--out", out, *QUICK, "--set", "rate=1e30"]
    done = trained(method, *own(photos), *how)
    assert done.exit_code == 2
    assert "photos: the training diverged by step" in done.stderr
    assert "give a lower one" in " ".join(done.stderr.split())
    assert not list(out.rglob("*embeds.safetensors"))
    assert not list(out.rglob("mapper.safetensors"))


def test_other_masks_are_another_training(photos: Path, pipeline_folder: Path) -> None:
    how = ["--base", pipeline_folder, "--out", photos / "out", *QUICK, "--set", "attractor=a"]
    command = ["ti+", *own(photos), "--masks", photos / "masks", *how]
    assert trained(*command).exit_code == 0
    for path in (photos / "masks").iterdir():
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.roll(mask, 5, axis=1)).save(path)
    done = trained(*command)
    assert done.exit_code == 2
    assert "training of other settings: masks is" in " ".join(done.stderr.split())
    assert trained("ti", *own(photos), *how[:2], "--out", photos / "ti", *QUICK).exit_code == 0
    assert "masks" not in json.loads((photos / "ti" / "photos" / "training.json").read_text())


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (["--patience", "2"], "give --validate-every, too"),
        (["--prompt", "a dog"], "wanted one {} for the subject"),
        (["--benchmark", "miniature"], "Leave --benchmark out"),
        (["--validate-every", "3", "--scorer", "untrained"], "--validate-every is 3, and the"),
        (["--preview-every", "3"], "the training has 2 steps: it would never come to it"),
        (["--keep", "1,3"], "--keep is 3, and the training has 2 steps"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    photos: Path, pipeline_folder: Path, more: list[str], wanted: str
) -> None:
    how = ["--base", pipeline_folder, "--out", photos / "out", *QUICK]
    done = trained("ti", *own(photos), *how, *more)
    assert done.exit_code == 2
    assert wanted in " ".join(done.stderr.split())


@pytest.mark.parametrize("more", [["--masks", "grabcut"], ["--class-noun", "zebra"]])
def test_what_is_of_own_photos_is_not_ignored_for_a_release(
    tmp_path: Path, more: list[str]
) -> None:
    done = trained("ti", "--subject", "mug", *more, "--out", tmp_path, *QUICK)
    assert done.exit_code == 2
    assert "are of --images; a release says these" in " ".join(done.stderr.split())


def test_masks_of_a_segmenter_are_made_once_for_a_checkpoint(
    photos: Path, pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = photos / "out"
    how = ["--base", pipeline_folder, "--out", out, *QUICK, "--set", "attractor=a"]
    command = ["ti+", *own(photos), "--masks", "grabcut", *how]
    first = trained(*command)
    assert first.exit_code == 0, first.output
    kept = out / "photos" / "masks" / "grabcut"
    assert {path.name for path in kept.iterdir()} == {
        f"{number}.{suffix}" for number in range(3) for suffix in ("png", "json")
    }
    assert json.loads((kept / "0.json").read_text())["source"] == "grabcut"

    def gone(self: GrabCut, photo: Photo, class_noun: str) -> Segmented:
        raise AssertionError("the masks are there")

    monkeypatch.setattr(GrabCut, "segment", gone)
    again = trained(*command)
    assert again.exit_code == 0, again.output
    assert "Mask of 0: look at it" in again.stderr


def test_the_command_that_is_told_draws(photos: Path, pipeline_folder: Path) -> None:
    out = photos / "two words"
    how = ["--base", pipeline_folder, *QUICK]
    done = trained("ti", *own(photos), "--out", out, *how)
    # Another method beside it is no reason not to draw.
    assert trained("neti", *own_in(photos, "others"), "--out", out, *how).exit_code == 0
    told = next(line for line in done.stderr.splitlines() if line.startswith("Draw: "))
    program, *arguments = shlex.split(told.removeprefix("Draw: "))
    picture = photos / "picture.png"
    arguments[-1] = str(picture)
    drawn = CliRunner().invoke(reading, [*arguments, "--steps", "2", "--device", "cpu"])
    assert (program, drawn.exit_code) == ("pdst", 0), drawn.output
    assert picture.is_file()


def own_in(photos: Path, name: str) -> list[str]:
    """The same photos as another subject's."""
    shutil.copytree(photos / "photos", photos / name)
    return ["--images", str(photos / name), "--class-noun", "toy ball", "--init-token", "a"]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a terminal: what a shell starts in the background is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_is_heard_after_the_step_and_nothing_is_lost(
    pipeline_folder: Path, tmp_path: Path
) -> None:
    ball = replace(BALL, init_token="a")
    small: dict[str, Any] = {"steps": 6, "batch": 2, "device": "cpu"}
    method = TextualInversion(str(pipeline_folder), **small)
    method.learn(ball, tmp_path / "whole", TrainingOptions())

    def interrupt(share: float) -> None:
        if share == 0.5:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        method.learn(ball, tmp_path / "stopped", TrainingOptions(progress=interrupt))
    assert signal.getsignal(signal.SIGINT) is before
    with safe_open(tmp_path / "stopped" / "state.safetensors", "pt") as state:
        assert state.metadata()["step"] == "3"
    method.learn(ball, tmp_path / "stopped", TrainingOptions())
    whole, stopped = (
        (tmp_path / folder / "learned_embeds.safetensors").read_bytes()
        for folder in ("whole", "stopped")
    )
    assert whole == stopped


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_does_not_wait() -> None:
    with held_interrupts() as wish:
        signal.raise_signal(signal.SIGINT)
        assert wish.stop
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_who_is_deaf_to_ctrl_c_stays_deaf() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_interrupts() as wish:
            signal.raise_signal(signal.SIGINT)
            assert not wish.stop
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_how_often_a_pool_is_empty_is_told(pipeline_folder: Path, tmp_path: Path) -> None:
    ball = replace(BALL, init_token="a")
    how: dict[str, Any] = {"steps": 20, "batch": 3, "attractor": "a", "device": "cpu"}
    method = TIPlus(str(pipeline_folder), pools=[0.8, 0.1, 0.1], **how)
    method.learn(ball, tmp_path / "ball", TrainingOptions(log_every=20))
    (row,) = read_log(tmp_path / "ball")
    # An empty joint pool has a chance of 0.9 ** 3 a pass: 0.729, here of 20.
    assert 0.4 < float(str(row["no joint"])) < 1.0
    assert 0.0 < float(str(row["no pair"])) < 1.0


def test_no_subject_named_is_no_subject(tmp_path: Path) -> None:
    done = trained("ti", "--subject", ",", "--out", tmp_path, *QUICK)
    assert done.exit_code == 2
    assert "wanted ids with commas" in " ".join(done.stderr.split())
