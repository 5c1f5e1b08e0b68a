"""In: accepted entries and their results. Out: board.parquet: ranks within each key and metric.

What is compared, and what a rank and its range mean, is said in `apart.py`: one rule for both.
"""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from leaderboard.apart import ranks
from leaderboard.log import read_log, standings
from leaderboard.place import Board
from leaderboard.rules import RULE_COLUMNS, unranked
from leaderboard.tables import ACCEPTED, BOARD, RESULTS, SHOWN
from pdst.metrics import METRICS
from pdst.summarize import GAPS

RESULT_COLUMNS = [name for name in RESULTS.names if name not in {"micro", "subjects"}]


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
    entries = board.read("accepted", ACCEPTED, SHOWN).to_pandas()
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
        # A ranked entry has every subject, and all list them in one order.
        values = [np.asarray(means, np.float64) for means in part.loc[here, "per_subject"]]
        found = ranks(np.stack(values))
        part.loc[here, "rank"] = found.rank
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
