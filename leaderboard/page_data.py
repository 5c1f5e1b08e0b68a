"""In: a ranked board. Out: everything its page shows, as plain JSON values, rounded once."""

import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leaderboard.log import read_log
from leaderboard.names import mixed_scripts
from leaderboard.place import Board
from leaderboard.tables import ACCEPTED, BOARD, RESULTS, SHOWN, TIERS
from pdst.digest import Json
from pdst.errors import StoreError
from pdst.metrics import METRICS
from pdst.report.rows import HEADLINE, metric_title
from pdst.submission.send import reaching

PLACES = 6
"""Decimals of a number in the page, which prints three: rounding twice must not show."""

LOG_SHOWN = 300
"""The page shows so many of the last decisions; log.parquet has all."""

WHOLE = ("rank", "rank_low", "rank_high", "scored")
NUMBERS = ("macro", "low", "high", "rank", "rank_low", "rank_high", "scored", "living", "rigid")
"""What the page gets of each entry and metric, in this order; then the train gap."""

KEY_WORDS = ("benchmark", "protocol", "clip", "dino")
"""What a key is called. Another encoder may bear the same title: then its digest is shown, too."""

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
    entries = board.read("accepted", ACCEPTED, SHOWN).to_pandas().drop_duplicates("digest")
    entries = entries[entries["digest"].isin(frame["digest"].unique())]
    entries = entries.sort_values(["key", "digest"]).reset_index(drop=True)
    once = frame.drop_duplicates("digest").set_index("digest").loc[entries["digest"]]
    scored = set(frame["metric"].unique())
    metrics = [metric for metric in METRICS if metric in scored]
    keys, places = _keys(entries, frame)
    columns = {name: _plain_list(entries[name]) for name in FACTS}
    columns |= {
        "key": [places[key] for key in entries["key"]],
        "tier": [TIERS.index(tier) for tier in once["tier"]],
        "checked": _plain_list(once["checked_images"]),
        "at": [_day(at) for at in once["accepted_at"]],
        "training": [list(names) for names in entries["training"]],
        "failures": [json.loads(text or "{}") for text in entries["failures"]],
        "scripts": [[*mixed_scripts(name)] for name in entries["name"]],
        "scripts_by": [[*mixed_scripts(name)] for name in entries["by"]],
        "unranked": _reasons(frame, entries["digest"]),
        "values": _values(frame, entries["digest"].tolist(), metrics),
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
    keys: list[dict[str, Json]] = [
        {
            "id": str(key),
            "benchmark": f"{told.loc[key, 'benchmark']} {told.loc[key, 'version']}",
            "fingerprint": str(told.loc[key, "fingerprint"]),
            "protocol": str(told.loc[key, "protocol"]),
            "clip": str(told.loc[key, "clip"]),
            "dino": str(told.loc[key, "dino"]),
            "subjects": [],
        }
        for key in ordered
    ]
    words = Counter(tuple(str(key[part]) for part in KEY_WORDS) for key in keys)
    for key in keys:
        key["twin"] = words[tuple(str(key[part]) for part in KEY_WORDS)] > 1
    return cast("list[Json]", keys), {str(key): place for place, key in enumerate(ordered)}


def _values(frame: pd.DataFrame, digests: Sequence[str], metrics: Sequence[str]) -> list[Json]:
    """For each entry a list a metric, or None where it has no such metric."""
    at = {digest: place for place, digest in enumerate(digests)}
    found: list[list[Json]] = [[None] * len(metrics) for _ in digests]
    for column, metric in enumerate(metrics):
        own = frame[frame["metric"] == metric]
        numbers = [_numbers(own[name]) for name in (*NUMBERS, "train_gap")]
        for digest, *row in zip(own["digest"].tolist(), *numbers, strict=True):
            found[at[digest]][column] = row
    return cast("list[Json]", found)


def _numbers(column: pd.Series) -> list[Json]:
    """None for what is missing; whole numbers of a whole column without a point."""
    values = column.to_numpy(np.float64, na_value=np.nan)
    missing = np.isnan(values)
    whole = pd.api.types.is_integer_dtype(column.dtype) or column.name in WHOLE
    plain = np.where(missing, 0, values).astype(np.int64) if whole else values.round(PLACES)
    shown = plain.astype(object)
    shown[missing] = None
    return cast("list[Json]", shown.tolist())


def _subjects(board: Board, entries: pd.DataFrame, keys: list[Json]) -> list[Json]:
    """For each entry and headline metric the means of its key's subjects, in millionths.

    Raises:
        StoreError: if entries of one key list other subjects; they are complete, so none does.
    """
    table = board.read("results", RESULTS, ["digest", "metric", "gap", "subjects", "per_subject"])
    main = pc.and_(
        pc.invert(table.column("gap")), pc.is_in(table.column("metric"), pa.array(HEADLINE))
    )
    table = table.filter(main)
    key_of = dict(zip(entries["digest"].tolist(), entries["key"].tolist(), strict=True))
    found: dict[tuple[str, str], Json] = {}
    order: dict[str, list[str]] = {}
    millionths = pc.round(pc.multiply(pc.list_flatten(table.column("per_subject")), 10.0**PLACES))
    means = pc.cast(millionths, pa.int64()).to_pylist()
    ends = np.cumsum(pc.list_value_length(table.column("per_subject")).to_numpy())
    columns = [table.column(name).to_pylist() for name in ("digest", "metric", "subjects")]
    for digest, metric, subjects, end in zip(*columns, ends.tolist(), strict=True):
        key = key_of.get(digest)
        if key is None:
            continue
        if order.setdefault(key, subjects) != subjects:
            raise StoreError(f"results of {digest[:12]} are of other subjects than its key's.")
        found[digest, metric] = means[end - len(subjects) : end]
    for told in keys:
        assert isinstance(told, dict)
        told["subjects"] = cast("Json", order.get(str(told["id"]), []))
    return [[found.get((digest, metric)) for metric in HEADLINE] for digest in key_of]


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


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"
