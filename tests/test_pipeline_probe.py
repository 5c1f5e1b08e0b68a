"""Claims about the leak probe's numbers: in the card and the sheets, computed from the data."""

import csv
from dataclasses import asdict
from pathlib import Path

import pytest

from builders.language import leak_probe
from builders.pipeline.build import build, standings
from builders.pipeline.cli import told_of_all
from builders.pipeline.probing import Probed, probe_sentence
from builders.pipeline.provenance import review_items
from builders.pipeline.workspace import Workspace
from builders.review.sheet import ALL, read_sheet, write_sheet
from pdst.dataset import load
from tests.workspaces import answer_all, make_workspace


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Four subjects, two living and two rigid."""
    workspace = make_workspace(tmp_path_factory.mktemp("probe") / "ws", subjects=4, photos=5)
    built = answer_all(workspace)
    assert built.waiting == ()
    return workspace


def test_the_cards_probe_is_that_of_the_released_captions(built: Workspace) -> None:
    """Computed here once more, from the release alone."""
    benchmark = load(built.output)
    kinds = {subject.subject_id: subject.kind for subject in benchmark.subjects}
    released = [(test.subject_id, text) for test in benchmark.test for text in test.captions]
    subjects, texts = [own for own, _ in released], [text for _, text in released]
    found = leak_probe(texts, [kinds[own] for own in subjects], subjects)
    line = (
        f"| kind | 2 | 4 | {len(texts)} | {100 * found.accuracy:.1f}% | {100 * found.low:.1f}% to "
        f"{100 * found.high:.1f}% | {100 * found.chance:.1f}% | {found.p_value:.3f} |"
    )
    card = (built.output / "README.md").read_text()
    assert line in card
    assert "| class noun | too few |" in card, "no two subjects have one"


def test_reviewers_are_told_before_the_first_question(built: Workspace, tmp_path: Path) -> None:
    items = review_items(built, "captions")
    told = told_of_all(built, "captions")
    assert told_of_all(built, "photos") == ()
    sheet, file = tmp_path / "ada.csv", tmp_path / "ada.jsonl"
    write_sheet(built, sheet, items, file, told)
    with sheet.open(newline="") as opened:
        lines = list(csv.DictReader(opened))
    assert [line["item"] for line in lines[:2]] == [ALL, ALL]
    assert lines[0]["text"].startswith("leak probe: the class noun cannot be guessed")
    assert lines[1]["text"] == told[1]
    assert [line["item"] for line in lines[2:]] == [item.name for item in items]
    assert read_sheet(built, "captions", "ada", sheet, items) == 0, "such a line is no answer"
    (notes,) = [own.notes for own in standings(built) if own.stage == "check"]
    assert set(told) <= set(notes)


def test_the_sentence_has_share_interval_and_chance() -> None:
    texts = ["A {} barks.", "A {} barks at it.", "A {} ticks.", "A {} ticks on."] * 3
    classes = ["dog", "dog", "clock", "clock"] * 3
    found = leak_probe(texts, classes, ["a", "b", "c", "d"] * 3, deals=20)
    assert asdict(found)["accuracy"] == 1.0
    assert probe_sentence(Probed(asked="kind", probe=found)).startswith(
        "leak probe: from its captions alone, a subject's kind is guessed right in 100.0% of them "
        f"(95 % interval 100.0% to 100.0%; chance {found.chance:.1%}; 2 classes, 4 subjects)"
    )


def test_a_probe_is_computed_once(built: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was kept")

    monkeypatch.setattr("builders.language.probe.leak_probe", never)
    monkeypatch.setattr("builders.language.leak_probe", never, raising=False)
    assert build(built, anew="check").done[0] == "check"
