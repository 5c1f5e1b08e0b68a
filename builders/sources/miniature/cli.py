"""In: a command line. Out: the parts of the miniature, made anew where the package keeps them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from builders.sources.miniature.facts import SEED
from pdst.errors import PdstError, unknown_name
from pdst.miniature import DATA, TRUTH

miniature = typer.Typer(
    name="miniature",
    help="Make the drawn world that travels with the package, from seeds.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Work = Annotated[
    Path,
    typer.Option("--work", metavar="DIR", help="Of scenes, checkpoints and curves; resumable."),
]
WORK = Path("build/miniature")


@miniature.command("release")
def make_release(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder that becomes the release.")
    ] = DATA,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Another seed draws other subjects, a release to choose a method's settings on.",
        ),
    ] = SEED,
    one_place: Annotated[
        bool,
        typer.Option(
            "--one-place",
            help="All train photos of a subject in one place: who cannot tell the subject from "
            "what is around it learns both.",
        ),
    ] = False,
) -> None:
    """Draw the release `miniature`: 20 subjects, 300 pictures, 2,000 captions. Takes a minute."""
    from builders.sources.miniature.release import write_miniature

    if (seed != SEED or one_place) and out == DATA:
        given = "--one-place" if one_place else f"Seed {seed}"
        raise PdstError(f"{given} is not the package's release. Say where it goes: --out DIR.")
    fingerprint = write_miniature(
        out.expanduser(),
        seed=seed,
        one_place=one_place,
        progress=lambda text: typer.echo(text, err=True),
    )
    typer.echo(json.dumps({"release": str(out), "fingerprint": fingerprint}, indent=1))


@miniature.command("truth")
def draw_truth(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder that the set goes into.")
    ] = TRUTH,
) -> None:
    """Draw the truth set: pictures of known fidelity, for `pdst experiment metrics`. Minutes."""
    from builders.sources.miniature.truth import write_truth

    path = write_truth(out.expanduser())
    typer.echo(json.dumps({"truth": str(path), "bytes": path.stat().st_size}, indent=1))


@miniature.command("train")
def train_stages(
    stage: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STAGE]...", help="vae, generator, clip, dino, judge; or all."),
    ] = None,
    work: Work = WORK,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes of one thread each that train together.")
    ] = 1,
    device: Annotated[
        str, typer.Option(help="cpu or cuda; a GPU has batches and schedules of its own.")
    ] = "cpu",
) -> None:
    """Train networks from nothing, or go on from their checkpoints.

    Hours on two cores, minutes on a large GPU.
    """
    from builders.sources.miniature.training.stages import STAGES, train_stage
    from builders.sources.miniature.training.team import together
    from pdst.encoders.devices import device_named

    device_named(device, what="the trainings", error=PdstError)
    if device != "cpu" and workers > 1:
        raise PdstError(
            f"--workers is {workers} with --device {device}: workers share CPU cores, a GPU "
            "serves one. Leave one of the two out."
        )
    for name in _known(stage, list(STAGES)):
        together(workers, train_stage, name, work, device)


@miniature.command("gates")
def measure_gates(
    stage: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STAGE]...", help="Stages to measure; or all."),
    ] = None,
    work: Work = WORK,
) -> None:
    """Measure trained networks on held-out scenes, each gate beside its control.

    Of a stage without a checkpoint in the work folder the package's weights are measured.
    """
    from rich.console import Console

    from builders.sources.miniature.gates.report import GATES, measure, table

    work.mkdir(parents=True, exist_ok=True)
    gates = measure(work, _known(stage, list(GATES)), _say)
    Console(stderr=True).print(table(gates))
    typer.echo(json.dumps([gate.to_json() for gate in gates], indent=1, ensure_ascii=False))


@miniature.command("export")
def export_weights(
    part: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PART]...", help="generator, vae, clip, dino, judge; or all."),
    ] = None,
    work: Work = WORK,
) -> None:
    """Write the trained weights into the package, as float16, where stock libraries open them."""
    from builders.sources.miniature.export import EXPORTS

    for name in _known(part, list(EXPORTS)):
        write, out = EXPORTS[name]
        out.parent.mkdir(parents=True, exist_ok=True)
        write(work, out)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        typer.echo(json.dumps({"part": name, "bytes": size}))


def _known(asked: list[str] | None, names: list[str]) -> list[str]:
    for name in asked or ():
        if name not in names:
            raise PdstError(unknown_name("part", name, names))
    return asked or names


def _say(text: str) -> None:
    typer.echo(text, err=True)
