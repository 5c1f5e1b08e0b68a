"""The miniature's truth set: what it says is known really is."""

import itertools
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from builders.sources.miniature.captions import DOING, PLACE_WORDS
from builders.sources.miniature.facts import CLASSES
from builders.sources.miniature.identities import PARAMETERS, differing, pool_of
from builders.sources.miniature.truth import (
    APART,
    CHANGES,
    changed_parameters,
    draw_subject,
    parameter_orders,
    subject_rows,
)
from pdst.errors import DatasetError
from pdst.miniature import TRUTH
from pdst.miniature.truth import (
    FAITHFULNESS_LEVELS,
    FILE,
    WITHIN_CLASS,
    Truth,
    TruthPair,
    load_truth,
    truth_from_rows,
)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth()


def scenes_of(truth: Truth) -> dict[tuple[str, int], list[TruthPair]]:
    scenes: dict[tuple[str, int], list[TruthPair]] = defaultdict(list)
    for pair in truth.pairs:
        scenes[pair.subject_id, pair.scene].append(pair)
    return scenes


# The set


def test_there_are_three_subjects_of_every_class(truth: Truth) -> None:
    subjects = {(pair.class_noun, pair.subject_id) for pair in truth.pairs}
    assert Counter(noun for noun, _ in subjects) == dict.fromkeys(CLASSES, 3)


def test_every_level_occurs_once_in_every_scene(truth: Truth) -> None:
    for pairs in scenes_of(truth).values():
        assert [p.level for p in pairs if p.level != "other-class"] == list(WITHIN_CLASS)
    captions = Counter((case.subject_id, case.scene, case.level) for case in truth.faithfulness)
    assert len(captions) == 60 * 2 * len(FAITHFULNESS_LEVELS)
    assert len(truth.backgrounds) == 60


def test_all_levels_of_a_scene_share_everything_but_the_individual(truth: Truth) -> None:
    for pairs in scenes_of(truth).values():
        own = [pair.render for pair in pairs if pair.level != "other-class"]
        assert len({(r.place, r.weather, r.light, r.action, r.prop) for r in own}) == 1


def test_a_subject_is_never_seen_twice_in_one_place(truth: Truth) -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for pair in truth.pairs:
        places[pair.subject_id] |= {pair.reference.place, pair.render.place}
    assert {len(own) for own in places.values()} == {4}


def test_actions_are_other_than_the_references_wherever_possible(truth: Truth) -> None:
    same = [pair.render.action == pair.reference.action for pair in truth.pairs]
    assert np.mean(same) < 0.1


def test_a_level_contains_the_changes_of_the_level_before(truth: Truth) -> None:
    for pairs in scenes_of(truth).values():
        none, one, two, four, other = (set(pair.differs) for pair in pairs[:5])
        assert none < one < two < four
        assert [len(level) for level in (none, one, two, four)] == [0, 1, 2, 4]
        assert len(other) >= APART


def test_every_parameter_is_the_first_and_the_second_to_change_once_a_class(truth: Truth) -> None:
    first: dict[str, list[str]] = defaultdict(list)
    second: dict[str, list[str]] = defaultdict(list)
    for pairs in scenes_of(truth).values():
        _, one, two = (set(pair.differs) for pair in pairs[:3])
        first[pairs[0].class_noun] += one
        second[pairs[0].class_noun] += two - one
    for noun in CLASSES:
        assert sorted(first[noun]) == sorted(second[noun]) == sorted(PARAMETERS)


def test_every_change_moves_pixels_and_no_change_moves_the_corners(truth: Truth) -> None:
    """A change is of the subject: what is not near it, like the upper corners, stays."""
    corners_moved = []
    for pairs in scenes_of(truth).values():
        pictures = [np.asarray(pair.render.image()).astype(int) for pair in pairs[:5]]
        for before, after in itertools.pairwise(pictures):
            moved = np.abs(before - after).max(axis=2) > 16
            assert moved.sum() >= 10
            corners_moved.append(moved[:4, :4].any() or moved[:4, -4:].any())
    assert np.mean(corners_moved) < 0.01


def test_wrong_facts_are_wrong_and_right_facts_right(truth: Truth) -> None:
    by_caption: dict[str, dict[str, tuple[object, ...]]] = defaultdict(dict)
    for case in truth.faithfulness:
        render = case.render
        facts = (render.place, render.action, render.prop, render.class_noun)
        right = by_caption[f"{case.subject_id}/{case.scene}"].setdefault("right", facts)
        wrong = {
            name
            for name, a, b in zip(("place", "action", "prop", "class"), right, facts, strict=True)
            if a != b
        }
        assert wrong == set(case.differs)
        assert len(wrong) == FAITHFULNESS_LEVELS.index(case.level)


def test_captions_tell_place_action_and_prop_of_what_is_right(truth: Truth) -> None:
    for case in truth.faithfulness:
        if case.level == "right":
            told = case.caption.lower()
            assert case.render.prop is not None
            assert case.render.prop in told
            # In the air one is "in front of houses", not "on the road in front of" them.
            assert any(words.split()[-1] in told for words in PLACE_WORDS[case.render.place])
            assert any(words in told for words in DOING[case.render.action])


def test_squares_are_two_individuals_on_two_backgrounds_in_one_pose(truth: Truth) -> None:
    for square in truth.backgrounds:
        here = (square.reference.place, square.reference.weather, square.reference.light)
        for corner, moved in (
            (square.unmoved, False),
            (square.swapped, False),
            (square.moved, True),
            (square.both, True),
        ):
            assert ((corner.place, corner.weather, corner.light) == here) != moved
            assert (corner.action, corner.prop) == (square.both.action, square.both.prop)


def test_the_file_is_small(truth: Truth) -> None:
    assert truth.pairs
    assert (TRUTH / FILE).stat().st_size < 6.5e6


# How it is made


def test_the_builder_draws_the_very_set_that_the_package_carries() -> None:
    shipped = pq.read_table(TRUTH / FILE, filters=[("subject_id", "==", "vase-1")]).to_pylist()
    drawn = list(subject_rows("vase", 1))
    assert truth_from_rows(drawn).fingerprint == truth_from_rows(shipped).fingerprint


def test_levels_differ_in_as_many_parameters_as_they_say_and_stay_held_out() -> None:
    orders = parameter_orders(random.Random(0))[:3]
    reference, chains = draw_subject(random.Random(1), "vase", orders)
    subject = reference.identity
    for order, chain in zip(orders, chains, strict=True):
        people = {level: scene.identity for level, scene in chain}
        assert people["same"] == subject
        assert differing(subject, people["other-identity"]) >= APART
        for level, count in CHANGES:
            assert differing(subject, people[level]) == count
            assert set(changed_parameters(subject, people[level])) == set(order[:count])
        assert {pool_of(who) for who in people.values()} == {"held out"}
        assert pool_of(subject) == "held out"


# Reading


def test_no_truth_set_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="python -m builders miniature truth"):
        load_truth(tmp_path / "nothing.parquet")


def test_another_parquet_file_is_no_truth_set(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DatasetError, match="wanted a truth set"):
        load_truth(path)


def test_the_fingerprint_ignores_the_order_of_rows_but_no_fact() -> None:
    rows = pq.read_table(TRUTH / FILE, filters=[("subject_id", "==", "mug-0")]).to_pylist()
    once = truth_from_rows(rows).fingerprint
    assert truth_from_rows(rows[::-1]).fingerprint == once
    rows[3]["place"] = "elsewhere"
    assert truth_from_rows(rows).fingerprint != once
