"""Claims about finding a generator: what `module:attr` may be, and what a mistake is answered."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pdst.digest import Json, digest_bytes, digest_json
from pdst.errors import GeneratorError
from pdst.generator import GeneratorInfo
from pdst.loading import as_loaded, load_generator, parse_arguments
from pdst.methods.baselines import CopyTest
from pdst.testing import drawn_benchmark

GENERATOR = """
from pdst.generator import GeneratorInfo

class Gen:
    def __init__(self, steps=50, benchmark=None):
        self.steps, self.benchmark = steps, benchmark
        self.info = GeneratorInfo(name="Gen", revision="1", settings={"steps": steps})
    def personalize(self, subject):
        return None
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Writes modules into the current directory; forgets them afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in {"", str(tmp_path)}])
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def error_of(spec: str, arguments: dict[str, Json] | None = None, **more: Any) -> str:
    with pytest.raises(GeneratorError) as caught:
        load_generator(spec, arguments, **more)
    return str(caught.value)


# --- what a spec may be --------------------------------------------------------------------------


def test_a_class_in_a_file_of_the_current_directory_is_found_and_built(
    module: Callable[[str, str], Path],
) -> None:
    path = module("my_module", GENERATOR)
    loaded = load_generator("my_module:Gen", {"steps": 7})
    assert loaded.generator.info.settings == {"steps": 7}
    assert (loaded.spec, loaded.arguments) == ("my_module:Gen", {"steps": 7})
    assert loaded.source_digest == digest_bytes(path.read_bytes())
    assert loaded.sees_test_split is False


def test_a_factory_is_called_with_the_arguments(module: Callable[[str, str], Path]) -> None:
    module("made", GENERATOR + "\ndef make(steps, *, twice=False):\n    return Gen(steps * 2)\n")
    loaded = load_generator("made:make", {"steps": 5, "twice": True})
    assert loaded.generator.info.settings == {"steps": 10}


def test_a_partial_is_a_factory_and_its_file_is_the_users(
    module: Callable[[str, str], Path],
) -> None:
    text = "\nimport functools\nquick = functools.partial(Gen, steps=3)\n"
    path = module("part", GENERATOR + text)
    loaded = load_generator("part:quick")
    assert loaded.generator.info.settings == {"steps": 3}
    assert loaded.source_digest == digest_bytes(path.read_bytes())


def test_an_instance_is_taken_as_it_is_and_refuses_arguments(
    module: Callable[[str, str], Path],
) -> None:
    module("ready", GENERATOR + "\ngen = Gen(steps=4)\n")
    assert load_generator("ready:gen").generator.info.settings == {"steps": 4}
    error = error_of("ready:gen", {"steps": 5})
    assert "is an instance and takes no --model-arg, got ['steps']" in error


def test_an_attribute_may_be_nested(module: Callable[[str, str], Path]) -> None:
    module("nested", GENERATOR + "\nclass Zoo:\n    Inner = Gen\n")
    assert load_generator("nested:Zoo.Inner").generator.info.name == "Gen"
    error = error_of("nested:Zoo.Iner")
    assert "No attribute of nested.Zoo named 'Iner'. Did you mean 'Inner'?" in error


def test_a_module_of_a_package_is_found(module: Callable[[str, str], Path]) -> None:
    module("methods_of_mine.neti", GENERATOR)
    assert load_generator("methods_of_mine.neti:Gen").generator.info.name == "Gen"


def test_an_instances_digest_covers_the_file_that_sets_it_up(
    module: Callable[[str, str], Path],
) -> None:
    module("library_of_mine", GENERATOR)
    setup = "from library_of_mine import Gen\ngen = Gen(steps={})\n"
    first, second = module("setup_a", setup.format(4)), module("setup_b", setup.format(5))
    digests = {
        load_generator("setup_a:gen").source_digest,
        load_generator("setup_b:gen").source_digest,
        digest_bytes(first.read_bytes()),
        digest_bytes(second.read_bytes()),
    }
    assert len(digests) == 4, "both files count: the one that is named, and the one with the class"


# --- the benchmark, for reference rows only ------------------------------------------------------


def test_only_a_parameter_named_benchmark_gets_it_and_the_run_is_marked(
    module: Callable[[str, str], Path],
) -> None:
    module("peeking", GENERATOR + "\ndef blind(steps=1):\n    return Gen(steps)\n")
    benchmark = drawn_benchmark()
    peeking = load_generator("peeking:Gen", benchmark=benchmark)
    assert peeking.sees_test_split is True
    assert vars(peeking.generator)["benchmark"] is benchmark
    assert peeking.arguments == {}, "the benchmark is no --model-arg"
    assert load_generator("peeking:blind", benchmark=benchmark).sees_test_split is False
    assert load_generator("peeking:Gen").sees_test_split is False


def test_a_benchmark_parameter_set_by_hand_is_left_alone(
    module: Callable[[str, str], Path],
) -> None:
    module("cudnn", GENERATOR)
    loaded = load_generator("cudnn:Gen", {"benchmark": False}, benchmark=drawn_benchmark())
    assert loaded.sees_test_split is False
    assert vars(loaded.generator)["benchmark"] is False


def test_a_required_benchmark_that_is_not_there_is_no_model_arg() -> None:
    error = error_of("pdst.methods.baselines:CopyTest")
    assert "needs the benchmark" in error
    assert "--model-arg" not in error


def test_a_generator_may_say_itself_whether_it_has_the_held_out_photos(
    module: Callable[[str, str], Path],
) -> None:
    module("honest", GENERATOR + "\nclass Ids(Gen):\n    sees_test_split = False\n")
    module("seeing", GENERATOR + "\nclass All(Gen):\n    sees_test_split = True\n")
    benchmark = drawn_benchmark()
    assert load_generator("honest:Ids", benchmark=benchmark).sees_test_split is False
    assert load_generator("seeing:All").sees_test_split is True


def test_an_object_made_in_python_is_taken_with_its_origin(
    module: Callable[[str, str], Path],
) -> None:
    path = module("by_hand", GENERATOR)
    built = load_generator("by_hand:Gen").generator
    loaded = as_loaded(built)
    assert loaded.generator is built
    assert (loaded.spec, loaded.arguments) == ("by_hand:Gen", {})
    assert loaded.source_digest == digest_bytes(path.read_bytes())
    assert as_loaded(loaded) is loaded
    assert as_loaded(CopyTest(drawn_benchmark())).sees_test_split is True
    nothing: Any = object()
    with pytest.raises(GeneratorError, match="A object is no generator: its `info` is None and"):
        as_loaded(nothing)


# --- mistakes ------------------------------------------------------------------------------------


def test_an_unknown_argument_is_answered_with_the_nearest(
    module: Callable[[str, str], Path],
) -> None:
    module("typo", GENERATOR)
    error = error_of("typo:Gen", {"step": 3})
    assert "No --model-arg named 'step'. Did you mean 'steps'? Known: steps." in error


def test_star_parameters_are_no_argument_names(module: Callable[[str, str], Path]) -> None:
    module("stars", GENERATOR + "\ndef make(*args, steps=1):\n    return Gen(steps)\n")
    assert "No --model-arg named 'args'. Known: steps." in error_of("stars:make", {"args": 3})


def test_a_factory_with_keyword_catch_all_takes_any(module: Callable[[str, str], Path]) -> None:
    module("catching", GENERATOR + "\ndef make(**given):\n    return Gen(given['any'])\n")
    assert load_generator("catching:make", {"any": 9}).generator.info.settings == {"steps": 9}


def test_a_missing_argument_is_asked_for(module: Callable[[str, str], Path]) -> None:
    module("asking", GENERATOR + "\ndef make(checkpoint, steps=1):\n    return Gen(steps)\n")
    assert "needs checkpoint. Add: --model-arg checkpoint=…" in error_of("asking:make")


def test_a_missing_module_and_a_missing_dependency_are_told_apart(
    module: Callable[[str, str], Path],
) -> None:
    module("needy", "import no_such_library.part\n")
    module("pack.needy", "import pack.no_such_part\n")
    assert "no module 'my_modul'" in error_of("my_modul:Gen")
    assert str(Path.cwd()) in error_of("my_modul:Gen")
    assert "needs the package 'no_such_library', which is not installed" in error_of("needy:Gen")
    own = error_of("pack.needy:Gen")
    assert "needs the module 'pack.no_such_part', which does not exist" in own
    assert "pip" not in own


def test_a_module_not_found_error_without_a_name_is_told(
    module: Callable[[str, str], Path],
) -> None:
    module("anonymous", "raise ModuleNotFoundError('cuda_kernels')\n")
    assert "cuda_kernels" in error_of("anonymous:Gen")


@pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit(2)", "def broken(:"])
def test_a_module_that_cannot_be_imported_says_why(
    module: Callable[[str, str], Path], line: str
) -> None:
    module("failing", f"{line}\n")
    error = error_of("failing:Gen")
    assert "importing failing raised" in error
    assert any(name in error for name in ("ZeroDivisionError", "SystemExit", "SyntaxError"))


def test_an_unknown_attribute_names_the_file_that_was_read(
    module: Callable[[str, str], Path],
) -> None:
    path = module("shadowed", GENERATOR)
    error = error_of("shadowed:Genn")
    assert f"No attribute of shadowed ({path}) named 'Genn'. Did you mean 'Gen'?" in error


def test_a_lazy_attribute_that_raises_is_told(module: Callable[[str, str], Path]) -> None:
    module("lazy", "def __getattr__(name):\n    raise ImportError('needs torch')\n")
    assert "reading lazy.Gen raised ImportError: needs torch" in error_of("lazy:Gen")


@pytest.mark.parametrize("spec", ["my_module:", ":Gen", "my module:Gen", "my_module:Gen()", "a::b"])
def test_a_spec_that_is_none_is_answered_with_an_example(spec: str) -> None:
    assert "wanted module:attr, for example my_module:MyGenerator" in error_of(spec)


@pytest.mark.parametrize("spec", ["./code/my_module.py:Gen", "code/my_module:Gen"])
def test_a_path_is_answered_with_the_dotted_name(spec: str) -> None:
    assert "give: code.my_module:Gen" in error_of(spec)


def test_a_raising_constructor_is_told_with_its_arguments(
    module: Callable[[str, str], Path],
) -> None:
    module("raising", "def make(steps):\n    raise OSError('no disk')\n")
    error = error_of("raising:make", {"steps": 3})
    assert "raising:make(steps=3) raised OSError: no disk" in error


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("    pass\n", "its `info` is None and it has no `personalize`"),
        ("    info = {'name': 'x'}\n    personalize = print\n", "its `info` is {'name': 'x'}"),
        (
            "    def info(self):\n        return 1\n    personalize = print\n",
            "its `info` is a method: put @property above it",
        ),
        (
            "    @property\n    def info(self):\n        return 1 / 0\n    personalize = print\n",
            "its `info` raised ZeroDivisionError",
        ),
    ],
)
def test_what_does_not_fit_is_told(
    module: Callable[[str, str], Path], body: str, told: str
) -> None:
    module("unfit", f"class Gen:\n{body}")
    assert told in error_of("unfit:Gen")


def test_something_that_cannot_be_called_is_no_generator(
    module: Callable[[str, str], Path],
) -> None:
    module("number", "GEN = 3\n")
    assert "number:GEN is a int, wanted a class" in error_of("number:GEN")


def test_an_unknown_name_without_a_colon_lists_the_plug_ins() -> None:
    error = error_of("no-such-generator")
    assert "No generator named 'no-such-generator'" in error
    assert "Or give --model module:attr" in error


# --- arguments are typed -------------------------------------------------------------------------


def test_arguments_have_the_type_that_they_read_as() -> None:
    texts = [
        "steps=50",
        "scale=7.5",
        "lora=true",
        'words=["a","b"]',
        "none=null",
        'name="50"',
        "path=a=b",
        "empty=",
        "revision=0123",
        "not_json=nan",
        "no_number=NaN",
        "neither=1e999",
        "rate=1e-4",
    ]
    assert parse_arguments(texts) == {
        "steps": 50,
        "scale": 7.5,
        "lora": True,
        "words": ["a", "b"],
        "none": None,
        "name": "50",
        "path": "a=b",
        "empty": "",
        "revision": "0123",
        "not_json": "nan",
        "no_number": "NaN",
        "neither": "1e999",
        "rate": 1e-4,
    }


@pytest.mark.parametrize("text", ["steps", "=5", "lora-rank=4", "two words=1"])
def test_an_argument_that_is_none_is_answered_with_an_example(text: str) -> None:
    with pytest.raises(GeneratorError, match="Example: --model-arg steps=50"):
        parse_arguments([text])


def test_an_argument_given_twice_is_an_error() -> None:
    with pytest.raises(GeneratorError, match="steps is given twice"):
        parse_arguments(["steps=5", "steps=5"])


# --- info is plain JSON --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"size": (512, 512)}, r"settings\['size'\] is a tuple: \(512, 512\)"),
        ({"lr": float("nan")}, r"settings\['lr'\] is nan"),
        ({"betas": [0.9, float("inf")]}, r"settings\['betas'\]\[1\] is inf"),
        ({"a": {1: 2}}, r"settings\['a'\] has a key that is a int: 1"),
        ({"path": Path("x")}, r"settings\['path'\] is a \w*Path"),
        (["steps"], r"settings is \['steps'\]"),
    ],
)
def test_settings_that_would_not_come_back_from_a_file_are_refused(
    settings: Any, told: str
) -> None:
    with pytest.raises(GeneratorError, match=told):
        GeneratorInfo(name="Gen", revision="1", settings=settings)


def test_plain_settings_come_back_as_they_are() -> None:
    settings: dict[str, Json] = {"steps": 50, "lr": 1e-4, "a": {"b": [None, True, "x"]}}
    info = GeneratorInfo(name="Gen", revision="1", settings=MappingProxyType(settings))
    assert digest_json(dict(info.settings)) == digest_json(settings)


@pytest.mark.parametrize(("name", "revision"), [("", "1"), ("Gen", " "), ("two\nlines", "1")])
def test_a_generator_has_a_name_and_a_revision(name: str, revision: str) -> None:
    with pytest.raises(GeneratorError, match=r"GeneratorInfo"):
        GeneratorInfo(name=name, revision=revision)


def test_a_revision_that_a_model_arg_turned_into_a_number_is_told() -> None:
    year: Any = parse_arguments(["revision=2024"])["revision"]
    with pytest.raises(GeneratorError, match="revision is 2024, wanted one line of text"):
        GeneratorInfo(name="Gen", revision=year)
