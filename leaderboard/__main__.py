"""In: `python -m leaderboard COMMAND URL`. Out: one call, results on stdout, the rest on stderr."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from leaderboard.accept import Decision, accept, check, taken_keys
from leaderboard.log import one_of, read_log, standings, withdraw
from leaderboard.place import Board, open_board
from leaderboard.rank import board_json, rank
from pdst.cli import console
from pdst.cli.console import failing_well, put, say
from pdst.dataset import EMBEDDED
from pdst.digest import Json
from pdst.errors import SettingsError
from pdst.keys import run_key
from pdst.run import open_run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Keep a leaderboard: `init`, then `accept`, `rank`, and now and then `verify`.",
)

Url = Annotated[str, typer.Argument(help="The board: a folder or any fsspec URL.")]
By = Annotated[str, typer.Option(help="Who decides, for the log.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Releases = Annotated[
    list[str] | None,
    typer.Option(
        "--benchmark",
        help="A release that the board knows, a name or a folder; repeat for more. Default: those "
        "that travel with the package.",
    ),
]


@app.callback()
def _leaderboard() -> None:
    console.log_to_stderr(verbose=False)


@app.command()
def init(
    url: Url,
    title: Annotated[str, typer.Option(help="The board's title.")] = "PDST",
    like: Annotated[
        list[Path] | None,
        typer.Option(
            help="A run: the board takes what may be compared with it, and nothing else. Repeat "
            "for more. Without: every key of the releases it knows, each ranked apart."
        ),
    ] = None,
) -> None:
    """Write board.json: the board's title, and which keys it takes."""
    with failing_well():
        keys = [cast("Json", asdict(run_key(open_run(run)))) for run in like or []]
        Board.at(url).write_settings({"schema": 1, "title": title, "keys": keys})
        say(f"{url}: a board that takes {len(keys) or 'any'} key{'s' * (len(keys) != 1)}.")


@app.command("accept", epilog="Exit codes: 0 all decided; 2 the board cannot be reached.")
def accept_command(
    url: Url,
    benchmark: Releases = None,
    again: Annotated[
        bool, typer.Option("--again", help="Judge refused submissions anew, too.")
    ] = False,
    by: By = "board",
) -> None:
    """Judge every new submission; each decision goes into the log with its reason."""
    with failing_well(go_on="What was decided stands; give the same command again."):
        with open_board(url) as board:
            found = accept(board, benchmark or list(EMBEDDED), again=again, by=by, tell=_tell)
        taken = sum(not one.reasons for one in found)
        say(f"{taken} accepted, {len(found) - taken} refused.")


@app.command("check", epilog="Exit codes: 0 sound; 3 it would be refused.")
def check_command(
    file: Annotated[Path, typer.Argument(help="A submission's file, entries/<digest>.parquet.")],
    url: Annotated[
        str | None, typer.Option("--board", help="A board, for the keys that it takes.")
    ] = None,
    benchmark: Releases = None,
) -> None:
    """Judge one file without a board's entries, for pull requests: every reason against it."""
    with failing_well():
        keys = [] if url is None else taken_keys(Board.at(url))
        digest = file.stem if re.fullmatch(r"[0-9a-f]{64}", file.stem) else ""
        if not digest:
            raise SettingsError(f"{file.name} is not named <digest>.parquet, as pdst-submit does.")
        judgement = check(file.resolve(), digest, benchmark or list(EMBEDDED), keys)
        _tell(Decision(digest=digest, name=judgement.name, reasons=judgement.problems))
        if judgement.problems:
            raise typer.Exit(console.INCOMPLETE)


@app.command("rank")
def rank_command(url: Url, as_json: AsJson = False) -> None:
    """Rank the accepted entries, each key and metric by itself, and write board.parquet."""
    with failing_well():
        with open_board(url) as board:
            table = rank(board)
        if as_json:
            put(board_json(table))
            return
        for row in table.to_pylist():
            if row["rank"] is None:
                place = "  –          "
            else:
                place = f"{row['rank']:3} ({row['rank_low']}–{row['rank_high']})".ljust(13)
            mean = "   –  " if row["macro"] is None else f"{row['macro']:.3f}"
            why = f"  not ranked: {row['unranked']}" if row["unranked"] else ""
            put(
                f"{row['benchmark']} {row['protocol']}  {row['metric']:14} {place} {mean}  "
                f"{row['name']} {row['revision']}  {row['tier']}{why}"
            )


@app.command("render")
def render_command(
    url: Url,
    out: Annotated[Path, typer.Option(help="A folder for the page's files.")] = Path("site"),
) -> None:
    """Write the ranked board as a page: plain files for any host, or to open from disk."""
    from leaderboard.render import render

    with failing_well():
        done = render(Board.at(url), out)
        put(str(done.page))
        say(f"{done.entries} entries: open {done.page.resolve()}, or put {out} on any host.")


@app.command("serve")
def serve_command(
    url: Url,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the server.")] = 7860,
) -> None:
    """Show the ranked board as a web app (Gradio), until Ctrl-C."""
    from leaderboard.app import serve

    with failing_well():
        say(f"Open http://{host}:{port} (Ctrl-C ends it).")
        serve(url, host=host, port=port)


@app.command("space")
def space_command(
    url: Url,
    out: Annotated[Path, typer.Option(help="A folder for the Space's files.")] = Path("space"),
    submit_to: Annotated[
        str, typer.Option(help="The address for submissions that the page gives.")
    ] = "",
) -> None:
    """Write a Hugging Face Space that shows the ranked board: a folder to push, or to run here."""
    from leaderboard.space import write_space

    with failing_well():
        done = write_space(url, out, submit_to=submit_to)
        put(str(done.folder))
        say(
            f"{done.files} files, {done.size / 1e6:.1f} MB: push {out} to a Space, or try it: "
            f"cd {out} && pip install -r requirements.txt && python app.py"
        )


@app.command("log")
def log_command(url: Url, as_json: AsJson = False) -> None:
    """Print every decision, oldest first."""
    with failing_well():
        rows = read_log(Board.at(url)).to_pylist()
        if as_json:
            put(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
            return
        for row in rows:
            tier = f" {row['tier']}" if row["tier"] else ""
            put(
                f"{row['at']:%Y-%m-%d %H:%M:%S} {row['event']}{tier} {row['digest'][:12]} "
                f"{row['name'] or '–'}: {row['reason']} (by {row['by']})"
            )


@app.command("withdraw")
def withdraw_command(
    url: Url,
    digest: Annotated[str, typer.Argument(help="The entry's digest, or its beginning.")],
    reason: Annotated[str, typer.Option(help="Why; it is public.")],
    by: By = "board",
) -> None:
    """Take an entry off the board. Its file and its log stay; so does the reason."""
    with failing_well():
        with open_board(url) as board:
            put(withdraw(board, digest, reason=reason, by=by))
        say("Withdrawn. Rank the board again: python -m leaderboard rank URL")


@app.command("verify", epilog="Exit codes: 0 it agrees; 3 it does not, and is off the board.")
def verify_command(
    url: Url,
    digest: Annotated[str, typer.Argument(help="The entry's digest, or its beginning.")],
    images: Annotated[
        Path | None,
        typer.Option(help="A run folder with the images, if the entry has not all of them."),
    ] = None,
    ours: Annotated[
        Path | None,
        typer.Option(
            "--run", help="Our own run of the method's code: compare with it (regenerated)."
        ),
    ] = None,
    benchmark: Releases = None,
    clip: Annotated[str | None, typer.Option(help="CLIP's weights, as for pdst-eval.")] = None,
    dino: Annotated[str | None, typer.Option(help="DINO's weights, as for pdst-eval.")] = None,
    device: Annotated[str, typer.Option(help="Where the scorers run.")] = "cpu",
    by: By = "board",
) -> None:
    """Compute an entry's scores again from its images, or compare it with a run of our own."""
    from leaderboard.verify import load_scorers, regenerated, rescored

    with failing_well(), open_board(url) as board:
        found = standings(read_log(board))
        full = one_of(found, digest)
        releases = benchmark or list(EMBEDDED)
        if ours is not None:
            finding = regenerated(board, full, open_run(ours), releases, by=by)
        else:
            scorers = load_scorers(board, full, releases, clip=clip, dino=dino, device=device)
            run = None if images is None else open_run(images)
            finding = rescored(board, full, releases, scorers, run=run, by=by)
        put(f"{finding.event} {finding.tier or ''} {full}: {finding.reason}")
        if finding.event == "refuted":
            raise typer.Exit(console.INCOMPLETE)


def _tell(decision: Decision) -> None:
    name = decision.name or "–"
    if not decision.reasons:
        put(f"accepted {decision.digest[:12]} {name}")
    for reason in decision.reasons:
        put(f"refused  {decision.digest[:12]} {name}: {reason}")


if __name__ == "__main__":
    app()
