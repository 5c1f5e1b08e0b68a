"""The base model with the class word: what it draws, what it records, how it is called."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pdst import miniature
from pdst.cli.evaluating import evaluation
from pdst.diffusion.backbone import load_backbone
from pdst.embed import Encoders
from pdst.errors import BackboneError, SettingsError
from pdst.evaluate import Settings, marks
from pdst.loading import as_loaded, load_generator
from pdst.methods import ClassNoun
from pdst.plan import PROTOCOLS
from pdst.testing import check_generator, drawn_benchmark
from pdst.types import Sampling

BALL = drawn_benchmark().subject("ball")  # its class noun: "toy ball"


@pytest.fixture(scope="module")
def generator(pipeline_folder: Path) -> ClassNoun:
    return ClassNoun(str(pipeline_folder), steps=4, device="cpu")


@pytest.fixture
def as_miniature(pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small base model in the miniature's place."""
    monkeypatch.setattr(miniature, "GENERATOR", pipeline_folder)
    return pipeline_folder


def test_it_keeps_the_contract(generator: ClassNoun) -> None:
    assert {result.status for result in check_generator(generator)} == {"passed"}


def test_it_draws_the_class_noun_and_nothing_else_of_the_subject(generator: ClassNoun) -> None:
    said = generator.personalize(BALL).sample(["A {} on a hill."], [3])
    other = replace(BALL, subject_id="x", init_token="cat", train=())
    same = generator.personalize(other).sample(["A {} on a hill."], [3])
    spelt = generator.personalize(BALL).sample(["A toy ball on a hill."], [3])
    assert said[0].tobytes() == same[0].tobytes() == spelt[0].tobytes()
    dog = generator.personalize(replace(BALL, class_noun="dog")).sample(["A {} on a hill."], [3])
    assert dog[0].tobytes() != said[0].tobytes()


def test_a_prompt_passes_the_text_encoder_once_for_all_seeds_and_calls(
    pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_backbone(str(pipeline_folder), device="cpu")
    monkeypatch.setattr("pdst.methods.class_noun.load_backbone", lambda *_, **__: backbone)
    rows: list[int] = []
    backbone.text_encoder.register_forward_hook(
        lambda module, inputs, output: rows.append(len(inputs[0]))
    )
    sampler = ClassNoun("any", steps=1).personalize(BALL)
    sampler.sample(["A {}.", "A {}.", "The {}."], [1, 2, 1])
    sampler.sample(["The {}.", "The {}."], [2, 3])
    assert rows == [1, 1, 1]  # "A toy ball.", "The toy ball.", ""


def test_the_record_says_all_that_decides_a_pixel(
    generator: ClassNoun, pipeline_folder: Path
) -> None:
    digest = load_backbone(str(pipeline_folder)).digest
    assert generator.info.name == "Class noun (small)"
    assert generator.info.revision == f"1-{digest[:12]}"
    assert generator.info.settings == {
        "base": "folder:small",
        "base_digest": digest,
        "dtype": "float32",
        "sampling": {
            "sampler": "dpmsolver++2m",
            "steps": 4,
            "guidance": 7.5,
            "resolution": 32,
        },
    }
    assert str(pipeline_folder.parent) not in json.dumps(dict(generator.info.settings))


def test_it_samples_as_the_protocols_say_unless_told_otherwise(pipeline_folder: Path) -> None:
    plain = ClassNoun(str(pipeline_folder))
    sampling = plain.info.settings["sampling"]
    assert isinstance(sampling, dict)
    for protocol in PROTOCOLS.values():
        wanted = protocol.sampling
        assert (sampling["sampler"], sampling["steps"], sampling["guidance"]) == (
            wanted.sampler,
            wanted.steps,
            wanted.guidance,
        )


def test_a_run_that_samples_otherwise_than_its_protocol_is_marked(
    generator: ClassNoun, pipeline_folder: Path, scorers: Encoders
) -> None:
    quick = Settings(protocol=PROTOCOLS["quick"])
    found = marks(as_loaded(generator), scorers, quick)
    assert "sampled with steps 4, the protocol says 50" in found
    plain = as_loaded(ClassNoun(str(pipeline_folder)))
    assert marks(plain, scorers, quick) == []
    strong = replace(quick.protocol, sampling=Sampling(guidance=9.0))
    assert marks(plain, scorers, Settings(protocol=strong)) == [
        "sampled with guidance 7.5, the protocol says 9.0"
    ]


def test_numbers_that_cannot_work_are_told_before_anything_is_drawn(pipeline_folder: Path) -> None:
    with pytest.raises(SettingsError, match="batch is 0"):
        ClassNoun(str(pipeline_folder), batch=0)
    with pytest.raises(SettingsError, match="steps is 1001"):
        ClassNoun(str(pipeline_folder), steps=1001)
    with pytest.raises(BackboneError, match="'sd51' is no folder"):
        ClassNoun("sd51")


def test_both_names_lead_to_it(as_miniature: Path) -> None:
    for spec in ("class-noun", "pdst.methods:ClassNoun"):
        loaded = load_generator(spec, {"steps": 2})
        assert isinstance(loaded.generator, ClassNoun)
        assert loaded.generator.info.settings["base"] == "miniature"
        assert loaded.source_digest is not None
        assert not loaded.sees_test_split


# --- pdst-eval -----------------------------------------------------------------------------------


def evaluated(*arguments: str) -> Result:
    return CliRunner().invoke(evaluation, list(arguments))


@pytest.fixture
def arguments(tiny_folder: Path, scorer_folders: tuple[Path, Path], tmp_path: Path) -> list[str]:
    clip, dino = scorer_folders
    return [
        *("--benchmark", str(tiny_folder), "--protocol", "quick", "--out", str(tmp_path / "run")),
        *("--clip", str(clip), "--dino", str(dino), "--quiet", "--json", "--limit", "4"),
    ]


def test_the_base_model_is_an_option_of_pdst_eval(
    pipeline_folder: Path, arguments: list[str], tmp_path: Path
) -> None:
    base = ("--base", str(pipeline_folder))
    done = evaluated("--model", "class-noun", *base, "--model-arg", "steps=2", *arguments)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    generator = record["settings"]["generator"]
    assert generator["arguments"]["base"] == str(pipeline_folder)
    assert generator["info"]["settings"]["sampling"]["steps"] == 2
    assert "sampled with steps 2, the protocol says 50" in record["marks"]
    assert record["sessions"][0]["versions"]["diffusers"]


def test_a_base_model_given_twice_or_to_a_method_without_one_is_told(
    pipeline_folder: Path, arguments: list[str]
) -> None:
    twice = ("--base", "sd15", "--model-arg", "base=miniature")
    done = evaluated("--model", "class-noun", *twice, *arguments)
    assert (done.exit_code, "given twice" in done.stderr) == (2, True)
    done = evaluated("--model", "noise", "--base", "sd15", *arguments)
    assert (done.exit_code, "No --model-arg named 'base'" in done.stderr) == (2, True)
