"""In: the arguments of `pdst experiment`. Out: experiments about the benchmark itself."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pdst.cli import console
from pdst.cli.console import Bars, failing_well, put, say
from pdst.embed import EmbedOptions, Encoders
from pdst.encoders import load_clip, load_dino

experiment = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Experiments about the benchmark itself.",
)


@experiment.callback()
def _experiment() -> None:
    """Keeps `metrics` a command of its own name while it is the only one."""


@experiment.command(epilog="Exit codes: 0 measured, whether a gate is met or not; 2 bad input.")
def metrics(
    clip: Annotated[
        str, typer.Option(help="CLIP's weights, as for pdst-eval: `miniature`, `openai`, a path …")
    ] = "miniature",
    dino: Annotated[
        str, typer.Option(help="DINO's weights, as for pdst-eval: `miniature`, `dino`, a path …")
    ] = "miniature",
    control: Annotated[
        str,
        typer.Option(help="Weights of a control for both, printed beside; `none` for none."),
    ] = "untrained",
    out: Annotated[
        Path | None,
        typer.Option(help="Write metrics.json and levels.svg into this folder.", metavar="DIR"),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    batch_size: Annotated[int, typer.Option(min=1, help="Images a forward pass.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars.")] = False,
) -> None:
    """Do the metrics measure what they say? Asks them about pictures whose fidelity is known.

    The miniature's truth set shows 60 subjects exactly, almost, or not at all as they are, and
    scenes of which a caption is true, partly true, or false. Printed are: how far each metric ranks
    them as they are known (Spearman), how much the background moves it, and what it does not see.
    """
    from pdst.experiments.metrics import measure
    from pdst.experiments.metrics_chart import levels_svg
    from pdst.experiments.metrics_table import experiment_json, experiment_table
    from pdst.files import whole_file, write_json
    from pdst.miniature.truth import load_truth

    with failing_well():
        truth = load_truth()
        with console.stdout_for_results(), Bars(shown=not quiet) as bars:
            options = EmbedOptions(batch=batch_size, overlap=device != "cpu")
            found = measure(truth, _encoders(clip, dino, device), options, bars)
            beside = (
                None
                if control == "none"
                else measure(
                    truth, _encoders(control, control, device), options, partial(_control, bars)
                )
            )
        content = experiment_json(found, beside)
        if out is not None:
            write_json(out / "metrics.json", content)
            with whole_file(out / "levels.svg") as file:
                file.write_text(levels_svg(found, beside), "utf-8")
            say(f"Written: {out / 'metrics.json'}, {out / 'levels.svg'}")
        if as_json:
            put(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
        else:
            console.results.print(experiment_table(found, beside))


def _encoders(clip: str, dino: str, device: str) -> Encoders:
    return Encoders(clip=load_clip(clip, device=device), dino=load_dino(dino, device=device))


def _control(bars: Bars, stage: str, done: int, total: int) -> None:
    bars(f"{stage} (control)", done, total)
