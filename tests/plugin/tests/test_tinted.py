"""What a plug-in author runs: the contract, and the generator's own claims."""

from collections.abc import Callable

import numpy as np
import pytest
from pdst_plugin_example import Tinted

from pdst.testing import GENERATOR_CHECKS, Trial, check_generator, drawn_subject


def test_tinted_keeps_the_contract() -> None:
    results = check_generator(Tinted())
    assert [result.status for result in results] == ["passed"] * len(GENERATOR_CHECKS)


@pytest.mark.parametrize("check", GENERATOR_CHECKS, ids=lambda check: check.__name__)
def test_each_claim_holds_alone(check: Callable[[Trial], None]) -> None:
    check(Trial(Tinted(strength=0.8)))


def test_without_strength_it_is_a_training_photo() -> None:
    sampler = Tinted(strength=0.0).personalize(drawn_subject())
    [image] = sampler.sample(["A {}."], [5])
    photos = [np.asarray(photo.image()) for photo in drawn_subject().train]
    assert any(np.array_equal(np.asarray(image), photo) for photo in photos)


def test_strength_is_part_of_the_generators_identity() -> None:
    assert Tinted(strength=0.1).info.settings == {"strength": 0.1}
