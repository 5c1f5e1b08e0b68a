"""In: a command line. Out: a release folder; its name, counts and fingerprint as JSON on stdout."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from builders.card import counts
from builders.dataset_card import fill_tables
from builders.pack import write_release
from builders.pipeline import cli as pipeline
from builders.rows import About, PhotoRow
from builders.sources import dreambooth30, sketch
from builders.sources.dreambooth30 import photos
from builders.sources.dreambooth30.workspace import build_with_answers, write_workspace
from builders.sources.miniature.cli import miniature
from pdst.dataset import load
from pdst.errors import PdstError

app = typer.Typer(
    help=(
        "Build a PDST release: a folder of Parquet files and a card.\n\n"
        "pdst.load, datasets.load_dataset and pdst-eval --benchmark open it. A release is written "
        "whole or not at all; an older release in its place is replaced, any other folder is not."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a docstring's paragraph
)

app.add_typer(miniature)
pipeline.register(app)

Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", help="The folder that becomes the release.", show_default=False
    ),
]


@app.command("dreambooth30")
def build_dreambooth30(
    out: Out,
    photos_folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PHOTOS",
            help="A local copy: our resized photos (SUBJECT/NN.jpg), or a clone of "
            "google/dreambooth. Nothing is downloaded then.",
            show_default=False,
        ),
    ] = None,
    cache: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where downloaded originals stay; a second run fetches only the rest.",
        ),
    ] = Path("~/.cache/pdst/dreambooth30"),
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="Where the originals are: URL/SUBJECT/NN.jpg.")
    ] = photos.BASE_URL,
    workspace: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the stages work, and can be looked into; by default in the cache.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Real photos of 30 subjects, our captions and masks.

    Runs the whole pipeline (`build`) on the DreamBooth photos: three train photos and one to three
    test photos a subject, ten captions a test photo, a mask a train photo; people's answers are
    handed in as sheets. Every photo is checked against its sha256; all that are missing or wrong
    are listed together. Needs pip install 'pdst[build]'.

    Without --from the originals are downloaded from GitHub at a pinned commit and resized.
    """
    files = dreambooth30.files(without=())
    if photos_folder is not None:
        taken = photos.from_folder(photos_folder.expanduser(), files)
    else:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("Downloading photos", total=len(files))
            taken = photos.from_web(
                files,
                cache.expanduser(),
                base_url=base_url,
                done=lambda: progress.advance(task),
            )
    about = dreambooth30.about()
    opened = write_workspace(
        (workspace or cache / "workspace").expanduser(),
        dreambooth30.rows(taken, without=()),
        about,
        here=dreambooth30.HERE,
        to=out.expanduser().resolve(),
    )
    built = build_with_answers(
        opened, dreambooth30.HERE, told=lambda stage: typer.echo(f"{stage} …", err=True)
    )
    if built.waiting:
        pipeline.say_built(opened, built)
        sys.exit(pipeline.WAITING)
    left = dreambooth30.rows(taken, without=about.dropped)
    _say(out, about, load(out).fingerprint, left)


@app.command("sketch")
def build_sketch(
    out: Out,
    subjects: Annotated[
        int,
        typer.Option(
            min=1, max=sketch.MAX_SUBJECTS, help="How many subjects, living and rigid in turn."
        ),
    ] = 4,
    size: Annotated[int, typer.Option(min=32, max=2048, help="Of the pictures, in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Another seed draws other pictures.")] = 0,
) -> None:
    """A small drawn release: nothing to download, ready in seconds.

    For a first look and for tests. The pictures are drawn by rules, with exact masks and true
    captions, so everything runs as on photos; but the numbers say nothing about a method.
    """
    _write(out, sketch.rows(subjects=subjects, size=size, seed=seed), sketch.about())


@app.command("tables")
def write_tables(
    card: Annotated[Path, typer.Argument(help="The card whose tables are computed anew.")] = Path(
        "DATASET_CARD.md"
    ),
) -> None:
    """Compute the tables of DATASET_CARD.md from the data; no photo is needed.

    A table stands between two comments, `<!-- subjects -->` and `<!-- end -->`.
    """
    if not card.is_file():
        raise PdstError(f"{card}: no such file. Run this where the checkout's DATASET_CARD.md is.")
    card.write_text(fill_tables(card.read_text(encoding="utf-8")), encoding="utf-8")


def _write(out: Path, rows: Sequence[PhotoRow], about: About) -> None:
    fingerprint = write_release(out.expanduser(), rows, about)
    _say(out, about, fingerprint, rows)


def _say(out: Path, about: About, fingerprint: str, rows: Sequence[PhotoRow]) -> None:
    numbers = {key: n for key, n in asdict(counts(rows)).items() if n is not None}
    result = {
        "release": str(out),
        "name": about.name,
        "version": about.version,
        "fingerprint": fingerprint,
        "counts": numbers,
        "dropped": [f"{d.image}: {d.reason}" for d in about.dropped],
    }
    typer.echo(json.dumps(result, indent=1, ensure_ascii=False))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, or 2 with a message on stderr if the caller can mend it."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s: %(message)s")
    try:
        app(args=arguments, prog_name="python -m builders")
    except PdstError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
    sys.exit(0)


if __name__ == "__main__":
    main()
