"""In: an experiment's data, figures and finding. Out: its folder's files, each whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from pdst.digest import Json
from pdst.files import whole_file, write_json, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What an experiment found.

    Attributes:
        experiment: its name ("bias").
        data: what every number and figure comes from; one row a unit.
        summary: the numbers of the finding, plain JSON.
        finding: one paragraph, every number of it from the data.
        table: Markdown, or empty.
        more: other data by file stem.
    """

    experiment: str
    data: pd.DataFrame
    summary: Mapping[str, Json]
    finding: str
    table: str = ""
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def write_results(results: Results, out: Path, figures: Mapping[str, "Figure"]) -> tuple[Path, ...]:
    """Write data, figures, table, summary and finding; the same results give the same bytes.

    Args:
        results: what was found.
        out: the experiment's folder.
        figures: by file stem; each becomes a PNG and an SVG.

    Returns:
        The files, in the order they were written.
    """
    from pdst.experiments.figures import save_figure

    written: list[Path] = []
    for stem, data in {"data": results.data, **dict(results.more)}.items():
        path = out / f"{stem}.parquet"
        write_table(pa.Table.from_pandas(data, preserve_index=False), path)
        written.append(path)
    for stem, figure in figures.items():
        written += save_figure(figure, out / stem)
    content = {"schema": SCHEMA, "experiment": results.experiment, **results.summary}
    write_json(out / "summary.json", content)
    written.append(out / "summary.json")
    texts = {"table.md": results.table, "finding.txt": results.finding}
    for name, text in texts.items():
        if text:
            with whole_file(out / name) as temporary:
                temporary.write_text(text.rstrip() + "\n", "utf-8")
            written.append(out / name)
    return tuple(written)
