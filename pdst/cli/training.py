"""In: the arguments of `pdst-train`. Out: a checkpoint a subject, a table, what to do with them."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pdst.cli import console
from pdst.cli.console import Bars, Version, failing_well, put, say
from pdst.cli.drawing import draw_command
from pdst.cli.scorers import scorer_device
from pdst.dataset import load
from pdst.diffusion.source import is_folder
from pdst.digest import Json
from pdst.encoders import load_dino
from pdst.errors import SettingsError
from pdst.loading import parse_arguments
from pdst.masks import segmenter_named, with_masks
from pdst.masks.files import MaskFiles
from pdst.masks.kept import KeptMasks
from pdst.methods.names import FROZEN, TRAINED, trained_method
from pdst.own_photos import own_subject
from pdst.types import Benchmark, Kind, Subject

if TYPE_CHECKING:
    from pdst.methods.training_run import Learned

training = typer.Typer(
    add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)

_WHOM, _HOW, _LOOK, _PLAIN = "Whom", "How", "What is seen on the way", "Output"


@training.command(
    epilog="Exit codes: 0 trained; 2 bad input or settings; 130 stopped by Ctrl-C. The same "
    "command goes on where it was."
)
def pdst_train(
    method: Annotated[str, typer.Argument(metavar="METHOD", help=f"{', '.join(TRAINED)}.")],
    out: Annotated[Path, typer.Option(help="The folder of checkpoints: a folder a subject in it.")],
    subject: Annotated[
        str | None,
        typer.Option(help="Subject ids of the release, with commas.", rich_help_panel=_WHOM),
    ] = None,
    all_subjects: Annotated[
        bool, typer.Option("--all", help="Every subject of the release.", rich_help_panel=_WHOM)
    ] = False,
    benchmark: Annotated[
        str | None,
        typer.Option(help="The release, as for pdst-eval.", rich_help_panel=_WHOM),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Your own photos of one subject instead.", rich_help_panel=_WHOM
        ),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|NAME",
            help="Of --images, for the + methods: a folder with a PNG for each photo, white where "
            "the subject is; `florence-sam2` or `auto` (Florence-2 finds it, SAM 2 cuts it out); "
            "`saliency` (what stands out, whatever it is); `grabcut` (rough, needs no weights).",
            rich_help_panel=_WHOM,
        ),
    ] = None,
    class_noun: Annotated[
        str | None,
        typer.Option(help="What is on --images: dog, mug, ….", rich_help_panel=_WHOM),
    ] = None,
    init_token: Annotated[
        str | None,
        typer.Option(
            help="One word that the learned one starts from. Default: the class noun's last.",
            rich_help_panel=_WHOM,
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="Of --images: living or rigid.", rich_help_panel=_WHOM)
    ] = "rigid",
    base: Annotated[
        str,
        typer.Option(
            help="`miniature`, `sd15`, a folder, or `hub:org/name[@commit]`.", rich_help_panel=_HOW
        ),
    ] = "miniature",
    preset: Annotated[
        str,
        typer.Option(
            help="Settings: reference, paper, miniature; auto: what suits the base model.",
            rich_help_panel=_HOW,
        ),
    ] = "auto",
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any field of the method's settings: steps=500, rate=0.005, schedule=linear. "
            "Repeat for more.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.", rich_help_panel=_HOW)] = 0,
    subjects_per_batch: Annotated[
        int,
        typer.Option(
            min=1,
            help=f"Subjects that learn in one batch: {', '.join(FROZEN)}. Each learns what it "
            "would alone.",
            rich_help_panel=_HOW,
        ),
    ] = 1,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1.", rich_help_panel=_HOW)
    ] = "auto",
    dtype: Annotated[
        str,
        typer.Option(
            help="Of the frozen networks: auto, float32, bfloat16, float16.", rich_help_panel=_HOW
        ),
    ] = "auto",
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Through torch.compile; the first step takes long.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            help="Also keep what is known after these steps, with commas: 250,500.",
            rich_help_panel=_LOOK,
        ),
    ] = None,
    preview_every: Annotated[
        int, typer.Option(min=0, help="Steps between pictures; 0: none.", rich_help_panel=_LOOK)
    ] = 0,
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Of the pictures, with {}. Repeat for more.", rich_help_panel=_LOOK),
    ] = None,
    validate_every: Annotated[
        int,
        typer.Option(
            min=0,
            help="Keep the last training photo back, compare drawings with it every so many steps, "
            "and keep what was best; 0: no. Test photos are never looked at.",
            rich_help_panel=_LOOK,
        ),
    ] = 0,
    patience: Annotated[
        int,
        typer.Option(
            min=0,
            help="Stop after so many comparisons without a better one; 0: never.",
            rich_help_panel=_LOOK,
        ),
    ] = 0,
    scorer: Annotated[
        str | None,
        typer.Option(
            help="DINO's weights for validation, as pdst-eval's --dino. Default: miniature for the "
            "miniature, else dino.",
            rich_help_panel=_LOOK,
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write event files there.", rich_help_panel=_LOOK),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON on stdout.", rich_help_panel=_PLAIN)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress bar.", rich_help_panel=_PLAIN)
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Print the terms of the loss.", rich_help_panel=_PLAIN),
    ] = False,
    _version: Version = False,
) -> None:
    """Teach a base model a subject; the checkpoint is yours.

    From a release:

        pdst-train ti+ --subject dog --out checkpoints

    From your own photos, of one thing in one folder:

        pdst-train ti --images photos/mug --class-noun mug --out checkpoints

    Then draw with it (`pdst draw`), or evaluate it (`pdst-eval --model trained`).
    """
    console.log_to_stderr(verbose=verbose)
    with failing_well(go_on="Give the same command again to go on."):
        if images is None and (masks or class_noun or init_token or kind != "rigid"):
            raise SettingsError(
                "--masks, --class-noun, --init-token and --kind are of --images; a release says "
                "these of its subjects. Leave them out."
            )
        if images is not None and benchmark is not None:
            raise SettingsError("--images are photos of your own. Leave --benchmark out.")
        subjects = _subjects(
            method,
            subject,
            load(benchmark) if images is None else None,
            all_subjects=all_subjects,
            own=None if images is None else _own(images, masks, class_noun, init_token, kind, out),
        )
        if patience and not validate_every:
            raise SettingsError("--patience counts comparisons: give --validate-every, too.")
        for one in prompt or ():
            if one.count("{}") != 1:
                raise SettingsError(f"--prompt is '{one}', wanted one {{}} for the subject.")
        with console.stdout_for_results(), Bars(shown=not quiet) as bars:
            from pdst.methods.training_run import PROMPTS, Listening, Watching, train_subjects
            from pdst.methods.watching import ValidationSettings

            made = trained_method(method)(
                base=base,
                preset=preset,
                checkpoints=str(out),
                device=device,
                dtype=dtype,
                **({"compiled": True} if compiled else {}),
                **_settings(setting or [], seed),
            )
            validation = (
                ValidationSettings(every=validate_every, patience=patience or None)
                if validate_every
                else None
            )

            def tell(name: str, step: int, terms: Mapping[str, float]) -> None:
                if verbose:
                    told = ", ".join(f"{term} {value:.4g}" for term, value in terms.items())
                    say(f"{name} step {step}: {told}")

            found = list(
                train_subjects(
                    made,
                    subjects,
                    out,
                    batch=subjects_per_batch,
                    watching=Watching(
                        keep=_steps(keep),
                        preview_every=preview_every,
                        prompts=tuple(prompt or PROMPTS),
                        validation=validation,
                        encoder=None if validation is None else _scorer(scorer, base, device),
                        tensorboard=tensorboard,
                    ),
                    listening=Listening(
                        progress=lambda share: bars("learn", share * len(subjects), len(subjects)),
                        tell=tell,
                    ),
                )
            )
        _show(found, as_json=as_json)
        _tell_next(found, out, images, base, benchmark)


def _subjects(
    method: str,
    names: str | None,
    release: Benchmark | None,
    *,
    all_subjects: bool,
    own: Subject | None,
) -> list[Subject]:
    if method not in TRAINED:
        trained_method(method)  # says which there are
    if own is not None:
        if names is not None or all_subjects:
            raise SettingsError(
                "--images are photos of one subject of your own. Leave --subject and --all out."
            )
        return [own]
    assert release is not None
    if all_subjects == (names is not None):
        raise SettingsError(
            "Say whom to learn: --subject ID[,ID], --all, or --images DIR --class-noun NOUN. "
            f"{release.name} has {', '.join(s.subject_id for s in release.subjects)}."
        )
    if names is None:
        return list(release.subjects)
    wanted = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    if not wanted:
        raise SettingsError(f"--subject is '{names}', wanted ids with commas: dog,mug.")
    return [release.subject(name) for name in wanted]


def _own(
    images: Path,
    masks: str | None,
    class_noun: str | None,
    init_token: str | None,
    kind: str,
    out: Path,
) -> Subject:
    if class_noun is None:
        raise SettingsError("--images needs --class-noun: what is on the photos (dog, mug, …).")
    if kind not in ("living", "rigid"):
        raise SettingsError(f"--kind is '{kind}', wanted living or rigid.")
    of_kind: Kind = "living" if kind == "living" else "rigid"
    subject = own_subject(images, class_noun=class_noun, init_token=init_token, kind=of_kind)
    if masks is None:
        return subject
    segmenter = segmenter_named(masks)
    if not isinstance(segmenter, MaskFiles):
        name = masks.replace(":", "-")
        segmenter = KeptMasks(segmenter, out / subject.subject_id / "masks" / name)
    subject, found = with_masks(subject, segmenter)
    for image_id, one in found.items():
        if one.flags:
            say(f"Mask of {image_id}: look at it ({'; '.join(one.flags)}).")
    return subject


def _settings(pairs: list[str], seed: int) -> dict[str, Json]:
    found = parse_arguments(pairs)
    if "seed" in found:
        raise SettingsError("Give the seed by --seed.")
    return {**found, "seed": seed}


def _steps(text: str | None) -> tuple[int, ...]:
    parts = [] if text is None else [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"--keep is '{text}', wanted steps with commas: 250,500.")
    return tuple(int(part) for part in parts)


def _scorer(weights: str | None, base: str, device: str) -> Any:
    default = "miniature" if base == "miniature" else "dino"
    return load_dino(weights or default, device=scorer_device(device))


def _show(found: "list[Learned]", *, as_json: bool) -> None:
    if as_json:
        put(
            json.dumps(
                [
                    {
                        "subject": one.subject.subject_id,
                        "folder": str(one.folder),
                        "steps": one.steps,
                        "kept_step": one.kept_step,
                        "drift": one.drift,
                        "undertrained": one.undertrained,
                        "terms": dict(one.terms),
                    }
                    for one in found
                ],
                indent=2,
            )
        )
        return
    table = Table("subject", "steps", "loss", "drift", "picture")
    for one in found:
        steps = str(one.steps) if one.kept_step is None else f"{one.kept_step} of {one.steps}"
        loss = f"{one.terms['loss']:.4f}" if "loss" in one.terms else "–"
        drift = f"{one.drift:.3f}" + (" undertrained" if one.undertrained else "")
        table.add_row(one.subject.subject_id, steps, loss, drift, str(one.folder / "picture.png"))
    console.results.print(table)


def _tell_next(
    found: "list[Learned]", out: Path, images: Path | None, base: str, benchmark: str | None
) -> None:
    say(f"Draw: {draw_command(found[0].folder, base)}")
    if images is None:
        release = "" if benchmark is None else f" --benchmark {shlex.quote(benchmark)}"
        arguments = [f"folder={out}", *([f"base={base}"] if is_folder(base) else [])]
        given = " ".join(f"--model-arg {shlex.quote(one)}" for one in arguments)
        say(f"Evaluate: pdst-eval --model trained {given}{release}")
