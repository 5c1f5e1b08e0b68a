"""In: a ranked board. Out: its page as plain files, for any host, or to open from disk.

index.html       table, scatter, entries, comparison; styles, script and numbers inside it
images/…         sample images of entries that attached some
board.parquet    the ranks; log.parquet: every decision

The page loads nothing but these images. Its policy allows the one script that is in it, by its
hash, and that script makes text of whatever comes from an entry, never markup.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined

from leaderboard.log import read_log
from leaderboard.page_data import page_data, read_ranks
from leaderboard.page_samples import write_samples
from leaderboard.place import Board
from leaderboard.tables import ACCEPTED
from pdst.digest import Json
from pdst.files import whole_file

SCRIPTS = ("page.js", "page_entry.js")
"""One script in the page, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What was written.

    Attributes:
        page: the path of index.html.
        entries: on the board.
    """

    page: Path
    entries: int


def render(board: Board, folder: Path) -> Rendered:
    """Write the page of a board.

    Args:
        board: a ranked one.
        folder: for the files; made if absent. What is not the page's is left alone.

    Raises:
        StoreError: if the board was not ranked, or the folder cannot be written to.
        SubmissionError: if the board cannot be reached.
    """
    ranks = read_ranks(board)
    samples = write_samples(board, _with_images(board, ranks), folder / "images")
    data = page_data(board, ranks, samples)
    page = folder / "index.html"
    for name, table in (("board.parquet", ranks), ("log.parquet", read_log(board))):
        with whole_file(folder / name) as temporary:
            pq.write_table(table, temporary, compression="zstd")
    with whole_file(page) as temporary:
        temporary.write_text(page_text(data), "utf-8")
    entries = data["entries"]
    assert isinstance(entries, list)
    return Rendered(page=page, entries=len(entries))


def page_text(data: dict[str, Json]) -> str:
    """The page as text, from what `page_data` gives. The same data gives the same text."""
    environment = Environment(
        loader=PrefixLoader(
            {"board": PackageLoader("leaderboard", ""), "report": PackageLoader("pdst.report", "")}
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.get_template("report/base.css").render()
    style += "\n" + environment.get_template("board/page.css").render()
    script = "\n".join(
        resources.files("leaderboard").joinpath(name).read_text("utf-8") for name in SCRIPTS
    )
    return environment.get_template("board/page.html.j2").render(
        title=data["title"],
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=_inert(data),
    )


def _with_images(board: Board, ranks: pa.Table) -> list[str]:
    table = board.read("accepted", ACCEPTED, ["digest", "attached"])
    shown = set(ranks.column("digest").to_pylist())
    pairs = zip(*(table.column(name).to_pylist() for name in ("digest", "attached")), strict=True)
    return list(dict.fromkeys(digest for digest, count in pairs if count and digest in shown))


def _inert(data: dict[str, Json]) -> str:
    """JSON in which nothing can end the element that holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    """As a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
