"""`methods` on made runs whose answer is known, and how figures are written."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from pdst.cli.experiment_options import Shared
from pdst.cli.reading import reading
from pdst.errors import ComparisonError, SettingsError
from pdst.experiments.entries import Entry, entries_of, pairing, short, with_plus
from pdst.experiments.figures import new_figure, require_matplotlib, save_figure, style
from pdst.experiments.methods import methods
from pdst.experiments.methods_figure import LEAST, MOST, area, methods_figure
from pdst.experiments.weighting import (
    POINTS,
    contrast,
    functions,
    seed_spread,
    weighting_claims,
)
from pdst.experiments.weighting_figure import functions_figure, weighting_figure
from pdst.run import Run
from tests.made_runs import (
    draw_card,
    made_cases,
    made_record,
    made_run,
    made_scores,
)

SUBJECTS = ["ant", "bee", "cat", "dog", "elk", "fox"]


def learned(name: str, seed: int) -> dict[str, object]:
    """The record of a method that was trained."""
    record = made_record(name=name)
    info = record["settings"]["generator"]["info"]  # type: ignore[index]
    digest = f"of seed {seed}"  # which `trained` has, and which makes no other method
    info["settings"] = {"training": {"seed": seed, "steps": 100}, "learned": digest}
    return record


def made(folder: Path, name: str, *, shift: float, seed: int = 0) -> Run:
    """One run; its noise follows from the training seed, its level from `shift`."""
    scores = made_scores(made_cases(SUBJECTS), seed=seed, shift=shift)
    path = folder / f"{name.replace(' ', '')}-{seed}"
    return made_run(path, scores, learned(name, seed), draw=draw_card)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two training seeds of four methods; + is 0.03 above its base, NeTI 0.05 above TI."""
    folder = tmp_path_factory.mktemp("runs")
    shifts = {"TI (x)": 0.0, "TI+ (x)": 0.03, "NeTI (x)": 0.05, "NeTI+ (x)": 0.08}
    return [
        made(folder, name, shift=shift, seed=seed)
        for name, shift in shifts.items()
        for seed in (0, 1)
    ]


# methods


def test_names_of_plus_methods() -> None:
    assert with_plus("TI (miniature)") == "TI+ (miniature)"
    assert with_plus("NeTI") == "NeTI+"
    assert short("NeTI+ (sd15)") == "NeTI+"


def test_what_the_plus_pipeline_adds_is_found_exactly(runs: list[Run]) -> None:
    found = methods(runs)
    apart = found.summary["differences"]
    assert list(apart) == ["TI+ − TI", "NeTI+ − NeTI"]  # type: ignore[arg-type]
    for rows in apart.values():  # type: ignore[union-attr]
        for row in rows:
            assert row["value"]["value"] == pytest.approx(0.03)
            assert row["value"]["interval"]["low"] == pytest.approx(0.03)
            assert row["value"]["p_value"] == pytest.approx(2 / 2**6)
    assert len(found.data) == 4 * 2 * len(SUBJECTS)
    said = "The paper's claim (Fig. 5, what the + pipeline adds) is reproduced here"
    assert said in found.finding
    assert "protocol paper: 4 methods, 2 training seeds each." in found.finding
    assert "The paper's claim (Fig. 5, NeTI leads the others) is reproduced here" in found.finding
    assert "NeTI is above TI, the best of the others without +, in DINO: yes" in found.finding
    assert "TI+ is above TI in CLIP-T: yes" in found.finding
    json.dumps(found.summary, allow_nan=False)


def test_a_method_without_gain_refutes_the_claim(tmp_path: Path) -> None:
    opened = [made(tmp_path, "TI", shift=0.0), made(tmp_path, "TI+", shift=-0.02)]
    found = methods(opened)
    assert "is not reproduced here" in found.finding
    assert "TI+ is above TI in DINO: no" in found.finding


def test_methods_alone_have_nothing_to_test(tmp_path: Path) -> None:
    found = methods([made(tmp_path, "TI", shift=0.0)])
    assert "nothing to test" in found.finding


def test_means_are_over_subjects_of_means_over_seeds(runs: list[Run]) -> None:
    found = methods(runs)
    tables = [run.scores() for run in runs[:2]]
    by_hand = np.mean([table.groupby("subject_id")["dino"].mean() for table in tables])
    assert found.summary["means"]["dino"]["TI (x)"]["value"] == pytest.approx(by_hand)  # type: ignore[index,call-overload]
    assert found.summary["means"]["dino"]["TI (x)"]["units"] == len(SUBJECTS)  # type: ignore[index,call-overload]


def test_the_table_has_a_row_a_method_and_a_row_a_pair(runs: list[Run]) -> None:
    lines = methods(runs).table.splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == [
        *("| method", "| ---", "| TI (x)", "| TI+ (x)", "| NeTI (x)", "| NeTI+ (x)"),
        *("| on the same cases", "| ---", "| TI+ − TI", "| NeTI+ − NeTI"),
    ]
    assert "+0.030 [+0.030 to +0.030], p 0.031" in lines[-1]


def test_pairs_are_of_one_training_seed_in_whatever_order_runs_are_given(tmp_path: Path) -> None:
    # Noise follows from the seed: paired by it, only the shift is left.
    base = [made(tmp_path, "TI (x)", shift=0.0, seed=seed) for seed in (0, 1, 2)]
    plus = [made(tmp_path, "TI+ (x)", shift=0.03, seed=seed) for seed in (2, 3, 1)]
    first, second = (
        Entry(name="", method="", runs=tuple(one)) for one in (plus[:1] + plus[2:], base)
    )
    paired = pairing(first, second)
    assert (paired.first, paired.second) == ((plus[0], plus[2]), (base[2], base[1]))
    assert paired.unpaired == (base[0],)
    assert paired.told("A", "B") == (
        "A and B were not trained with the same seeds: 0 beside none, left out."
    )
    found = methods([*base, plus[2], plus[0]]).summary["differences"]
    for one in found["TI+ − TI"]:  # type: ignore[index, call-overload]
        low, high = one["value"]["interval"].values()
        assert high - low < 1e-6
    # A seed that only one of them has is better than none.
    paired = pairing(Entry(name="", method="", runs=tuple(plus)), second)
    assert paired.first == (plus[0], plus[2], plus[1])
    assert paired.second == (base[2], base[1], base[0])
    assert "TI+ and TI were not trained with the same seeds: training seeds 3 beside 0." in (
        methods([*base, *plus]).finding
    )
    assert "not trained with the same" not in methods([*base[1:], plus[0], plus[2]]).finding


def test_means_are_over_the_cases_that_all_runs_have(tmp_path: Path) -> None:
    whole = made(tmp_path, "TI (x)", shift=0.0)
    few = made_run(
        tmp_path / "few",
        made_scores(made_cases(SUBJECTS[2:]), seed=0, shift=0.01),
        learned("NeTI (x)", 0),
    )
    found = methods([whole, few])
    assert found.data.groupby("method")["subject_id"].unique().map(list).tolist() == [
        SUBJECTS[2:],
        SUBJECTS[2:],
    ]
    means = found.summary["means"]["dino"]  # type: ignore[index,call-overload]
    alone = whole.scores().query("subject_id in @SUBJECTS[2:]")["dino"].mean()
    assert means["TI (x)"]["value"] == pytest.approx(alone)
    assert (
        "Means are over the 32 cases that all runs have (others left out: TI (x) 16), differences "
        "over those that both have." in found.finding
    )
    other = made_run(tmp_path / "other", made_scores(made_cases(["gnu"])), learned("NeTI (x)", 0))
    with pytest.raises(ComparisonError, match="No case is in all of"):
        methods([whole, other])


def few_and_many(folder: Path, name: str, subjects: Sequence[str], **facts: float) -> Run:
    """A run of some subjects, whose name says all else of it."""
    scores = made_scores(made_cases(subjects), seed=0, shift=facts.get("shift", 0.0))
    record = made_record(name=name) if name.startswith("Class") else learned(name, 0)
    return made_run(folder / name, scores, record)


def test_a_difference_over_more_subjects_than_the_means_says_so(tmp_path: Path) -> None:
    runs = [
        few_and_many(tmp_path, "Class noun (x)", SUBJECTS[:3]),
        few_and_many(tmp_path, "TI (x)", SUBJECTS),
        few_and_many(tmp_path, "TI+ (x)", SUBJECTS, shift=0.03),
    ]
    said = methods(runs).finding
    assert said.startswith("3 subjects of made")
    assert "DINO +0.030 [+0.030 to +0.030] (p 0.031, 6 subjects)" in said
    assert "stays undecided" not in said


def test_the_best_of_the_others_is_sought_among_all_that_learn_without_plus(
    tmp_path: Path,
) -> None:
    runs = [
        few_and_many(tmp_path, "Class noun (x)", SUBJECTS, shift=-0.1),
        few_and_many(tmp_path, "NeTI (x)", SUBJECTS, shift=0.05),
        few_and_many(tmp_path, "TI (x)", SUBJECTS),
        few_and_many(tmp_path, "TI+ (x)", SUBJECTS, shift=0.2),
        few_and_many(tmp_path, "Mine", SUBJECTS, shift=0.1),
    ]
    for shown in (runs, [*runs[:2], *runs[3:]]):  # TI+ is no other without +, with TI or not
        found = methods(shown)
        assert "NeTI is above Mine, the best of the others without +, in DINO: no" in found.finding
        assert "NeTI − Mine, likewise: CLIP-T −0.050" in found.finding
        assert "Mine − class noun" in found.summary["differences"]  # type: ignore[operator]


def test_two_class_nouns_are_told_apart(tmp_path: Path) -> None:
    def floor(folder: str, steps: int, shift: float) -> Run:
        record = made_record(name="Class noun (x)")
        record["settings"]["generator"]["info"]["settings"] = {"steps": steps}  # type: ignore[index]
        return made_run(
            tmp_path / folder, made_scores(made_cases(SUBJECTS), seed=0, shift=shift), record
        )

    runs = [floor("short", 20, -0.1), floor("long", 50, -0.2), made(tmp_path, "TI (x)", shift=0.0)]
    found = methods(runs).summary["differences"]
    assert {name: round(one[2]["value"]["value"], 6) for name, one in found.items()} == {  # type: ignore[union-attr]
        "TI − Class noun (x) [short]": 0.1,
        "TI − Class noun (x) [long]": 0.2,
    }


def test_one_run_given_twice_is_refused(tmp_path: Path) -> None:
    run = few_and_many(tmp_path, "Class noun (x)", SUBJECTS)
    with pytest.raises(ComparisonError, match=r"given twice: it would count as two training seeds"):
        methods([run, run])


def test_a_pair_without_a_score_is_undecided_and_no_pair_is_another_thing(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS), seed=0, shift=0.0)
    lost = scores.assign(reason="raised: no luck", clip_t=np.nan, clip_i=np.nan, dino=np.nan)
    runs = [
        made(tmp_path, "TI (x)", shift=0.0),
        made_run(tmp_path / "plus", lost, learned("TI+ (x)", 0)),
    ]
    said = methods(runs).finding
    assert "TI+ is above TI in DINO: undecided" in said
    assert "No pair" not in said
    assert "No image has a score in DINO." in methods(runs[1:]).finding


def test_means_over_fewer_subjects_say_so(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS), seed=0, shift=-0.003)
    lost = scores["subject_id"] == SUBJECTS[0]
    scores.loc[lost, "reason"] = "raised: no luck"
    scores.loc[lost, ["clip_t", "clip_i", "dino"]] = None
    runs = [
        made(tmp_path, "TI (x)", shift=0.0),
        made_run(tmp_path / "plus", scores, learned("TI+ (x)", 0)),
    ]
    found = methods(runs)
    assert "(of 5 of 6 subjects)" in found.finding
    assert "(of 5 of 6 subjects)" in found.table


def test_a_run_that_lacks_a_metric_is_read(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS), seed=0, shift=0.0).drop(columns="diversity")
    record = learned("TI (x)", 0)
    rows = methods([made_run(tmp_path / "old", scores, record)]).data
    assert rows["diversity"].isna().all()


def test_runs_of_one_folder_name_are_counted_apart(tmp_path: Path) -> None:
    runs = []
    for place, (seed, subjects) in enumerate(((0, SUBJECTS), (1, SUBJECTS[1:]))):
        scores = made_scores(made_cases(subjects), seed=seed, shift=0.0)
        runs.append(made_run(tmp_path / str(place) / "r", scores, learned("TI (x)", seed)))
    assert "(others left out: " in methods(runs).finding
    assert " 8), differences" in methods(runs).finding


def test_methods_to_draw_with_are_refused_beside_runs(runs: list[Run]) -> None:
    folders = [str(run.path) for run in runs[:2]]
    for name in ("methods", "grid"):
        done = CliRunner().invoke(reading, ["experiment", name, *folders, "--methods", "ti"])
        assert done.exit_code == 2
        assert "--methods is ti beside finished runs" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Shared(model_arg=["rate=0.5"]), "--model-arg class-noun:rate=…"),
        (Shared(steps=3), "--steps is 3, but none of class-noun, a:B is trained"),
        (Shared(seeds=2), "--seeds is 2, but none of class-noun, a:B is trained"),
    ],
)
def test_what_is_for_training_is_refused_where_nothing_trains(given: Shared, why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(why)):
        given.recipe("class-noun", "a:B")
    assert Shared(model_arg=["guidance=2"]).recipe("class-noun").common == {"guidance": 2}


def test_missing_images_are_told(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS), seed=0, shift=0.0)
    lost = scores.index < 5
    scores.loc[lost, "reason"] = "raised: no luck"
    scores.loc[lost, ["clip_t", "clip_i", "dino", "clip_i_train", "dino_train"]] = None
    runs = [
        made_run(tmp_path / "ti", scores, learned("TI (x)", 0)),
        made(tmp_path, "NeTI (x)", shift=0.0),
    ]
    assert "5 of 96 images are missing (TI 5)." in methods(runs).finding


def test_methods_of_one_name_stay_apart_and_each_has_its_pair(tmp_path: Path) -> None:
    def of(folder: str, name: str, steps: int, shift: float) -> Run:
        record = learned(name, 0)
        settings = record["settings"]["generator"]["info"]["settings"]  # type: ignore[index]
        settings["training"]["steps"] = steps
        scores = made_scores(made_cases(SUBJECTS), seed=0, shift=shift)
        return made_run(tmp_path / folder / "seed-0", scores, record, draw=draw_card)

    floor = made_run(
        tmp_path / "floor",
        made_scores(made_cases(SUBJECTS), seed=0, shift=-0.1),
        made_record(name="Class noun (x)"),
    )
    base = of("base", "TI (x)", 100, 0.0)
    plus = [of("short", "TI+ (x)", 100, 0.03), of("long", "TI+ (x)", 500, -0.1)]
    names = [f"TI+ (x) [{run.path}]" for run in plus]
    found = methods([floor, base, *plus])
    assert found.data["method"].unique().tolist() == ["Class noun (x)", "TI (x)", *names]
    shown = {
        name: round(one[2]["value"]["value"], 6)
        for name, one in found.summary["differences"].items()  # type: ignore[union-attr]
    }
    assert shown == {
        f"{names[0]} − TI": 0.03,
        f"{names[1]} − TI": -0.1,
        "TI − class noun": 0.1,
        f"{names[0]} − class noun": 0.13,
        f"{names[1]} − class noun": 0.0,
    }
    assert all(name in found.finding for name in names)


def test_one_training_seed_given_twice_is_no_second_seed(tmp_path: Path) -> None:
    one = made(tmp_path / "a", "TI (x)", shift=0.0, seed=1)
    again = made(tmp_path / "b", "TI (x)", shift=0.0, seed=1)
    other = made(tmp_path / "a", "TI (x)", shift=0.0, seed=4)
    with pytest.raises(ComparisonError, match=r"one training seed.*Give one of them"):
        methods([one, again])
    assert methods([one, other]).data["seed"].unique().tolist() == [1, 4]


def test_a_method_without_a_single_image_leads_nothing(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS), seed=0, shift=0.0)
    lost = scores.assign(reason="raised: no luck", clip_t=np.nan, clip_i=np.nan, dino=np.nan)
    runs = [
        made_run(tmp_path / "ti", lost, learned("TI (x)", 0)),
        made(tmp_path, "NeTI (x)", shift=0.0),
    ]
    assert methods(runs).summary["claims"] == []


def test_learned_methods_are_held_against_the_class_noun_seed_by_seed(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS), seed=0, shift=-0.1)
    floor = made_run(tmp_path / "floor", scores, made_record(name="Class noun (x)"), draw=draw_card)
    seeds = [
        made(tmp_path, "TI (x)", shift=shift, seed=seed) for seed, shift in ((0, 0.0), (1, 0.2))
    ]
    found = methods([floor, *seeds]).summary["differences"]
    assert set(found) == {"TI − class noun"}  # type: ignore[arg-type]
    dino = next(one for one in found["TI − class noun"] if one["metric"] == "dino")  # type: ignore
    alone = [methods([floor, one]).summary["differences"] for one in seeds]
    means = [
        next(one for one in own["TI − class noun"] if one["metric"] == "dino")["value"]["value"]  # type: ignore
        for own in alone
    ]
    assert dino["value"]["value"] == pytest.approx(sum(means) / 2)
    assert means[1] - means[0] > 0.15


def test_runs_of_other_settings_are_another_method(tmp_path: Path) -> None:
    one = made(tmp_path, "TI", shift=0.0)
    record = learned("TI", 0)
    record["settings"]["generator"]["info"]["settings"]["training"]["steps"] = 900  # type: ignore[index]
    other = made_run(tmp_path / "longer", made_scores(made_cases(SUBJECTS)), record)
    names = [entry.name for entry in entries_of([one, other])]
    assert names == ["TI [TI-0]", "TI [longer]"]


def test_runs_of_another_key_are_refused(tmp_path: Path, runs: list[Run]) -> None:
    other = made_run(
        tmp_path / "other",
        made_scores(made_cases(SUBJECTS)),
        made_record(name="TI", protocol="quick-00000000"),
    )
    with pytest.raises(ComparisonError, match="protocol"):
        methods([runs[0], other])


def test_areas_are_linear_in_clip_t() -> None:
    shown = [0.2, 0.25, 0.3]
    assert [area(one, shown) for one in shown] == [LEAST, (LEAST + MOST) / 2, MOST]
    assert area(0.2, [0.2]) == (LEAST + MOST) / 2


def test_a_figure_has_an_arrow_a_pair_and_always_the_same_bytes(
    runs: list[Run], tmp_path: Path
) -> None:
    data = methods(runs).data
    written = [save_figure(methods_figure(data), tmp_path / name) for name in ("a", "b")]
    for one, other in zip(*written, strict=True):
        assert one.read_bytes() == other.read_bytes()
    figure = methods_figure(data)
    (axes,) = figure.get_axes()
    assert len([text for text in axes.texts if text.arrow_patch is not None]) == 2  # type: ignore[attr-defined]
    assert ET.parse(written[0][1]).getroot().tag.endswith("svg")
    assert b"<dc:date>" not in written[0][1].read_bytes()
    with Image.open(written[0][0]) as picture:
        assert picture.format == "PNG"
        assert "Software" not in picture.info


def test_without_matplotlib_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingsError, match=r"pip install 'pdst\[figures\]'"):
        require_matplotlib()


def test_options_that_would_do_nothing_beside_runs_are_refused(runs: list[Run]) -> None:
    folders = [str(run.path) for run in runs]
    options = ["--subjects", "ant", "--steps", "3"]
    for name in ("methods", "grid"):
        done = CliRunner().invoke(reading, ["experiment", name, *folders, *options])
        assert done.exit_code == 2
        assert "--subjects, --steps: finished runs are given" in " ".join(done.output.split())


@pytest.mark.parametrize("given", ["seed=5", "ti:seed=5"])
def test_one_training_seed_is_not_trained_as_several(given: str) -> None:
    with pytest.raises(SettingsError, match="--seeds 3 would train one seed several times"):
        Shared(model_arg=["batch=4", given], seeds=3).recipe("ti")
    recipe = Shared(model_arg=["batch=4", given]).recipe("ti")
    assert {**recipe.common, **recipe.own.get("ti", {})} == {"batch": 4, "seed": 5}


def test_the_command_reads_finished_runs(runs: list[Run], tmp_path: Path) -> None:
    paths = [str(run.path) for run in runs]
    out = tmp_path / "out"
    done = CliRunner().invoke(reading, ["experiment", "methods", *paths, "--out", str(out)])
    assert done.exit_code == 0, done.output
    found = methods(runs)
    assert found.finding in done.stdout
    assert (out / "table.md").read_text() == found.table
    pd.testing.assert_frame_equal(pd.read_parquet(out / "data.parquet"), found.data)
    assert json.loads((out / "summary.json").read_text())["experiment"] == "methods"


# weighting


def weighted(levels: dict[str, float], seeds: int = 2) -> pd.DataFrame:
    """Scores by function: its level, a subject's, and a training seed's."""
    return pd.DataFrame(
        [
            {
                "schedule": name,
                "seed": seed,
                "subject_id": subject_id,
                **dict.fromkeys(
                    ("clip_t", "clip_i", "dino"), level + 0.01 * place + 0.002 * (seed - 0.5)
                ),
            }
            for name, level in levels.items()
            for seed in range(seeds)
            for place, subject_id in enumerate(SUBJECTS)
        ]
    )


def test_each_of_the_papers_best_functions_is_held_against_all_others() -> None:
    levels = {"zero": 0.5, "one": 0.4, "exponential": 0.45, "linear": 0.45, "exp_convex": 0.45}
    data = weighted({**levels, "sigmoid": 0.44, "cosine": 0.7})
    found = contrast(data, "cosine", "dino")
    assert found is not None
    assert found.value == pytest.approx(0.7 - 0.45)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(0.25)
    claims = {claim.says: claim.holds for claim in weighting_claims(data, {})}
    assert claims["cosine is above the mean of the others in DINO"] is True
    assert claims["sigmoid is above the mean of the others in DINO"] is False, "cosine hid it"
    assert claims["one is below zero in DINO"] is None, "nothing was handed to it"


def test_a_claim_about_a_function_that_was_not_drawn_is_undecided() -> None:
    claims = {
        claim.says: claim.holds
        for claim in weighting_claims(weighted({"zero": 0.9, "linear": 0.5, "cosine": 0.7}), {})
    }
    assert claims["sigmoid is above the mean of zero, linear in DINO (not drawn)"] is None
    assert claims["exponential is below zero in CLIP-T (not drawn)"] is None
    assert claims["cosine is above the mean of zero, linear in CLIP-I"] is None, "level: .7 and .7"


def test_the_spread_over_training_seeds_is_a_standard_deviation() -> None:
    spread = seed_spread(weighted({"zero": 0.5}), "dino")["zero"]
    assert spread == pytest.approx(np.std([-0.001, 0.001], ddof=1))
    assert seed_spread(weighted({"zero": 0.5}, seeds=1), "dino") == {"zero": None}


def test_the_functions_are_those_of_the_trainer(tmp_path: Path) -> None:
    rows = functions()
    assert len(rows) == 7 * POINTS
    middle = rows[rows["progress"] == 0.5].set_index("weighting")["weight"]
    assert middle["cosine"] == pytest.approx(0.5)
    assert middle["exponential"] == pytest.approx(0.924, abs=5e-4)
    (axes,) = functions_figure().get_axes()
    assert [line.get_label() for line in axes.get_lines()] == list(rows["weighting"].unique())
    names = [
        text.get_text()
        for text in weighting_figure(weighted({"zero": 0.5, "cosine": 0.7}))
        .get_axes()[0]
        .get_yticklabels()
    ]
    assert names == ["cosine", "zero"]
    with style():
        save_figure(new_figure(1, 1), tmp_path / "empty")
    assert (tmp_path / "empty.png").stat().st_size > 0
