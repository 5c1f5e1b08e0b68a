"""Claims about the leaks found in the paper's captions, in ours, and in planted faults."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from builders.language import check, find_leaks
from builders.language.distinct import near, repeated
from builders.language.leaks import Leak
from builders.language.rows import (
    Called,
    CaptionRow,
    LanguageError,
    by_image,
    from_table,
    to_table,
)
from builders.language.wordnet import extract, nouns
from builders.language.words import class_words, term
from builders.sources import dreambooth30

DOG = Called(subject_id="dog", class_noun="dog", kind="living", leak_terms=("Rex", "Best Friend"))
BACKPACK = Called(subject_id="bag", class_noun="backpack", kind="rigid")

FIG12 = json.loads(Path(__file__).with_name("language_fig12.json").read_text("utf-8"))
"""The captions of the paper's Fig. 12: five photos of living subjects, ten captions each."""


def codes(leaks: tuple[Leak, ...], level: str) -> list[tuple[str, str]]:
    return [(leak.code, leak.word) for leak in leaks if leak.level == level]


def rows_of(captions: list[str], image_id: str = "00") -> list[CaptionRow]:
    return [
        CaptionRow(
            subject_id="dog",
            image_id=image_id,
            caption_index=index,
            text=text,
            source="test",
            status="neutralized",
        )
        for index, text in enumerate(captions)
    ]


# --- the paper's own captions --------------------------------------------------------------------


def test_fig_12_has_no_hard_leak() -> None:
    found = {text: codes(find_leaks(text, DOG), "hard") for image in FIG12 for text in image}
    assert {text: leaks for text, leaks in found.items() if leaks} == {}


def test_fig_12_has_the_soft_leaks_that_are_known() -> None:
    words = Counter(
        word
        for image in FIG12
        for text in image
        for _, word in codes(find_leaks(text, DOG), "soft")
    )
    assert words["dog bed"] == 9
    assert words["paws"] == 1
    assert words["tongue"] == 6
    assert words["dog"] == 2, "a picture of a dog in a book: another one"
    assert words["fur"] == 2
    assert (words["collar"], words["tag"], words["panting"]) == (1, 1, 2)


def test_fig_12_repeats_one_caption_and_one_but_for_a_comma() -> None:
    assert [repeated(image) for image in FIG12] == [
        {7: (0, True), 6: (3, False)},
        *({} for _ in range(4)),
    ]
    (rows,) = check(rows_of(FIG12[0]), [DOG])
    duplicates = {row.caption_index: row for row in rows if "duplicate" in row.reason}
    assert sorted(duplicates) == [6, 7]
    assert duplicates[7].status == "warned"
    assert "soft duplicate: it is caption 0 again. Write another one." in duplicates[7].reason
    assert "soft near-duplicate: it is nearly caption 3 again" in duplicates[6].reason
    assert {row.status for row in rows} == {"passed", "warned"}


# --- ours ----------------------------------------------------------------------------------------


def test_our_captions_have_no_hard_leak_and_no_repetition() -> None:
    hard: list[tuple[str, str, tuple[str, str]]] = []
    soft = total = 0
    for row in dreambooth30.without_photos():
        subject = Called(subject_id=row.subject_id, class_noun=row.class_noun, kind=row.kind)
        assert repeated(row.captions) == {}
        for text in row.captions:
            leaks = find_leaks(text, subject)
            hard += [(row.name, text, leak) for leak in codes(leaks, "hard")]
            soft += bool(codes(leaks, "soft"))
            total += 1
    assert hard == []
    assert total == 660, "the published ones; those of two dropped photos are not among them"
    assert soft == 98, "15 %: tongues, mouths, blueberries; see the README of dreambooth30"


# --- planted faults ------------------------------------------------------------------------------

HARD = {
    "A {} and a {} sit on grass.": ("several-slots", "Keep the first, and write 'it' or 'its'"),
    "A poodle sits on grass.": ("no-slot", "Put {} where it is named"),
    "The {}, a poodle, sits on grass.": ("kind-name", "{} stands for it already: take it out"),
    "A golden retriever {} sits on grass.": ("kind-name", "'golden retriever' says which kind"),
    "A {} poodle sits on grass.": ("kind-name", "'poodle' says which kind the subject is"),
    "The {} is a poodle.": ("kind-name", "'poodle' says which kind the subject is"),
    "The {} looks like a poodle.": ("kind-name", "'poodle' says which kind the subject is"),
    "A {} looks up and the puppy is happy.": ("class-name", "'puppy' names the subject"),
    "A {} rests by the dog's bowl, the dog waits.": ("class-name", "'dog' names the subject"),
    "A brown {} sits on grass.": ("colour", "'brown' gives the colour of the subject away"),
    "A small, rust-colored {} sits on grass.": ("colour", "Take it out"),
    "The {} is white and sits on grass.": ("colour", "'white' gives the colour"),
    "A spotted {} sits on grass.": ("marking", "'spotted' gives the marking"),
    "A Siberian {} sits on grass.": ("name", "a brand, breed or other name"),
    "A {} with a Best Friend scarf sits on grass.": ("leak-term", "leak terms. Take it out"),
    "A [SUBJ] sits on grass.": ("placeholder", "Write {} for it"),
    "": ("empty", "Write one"),
}


@pytest.mark.parametrize("caption", HARD)
def test_a_planted_fault_is_found_and_the_message_says_what_to_do(caption: str) -> None:
    code, message = HARD[caption]
    leaks = [leak for leak in find_leaks(caption, DOG) if leak.code == code]
    assert [leak.level for leak in leaks] == ["hard"] * len(leaks)
    assert leaks
    assert message in leaks[0].message


@pytest.mark.parametrize(
    ("own", "caption"),
    [
        ("Levi's", "A {} with a Levi\u2019s label hangs on a wall."),
        ("AC/DC", "A {} with AC/DC printed on it stands on a table."),
        ("World's Best Dad", "A {} that says World's best dad stands on a table."),
        ("Sunny", "A {} named Sunny stands on a table."),
        ("Sunny", "A {} with Sunny printed on it stands on a table."),
        ("nike", "A {} stands beside a poster with a Nike logo."),
    ],
)
def test_a_leak_term_is_found_by_its_letters_however_it_is_parsed(own: str, caption: str) -> None:
    subject = Called(subject_id="x", class_noun="mug", kind="rigid", leak_terms=(own,))
    assert ("leak-term", own) in codes(find_leaks(caption, subject), "hard")


def test_a_name_that_is_a_word_too_is_no_leak_as_a_word() -> None:
    subject = Called(subject_id="x", class_noun="mug", kind="rigid", leak_terms=("Sunny", "Mo"))
    assert find_leaks("A {} stands on a most sunny bench.", subject) == ()


def test_a_planted_fault_fails_its_row_with_the_reason() -> None:
    (rows,) = check(rows_of(["A {} sits.", "A {} and a {} sit.", "A corgi {} sits."]), [DOG])
    assert [row.status for row in rows] == ["passed", "failed", "failed"]
    assert rows[1].reason.startswith("hard several-slots: 2 times {}, wanted once. Keep the first")
    assert rows[2].reason == (
        "hard kind-name: 'corgi' says which kind the subject is. {} stands for it already: take it "
        "out."
    )


INNOCENT = (
    "A {} wearing a red Santa hat sits next to a white wooden fence.",
    "A small {} sits under a brown leather couch.",
    "A {} sits on orange tiles, in bright light.",
    "A tired {} lies in front of a brick wall.",
    "Red and yellow leaves surround a {}.",
    "A {} is next to something golden.",
)


@pytest.mark.parametrize("caption", INNOCENT)
def test_colours_of_other_things_are_no_leak(caption: str) -> None:
    assert find_leaks(caption, DOG) == ()


@pytest.mark.parametrize(
    "caption",
    [
        "A {} sits in a dog bed.",
        "A {} lies on a book with a picture of a poodle.",
        "A {} plays with another dog.",
        "A {} watches two dogs.",
        "A {} looks at the dog on the poster.",
    ],
)
def test_the_class_of_something_else_is_a_soft_leak(caption: str) -> None:
    leaks = find_leaks(caption, DOG)
    assert [(leak.level, leak.code) for leak in leaks] == [("soft", "class-word")]


def test_a_caption_longer_than_clip_reads_is_a_soft_leak() -> None:
    leaks = find_leaks("A {} sits on " + "very " * 80 + "green grass.", DOG)
    assert [leak.code for leak in leaks] == ["long"]
    assert "CLIP reads 77. Shorten it." in leaks[0].message


def test_an_article_that_does_not_suit_the_slot_is_a_soft_leak() -> None:
    assert [leak.code for leak in find_leaks("An {} sits on grass.", DOG)] == ["article"]
    assert [leak.code for leak in find_leaks("{} sits on grass.", DOG)] == ["article"]


# --- words ---------------------------------------------------------------------------------------


def test_wordnet_knows_breeds_and_the_kind_picks_the_meaning() -> None:
    dog = class_words("dog", "living").terms
    assert dog[term("golden retriever")] == "kind"
    assert dog[term("Pembroke")] == "kind"
    assert dog[term("boxer")] == "rare kind", "commonly a person"
    assert dog[term("domestic dog")] == "class"
    assert dog[term("canine")] == "class"
    assert dog[term("paw")] == "part"
    assert term("mallard") in class_words("duck", "living").terms
    assert term("mallard") not in class_words("duck", "rigid").terms
    assert class_words("sneaker", "rigid").terms[term("shoelace")] == "part"


def test_a_class_that_wordnet_does_not_know_has_our_names() -> None:
    assert "stuffed animal" not in nouns().senses
    assert class_words("stuffed animal", "rigid").terms[term("plushie")] == "class"


def test_the_extract_keeps_names_kinds_parts_and_the_order_of_senses(tmp_path: Path) -> None:
    """Three lines of WordNet's own format; the third is a person, and left out."""
    (tmp_path / "data.noun").write_text(
        "  1 licence\n"
        "00000100 05 n 02 dog 0 Domestic_Dog 0 002 @ 00000300 n 0000 %p 00000200 n 0000 | a pet  \n"
        "00000200 05 n 01 flag 6 001 #p 00000100 n 0000 | a conspicuously shaped tail  \n"
        "00000300 18 n 01 animal 1 000 | not here  \n",
        "utf-8",
    )
    (tmp_path / "index.noun").write_text(
        "  1 licence\n"
        "animal n 1 0 1 0 00000300  \n"
        "dog n 2 2 @ %p 2 1 00000300 00000100  \n"
        "domestic_dog n 1 1 @ 1 0 00000100  \n"
        "flag n 1 1 #p 1 0 00000200  \n",
        "utf-8",
    )
    assert gzip.decompress(extract(tmp_path)).decode().splitlines() == [
        "00000100\tanimal\tdog:2|domestic dog:1\t\t00000200",
        "00000200\tanimal\tflag:1\t\t",
    ]
    assert extract(tmp_path) == extract(tmp_path)
    with pytest.raises(LanguageError, match=r"not WordNet's dict folder"):
        extract(tmp_path / "elsewhere")


# --- rows ----------------------------------------------------------------------------------------


def test_rows_survive_a_table() -> None:
    rows = tuple(rows_of(FIG12[0]))
    table = to_table(rows)
    assert [str(kind) for kind in table.schema.types[:4]] == ["string", "string", "int8", "string"]
    assert from_table(table) == rows
    with pytest.raises(LanguageError, match=r"has the columns subject_id string.*wanted"):
        from_table(table.drop_columns(["reason"]))


def test_images_come_in_order_and_those_done_are_left_out() -> None:
    rows = [*rows_of(["b {}"], "02"), *rows_of(["a {}", "c {}"], "01"), *rows_of(["d {}"], "03")]
    keys = [image[0].key for image in by_image(rows, done={("dog", "02")})]
    assert keys == [("dog", "01"), ("dog", "03")]
    with pytest.raises(LanguageError, match="two captions have one caption_index"):
        list(by_image([*rows, *rows_of(["again {}"], "03")]))


def test_a_subject_without_a_class_noun_is_named() -> None:
    with pytest.raises(LanguageError, match="no class noun is known for the subject 'dog'"):
        list(check(rows_of(["A {} sits."]), [BACKPACK]))


def test_near_repetitions() -> None:
    assert near("A {} sits on a bench, at dusk.", "a {} sits on a bench at dusk")
    assert not near("A {} sits on a bench at dusk.", "A {} sleeps under a bench at dusk.")
