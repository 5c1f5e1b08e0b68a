"""In: accepted entries and their results. Out: board.parquet: ranks within each key and metric.

Two entries whose intervals overlap are not told apart, so an entry's rank is one more than the
number of entries whose whole interval lies above its own. How far a rank may move is asked of the
same resampled sets of subjects for all entries: its rank in 95 % of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from leaderboard.log import read_log, standings
from leaderboard.place import Board
from leaderboard.rules import RULE_COLUMNS, unranked
from leaderboard.tables import ACCEPTED, BOARD, RESULTS
from pdst.metrics import METRICS
from pdst.summarize import GAPS, LEVEL

RESAMPLES = 1_000
BLOCK = 100
"""Resamples at once; memory is entries x BLOCK numbers."""

RESULT_COLUMNS = [name for name in RESULTS.names if name not in {"micro", "subjects"}]
ENTRY_COLUMNS = [name for name in ACCEPTED.names if not name.endswith("_sketch")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRange:
    """Where ranks lie in 95 % of resampled sets of subjects; both (N,) int32, 1 is best."""

    low: NDArray[np.int32]
    high: NDArray[np.int32]


def rank(board: Board) -> pa.Table:
    """Rank all accepted entries and write board.parquet.

    Returns:
        It: a table of BOARD.
    """
    table = ranked(board)
    board.write("board.parquet", table)
    return table


def ranked(board: Board) -> pa.Table:
    """The same, without writing."""
    found = {d: s for d, s in standings(read_log(board)).items() if s.event == "accepted"}
    entries = board.read("accepted", ACCEPTED, ENTRY_COLUMNS).to_pandas()
    entries = entries.drop_duplicates("digest")
    entries = entries[entries["digest"].isin(found)]
    for column, values in {
        "tier": [found[digest].tier for digest in entries["digest"]],
        "checked_images": [found[digest].checked_images for digest in entries["digest"]],
        "accepted_at": [found[digest].at for digest in entries["digest"]],
    }.items():
        entries[column] = values
    results = board.read("results", RESULTS, RESULT_COLUMNS).to_pandas()
    results = results[results["digest"].isin(found)].drop_duplicates(["digest", "metric", "gap"])
    entries = _with_rule(entries, results)
    parts = list(_ranked_metrics(entries, results))
    if not parts:
        return BOARD.empty_table()
    return pa.Table.from_pandas(pd.concat(parts), schema=BOARD, preserve_index=False)


def overlap_ranks(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.int32]:
    """One more than the number of intervals that lie wholly above one's own.

    Args:
        low: (N,) lower ends.
        high: (N,) upper ends.

    Returns:
        (N,) ranks; 1 is best, equal ranks are ties.
    """
    ordered = np.sort(low)
    above = len(low) - np.searchsorted(ordered, high, side="right")
    return (above + 1).astype(np.int32)


def rank_ranges(values: NDArray[np.float64]) -> RankRange:
    """How far ranks by the mean move when subjects are resampled, the same ones for all.

    Args:
        values: (N, S): entry by subject, no NaN; higher is better.

    Source:
        Goldstein and Spiegelhalter, "League tables and their limitations" (1996): intervals of
        ranks by simulation.
    """
    count, subjects = values.shape
    draws = np.random.default_rng(0).integers(subjects, size=(RESAMPLES, subjects))
    ranks = np.empty((RESAMPLES, count), np.int32)
    for start in range(0, RESAMPLES, BLOCK):
        block = draws[start : start + BLOCK]
        weights = np.stack([np.bincount(draw, minlength=subjects) for draw in block]) / subjects
        means = weights @ values.T
        for row, mean in enumerate(means):
            order = np.argsort(-mean)
            ordered = -mean[order]
            first = np.searchsorted(ordered, ordered, side="left")
            ranks[start + row, order] = first + 1
    ranks.sort(axis=0)
    tail = (1.0 - LEVEL) / 2.0
    edge = int(RESAMPLES * tail)
    return RankRange(low=ranks[edge], high=ranks[RESAMPLES - 1 - edge])


def _with_rule(entries: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Adds `unranked`: why an entry has no rank."""
    headline = [m.id for m in METRICS.values() if m.higher_is_better]
    main = results[results["metric"].isin(headline) & ~results["gap"]]
    fewest = main.groupby("digest")["scored"].min()
    missing = main.assign(
        missing=[int(np.isnan(np.asarray(v, np.float64)).sum()) for v in main["per_subject"]]
    )
    worst = missing.groupby("digest")["missing"].max()
    entries = entries.assign(
        fewest_scored=entries["digest"].map(fewest).fillna(0).astype(int),
        unscored_subjects=entries["digest"].map(worst).fillna(0).astype(int),
    )
    facts = entries[[*RULE_COLUMNS]].to_dict("records")
    reasons = [unranked({str(k): int(v) for k, v in row.items()}) for row in facts]
    return entries.assign(unranked=pd.Series(reasons, index=entries.index, dtype=object))


def _ranked_metrics(entries: pd.DataFrame, results: pd.DataFrame) -> Iterator[pd.DataFrame]:
    plain = results[~results["gap"]]
    gaps = results[results["gap"]].set_index(["metric", "digest"])["macro"]
    for key in sorted(entries["key"].unique()):
        own = entries[entries["key"] == key]
        for metric in METRICS.values():
            part = plain[plain["metric"] == metric.id].merge(
                own.drop(columns=["expected"]), on="digest"
            )
            if part.empty:
                continue
            part["encoder"] = part[metric.encoder]
            part["train_gap"] = np.nan
            if metric.id in GAPS and metric.id in gaps.index:
                part["train_gap"] = part["digest"].map(gaps.loc[metric.id])
            if metric.higher_is_better is None:
                part["unranked"] = "neither direction is better by itself"
            yield _with_ranks(part)


def _with_ranks(part: pd.DataFrame) -> pd.DataFrame:
    part = part.assign(
        **{
            name: pd.array([None] * len(part), "Int32")
            for name in ("rank", "rank_low", "rank_high")
        }
    )
    here = part["unranked"].isna() & part["macro"].notna()
    if here.any():
        some = part[here]
        low = some["low"].fillna(some["macro"]).to_numpy(np.float64)
        high = some["high"].fillna(some["macro"]).to_numpy(np.float64)
        found = rank_ranges(np.stack([np.asarray(v, np.float64) for v in some["per_subject"]]))
        part.loc[here, "rank"] = overlap_ranks(low, high)
        part.loc[here, "rank_low"] = found.low
        part.loc[here, "rank_high"] = found.high
    ordered = part.sort_values(
        ["rank", "macro"], ascending=[True, False], na_position="last", kind="stable"
    )
    columns: pd.DataFrame = ordered[BOARD.names]
    return columns


def board_json(table: pa.Table) -> str:
    """A board table as JSON, a row an object."""
    frame = table.to_pandas()
    return json.dumps(json.loads(frame.to_json(orient="records", date_format="iso")), indent=2)
