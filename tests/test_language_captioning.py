"""Claims about writing and refining captions, whatever writes them."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from builders.language import RulesRefiner, caption, load_refiner, read_captions, refine
from builders.language.captioning import Pictured
from builders.language.prompts import answer_text, caption_prompt, refine_prompt
from builders.language.rows import Called, CaptionRow, LanguageError
from tests.test_light import WITHOUT_HEAVY

DOG = Called(subject_id="dog", class_noun="dog", kind="living")


@dataclass
class ScriptedModel:
    """A double of a caption model that cannot be here: it reads its answers from a list."""

    answers: list[list[str]]
    name: str = "scripted"
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def write(self, photo: Pictured, subject: Called, *, count: int, seed: int) -> list[str]:
        self.asked.append((photo.image_id, count, seed))
        return self.answers.pop(0)


@dataclass
class ScriptedRefiner:
    """A double of a language model that cannot be here."""

    answer: str
    name: str = "scripted"

    def refine(self, caption: str, subject: Called) -> str:
        return self.answer


def photos(*image_ids: str) -> list[Pictured]:
    return [
        Pictured(subject_id="dog", image_id=image_id, image=lambda: Image.new("RGB", (8, 8)))
        for image_id in image_ids
    ]


def texts(rows: Sequence[CaptionRow]) -> list[str]:
    return [row.text for row in rows]


# --- a model -------------------------------------------------------------------------------------


def test_captions_are_distinct_and_missing_ones_are_asked_for_again() -> None:
    model = ScriptedModel(
        [
            ["A {} sits.", "a {} sits", "1. 'A {} sits.'", ""],
            ["A {} sits.", "A {} sleeps under a tree.", "A {} is far too many here."],
        ]
    )
    (rows,) = caption(photos("03"), model, [DOG], count=2)
    assert texts(rows) == ["A {} sits.", "A {} sleeps under a tree."]
    assert [row.caption_index for row in rows] == [0, 1]
    assert {row.status for row in rows} == {"captioned"}
    assert [(image, count) for image, count, _ in model.asked] == [("03", 2), ("03", 1)]
    assert model.asked[0][2] != model.asked[1][2], "the same draw again would give nothing new"


def test_what_a_model_cannot_write_is_a_failed_row_and_costs_nothing_else() -> None:
    model = ScriptedModel([["A {} sits."], [], ["A {} runs."], []])
    first, second = caption(photos("03", "04"), model, [DOG], count=2, rounds=2)
    assert texts(first) == ["A {} sits.", ""]
    assert texts(second) == ["A {} runs.", ""]
    assert first[1].status == "failed"
    assert first[1].reason == (
        "scripted has 1 distinct captions of this photo. Write this one by hand."
    )


def test_a_photo_that_is_done_is_not_asked_about_and_the_others_get_the_same_seed() -> None:
    whole = ScriptedModel([["A {} sits."], ["A {} runs."]])
    assert len(list(caption(photos("03", "04"), whole, [DOG], count=1))) == 2
    resumed = ScriptedModel([["A {} runs."]])
    (rows,) = caption(photos("03", "04"), resumed, [DOG], count=1, done={("dog", "03")})
    assert rows[0].image_id == "04"
    assert resumed.asked == whole.asked[1:]


def test_rows_come_a_photo_at_a_time() -> None:
    """Whoever saves each as it comes loses only the photo at which a model breaks down."""
    model = ScriptedModel([["A {} sits."]])
    images = caption(photos("03", "04"), model, [DOG], count=1)
    assert texts(next(images)) == ["A {} sits."]
    with pytest.raises(IndexError):
        next(images)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("  A [SUBJ] sits.  ", "A [SUBJ] sits."),
        ('Sure, here is a caption:\n\n"A [SUBJ] sits."', "A [SUBJ] sits."),
        ("Caption: A [SUBJ] sits.", "A [SUBJ] sits."),
        ("1. A [SUBJ] sits.\n2. A [SUBJ] runs.", "A [SUBJ] sits."),
        ("- **A [SUBJ] sits.**", "A [SUBJ] sits."),
        ('A sign says "open" by a [SUBJ]', 'A sign says "open" by a [SUBJ]'),
        ("2 trees stand behind a [SUBJ].", "2 trees stand behind a [SUBJ]."),
        ("", ""),
        ("Here it is:", ""),
    ],
)
def test_a_caption_is_taken_out_of_what_models_wrap_it_in(answer: str, text: str) -> None:
    assert answer_text(answer) == text


def test_prompts_name_the_class_to_the_model_and_ask_for_the_slot() -> None:
    assert "is a dog" in caption_prompt(DOG)
    assert caption_prompt(DOG).count("[SUBJ]") >= 4
    assert refine_prompt(DOG, "A [SUBJ] sit.").endswith("\n\nA [SUBJ] sit.")


# --- a file --------------------------------------------------------------------------------------


def test_captions_of_a_file_stay_as_they_are(tmp_path: Path) -> None:
    written = ["A {} sits.", "A {} sits!", "1. A {} runs."]
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"dog": {"03": written, "04": {"0": "A {} naps."}}}), "utf-8")
    first, second = caption(photos("03", "04"), read_captions(path), [DOG], count=3)
    assert texts(first) == written, "near-repetitions and numbers are the writers' own"
    assert texts(second) == ["A {} naps.", "", ""]
    assert [row.status for row in second] == ["captioned", "failed", "failed"]
    assert {row.source for row in first} == {"captions.json"}


def test_captions_from_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text(
        'subject_id,image_id,caption\ndog,03,"A {} sits,\u2028calmly."\ndog,03,A {} runs.\n',
        "utf-8-sig",
    )
    (rows,) = caption(photos("03"), read_captions(path), [DOG], count=2)
    assert texts(rows) == ["A {} sits,\u2028calmly.", "A {} runs."]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{"),
        ("a.json", "[1, 2]"),
        ("a.json", '{"dog": {"03": 5}}'),
        ("a.csv", "subject,photo\ndog,03\n"),
    ],
)
def test_a_file_of_another_shape_is_named_with_the_shape_wanted(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(LanguageError, match=r"cannot be read as captions.*Wanted: JSON"):
        read_captions(tmp_path / name)


def test_photos_that_the_file_lacks_are_named_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text('{"dog": {"03": ["A {} sits."]}}', "utf-8")
    wanted = r"captions.json has no caption of dog/04, dog/05. Add some of each"
    with pytest.raises(LanguageError, match=wanted):
        next(caption(photos("03", "04", "05"), read_captions(path), [DOG], count=1))


# --- refinement ----------------------------------------------------------------------------------


def row(text: str, status: str = "captioned") -> CaptionRow:
    return CaptionRow(
        subject_id="dog",
        image_id="03",
        caption_index=0,
        text=text,
        source="model",
        status=status,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("given", "tidy"),
    [
        ("a {} sits on the the bench ,looking up", "A {} sits on the bench,looking up."),
        ("A {} sits..", "A {} sits."),
        ("Is a {} here?", "Is a {} here?"),
        ("A {} sits.", "A {} sits."),
    ],
)
def test_rules_tidy_a_caption(given: str, tidy: str) -> None:
    ((refined,),) = refine([row(given)], load_refiner("rules"), [DOG])
    assert refined.text == tidy
    assert refined.source == "model, rules"
    assert refined.reason == ("" if given == tidy else f"was {given!r}")


def test_a_refined_caption_keeps_its_slot() -> None:
    ((refined,),) = refine([row("A {} sit.")], ScriptedRefiner("'A [SUBJ] sits.'"), [DOG])
    assert (refined.text, refined.status) == ("A {} sits.", "refined")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "gave no answer"),
        ("A dog sits.", "changed how often the subject is named"),
        ("A [SUBJ] and a [SUBJ] sit.", "changed how often the subject is named"),
        ("A [SUBJ] sits " + "very " * 70 + "still.", "wrote more than 60 words"),
    ],
)
def test_a_refiner_may_not_lose_the_subject_or_ramble(answer: str, why: str) -> None:
    ((kept,),) = refine([row("A {} sit.")], ScriptedRefiner(answer), [DOG])
    assert (kept.text, kept.source, kept.status) == ("A {} sit.", "model", "refined")
    assert f"scripted {why}" in kept.reason
    assert kept.reason.endswith("The caption was kept as it was.")


def test_what_failed_is_not_refined() -> None:
    failed = row("", status="failed")
    ((same,),) = refine([failed], RulesRefiner(), [DOG])
    assert same == failed


# --- what is imported ----------------------------------------------------------------------------


def test_rows_are_read_without_spacy_and_checked_without_torch() -> None:
    program = """
        import builders.language
        from builders.language.rows import Called, to_table
        builders.language.read_captions
        builders.language.load_refiner("rules")
        assert not {"spacy", "sklearn", "openai"} & set(sys.modules)
        builders.language.leak_probe
        dog = Called(subject_id="dog", class_noun="dog", kind="living")
        assert builders.language.find_leaks("A {} sits in a dog bed.", dog)
    """
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", f"ROOT = {str(root)!r}\n{WITHOUT_HEAVY}{textwrap.dedent(program)}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
