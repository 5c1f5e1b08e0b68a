"""In: a count. Out: a ranked board of made entries, as `accept` would have kept them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from leaderboard.log import Event, write_log
from leaderboard.place import Board
from leaderboard.rank import rank
from leaderboard.rules import PRINT_SIZE, SKETCH
from leaderboard.tables import ACCEPTED, RESULTS, TIERS
from pdst.metrics import METRICS
from pdst.summarize import GAPS

SUBJECTS = ("bird", "boot", "car", "cat", "clock", "dog", "duck", "fish", "lamp", "mug")
FAMILIES = ("Textual Inversion", "NeTI", "DreamBooth", "LoRA", "Custom Diffusion", "IP-Adapter")
LEVELS = {"clip_t": 0.28, "clip_t_remove": 0.26, "clip_i": 0.74, "dino": 0.58}
EXPECTED = 2_000


def made_board(
    folder: Path, entries: int = 100, *, second_key: int = 0, changes: dict[int, Any] | None = None
) -> Board:
    """Write and rank it.

    Args:
        folder: for the board.
        entries: how many; each seventh has too few images to be ranked.
        second_key: so many of the last entries are of another protocol.
        changes: position of an entry -> columns of ACCEPTED to replace.
    """
    board = Board.at(str(folder))
    board.write_settings({"schema": 1, "title": "Made board", "keys": []})
    rng = np.random.default_rng(7)
    hardness = rng.normal(0.0, 0.05, len(SUBJECTS))
    accepted, results, events = [], [], []
    for number in range(entries):
        other = number >= entries - second_key
        entry = _entry(number, other=other) | (changes or {}).get(number, {})
        accepted.append(entry)
        results += _results(entry, rng, hardness, scored=1_500 if number % 7 == 6 else EXPECTED)
        tier = TIERS[min(number % 5, 2)]
        event = Event(
            event="accepted", digest=entry["digest"], name=entry["name"], tier=tier, reason="made"
        )
        events.append(event)
    events.append(
        Event(event="refused", digest="f" * 64, name="Another", reason="3 rows are missing")
    )
    board.add("accepted", pa.Table.from_pylist(accepted, schema=ACCEPTED))
    board.add("results", pa.Table.from_pylist(results, schema=RESULTS))
    write_log(board, events)
    rank(board)
    return board


def made_digest(number: int) -> str:
    """Of the entry at a position."""
    return hashlib.sha256(f"entry {number}".encode()).hexdigest()


def _entry(number: int, *, other: bool) -> dict[str, Any]:
    copied = 40 if number % 11 == 3 else 0
    return {
        "digest": made_digest(number),
        "name": f"{FAMILIES[number % len(FAMILIES)]} {number}",
        "revision": f"v{number % 3 + 1}",
        "by": f"Author {number % 17}",
        "paper": "https://example.org/paper",
        "code": "" if number % 2 else f"https://example.org/code/{number}",
        "benchmark": "made",
        "version": "1.0.0",
        "fingerprint": "f" * 64,
        "protocol": "paper-22222222" if other else "quick-11111111",
        "key": ("b" if other else "a") * 64,
        "metrics": "{}",
        "clip": "CLIP ViT-B/32",
        "dino": "DINO ViT-S/16",
        "training": ["LAION-2B"],
        "hardware": "one GPU",
        "seconds": 3600.0 + number,
        "pdst": "0.1.0",
        "images": "none",
        "attached": 0,
        "expected": EXPECTED,
        "drawn": EXPECTED,
        "failures": json.dumps({"raised": 500} if number % 7 == 6 else {}),
        "copied": copied,
        "copied_test": 0,
        "copy_checked": EXPECTED,
        "distinct_images": EXPECTED,
        "image_sketch": list(range(SKETCH)),
        "score_print": [0] * PRINT_SIZE,
    }


def _results(
    entry: dict[str, Any],
    rng: np.random.Generator,
    hardness: "np.ndarray[Any, np.dtype[np.float64]]",
    *,
    scored: int,
) -> list[dict[str, Any]]:
    skill = float(rng.normal(0.0, 0.06))
    rows = []
    for metric, gap in [*((metric, False) for metric in METRICS), *((m, True) for m in GAPS)]:
        noise = rng.normal(0.0, 0.02, len(SUBJECTS))
        level = 0.05 if gap else LEVELS.get(metric, 0.6)
        sign = -0.3 if metric.startswith("clip_t") else 1.0
        means = level + noise + (0.0 if gap else sign * skill + hardness)
        half = 1.96 * float(means.std(ddof=1)) / len(SUBJECTS) ** 0.5
        rows.append(
            {
                "digest": entry["digest"],
                "metric": metric,
                "gap": gap,
                "macro": float(means.mean()),
                "micro": float(means.mean()),
                "low": float(means.mean()) - half,
                "high": float(means.mean()) + half,
                "scored": scored,
                "expected": EXPECTED,
                "living": float(means[:5].mean()),
                "rigid": float(means[5:].mean()),
                "subjects": list(SUBJECTS),
                "per_subject": means.tolist(),
            }
        )
    return rows
