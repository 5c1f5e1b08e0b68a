"""Claims about the leak probe: what it says of captions that leak, and of captions that do not."""

import numpy as np
import pytest

from builders.language import leak_probe
from builders.language.rows import LanguageError
from builders.sources import dreambooth30

PLACES = ("beach", "forest", "kitchen", "street", "meadow", "garage", "attic", "harbour")
POSES = ("sits", "lies", "stands", "rests", "leans", "waits")


def captions(leak: dict[str, str], seed: int = 0) -> tuple[list[str], list[str], list[str]]:
    """Ten captions of each of 4 subjects of 3 classes: pose and place by chance, then the leak."""
    rng = np.random.default_rng(seed)
    texts, classes, subjects = [], [], []
    for class_noun in ("cat", "dog", "vase"):
        for number in range(4):
            for _ in range(10):
                scene = f"A {{}} {rng.choice(POSES)} in the {rng.choice(PLACES)}"
                texts.append(f"{scene}{leak.get(class_noun, '')}.")
                classes.append(class_noun)
                subjects.append(f"{class_noun}{number}")
    return texts, classes, subjects


def test_captions_without_a_leak_are_at_chance() -> None:
    probe = leak_probe(*captions({}), deals=25)
    assert probe.accuracy == pytest.approx(1 / 3, abs=0.1)
    assert probe.chance == pytest.approx(1 / 3, abs=0.06)
    assert probe.p_value > 0.05
    assert (probe.classes, probe.subjects, probe.captions) == (3, 12, 120)


def test_a_word_that_only_one_class_has_is_found() -> None:
    leaky = {"cat": ", purring", "dog": ", panting", "vase": ", holding flowers"}
    probe = leak_probe(*captions(leaky), deals=25)
    assert probe.accuracy > 0.95
    assert min(probe.by_class.values()) >= 0.95
    assert probe.accuracy == pytest.approx(np.mean(list(probe.by_class.values())))
    assert 0.9 < probe.low <= probe.accuracy <= probe.high <= 1.0
    assert probe.p_value == pytest.approx(1 / 26), "no deal of the classes does as well"
    assert probe.chance < 0.5


def test_words_of_one_subject_alone_teach_nothing() -> None:
    """Each subject has a place of its own; no other subject of its class has been there."""
    texts, classes, subjects = captions({})
    texts = [f"A {{}} at {subject}'s home" for subject in subjects]
    probe = leak_probe(texts, classes, subjects, deals=20)
    assert probe.accuracy < 0.5


def test_the_slot_is_not_a_word() -> None:
    texts, classes, subjects = captions({})
    without = [text.replace("{}", " ") for text in texts]
    assert leak_probe(texts, classes, subjects, deals=3) == leak_probe(
        without, classes, subjects, deals=3
    )


def test_classes_of_one_subject_are_left_out_and_named() -> None:
    texts, classes, subjects = captions({})
    probe = leak_probe([*texts, "A {} ticks."], [*classes, "clock"], [*subjects, "clock0"], deals=3)
    assert probe.left_out == ("clock",)
    assert probe.captions == 120


def test_too_few_subjects_are_named() -> None:
    with pytest.raises(LanguageError, match=r"0 classes have two subjects or more, wanted 2"):
        leak_probe(["A {} sits.", "A {} runs."], ["dog", "cat"], ["dog0", "cat0"])
    with pytest.raises(LanguageError, match="give one class and one subject a caption"):
        leak_probe(["A {} sits."], ["dog", "cat"], ["dog0"])


def test_our_captions_tell_living_from_rigid_better_than_chance() -> None:
    """Published captions leak a little, and the card says so: this is the number it states."""
    rows = [row for row in dreambooth30.without_photos() for _ in row.captions]
    texts = [text for row in dreambooth30.without_photos() for text in row.captions]
    probe = leak_probe(
        texts, [row.kind for row in rows], [row.subject_id for row in rows], deals=10
    )
    assert (probe.classes, probe.subjects, probe.captions) == (2, 30, 660)
    assert probe.accuracy == pytest.approx(0.706, abs=0.02)
    assert probe.low > 0.6
    assert probe.p_value == pytest.approx(1 / 11)
