"""Claims about comparisons: who may meet whom, what is subtracted, what chance would give."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pdst.compare import (
    FLIPS,
    Comparison,
    PairedDifference,
    compare,
    comparison_to_json,
    sign_flip_p,
    subject_differences,
)
from pdst.errors import ComparisonError, StoreError
from tests.made_runs import failed, made_cases, made_record, made_run, made_scores

SUBJECTS = [f"s{number}" for number in range(8)]


def of(comparison: Comparison, metric: str) -> PairedDifference:
    (found,) = [paired for paired in comparison.metrics if paired.metric == metric]
    return found


def two_runs(tmp_path: Path, first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    return compare(
        made_run(tmp_path / "a", first, made_record(name="A")),
        made_run(tmp_path / "b", second, made_record(name="B")),
    )


def test_a_constant_shift_is_found_exactly(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    higher = scores.assign(dino=scores["dino"] + 0.25)
    paired = of(two_runs(tmp_path, higher, scores), "dino")
    assert paired.difference == pytest.approx(0.25)
    assert paired.interval is not None
    assert paired.interval.low == pytest.approx(0.25)
    assert paired.interval.high == pytest.approx(0.25)
    # All 8 signs agree: of the 2^8 patterns, only it and its mirror give as large a mean.
    assert paired.p_value == pytest.approx(2 / 2**8)
    assert (paired.pairs, paired.subjects) == (64, 8)
    assert paired.dropped == {}


def test_the_difference_is_over_subjects_not_images(tmp_path: Path) -> None:
    cases = made_cases(["few"], photos=1, captions=1, seeds=1) + made_cases(["many"], photos=4)
    second = made_scores(cases)
    first = second.assign(dino=second["dino"] + np.where(second["subject_id"] == "few", 0.3, -0.1))
    paired = of(two_runs(tmp_path, first, second), "dino")
    assert paired.per_subject == pytest.approx({"few": 0.3, "many": -0.1})
    assert paired.difference == pytest.approx(0.1)


def test_pairing_sees_what_separate_intervals_do_not(tmp_path: Path) -> None:
    # Subjects differ by 0.05, the methods by 0.01: only the paired difference is clear of zero.
    cases = made_cases(SUBJECTS, photos=3, captions=5)
    comparison = two_runs(
        tmp_path, made_scores(cases, seed=1, shift=0.01), made_scores(cases, seed=2)
    )
    paired = of(comparison, "dino")
    assert paired.interval is not None
    assert 0 < paired.interval.low < 0.01 < paired.interval.high < 0.02
    assert paired.p_value is not None
    assert paired.p_value < 0.05


def test_order_of_rows_and_runs_does_not_matter(tmp_path: Path) -> None:
    cases = made_cases(SUBJECTS)
    first, second = made_scores(cases, seed=1), made_scores(cases, seed=2)
    shuffled = second.sample(frac=1.0, random_state=3)
    there = of(two_runs(tmp_path / "1", first, second), "clip_t")
    mixed = of(two_runs(tmp_path / "2", first, shuffled), "clip_t")
    back = of(two_runs(tmp_path / "3", second, first), "clip_t")
    assert mixed == there
    assert there.difference is not None
    assert back.difference == pytest.approx(-there.difference)
    assert back.p_value == there.p_value


def test_a_case_missing_in_either_run_is_no_pair_and_says_why(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    first = failed(scores, [0, 1], "raised: KeyError")
    second = failed(scores, [1, 2], "timed_out: 60 s")
    paired = of(two_runs(tmp_path, first, second), "dino")
    assert paired.pairs == 64 - 3
    assert paired.dropped == {"A: raised": 1, "A: raised, B: timed_out": 1, "B: timed_out": 1}
    assert paired.difference == 0.0


def test_a_score_missing_without_a_failure_says_not_scored(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS)).assign(diversity=np.nan)
    comparison = two_runs(tmp_path, scores, scores)
    paired = of(comparison, "diversity")
    assert paired.dropped == {"both: not scored": 64}
    assert (paired.difference, paired.interval, paired.p_value) == (None, None, None)
    assert (paired.mean_a, paired.pairs, paired.subjects) == (None, 0, 0)


def test_a_run_against_itself_differs_by_nothing_and_says_so(tmp_path: Path) -> None:
    run = made_run(tmp_path / "a", made_scores(made_cases(SUBJECTS)))
    comparison = compare(run, run)
    assert "Both are the same run, so every difference is zero." in comparison.notes
    assert comparison.a != comparison.b
    for paired in comparison.metrics:
        assert paired.difference == 0.0
        assert paired.interval is not None
        assert paired.interval.low == paired.interval.high == 0.0
        assert paired.p_value == 1.0


def test_runs_on_other_subjects_meet_on_the_cases_both_have(tmp_path: Path) -> None:
    cases = made_cases(SUBJECTS)
    part = [case for case in cases if case.subject_id in SUBJECTS[:6]]
    comparison = compare(
        made_run(tmp_path / "a", made_scores(cases), made_record(name="A")),
        made_run(
            tmp_path / "b",
            made_scores(part[:40]),
            made_record(name="B", subjects=SUBJECTS[:6], limit=40),
        ),
    )
    assert (comparison.cases_a, comparison.cases_b, comparison.shared) == (64, 40, 40)
    assert comparison.notes[0] == (
        "Compared on the 40 cases that are in both runs: A has 24 more (all subjects), "
        "B has 0 more (6 chosen subjects, limit 40)."
    )


def test_runs_without_a_common_case_are_refused(tmp_path: Path) -> None:
    first = made_scores(made_cases(["cat", "dog"]))
    second = made_scores(made_cases(["vase"]))
    with pytest.raises(ComparisonError, match="A has 16 cases of cat, dog, B has 8 cases of vase"):
        two_runs(tmp_path, first, second)


def refusal(tmp_path: Path, **changed: object) -> str:
    scores = made_scores(made_cases(SUBJECTS))
    first = made_run(tmp_path / "a", scores, made_record(name="A"))
    second = made_run(tmp_path / "b", scores, made_record(name="B", **changed))
    with pytest.raises(ComparisonError) as caught:
        compare(first, second)
    return str(caught.value)


def test_another_benchmark_is_refused_by_fingerprint(tmp_path: Path) -> None:
    message = refusal(tmp_path, fingerprint="0" * 64)
    assert "benchmark: made 1.0.0 (fingerprint ffffffffffff)" in message
    assert "(fingerprint 000000000000)" in message
    assert "protocol:" not in message
    assert "metric " not in message


def test_another_protocol_is_refused_by_id(tmp_path: Path) -> None:
    message = refusal(tmp_path, protocol="quick-99999999")
    assert "protocol: paper-1a2b3c4d and quick-99999999" in message
    assert "benchmark:" not in message


def test_another_encoder_is_refused_metric_by_metric(tmp_path: Path) -> None:
    message = refusal(
        tmp_path, encoders={"clip": "CLIP ViT-B/32", "dino": "untrained DINO ViT-S/16 (seed 0)"}
    )
    for metric in ("dino", "dino_train", "diversity"):
        assert f"metric {metric}: DINO ViT-S/16 (digest " in message
    assert "untrained DINO ViT-S/16 (seed 0)" in message
    assert "metric clip_i" not in message


def test_every_difference_is_named_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, fingerprint="0" * 64, protocol="quick-99999999")
    assert "benchmark:" in message
    assert "protocol:" in message


def test_a_metric_of_one_run_only_is_left_out_and_said(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    older = made_record(name="B")
    del older["metrics"]["diversity"]
    comparison = compare(
        made_run(tmp_path / "a", scores, made_record(name="A")),
        made_run(tmp_path / "b", scores.drop(columns="diversity"), older),
    )
    assert "diversity" not in [paired.metric for paired in comparison.metrics]
    assert "Only A has diversity." in comparison.notes


def test_marks_of_either_run_are_kept_once(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    comparison = compare(
        made_run(tmp_path / "a", scores, made_record(name="A", marks=["x", "y"])),
        made_run(tmp_path / "b", scores, made_record(name="B", marks=["y", "z"])),
    )
    assert comparison.marks == ("x", "y", "z")


def test_the_differences_alone_are_those_of_the_comparison(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    noise = np.random.default_rng(0).normal(0, 0.1, len(scores))
    one = made_run(
        tmp_path / "a", scores.assign(dino=scores["dino"] + noise), made_record(name="A")
    )
    other = made_run(tmp_path / "b", scores, made_record(name="B"))
    found = subject_differences(one, other, ["dino", "clip_t", "no_such"])
    assert list(found) == ["clip_t", "dino"]
    for metric, by_subject in found.items():
        assert by_subject == of(compare(one, other), metric).per_subject
    assert min(abs(value) for value in found["dino"].values() if value is not None) > 0


def test_few_subjects_are_said_to_bound_the_p_value(tmp_path: Path) -> None:
    scores = made_scores(made_cases(["a", "b", "c"]))
    higher = scores.assign(dino=scores["dino"] + 0.1)
    comparison = two_runs(tmp_path, higher, scores)
    assert of(comparison, "dino").p_value == pytest.approx(0.25)
    assert comparison.notes == ("With 3 subjects no p-value can be below 0.25.",)


def test_one_subject_gives_no_interval_and_no_p_value(tmp_path: Path) -> None:
    scores = made_scores(made_cases(["a"]))
    comparison = two_runs(tmp_path, scores, scores)
    paired = of(comparison, "dino")
    assert (paired.difference, paired.interval, paired.p_value) == (0.0, None, None)
    assert comparison.notes[0].startswith("One subject only")


def test_a_case_twice_in_one_run_is_an_error(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    twice = pd.concat([scores, scores.iloc[:1]])
    with pytest.raises(StoreError, match="has s0/00/c0/s0 twice"):
        two_runs(tmp_path, scores, twice)


def test_a_run_without_metrics_in_its_record_is_an_error(tmp_path: Path) -> None:
    record = made_record()
    del record["metrics"]
    run = made_run(tmp_path / "a", made_scores(made_cases(SUBJECTS)), record)
    with pytest.raises(StoreError, match=r"run\.json has no metrics"):
        compare(run, run)


# p-values


@pytest.mark.parametrize("count", [2, 5, 10, 12])
def test_few_subjects_get_the_exact_p_value(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1.0, count)
    exact = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip_p(list(values)) == pytest.approx(exact, abs=1e-12)


def test_many_subjects_get_nearly_the_exact_p_value() -> None:
    values = np.random.default_rng(4).normal(0.5, 1.0, 18)
    exact = scipy.stats.permutation_test(
        (values,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        n_resamples=2**18,
        vectorized=True,
        batch=2**14,
    ).pvalue
    # 99,999 draws at p = 0.04 have a standard error of 0.0006.
    assert sign_flip_p(list(values)) == pytest.approx(exact, abs=0.003)


def test_a_p_value_is_never_zero() -> None:
    assert sign_flip_p([0.5] * 30) == pytest.approx(1 / (FLIPS + 1))


def test_no_difference_has_a_p_value_of_one() -> None:
    assert sign_flip_p([0.0] * 5) == 1.0
    assert sign_flip_p([0.0] * 30) == 1.0


def test_under_no_difference_small_p_values_are_as_rare_as_they_say() -> None:
    random = np.random.default_rng(11)
    trials = 400
    small = sum((sign_flip_p(list(random.normal(0, 1, 10))) or 1) <= 0.05 for _ in range(trials))
    # Binomial(400, 0.05): mean 20, standard deviation 4.4.
    assert 7 <= small <= 35


def test_comparison_json_is_plain_and_the_same_each_time(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS)).assign(diversity=np.nan)
    comparison = two_runs(tmp_path, scores, scores)
    text = comparison_to_json(comparison)
    assert "NaN" not in text
    assert json.loads(text)["metrics"][0]["p_value"] == 1.0
    assert text == comparison_to_json(comparison)
