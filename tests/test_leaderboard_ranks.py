"""Claims about ranks: one rule for rank and range, which no order, noise or copy bends."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from leaderboard.apart import BLOCK, FAILS, FEWEST, FINE, GRID, RESAMPLES, Ranks, ranks
from pdst.summarize import bootstrap_interval

Values = NDArray[np.float64]

SHAPES = st.tuples(st.integers(1, 7), st.integers(FEWEST, 9))
# Few different scores, so that ties and near ties are common.
SCORES = st.integers(-20, 20).map(lambda tenth: tenth / 20)
TABLES = SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=SCORES))


def made(count: int, *, seed: int = 0, level: float = 0.02, noise: float = 0.03) -> Values:
    """Methods of about one level on 20 subjects, some of which are harder for all."""
    rng = np.random.default_rng(seed)
    levels = 0.6 + rng.normal(0.0, level, (count, 1))
    return levels + rng.normal(0.0, 0.1, 20) + rng.normal(0.0, noise, (count, 20))


def each(found: Ranks) -> list[tuple[int, int, int]]:
    return list(zip(*(part.tolist() for part in (found.rank, found.low, found.high)), strict=True))


def by_definition(values: Values) -> list[tuple[int, int, int]]:
    """The rule word by word, pair by pair, in whole numbers."""
    count, subjects = values.shape
    fine = [[round(value * FINE) for value in row] for row in values.tolist()]
    total = [sum(row) for row in fine]
    draws = np.random.default_rng(0).integers(subjects, size=(RESAMPLES, subjects)).tolist()
    means = [
        [round(sum(row[s] for s in draw) * (GRID / FINE / subjects)) for draw in draws]
        for row in fine
    ]

    def better(one: int, other: int) -> bool:
        fails = sum(a <= b for a, b in zip(means[one], means[other], strict=True))
        return total[one] > total[other] and fails <= FAILS

    everyone = range(count)
    above = [sum(better(other, one) for other in everyone) for one in everyone]
    below = [sum(better(one, other) for other in everyone) for one in everyone]
    return [
        (
            1 + max(above[other] for other in everyone if total[other] >= total[one]),
            1 + above[one],
            count - below[one],
        )
        for one in everyone
    ]


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_ranks_are_what_the_rule_says(values: Values) -> None:
    assert each(ranks(values)) == by_definition(values)


def test_many_methods_are_ranked_by_the_same_rule() -> None:
    """More than one block, wild methods among them, for which shortcuts do not hold."""
    values = made(2 * BLOCK + 7, seed=3)
    values[::23] = np.clip(values[::23] * 8 - 4.2, -1, 1)
    assert each(ranks(values)) == by_definition(values)


@settings(max_examples=200, deadline=None)
@given(TABLES)
def test_a_rank_lies_in_its_range_and_follows_the_means(values: Values) -> None:
    found = ranks(values)
    assert (found.low >= 1).all()
    assert (found.low <= found.rank).all()
    assert (found.rank <= found.high).all()
    assert (found.high <= len(values)).all()
    order = np.argsort(-np.rint(values * FINE).sum(axis=1), kind="stable")
    assert (np.diff(found.rank[order]) >= 0).all()
    assert found.rank.min() == 1


@settings(max_examples=100, deadline=None)
@given(TABLES, st.randoms(use_true_random=False), st.data())
def test_order_does_not_matter_and_equal_entries_tie(
    values: Values, random: Random, data: st.DataObject
) -> None:
    twin = data.draw(st.integers(0, len(values) - 1))
    values = np.concatenate([values, values[twin : twin + 1]])
    order = list(range(len(values)))
    random.shuffle(order)
    found, other = each(ranks(values)), each(ranks(values[order]))
    assert found[twin] == found[-1]
    assert [found[place] for place in order] == other


@settings(max_examples=200, deadline=None)
@given(TABLES, st.data())
def test_higher_scores_never_make_a_rank_worse(values: Values, data: st.DataObject) -> None:
    """However unevenly they rise; so nobody gains by lowering some, to be less surely worse."""
    one = data.draw(st.integers(0, len(values) - 1))
    gains = data.draw(arrays(np.float64, values.shape[1], elements=st.sampled_from([0.0, 0.1, 1])))
    raised = values.copy()
    raised[one] = np.minimum(raised[one] + gains, 1.0)
    before, after = ranks(values), ranks(raised)
    assert after.rank[one] <= before.rank[one]
    assert after.low[one] <= before.low[one]
    assert after.high[one] <= before.high[one]


def test_noise_does_not_lift_a_method_over_one_with_a_higher_mean() -> None:
    hard = made(1, noise=0.0)[0]
    best, good, wild = hard + 0.05, hard, hard - 0.02 + np.resize([0.25, -0.25], 20)
    found = each(ranks(np.stack([best, good, wild])))
    # Nobody is told to be better than the wild one. Its range says so, its rank does not.
    assert found == [(1, 1, 2), (2, 2, 3), (2, 1, 3)]


def test_two_methods_are_told_apart_as_compare_tells_them() -> None:
    """Where the interval of the paired difference is not within a tenth of its width of zero."""
    asked = 0
    for seed in range(300):
        pair = made(2, seed=seed)
        found = bootstrap_interval((pair[0] - pair[1]).tolist())
        assert found is not None
        margin = 0.1 * (found.high - found.low)
        if min(abs(found.low), abs(found.high)) < margin:
            continue
        asked += 1
        wanted = [1, 2] if found.low > 0 else [2, 1] if found.high < 0 else [1, 1]
        assert ranks(pair).rank.tolist() == wanted
    assert asked > 200


def test_subjects_that_are_hard_for_all_do_not_blur_what_is_always_so() -> None:
    values = made(1, level=0.0, noise=0.0) + np.array([[0.0], [0.01]])
    low, high = (bootstrap_interval(row.tolist()) for row in values)
    assert low is not None
    assert high is not None
    assert low.high > high.low, "the intervals of the means overlap"
    assert each(ranks(values)) == [(2, 2, 2), (1, 1, 1)]


def test_equally_good_methods_are_rarely_told_apart() -> None:
    """Of 20 alike methods each pair is told apart in about 5 % of cases, 2.5 % either way."""
    told = [(ranks(made(20, seed=seed, level=0.0)).low - 1).sum() / 190 for seed in range(200)]
    assert 0.04 < np.mean(told) < 0.08  # percentile intervals of 20 are a little short


@pytest.mark.parametrize("subjects", [1, FEWEST - 1, FEWEST])
def test_too_few_subjects_tell_nothing_apart(subjects: int) -> None:
    values = np.array([[0.9] * subjects, [0.1] * subjects])
    assert each(ranks(values)) == (
        [(1, 1, 1), (2, 2, 2)] if subjects >= FEWEST else [(1, 1, 2), (1, 1, 2)]
    )
