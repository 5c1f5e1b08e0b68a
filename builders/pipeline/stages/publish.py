"""In: the finished release. Out: a copy in a folder, or a pull request to a dataset on the Hub.

A pull request, never a push: somebody other than a program takes the last step.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from builders.pipeline.files import file_rows
from builders.pipeline.rows import Published, from_table, to_table
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.stage import Stage
from builders.pipeline.workspace import Outcome, Workspace
from pdst.digest import Json

HUB = "hf://datasets/"


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    return {"to": workspace.settings.publish.to}


def _run(workspace: Workspace) -> Outcome:
    to = workspace.settings.publish.to
    if not to:
        where = f"the release stays in {workspace.output.name}/ (publish.to is not set)"
        return Outcome(table=to_table(Published, ()), notes=(where,))
    if to.startswith(HUB):
        url = open_pull_request(workspace, to.removeprefix(HUB))
        note = f"review and merge the pull request: {url}"
    else:
        url = str(workspace.path(to))
        _copy(workspace.output, workspace.path(to))
        note = f"copied to {url}"
    return Outcome(table=to_table(Published, [Published(to=to, url=url)]), notes=(note,))


def _copy(release: Path, folder: Path) -> None:
    """Copy to a folder that is new, empty, or holds an older copy, whole or not at all."""
    if folder.exists():
        theirs = {row.path for row in file_rows(folder)}
        ours = {row.path for row in file_rows(release)}
        strangers = [
            name
            for name in sorted(theirs - ours)
            if not re.fullmatch(r"(train|test)-\d{5}-of-\d{5}\.parquet", name)
        ]
        if strangers:
            raise WorkspaceError(
                f"{folder}: holds {', '.join(strangers[:5])}, which is not of the release. Choose "
                "another place for publish.to, or empty it."
            )
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(release, fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def open_pull_request(workspace: Workspace, repository: str) -> str:
    """Open a pull request that puts the release into a dataset repository; returns its page.

    Raises:
        WorkspaceError: if the Hub does not take it; the message is the Hub's.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    release = workspace.settings.release
    try:
        commit = HfApi().upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=workspace.output,
            commit_message=f"PDST {release.name} {release.version}",
            commit_description="Built and checked by python -m builders build.",
            delete_patterns=["*.parquet"],  # an older version's shards may have other names
            create_pr=True,
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise WorkspaceError(
            f"{HUB}{repository}: the Hub did not take the release ({error}). Log in with "
            "'hf auth login', and make the dataset repository first if there is none."
        ) from error
    return str(commit.pr_url)


def _holds(workspace: Workspace) -> bool:
    """Whether the copy in a folder is still there; what became of a pull request is people's."""
    places: list[Callable[[], bool]] = [
        Path(row.url).is_dir
        for row in from_table(Published, workspace.rows("publish"))
        if not row.to.startswith(HUB)
    ]
    return all(there() for there in places)


PUBLISH = Stage(name="publish", reads=("card",), inputs=_inputs, run=_run, holds=_holds)
