"""In: captions of one photo. Out: which of them say the same."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from pdst.captions import same_text
from pdst.types import SLOT

SIMILAR = 0.9
"""Two captions whose words agree to this share, in order, count as one for a captioner."""


def near(one: str, other: str) -> bool:
    """Whether two captions are nearly one text: the same words, or all but one in ten of them."""
    first, second = words_of(one), words_of(other)
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    return matcher.real_quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR


def words_of(caption: str) -> list[str]:
    """The words in small letters, `{}` among them, without punctuation."""
    return re.findall(rf"{re.escape(SLOT)}|[\w'-]+", caption.casefold())


def repeated(captions: Sequence[str]) -> dict[int, tuple[int, bool]]:
    """Which captions repeat an earlier one.

    Returns:
        number -> (the first that it repeats, whether it is the same text). Numbers from 0.
    """
    found: dict[int, tuple[int, bool]] = {}
    for later, caption in enumerate(captions):
        if not caption.strip():
            continue
        for same in (same_text, near):
            earlier = next((n for n in range(later) if same(captions[n], caption)), None)
            if earlier is not None:
                found[later] = earlier, same is same_text
                break
    return found
