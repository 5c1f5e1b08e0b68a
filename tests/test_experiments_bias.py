"""`bias`: planted methods whose overfitting is known, seen by the miniature's trained scorers."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pdst.dataset import load
from pdst.digest import digest_json
from pdst.embed import Encoders
from pdst.encoders import load_clip, load_dino
from pdst.encoders.spec import Embeddings
from pdst.errors import GeneratorError, SettingsError
from pdst.evaluate import Settings
from pdst.experiments.bias import bias
from pdst.experiments.bias_figure import bias_figure
from pdst.experiments.bias_measures import bias_claims, by_step, measure_bias
from pdst.experiments.bias_sentences import bias_sentences
from pdst.experiments.recipes import Recipe
from pdst.experiments.results import Results, write_results
from pdst.experiments.study import Study
from pdst.experiments.trajectory import trajectories
from pdst.generator import CaseSampler, GeneratorInfo
from pdst.images import decode_rgb
from pdst.plan import PROTOCOLS
from pdst.run import open_run
from pdst.types import Benchmark, Case, Photo, Subject

STEPS = (0, 25, 50, 75, 100)
SUBJECTS = ("bird", "car", "dog", "mug", "penguin", "teapot")
HELD_OUT, TRAINING = 2, 2
"""Photos of each subject: enough for what is planted, and few to embed."""


@pytest.fixture(scope="module")
def scorers() -> Encoders:
    """Trained on pictures like these: what they see is no accident."""
    return Encoders(clip=load_clip("miniature"), dino=load_dino("miniature"))


@pytest.fixture(scope="module")
def some() -> Benchmark:
    """Six subjects of the miniature."""
    whole = load("miniature")
    chosen = [whole.subject(one) for one in SUBJECTS]
    return replace(
        whole,
        name="some of the miniature",
        fingerprint=digest_json(["some", whole.fingerprint]),
        subjects=tuple(replace(one, train=one.train[:TRAINING]) for one in chosen),
        test=tuple(test for one in SUBJECTS for test in whole.test_photos(one)[:HELD_OUT]),
    )


@dataclass(frozen=True)
class Planted:
    """A planted example of a method: goes from one picture to the next as its training goes on.

    "noise", "held-out" (the very photo that the prompt describes: perfect learning), "training" (a
    training photo: memorising).
    """

    benchmark: Benchmark
    way: tuple[str, ...]
    step: int

    sees_test_split = True

    @property
    def info(self) -> GeneratorInfo:
        return GeneratorInfo(
            name=f"Planted: {', '.join(self.way)}", revision="1", settings={"step": self.step}
        )

    def personalize(self, subject: Subject) -> CaseSampler:
        return PlantedSampler(self, subject)


@dataclass(frozen=True)
class PlantedSampler:
    planted: Planted
    subject: Subject

    def sample_cases(self, cases: Sequence[Case]) -> list[Image.Image]:
        way = self.planted.way
        at = self.planted.step / STEPS[-1] * (len(way) - 1)
        leg = min(int(at), len(way) - 2)
        return [
            Image.blend(self.show(way[leg], case), self.show(way[leg + 1], case), at - leg)
            for case in cases
        ]

    def show(self, what: str, case: Case) -> Image.Image:
        if what == "training":
            return self.subject.train[case.seed % len(self.subject.train)].image()
        tests = self.planted.benchmark.test_photos(case.subject_id)
        held_out = next(one.photo for one in tests if one.photo.image_id == case.image_id).image()
        if what == "held-out":
            return held_out
        blocks = np.random.default_rng(case.seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return Image.fromarray(blocks).resize(held_out.size, Image.Resampling.BICUBIC)


MEMORISER = ("noise", "held-out", "held-out", "training", "training")
"""One a step: it learns, then memorises, and has memorised by its last step but one."""
HONEST = ("noise", "held-out")


def study_in(folder: Path, benchmark: Benchmark, scorers: Encoders) -> Study:
    return Study(
        benchmark=benchmark,
        encoders=scorers,
        out=folder,
        settings=Settings(protocol=PROTOCOLS["quick"]),
    )


def measured(
    folder: Path, benchmark: Benchmark, scorers: Encoders, way: tuple[str, ...]
) -> Results:
    return bias(
        study_in(folder, benchmark, scorers), [lambda step: Planted(benchmark, way, step)], STEPS
    )


@pytest.fixture(scope="module")
def memoriser_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memoriser")


@pytest.fixture(scope="module")
def memoriser(memoriser_folder: Path, some: Benchmark, scorers: Encoders) -> Results:
    return measured(memoriser_folder, some, scorers, MEMORISER)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, some: Benchmark, scorers: Encoders) -> Results:
    return measured(tmp_path_factory.mktemp("honest"), some, scorers, HONEST)


# What is planted is found


def test_a_memoriser_is_caught(memoriser: Results) -> None:
    found = measure_bias(memoriser.data, "dino")
    for one in found.together:
        assert one.apart.value > 0.1, one.coefficient
        assert one.apart.interval is not None
        assert one.apart.interval.low > 0
        assert one.test.value > 0.6
    assert found.course is not None
    assert found.course.plateau is not None
    assert found.course.plateau.step == 75
    assert found.course.plateau.share.interval is not None
    assert found.course.plateau.share.interval.high < 0.25
    assert [claim.holds for claim in bias_claims(found)] == [True, True, True]
    assert "The paper's claim (Fig. 1) is reproduced here" in memoriser.finding


def test_an_honest_learner_is_not(honest: Results) -> None:
    found = measure_bias(honest.data, "dino")
    for one in found.together:
        assert abs(one.apart.value) < 0.05, one.coefficient
        assert one.train.value > 0.9
    assert "is reproduced here" not in honest.finding


def test_the_gap_and_the_nearest_photo_grow_as_it_memorises(
    memoriser: Results, honest: Results
) -> None:
    found = measure_bias(memoriser.data, "dino")
    gaps = {step: one.value for step, one in found.gaps.items() if one is not None}
    assert gaps[50] < 0 < gaps[100]
    nearest = {step: one.value for step, one in found.nearest.items() if one is not None}
    assert nearest[100] == pytest.approx(1.0, abs=1e-5), "it draws training photos"
    assert nearest[0] < nearest[50] < nearest[100]
    theirs = measure_bias(honest.data, "dino").gaps[100]
    assert theirs is not None
    assert theirs.value < 0


# What data decides


def made(
    train: Sequence[Sequence[float]],
    test: Sequence[Sequence[float]] | None = None,
    clip_t: Sequence[Sequence[float]] | None = None,
) -> pd.DataFrame:
    """Rows as of a run, a curve a subject; CLIP-I is DINO's. Where not given, all rise evenly."""
    rows = []
    for place, curve in enumerate(train):
        steady = [0.1 * (step + 1) for step in range(len(curve))]
        for step, value in enumerate(curve):
            held_out = (test[place] if test else steady)[step]
            row: dict[str, float | int | str] = {"seed": 0, "step": 10 * step, "clip_t": 0.0}
            row |= {
                "subject_id": f"s{place}",
                "clip_t": (clip_t[place] if clip_t else steady)[step],
            }
            for metric in ("dino", "clip_i"):
                row |= {metric: held_out, f"{metric}_train": value, f"{metric}_nearest": value}
            rows.append(row)
    return pd.DataFrame(rows)


def flat_claim(data: pd.DataFrame) -> bool | None:
    claim = bias_claims(measure_bias(data, "dino"))[-1]
    assert claim.says == "training DINO stays flat after its plateau"
    return claim.holds


def told(data: pd.DataFrame) -> str:
    found = [measure_bias(data, "dino"), measure_bias(data, "clip")]
    return " ".join(bias_sentences(found, data["subject_id"].nunique()))


LEARNS = [0.1, 0.5, 0.5, 0.5]


def test_flat_is_decided_by_the_interval_not_by_the_mean() -> None:
    assert flat_claim(made([LEARNS] * 6)) is True
    # The mean stays where it is, because three rise on and three fall.
    torn = made([[0.1, 0.5, 0.5, 0.5 + way] for way in (0.3, -0.3) * 3])
    assert flat_claim(torn) is None
    assert "flat: at most 25 %" in told(torn)


def test_flat_takes_enough_subjects() -> None:
    for few in (1, 2, 5):
        assert flat_claim(made([LEARNS] * few)) is None
        assert "What fewer than 6 subjects say stays undecided." in told(made([LEARNS] * few))


def test_a_curve_that_falls_after_its_top_is_not_flat() -> None:
    falls = made([[0.1, 0.5, 0.5, 0.2 + 0.01 * place] for place in range(6)])
    assert flat_claim(falls) is False
    assert "training DINO stays flat after its plateau: no" in told(falls)


def test_noise_about_a_flat_curve_is_not_taken_for_a_fall() -> None:
    """The widest of many checkpoints is wide by chance, and in each resample anew."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        noisy = rng.normal([0.2, *[0.4] * 7], 0.05, (6, 8))
        assert flat_claim(made(noisy.tolist())) is not False


def test_what_does_not_rise_has_no_plateau_and_decides_nothing() -> None:
    falling = made([[0.5, 0.4, 0.3, 0.1]] * 6)
    assert flat_claim(falling) is None
    assert "Training DINO does not rise: it is highest at step 0." in told(falling)
    unsure = made([[0.3, 0.3 + way, 0.3 + way, 0.3 + way] for way in (0.2, -0.15) * 3])
    assert flat_claim(unsure) is None
    assert "Training DINO does not surely rise: at its highest, step 10, it is +0.025 [" in told(
        unsure
    )
    # One subject of six leans the other way: the interval misses 0, the flipped signs do not.
    rises = (0.05, 0.04, 0.03, 0.05, 0.04, -0.025)
    leaning = made([[0.3, 0.3 + way, 0.3 + way, 0.1] for way in rises])
    assert flat_claim(leaning) is None
    assert "does not surely rise" in told(leaning)
    assert "is at its plateau" not in told(falling) + told(unsure) + told(leaning)


def test_a_plateau_of_fewer_subjects_says_so() -> None:
    gone = made([LEARNS] * 6 + [[0.1, 0.9, float("nan"), 0.9]])
    assert "Training DINO, of the 6 subjects with all checkpoints, rises by 0.400" in told(gone)
    none = made([[0.1, float("nan"), 0.5, 0.5, 0.5]] * 6)
    assert "No subject has DINO at all checkpoints: no plateau can be looked for." in told(none)
    assert flat_claim(none) is None
    # Five of six decide nothing, and the verdict says why.
    five = told(made([LEARNS] * 5 + [[0.1, 0.9, float("nan"), 0.9]]))
    assert "What fewer than 6 subjects say stays undecided." in five


def test_who_is_left_out_is_said_once_and_of_which_metric() -> None:
    lost = [0.1, float("nan"), float("nan"), 0.5]
    data = made([*[LEARNS] * 6, lost, LEARNS])
    data.loc[(data["subject_id"] == "s7") & (data["step"] < 20), "clip_i"] = np.nan
    said = told(data)
    assert said.count("Left out") == 1
    assert "Left out of correlations, with fewer than 3 checkpoints: s6, s7 (CLIP-I)." in said
    nobody = told(made([lost] * 6))
    assert "No subject has the 3 checkpoints that a correlation of DINO with CLIP-T" in nobody
    assert "Left out" not in nobody


def test_each_metric_has_its_own_claims_and_the_papers_decides() -> None:
    data = made([LEARNS] * 6)
    data["clip_i_train"] = [0.1, 0.5, 0.5, 0.1] * 6
    said = told(data)
    paper, ours = said.split("The paper's claim (Fig. 1) ")[1].split("CLIP-I, which Fig. 1")
    assert "is reproduced here" in paper
    assert "CLIP-I" not in paper
    assert "does not show: held-out CLIP-I correlates with CLIP-T more than training" in ours
    assert "training CLIP-I stays flat after its plateau: no" in ours


def test_moving_less_against_the_prompt_is_told_to_be_no_moving_with_it() -> None:
    """Both correlations are below 0; the held-out one is the higher one."""
    down = [[0.4, 0.3, 0.2, 0.1]] * 6
    test = [[0.1, 0.4, 0.1 + 0.01 * place, 0.4] for place in range(6)]
    found = measure_bias(made([[0.1, 0.2, 0.3, 0.4]] * 6, test, down), "dino")
    for one in found.together:
        assert one.train.value < one.test.value < 0
        assert one.apart.interval is not None
        assert one.apart.interval.low > 0
    assert [claim.holds for claim in bias_claims(found)[:2]] == [True, True]
    (said,) = [one for one in bias_sentences([found], 6) if one.startswith("Held-out")]
    assert said.startswith("Held-out DINO's own correlation is not surely above 0")


def test_a_gap_over_fewer_subjects_says_so() -> None:
    data = made([LEARNS] * 7)
    data.loc[(data["subject_id"] == "s0") & (data["step"] == 30), "dino"] = np.nan
    assert " to +0.100 [+0.100 to +0.100] (of 6 of 7 subjects);" in told(data)


# The numbers are those of the runs


def test_every_number_follows_from_the_images(
    memoriser: Results, memoriser_folder: Path, some: Benchmark, scorers: Encoders
) -> None:
    """One row, computed again from pixels, one image at a time."""
    run = open_run(memoriser_folder / "runs" / "seed-0-step-75")
    row = memoriser.data.query("step == 75 and subject_id == 'dog'").iloc[0]
    subject = some.subject("dog")

    def embed(image: Image.Image) -> Embeddings:
        return scorers.dino.encode_images(scorers.dino.preprocess(image)[None])[0]

    def seen(photo: Photo) -> Embeddings:
        return embed(photo.image())

    found = []
    for test in some.test_photos("dog"):
        (drawn,) = run.images("dog", test.photo.image_id)
        assert drawn.encoded is not None
        image = embed(decode_rgb(drawn.encoded))
        trained = [float(image @ seen(photo)) for photo in subject.train]
        found.append((float(image @ seen(test.photo)), np.mean(trained), max(trained)))
    wanted = np.mean(found, axis=0)
    assert [row["dino"], row["dino_train"], row["dino_nearest"]] == pytest.approx(
        wanted.tolist(), abs=1e-5
    )
    assert row["images"] == row["expected"] == HELD_OUT


def test_the_finding_tells_numbers_of_the_data(memoriser: Results) -> None:
    found = measure_bias(memoriser.data, "dino").together[0]
    assert f"difference +{found.apart.value:.3f}" in memoriser.finding
    assert "6 subjects of some of the miniature" in memoriser.finding
    assert "5 checkpoints from step 0 to 100, 1 training seed" in memoriser.finding
    assert memoriser.summary["dino"]["together"][0]["apart"]["value"] == found.apart.value  # type: ignore[index,call-overload]
    json.dumps(memoriser.summary, allow_nan=False)


# Interrupting


class Stopping(Planted):
    """Somebody presses Ctrl-C as the second subject is met."""

    def personalize(self, subject: Subject) -> CaseSampler:
        if subject.subject_id == "car":
            raise KeyboardInterrupt
        return super().personalize(subject)


def test_an_interrupted_experiment_ends_with_the_same_bytes(
    memoriser: Results,
    memoriser_folder: Path,
    some: Benchmark,
    scorers: Encoders,
    tmp_path: Path,
) -> None:
    for step in (0, 25, 75, 100):  # what is done is kept
        name = f"runs/seed-0-step-{step}"
        shutil.copytree(memoriser_folder / name, tmp_path / name)
    study = study_in(tmp_path, some, scorers)

    def at(step: int) -> Planted:
        kind = Stopping if step == 50 else Planted
        return kind(some, MEMORISER, step)

    with pytest.raises(KeyboardInterrupt):
        bias(study, [at], STEPS)
    record = tmp_path / "runs" / "seed-0-step-50" / "run.json"
    # The interrupted class and the planted one are of two names: one method to the run.
    text = record.read_text().replace("Stopping", "Planted")
    record.write_text(text)
    again = measured(tmp_path, some, scorers, MEMORISER)
    pd.testing.assert_frame_equal(again.data, memoriser.data, check_exact=True)
    files = [
        write_results(results, folder, {"figure": bias_figure(results.data, "Planted")})
        for results, folder in ((again, tmp_path), (memoriser, memoriser_folder))
    ]
    for ours, theirs in zip(*files, strict=True):
        assert ours.name == theirs.name
        assert ours.read_bytes() == theirs.read_bytes(), ours.name
    assert {path.name for path in files[0]} == {
        "data.parquet",
        "figure.png",
        "figure.svg",
        "summary.json",
        "finding.txt",
    }
    assert (tmp_path / "finding.txt").read_text() == memoriser.finding + "\n"


# Missing images and bad input


def test_a_missing_image_is_counted_and_lowers_no_mean(memoriser: Results) -> None:
    data = memoriser.data.copy()
    gone = (data["subject_id"] == "dog") & (data["step"] == 100)
    data.loc[gone, ["clip_t", "dino", "dino_train", "dino_nearest"]] = np.nan
    found = measure_bias(data, "dino")
    whole = measure_bias(memoriser.data, "dino")
    last = by_step(data, "dino")[100]
    assert last is not None
    assert last.units == 5
    assert found.together[0].train.units == 6, "four checkpoints are enough"
    assert found.together[0].train != whole.together[0].train


def test_steps_must_rise_and_be_enough(some: Benchmark, scorers: Encoders, tmp_path: Path) -> None:
    study = study_in(tmp_path, some, scorers)
    for steps in ((0, 1), (0, 2, 1), (0, 1, 1)):
        with pytest.raises(SettingsError, match="wanted at least three steps, rising"):
            bias(study, [lambda step: Planted(some, HONEST, step)], steps)


class Failing(Planted):
    """Cannot learn one subject."""

    def personalize(self, subject: Subject) -> CaseSampler:
        if subject.subject_id == "mug":
            raise RuntimeError("no mug")
        return super().personalize(subject)


def test_a_subject_that_cannot_be_learned_stops_the_experiment_and_is_named(
    some: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    with pytest.raises(GeneratorError, match=r"no image of mug: personalize_raised.*no mug"):
        bias(
            study_in(tmp_path, some, scorers),
            [lambda step: Failing(some, HONEST, step)],
            STEPS,
        )


# Trainings


def test_what_is_not_trained_is_refused_before_anything_is_drawn(
    some: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    study = study_in(tmp_path, some, scorers)
    with pytest.raises(
        SettingsError, match=r"copy-train.* has no training to look at\. Wanted one"
    ):
        trajectories(study, Recipe(), "copy-train", STEPS, 1)
    assert not list(tmp_path.iterdir())


def test_a_second_last_step_is_refused(some: Benchmark, scorers: Encoders, tmp_path: Path) -> None:
    study = study_in(tmp_path, some, scorers)
    for recipe, said in (
        (Recipe(common={"steps": 50}), "--model-arg steps=50: bias trains to the last of --steps."),
        (Recipe(own={"ti": {"steps": 50}}), "--model-arg ti:steps=50: bias trains to the last of"),
    ):
        with pytest.raises(SettingsError, match=said):
            trajectories(study, recipe, "ti", STEPS, 1)
