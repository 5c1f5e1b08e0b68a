"""The paper's experiments end to end, on small networks of the real classes and a tiny release."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from pdst.cli.reading import reading
from pdst.dataset import load
from pdst.embed import Encoders
from pdst.errors import DatasetError, GeneratorError, PdstError, SettingsError
from pdst.evaluate import Settings
from pdst.experiments.attractor import ATTRACTOR, SUBJECT
from pdst.experiments.backgrounds import (
    background_alone,
    background_benchmark,
    subject_alone,
)
from pdst.experiments.bias import bias
from pdst.experiments.grid_plan import GridPlan, grid_study
from pdst.experiments.recipes import Recipe, draw_methods, parse_recipe
from pdst.experiments.study import Study
from pdst.experiments.trajectory import trajectories
from pdst.plan import PROTOCOLS, plan
from pdst.progress import Progress, silent
from pdst.run import open_run
from pdst.types import Benchmark
from tests.releases import Rows, tiny_release

TI = {"steps": 2, "batch": 3, "sampling_steps": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects whose word begins at a token that the small vocabulary has."""

    def begin(rows: Rows) -> None:
        for split in rows.values():
            for row in split:
                row["init_token"] = "a"

    folder = tmp_path_factory.mktemp("release") / "tiny"
    return tiny_release(folder, subjects=2, test=2, edit=begin)


@pytest.fixture(scope="module")
def release(release_folder: Path) -> Benchmark:
    return load(release_folder)


Command = Callable[..., Path]


@pytest.fixture
def command(
    release_folder: Path,
    pipeline_folder: Path,
    scorer_folders: tuple[Path, Path],
    tmp_path: Path,
) -> Command:
    """Runs `pdst experiment NAME` on small networks; gives its folder."""

    def run(name: str, *arguments: str) -> Path:
        clip, dino = map(str, scorer_folders)
        out = tmp_path / name
        untrained = {"batch"} if "class-noun" in arguments else set()
        left_out = {"steps", *untrained}
        small = [f"--model-arg={key}={value}" for key, value in TI.items() if key not in left_out]
        shared = ["--base", str(pipeline_folder), "--benchmark", str(release_folder)]
        scorers = ["--clip", clip, "--dino", dino, "--device", "cpu", "--quiet", "--subjects=all"]
        given = ["experiment", name, *shared, *scorers, *small, *arguments, "--out", str(out)]
        done = CliRunner().invoke(reading, given)
        assert done.exit_code == 0, done.output
        assert done.stdout.strip()
        return out

    return run


def require_written(out: Path, *more: str) -> None:
    """Data, figures, summary and one paragraph."""
    for name in ("data.parquet", "figure.png", "figure.svg", "summary.json", "finding.txt", *more):
        assert (out / name).stat().st_size > 0, name
    with Image.open(out / "figure.png") as picture:
        picture.load()
    finding = (out / "finding.txt").read_text()
    assert finding.count("\n") == 1, "one paragraph"
    assert "subjects of tiny" in finding


# Every experiment


def test_bias_trains_once_and_looks_at_every_step(command: Command) -> None:
    out = command("bias", "--method", "ti", "--steps", "0,1,2")
    require_written(out)
    data = pd.read_parquet(out / "data.parquet")
    assert data.groupby("step").size().to_dict() == {0: 2, 1: 2, 2: 2}
    kept = out / "checkpoints" / "seed-0" / "blob"
    words = [
        (kept / f"step-{step}" / "learned_embeds.safetensors").read_bytes() for step in (0, 1, 2)
    ]
    assert len(set(words)) == 3
    assert words[2] == (kept / "learned_embeds.safetensors").read_bytes()
    record = json.loads((kept / "training.json").read_text())
    assert (record["steps_taken"], record["finished"]) == (2, True)
    for step in (0, 1, 2):
        assert open_run(out / "runs" / f"seed-0-step-{step}").finished


def test_bias_works_for_methods_that_change_networks(command: Command) -> None:
    small = ["--model-arg=prior_images=2", "--model-arg=prior_steps=2"]
    out = command("bias", "--method", "dreambooth", "--steps", "0,1,2", *small)
    require_written(out)
    data = pd.read_parquet(out / "data.parquet")
    assert data["dino"].notna().all()
    first = data[data["step"] == 0]["dino"].tolist()
    assert first != data[data["step"] == 2]["dino"].tolist()


def test_methods_trains_what_is_asked_for(command: Command) -> None:
    given = ["--methods", "class-noun,copy-train,ti,ti+", "--steps", "2", "--seeds", "2"]
    own = ["--model-arg=class-noun:steps=2", "--model-arg=ti+:attractor=a"]
    out = command("methods", *given, *own, "--subjects-per-batch", "2")
    require_written(out, "table.md")
    data = pd.read_parquet(out / "data.parquet")
    rows = data.groupby("method", sort=False)["seed"].nunique().to_dict()
    names = ("Class noun (small)", "Copy of a training photo", "TI (small)", "TI+ (small)")
    assert rows == dict(zip(names, (1, 1, 2, 2), strict=True))
    assert "TI+ − TI, on the same cases" in (out / "finding.txt").read_text()
    arguments = json.loads((out / "runs" / "ti-seed-1" / "run.json").read_text())["settings"]
    assert arguments["generator"]["arguments"]["seed"] == 1
    assert "checkpoints" not in arguments["generator"]["arguments"], "a folder decides no number"


def test_weighting_changes_the_function_alone(command: Command) -> None:
    given = ["--method", "ti+", "--schedules", "zero,one,cosine", "--seeds", "1", "--steps", "2"]
    out = command("weighting", *given, "--model-arg=attractor=a")
    require_written(out, "functions.parquet", "functions.png", "functions.svg")
    data = pd.read_parquet(out / "data.parquet")
    assert data["schedule"].unique().tolist() == ["zero", "one", "cosine"]
    infos = [
        json.loads((out / "runs" / f"{name}-seed-0" / "run.json").read_text())["settings"][
            "generator"
        ]["info"]["settings"]["training"]
        for name in ("zero", "one", "cosine")
    ]
    assert [info.pop("schedule") for info in infos] == ["zero", "one", "cosine"]
    assert infos[0] == infos[1] == infos[2]


def test_attractor_draws_its_word_and_the_subjects(command: Command) -> None:
    small = ["--model-arg=hidden=16", "--model-arg=frequencies=32", "--model-arg=attractor=a"]
    out = command("attractor", "--method", "neti+", "--steps", "1", "--images", "3", *small)
    require_written(out, "similarity.png", "similarity.svg")
    data = pd.read_parquet(out / "data.parquet")
    # Two training photos, so 3 images become 2 of each background.
    assert data.groupby(["word", "subject_id"]).size().unique().tolist() == [4]
    assert set(data["word"]) == {ATTRACTOR, SUBJECT}
    pixels = [
        pq.read_table(out / "runs" / f"{word}-seed-0/images/blob/00-background.parquet")
        .column("pixels")
        .to_pylist()
        for word in (ATTRACTOR, SUBJECT)
    ]
    assert pixels[0] != pixels[1], "another word, another picture"


def test_grid_draws_only_what_it_shows(command: Command) -> None:
    given = ["--methods", "class-noun,ti", "--steps", "1", "--model-arg=class-noun:steps=2"]
    out = command("grid", *given, "--images", "2", "--captions", "2")
    require_written(out)
    data = pd.read_parquet(out / "data.parquet")
    assert len(data) == 2 * 2 * 2 * 2  # methods, subjects, captions, images
    assert len(open_run(out / "runs" / "ti-seed-0").scores()) == 2 * 2 * 2


def test_other_scorers_want_the_option_that_the_error_names(
    command: Command, scorer_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    given = ["--methods", "class-noun", "--prompt", "fictional"]
    before = pd.read_parquet(command("grid", *given) / "data.parquet")
    other = tmp_path / "dino"
    shutil.copytree(scorer_folders[1], other)
    (weights,) = other.glob("*.safetensors")
    tensors = load_file(weights)
    save_file({name: tensor.flip(0) for name, tensor in tensors.items()}, weights)
    with pytest.raises(AssertionError, match="--rescore"):
        command("grid", *given, "--dino", str(other))
    after = pd.read_parquet(
        command("grid", *given, "--dino", str(other), "--rescore") / "data.parquet"
    )
    assert (before["dino_train"] != after["dino_train"]).all()
    assert before["clip_t"].tolist() == after["clip_t"].tolist()


def test_grid_draws_prompts_of_ones_own(command: Command) -> None:
    given = ["--methods", "class-noun", "--model-arg=class-noun:steps=2", "--prompt", "fictional"]
    out = command("grid", *given, "--reference", "training")
    data = pd.read_parquet(out / "data.parquet")
    assert set(data["prompt"]) == {"A colorful graffiti of {}.", "A photo of a {} on a beach."}
    assert "DINO train of what is shown" in (out / "finding.txt").read_text()


# Resuming


def study_in(
    folder: Path, release: Benchmark, scorers: Encoders, progress: Progress = silent
) -> Study:
    return Study(
        benchmark=release,
        encoders=scorers,
        out=folder,
        settings=Settings(protocol=PROTOCOLS["quick"]),
        progress=progress,
    )


@pytest.fixture
def recipe(pipeline_folder: Path) -> Recipe:
    return Recipe(base=str(pipeline_folder), common={k: v for k, v in TI.items() if k != "steps"})


def test_an_interrupted_experiment_gives_the_same_data(
    release: Benchmark, scorers: Encoders, recipe: Recipe, tmp_path: Path
) -> None:
    def stop(stage: str, done: float, total: int) -> None:
        """Somebody presses Ctrl-C in the midst of the second step's drawing."""
        if stage == "seed-0-step-1: draw" and done:
            raise KeyboardInterrupt

    def measure(folder: Path, progress: Progress) -> pd.DataFrame:
        study = study_in(folder, release, scorers, progress)
        return bias(study, trajectories(study, recipe, "ti", (0, 1, 2), 1), (0, 1, 2)).data

    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "stopped", stop)
    resumed = measure(tmp_path / "stopped", silent)
    whole = measure(tmp_path / "whole", silent)
    pd.testing.assert_frame_equal(resumed, whole, check_exact=True)


def test_a_step_that_was_not_kept_and_other_settings_are_refused(
    release: Benchmark, scorers: Encoders, recipe: Recipe, tmp_path: Path
) -> None:
    study = study_in(tmp_path, release, scorers)
    subject = release.subjects[0]
    (at,) = trajectories(study, recipe, "ti", (0, 2), 1)
    at(2).generator.personalize(subject)
    (other,) = trajectories(study, recipe, "ti", (0, 1, 2), 1)
    with pytest.raises(SettingsError, match="without keeping step 1"):
        other(1).generator.personalize(subject)
    faster = replace(recipe, common={**recipe.common, "rate": 0.5})
    (changed,) = trajectories(study, faster, "ti", (0, 2), 1)
    with pytest.raises(SettingsError, match=r"training\.rate"):
        changed(2).generator.personalize(subject)
    with pytest.raises(SettingsError, match="has no training to look at"):
        trajectories(study, recipe, "copy-train", (0, 2), 1)


# Recipes


def test_arguments_are_for_all_or_for_one_method() -> None:
    drawn = ("neti+", "mine:Gen")
    given = ["batch=4", "neti+:contrast=0.2", "prompt=a: b", "mine:Gen:size=3"]
    recipe = parse_recipe("sd15", 100, given, methods=drawn)
    assert recipe.common == {"batch": 4, "prompt": "a: b"}
    assert recipe.own == {"neti+": {"contrast": 0.2}, "mine:Gen": {"size": 3}}
    for pair in ("batch", "neti+:batch"):
        with pytest.raises(GeneratorError, match=re.escape(f"'{pair}': wanted key=value")):
            parse_recipe("sd15", None, [pair], methods=drawn)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("netii:rate=1", "named 'netii'. Did you mean 'neti'?"),
        ("ti:rate=1", "No method of this experiment named 'ti'"),
        ("steps=9", "--steps is 7, and --model-arg steps=9"),
        ("base=sd15", "--base. Leave it out"),
        ("neti:checkpoints=/x", "--out. Leave it out"),
        ("neti:schedule=one", "--schedules names them. Leave it out"),
    ],
)
def test_an_argument_that_would_do_nothing_is_refused(given: str, why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(why)):
        parse_recipe(
            "sd15", 7, [given], methods=["neti"], fixed={"schedule": "--schedules names them"}
        )


def test_one_methods_own_steps_stand_before_the_experiments(
    release: Benchmark, pipeline_folder: Path
) -> None:
    recipe = parse_recipe(str(pipeline_folder), 7, ["ti:steps=9"], methods=["ti", "neti"])
    made = [recipe.make(name, benchmark=release).arguments["steps"] for name in ("ti", "neti")]
    assert made == [9, 7]


def test_how_to_draw_holds_for_the_class_noun_too(
    release: Benchmark, pipeline_folder: Path
) -> None:
    given = ["sampling_steps=20", "guidance=2.5"]
    recipe = parse_recipe(str(pipeline_folder), None, given, methods=["class-noun"])
    sampling = cast("Any", recipe.make("class-noun", benchmark=release).generator).info.settings[
        "sampling"
    ]
    assert (sampling["steps"], sampling["guidance"]) == (20, 2.5)


@pytest.mark.parametrize("wrong", ["nope", "neti+"])
def test_a_wrong_method_is_found_before_the_first_one_trains(
    release: Benchmark, scorers: Encoders, recipe: Recipe, tmp_path: Path, wrong: str
) -> None:
    study = study_in(tmp_path, release, scorers)
    mistyped = replace(recipe, own={"neti+": {"typo": 1}})
    with pytest.raises(PdstError, match=r"typo|nope"):
        draw_methods(study, mistyped, ["ti", wrong], 1)
    assert not list(tmp_path.iterdir())


def test_a_method_without_attractor_is_refused(command: Command) -> None:
    done = CliRunner().invoke(reading, ["experiment", "attractor", "--method", "ti", "--quiet"])
    assert done.exit_code == 2
    assert "wanted ti+ or neti+" in " ".join(done.stderr.split())


# Derived benchmarks


def test_a_background_alone_has_its_own_mean_where_the_subject_was() -> None:
    image = Image.new("RGB", (4, 2), (10, 20, 30))
    image.paste((50, 60, 70), (2, 0, 3, 2))  # background, another colour
    image.paste((200, 0, 0), (0, 0, 1, 2))  # the subject
    mask = Image.new("L", (4, 2), 0)
    mask.paste(255, (0, 0, 1, 2))
    alone = background_alone(image, mask)
    # Of 6 pixels, 4 are (10, 20, 30) and 2 are (50, 60, 70).
    assert alone.getpixel((0, 0)) == (23, 33, 43)
    assert alone.getpixel((1, 0)) == (10, 20, 30)
    cut = subject_alone(image, mask)
    assert cut.size == (2, 2)
    assert cut.getcolors() == [(4, (200, 0, 0))], "a column, on its own colour"
    with pytest.raises(DatasetError, match="no background"):
        background_alone(image, Image.new("L", (4, 2), 255))
    with pytest.raises(DatasetError, match="no subject"):
        subject_alone(image, Image.new("L", (4, 2), 0))


def test_backgrounds_are_compared_with_and_never_learned_from(release: Benchmark) -> None:
    made = background_benchmark(release, ["blob"])
    assert [test.photo.image_id for test in made.test] == ["00-background", "01-background"]
    assert [photo.image_id for photo in made.subjects[0].train] == ["00-subject", "01-subject"]
    assert made.fingerprint != background_benchmark(release, ["box"]).fingerprint
    bare = replace(
        release,
        subjects=tuple(
            replace(one, train=tuple(replace(photo, encoded_mask=None) for photo in one.train))
            for one in release.subjects
        ),
    )
    with pytest.raises(DatasetError, match="blob/train/00 has no mask"):
        background_benchmark(bare, ["blob"])


def test_a_grids_cases_have_the_noise_that_they_have_in_any_run(
    release: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    study = study_in(tmp_path, release, scorers)
    small = grid_study(study, GridPlan(captions=2, images=3))
    cases = [one for c in plan(small.benchmark, small.settings.protocol) for one in c.cases]
    whole = [one for c in plan(release, PROTOCOLS["paper"]) for one in c.cases]
    assert len(cases) == 2 * 2 * 3
    assert set(cases) <= set(whole)
