"""In: "module:attr" or an entry point's name, and arguments. Out: an object that is a Generator."""

import functools
import importlib
import importlib.metadata
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from pdst.digest import Json, digest_bytes, not_plain
from pdst.errors import GeneratorError, PdstError, unknown_name
from pdst.generator import Generator, GeneratorInfo
from pdst.types import Benchmark

ENTRY_POINTS = "pdst.generators"
"""Entry-point group in which a plug-in package names its generators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedGenerator:
    """A generator with where it came from.

    Attributes:
        spec: what was asked for ("my_module:Gen").
        arguments: the typed `--model-arg`s.
        source_digest: sha256 of the file that the spec names and, if that is another, of the file
            that defines the generator; None if they cannot be read.
        sees_test_split: whether it has the held-out photos: it was handed the benchmark, and does
            not say `sees_test_split = False` (as `Folder` does, which reads only ids there).
    """

    generator: Generator
    spec: str
    arguments: Mapping[str, Json]
    source_digest: str | None
    sees_test_split: bool


def parse_arguments(pairs: Sequence[str]) -> dict[str, Json]:
    """Turn `key=value` texts into typed arguments.

    A value that reads as JSON has that type (`steps=50`, `lora=true`, `words=["a","b"]`); anything
    else is a string (`name=sd15`). Quote to force a string: `name='"50"'`.

    Raises:
        GeneratorError: without `=`, for a bad key, or for a key given twice.
    """
    arguments: dict[str, Json] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise GeneratorError(
                f"--model-arg '{pair}': wanted key=value, the key a parameter's name (letters, "
                "digits, underscores). Example: --model-arg steps=50"
            )
        if key in arguments:
            raise GeneratorError(f"--model-arg {key} is given twice. Keep one.")
        try:
            value: Json = json.loads(text)
        except ValueError:
            value = text
        if not_plain(value, key):  # NaN and Infinity parse, but are no JSON
            value = text
        wrong = not_plain(value, f"--model-arg {key}")
        if wrong:
            raise GeneratorError(f"{wrong}. Give UTF-8 text.")
        arguments[key] = value
    return arguments


def load_generator(
    spec: str,
    arguments: Mapping[str, Json] | None = None,
    *,
    benchmark: Benchmark | None = None,
) -> LoadedGenerator:
    """Find, import and build a generator.

    Args:
        spec: `module:attr` (a class, a factory, or an instance; the current directory is on the
            path), or the name of an entry point in the group `pdst.generators`.
        arguments: keyword arguments for the class or factory.
        benchmark: handed to a class or factory that has a parameter named `benchmark`, and to no
            other. Only reference rows want it; the run is marked.

    Raises:
        GeneratorError: if it cannot be found, imported or built, or does not fit the protocol.
    """
    arguments = dict(arguments or {})
    found = _import(spec) if ":" in spec else _entry_point(spec)
    target = found.target
    handed = False
    # A class has `personalize` too, as a function: only an object that is no class is an instance.
    if not inspect.isclass(target) and hasattr(target, "personalize"):
        if arguments:
            raise GeneratorError(
                f"{spec} is an instance and takes no --model-arg, got {sorted(arguments)}. "
                "Name its class instead."
            )
        built = target
    elif callable(target):
        parameters = _parameters(target)
        handed = (
            benchmark is not None and "benchmark" in parameters and "benchmark" not in arguments
        )
        built = _build(spec, target, parameters, arguments, benchmark if handed else None)
    else:
        raise GeneratorError(
            f"{spec} is a {type(target).__name__}, wanted a class, a factory or an object with "
            "`info` and `personalize`. See pdst.generator.Generator."
        )
    missing = _missing(built)
    if missing:
        raise GeneratorError(
            f"{spec} gives a {type(built).__name__}; {' and '.join(missing)}. A generator has "
            "`info`, a pdst.generator.GeneratorInfo, and the method `personalize(subject)`; "
            "pdst.testing.check_generator tells what else is wrong."
        )
    return LoadedGenerator(
        generator=cast("Generator", built),
        spec=spec,
        arguments=arguments,
        source_digest=_source_digest(found),
        sees_test_split=bool(getattr(built, "sees_test_split", handed)),
    )


def as_loaded(generator: Generator | LoadedGenerator) -> LoadedGenerator:
    """An object made in Python, with where it came from, as far as that can be told.

    Raises:
        GeneratorError: if it does not fit the protocol.
    """
    if isinstance(generator, LoadedGenerator):
        return generator
    missing = _missing(generator)
    kind = type(generator)
    if missing:
        raise GeneratorError(
            f"A {kind.__name__} is no generator: {' and '.join(missing)}. "
            "pdst.testing.check_generator tells what else is wrong."
        )
    return LoadedGenerator(
        generator=generator,
        spec=f"{kind.__module__}:{kind.__qualname__}",
        arguments={},
        source_digest=_file_digest(kind),
        sees_test_split=bool(getattr(generator, "sees_test_split", False)),
    )


def _missing(built: object) -> list[str]:
    missing = []
    try:
        info: object = getattr(built, "info", None)
    except Exception as error:  # a property of somebody else's class
        missing.append(f"its `info` raised {type(error).__name__}: {error}")
    else:
        if inspect.isroutine(info):
            missing.append("its `info` is a method: put @property above it")
        elif not isinstance(info, GeneratorInfo):
            missing.append(f"its `info` is {info!r:.60}")
    if not callable(getattr(built, "personalize", None)):
        missing.append("it has no `personalize`")
    return missing


class _Found(NamedTuple):
    """What a spec leads to, and the module that it names."""

    target: object
    module: str


def _import(spec: str) -> _Found:
    module_name, _, attribute = spec.partition(":")
    if module_name.endswith(".py") or "/" in module_name or "\\" in module_name:
        dotted = module_name.removesuffix(".py").replace("\\", "/").strip("./").replace("/", ".")
        raise GeneratorError(
            f"{spec}: '{module_name}' is a path, wanted a module's dotted name. "
            f"Run from the folder that holds it and give: {dotted}:{attribute}"
        )
    parts = [*module_name.split("."), *attribute.split(".")]
    if not all(part.isidentifier() for part in parts):
        raise GeneratorError(f"{spec}: wanted module:attr, for example my_module:MyGenerator.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # the file may be younger than the last look into its folder
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or str(error)
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise GeneratorError(
                f"{spec}: no module '{missing}' in {here} or among the installed packages. "
                "Check the name, or run from the folder that holds the file."
            ) from error
        raise GeneratorError(f"{spec}: {_unmet(module_name, missing)}") from error
    except (Exception, SystemExit) as error:  # a script may call sys.exit when imported
        raise GeneratorError(
            f"{spec}: importing {module_name} raised {type(error).__name__}: {error}. "
            f'Try it alone: python -c "import {module_name}"'
        ) from error
    where = module_name
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            names = [name for name in dir(found) if not name.startswith("_")]
            file = getattr(found, "__file__", None)  # another file of that name may be in front
            what = f"attribute of {where}" + (f" ({file})" if file else "")
            raise GeneratorError(f"{spec}: {unknown_name(what, part, names)}") from error
        except PdstError:
            raise
        except Exception as error:  # a module that imports its parts when they are asked for
            raise GeneratorError(
                f"{spec}: reading {where}.{part} raised {type(error).__name__}: {error}."
            ) from error
        where = f"{where}.{part}"
    return _Found(found, module_name)


def _unmet(module_name: str, missing: str) -> str:
    """What to do about a module that `module_name` imports and that is not there."""
    package = missing.partition(".")[0]
    if package == module_name.partition(".")[0]:
        return f"importing {module_name} needs the module '{missing}', which does not exist."
    return (
        f"importing {module_name} needs the package '{package}', which is not installed. "
        f"Install it, often by: pip install {package}"
    )


def _entry_point(name: str) -> _Found:
    points = importlib.metadata.entry_points(group=ENTRY_POINTS)
    named = [point for point in points if point.name == name]
    if not named:
        message = unknown_name("generator", name, {point.name for point in points})
        raise GeneratorError(f"{message} Or give --model module:attr.")
    point = named[0]
    if len({other.value for other in named}) > 1:
        owners = ", ".join(
            f"{other.value} of {other.dist.name if other.dist else 'an unknown package'}"
            for other in named
        )
        raise GeneratorError(
            f"{len(named)} plug-ins are named '{name}': {owners}. "
            "Say which with --model module:attr."
        )
    try:
        return _Found(point.load(), point.module)
    except PdstError:
        raise
    except ModuleNotFoundError as error:
        unmet = _unmet(point.module, error.name or str(error))
        raise GeneratorError(f"Plug-in '{name}' ({point.value}): {unmet}") from error
    except (Exception, SystemExit) as error:
        raise GeneratorError(
            f"Plug-in '{name}' ({point.value}) cannot be imported: "
            f"{type(error).__name__}: {error}. Reinstall its package."
        ) from error


def _parameters(target: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):  # a builtin without a signature
        return {}


def _build(
    spec: str,
    target: Callable[..., object],
    parameters: Mapping[str, inspect.Parameter],
    arguments: Mapping[str, Json],
    benchmark: Benchmark | None,
) -> object:
    kinds = inspect.Parameter
    takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters.values())
    named = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind in {kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY}
    }
    unknown = [] if takes_any else [key for key in arguments if key not in named]
    if unknown:
        offered = [name for name in named if name != "benchmark"]
        raise GeneratorError(f"{spec}: " + unknown_name("--model-arg", unknown[0], offered))
    given: dict[str, object] = dict(arguments)
    if benchmark is not None:
        given["benchmark"] = benchmark
    required = [
        name
        for name, parameter in named.items()
        if parameter.default is kinds.empty and name not in given
    ]
    if "benchmark" in required:
        raise GeneratorError(
            f"{spec} needs the benchmark, held-out photos included: give load_generator one."
        )
    if required:
        wanted = " ".join(f"--model-arg {name}=…" for name in required)
        raise GeneratorError(f"{spec} needs {', '.join(required)}. Add: {wanted}")
    try:
        return target(**given)
    except PdstError:
        raise
    except (Exception, SystemExit) as error:
        raise GeneratorError(
            f"{spec}({', '.join(f'{k}={v!r}' for k, v in arguments.items())}) raised "
            f"{type(error).__name__}: {error}. Build it alone in Python to see the traceback."
        ) from error


def _source_digest(found: _Found) -> str | None:
    target = found.target
    while isinstance(target, functools.partial):
        target = target.func
    defined = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
    # The module's file holds an instance's settings, the other one the code.
    digests = [_file_digest(sys.modules.get(found.module)), _file_digest(defined)]
    known = [digest for digest in dict.fromkeys(digests) if digest is not None]
    if not known:
        return None
    return known[0] if len(known) == 1 else digest_bytes("".join(known).encode())


def _file_digest(defined: object) -> str | None:
    try:
        file = inspect.getsourcefile(cast("type", defined))
        return None if file is None else digest_bytes(Path(file).read_bytes())
    except (TypeError, OSError):  # built in, or the file is gone
        return None
