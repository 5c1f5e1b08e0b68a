"""In: what is to be reviewed. Out: a CSV to fill in, and back: for those without a browser.

A reviewer gets the questions and the photos' paths, never what another reviewer said.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from builders.pipeline.settings import WorkspaceError
from builders.pipeline.workspace import Workspace
from builders.review.answers import Answer, append_answers, now, read_answers
from builders.review.items import Item, ReviewKind
from pdst.errors import unknown_name
from pdst.files import whole_file
from pdst.release import shown as shortened

COLUMNS = ("item", "answer", "reason", "photo", "beside", "text", "shown")
YES, NO = ("yes", "y", "1"), ("no", "n", "0")


ALL = "(all)"
"""The item of a line that tells something of all, and asks nothing."""


def write_sheet(
    workspace: Workspace,
    path: Path,
    items: Sequence[Item],
    answers_file: Path,
    told: Sequence[str] = (),
) -> None:
    """Write a sheet: one line an item, with the reviewer's own answers so far.

    Args:
        workspace: whose photos.
        path: of the sheet.
        items: the questions.
        answers_file: the reviewer's.
        told: sentences about all of them, a line each before the questions.
    """
    answers = read_answers(answers_file, items)
    stored = workspace.folder / "stored"
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([ALL, "", "", "", "", sentence, ""] for sentence in told)
    for item in items:
        own = answers.get(item.name)
        beside = stored / "photos" / item.anchor if item.anchor else ""
        beside = stored / "masks" / item.mask if item.mask else beside
        said = "" if own is None else YES[0] if own.yes else NO[0]
        reason = "" if own is None else own.reason
        photo = stored / "photos" / item.photo
        writer.writerow([item.name, said, reason, photo, beside, item.text, item.shown[:12]])
    with whole_file(path) as temporary:
        temporary.write_text(buffer.getvalue(), encoding="utf-8")


def read_sheet(
    workspace: Workspace, kind: ReviewKind, reviewer: str, path: Path, items: Sequence[Item]
) -> int:
    """Take a filled-in sheet: all of its answers, or none.

    Needs the columns item and answer; `shown`, if it is there, makes sure that the answer is about
    what there is now. Lines without an answer are passed over.

    Returns:
        How many answers it gave.

    Raises:
        WorkspaceError: for lines that cannot be taken; it names all of them.
    """
    by_name = {item.name: item for item in items}
    given: list[Answer] = []
    problems: list[str] = []
    for line, row in _rows(path):
        if row["item"].strip() == ALL:
            continue
        where, said = f"{path.name} line {line}", row["answer"].strip().casefold()
        item = by_name.get(row["item"].strip())
        if item is None:
            problems.append(f"{where}: {unknown_item(row['item'], by_name)}")
        elif said not in ("", *YES, *NO):
            problems.append(f"{where}: answer is {shortened(row['answer'])}, wanted yes or no.")
        elif (seen := row.get("shown", "").strip()) and not item.shown.startswith(seen):
            problems.append(
                f"{where}: {item.name} has changed since the sheet was written. Write a new sheet."
            )
        elif said:
            reason = row.get("reason", "").strip()
            given.append(
                Answer(item=item.name, shown=item.shown, yes=said in YES, reason=reason, at=now())
            )
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise WorkspaceError(f"{len(problems)} lines cannot be taken, so none was:\n{lines}")
    append_answers(workspace.answers_file(kind, reviewer), given)
    return len(given)


def unknown_item(name: str, known: Mapping[str, Item]) -> str:
    """What to say of an item that is not asked about."""
    return unknown_name("item", name, known) if len(known) <= 12 else f"no item {shortened(name)}."


def _rows(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} cannot be read ({error}). Give a CSV in UTF-8.") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    lacking = {"item", "answer"} - set(reader.fieldnames or ())
    if lacking:
        raise WorkspaceError(
            f"{path.name}: lacks the column {', '.join(sorted(lacking))}. Write a sheet with "
            "'python -m builders sheet', and fill that in."
        )
    return [
        (reader.line_num, {key: value or "" for key, value in row.items() if key is not None})
        for row in reader
    ]
