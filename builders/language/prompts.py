"""In: a subject. Out: what a model is asked for, and its answer made into a caption."""

import re

from builders.language.rows import Called

PLACEHOLDER = "[SUBJ]"
"""What models are asked to write for the subject; they keep it better than `{}`."""


def caption_prompt(subject: Called) -> str:
    """Asks for one caption of a photo. The paper's wording is not known; this is ours."""
    return (
        f"The main subject of this photo is a {subject.class_noun}. Describe the photo in one "
        "English sentence of 8 to 30 words from which somebody could draw it again. "
        f"Write {PLACEHOLDER} where you name the subject, exactly once, with an article: "
        f"'a {PLACEHOLDER}' or 'the {PLACEHOLDER}'. Never say what kind of thing {PLACEHOLDER} is, "
        "and nothing of its breed, brand, colour, material or markings. Do say what it does, its "
        "pose, what it wears, what is around and behind it, the light, and from where it is seen. "
        "Answer with the sentence alone."
    )


def refine_prompt(subject: Called, caption: str) -> str:
    """Asks for a caption in better English."""
    return (
        "Correct the grammar and spelling of this caption of a photo, and make it one clear "
        f"sentence. Keep what it says; add nothing. {PLACEHOLDER} stands for the subject: keep it "
        f"exactly once, and never name a {subject.class_noun}. Answer with the caption alone.\n\n"
        f"{caption}"
    )


_LEADS = re.compile(
    r"^(?:(?:sure|certainly|of course)[^:]*:|(?:the )?(?:caption|sentence|answer)\s*:|"
    r"\(?\d{1,2}[.):]|[-*•–])\s*",
    re.IGNORECASE,
)
_QUOTES = "\"'“”‘’`*"


def answer_text(answer: str) -> str:
    """A model's answer as a caption: no list number, no quotes, no preface, one line.

    Returns:
        the first line that says something, or "" if there is none.
    """
    for line in answer.splitlines():
        text, before = line.strip(), None
        while text != before:
            before = text
            text = _unquoted(_LEADS.sub("", text).strip())
        if text and not text.endswith(":"):
            return " ".join(text.split())
    return ""


def _unquoted(text: str) -> str:
    """Without quotes around the whole; those within stay."""
    while len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text
