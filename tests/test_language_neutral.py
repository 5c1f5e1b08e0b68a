"""Claims about captions whose subject is put into `{}` and stripped of what identifies it."""

import json
from pathlib import Path

import numpy as np
import pytest

from builders.language import find_leaks, neutralize, neutralize_caption
from builders.language.rows import Called, CaptionRow
from builders.sources import dreambooth30

DOG = Called(subject_id="dog", class_noun="dog", kind="living", leak_terms=("Rex",))
BACKPACK = Called(subject_id="bag", class_noun="backpack", kind="rigid")

FIG12 = json.loads(Path(__file__).with_name("language_fig12.json").read_text("utf-8"))

DOGS = {
    "A fluffy golden retriever in a red hat sits.": "A {} in a red hat sits.",
    "A golden [SUBJ] sits while the dog looks up.": "A {} sits while it looks up.",
    "The {}, a poodle, looks at the camera.": "The {} looks at the camera.",
    "A {} sits near the {}'s bowl on the floor.": "A {} sits near its bowl on the floor.",
    "A black and white {} with brown ears lies in a dog bed.": "A {} with ears lies in a dog bed.",
    "A small, light-brown {} in a red collar runs.": "A small {} in a red collar runs.",
    "A photo of a brown and white corgi on a gray couch.": "A photo of a {} on a gray couch.",
    "A {} poodle sits by a lake.": "A {} sits by a lake.",
    "Rex, a {}, sits by a lake.": "A {} sits by a lake.",
    "A bright orange {} stands on a table.": "A {} stands on a table.",
    "An orange {} stands on a table.": "A {} stands on a table.",
    "A tan, long-haired {} lies on its back.": "A {} lies on its back.",
    "Two dogs play while a brown {} watches.": "Two dogs play while a {} watches.",
    "  the   [subject] sits ,  calmly.": "The {} sits, calmly.",
}

BACKPACKS = {
    "A red Nike {} hangs next to another backpack.": "A {} hangs next to another backpack.",
    "A blue leather {} with red straps lies on a bench.": "A {} with straps lies on a bench.",
    "The backpack dangles from a dead tree in a quiet wood.": (
        "The {} dangles from a dead tree in a quiet wood."
    ),
}


@pytest.mark.parametrize("caption", DOGS)
def test_a_dog_becomes_a_slot_without_its_looks(caption: str) -> None:
    neutral = neutralize_caption(caption, DOG)
    assert neutral.text == DOGS[caption]
    assert neutral.problem is None
    assert neutral.changes
    assert [leak for leak in find_leaks(neutral.text, DOG) if leak.level == "hard"] == []


@pytest.mark.parametrize("caption", BACKPACKS)
def test_a_backpack_becomes_a_slot_without_its_looks(caption: str) -> None:
    neutral = neutralize_caption(caption, BACKPACK)
    assert (neutral.text, neutral.problem) == (BACKPACKS[caption], None)


@pytest.mark.parametrize(
    ("caption", "problem"),
    [
        ("The {} is a poodle.", "'poodle' still names the subject"),
        ("The {} is brown.", "'brown' still describes the subject"),
        ("A beach at sunset.", "Write {} where it is meant"),
        ("A dog bed stands on a rug.", "nothing in it names the subject"),
    ],
)
def test_what_rules_cannot_mend_is_left_to_a_person(caption: str, problem: str) -> None:
    neutral = neutralize_caption(caption, DOG)
    assert neutral.text == caption
    assert neutral.problem is not None
    assert problem in neutral.problem


def test_neutral_captions_are_left_alone() -> None:
    """All of the paper's, and every fifth of ours: a rule that is too eager shows here."""
    changed = [
        (text, neutral.text)
        for text in [text for image in FIG12 for text in image]
        if (neutral := neutralize_caption(text, DOG)).text != text or neutral.problem
    ]
    assert changed == []
    for row in dreambooth30.without_photos():
        subject = Called(subject_id=row.subject_id, class_noun=row.class_noun, kind=row.kind)
        for text in row.captions[::5]:
            neutral = neutralize_caption(text, subject)
            assert (neutral.text, neutral.problem, neutral.changes) == (text, None, ())


def test_planted_names_and_looks_are_found_and_taken_out_again() -> None:
    """In a sample of our captions; what comes out is, but for a few, what was there."""
    breeds = {"dog": "poodle", "cat": "siamese cat"}
    restored: list[bool] = []
    for row in dreambooth30.without_photos()[::2]:
        noun = row.class_noun
        subject = Called(subject_id=row.subject_id, class_noun=noun, kind=row.kind)
        for text in row.captions[::20]:
            plants = [noun, f"brown {noun}", "bright red and white {}", f"{{}} {noun}"]
            plants += [breeds[noun], f"{breeds[noun]} {{}}"] if noun in breeds else []
            for plant in plants:
                planted = text.replace("{}", plant)
                assert any(leak.level == "hard" for leak in find_leaks(planted, subject)), planted
                restored.append(neutralize_caption(planted, subject).text == text)
    assert len(restored) > 100
    assert np.mean(restored) > 0.97


def test_rows_keep_their_numbers_and_say_what_was_done() -> None:
    texts = ["A brown dog sits.", "", "A {} sits."]
    rows = [
        CaptionRow(
            subject_id="dog",
            image_id="03",
            caption_index=index,
            text=text,
            source="test",
            status="refined" if text else "failed",
            reason="" if text else "no caption was written",
        )
        for index, text in enumerate(texts)
    ]
    (neutral,) = neutralize(rows, [DOG])
    assert [row.text for row in neutral] == ["A {} sits.", "", "A {} sits."]
    assert [row.status for row in neutral] == ["neutralized", "failed", "neutralized"]
    assert neutral[0].reason == "'dog' became {}; took out 'brown'"
    assert neutral[1].reason == "no caption was written"
    assert [row.caption_index for row in neutral] == [0, 1, 2]
    assert list(neutralize(rows, [DOG], done={("dog", "03")})) == []
