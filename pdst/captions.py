"""In: captions and a class noun. Out: what simple rules say of them: slots, length, repetition.

The one home of rules that a release is built by (`builders.language`) and judged by (`pdst.rows`,
`pdst.validate`). What takes a language model stands in `builders.language.leaks`.
"""

import re

from pdst.clip_tokens import CONTEXT, TokenCounter
from pdst.types import SLOT

LONG = 1000
"""Characters that no caption needs."""


def count_slots(caption: str) -> int:
    """How often `{}` stands in it; once is right."""
    return caption.count(SLOT)


def has_one_slot(caption: str) -> bool:
    """Whether `{}` stands in it exactly once, and no other brace."""
    return count_slots(caption) == 1 and caption.count("{") + caption.count("}") == len(SLOT)


def is_tidy(caption: str) -> bool:
    """Whether it has single blanks, printable characters alone, and at most LONG of them."""
    return caption == " ".join(caption.split()) and caption.isprintable() and len(caption) <= LONG


def names_class(caption: str, class_noun: str) -> bool:
    """Whether the class noun itself stands in it, also as a plural, in any case."""
    if not class_noun.strip():
        return False
    return bool(re.search(rf"\b{re.escape(class_noun)}(s|es)?\b", caption, re.IGNORECASE))


def too_long(caption: str, class_noun: str, counter: TokenCounter) -> str | None:
    """What to say if CLIP would cut off the caption with the class noun in it; None if not."""
    length = counter.count(caption.replace(SLOT, class_noun))
    if length <= CONTEXT:
        return None
    return f"{length} CLIP tokens with the class noun, CLIP reads {CONTEXT}. Shorten it."


def same_text(one: str, other: str) -> bool:
    """Whether two captions are one text, but for blanks and capitals."""
    return one.casefold().split() == other.casefold().split()


def bare_words(caption: str) -> str:
    """The caption without capitals and punctuation: equal for captions that repeat one another."""
    return " ".join(re.findall(r"\w+|{}", caption.casefold()))
