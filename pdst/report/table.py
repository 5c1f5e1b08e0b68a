"""In: rows of a table, or a comparison. Out: rich tables for the terminal; Markdown and LaTeX."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pdst.compare import Comparison, PairedDifference
from pdst.report.differences import Differences
from pdst.report.markup import latex, latex_cells, markdown, markdown_cells
from pdst.report.rows import (
    HEADLINE,
    MISSING,
    Row,
    count_text,
    encoder_title,
    interval_text,
    marks_lines,
    metric_title,
    number,
    percent,
    summary_of,
)
from pdst.types import MetricSummary

FOOTNOTE = (
    "Mean over subjects, 95 % interval from resampling subjects. Train gap: score against the "
    "train photos minus score against the held-out photo."
)

COMPARISON_FOOTNOTE = (
    "Difference: first minus second on the same cases, mean over subjects. p: signs of subjects "
    "flipped. Not corrected for the number of metrics."
)

INTERVAL_WIDTH = len("0.612–0.701")


def terminal_table(rows: Sequence[Row], metrics: Sequence[str] = HEADLINE) -> RenderableType:
    """Metrics as columns, runs as rows, for `rich.console.Console.print`.

    Names are printed as they are: nothing in them is read as markup.
    """
    table = _table(FOOTNOTE)
    table.add_column("generator", overflow="fold")
    encoders = rows[0].encoders if rows else {}
    for metric in metrics:
        table.add_column(_head(metric, encoders), justify="right", min_width=INTERVAL_WIDTH)
    gaps = _gap_ids(rows)
    if gaps:
        head = "\n".join(["train gap", *map(metric_title, gaps)])
        table.add_column(Text(head), justify="right", no_wrap=True)
    table.add_column("copied", justify="right", no_wrap=True)
    table.add_column("scored", justify="right")
    for row in rows:
        cells: list[RenderableType] = [Text(row.name)]
        cells += [_mean_cell(summary_of(row.report.metrics, metric)) for metric in metrics]
        if gaps:
            lines = [number(_macro(summary_of(row.report.gaps, g)), signed=True) for g in gaps]
            cells.append(Text("\n".join(lines)))
        cells.append(Text(percent(row.report.copied, row.report.copy_checked)))
        cells.append(_scored_cell(row, metrics))
        table.add_row(*cells)
    marks = marks_lines(rows)
    return Group(_marks_panel(marks), table) if marks else table


def markdown_table(rows: Sequence[Row], metrics: Sequence[str] = HEADLINE) -> str:
    """The same as GitHub Markdown."""
    head, body = _cells(rows, metrics)
    lines = [*markdown_cells(head, body), "", FOOTNOTE]
    marks = [f"> **Not submittable: {markdown(mark)}**" for mark in marks_lines(rows)]
    return "\n".join([*marks, *([""] if marks else []), *lines]) + "\n"


def latex_table(rows: Sequence[Row], metrics: Sequence[str] = HEADLINE) -> str:
    """The same as a LaTeX `tabular`; needs the package booktabs."""
    head, body = _cells(rows, metrics)
    marks = [rf"\textbf{{Not submittable: {latex(mark)}}}\\" for mark in marks_lines(rows)]
    return "\n".join([*marks, *latex_cells(head, body)]) + "\n"


def comparison_table(comparison: Comparison) -> RenderableType:
    """Paired differences for the terminal: one row a metric."""
    table = _table(COMPARISON_FOOTNOTE)
    table.add_column("metric", overflow="fold")
    table.add_column(Text(comparison.a), justify="right", overflow="fold")
    table.add_column(Text(comparison.b), justify="right", overflow="fold")
    table.add_column("difference", justify="right")
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("pairs", justify="right")
    dropped = [paired.dropped for paired in comparison.metrics]
    alike = all(reasons == dropped[0] for reasons in dropped)
    for paired in comparison.metrics:
        apart = paired.interval
        excludes_zero = apart is not None and (apart.low > 0 or apart.high < 0)
        difference = Text(number(paired.difference, signed=True), "bold" if excludes_zero else "")
        if apart is not None:
            difference.append("\n" + interval_text(apart, signed=True), "dim")
        table.add_row(
            Text(metric_title(paired.metric)),
            number(paired.mean_a),
            number(paired.mean_b),
            difference,
            p_text(paired.p_value),
            _pairs_cell(paired, comparison.shared, reasons=not alike),
        )
    parts: list[RenderableType] = []
    if comparison.marks:
        parts.append(_marks_panel(comparison.marks))
    parts.append(table)
    if alike and dropped and dropped[0]:
        reasons = ", ".join(f"{count:,} {why}" for why, count in dropped[0].items())
        parts.append(Text(f"Note: cases that are no pairs: {reasons}."))
    parts.extend(Text(f"Note: {note}") for note in comparison.notes)
    return Group(*parts)


def differences_markdown(found: Differences, names: Sequence[str]) -> str:
    """Paired differences as GitHub Markdown: one row two runs.

    Args:
        found: of these runs.
        names: of the runs, in their order.
    """
    lines = [*markdown_cells(*_difference_cells(found, names)), "", COMPARISON_FOOTNOTE]
    notes = [line for note in found.notes for line in ("", f"Note: {markdown(note)}")]
    return "\n".join([*lines, *notes]) + "\n"


def differences_latex(found: Differences, names: Sequence[str]) -> str:
    """The same as a LaTeX `tabular`."""
    return "\n".join(latex_cells(*_difference_cells(found, names))) + "\n"


def p_text(p_value: float | None) -> str:
    """A p-value with two significant digits.

    >>> p_text(0.04217), p_text(0.00001), p_text(1.0), p_text(None)
    ('0.042', '<0.0001', '1', '–')
    """
    if p_value is None:
        return MISSING
    return "<0.0001" if p_value < 1e-4 else f"{p_value:.2g}"


def _table(caption: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        caption=caption,
        caption_justify="left",
    )


def _head(metric: str, encoders: Mapping[str, str]) -> Text:
    return Text.assemble(
        (metric_title(metric), "bold"), "\n", (encoder_title(metric, encoders), "dim")
    )


def _mean_cell(summary: MetricSummary | None) -> Text:
    cell = Text(number(_macro(summary)), "bold")
    if summary is not None and summary.interval is not None:
        cell.append("\n" + interval_text(summary.interval), "not bold dim")
    return cell


def _scored_cell(row: Row, metrics: Sequence[str]) -> Text:
    scored = _fewest_scored(row, metrics)
    complete = scored == row.report.expected
    text = f"{scored:,}\nof {row.report.expected:,}"
    unscored = _unscored_subjects(row, metrics)
    if unscored:
        text += f"\nwithout {unscored} subject{'s' if unscored > 1 else ''}"
    return Text(text, "" if complete else "bold yellow")


def _unscored_subjects(row: Row, metrics: Sequence[str]) -> int:
    """Subjects that have no part in some mean, because all of their images failed."""
    found = [summary_of(row.report.metrics, metric) for metric in metrics]
    return max((s.unscored_subjects for s in found if s is not None), default=0)


def _fewest_scored(row: Row, metrics: Sequence[str]) -> int:
    """Of the metrics shown, the one with the fewest scores: no mean hides a gap."""
    found = [summary_of(row.report.metrics, metric) for metric in metrics]
    return min((summary.scored for summary in found if summary is not None), default=0)


def _pairs_cell(paired: PairedDifference, shared: int, *, reasons: bool) -> Text:
    cell = Text(count_text(paired.pairs, shared), "" if paired.pairs == shared else "yellow")
    if reasons:
        for why, count in paired.dropped.items():
            cell.append(f"\n{count:,} {why}", "dim")
    return cell


def _marks_panel(marks: Sequence[str]) -> Panel:
    text = Text("\n".join(marks), "bold red")
    return Panel(text, title="NOT SUBMITTABLE", border_style="red", expand=False)


def _gap_ids(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(gap.metric for row in rows for gap in row.report.gaps))


def _macro(summary: MetricSummary | None) -> float | None:
    return None if summary is None else summary.macro


def _cells(rows: Sequence[Row], metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    encoders = rows[0].encoders if rows else {}
    gaps = _gap_ids(rows)
    heads = [f"{metric_title(m)} {encoder_title(m, encoders)}".strip() for m in metrics]
    heads += [f"{metric_title(gap)} train gap" for gap in gaps]
    body = []
    for row in rows:
        summaries = [(summary_of(row.report.metrics, metric), False) for metric in metrics]
        summaries += [(summary_of(row.report.gaps, gap), True) for gap in gaps]
        cells = [_mean_text(summary, signed=signed) for summary, signed in summaries]
        copied = percent(row.report.copied, row.report.copy_checked)
        scored = count_text(_fewest_scored(row, metrics), row.report.expected)
        unscored = _unscored_subjects(row, metrics)
        scored += f", without {unscored} subject{'s' if unscored > 1 else ''}" if unscored else ""
        body.append([row.name, *cells, copied, scored])
    return ["generator", *heads, "copied", "scored"], body


def _mean_text(summary: MetricSummary | None, *, signed: bool) -> str:
    if summary is None or summary.interval is None:
        return number(_macro(summary), signed=signed)
    interval = interval_text(summary.interval, signed=signed)
    return f"{number(summary.macro, signed=signed)} ({interval})"


def _difference_cells(
    found: Differences, names: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    head = ["first minus second", *map(metric_title, found.metrics)]
    body = [
        [f"{names[pair.first]} minus {names[pair.second]}", *map(_difference_text, pair.metrics)]
        for pair in found.pairs
    ]
    return head, body


def _difference_text(paired: PairedDifference | None) -> str:
    if paired is None:
        return MISSING
    said = number(paired.difference, signed=True)
    if paired.interval is not None:
        said += f" ({interval_text(paired.interval, signed=True)})"
    return f"{said}, p {p_text(paired.p_value)}"
