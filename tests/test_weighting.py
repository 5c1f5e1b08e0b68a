"""Claims about the contrastive weight over training: METHODS 3.7's table and properties."""

import pytest

from pdst.diffusion.weighting import WEIGHTINGS, progress, weighting
from pdst.errors import SettingsError

DIGITS = 5e-4
"""The table prints three digits."""

QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
TABLE = {
    "zero": (0, 0, 0, 0, 0),
    "one": (1, 1, 1, 1, 1),
    "linear": QUARTERS,
    "exponential": (0, 0.718, 0.924, 0.983, 1),
    "exp_convex": (0, 0.017, 0.076, 0.282, 1),
    "sigmoid": (0.0025, 0.047, 0.5, 0.953, 0.998),
    "cosine": (0, 0.146, 0.5, 0.854, 1),
}

FINE = [step / 1000 for step in range(1001)]


def test_there_are_the_seven_tabled_functions() -> None:
    assert WEIGHTINGS.keys() == TABLE.keys()


@pytest.mark.parametrize("name", TABLE)
def test_a_weight_is_the_tables(name: str) -> None:
    made = [weighting(name)(part) for part in QUARTERS]
    assert made == pytest.approx(TABLE[name], abs=DIGITS)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_weight_stays_from_zero_to_one_and_never_falls(name: str) -> None:
    made = [weighting(name)(part) for part in FINE]
    assert min(made) >= 0
    assert max(made) <= 1
    assert made == sorted(made)


@pytest.mark.parametrize("name", sorted(WEIGHTINGS.keys() - {"one"}))
def test_training_begins_nearly_without_contrast(name: str) -> None:
    assert weighting(name)(0) <= 0.01


@pytest.mark.parametrize("name", ["linear", "exponential", "exp_convex", "cosine"])
def test_these_begin_and_end_exactly(name: str) -> None:
    assert (weighting(name)(0), weighting(name)(1)) == (0, 1)


@pytest.mark.parametrize("name", ["sigmoid", "cosine"])
def test_sigmoid_and_cosine_are_symmetric_about_the_middle(name: str) -> None:
    for part in FINE:
        assert weighting(name)(part) + weighting(name)(1 - part) == pytest.approx(1)


def test_the_exponentials_are_high_early_and_low_early() -> None:
    for part in FINE[1:-1]:
        convex, saturating = weighting("exp_convex")(part), weighting("exponential")(part)
        assert convex < part < saturating


def test_an_unknown_function_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"No weighting named 'cosin'\. Did you mean 'cosine'"):
        weighting("cosin")


def test_progress_is_zero_at_the_first_step_and_one_at_the_last() -> None:
    assert [progress(step, 5) for step in range(5)] == list(QUARTERS)


def test_a_training_of_one_step_is_at_its_start() -> None:
    assert progress(0, 1) == 0


@pytest.mark.parametrize(("step", "steps"), [(5, 5), (-1, 5), (0, 0)])
def test_a_step_outside_training_is_an_error(step: int, steps: int) -> None:
    with pytest.raises(ValueError, match=f"step is {step} of {steps}"):
        progress(step, steps)
