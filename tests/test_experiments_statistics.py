"""What the paper's experiments compute, against scipy and against numbers worked out by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pdst.errors import DatasetError, SettingsError
from pdst.experiments.agreement import Apart, estimate, estimate_apart
from pdst.experiments.curves import SMALL, along, correlation, course, pearson, together
from pdst.experiments.entries import entries_of, plus_pairs
from pdst.experiments.findings import DECIDING, ERRING, Claim, both, is_above, verdict
from pdst.experiments.study import choose_subjects
from pdst.experiments.tables import differences, over_subjects, subject_rows
from pdst.summarize import bootstrap_interval
from pdst.types import Interval
from tests.made_runs import (
    failed,
    made_benchmark,
    made_cases,
    made_record,
    made_run,
    made_scores,
)

STEPS = (0, 10, 20, 40)


def curves(of_subject: Mapping[str, Mapping[str, Sequence[float]]]) -> pd.DataFrame:
    """Rows of subjects' curves over STEPS, one training seed."""
    return pd.DataFrame(
        [
            {
                "seed": 0,
                "step": step,
                "subject_id": subject_id,
                **{name: values[place] for name, values in columns.items()},
            }
            for subject_id, columns in of_subject.items()
            for place, step in enumerate(STEPS)
        ]
    )


# Correlations along training


def test_correlations_by_hand() -> None:
    assert pearson([0, 1, 2], [1, 3, 5]) == pytest.approx(1.0)
    assert pearson([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)  # 1 over sqrt(2 * 2)
    assert correlation("spearman", [1, 2, 3], [10, 20, 15]) == pytest.approx(0.5)


def test_what_never_moves_moves_with_nothing() -> None:
    for coefficient in ("pearson", "spearman"):
        assert correlation(coefficient, [1, 2, 3], [5, 5, 5]) == 0.0
        assert correlation(coefficient, [5, 5, 5], [1, 2, 3]) == 0.0


def test_each_subject_has_its_own_correlation_and_the_mean_is_over_subjects() -> None:
    rng = np.random.default_rng(3)
    made = {
        subject: {name: rng.normal(size=4).tolist() for name in ("text", "train", "test")}
        for subject in "abcdefg"
    }
    for coefficient, by_scipy in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        found = together(curves(made), coefficient, prompt="text", train="train", test="test")
        assert found is not None
        to_train = [float(by_scipy(one["text"], one["train"]).statistic) for one in made.values()]
        to_test = [float(by_scipy(one["text"], one["test"]).statistic) for one in made.values()]
        apart = (np.array(to_test) - to_train).tolist()
        assert found.train.value == pytest.approx(np.mean(to_train))
        assert found.test.value == pytest.approx(np.mean(to_test))
        assert found.apart.value == pytest.approx(np.mean(apart))
        assert found.apart.interval == bootstrap_interval(apart)
        assert found.apart.units == 7
        assert found.left_out == ()


def test_training_seeds_are_averaged_before_correlating() -> None:
    one = curves({"a": {"text": [0, 1, 2, 3], "train": [0, 4, 0, 4], "test": [0, 1, 2, 3]}})
    other = one.assign(seed=1, train=one["train"].map({0: 2.0, 4: 0.0}))
    whole = pd.concat([one, other])
    found = together(whole, "pearson", prompt="text", train="train", test="test")
    assert found is not None
    # (0+2)/2, (4+0)/2, (0+2)/2, (4+0)/2 = 1, 2, 1, 2
    assert found.train.value == pytest.approx(pearson([0, 1, 2, 3], [1, 2, 1, 2]))


def test_a_subject_with_too_few_checkpoints_is_left_out_by_name() -> None:
    rows = curves(
        {
            "a": {"text": [0, 1, 2, 3], "train": [1, 1, 2, 3], "test": [0, 1, 2, 3]},
            "b": {"text": [0, 1, 2, 3], "train": [1, 1, np.nan, np.nan], "test": [0, 1, 2, 3]},
        }
    )
    found = together(rows, "pearson", prompt="text", train="train", test="test")
    assert found is not None
    assert found.left_out == ("b",)
    assert found.train.units == 1
    assert found.train.interval is None
    lost = rows.assign(train=np.nan)
    assert together(lost, "pearson", prompt="text", train="train", test="test") is None


def test_a_checkpoint_that_one_training_seed_lacks_is_no_mean_of_the_others() -> None:
    one = curves({"a": {"train": [0.0, 0.2, 0.4, 0.6]}, "b": {"train": [0.0, 0.1, 0.2, 0.3]}})
    other = one.assign(seed=1, train=one["train"] + 0.2)
    lost = other.assign(
        train=other["train"].mask((other["subject_id"] == "a") & (other["step"] == 10))
    )
    gone = other.drop(other.index[(other["subject_id"] == "a") & (other["step"] == 10)])
    for second in (lost, gone):
        found = along(pd.concat([one, second]), "train")
        assert found.columns.tolist() == list(STEPS)
        assert np.isnan(found.loc["a", 10]), "0.2, not the 0.3 of both seeds"
        assert found.loc["a", [0, 20, 40]].tolist() == pytest.approx([0.1, 0.5, 0.7])
        assert found.loc["b"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


# Plateaus


def test_a_plateau_begins_where_nine_tenths_of_the_rise_are_made() -> None:
    rows = curves(
        {
            "a": {"train": [0.1, 0.4, 0.64, 0.60], "test": [0.1, 0.5, 0.4, 0.2]},
            "b": {"train": [0.1, 0.4, 0.60, 0.60], "test": [0.1, 0.5, 0.4, 0.2]},
        }
    )
    found = course(rows, train="train", test="test")
    assert found is not None
    assert (found.first, found.top, found.left_out) == (0, 20, ())
    assert found.rise.value == pytest.approx(0.52)
    assert found.rise.interval == Interval(low=pytest.approx(0.50), high=pytest.approx(0.54))
    flat = found.plateau
    assert flat is not None
    assert (flat.step, flat.checkpoints) == (20, 2)  # at step 10, 0.3 of 0.52 are made
    # From the highest, at 20, to the lowest, at 40: a falls by 0.04, b by nothing.
    assert flat.band.value == pytest.approx(0.02)
    assert flat.band.interval == Interval(low=pytest.approx(0.0), high=pytest.approx(0.04))
    assert flat.test_band.value == pytest.approx(0.2)
    assert flat.share.value == pytest.approx(0.02 / 0.52)
    assert flat.share.interval is not None
    # Resampled with the rise: a alone is 0.04 of 0.54, b alone 0 of 0.50.
    assert flat.share.interval.high == pytest.approx(0.04 / 0.54)
    assert flat.excess.value == pytest.approx(0.02 - SMALL * 0.52)


def test_a_curve_that_still_rises_has_no_plateau() -> None:
    rows = curves({"a": {"train": [0.0, 0.1, 0.2, 0.3], "test": [0, 1, 1, 1]}})
    found = course(rows, train="train", test="test")
    assert found is not None
    assert found.rises
    assert found.plateau is None


def test_a_curve_that_does_not_surely_rise_has_no_plateau() -> None:
    falling = curves({"a": {"train": [0.4, 0.3, 0.3, 0.1], "test": [0, 1, 1, 1]}})
    found = course(falling, train="train", test="test")
    assert found is not None
    assert (found.top, found.rise.value, found.rises) == (0, 0.0, False)
    assert found.plateau is None
    apart = curves(
        {
            "a": {"train": [0.1, 0.3, 0.3, 0.3], "test": [0, 1, 1, 1]},
            "b": {"train": [0.3, 0.2, 0.2, 0.2], "test": [0, 1, 1, 1]},
        }
    )
    found = course(apart, train="train", test="test")
    assert found is not None
    assert found.rise.value == pytest.approx(0.05)  # +0.2 and -0.1
    assert not found.rises
    assert found.plateau is None


def test_a_course_is_of_subjects_with_all_checkpoints() -> None:
    rows = curves(
        {
            "a": {"train": [0.0, 0.4, 0.4, 0.4], "test": [0, 1, 1, 1]},
            "b": {"train": [0.0, np.nan, 0.9, 0.9], "test": [0, 1, 1, 1]},
            "c": {"train": [0.0, 0.9, 0.9, 0.9], "test": [0, 1, 1, np.nan]},
        }
    )
    found = course(rows, train="train", test="test")
    assert found is not None
    assert found.left_out == ("b", "c")
    assert (found.rise.units, found.rise.value) == (1, 0.4)
    assert course(rows[rows["subject_id"] != "a"], train="train", test="test") is None


# Rows and differences


def test_a_run_becomes_a_row_a_subject(tmp_path: Path) -> None:
    cases = made_cases(["dog6", "vase"])
    scores = failed(made_scores(cases), [0, 1, *range(8, 16)], "raised: no")
    run = made_run(tmp_path / "run", scores)
    rows = subject_rows(run, step=40).set_index("subject_id")
    assert rows["step"].tolist() == [40, 40]
    assert rows["images"].to_dict() == {"dog6": 6, "vase": 0}
    assert rows["expected"].to_dict() == {"dog6": 8, "vase": 8}
    own = scores[scores["subject_id"] == "dog6"]
    assert rows.loc["dog6", "dino"] == pytest.approx(own["dino"].mean())
    assert np.isnan(rows.loc["vase", "dino"])


def test_a_mean_over_subjects_first_averages_each_ones_rows() -> None:
    rows = pd.DataFrame({"subject_id": ["a", "a", "b"], "dino": [0.0, 1.0, 1.0]})
    assert over_subjects(rows, "dino") == estimate([0.5, 1.0])
    assert over_subjects(rows.assign(dino=np.nan), "dino") is None


def test_differences_pool_pairs_of_seeds_by_subject(tmp_path: Path) -> None:
    cases = made_cases(["a", "b", "c"])
    base = [
        made_run(tmp_path / f"base-{seed}", made_scores(cases, seed=seed), made_record(name="TI"))
        for seed in range(2)
    ]
    plus = [
        made_run(
            tmp_path / f"plus-{seed}",
            made_scores(cases, seed=seed, shift=shift),
            made_record(name="TI+"),
        )
        for seed, shift in enumerate((0.02, 0.06))
    ]
    (found,) = differences(plus, base, ["dino"])
    assert found.value.value == pytest.approx(0.04)
    assert found.value.units == 3
    assert found.value.p_value == pytest.approx(0.25)  # 2 of 8 sign patterns are as large
    entries = entries_of([*base, *plus])
    assert [(entry.name, len(entry.runs)) for entry in entries] == [("TI", 2), ("TI+", 2)]
    (pair,) = plus_pairs(entries)
    assert pair.differences(["dino"]) == (found,)


# Claims


def estimated(low: float, high: float, units: int = DECIDING, p_value: float = 0.03) -> Apart:
    between = Interval(low=low, high=high)
    return Apart(value=(low + high) / 2, interval=between, units=units, p_value=p_value)


def test_a_difference_is_decided_by_interval_and_p_value_of_enough_subjects() -> None:
    assert is_above(estimated(0.01, 0.02)) is True
    assert is_above(estimated(-0.02, -0.01)) is False
    assert is_above(estimated(-0.01, 0.02)) is None
    assert is_above(estimated(0.0, 0.02)) is None
    assert is_above(estimated(0.01, 0.02, DECIDING - 1)) is None
    assert is_above(estimated(0.01, 0.02, p_value=0.06)) is None
    assert is_above(None) is None
    # One subject of six leans the other way: the interval misses 0, chance does it in 6 of 64.
    leaning = estimate_apart([0.05, 0.04, 0.03, 0.05, 0.04, -0.025])
    assert leaning.interval is not None
    assert leaning.interval.low > 0
    assert leaning.p_value is not None
    assert leaning.p_value > 0.05
    assert is_above(leaning) is None
    assert is_above(estimate_apart([0.05, 0.04, 0.03, 0.05, 0.04, 0.01])) is True
    # The rarest that so many subjects can agree by chance, both signs, is under 5 %.
    assert 2.0 ** (1 - DECIDING) < 0.05 <= 2.0 ** (2 - DECIDING)


def test_without_a_difference_claims_are_decided_as_seldom_as_is_said() -> None:
    draws = np.random.default_rng(0).normal(size=(1000, DECIDING))
    found = [estimate_apart(own.tolist()) for own in draws]
    by_interval = [
        one.interval is not None and (one.interval.low > 0 or one.interval.high < 0)
        for one in found
    ]
    decided = [is_above(one) is not None for one in found]
    assert 0.11 < np.mean(by_interval) < 0.17, "14 % are said of the interval alone"
    assert np.mean(decided) < ERRING + 2 * np.sqrt(ERRING * (1 - ERRING) / len(found))
    assert np.mean(decided) > 0.01, "a rule that never decides would not err either"


def test_a_claim_in_parts_holds_if_all_parts_do() -> None:
    assert both(True, True) is True
    assert both(True, None) is None
    assert both(True, None, False) is False
    said = verdict("Fig. 0", [Claim(says="x", holds=True), Claim(says="y", holds=None)], [20])
    assert said == (
        "The paper's claim (Fig. 0) is neither reproduced nor refuted here: x: yes; y: undecided."
    )
    assert verdict("Fig. 0", [Claim(says="x", holds=False)], [20, 2]).endswith(
        "x: no. What fewer than 6 subjects say stays undecided."
    )


# Subjects


def test_a_number_of_subjects_is_spread_evenly_over_both_kinds() -> None:
    names = [f"s{number:02}" for number in range(20)]  # living and rigid in turn
    benchmark = made_benchmark(names)
    assert choose_subjects(benchmark, "all") is None
    assert choose_subjects(benchmark, "20") is None
    assert choose_subjects(benchmark, "s03, s01") == ("s01", "s03")
    four = choose_subjects(benchmark, "4")
    assert four == ("s04", "s05", "s14", "s15")  # the 3rd and 8th of ten of each kind
    assert choose_subjects(benchmark, "1") == ("s10",)
    kinds = [benchmark.subject(one).kind for one in choose_subjects(benchmark, "7") or ()]
    assert sorted(kinds) == ["living"] * 4 + ["rigid"] * 3
    for wrong in ("0", "21", " , "):
        with pytest.raises(SettingsError, match="--subjects is"):
            choose_subjects(benchmark, wrong)
    with pytest.raises(DatasetError, match="s3"):
        choose_subjects(benchmark, "s3")
