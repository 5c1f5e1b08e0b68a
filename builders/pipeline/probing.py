"""In: a workspace's captions. Out: the leak probe's numbers, for the card and for reviewers.

What a classifier of words guesses from the captions of a subject that it has not read about: its
class noun, and whether it is living or rigid. Some seconds for a whole release, so it is kept under
a digest of what it was computed of.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from builders.card import table
from builders.pipeline.rows import Approval, from_table
from builders.pipeline.workspace import Workspace
from pdst.digest import Json, digest_json
from pdst.files import write_json

if TYPE_CHECKING:  # scikit-learn takes seconds to import, that only a probe shall cost
    from builders.language import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What one probe came to.

    Attributes:
        asked: what was guessed: "class noun" or "kind".
        probe: None if there are too few subjects to ask.
    """

    asked: str
    probe: "Probe | None"


class Classed(Protocol):
    """What both questions are about: a subject, or a row of one."""

    @property
    def class_noun(self) -> str:
        """Such as "dog"."""
        ...

    @property
    def kind(self) -> str:
        """Living or rigid."""
        ...


def probe_captions(workspace: Workspace, captions: Sequence[Approval]) -> tuple[Probed, ...]:
    """Guess each caption's class noun and kind, as `builders.language.leak_probe` does."""
    of = [workspace.settings.subjects[row.subject_id] for row in captions]
    return probe_each(of, lambda classes: _probe(workspace, captions, classes))


def probe_each(
    subjects: Sequence[Classed], probe: "Callable[[Sequence[str]], Probe | None]"
) -> tuple[Probed, ...]:
    """Ask both questions.

    Args:
        subjects: of each caption.
        probe: answers one, from the class of each caption's subject.
    """
    asked: dict[str, list[str]] = {
        "class noun": [subject.class_noun for subject in subjects],
        "kind": [subject.kind for subject in subjects],
    }
    return tuple(Probed(asked=name, probe=probe(classes)) for name, classes in asked.items())


def _probe(
    workspace: Workspace, captions: Sequence[Approval], classes: Sequence[str]
) -> "Probe | None":
    from builders.language import LanguageError, Probe, leak_probe

    texts, subjects = [row.text for row in captions], [row.subject_id for row in captions]
    of: list[Json] = [version("scikit-learn"), list(texts), list(classes), list(subjects)]
    path = workspace.folder / "stored" / "probes" / f"{digest_json(of)}.json"
    if not path.is_file():
        try:
            found = asdict(leak_probe(texts, classes, subjects))
        except LanguageError:  # too few subjects; another number of them is another digest
            found = None
        write_json(path, {"probe": found})
    said = json.loads(path.read_text(encoding="utf-8"))["probe"]
    return None if said is None else Probe(**{**said, "left_out": tuple(said["left_out"])})


def probe_table(probed: Sequence[Probed]) -> str:
    """Markdown: each probe's share told right, with interval and chance."""
    header = ("guessed", "classes", "subjects", "captions", "right", "95 % interval", "chance", "p")
    lines: list[tuple[object, ...]] = []
    for own in probed:
        if (found := own.probe) is None:
            lines.append((own.asked, "too few", "", "", "", "", "", ""))
            continue
        interval = f"{found.low:.1%} to {found.high:.1%}"
        sizes = (found.classes, found.subjects, found.captions)
        shares = (f"{found.accuracy:.1%}", interval, f"{found.chance:.1%}", f"{found.p_value:.3f}")
        lines.append((own.asked, *sizes, *shares))
    return table(header, lines)


def probe_sentence(own: Probed) -> str:
    """One probe in a sentence, for reviewers."""
    if (found := own.probe) is None:
        return (
            f"leak probe: the {own.asked} cannot be guessed from the captions of other subjects: "
            "that takes two classes of two subjects each"
        )
    return (
        f"leak probe: from its captions alone, a subject's {own.asked} is guessed right in "
        f"{found.accuracy:.1%} of them (95 % interval {found.low:.1%} to {found.high:.1%}; chance "
        f"{found.chance:.1%}; {found.classes} classes, {found.subjects} subjects)"
    )


def released_captions(workspace: Workspace) -> list[Approval]:
    """The captions that go into the release, in its order."""
    rows = from_table(Approval, workspace.rows("check"))
    return [row for row in rows if row.status == "approved"]
