"""In: a name. Out: how it reads to the eye, and in which scripts it is written.

Two names read alike if one of their readings is the same: as written, in small and in capital
letters, each letter replaced by the one that stands for all that look like it.

Source:
    Unicode Technical Standard 39, "Unicode Security Mechanisms", sections 4 (skeletons) and 5.2
    (restriction levels); its tables come with `confusable_homoglyphs`.
"""

import unicodedata
from functools import cache

from confusable_homoglyphs.categories import alias  # type: ignore[import-untyped]
from confusable_homoglyphs.confusables import (  # type: ignore[import-untyped]
    confusables_data,
)

from leaderboard.tables import TIERS

SHARED = {"COMMON", "INHERITED"}
"""Digits, blanks, signs and marks belong to no script."""

TOGETHER = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)
"""Scripts that are written together; others are mixed."""

VERDICTS = (*TIERS, "verified")
"""What a board says of entries, and no entry of itself."""


def readings(name: str) -> frozenset[str]:
    """What a name may be read as; names that share a reading look alike.

    >>> readings("DreamВooth") & readings("DREAM BOOTH") != set()  # the first B is Cyrillic
    True
    """
    forms = {"written": name, "small": name.casefold(), "capital": name.upper()}
    return frozenset(f"{form}:{_skeleton(text)}" for form, text in forms.items())


def mixed_scripts(text: str) -> list[str]:
    """The scripts of a text, if they are not usually written together; else none.

    >>> mixed_scripts("β-VAE"), mixed_scripts("绘图 LoRA")
    (['Greek', 'Latin'], [])
    """
    if text.isascii():
        return []
    scripts = {str(alias(letter)) for letter in text} - SHARED
    if len(scripts) < 2 or any(scripts <= usual for usual in TOGETHER):
        return []
    return sorted(script.replace("_", " ").title() for script in scripts)


def claimed_verdict(name: str) -> str | None:
    """The word in a name that only the board may say; None without.

    >>> claimed_verdict("TI (vеrified)")  # with a Cyrillic letter
    'verified'
    """
    forms = [_skeleton(name), _skeleton(name.casefold())]
    said = (word for word in VERDICTS if any(_skeleton(word) in form for form in forms))
    return next(said, None)


def _skeleton(text: str) -> str:
    """Equal for texts that look alike; widths, blanks and, at the end, case play no part."""
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    found = "".join(_prototype(letter) for letter in plain if not letter.isspace())
    return unicodedata.normalize("NFD", found).casefold()


@cache
def _prototype(letter: str) -> str:
    """The letter or letters that stand for all that look like this one."""
    alike = _alike(letter)
    if len(alike) != 1:
        return letter  # nothing looks like it, or it is the one that others look like
    other = alike[0]
    return other if len(_alike(other)) > 1 else min(letter, other)


def _alike(letters: str) -> list[str]:
    found = confusables_data.get(letters, ())
    return [str(one["c"]).strip("\u200e") for one in found]
