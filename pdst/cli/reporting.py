"""In: the arguments of `pdst-report`. Out: one page, and beside it tables and figures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pdst.cli import console
from pdst.cli.console import Version, failing_well, put, say
from pdst.dataset import EMBEDDED, load
from pdst.errors import PdstError, SettingsError
from pdst.files import whole_file
from pdst.keys import setting
from pdst.report.differences import paired
from pdst.report.figures import write_figures
from pdst.report.page import write_page
from pdst.report.rows import Row, table_rows
from pdst.report.sheet import write_sheet
from pdst.report.table import (
    differences_latex,
    differences_markdown,
    latex_table,
    markdown_table,
)
from pdst.run import Run, open_run
from pdst.types import Benchmark

report = typer.Typer(
    add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)


@report.command(epilog="Exit codes: 0 written; 2 bad input, or runs that may not be compared.")
def pdst_report(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of one key; the first leads.")],
    out: Annotated[
        Path,
        typer.Option(
            help="A folder, for the page, tables and figures; or an .html file, for the page alone."
        ),
    ] = Path("report"),
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="The runs' release, to show its photos beside the images. Found by itself if it "
            "travels with the package; `none` leaves the photos out."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the paths as JSON on stdout.")
    ] = False,
    _version: Version = False,
) -> None:
    """Report on one finished run, or on several side by side. Needs no torch.

        pdst-report runs/mine runs/other --out report

    The page opens from disk, on a phone, too, and loads nothing. Beside it: the table as Markdown
    and LaTeX, and, with matplotlib (`pip install 'pdst[figures]'`), every figure as PNG and SVG.
    """
    console.log_to_stderr(verbose=False)
    with failing_well(go_on="What was written before is whole."):
        opened = [open_run(run) for run in runs]
        rows = table_rows(opened)
        release = _release(opened[0], benchmark)
        if out.suffix.lower() in {".html", ".htm"}:
            write_page(opened, out, benchmark=release)
            written = [out]
        else:
            written = _write_all(opened, rows, release, out)
        if as_json:
            put(json.dumps([str(path.resolve()) for path in written], indent=2))
        else:
            for path in written:
                put(str(path))


def _write_all(
    runs: Sequence[Run], rows: Sequence[Row], release: Benchmark | None, folder: Path
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    write_page(runs, page, benchmark=release)
    texts = {"table.md": markdown_table(rows), "table.tex": latex_table(rows)}
    if len(runs) > 1:
        found, names = paired(runs), [row.name for row in rows]
        texts["differences.md"] = differences_markdown(found, names)
        texts["differences.tex"] = differences_latex(found, names)
    for name, text in texts.items():
        with whole_file(folder / name) as temporary:
            temporary.write_text(text, "utf-8")
    written = [page, *(folder / name for name in texts)]
    if release is not None:
        write_sheet(runs, folder / "pictures.png", release)
        written.append(folder / "pictures.png")
    try:
        written += write_figures(rows, folder)
    except SettingsError as error:  # the page has every figure; only the copies are missing
        say(f"No figures as files: {error}")
    return written


def _release(run: Run, named: str | None) -> Benchmark | None:
    if named == "none":
        return None
    if named is not None:
        return load(named)
    name = str(setting(run, "settings", "benchmark", "name"))
    if name in EMBEDDED:
        try:
            found = load(name)
        except PdstError as error:
            say(f"{name} cannot be loaded, so its photos are not shown: {error}")
            return None
        if found.fingerprint == setting(run, "settings", "benchmark", "fingerprint"):
            return found
    say(
        f"The release {name} is not at hand, so the page shows ids in place of its photos. "
        "To show them: --benchmark FOLDER"
    )
    return None
