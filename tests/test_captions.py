"""Claims about the caption rules that building and validating share."""

import pytest

from builders.language.leaks import find_leaks
from builders.language.rows import Called
from pdst.captions import (
    LONG,
    bare_words,
    count_slots,
    has_one_slot,
    is_tidy,
    names_class,
    same_text,
    too_long,
)
from pdst.clip_tokens import CONTEXT, find_counter


@pytest.mark.parametrize(
    ("caption", "slots", "right"),
    [
        ("A {} sits.", 1, True),
        ("A dog sits.", 0, False),
        ("A {} and a {}.", 2, False),
        ("A {} sits {there}.", 1, False),
        ("A { } sits.", 0, False),
        ("A {{}} sits.", 1, False),
    ],
)
def test_one_slot_and_no_other_brace(caption: str, slots: int, right: bool) -> None:
    assert (count_slots(caption), has_one_slot(caption)) == (slots, right)


def test_what_a_release_may_not_hold_fails_before_it_is_packed() -> None:
    dog = Called(subject_id="dog", class_noun="dog", kind="living")
    assert [leak.level for leak in find_leaks("A {} sits on grass.", dog)] == []
    for caption in ("A {} sits {there}.", "A {{}} sits.", "A {} and a {} sit.", "It sits."):
        assert not has_one_slot(caption)
        assert find_leaks(caption, dog)[0].level == "hard", caption


def test_tidy_is_single_blanks_and_printable_and_not_endless() -> None:
    assert is_tidy("A {} sits.")
    assert is_tidy("x" * LONG)
    untidy = ("A  {} sits.", " A {} sits.", "A {}\tsits.", "A {}\u200b sits.", "x" * (LONG + 1))
    assert not any(map(is_tidy, untidy))


@pytest.mark.parametrize(
    ("caption", "named"),
    [("A Dog sits.", True), ("Two dogs.", True), ("A dogma.", False), ("A hotdog.", False)],
)
def test_the_class_noun_is_a_word_of_its_own(caption: str, named: bool) -> None:
    assert names_class(caption, "dog") == named
    assert not names_class(caption, " "), "no noun names nothing"


def test_captions_repeat_one_another_by_text_or_by_words() -> None:
    assert same_text("A {} sits.", "a  {}  SITS.")
    assert not same_text("A {} sits.", "A {} sits")
    assert bare_words("A {} sits, there.") == bare_words("a {} sits there") == "a {} sits there"


def test_length_counts_with_the_class_noun_and_both_sides_say_the_same() -> None:
    counter = find_counter()
    if counter is None:
        pytest.skip("open_clip, which has CLIP's vocabulary, is not installed")
    noun, long = "stuffed animal", " ".join(["A {} sits on grass"] + ["near a tree"] * 23)
    longer = f"{long} now"
    assert counter.count(long.replace("{}", noun)) == CONTEXT
    assert too_long(long, noun, counter) is None
    said = f"{CONTEXT + 1} CLIP tokens with the class noun, CLIP reads {CONTEXT}. Shorten it."
    assert too_long(longer, noun, counter) == said
    toy = Called(subject_id="toy", class_noun=noun, kind="rigid")
    assert said in [leak.message for leak in find_leaks(longer, toy)]
