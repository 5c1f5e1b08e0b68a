"""In: rows of a table and their runs. Out: what a page shows besides pictures, with its axes."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pdst.digest import Json, canonical_json
from pdst.keys import setting
from pdst.metrics import METRICS
from pdst.report.charts import Scale, scale_over
from pdst.report.columns import Column, column
from pdst.report.differences import Differences, paired
from pdst.report.rows import HEADLINE, Row, encoder_title, marks_lines, metric_title, summary_of
from pdst.report.scatter import Scatter, scatters
from pdst.run import Run
from pdst.summarize import reason_code
from pdst.types import MetricSummary, Report

COLOURS = 6
"""How many run colours the page's style has; further runs start over, their letters do not."""

_DIGEST = re.compile("[0-9a-f]{64}")

EXAMPLES_SHOWN = 3
EXAMPLE_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run's head. `facts` are (what, value); `links` are (what, URL), http or https only."""

    name: str
    letter: str
    colour: int
    report: Report
    scored: int
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    sees_test_split: bool
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapView:
    """Held-out and train scores of one metric over all runs, on one axis, and their difference."""

    title: str
    encoder: str
    axis: Scale
    held_out: tuple[MetricSummary | None, ...]
    train: tuple[MetricSummary | None, ...]
    gaps: tuple[MetricSummary | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectsView:
    """Per-subject means: ids in order, their kinds, and a column for each headline metric."""

    order: tuple[str, ...]
    kinds: Mapping[str, str]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureView:
    """One reason code: how often in each run, and some of the reasons."""

    code: str
    counts: tuple[int, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """All of it. `table` is headline metrics, then gaps; `details` is every metric."""

    title: str
    facts: tuple[tuple[str, str], ...]
    untrained: tuple[str, ...]
    marks: tuple[str, ...]
    runs: tuple[RunView, ...]
    table: tuple[Column, ...]
    details: tuple[Column, ...]
    gaps: tuple[GapView, ...]
    scatters: tuple[Scatter, ...]
    differences: Differences
    subjects: SubjectsView
    failures: tuple[FailureView, ...]
    sources: tuple[tuple[str, str], ...]


def page_view(runs: Sequence[Run], rows: Sequence[Row], tables: Sequence[pd.DataFrame]) -> PageView:
    """Put together what a page shows.

    Args:
        runs: of one key.
        rows: their table rows, in the same order.
        tables: their scores, in the same order.
    """
    metrics = dict.fromkeys(s.metric for row in rows for s in row.report.metrics)
    gap_ids = dict.fromkeys(s.metric for row in rows for s in row.report.gaps)
    details = {metric: column(rows, metric) for metric in metrics}
    headline = [details[metric] for metric in HEADLINE if metric in details]
    return PageView(
        title=_title([row.name for row in rows]),
        facts=_shared_facts(runs[0], rows[0], tables),
        untrained=_untrained(runs[0]),
        marks=tuple(marks_lines(rows)),
        runs=tuple(
            _run_view(index, run, row)
            for index, (run, row) in enumerate(zip(runs, rows, strict=True))
        ),
        table=(*headline, *(column(rows, metric, gap=True) for metric in gap_ids)),
        details=tuple(details.values()),
        gaps=tuple(_gap_view(rows, metric) for metric in gap_ids),
        scatters=scatters(rows, details),
        differences=paired(runs),
        subjects=_subjects_view(rows, headline, tables),
        failures=_failures(rows, tables),
        sources=tuple((metric_title(m), METRICS[m].source) for m in metrics if m in METRICS),
    )


def _title(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{len(names)} generators"


def _shared_facts(
    run: Run, row: Row, tables: Sequence[pd.DataFrame]
) -> tuple[tuple[str, str], ...]:
    benchmark = {
        part: setting(run, "settings", "benchmark", part)
        for part in ("name", "version", "fingerprint")
    }
    subjects = len({subject for table in tables for subject in table["subject_id"].unique()})
    return (
        ("Benchmark", f"{benchmark['name']} {benchmark['version']}"),
        ("Fingerprint", str(benchmark["fingerprint"])[:12]),
        ("Protocol", str(setting(run, "settings", "protocol", "id"))),
        ("Subjects", str(subjects)),
        ("Encoders", ", ".join(row.encoders.values())),
    )


def _untrained(run: Run) -> tuple[str, ...]:
    encoders = setting(run, "settings", "encoders")
    return tuple(
        str(encoder.get("title", family))
        for family, encoder in (encoders.items() if isinstance(encoders, dict) else ())
        if isinstance(encoder, dict) and encoder.get("trained") is not True
    )


def _run_view(index: int, run: Run, row: Row) -> RunView:
    info = ("settings", "generator", "info")
    report = row.report
    arguments = setting(run, "settings", "generator", "arguments")
    facts = {
        "Revision": str(setting(run, *info, "revision")),
        "Model": str(setting(run, "settings", "generator", "spec")),
        "Arguments": canonical_json(arguments) if arguments else "",
        "Settings": _settings_text(setting(run, *info, "settings")),
        "Images": f"{report.drawn:,} of {report.expected:,}",
        "Drawn": _last_session_text(run.record.get("sessions")),
        "Folder": run.path.name,
    }
    links = {what: str(setting(run, *info, what)) for what in ("paper", "code")}
    headline = [s.scored for s in report.metrics if s.metric in HEADLINE]
    return RunView(
        name=row.name,
        letter=chr(ord("A") + index) if index < 26 else str(index + 1),
        colour=index % COLOURS,
        report=report,
        scored=min(headline, default=0),
        facts=tuple((what, value) for what, value in facts.items() if value),
        links=tuple((what, url) for what, url in links.items() if is_link(url)),
        sees_test_split=setting(run, "settings", "generator", "sees_test_split") is True,
        record=json.dumps(run.record, indent=2, ensure_ascii=False),
    )


def is_link(url: str) -> bool:
    """Whether a text may stand in a page as a link: http and https only, never `javascript:`."""
    return url.startswith(("https://", "http://"))


def _settings_text(settings: Json) -> str:
    """Settings as people read them: "base miniature; training: steps 300, batch 8"."""
    if not isinstance(settings, dict):
        return ""
    flat = [
        f"{name} {_plain(value)}" for name, value in settings.items() if not isinstance(value, dict)
    ]
    nested = [
        f"{name}: {_settings_text(value)}"
        for name, value in settings.items()
        if isinstance(value, dict) and value
    ]
    return "; ".join([*([", ".join(flat)] if flat else []), *nested])


def _plain(value: Json) -> str:
    if isinstance(value, str):
        return value[:12] if _DIGEST.fullmatch(value) else value
    if isinstance(value, list):
        return f"({', '.join(map(_plain, value))})"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return canonical_json(value)


def _last_session_text(sessions: Json) -> str:
    """Day, machine and PDST of the session that finished the run."""
    last = sessions[-1] if isinstance(sessions, list) and sessions else None
    if not isinstance(last, dict):
        return ""
    hardware, versions = last.get("hardware"), last.get("versions")
    machine = hardware if isinstance(hardware, dict) else {}
    accelerators = machine.get("accelerators")
    on = accelerators if isinstance(accelerators, list) else []
    parts = [
        str(last.get("started", ""))[:10],
        ", ".join(dict.fromkeys(map(_plain, on))) or _plain(machine.get("processor", "")),
        f"PDST {versions['pdst']}" if isinstance(versions, dict) and "pdst" in versions else "",
    ]
    return ", ".join(filter(None, parts))


def _gap_view(rows: Sequence[Row], metric: str) -> GapView:
    held_out = tuple(summary_of(row.report.metrics, metric) for row in rows)
    train = tuple(summary_of(row.report.metrics, f"{metric}_train") for row in rows)
    shown = [s.macro for s in held_out + train if s is not None and s.macro is not None]
    return GapView(
        title=metric_title(metric),
        encoder=encoder_title(metric, rows[0].encoders),
        axis=scale_over(shown),
        held_out=held_out,
        train=train,
        gaps=tuple(summary_of(row.report.gaps, metric) for row in rows),
    )


def _subjects_view(
    rows: Sequence[Row], headline: Sequence[Column], tables: Sequence[pd.DataFrame]
) -> SubjectsView:
    """Subjects stand in the order of the first run's subject fidelity, highest first."""
    kinds: dict[str, str] = {}
    for table in tables:
        once = table.drop_duplicates("subject_id")
        kinds |= dict(zip(once["subject_id"], once["kind"], strict=True))
    first = headline[-1].summaries[0] if headline else None
    means = first.per_subject if first is not None else {}

    def place(subject: str) -> tuple[float, str]:
        value = means.get(subject)
        return (2.0 if value is None else -value, subject)  # a cosine is at most 1: None is last

    return SubjectsView(
        order=tuple(sorted(kinds, key=place)),
        kinds=kinds,
        columns=tuple(
            own.over(
                [
                    value
                    for summary in own.summaries
                    if summary is not None
                    for value in summary.per_subject.values()
                    if value is not None
                ],
                zero=True,
            )
            for own in headline
        ),
    )


def _failures(rows: Sequence[Row], tables: Sequence[pd.DataFrame]) -> tuple[FailureView, ...]:
    codes = sorted({code for row in rows for code in row.report.failures})
    views = []
    for code in codes:
        examples: dict[str, None] = {}
        for table in tables:
            failed = table[table["reason"].notna()]
            alike = failed[failed["reason"].map(reason_code) == code]
            for _, row in alike.drop_duplicates("reason").head(EXAMPLES_SHOWN).iterrows():
                examples[f"{row['key']}: {row['reason']}"[:EXAMPLE_LENGTH]] = None
        views.append(
            FailureView(
                code=code,
                counts=tuple(row.report.failures.get(code, 0) for row in rows),
                examples=tuple(examples)[:EXAMPLES_SHOWN],
            )
        )
    return tuple(views)
