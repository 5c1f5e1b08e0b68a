"""In: the arguments of `pdst-submit`. Out: a checked bundle, sent; or all that is wrong with it."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from pdst.cli import console
from pdst.cli.console import Version, failing_well, put, say
from pdst.dataset import EMBEDDED, load
from pdst.errors import SettingsError
from pdst.plan import PROTOCOLS
from pdst.release import Finding
from pdst.run import Run, open_run
from pdst.submission.bundle import Bundle, write_bundle
from pdst.submission.check import Wanted, check_bundle
from pdst.submission.making import Declaration, Images, RunImages, make_bundle
from pdst.submission.reading import read_bundle
from pdst.submission.send import entry_name, send
from pdst.validate import findings_text

submission = typer.Typer(
    add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)

EXIT_CODES = (
    "Exit codes: 0 sent, or nothing in the way; 2 bad input, or the board cannot be reached; "
    "3 the run cannot be submitted, and why is listed."
)

IMAGES = ("none", "sample", "all")


@submission.command(epilog=EXIT_CODES)
def pdst_submit(
    run: Annotated[Path, typer.Argument(help="A finished run: the --out of a pdst-eval.")],
    to: Annotated[
        str,
        typer.Option(
            help="The board: a folder, any fsspec URL (`s3://bucket/board`), or "
            "`hf://datasets/org/name`, which gets a pull request."
        ),
    ],
    training: Annotated[
        list[str],
        typer.Option(
            help="A data set that the method or its base model was trained on; repeat for more. "
            "`none` if nothing was trained."
        ),
    ],
    saw_test_photos: Annotated[
        bool,
        typer.Option(
            "--saw-test-photos",
            help="Declare that held-out photos of the benchmark were among the training data. "
            "Such a run is not taken; leaving this out declares that they were not.",
        ),
    ] = False,
    by: Annotated[str, typer.Option(help="Who submits, as the board shows it.")] = "",
    paper: Annotated[str, typer.Option(help="Link to the paper.")] = "",
    code: Annotated[str, typer.Option(help="Link to the code.")] = "",
    hardware: Annotated[
        str,
        typer.Option(help="What drew the images, if not the machine that ran pdst-eval."),
    ] = "",
    images: Annotated[
        str,
        typer.Option(
            help="Which images to attach: none, sample (64, picked by the images' own digests), "
            "all. With all of them a board can compute every score itself."
        ),
    ] = "sample",
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="The release that the run was made with, to check completeness. Found by itself "
            "if it travels with the package."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show everything that would be sent; send nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    _version: Version = False,
) -> None:
    """Submit a finished run to a leaderboard.

    Everything sent is public. Folders in paths are cut off; look at it first with --dry-run.

        pdst-submit runs/mine --to ./board --training "LAION-2B" --by "A. Author" --dry-run
    """
    console.log_to_stderr(verbose=False)
    with failing_well(go_on="Nothing was sent."), tempfile.TemporaryDirectory() as folder:
        if images not in IMAGES:
            raise SettingsError(f"--images is '{images}', wanted one of {', '.join(IMAGES)}.")
        opened = open_run(run)
        declared = Declaration(
            training=tuple(training),
            saw_test_photos=saw_test_photos,
            by=by,
            paper=paper,
            code=code,
            hardware=hardware,
        )
        bundle = make_bundle(opened, declared, cast("Images", images))
        path = Path(folder) / "bundle.parquet"
        write_bundle(bundle, path, RunImages(opened))
        findings = check_bundle(read_bundle(path), _wanted(bundle, benchmark))
        sound = not any(one.severity == "error" for one in findings)
        where = None
        if sound and not dry_run:
            method = bundle.header.method
            title = f"Submission: {method.name} {method.revision}"
            where = send(path, bundle.digest, to, title=title).where
        _tell(opened, bundle, findings, path, to, where, as_json=as_json, dry_run=dry_run)
        if not sound:
            raise typer.Exit(console.INCOMPLETE)


def _wanted(bundle: Bundle, benchmark: str | None) -> Wanted | None:
    """What a complete submission holds, if its release is at hand."""
    stated, protocol = bundle.header.benchmark, bundle.header.protocol.name
    if protocol not in PROTOCOLS:
        return None
    if benchmark is not None:
        return Wanted(load(benchmark), protocol)
    if stated.name in EMBEDDED:
        return Wanted(load(stated.name), protocol)
    say(
        f"The release {stated.name} {stated.version} is not at hand, so that completeness is not "
        "checked here. The board will. To check it now: --benchmark FOLDER."
    )
    return None


def _tell(
    run: Run,
    bundle: Bundle,
    findings: list[Finding],
    path: Path,
    to: str,
    where: str | None,
    *,
    as_json: bool,
    dry_run: bool,
) -> None:
    attached = sum(bundle.rows.column("attached").to_pylist())
    header = json.loads(bundle.header.text)
    if as_json:
        result = {
            "digest": bundle.digest,
            "to": to,
            "sent": where,
            "bytes": path.stat().st_size,
            "rows": bundle.rows.num_rows,
            "images": attached,
            "problems": [asdict(one) for one in findings],
            "header": header,
        }
        put(json.dumps(result, indent=2, ensure_ascii=False))
        return
    if dry_run:
        put(json.dumps(header, indent=2, ensure_ascii=False))
        put(f"columns: {', '.join(bundle.rows.column_names)}")
        put("first row: " + json.dumps(bundle.rows.slice(0, 1).to_pylist()[0], ensure_ascii=False))
        put(
            f"{bundle.rows.num_rows} rows, {attached} images, {path.stat().st_size} bytes, as "
            f"{entry_name(bundle.digest)}"
        )
    if findings:
        say(findings_text(findings))
    if where is not None:
        put(where)
        say(f"Submitted. Digest: {bundle.digest}")
    elif any(one.severity == "error" for one in findings):
        say(f"{run.path} cannot be submitted as it is; nothing was sent.")
    else:
        say(f"Nothing in the way. Without --dry-run this goes to {to}.")
