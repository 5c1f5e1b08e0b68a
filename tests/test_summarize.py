"""Claims about summaries: what a mean is over, what an interval is of, what a missing score is."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pdst.errors import StoreError
from pdst.summarize import (
    RESAMPLES,
    bootstrap_interval,
    reason_code,
    report_from_json,
    report_to_json,
    summarize,
)
from pdst.types import Interval, MetricSummary, Report
from tests.made_runs import failed, made_cases, made_scores


def by_hand(**columns: list[object]) -> pd.DataFrame:
    """A scores table from the columns that matter; the case columns are filled in."""
    count = len(columns["subject_id"])
    filler = {
        "key": [f"case{row}" for row in range(count)],
        "kind": ["living"] * count,
        "image_id": ["00"] * count,
        "caption_index": [0] * count,
        "seed_index": list(range(count)),
        "prompt": ["{}"] * count,
        "reason": [None] * count,
    }
    return pd.DataFrame({**filler, **columns})


def only(report: Report) -> MetricSummary:
    (summary,) = report.metrics
    return summary


def test_macro_weighs_subjects_equally_and_micro_weighs_images() -> None:
    scores = by_hand(subject_id=["a", "b", "b", "b"], dino=[0.2, 0.6, 0.7, 0.8])
    summary = only(summarize(scores, marks=()))
    assert summary.per_subject == pytest.approx({"a": 0.2, "b": 0.7})
    assert summary.macro == pytest.approx((0.2 + 0.7) / 2)
    assert summary.micro == pytest.approx((0.2 + 0.6 + 0.7 + 0.8) / 4)


def test_macro_and_micro_agree_on_a_complete_run_with_equal_counts() -> None:
    for summary in summarize(made_scores(made_cases(["a", "b", "c"])), marks=()).metrics:
        assert summary.macro == pytest.approx(summary.micro, abs=1e-12)


def test_a_kind_is_the_mean_of_its_subjects() -> None:
    scores = by_hand(
        subject_id=["a", "b", "b", "b", "c"],
        kind=["living", "living", "living", "living", "rigid"],
        dino=[0.2, 0.6, 0.7, 0.8, 0.4],
    )
    assert only(summarize(scores, marks=())).per_kind == pytest.approx(
        {"living": 0.45, "rigid": 0.4}
    )


def test_a_missing_image_lowers_coverage_not_the_mean() -> None:
    complete = by_hand(subject_id=["a", "a", "b"], dino=[0.5, 0.5, 0.7])
    lacking = by_hand(
        subject_id=["a", "a", "b"], dino=[0.5, None, 0.7], reason=[None, "timed_out: 60 s", None]
    )
    before, after = (only(summarize(scores, marks=())) for scores in (complete, lacking))
    assert (after.scored, after.expected) == (2, 3)
    assert (before.scored, before.expected) == (3, 3)
    assert after.macro == before.macro == pytest.approx(0.6)


def test_a_missing_score_is_no_zero_whatever_null_looks_like() -> None:
    for null in (None, math.nan, pd.NA):
        scores = by_hand(subject_id=["a", "a"], dino=[0.5, null])
        assert only(summarize(scores, marks=())).macro == 0.5


def test_a_subject_without_any_score_is_none_and_counted() -> None:
    scores = by_hand(subject_id=["a", "b", "c"], dino=[0.5, None, 0.7])
    summary = only(summarize(scores, marks=()))
    assert summary.per_subject == {"a": 0.5, "b": None, "c": 0.7}
    assert summary.unscored_subjects == 1
    assert summary.macro == pytest.approx(0.6)


def test_a_kind_without_any_score_is_none() -> None:
    scores = by_hand(subject_id=["a", "b"], kind=["living", "rigid"], dino=[0.5, None])
    assert only(summarize(scores, marks=())).per_kind == {"living": 0.5, "rigid": None}


def test_a_metric_that_nothing_was_scored_by_has_no_mean() -> None:
    summary = only(summarize(by_hand(subject_id=["a", "b"], diversity=[None, None]), marks=()))
    assert (summary.macro, summary.micro, summary.interval) == (None, None, None)
    assert (summary.scored, summary.expected) == (0, 2)


def test_an_empty_table_has_no_means_and_expects_nothing() -> None:
    report = summarize(made_scores(made_cases(["a"])).iloc[:0], marks=())
    assert report.expected == report.drawn == report.copied == 0
    assert all(summary.macro is None for summary in report.metrics)


def test_the_gap_is_train_minus_held_out_image_by_image() -> None:
    scores = by_hand(
        subject_id=["a", "a", "b"],
        clip_i=[0.5, 0.7, 0.6],
        clip_i_train=[0.6, None, 0.9],
        dino=[0.1, 0.2, 0.3],
        dino_train=[0.1, 0.2, 0.2],
    )
    clip_i, dino = summarize(scores, marks=()).gaps
    assert clip_i.metric == "clip_i"
    # The second image has no train score, so its 0.7 must not enter the gap.
    assert clip_i.macro == pytest.approx((0.1 + 0.3) / 2)
    assert (clip_i.scored, clip_i.expected) == (2, 3)
    assert dino.metric == "dino"
    assert dino.macro == pytest.approx((0.0 - 0.1) / 2)


def test_a_gap_needs_both_columns() -> None:
    assert summarize(by_hand(subject_id=["a"], dino=[0.5]), marks=()).gaps == ()


def test_copies_are_counted_out_of_the_images_that_were_checked() -> None:
    scores = by_hand(subject_id=["a"] * 4, dino=[0.5] * 4, copied=[True, False, True, None])
    report = summarize(scores, marks=())
    assert (report.copied, report.copy_checked) == (2, 3)


def test_failures_are_counted_by_reason_code() -> None:
    reasons = [None, "raised: ValueError: a: b", "raised: KeyError", "wrong_size: 1 x 1", None]
    scores = by_hand(subject_id=["a"] * 5, dino=[0.5, None, None, None, 0.5], reason=reasons)
    report = summarize(scores, marks=())
    assert report.failures == {"raised": 2, "wrong_size": 1}
    assert (report.drawn, report.expected) == (2, 5)


def test_a_reason_without_detail_is_its_own_code() -> None:
    assert reason_code("blank") == "blank"


def test_marks_are_kept() -> None:
    marks = ["untrained encoders", "--limit 20"]
    assert summarize(made_scores(made_cases(["a"])), marks=marks).marks == tuple(marks)


def test_an_infinite_score_is_an_error_that_names_the_row() -> None:
    scores = by_hand(subject_id=["a", "a"], dino=[0.5, math.inf])
    with pytest.raises(ValueError, match="dino is infinite in row 1"):
        summarize(scores, marks=())


def test_a_missing_column_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="no column clip_t"):
        summarize(by_hand(subject_id=["a"], dino=[0.5]), marks=(), metrics=["clip_t"])


# Intervals


def test_the_interval_equals_an_independent_bootstrap() -> None:
    values = np.random.default_rng(5).normal(0.6, 0.1, 20)
    got = bootstrap_interval(list(values))
    # Another implementation with another stream: ends agree to the noise of 10,000 resamples.
    wanted = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=50_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert got is not None
    assert got.low == pytest.approx(wanted.low, abs=0.001)
    assert got.high == pytest.approx(wanted.high, abs=0.001)


def test_the_interval_is_the_percentile_of_resampled_means() -> None:
    values = [0.1, 0.4, 0.5, 0.9, 0.2]
    stream = np.random.default_rng(0)
    draws = stream.integers(5, size=(RESAMPLES, 5))
    means = sorted(sum(values[i] for i in draw) / 5 for draw in draws.tolist())
    got = bootstrap_interval(values)
    assert got is not None
    # numpy's default quantile: linear between the neighbours of position q (n - 1).
    for end, q in ((got.low, 0.025), (got.high, 0.975)):
        below = int(q * (RESAMPLES - 1))
        part = q * (RESAMPLES - 1) - below
        assert end == pytest.approx(means[below] * (1 - part) + means[below + 1] * part, abs=1e-12)


def test_one_subject_has_no_interval() -> None:
    scores = by_hand(subject_id=["a"] * 50, dino=list(np.linspace(0, 1, 50)))
    assert only(summarize(scores, marks=())).interval is None


@pytest.mark.parametrize("count", [2, 3, 7, 20, 33])
@pytest.mark.parametrize("value", [0.1, 1.0, -1 / 3])
def test_equal_subjects_give_an_interval_of_no_width(count: int, value: float) -> None:
    interval = bootstrap_interval([value] * count)
    assert interval is not None
    assert interval.low == interval.high == pytest.approx(value, abs=1e-15)


def test_more_images_of_the_same_subjects_do_not_narrow_the_interval() -> None:
    few = by_hand(subject_id=["a", "b", "c"], dino=[0.2, 0.5, 0.8])
    many = by_hand(subject_id=["a", "b", "c"] * 100, dino=[0.2, 0.5, 0.8] * 100)
    narrow, wide = (only(summarize(scores, marks=())).interval for scores in (many, few))
    assert narrow is not None
    assert wide is not None
    assert narrow.high - narrow.low == pytest.approx(wide.high - wide.low, abs=1e-9)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """20 subjects of N(0.6, 0.1), each the mean of 10 images of its own mean + N(0, 0.1).

    A percentile bootstrap over 20 clusters is known to cover a little under 95 %. An interval over
    the 200 images, which forgets the clusters, is 0.43 times as wide as it should be (0.010 of
    0.0235 standard error) and covers 60 %.
    """
    truth, covered, naive = 0.6, 0, 0
    trials = 300
    random = np.random.default_rng(7)
    for _ in range(trials):
        subjects = random.normal(truth, 0.1, 20)
        images = subjects[:, None] + random.normal(0.0, 0.1, (20, 10))
        interval = bootstrap_interval(list(images.mean(axis=1)))
        assert interval is not None
        covered += interval.low <= truth <= interval.high
        error = images.std(ddof=1) / math.sqrt(images.size)
        naive += abs(images.mean() - truth) <= 1.96 * error
    assert 0.88 <= covered / trials <= 0.98
    assert naive / trials < 0.70


# JSON


def test_a_report_survives_json() -> None:
    scores = failed(made_scores(made_cases(["a", "b", "c"])), range(8), "raised: KeyError")
    report = summarize(scores, marks=["--limit 20"])
    assert None in report.metrics[0].per_subject.values()
    assert report_from_json(report_to_json(report)) == report


def test_report_json_is_plain() -> None:
    scores = failed(made_scores(made_cases(["a"])), range(8), "raised: KeyError")
    text = report_to_json(summarize(scores, marks=()))
    assert "NaN" not in text
    assert json.loads(text)["metrics"][0]["macro"] is None


def test_equal_reports_give_equal_bytes() -> None:
    scores = made_scores(made_cases(["a", "b"]))
    first = summarize(scores, marks=())
    turned = MetricSummary(
        metric="x",
        macro=0.5,
        micro=0.5,
        interval=Interval(low=0.4, high=0.6),
        scored=1,
        expected=1,
        per_subject={"b": 1.0, "a": 0.0},
        per_kind={},
    )
    assert report_to_json(summarize(scores.copy(), marks=())) == report_to_json(first)
    assert report_to_json(report_with(turned)) == report_to_json(
        report_with(report_from_json(report_to_json(report_with(turned))).metrics[0])
    )


def report_with(summary: MetricSummary) -> Report:
    return Report(
        metrics=(summary,),
        gaps=(),
        expected=1,
        drawn=1,
        copied=0,
        copy_checked=1,
        failures={},
        marks=(),
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1}', "null"])
def test_what_is_no_report_is_an_error_that_names_the_file(text: str) -> None:
    with pytest.raises(StoreError, match=r"runs/x/summary\.json"):
        report_from_json(text, "runs/x/summary.json")
