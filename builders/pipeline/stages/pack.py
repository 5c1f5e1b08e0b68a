"""In: photos, captions, masks. Out: the Parquet files of the release, and its fingerprint."""

from collections.abc import Mapping

from builders.pack import replaced, write_shards
from builders.pipeline.files import file_rows, files_hold
from builders.pipeline.release_rows import release_rows
from builders.pipeline.rows import FileRow, to_table
from builders.pipeline.stage import Stage
from builders.pipeline.versions import versions
from builders.pipeline.workspace import Outcome, Workspace
from pdst.digest import Json


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    subjects = workspace.settings.subjects
    return {
        "subjects": {
            name: [own.class_noun, own.init_token, own.kind] for name, own in subjects.items()
        },
        "versions": versions("pyarrow"),
    }


def _run(workspace: Workspace) -> Outcome:
    rows = release_rows(workspace)
    with replaced(workspace.packed, ours=True) as fresh:
        digest = write_shards(fresh, rows)
    files = to_table(FileRow, file_rows(workspace.packed))
    return Outcome(table=files, notes=(f"fingerprint {digest}",))


def _holds(workspace: Workspace) -> bool:
    return files_hold(workspace, "pack", workspace.packed)


PACK = Stage(name="pack", reads=("split", "check", "mask"), inputs=_inputs, run=_run, holds=_holds)
