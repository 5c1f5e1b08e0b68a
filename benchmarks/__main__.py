"""In: `python -m benchmarks scoring` or `memory`. Out: a table, or JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(add_completion=False, no_args_is_help=True)
messages = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Check = Annotated[bool, typer.Option("--check", help="Exit with 1 if a target is missed.")]


@app.callback()
def benchmarks() -> None:
    """Speed and memory, each against peers and against the limit, side by side."""


@app.command()
def scoring(
    images: Annotated[int, typer.Option(min=1, help="Generated images.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="How often all is measured.")] = 3,
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder with <subject>/<NN>.jpg to make the images of; else drawn."),
    ] = None,
    clip: Annotated[str, typer.Option(help="Weights of the ViT-B/32.")] = "untrained",
    dino: Annotated[str, typer.Option(help="Weights of the ViT-S/16.")] = "untrained",
    as_json: AsJson = False,
    check: Check = False,
) -> None:
    """Scoring: ours, the field's usual loop, torchmetrics, and the bare forward pass."""
    from benchmarks.scoring import PARITY, measure

    result = measure(
        images=images,
        rounds=rounds,
        photos=photos,
        clip=clip,
        dino=dino,
        progress=lambda text: messages.print(text, style="dim"),
    )
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2))
    else:
        times = Table("scoring", "seconds (median)")
        for name, seconds in result.seconds.items():
            times.add_row(name, f"{seconds:.2f}")
        ratios = Table("ratio", "median", "range", "target", "")
        for ratio in result.ratios:
            ratios.add_row(
                ratio.what,
                f"{ratio.median:.2f}",
                f"{ratio.low:.2f} to {ratio.high:.2f}",
                f"{'at least' if ratio.at_least else 'at most'} {ratio.target:.2f}",
                "met" if ratio.met else "missed",
            )
        parity = Table("score parity with ours", "largest difference", "target", "")
        for name, difference in result.parity.items():
            parity.add_row(
                name,
                f"{difference:.1e}",
                f"at most {PARITY:.0e}",
                "met" if difference <= PARITY else "missed",
            )
        console = Console()
        for table in (times, ratios, parity):
            console.print(table)
        console.print(
            f"{result.images} generated images ({result.distinct_images} distinct with the "
            f"photos, {result.photos}), {result.distinct_texts} texts, {result.rounds} rounds, "
            f"{result.threads} threads; {result.hardware['processor']}, "
            f"torch {result.versions.get('torch')}."
        )
    if check and not result.met:
        raise typer.Exit(1)


@app.command()
def memory(
    small: Annotated[int, typer.Option(min=1, help="Images of the smaller run.")] = 2_000,
    large: Annotated[int, typer.Option(min=1, help="Images of the larger run.")] = 20_000,
    as_json: AsJson = False,
    check: Check = False,
) -> None:
    """Peak memory of the whole pipeline for few and for many images; it should stay flat."""
    from benchmarks.memory import TARGET, measure

    result = measure(
        small=small, large=large, progress=lambda text: messages.print(text, style="dim")
    )
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2))
    else:
        table = Table("images", "peak MiB", "at start MiB", "seconds")
        for run in (result.small, result.large):
            sizes = (f"{number / 2**20:.0f}" for number in (run.peak, run.at_start))
            table.add_row(f"{run.images:,}", *sizes, f"{run.seconds:.0f}")
        console = Console()
        console.print(table)
        verdict = "met" if result.met else "missed"
        console.print(f"Ratio of peaks {result.ratio:.3f}, at most {TARGET:.2f}: {verdict}.")
    if check and not result.met:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
