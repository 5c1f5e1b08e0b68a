"""In: candidates. Out: the same; those that a reviewer rejected are dropped."""

from collections.abc import Mapping
from dataclasses import replace

from builders.pipeline.rows import Candidate, from_table, to_table
from builders.pipeline.stage import Stage
from builders.pipeline.workspace import Outcome, Workspace
from builders.review.items import photo_items
from builders.review.panel import panel, panel_inputs
from pdst.digest import Json


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    return panel_inputs(workspace, "photos")


def _run(workspace: Workspace) -> Outcome:
    rows = from_table(Candidate, workspace.rows("collect"))
    found = panel(workspace, "photos", photo_items(rows))
    rejected = found.verdict.rejected
    judged = [
        replace(row, status="dropped", reason=rejected[row.name]) if row.name in rejected else row
        for row in rows
    ]
    return Outcome(table=to_table(Candidate, judged), notes=found.notes, waiting=found.waiting)


REVIEW = Stage(name="review", reads=("collect",), inputs=_inputs, run=_run)
