"""In: the arguments of `pdst experiment`. Out: experiments: the benchmark's own, the paper's."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pdst.cli import console
from pdst.cli.console import Bars, failing_well, put, say
from pdst.cli.experiment_options import (
    CODES,
    METHOD_NAMES,
    Drawn,
    Shared,
    experiment_with,
    listed,
    numbers,
    with_shared,
    write_and_tell,
)
from pdst.dataset import load
from pdst.embed import EmbedOptions, Encoders
from pdst.encoders import load_clip, load_dino
from pdst.errors import SettingsError
from pdst.experiments.recipes import draw_methods, require_attractor
from pdst.experiments.study import Study, choose_subjects
from pdst.loading import LoadedGenerator
from pdst.run import Run, open_run
from pdst.types import Benchmark

_USUAL = "class-noun,ti,neti,ti+,neti+"
_METHODS = (
    f"What is drawn with, by commas: {METHOD_NAMES}; or what pdst-eval's --model takes. Default: "
    f"{_USUAL}."
)

experiment = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Experiments about the benchmark itself, and those of the paper: each draws, scores, and "
    "writes data, figures and one paragraph of what was found. Needs: pip install 'pdst[figures]'.",
)


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
    ] = "untrained-miniature",
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


def _control(bars: Bars, stage: str, done: float, total: int) -> None:
    bars(f"{stage} (control)", done, total)


@experiment.command(epilog=CODES)
@with_shared(without=["steps"])
def bias(
    shared: Shared,
    method: Annotated[
        str, typer.Option(help=f"The method that is trained: {METHOD_NAMES}.")
    ] = "dreambooth",
    steps: Annotated[
        str,
        typer.Option(
            help="Training steps at which the method draws and is scored; the last is the "
            "training's length. On a GPU, with DreamBooth, 0,250,500,1000,2000,3000,4000,5000. All "
            "checkpoints stay on disk: for DreamBooth on Stable Diffusion 1.5, 1.7 GB each."
        ),
    ] = "0,25,50,100,200,400",
) -> None:
    """Fig. 1: do scores against training photos hide overfitting?

    Trains a method once a subject, and scores it at several steps against held-out and against
    training photos. Says how far each similarity moves with prompt fidelity along training.
    """

    def measure(study: Study) -> Drawn:
        from pdst.experiments.bias import bias as measure_bias
        from pdst.experiments.bias_figure import bias_figure
        from pdst.experiments.trajectory import trajectories

        at = numbers("--steps", steps)
        trainings = trajectories(study, shared.recipe(method), method, at, shared.seeds)
        results = measure_bias(study, trainings, at)
        return results, {"figure": bias_figure(results.data, str(results.summary["method"]))}

    experiment_with(shared, f"bias-{method}", measure)


def _require_no_methods(names: str | None) -> None:
    """Refuse methods to draw with beside finished runs."""
    if names is not None:
        raise SettingsError(
            f"--methods is {names} beside finished runs, which are read as they are. Leave it out, "
            "or leave the runs out."
        )


@experiment.command(epilog=CODES)
@with_shared()
def methods(
    shared: Shared,
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Finished runs of one key. Without any: --methods are trained."),
    ] = None,
    names: Annotated[str | None, typer.Option("--methods", help=_METHODS)] = None,
) -> None:
    """Fig. 5 and its table: methods side by side; what the + pipeline adds on the same cases."""

    def compared(opened: Sequence[Run]) -> Drawn:
        from pdst.experiments.methods import methods as compare_methods
        from pdst.experiments.methods_figure import methods_figure

        results = compare_methods(opened)
        return results, {"figure": methods_figure(results.data)}

    if runs:
        with failing_well():
            _require_no_methods(names)
            shared.require_usual()
        write_and_tell(shared, "methods", lambda _: compared([open_run(one) for one in runs]))
        return

    def measure(study: Study) -> Drawn:
        chosen = listed("--methods", names or _USUAL)
        return compared(draw_methods(study, shared.recipe(*chosen), chosen, shared.seeds))

    experiment_with(shared, "methods", measure)


@experiment.command(epilog=CODES)
@with_shared(subjects="2", seeds=3)
def weighting(
    shared: Shared,
    method: Annotated[str, typer.Option(help="neti+ or ti+.")] = "neti+",
    schedules: Annotated[
        str, typer.Option(help="Functions, with commas.")
    ] = "zero,one,linear,exponential,exp_convex,sigmoid,cosine",
) -> None:
    """Figs. 7 and 16: which function should weigh the contrastive loss along training?"""

    def measure(study: Study) -> Drawn:
        from pdst.experiments.weighting import compare_weightings
        from pdst.experiments.weighting_figure import functions_figure, weighting_figure

        require_attractor(method)
        recipe = shared.recipe(method, schedule="--schedules names the functions")

        def make(schedule: str, seed: int) -> LoadedGenerator:
            return recipe.make(
                method,
                benchmark=study.benchmark,
                checkpoints=study.checkpoints(f"{schedule}-seed-{seed}"),
                seed=seed,
                schedule=schedule,
            )

        results = compare_weightings(
            study, make, listed("--schedules", schedules), range(shared.seeds)
        )
        return results, {
            "figure": weighting_figure(results.data),
            "functions": functions_figure(),
        }

    experiment_with(shared, f"weighting-{method}", measure)


@experiment.command(epilog=CODES)
@with_shared(without=["limit"])
def attractor(
    shared: Shared,
    method: Annotated[str, typer.Option(help="neti+ or ti+.")] = "neti+",
    images: Annotated[
        int, typer.Option(min=1, help="Images a word, subject and training seed.")
    ] = 5,
) -> None:
    """Fig. 9: what has the background attractor learned? Draws "A photo of <A*>.", measures it."""

    def measure(study: Study) -> Drawn:
        from pdst.experiments.attractor import attractor as measure_attractor
        from pdst.experiments.attractor_figure import attractor_figure, attractor_pictures

        require_attractor(method)
        recipe = shared.recipe(method)

        def make(seed: int) -> LoadedGenerator:
            return recipe.make(
                method,
                benchmark=study.benchmark,
                checkpoints=study.checkpoints(f"seed-{seed}"),
                seed=seed,
            )

        results, drawings = measure_attractor(study, make, seeds=range(shared.seeds), images=images)
        return results, {
            "figure": attractor_pictures(drawings, study.benchmark, study.subject_ids),
            "similarity": attractor_figure(results.data),
        }

    experiment_with(shared, f"attractor-{method}", measure)


@experiment.command(epilog=CODES)
@with_shared(without=["limit", "seeds", "protocol"])
def grid(
    shared: Shared,
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Finished runs of one key. Without any: --methods are trained."),
    ] = None,
    names: Annotated[str | None, typer.Option("--methods", help=_METHODS)] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            help="The same prompt for every subject, with one {} in it, in place of captions; "
            "repeat for more. `fictional`: the two of the paper's Fig. 13."
        ),
    ] = None,
    captions: Annotated[
        int, typer.Option(min=1, help="Captions of each subject's first held-out photo.")
    ] = 1,
    images: Annotated[int, typer.Option(min=1, help="Images a prompt and method.")] = 1,
    reference: Annotated[
        str, typer.Option(help="What stands in front: held-out, or training (as in Fig. 8).")
    ] = "held-out",
) -> None:
    """Figs. 6, 8, 13 to 15: what methods draw of the same prompts from the same noise.

    Fig. 8: `--methods neti,neti+ --prompt fictional --images 8 --reference training`.
    """
    from pdst.experiments.grid import grid as put_side_by_side
    from pdst.experiments.grid_figure import grid_figure
    from pdst.experiments.grid_plan import grid_plan, grid_study

    with failing_well():
        plan = grid_plan(prompt or [], captions, images, reference, of_runs=bool(runs))

    def shown(opened: Sequence[Run], release: Benchmark) -> Drawn:
        results = put_side_by_side(opened, release, plan)
        return results, {"figure": grid_figure(results.data, opened, release, plan)}

    def measure(study: Study) -> Drawn:
        own = grid_study(study, plan)
        chosen = listed("--methods", names or _USUAL)
        drawn = draw_methods(own, shared.recipe(*chosen), chosen, 1)
        return shown(drawn, own.benchmark)

    if runs:
        with failing_well():
            _require_no_methods(names)
            shared.require_usual("benchmark")
        write_and_tell(
            shared,
            "grid",
            lambda _: shown([open_run(one) for one in runs], load(shared.benchmark)),
        )
        return
    experiment_with(shared, "grid", measure)


@experiment.command(epilog=CODES)
@with_shared(
    without=[
        *("base", "protocol", "limit", "seeds", "steps", "subjects_per_batch", "model_arg"),
        *("clip", "dino", "device", "rescore", "accept_changed_code"),
    ],
    subjects="all",
)
def words(shared: Shared) -> None:
    """Fig. 3: which words are the held-out captions made of? Needs no network."""

    def measure(_: Bars) -> Drawn:
        from pdst.experiments.words import words as count_words
        from pdst.experiments.words_figure import words_figure

        release = load(shared.benchmark)
        results = count_words(release, choose_subjects(release, shared.subjects))
        return results, {"figure": words_figure(results.data)}

    write_and_tell(shared, "words", measure)
