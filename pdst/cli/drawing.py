"""In: a checkpoint and prompts, or a mapper made elsewhere. Out: a picture; a checkpoint."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pdst.cli import console
from pdst.cli.console import failing_well, say
from pdst.diffusion.source import is_folder
from pdst.errors import SettingsError
from pdst.files import whole_file
from pdst.types import SLOT, Subject


def draw_command(checkpoint: Path, base: str) -> str:
    """What to say to draw with a checkpoint that was trained with a base model."""
    where = f" --base {shlex.quote(base)}" if is_folder(base) else ""
    folder = shlex.quote(str(checkpoint))
    return f'pdst draw {folder} "A photo of {{}} on a beach."{where} --out picture.png'


def draw(
    checkpoint: Annotated[
        Path, typer.Argument(help="A subject's folder in the checkpoints of pdst-train.")
    ],
    prompts: Annotated[
        list[str], typer.Argument(metavar="PROMPT...", help="With {} for the subject.")
    ],
    out: Annotated[Path, typer.Option(help="The picture: a row a prompt, a column a seed.")] = Path(
        "picture.png"
    ),
    seeds: Annotated[str, typer.Option(help="With commas.")] = "0,1,2,3",
    base: Annotated[
        str | None, typer.Option(help="Where the base model is, if its record cannot say.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of the sampler.")] = 50,
    guidance: Annotated[
        float | None,
        typer.Option(help="Of classifier-free guidance. Default: the base model's own, or 7.5."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
) -> None:
    """Draw prompts with what pdst-train learned."""
    with failing_well():
        for prompt in prompts:
            if prompt.count(SLOT) != 1:
                raise SettingsError(f"Prompt '{prompt}': wanted one {SLOT}, for the subject.")
        if not all(seed.strip().isdecimal() for seed in seeds.split(",")):
            raise SettingsError(f"--seeds is '{seeds}', wanted numbers with commas: 0,1,2.")
        with console.stdout_for_results():
            from pdst.methods.trained import Trained
            from pdst.methods.watching import picture_grid

            trained = Trained(
                str(checkpoint.parent),
                base=base,
                sampling_steps=steps,
                guidance=guidance,
                device=device,
                only=checkpoint.name,
            )
            sampler = trained.sampler(checkpoint.name)
            picture = picture_grid(sampler, prompts, [int(seed) for seed in seeds.split(",")])
        with whole_file(out) as temporary:
            picture.save(temporary, "PNG")
        say(f"Picture: {out}")


def import_neti(
    file: Annotated[
        Path, typer.Argument(help="mapper-steps-*.pt, as NeTI's released code writes it.")
    ],
    out: Annotated[Path, typer.Option(help="The checkpoint's folder, named after its subject.")],
    class_noun: Annotated[str, typer.Option(help="What was learned: dog, mug, ….")],
    base: Annotated[
        str, typer.Option(help="The base model that it was trained on, as for pdst-train.")
    ] = "sd15",
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle",
            help="Such a file is a pickle; allow it to be read, by torch's weights-only reader.",
        ),
    ] = False,
) -> None:
    """Turn a mapper of NeTI's released code into a checkpoint of safetensors."""
    with failing_well():
        subject = Subject(
            subject_id=out.name,
            class_noun=class_noun,
            init_token=class_noun.split()[-1] if class_noun.split() else class_noun,
            kind="rigid",
            train=(),
        )
        with console.stdout_for_results():
            from pdst.methods import importing

            importing.import_neti(file, out, base=base, subject=subject, allow_pickle=allow_pickle)
        say(f"Draw: {draw_command(out, base)}")
