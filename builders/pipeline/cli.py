"""In: a command line. Out: a workspace set up, built, reviewed; results as JSON on stdout."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from builders.collect import commons, openverse
from builders.collect.found import keep_found
from builders.collect.http import Client
from builders.collect.likeness import open_sight
from builders.pipeline.build import NAMES, Built, Standing, build, dropped, standings
from builders.pipeline.probing import probe_captions, probe_sentence
from builders.pipeline.provenance import review_items
from builders.pipeline.recipe import build_recipe
from builders.pipeline.rows import Approval, from_table
from builders.pipeline.settings import FILE, WorkspaceError
from builders.pipeline.template import TEMPLATE
from builders.pipeline.workspace import Workspace, open_workspace
from builders.review.items import KINDS, Item, ReviewKind
from builders.review.panel import reviewers_of
from builders.review.sheet import read_sheet, write_sheet
from pdst.errors import unknown_name
from pdst.files import whole_file

WAITING = 3
"""Exit code of a build that stopped because people are needed."""

Folder = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="The workspace's folder.")]
Kind = Annotated[str, typer.Option(help="photos, captions or masks.")]
Reviewer = Annotated[str, typer.Option(help="Who answers, by the settings' name.")]


def init(workspace: Folder) -> None:
    """Make a workspace: a folder with settings to fill in."""
    path = workspace.expanduser() / FILE
    if path.exists():
        raise WorkspaceError(f"{path} is there already. Edit it, or choose another folder.")
    with whole_file(path) as temporary:
        temporary.write_text(TEMPLATE, encoding="utf-8")
    (path.parent / "photos").mkdir(exist_ok=True)
    said = f"Fill in {path}, put your photos into {path.parent / 'photos'}/SUBJECT/, then run: "
    typer.echo(f"{said}python -m builders build {workspace}", err=True)


def build_workspace(
    workspace: Folder,
    until: Annotated[str, typer.Option(help="The last stage to do.")] = NAMES[-1],
    anew: Annotated[str | None, typer.Option(help="A stage to do from its beginning.")] = None,
) -> None:
    """Do every stage that is due, and stop where people are needed.

    Stages: collect, review, split, caption, refine, neutralize, check, mask, pack, card, publish.
    What is done is not done again; a build that was killed goes on where it stopped.
    Exit code 3: people are needed first; `status` says for what.
    """
    opened = open_workspace(workspace, os.environ)
    for name in (until, *((anew,) if anew else ())):
        if name not in NAMES:
            raise WorkspaceError(unknown_name("stage", name, NAMES))
    told = build(
        opened, until=until, anew=anew, told=lambda stage: typer.echo(f"{stage} …", err=True)
    )
    say_built(opened, told)
    if told.waiting:
        sys.exit(WAITING)


def say_built(workspace: Workspace, built: Built) -> None:
    """What a build did: words to stderr, JSON to stdout."""
    if not built.done:
        typer.echo("Nothing was due.", err=True)
    for line in built.waiting:
        typer.echo(f"Waiting: {line}", err=True)
    if built.waiting:
        typer.echo(f"Then: python -m builders build {workspace.folder}", err=True)
    finished = (workspace.output / "README.md").is_file() and not built.waiting
    said = {
        "done": list(built.done),
        "waiting": list(built.waiting),
        "release": str(workspace.output) if finished else None,
        "dropped": [f"{name}: {reason}" for name, reason in dropped(workspace)],
    }
    typer.echo(json.dumps(said, indent=1, ensure_ascii=False))


def status(
    workspace: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What is done, what waits for people, and what was left out, with reasons."""
    opened = open_workspace(workspace)
    found, out = standings(opened), dropped(opened)
    if as_json:
        said = {
            "stages": [
                {
                    "stage": own.stage,
                    "state": own.state,
                    "rows": own.rows,
                    "waiting": list(own.waiting),
                    "notes": list(own.notes),
                    "why": list(own.why),
                }
                for own in found
            ],
            "dropped": [{"photo": name, "reason": reason} for name, reason in out],
        }
        typer.echo(json.dumps(said, indent=1, ensure_ascii=False))
        return
    console = Console()
    console.print(_stages_table(found))
    if out:
        console.print(_dropped_table(out))


def sheet(
    workspace: Folder,
    kind: Kind,
    reviewer: Reviewer,
    out: Annotated[
        Path | None, typer.Option(help="Write a CSV to fill in.", show_default=False)
    ] = None,
    read: Annotated[
        Path | None, typer.Option(help="Take a filled-in CSV.", show_default=False)
    ] = None,
) -> None:
    """Review without a browser: write a CSV (--out), fill in `answer`, hand it in (--read)."""
    opened, checked = open_workspace(workspace), check_reviewer(workspace, kind, reviewer)
    items = items_to_review(opened, checked)
    if (out is None) == (read is None):
        raise WorkspaceError("Give either --out FILE, to write a sheet, or --read FILE.")
    if out is not None:
        answers = opened.answers_file(checked, reviewer)
        write_sheet(opened, out.expanduser(), items, answers, told_of_all(opened, checked))
        typer.echo(f"{len(items)} {kind} to answer with yes or no: {out}", err=True)
    if read is not None:
        number = read_sheet(opened, checked, reviewer, read.expanduser(), items)
        typer.echo(
            f"{number} answers taken. Now run: python -m builders build {workspace}", err=True
        )


def review(
    workspace: Folder,
    kind: Kind,
    reviewer: Reviewer,
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 0,
) -> None:
    """Review in a browser, one reviewer a page; other reviewers' answers are not even read.

    Keys: Y yes, N no, U undo, arrows to move. Every answer is on the disk before the next photo is
    shown.
    """
    from builders.review.page import serve

    opened, checked = open_workspace(workspace), check_reviewer(workspace, kind, reviewer)
    serve(
        opened,
        checked,
        reviewer,
        items_to_review(opened, checked),
        port=port,
        told=lambda url: typer.echo(f"Open {url} (Ctrl+C ends)", err=True),
    )


def search(
    workspace: Folder,
    words: Annotated[str, typer.Argument(help="What to search for: 'ceramic mug'.")],
    contact: Annotated[
        str, typer.Option(help="Your e-mail or page: the services ask who is calling.")
    ],
    source: Annotated[str, typer.Option(help="openverse or commons.")] = "openverse",
    most: Annotated[int, typer.Option(min=1, max=1000, help="Photos at most.")] = 100,
    manifest: Annotated[
        str, typer.Option(help="In the workspace; name it in the settings' collect.manifests.")
    ] = "found.csv",
    url: Annotated[
        str | None, typer.Option(help="Of another server of that kind.", show_default=False)
    ] = None,
) -> None:
    """Search for openly licensed photos, fetch them, and propose which show one subject.

    Nobody's subject yet: open the manifest, look at the photos cluster by cluster, and write a
    subject id into `subject_id`, or '-' where a photo is not wanted.
    """
    opened = open_workspace(workspace)
    searches = {
        "openverse": (openverse.search_openverse, openverse.PACE_S, openverse.URL),
        "commons": (commons.search_commons, commons.PACE_S, commons.URL),
    }
    if source not in searches:
        raise WorkspaceError(unknown_name("source", source, searches))
    ask, pace_s, known_url = searches[source]
    client = Client(contact=contact, pace_s=pace_s)
    told = keep_found(
        ask(words, client, most=most, url=url or known_url),
        opened.path(manifest),
        client,
        open_sight(opened.settings.embeddings),
        allow=opened.settings.collect.allow,
    )
    typer.echo(json.dumps(asdict(told), indent=1, ensure_ascii=False))


def recipe(
    folder: Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe's folder.")],
    photos: Annotated[Path, typer.Option(help="A folder of the photos, under any names.")],
    out: Annotated[Path, typer.Option(help="Where the release goes.")],
) -> None:
    """Make the release of a recipe from photos you have got; each is checked against its hash."""
    digest = build_recipe(folder.expanduser(), photos.expanduser(), out.expanduser())
    typer.echo(json.dumps({"release": str(out), "fingerprint": digest}, indent=1))


def check_reviewer(workspace: Path, kind: str, reviewer: str) -> ReviewKind:
    """The kind of review, if there is such a reviewer.

    Raises:
        WorkspaceError: if there is no such kind, or this person does not review it.
    """
    for known in KINDS:
        if known == kind:
            names = reviewers_of(open_workspace(workspace), known)
            if reviewer not in names:
                raise WorkspaceError(
                    f"{unknown_name(f'reviewer of {kind}', reviewer, names)} The settings' review "
                    "says who they are."
                )
            return known
    raise WorkspaceError(unknown_name("kind of review", kind, KINDS))


def items_to_review(workspace: Workspace, kind: ReviewKind) -> tuple[Item, ...]:
    """What there is to look at.

    Raises:
        WorkspaceError: if the stages have not come so far.
    """
    stage = {"photos": "review", "captions": "check", "masks": "mask"}[kind]
    if workspace.record(stage) is None:
        raise WorkspaceError(
            f"there are no {kind} to review yet. Run: python -m builders build {workspace.folder}"
        )
    return review_items(workspace, kind)


def told_of_all(workspace: Workspace, kind: ReviewKind) -> tuple[str, ...]:
    """What a reviewer of captions is told of all of them: how far they give the subjects away."""
    if kind != "captions":
        return ()
    rows = [row for row in from_table(Approval, workspace.rows("check")) if row.checked != "failed"]
    return tuple(probe_sentence(own) for own in probe_captions(workspace, rows))


def _stages_table(found: Sequence[Standing]) -> Table:
    table = Table("stage", "state", "rows", "what to do, and what was found")
    for own in found:
        said = [*own.why, *own.waiting, *own.notes]
        more = [f"… and {len(said) - 6} more (--json lists all)"] if len(said) > 6 else []
        rows = "" if own.rows is None else str(own.rows)
        table.add_row(own.stage, own.state, rows, "\n".join([*said[:6], *more]))
    return table


def _dropped_table(out: Sequence[tuple[str, str]]) -> Table:
    table = Table("left out", "reason")
    for name, reason in out:
        table.add_row(name, reason)
    return table


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("init")(init)
    app.command("build")(build_workspace)
    app.command("status")(status)
    app.command("review")(review)
    app.command("sheet")(sheet)
    app.command("search")(search)
    app.command("recipe")(recipe)
