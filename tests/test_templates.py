"""Claims about the prompt lists: what each pool says, against the printed strings."""

from hashlib import sha256
from typing import get_args

import pytest

from pdst.diffusion.templates import MISPRINT, REPAIRED, TEMPLATES, Pool, Templates, templates
from pdst.errors import SettingsError

POOLS: tuple[Pool, ...] = get_args(Pool)
WORDS = {"subject": "<v>", "noun": "dog", "attractor": "<A>"}


def prompts(name: str, pool: Pool) -> list[str]:
    made = templates(name)
    return [made.prompt(pool, index, **WORDS) for index in range(len(made.of(pool)))]


@pytest.mark.parametrize(
    ("name", "pool", "count"),
    [
        ("pdst", "subject", 15),
        ("pdst", "background", 15),
        ("pdst", "joint", 15),
        ("verbatim", "subject", 15),
        ("verbatim", "background", 15),
        ("verbatim", "joint", 14),
        ("imagenet27", "subject", 27),
    ],
)
def test_a_pool_has_the_published_number_of_different_prompts(
    name: str, pool: Pool, count: int
) -> None:
    assert len(set(prompts(name, pool))) == len(prompts(name, pool)) == count


@pytest.mark.parametrize(
    ("pool", "first", "last"),
    [
        ("subject", "a photo of a <v>.", "a photo of a nice <v>."),
        ("background", "a photo of a dog in the <A>.", "a photo of one dog in the <A>."),
        ("joint", "a photo of a <v> in the <A>.", "a photo of one <v> in the <A>."),
    ],
)
def test_each_pool_shows_its_own_words(pool: Pool, first: str, last: str) -> None:
    made = prompts("pdst", pool)
    assert (made[0], made[-1]) == (first, last)
    shown = {"subject": {"<v>"}, "background": {"dog", "<A>"}, "joint": {"<v>", "<A>"}}[pool]
    for prompt in made:
        assert {word for word in WORDS.values() if word in prompt} == shown
        assert "{" not in prompt


def test_the_misprint_is_repaired_in_place() -> None:
    assert prompts("pdst", "background")[2] == "a cropped photo of the dog in the <A>."
    assert prompts("pdst", "joint")[2] == "a cropped photo of the <v> in the <A>."


def test_the_misprint_shows_the_attractor_alone_and_never_the_subject() -> None:
    assert prompts("verbatim", "background")[2] == "a cropped photo of the in the <A>."
    joint = templates("verbatim").of("joint")
    assert joint == tuple(text for text in templates("pdst").of("joint") if text != REPAIRED)


def test_the_lists_differ_in_the_misprint_alone() -> None:
    repaired, printed = templates("pdst"), templates("verbatim")
    assert repaired.subject == printed.subject
    pairs = zip(repaired.two_slot, printed.two_slot, strict=True)
    assert [pair for pair in pairs if pair[0] != pair[1]] == [(REPAIRED, MISPRINT)]


def test_textual_inversions_prompts_have_no_full_stop_and_the_papers_have_one() -> None:
    assert not any(text.endswith(".") for text in prompts("imagenet27", "subject"))
    for pool in POOLS:
        assert all(text.endswith(".") for text in prompts("verbatim", pool))


def test_an_article_before_a_vowel_stays_as_published() -> None:
    made = templates("pdst").prompt(
        "background", 0, subject="<v>", noun="umbrella", attractor="<A>"
    )
    assert made == "a photo of a umbrella in the <A>."


def test_braces_in_a_word_are_text() -> None:
    made = templates("pdst").prompt("joint", 0, subject="{}", noun="dog", attractor="{0}")
    assert made == "a photo of a {} in the {0}."


@pytest.mark.parametrize("pool", ["background", "joint"])
def test_textual_inversions_list_knows_no_attractor(pool: Pool) -> None:
    with pytest.raises(SettingsError, match=f"{pool} pool needs two: use 'pdst'"):
        templates("imagenet27").of(pool)


def test_an_unknown_list_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"No list of templates named 'imagenet'.*imagenet27"):
        templates("imagenet")


@pytest.mark.parametrize(
    ("name", "subject", "two_slot", "message"),
    [
        ("mine", "a photo of a dog", "{} in {}", r"'a photo of a dog' has 0 slots, wanted 1"),
        ("mine", "{} and {}", "{} in {}", r"'\{\} and \{\}' has 2 slots, wanted 1"),
        ("mine", "{}", "a {}", r"'a \{\}' has 1 slots, wanted 2: write each slot as \{\}"),
        ("pdst", "{}", MISPRINT, "has 1 slots, wanted 2"),
        ("verbatim", "{}", "a {}", "has 1 slots, wanted 2"),
    ],
)
def test_a_wrong_number_of_slots_is_an_error(
    name: str, subject: str, two_slot: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Templates(name=name, subject=(subject,), two_slot=(two_slot,))


def test_the_tables_names_are_the_lists_own() -> None:
    assert list(TEMPLATES) == ["pdst", "verbatim", "imagenet27"]
    assert all(made.name == name for name, made in TEMPLATES.items())


@pytest.mark.parametrize(
    ("lines", "digest"),
    [
        # Of the lines between quotation marks in the paper's supplementary section 10.
        (templates("verbatim").subject, "5fef9ecae0ac6499"),
        (templates("verbatim").two_slot, "11c0cff348eba02d"),
        # Compared by eye with `imagenet_templates_small` in diffusers' textual_inversion.py.
        (templates("imagenet27").subject, "371f97a75395160f"),
    ],
)
def test_the_lists_are_those_published_letter_for_letter(
    lines: tuple[str, ...], digest: str
) -> None:
    assert sha256("\n".join(lines).encode()).hexdigest().startswith(digest)
