"""In: captions. Out: the same, each approved, or not, by the checks and by people.

Nothing is released that is not approved; a photo whose captions are not all approved waits.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from builders.pipeline.parts import photo_by_photo
from builders.pipeline.probing import probe_captions, probe_sentence
from builders.pipeline.rows import Approval, Candidate, from_table, kept, to_table
from builders.pipeline.stage import Stage
from builders.pipeline.stages.captions import called_json, called_subjects
from builders.pipeline.versions import language_versions, versions
from builders.pipeline.workspace import Outcome, Workspace
from builders.review.items import caption_items
from builders.review.panel import panel, panel_inputs
from pdst.digest import Json

if TYPE_CHECKING:  # the language steps bring spaCy along: seconds, that only they shall cost
    from builders.language import CaptionRow
    from builders.language.rows import Key


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    return {
        **panel_inputs(workspace, "captions"),
        "per_photo": workspace.settings.captions.per_photo,
        "subjects": called_json(workspace),
        "versions": {**_rules(), **versions("scikit-learn")},
    }


def _rules() -> dict[str, Json]:
    """What the checks go by; CLIP's vocabulary comes with open_clip, if that is installed."""
    return language_versions("open_clip_torch")


def _run(workspace: Workspace) -> Outcome:
    photos = from_table(Candidate, workspace.rows("split"))
    checked = [_approval(row) for row in _checked(workspace)]
    found = panel(workspace, "captions", caption_items(checked, photos))
    rows = [
        replace(row, status="rejected", reason=found.verdict.rejected[row.name])
        if row.name in found.verdict.rejected
        else row
        for row in checked
    ]
    allowed = [row for row in rows if row.status == "approved"]
    probed = [probe_sentence(own) for own in probe_captions(workspace, allowed)]
    failed = [f"{row.name}: {row.reason}" for row in rows if row.checked == "failed"]
    warned = [f"{row.name}: {row.reason}" for row in rows if row.checked == "warned"]
    short = [] if found.waiting or failed else _short(workspace, kept(photos, "test"), rows)
    return Outcome(
        table=to_table(Approval, rows),
        notes=(*found.notes, *probed, *warned),
        waiting=(*failed, *found.waiting, *short),
    )


def _checked(workspace: Workspace) -> "tuple[CaptionRow, ...]":
    """The captions with what the checks say of each; kept, as answers come in one by one."""
    from builders.language import check
    from builders.language import from_table as caption_rows

    rows = caption_rows(workspace.rows("neutralize"))

    def make(done: "Collection[Key]") -> "Iterator[tuple[CaptionRow, ...]]":
        return check(rows, called_subjects(workspace), done=done)

    record = workspace.record("neutralize")
    assert record is not None, "stages are done in order"
    inputs: Json = {
        "rows": record.rows,
        "subjects": called_json(workspace),
        "versions": _rules(),
    }
    return caption_rows(photo_by_photo(workspace, "check", inputs, make))


def _approval(row: "CaptionRow") -> Approval:
    return Approval(
        subject_id=row.subject_id,
        image_id=row.image_id,
        caption_index=row.caption_index,
        text=row.text,
        source=row.source,
        checked=row.status,
        status="rejected" if row.status == "failed" else "approved",
        reason=row.reason,
    )


def _short(workspace: Workspace, photos: list[Candidate], rows: list[Approval]) -> list[str]:
    """Photos that have too few captions, with what became of the others."""
    wanted = workspace.settings.captions.per_photo
    left = Counter(row.photo for row in rows if row.status == "approved")
    refused: dict[str, list[str]] = {}
    for row in rows:
        if row.status == "rejected":
            refused.setdefault(row.photo, []).append(f"no. {row.caption_index} {row.reason}")
    return [
        f"{photo.name} has {left[photo.name]} approved captions of {wanted} "
        f"({'; '.join(refused.get(photo.name, ['others are missing']))}). Write others."
        for photo in photos
        if left[photo.name] != wanted
    ]


CHECK = Stage(name="check", reads=("split", "neutralize"), inputs=_inputs, run=_run)
