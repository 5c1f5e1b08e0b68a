"""Claims about counting CLIP tokens without torch: the same as CLIP's own tokenizer counts."""

import random

import pytest

from pdst.clip_tokens import TokenCounter, find_counter

CAPTIONS = (
    "",
    "dog",
    "A dog wearing a Santa hat sits in front of a Christmas tree.",
    "It's the dog's 3rd birthday, isn't it? They've 12 candles & we'll count 'em!",
    "Un café près de l’église, “très” joli — naïve, 5½ m², 90 °C …",
    "中文 и кириллица, 🙂🙃 emoji_with_underscores",
    "&amp; &lt;b&gt; &amp;quot;",
    "supercalifragilisticexpialidocious " * 5,
    "\tblanks \n\n and   lines ",
)


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    found = find_counter()
    if found is None:
        pytest.skip("CLIP's vocabulary comes with open_clip")
    return found


def test_counts_known_by_hand(counter: TokenCounter) -> None:
    assert counter.count("") == 2  # the two marks
    assert counter.count("dog") == 3
    assert counter.count("teddy bear") == 4
    assert counter.count("a dog.") == 5


def test_text_of_any_length_is_counted_at_once(counter: TokenCounter) -> None:
    assert counter.count("x" * 10**7) > 77
    assert counter.count("the " * 10**6) > 77


def test_counts_are_those_of_open_clip(counter: TokenCounter) -> None:
    tokenizer = pytest.importorskip("open_clip.tokenizer").SimpleTokenizer()
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz'  .,-_!?0123456789éüß中文{}\n"
    made = ["".join(rng.choice(letters) for _ in range(rng.randrange(1, 60))) for _ in range(500)]
    for text in (*CAPTIONS, *made):
        assert counter.count(text) == len(tokenizer.encode(text)) + 2, repr(text)
