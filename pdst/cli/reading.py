"""In: the arguments of `pdst`. Out: what is known of releases, metrics and finished runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pdst.cli import console
from pdst.cli.console import Version, failing_well, put, say
from pdst.cli.drawing import draw, import_neti
from pdst.cli.experimenting import experiment
from pdst.dataset import EMBEDDED, HOW_TO_GET, load
from pdst.errors import SettingsError
from pdst.metrics import METRICS
from pdst.plan import PROTOCOLS, plan, protocol
from pdst.run import open_run
from pdst.types import Benchmark

reading = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Releases, metrics and finished runs of PDST. To draw and score: `pdst-eval`.",
)

reading.add_typer(experiment, name="experiment")
reading.command()(draw)
reading.command()(import_neti)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@reading.callback()
def _reading(_version: Version = False) -> None:
    console.log_to_stderr(verbose=False)


@reading.command()
def datasets(as_json: Json = False) -> None:
    """List the releases that travel with the package, and how to get others."""
    with failing_well():
        found = [load(name) for name in EMBEDDED]
        if as_json:
            put(json.dumps([_about(release) for release in found], indent=2))
            return
        for release in found:
            put(
                f"{release.name} {release.version}: {len(release.subjects)} subjects, "
                f"{len(release.test)} test photos, fingerprint {release.fingerprint[:12]}"
            )
        say(HOW_TO_GET)


@reading.command(epilog="Exit codes: 0 no error; 2 no such folder; 3 errors were found.")
def validate(
    folder: Annotated[Path, typer.Argument(help="A release folder.")],
    as_json: Json = False,
) -> None:
    """Check a release: lists every problem, not the first. Errors and warnings."""
    from pdst.validate import findings_json, findings_text
    from pdst.validate import validate as find_problems

    with failing_well():
        findings = find_problems(folder)
        put(findings_json(findings) if as_json else findings_text(findings))
        if any(finding.severity == "error" for finding in findings):
            raise typer.Exit(console.INCOMPLETE)


@reading.command()
def metrics(as_json: Json = False) -> None:
    """List the metrics, what each answers, and where it is defined."""
    rows = [
        {
            "id": metric.id,
            "title": metric.title,
            "answers": metric.answers,
            "encoder": metric.encoder,
            "higher_is_better": metric.higher_is_better,
            "version": metric.version,
            "source": metric.source,
        }
        for metric in METRICS.values()
    ]
    if as_json:
        put(json.dumps(rows, indent=2))
        return
    for row in rows:
        put(f"{row['id']:14} {row['answers']:17} {row['encoder']:5} {row['source']}")


@reading.command("plan")
def plan_command(
    benchmark: Annotated[str, typer.Argument(help="A release folder or name.")],
    to: Annotated[Path, typer.Argument(help="The manifest to write: .jsonl, .csv or .parquet.")],
    protocol_name: Annotated[str, typer.Option("--protocol", help=", ".join(PROTOCOLS))] = "paper",
) -> None:
    """Write which images are wanted, for those who draw elsewhere.

    Draw each row's prompt with its seed, save it as the row's file, then score the folder:

        pdst-eval --model folder --model-arg root=MY_IMAGES --benchmark DIR
    """
    from pdst.methods.folder import write_wanted

    with failing_well():
        count = write_wanted(plan(load(benchmark), protocol(protocol_name)), to)
        say(f"{to}: {count} images wanted")


@reading.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="A finished run.")],
    run_b: Annotated[Path, typer.Argument(help="Another one of the same key.")],
    as_json: Json = False,
) -> None:
    """Compare two runs on the same cases: differences, intervals, p-values.

    Refuses runs whose numbers do not mean the same thing, and says which part differs.
    """
    from pdst.compare import compare as compare_runs
    from pdst.compare import comparison_to_json
    from pdst.report.table import comparison_table

    with failing_well():
        comparison = compare_runs(open_run(run_a), open_run(run_b))
        if as_json:
            put(comparison_to_json(comparison))
        else:
            console.results.print(comparison_table(comparison))


@reading.command()
def show(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of one key.")],
    html: Annotated[
        Path | None, typer.Option(help="Also write one self-contained HTML page here.")
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(help="Also write one picture here: a row a subject, a column a run."),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="The release, for page and picture to show its photos beside the images."
        ),
    ] = None,
    style: Annotated[str, typer.Option(help="terminal, markdown or latex.")] = "terminal",
    as_json: Json = False,
) -> None:
    """Show finished runs side by side. Needs no torch."""
    from pdst.keys import distinct_names, refuse_differences, run_key
    from pdst.report.page import write_page
    from pdst.report.rows import table_rows
    from pdst.report.sheet import write_sheet
    from pdst.report.table import latex_table, markdown_table, terminal_table

    with failing_well():
        if png is not None and benchmark is None:
            raise SettingsError("--png shows photos of the release: say which with --benchmark.")
        opened = [open_run(run) for run in runs]
        refuse_differences(
            [(n, run_key(r)) for n, r in zip(distinct_names(opened), opened, strict=True)]
        )
        rows = table_rows(opened)
        if as_json:
            put(json.dumps([run.summary() for run in opened], indent=2, ensure_ascii=False))
        elif style == "terminal":
            console.results.print(terminal_table(rows))
        elif style in {"markdown", "latex"}:
            put(markdown_table(rows) if style == "markdown" else latex_table(rows))
        else:
            raise SettingsError(f"--style is '{style}', wanted terminal, markdown or latex.")
        release = None if benchmark is None else load(benchmark)
        if png is not None and release is not None:
            write_sheet(opened, png, release)
            say(f"Pictures: {png.resolve()}")
        if html is not None:
            write_page(opened, html, benchmark=release)
            say(f"Report: {html.resolve()}")


def _about(release: Benchmark) -> dict[str, str | int]:
    return {
        "name": release.name,
        "version": release.version,
        "fingerprint": release.fingerprint,
        "subjects": len(release.subjects),
        "test_photos": len(release.test),
    }
