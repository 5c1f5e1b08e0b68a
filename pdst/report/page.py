"""In: finished runs of one key, the benchmark if at hand. Out: one HTML file, complete in itself.

The page loads nothing from anywhere and runs no script (its own policy forbids both), and every
text that comes from a run is escaped.
"""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pdst.errors import SettingsError
from pdst.keys import setting
from pdst.report.pictures import choose_pictures
from pdst.report.rows import (
    count_text,
    interval_text,
    metric_title,
    number,
    percent,
    table_rows,
)
from pdst.report.table import p_text
from pdst.report.view import is_link, page_view
from pdst.run import Run
from pdst.types import Benchmark


def write_page(runs: Sequence[Run], path: Path, *, benchmark: Benchmark | None = None) -> None:
    """Write the report of one run, or of several side by side.

    Args:
        runs: finished runs of one key.
        path: the HTML file; replaced whole.
        benchmark: the one they were drawn for, to show its photos; None: the page shows ids only.

    Raises:
        ComparisonError: if the runs' keys differ.
        SettingsError: if the benchmark is another than the runs'.
        StoreError: if a run is not finished.
    """
    text = render_page(runs, benchmark=benchmark)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def render_page(runs: Sequence[Run], *, benchmark: Benchmark | None = None) -> str:
    """The page as text; arguments and errors as `write_page`. The same runs give the same text."""
    rows = table_rows(runs)
    if benchmark is not None:
        _check_same(benchmark, runs[0])
    tables = [run.scores() for run in runs]
    environment = Environment(
        loader=PackageLoader("pdst.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "interval": interval_text}
    environment.tests["link"] = is_link
    text = environment.get_template("page.html.j2").render(
        page=page_view(runs, rows, tables),
        pictures=choose_pictures(runs, tables, benchmark),
        percent=percent,
        count=count_text,
        p_text=p_text,
        metric_title=metric_title,
    )
    return text.strip() + "\n"


def _check_same(benchmark: Benchmark, run: Run) -> None:
    drawn_for = str(setting(run, "settings", "benchmark", "fingerprint"))
    if benchmark.fingerprint != drawn_for:
        raise SettingsError(
            f"{run.path} was drawn for a benchmark of fingerprint {drawn_for[:12]}, but "
            f"{benchmark.name} {benchmark.version} has {benchmark.fingerprint[:12]}. Give the "
            "release that the run was drawn for, or none to leave its photos out."
        )
