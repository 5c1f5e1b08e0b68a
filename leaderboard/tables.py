"""In: only definitions. Out: the columns of a board's tables."""

import pyarrow as pa

EVENTS = ("accepted", "refused", "withdrawn", "verified", "refuted")
"""verified: a check that it passed raised its tier. refuted: a check found other scores."""

TIERS = ("reported", "rescored", "regenerated")
"""reported: rows and aggregates agree. rescored: images given, scores computed by the board.
regenerated: the board ran the method's code."""

TIME = pa.timestamp("us", tz="UTC")

LOG = pa.schema(
    [
        ("at", TIME),
        ("event", pa.string()),
        ("digest", pa.string()),
        ("name", pa.string()),
        ("tier", pa.string()),
        ("checked_images", pa.int32()),
        ("reason", pa.string()),
        ("by", pa.string()),
        ("pdst", pa.string()),
    ]
)
"""One row a decision. `by`: who decided; `name`: the method's, empty if it could not be read."""

ACCEPTED = pa.schema(
    [
        ("digest", pa.string()),
        ("name", pa.string()),
        ("revision", pa.string()),
        ("by", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
        ("benchmark", pa.string()),
        ("version", pa.string()),
        ("fingerprint", pa.string()),
        ("protocol", pa.string()),
        ("key", pa.string()),
        ("metrics", pa.string()),
        ("clip", pa.string()),
        ("dino", pa.string()),
        ("training", pa.list_(pa.string())),
        ("hardware", pa.string()),
        ("seconds", pa.float64()),
        ("pdst", pa.string()),
        ("images", pa.string()),
        ("attached", pa.int32()),
        ("expected", pa.int32()),
        ("drawn", pa.int32()),
        ("failures", pa.string()),
        ("copied", pa.int32()),
        ("copied_test", pa.int32()),
        ("copy_checked", pa.int32()),
        ("distinct_images", pa.int32()),
        ("image_sketch", pa.list_(pa.int64())),
        ("score_print", pa.list_(pa.int16())),
    ]
)
"""One row an entry. `key`: digest of fingerprint, protocol and metric digests; numbers of two keys
are never ranked together. `metrics`, `failures`: JSON. `copied_test`: copies of held-out photos.
`distinct_images`: by pixels. `image_sketch` and `score_print` tell entries that share images or
scores (`leaderboard.rules`)."""

SHOWN = [name for name in ACCEPTED.names if name not in {"image_sketch", "score_print"}]
"""Columns of ACCEPTED that ranks and pages need."""

RESULTS = pa.schema(
    [
        ("digest", pa.string()),
        ("metric", pa.string()),
        ("gap", pa.bool_()),
        ("macro", pa.float64()),
        ("micro", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("scored", pa.int32()),
        ("expected", pa.int32()),
        ("living", pa.float64()),
        ("rigid", pa.float64()),
        ("subjects", pa.list_(pa.string())),
        ("per_subject", pa.list_(pa.float64())),
    ]
)
"""One row an entry and metric, as `pdst.summarize` gives it. `gap`: train photos minus held-out."""

BOARD = pa.schema(
    [
        ("key", pa.string()),
        ("benchmark", pa.string()),
        ("version", pa.string()),
        ("protocol", pa.string()),
        ("metric", pa.string()),
        ("encoder", pa.string()),
        ("rank", pa.int32()),
        ("rank_low", pa.int32()),
        ("rank_high", pa.int32()),
        ("unranked", pa.string()),
        ("digest", pa.string()),
        ("name", pa.string()),
        ("revision", pa.string()),
        ("by", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
        ("tier", pa.string()),
        ("checked_images", pa.int32()),
        ("macro", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("living", pa.float64()),
        ("rigid", pa.float64()),
        ("scored", pa.int32()),
        ("expected", pa.int32()),
        ("train_gap", pa.float64()),
        ("copied", pa.int32()),
        ("copied_test", pa.int32()),
        ("copy_checked", pa.int32()),
        ("distinct_images", pa.int32()),
        ("training", pa.list_(pa.string())),
        ("hardware", pa.string()),
        ("seconds", pa.float64()),
        ("accepted_at", TIME),
    ]
)
"""One row an entry and metric, for people. `rank` is null where `unranked` says why; `rank_low` to
`rank_high` is its range (`leaderboard.apart`). Ordered by key, metric, rank, macro."""
