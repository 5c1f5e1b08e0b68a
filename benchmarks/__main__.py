"""In: `python -m benchmarks scoring`, `memory` or `training`. Out: a table, or JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.turns import Ratio

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
        ratios = _ratio_table(result.ratios)
        parity = _parity_table("score parity with ours", result.parity, PARITY)
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


@app.command()
def training(
    base: Annotated[
        str, typer.Option(help="Base model; sd15-random: Stable Diffusion 1.5 by size alone.")
    ] = "miniature",
    device: Annotated[str, typer.Option(help="Where: cpu, cuda, auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="Of the UNet and the VAE.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Examples a step.")] = 8,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps each time. Default: 2 on a CPU, 20 on a GPU."),
    ] = None,
    subjects: Annotated[
        int, typer.Option(min=0, max=20, help="Subjects that learn together; 0: not measured.")
    ] = 20,
    seeds: Annotated[int, typer.Option(min=1, help="Images of one prompt.")] = 5,
    sampling_steps: Annotated[int, typer.Option(min=1, help="Of the sampler.")] = 50,
    resolution: Annotated[int | None, typer.Option(help="Pixels a side, if not its own.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often all is measured.")] = 5,
    as_json: AsJson = False,
    check: Check = False,
) -> None:
    """Training and sampling of TI and NeTI: ours, and the steps that public code takes."""
    from benchmarks.training import TrainingSizes, measure

    result = measure(
        base,
        device=device,
        dtype=dtype,
        sizes=TrainingSizes(
            batch=batch,
            steps=steps,
            subjects=subjects,
            seeds=seeds,
            sampling_steps=sampling_steps,
            resolution=resolution,
            rounds=rounds,
        ),
        progress=lambda text: messages.print(text, style="dim"),
    )
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2))
    else:
        times = Table("training", f"seconds ({result.clock} time, median)")
        for name, seconds in result.seconds.items():
            times.add_row(name, f"{seconds:.3f}")
        parity = _parity_table("both ways compute the same", result.parity, result.allowed)
        console = Console()
        for table in (times, _ratio_table(result.ratios), parity):
            console.print(table)
        sizes, on = result.sizes, result.hardware["accelerators"] or result.hardware["processor"]
        console.print(
            f"{result.base}, {sizes.resolution} px, {result.dtype} on {result.device}; batch "
            f"{sizes.batch}, {sizes.steps} steps, {sizes.subjects} subjects, {sizes.seeds} seeds, "
            f"{sizes.sampling_steps} sampling steps, {sizes.rounds} rounds, {result.threads} "
            f"threads; {on}, torch {result.versions.get('torch')}."
        )
    if check and not result.met:
        raise typer.Exit(1)


def _ratio_table(ratios: Sequence[Ratio]) -> Table:
    table = Table("ratio", "median", "range", "target", "")
    for ratio in ratios:
        table.add_row(
            ratio.what,
            f"{ratio.median:.2f}",
            f"{ratio.low:.2f} to {ratio.high:.2f}",
            f"{'at least' if ratio.at_least else 'at most'} {ratio.target:.2f}",
            "met" if ratio.met else "missed",
        )
    return table


def _parity_table(what: str, parity: Mapping[str, float], allowed: float) -> Table:
    table = Table(what, "largest difference", "target", "")
    for name, difference in parity.items():
        verdict = "met" if difference <= allowed else "missed"
        table.add_row(name, f"{difference:.1e}", f"at most {allowed:.0e}", verdict)
    return table


if __name__ == "__main__":
    app()
