"""In: a ranked board. Out: everything its page shows, as plain JSON values, rounded once."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.log import read_log
from leaderboard.place import Board
from leaderboard.tables import ACCEPTED, BOARD, RESULTS, TIERS
from pdst.digest import Json
from pdst.errors import StoreError
from pdst.metrics import METRICS
from pdst.report.rows import HEADLINE, metric_title
from pdst.submission.send import reaching

PLACES = 6
"""Decimals of a number in the page, which prints three: rounding twice must not show."""

LOG_SHOWN = 300
"""The page shows so many of the last decisions; log.parquet has all."""

NUMBERS = ("macro", "low", "high", "rank", "rank_low", "rank_high", "scored", "living", "rigid")
"""What the page gets of each entry and metric, in this order; then the train gap."""

FACTS = (
    "digest", "name", "revision", "by", "paper", "code", "hardware", "seconds", "pdst",
    "images", "attached", "expected", "drawn", "copied", "copied_test", "copy_checked",
    "distinct_images",
)  # fmt: skip
"""Columns of ACCEPTED that the page gets as they are."""


def read_ranks(board: Board) -> pa.Table:
    """board.parquet, as `rank` wrote it.

    Raises:
        StoreError: if there is none, or it is no board table.
    """
    path = f"{board.root}/board.parquet"
    with reaching(path):
        data = board.files.cat_file(path) if board.files.exists(path) else None
    if data is None:
        raise StoreError(f"{path} does not exist. Make it: python -m leaderboard rank URL")
    try:
        return pq.read_table(io.BytesIO(data)).select(BOARD.names).cast(BOARD)
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise StoreError(
            f"{path} is no board table ({error!s:.200}). Make it anew: "
            "python -m leaderboard rank URL"
        ) from error


def page_data(
    board: Board, ranks: pa.Table, samples: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """Put together what the page shows.

    Args:
        board: its other tables are read.
        ranks: of it, as `read_ranks` gives them.
        samples: digest -> sample images, as `page_samples` makes them.

    Returns:
        `title`, `metrics`, `keys`, `entries`, `log`: JSON, without NaN. Each entry's `values` has a
        list of NUMBERS and the train gap for each metric, its `subjects` one list of numbers for
        each headline metric, in the order of its key's subjects.
    """
    frame = ranks.to_pandas()
    entries = board.read("accepted", ACCEPTED).to_pandas().drop_duplicates("digest")
    entries = entries[entries["digest"].isin(set(frame["digest"]))]
    entries = entries.sort_values(["key", "digest"]).reset_index(drop=True)
    once = frame.drop_duplicates("digest").set_index("digest").loc[entries["digest"]]
    metrics = [metric for metric in METRICS if metric in set(frame["metric"])]
    keys, places = _keys(entries, frame)
    columns = {name: _plain_list(entries[name]) for name in FACTS}
    columns |= {
        "key": [places[key] for key in entries["key"]],
        "tier": [TIERS.index(tier) for tier in once["tier"]],
        "checked": _plain_list(once["checked_images"]),
        "at": [_day(at) for at in once["accepted_at"]],
        "training": [list(names) for names in entries["training"]],
        "failures": [json.loads(text or "{}") for text in entries["failures"]],
        "unranked": _reasons(frame, entries["digest"]),
        "values": _values(frame, entries["digest"], metrics),
        "subjects": _subjects(board, entries, keys),
        "samples": [(samples or {}).get(digest, []) for digest in entries["digest"]],
    }
    names = list(columns)
    log = read_log(board)
    return {
        "title": str(board.settings().get("title", "PDST")),
        "at": _day(max(log.column("at").to_pylist(), default=None)),
        "tiers": list(TIERS),
        "metrics": [_metric(metric) for metric in metrics],
        "keys": keys,
        "entries": [
            dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ],
        "log": _log(log),
        "decisions": len(log),
    }


def _metric(metric: str) -> Json:
    known = METRICS[metric]
    return {
        "id": metric,
        "title": metric_title(metric),
        "headline": metric in HEADLINE,
        "higher": known.higher_is_better,
        "encoder": known.encoder,
        "source": known.source,
    }


def _keys(entries: pd.DataFrame, frame: pd.DataFrame) -> tuple[list[Json], dict[str, int]]:
    """Each key in words, the one with the most entries first; and its place."""
    counts = entries["key"].value_counts()
    ordered = sorted(counts.index, key=lambda key: (-int(counts[key]), str(key)))
    told = entries.drop_duplicates("key").set_index("key")
    keys: list[Json] = [
        {
            "benchmark": f"{told.loc[key, 'benchmark']} {told.loc[key, 'version']}",
            "fingerprint": str(told.loc[key, "fingerprint"]),
            "protocol": str(told.loc[key, "protocol"]),
            "clip": str(told.loc[key, "clip"]),
            "dino": str(told.loc[key, "dino"]),
            "subjects": [],
        }
        for key in ordered
    ]
    return keys, {str(key): place for place, key in enumerate(ordered)}


def _values(frame: pd.DataFrame, digests: pd.Series, metrics: Sequence[str]) -> list[Json]:
    """For each entry a list a metric, or None where it has no such metric."""
    per_metric: list[list[Json]] = []
    for metric in metrics:
        own = frame[frame["metric"] == metric].set_index("digest")
        table = own[[*NUMBERS, "train_gap"]].astype(np.float64).reindex(digests)
        has = own.index
        rows = table.round(PLACES).to_numpy(np.float64).tolist()
        known = digests.isin(set(has)).tolist()
        per_metric.append(
            [
                [_short(value) for value in row] if there else None
                for row, there in zip(rows, known, strict=True)
            ]
        )
    return [list(one) for one in zip(*per_metric, strict=True)] if metrics else []


def _subjects(board: Board, entries: pd.DataFrame, keys: list[Json]) -> list[Json]:
    """For each entry and headline metric the means of its key's subjects, in millionths."""
    wanted = ["digest", "metric", "gap", "subjects", "per_subject"]
    table = board.read("results", RESULTS, wanted).to_pandas()
    table = table[~table["gap"] & table["metric"].isin(HEADLINE)]
    table = table.drop_duplicates(["digest", "metric"])
    key_of = dict(zip(entries["digest"], entries["key"], strict=True))
    found: dict[tuple[str, str], Json] = {}
    order: dict[str, list[str]] = {}
    for digest, metric, names, means in zip(
        table["digest"], table["metric"], table["subjects"], table["per_subject"], strict=True
    ):
        key = key_of.get(digest)
        if key is None:
            continue
        subjects = order.setdefault(key, list(names))
        if list(names) != subjects:  # a key's entries are complete; this guards old tables
            by_name = dict(zip(names, means, strict=True))
            means = np.array([by_name.get(name, np.nan) for name in subjects])
        found[digest, metric] = _millionths(means)
    parts = ("fingerprint", "protocol", "clip", "dino")
    key_at: dict[tuple[str, ...], str] = {
        tuple(str(getattr(entry, part)) for part in parts): str(entry.key)
        for entry in entries.drop_duplicates("key").itertuples()
    }
    for told in keys:
        assert isinstance(told, dict)
        at = tuple(str(told[part]) for part in parts)
        told["subjects"] = cast("Json", order.get(key_at[at], []))
    return [[found.get((digest, metric)) for metric in HEADLINE] for digest in entries["digest"]]


def _millionths(means: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Json:
    scaled = np.rint(np.asarray(means, np.float64) * 10**PLACES)
    return [None if math.isnan(value) else int(value) for value in scaled.tolist()]


def _reasons(frame: pd.DataFrame, digests: pd.Series) -> list[Json]:
    """Why an entry has no rank in any metric; None if it has one."""
    headline = frame[frame["metric"].isin(HEADLINE)]
    first = headline.drop_duplicates("digest").set_index("digest")["unranked"].reindex(digests)
    return [reason if isinstance(reason, str) else None for reason in first]


def _log(log: pa.Table) -> list[Json]:
    last = log.slice(max(0, len(log) - LOG_SHOWN)).to_pylist()
    return [
        {
            "at": _day(row["at"]),
            "event": row["event"],
            "digest": row["digest"],
            "name": row["name"],
            "tier": row["tier"],
            "reason": row["reason"],
            "by": row["by"],
        }
        for row in reversed(last)
    ]


def _plain_list(column: pd.Series) -> list[Json]:
    values = column.tolist()
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


def _short(value: float) -> Json:
    """None for NaN; whole numbers without a point, which halves the page."""
    if math.isnan(value):
        return None
    return int(value) if value.is_integer() else value


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"
