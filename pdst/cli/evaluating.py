"""In: the arguments of `pdst-eval`. Out: settings, one call of `evaluate`, a table."""

import json
import math
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from pdst.cli import console
from pdst.cli.console import EXIT_CODES, Bars, Version, failing_well, put, say
from pdst.cli.scorers import default_clip, default_dino, scorer_device
from pdst.dataset import load
from pdst.digest import Json
from pdst.draw import DrawOptions
from pdst.embed import EmbedOptions, Encoders
from pdst.encoders import load_clip, load_dino
from pdst.errors import SettingsError
from pdst.evaluate import Options, Settings, evaluate
from pdst.images import FORMATS
from pdst.loading import LoadedGenerator, load_generator, parse_arguments
from pdst.plan import PROTOCOLS, plan, protocol
from pdst.run import open_run
from pdst.types import Benchmark, Report

evaluation = typer.Typer(
    add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)

_WHAT, _TEXT, _HOW, _PLAIN = "What is evaluated", "Scorers", "How it runs", "Output"


@evaluation.command(epilog=EXIT_CODES)
def pdst_eval(
    model: Annotated[
        str,
        typer.Option(
            help="The generator: `module:attr` (a class, a factory or an object; the current "
            "folder is on the path), or a plug-in's name (`class-noun`, `copy-train`, …).",
            rich_help_panel=_WHAT,
        ),
    ],
    model_arg: Annotated[
        list[str] | None,
        typer.Option(
            help="`key=value` for the class or factory, typed as JSON where it reads as JSON: "
            "`steps=50`, `lora=true`, `name=sd15`. Repeat for more.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="The base model of a diffusion method: `miniature`, `sd15`, a folder, or "
            "`hub:org/name[@commit]`. Short for `--model-arg base=…`.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="A release folder, or the name of one that travels with the package. Default: "
            "miniature (20 drawn subjects).",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    protocol_name: Annotated[
        str,
        typer.Option(
            "--protocol",
            help=f"{', '.join(PROTOCOLS)}. paper: every caption, 5 images each. paper10: 10 images "
            "each. quick: 1 caption a photo, 1 image.",
            rich_help_panel=_WHAT,
        ),
    ] = "paper",
    subjects: Annotated[
        str | None,
        typer.Option(
            help="Only these subject ids, with commas. Not submittable.", rich_help_panel=_WHAT
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Only the first N images. Not submittable.", rich_help_panel=_WHAT),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run folder. The same command with the same folder continues. "
            "Default: runs/MODEL-BENCHMARK-PROTOCOL.",
            rich_help_panel=_PLAIN,
        ),
    ] = None,
    clip: Annotated[
        str | None,
        typer.Option(
            help="CLIP's weights: `openai` (ViT-B/32, from the Hub), `miniature`, `hub:org/name`, "
            "a .safetensors file, a folder, or `untrained[:SEED]` (plumbing only). Default: "
            "miniature on the miniature, else openai.",
            rich_help_panel=_TEXT,
        ),
    ] = None,
    dino: Annotated[
        str | None,
        typer.Option(
            help="DINO's weights: `dino` (ViT-S/16, from the Hub), else as for --clip. Default: "
            "miniature on the miniature, else dino.",
            rich_help_panel=_TEXT,
        ),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            help="The scorers' arithmetic: float32, bfloat16, float16. Part of the metric.",
            rich_help_panel=_TEXT,
        ),
    ] = "float32",
    device: Annotated[
        str,
        typer.Option(
            help="Where the scorers run: auto, cpu, cuda, cuda:1, mps. The generator chooses its "
            "own (often --model-arg device=cuda).",
            rich_help_panel=_HOW,
        ),
    ] = "auto",
    batch_size: Annotated[
        str,
        typer.Option(
            help="Images a forward pass of the scorers; auto: 32 on a CPU, 128 on a GPU, halved "
            "when memory runs out.",
            rich_help_panel=_HOW,
        ),
    ] = "auto",
    sample_batch: Annotated[
        int,
        typer.Option(
            help="Prompts a call of the generator, of one test photo or of several of a subject.",
            min=1,
            rich_help_panel=_HOW,
        ),
    ] = 8,
    subjects_per_batch: Annotated[
        int,
        typer.Option(
            help="Subjects that a bundled method with frozen networks (TI, NeTI, both +) learns in "
            "one batch. Each learns what it would learn alone.",
            min=1,
            rich_help_panel=_HOW,
        ),
    ] = 1,
    workers: Annotated[
        int,
        typer.Option(help="Threads that decode images.", min=1, rich_help_panel=_HOW),
    ] = 2,
    timeout: Annotated[
        float,
        typer.Option(
            help="Seconds an image may take before its case counts as failed; 0: no limit.",
            min=0,
            rich_help_panel=_HOW,
        ),
    ] = 900.0,
    subject_timeout: Annotated[
        float,
        typer.Option(
            help="Seconds that learning a subject may take before its cases count as failed; "
            "0: no limit.",
            min=0,
            rich_help_panel=_HOW,
        ),
    ] = 0.0,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop at the generator's first failure.", rich_help_panel=_HOW
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Draw again the test photos that have failures.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    rescore: Annotated[
        bool,
        typer.Option(
            "--rescore",
            help="Score the run's images with other --clip, --dino or --dtype than it was begun "
            "with.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    accept_changed_code: Annotated[
        bool,
        typer.Option(
            "--accept-changed-code",
            help="Continue although the generator's source file has changed.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    image_format: Annotated[
        str,
        typer.Option(
            help=f"How images are kept: {', '.join(FORMATS)} (webp is lossless, jpeg quality 95). "
            "Scores come from the kept bytes.",
            rich_help_panel=_PLAIN,
        ),
    ] = "png",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the report as JSON on stdout.", rich_help_panel=_PLAIN),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress bars.", rich_help_panel=_PLAIN)
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Say more on stderr.", rich_help_panel=_PLAIN)
    ] = False,
    _version: Version = False,
) -> None:
    """Draw with a personalization method, score against held-out photos, summarize.

    Example, with a class `Gen` in my_module.py:

        pdst-eval --model my_module:Gen --benchmark DIR --protocol quick --out runs/mine

    Interrupted, killed or finished: the same command goes on where it was.
    """
    console.log_to_stderr(verbose=verbose)
    with failing_well(go_on="Give the same command again to go on."):
        if image_format not in FORMATS:
            raise SettingsError(
                f"--image-format is '{image_format}', wanted one of {', '.join(FORMATS)}."
            )
        if not math.isfinite(timeout) or not math.isfinite(subject_timeout):
            raise SettingsError("--timeout wants a number of seconds; 0 means no limit.")
        settings = Settings(
            protocol=protocol(protocol_name),
            subjects=_listed(subjects),
            limit=limit,
            image_format=image_format,
        )
        release = load(benchmark)
        plan(release, settings.protocol, subjects=settings.subjects, limit=settings.limit)
        # What a generator prints is no result: stdout is for those.
        with console.stdout_for_results():
            home = Path.cwd()  # a generator may change the current directory
            arguments = _arguments(model_arg or [], base)
            where = scorer_device(device)
            encoders = Encoders(
                clip=load_clip(clip or default_clip(release), device=where, dtype=dtype),
                dino=load_dino(dino or default_dino(release), device=where, dtype=dtype),
            )
            loaded = load_generator(model, arguments, benchmark=release)
            folder = out or _default_out(loaded, release, settings)
            with Bars(shown=not quiet) as bars:
                report = evaluate(
                    release,
                    loaded,
                    encoders,
                    home / folder,
                    settings,
                    Options(
                        draw=DrawOptions(
                            batch=sample_batch,
                            subjects_per_batch=subjects_per_batch,
                            seconds_per_image=timeout or None,
                            seconds_per_subject=subject_timeout or None,
                            strict=strict,
                            retry_failed=retry_failed,
                            on_stuck=console.ended_at_once(console.STUCK),
                        ),
                        embed=EmbedOptions(
                            batch=_batch(batch_size, where),
                            workers=workers,
                            overlap=not where.startswith("cpu"),
                        ),
                        rescore=rescore,
                        accept_changed_code=accept_changed_code,
                    ),
                    bars,
                )
        _show(home / folder, folder, as_json=as_json)
        _tell_failures(report)
        if report.drawn < report.expected:
            raise typer.Exit(console.INCOMPLETE)


def _arguments(pairs: list[str], base: str | None) -> dict[str, Json]:
    arguments = parse_arguments(pairs)
    if base is not None:
        if "base" in arguments:
            raise SettingsError("The base model is given twice, by --base and --model-arg base.")
        arguments["base"] = base
    return arguments


def _listed(names: str | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    listed = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not listed:
        raise SettingsError(f"--subjects is '{names}', wanted ids with commas: dog6,vase.")
    return listed


def _batch(text: str, device: str) -> int:
    if text == "auto":
        return 32 if device == "cpu" else 128
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"--batch-size is '{text}', wanted auto or a whole number from 1.")
    return int(text)


def _default_out(loaded: LoadedGenerator, benchmark: Benchmark, settings: Settings) -> Path:
    parts = (loaded.spec.rpartition(":")[2], benchmark.name, settings.protocol.name)
    return Path("runs") / re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts))


def _show(path: Path, folder: Path, *, as_json: bool) -> None:
    from pdst.report.rows import table_rows
    from pdst.report.table import terminal_table

    run = open_run(path)
    if as_json:
        put(json.dumps({"run": str(folder), **run.summary()}, indent=2, ensure_ascii=False))
    else:
        console.results.print(terminal_table(table_rows([run])))
    say(f"Run: {folder}  (pdst show {shlex.quote(str(folder))} --html report.html)")


def _tell_failures(report: Report) -> None:
    missing = report.expected - report.drawn
    if missing:
        kinds = ", ".join(f"{count} {reason}" for reason, count in report.failures.items())
        say(
            f"{missing} of {report.expected} images are missing: {kinds}. scores.parquet has each "
            "one's reason; once the cause is mended, --retry-failed draws them again."
        )
