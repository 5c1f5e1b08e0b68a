"""In: options that the paper's experiments share. Out: a study; results on disk and stdout."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_type_hints

import typer

from pdst.cli import console
from pdst.cli.console import Bars, failing_well, put, say
from pdst.cli.scorers import default_clip, default_dino, scorer_device
from pdst.dataset import load
from pdst.draw import DrawOptions
from pdst.embed import EmbedOptions, Encoders
from pdst.encoders import load_clip, load_dino
from pdst.errors import SettingsError
from pdst.evaluate import Options, Settings
from pdst.experiments.figures import require_matplotlib
from pdst.experiments.findings import DECIDING
from pdst.experiments.recipes import Recipe, parse_recipe
from pdst.experiments.results import Results, write_results
from pdst.experiments.study import Study, choose_subjects
from pdst.methods.names import TRAINED
from pdst.plan import PROTOCOLS, protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CODES = (
    "Exit codes: 0 measured, whatever was found; 2 bad input or settings; 130 stopped by Ctrl-C. "
    "Interrupted, killed or finished: the same command goes on where it was."
)
GO_ON = "Give the same command again to go on."
_WHAT, _TEXT, _HOW = "What is drawn", "Scorers", "Output"

Base = Annotated[
    str,
    typer.Option(
        help="The base model of all methods: `miniature`, `sd15`, a folder, or "
        "`hub:org/name[@commit]`.",
        rich_help_panel=_WHAT,
    ),
]
BenchmarkName = Annotated[
    str | None,
    typer.Option(
        "--benchmark",
        help="A release folder, or the name of one that travels with the package. Default: "
        "miniature.",
        rich_help_panel=_WHAT,
    ),
]
ProtocolName = Annotated[
    str,
    typer.Option(
        "--protocol",
        help=f"{', '.join(PROTOCOLS)}. On a GPU: paper, for numbers to publish.",
        rich_help_panel=_WHAT,
    ),
]
Subjects = Annotated[
    str,
    typer.Option(
        help="Ids with commas; a number: so many, spread evenly over both kinds; or all. "
        f"Fewer than {DECIDING} decide nothing. On a GPU: all.",
        rich_help_panel=_WHAT,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(help="Only the first N images of each run.", rich_help_panel=_WHAT),
]
Seeds = Annotated[
    int,
    typer.Option(
        min=1,
        help="Training seeds, 0 to N-1; scores are averaged over them. On a GPU: 3.",
        rich_help_panel=_WHAT,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Training steps of every method. Default: each method's own.",
        rich_help_panel=_WHAT,
    ),
]
ModelArg = Annotated[
    list[str] | None,
    typer.Option(
        help="`key=value` for every trained method (`batch=4`), or `method:key=value` for one "
        "(`neti+:contrast=0.2`). What says how to draw (`sampling_steps=20`) holds for the class "
        "noun, too. Repeat for more.",
        rich_help_panel=_WHAT,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="The experiment's folder: runs, checkpoints, data.parquet, figure.png, figure.svg, "
        "summary.json, finding.txt. Default: experiments/NAME.",
        metavar="DIR",
        rich_help_panel=_HOW,
    ),
]
Clip = Annotated[
    str | None,
    typer.Option(
        help="CLIP's weights, as for pdst-eval. Default: miniature on the miniature, else openai.",
        rich_help_panel=_TEXT,
    ),
]
Dino = Annotated[
    str | None,
    typer.Option(
        help="DINO's weights, as for pdst-eval. Default: miniature on the miniature, else dino.",
        rich_help_panel=_TEXT,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="Where the scorers run: auto, cpu, cuda, cuda:1, mps. Methods choose their own "
        "(--model-arg device=cuda).",
        rich_help_panel=_TEXT,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", help="Print summary and finding as JSON on stdout.", rich_help_panel=_HOW
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.", rich_help_panel=_HOW)]

Rescore = Annotated[
    bool,
    typer.Option(
        "--rescore",
        help="Score images of an earlier call with other --clip or --dino than that had.",
        rich_help_panel=_HOW,
    ),
]
AcceptChangedCode = Annotated[
    bool,
    typer.Option(
        "--accept-changed-code",
        help="Go on although a method's source file has changed since an earlier call.",
        rich_help_panel=_HOW,
    ),
]
SubjectsPerBatch = Annotated[
    int,
    typer.Option(
        min=1,
        help="Subjects that a method with frozen networks learns in one batch. On a GPU: 20.",
        rich_help_panel=_WHAT,
    ),
]

METHOD_NAMES = ", ".join(TRAINED)

Drawn: TypeAlias = "tuple[Results, Mapping[str, Figure]]"
"""What an experiment found, and its figures by file stem."""

Command: TypeAlias = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The options of an experiment that draws; `with_shared` makes a command take them."""

    base: Base = "miniature"
    benchmark: BenchmarkName = None
    protocol: ProtocolName = "quick"
    subjects: Subjects = "6"
    limit: Limit = None
    seeds: Seeds = 1
    steps: Steps = None
    subjects_per_batch: SubjectsPerBatch = 1
    model_arg: ModelArg = None
    clip: Clip = None
    dino: Dino = None
    device: Device = "auto"
    out: Out = None
    rescore: Rescore = False
    accept_changed_code: AcceptChangedCode = False
    as_json: AsJson = False
    quiet: Quiet = False

    def folder(self, name: str) -> Path:
        """Where everything goes; absolute, as a method may change the current directory."""
        return (self.out or Path("experiments") / name).resolve()

    def require_usual(self, *but: str) -> None:
        """Refuse options that say how to draw, beside finished runs: nothing is drawn.

        Raises:
            SettingsError: that names them.
        """
        usual = Shared()
        kept = ("out", "as_json", "quiet", *but)
        names = [
            f"--{one.name.replace('_', '-')}"
            for one in fields(self)
            if one.name not in kept
            and (getattr(self, one.name) or None) != (getattr(usual, one.name) or None)
        ]
        if names:
            raise SettingsError(
                f"{', '.join(names)}: finished runs are given, which are read as they are. Leave "
                "it out, or leave the runs out."
            )

    def recipe(self, *methods: str, **fixed: str) -> Recipe:
        """How methods are made.

        Args:
            methods: that the experiment draws with.
            fixed: arguments that the experiment sets itself, and why.

        Raises:
            PdstError: as `parse_recipe`; if one training seed would be trained several times.
        """
        if self.seeds > 1 and not any(method in TRAINED for method in methods):
            raise SettingsError(
                f"--seeds is {self.seeds}, but none of {', '.join(methods)} is trained. Leave it "
                "out."
            )
        if self.seeds > 1:
            fixed["seed"] = f"--seeds {self.seeds} would train one seed several times"
        return parse_recipe(
            self.base, self.steps, self.model_arg or [], methods=methods, fixed=fixed
        )


def with_shared(*, without: Sequence[str] = (), **defaults: object) -> Callable[[Command], Command]:
    """Let a command have the shared options after its own.

    Args:
        without: shared options that the command has no use for, or has another of that name.
        defaults: other defaults than `Shared`'s.

    Returns:
        A decorator. The command takes `shared`, a Shared, first.
    """
    hints = get_type_hints(Shared, include_extras=True)
    known = {field.name: field.default for field in fields(Shared)}
    added = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=defaults.get(name, known[name]),
            annotation=hints[name],
        )
        for name in known
        if name not in without
    ]

    def decorated(command: Command) -> Command:
        own = list(signature(command, eval_str=True).parameters.values())[1:]

        @wraps(command)
        def called(**given: Any) -> None:
            shared = Shared(**{one.name: given.pop(one.name) for one in added})
            command(shared, **given)

        by_name = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in own]
        parameters = [*by_name, *added]
        # What typer reads instead of `command`'s own.
        called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorated


def experiment_with(shared: Shared, name: str, measure: Callable[[Study], Drawn]) -> None:
    """Make the study, measure, write, print.

    Args:
        shared: the options.
        name: of the default folder.
        measure: the experiment.
    """
    write_and_tell(shared, name, lambda bars: measure(_study(shared, name, bars)))


def write_and_tell(shared: Shared, name: str, measure: Callable[[Bars], Drawn]) -> None:
    """Measure, write, print; without a study."""
    with failing_well(go_on=GO_ON):
        require_matplotlib()  # before hours of drawing, not after
        with console.stdout_for_results(), Bars(shown=not shared.quiet) as bars:
            results, figures = measure(bars)
            written = write_results(results, shared.folder(name), figures)
        if shared.as_json:
            content = {
                "experiment": results.experiment,
                **results.summary,
                "finding": results.finding,
            }
            put(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
        else:
            put("\n".join(text for text in (results.table, results.finding) if text))
        say(f"Written: {', '.join(path.name for path in written)} in {shared.folder(name)}")


def _study(shared: Shared, name: str, bars: Bars) -> Study:
    release = load(shared.benchmark)
    where = scorer_device(shared.device)
    return Study(
        benchmark=release,
        encoders=Encoders(
            clip=load_clip(shared.clip or default_clip(release), device=where),
            dino=load_dino(shared.dino or default_dino(release), device=where),
        ),
        out=shared.folder(name),
        settings=Settings(
            protocol=protocol(shared.protocol),
            subjects=choose_subjects(release, shared.subjects),
            limit=shared.limit,
        ),
        options=Options(
            draw=DrawOptions(subjects_per_batch=shared.subjects_per_batch),
            embed=EmbedOptions(
                batch=32 if where == "cpu" else 128, overlap=not where.startswith("cpu")
            ),
            rescore=shared.rescore,
            accept_changed_code=shared.accept_changed_code,
        ),
        progress=bars,
    )


def listed(option: str, text: str) -> tuple[str, ...]:
    """Names with commas, in order, each once.

    Raises:
        SettingsError: if there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise SettingsError(f"{option} is '{text}', wanted names with commas.")
    return names


def numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas, in order.

    Raises:
        SettingsError: if one is none.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"{option} is '{text}', wanted whole numbers with commas: 0,100,200.")
    return tuple(int(part) for part in parts)
