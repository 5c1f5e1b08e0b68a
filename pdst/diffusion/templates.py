"""In: a pool and words. Out: a training prompt. The published prompt lists, as data.

Three pools teach two new words: "subject" shows v*, the subject; "background" shows A*, the
attractor, beside the plain class noun; "joint" shows both. The paper prints no third list:
"background" and "joint" fill the same two-slot templates. "a" before a noun that begins with a
vowel ("a photo of a umbrella") stays as published, so that a prompt differs in its words alone.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pdst.errors import SettingsError, unknown_name

Pool: TypeAlias = Literal["subject", "background", "joint"]

MISPRINT = "a cropped photo of the in the {}."
"""A two-slot template that lost a slot in print; "verbatim" keeps it."""

REPAIRED = "a cropped photo of the {} in the {}."
"""What the other fourteen say that it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """A named list of prompts with empty slots.

    Attributes:
        name: "pdst", "verbatim" or "imagenet27".
        subject: templates with one slot.
        two_slot: templates with two slots, in "verbatim" the misprint too; empty: no such list.

    Raises:
        SettingsError: on construction, if a template has another number of slots.
    """

    name: str
    subject: tuple[str, ...]
    two_slot: tuple[str, ...]

    def __post_init__(self) -> None:
        """Count the slots."""
        kept = (MISPRINT,) if self.name == "verbatim" else ()
        wanted = [(template, 1) for template in self.subject]
        wanted += [(template, 2) for template in self.two_slot if template not in kept]
        for template, slots in wanted:
            if template.count("{}") != slots:
                raise SettingsError(
                    f"Templates '{self.name}': '{template}' has {template.count('{}')} slots, "
                    f"wanted {slots}: write each slot as {{}}."
                )

    def of(self, pool: Pool) -> tuple[str, ...]:
        """The templates that a pool draws from, in published order.

        The joint pool leaves the misprint out: it has no slot for v*.

        Raises:
            SettingsError: if the pool needs two-slot templates and there are none.
        """
        if pool == "subject":
            return self.subject
        if not self.two_slot:
            raise SettingsError(
                f"Templates '{self.name}' have one slot each, and the {pool} pool needs two: use "
                "'pdst'."
            )
        if pool == "background":
            return self.two_slot
        return tuple(template for template in self.two_slot if template.count("{}") == 2)

    def prompt(self, pool: Pool, index: int, *, subject: str, noun: str, attractor: str) -> str:
        """Fill one of a pool's templates.

        Args:
            pool: which.
            index: the template's place in `of(pool)`.
            subject: v*, the word that stands for the subject.
            noun: S, the subject's class noun.
            attractor: A*, the word that stands for the background.

        Raises:
            SettingsError: as `of`.
        """
        template = self.of(pool)[index]
        if pool == "subject":
            return template.format(subject)
        if pool == "joint":
            return template.format(subject, attractor)
        if template.count("{}") == 1:
            return template.format(attractor)
        return template.format(noun, attractor)


def templates(name: str) -> Templates:
    """The list of a name: "pdst", "verbatim" or "imagenet27".

    Raises:
        SettingsError: if there is none of that name.

    Source:
        Li et al., arXiv 2503.06632, supplementary section 10: "pdst" with one lost slot put back,
        "verbatim" as printed. "imagenet27": `imagenet_templates_small` of Textual Inversion's
        public code (Gal et al., arXiv 2208.01618), which NeTI uses too.
    """
    if name not in TEMPLATES:
        raise SettingsError(unknown_name("list of templates", name, TEMPLATES))
    return TEMPLATES[name]


_SUBJECT = (
    "a photo of a {}.",
    "a rendering of a {}.",
    "the photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a close-up photo of the {}.",
    "a rendition of the {}.",
    "a photo of a nice {}.",
)

_PRINTED = (
    "a photo of a {} in the {}.",
    "a rendering of a {} in the {}.",
    MISPRINT,
    "the photo of a {} in the {}.",
    "a photo of a clean {} in the {}.",
    "a photo of my {} in the {}.",
    "a photo of the nice {} in the {}.",
    "a good photo of a {} in the {}.",
    "a rendition of a {} in the {}.",
    "a photo of the clean {} in the {}.",
    "a photo of a cool {} in the {}.",
    "a close-up photo of a {} in the {}.",
    "a photo of the cool {} in the {}.",
    "a cropped photo of a {} in the {}.",
    "a photo of one {} in the {}.",
)

_IMAGENET = (
    "a photo of a {}",
    "a rendering of a {}",
    "a cropped photo of the {}",
    "the photo of a {}",
    "a photo of a clean {}",
    "a photo of a dirty {}",
    "a dark photo of the {}",
    "a photo of my {}",
    "a photo of the cool {}",
    "a close-up photo of a {}",
    "a bright photo of the {}",
    "a cropped photo of a {}",
    "a photo of the {}",
    "a good photo of the {}",
    "a photo of one {}",
    "a close-up photo of the {}",
    "a rendition of the {}",
    "a photo of the clean {}",
    "a rendition of a {}",
    "a photo of a nice {}",
    "a good photo of a {}",
    "a photo of the nice {}",
    "a photo of the small {}",
    "a photo of the weird {}",
    "a photo of the large {}",
    "a photo of a cool {}",
    "a photo of a small {}",
)

TEMPLATES = {
    made.name: made
    for made in (
        Templates(
            name="pdst",
            subject=_SUBJECT,
            two_slot=tuple(REPAIRED if text == MISPRINT else text for text in _PRINTED),
        ),
        Templates(name="verbatim", subject=_SUBJECT, two_slot=_PRINTED),
        Templates(name="imagenet27", subject=_IMAGENET, two_slot=()),
    )
}
