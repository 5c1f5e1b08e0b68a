"""A third-party package, built and installed from `tests/plugin`, plugs in by its entry point."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdst.digest import digest_bytes
from pdst.testing import GENERATOR_CHECKS

PLUGIN = Path(__file__).parent / "plugin"
PDST = Path(__file__).parents[1]


LOAD = """
import json, sys
from pdst.errors import GeneratorError
from pdst.loading import load_generator
try:
    loaded = load_generator("tinted", {"strength": 0.5})
except GeneratorError as error:
    print(json.dumps({"error": str(error)}))
else:
    info = loaded.generator.info
    print(json.dumps({
        "name": info.name,
        "settings": info.settings,
        "file": sys.modules[type(loaded.generator).__module__].__file__,
        "source_digest": loaded.source_digest,
        "sees_test_split": loaded.sees_test_split,
    }))
"""


def load_tinted(site: Path, cwd: Path) -> dict[str, Any]:
    """What `load_generator("tinted")` finds in a new process."""
    done = run(site, "-c", LOAD, cwd=cwd)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Python in a new process that sees `site` and this checkout, run far from both."""
    path = os.pathsep.join([str(site), str(PDST)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the plug-in, and nothing else."""
    pytest.importorskip("pip", reason="installs a package: needs pip")
    pytest.importorskip("hatchling", reason="builds a package: needs hatchling")
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PLUGIN, folder / "source")
    target = folder / "site"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-index", "--no-deps", "--no-build-isolation", "--no-compile"),
            *("--target", str(target), str(source)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_an_installed_plug_in_is_found_by_its_name(site: Path, tmp_path: Path) -> None:
    found = load_tinted(site, tmp_path)
    assert found["name"] == "Tinted"
    assert found["settings"] == {"strength": 0.5}
    assert Path(found["file"]) == site / "pdst_plugin_example" / "__init__.py"
    assert found["source_digest"] == digest_bytes(Path(found["file"]).read_bytes())
    assert found["sees_test_split"] is False


def test_without_the_package_the_name_is_unknown(tmp_path: Path) -> None:
    error = load_tinted(tmp_path, tmp_path)["error"]
    assert "No generator named 'tinted'" in error
    assert "module:attr" in error


def test_two_plug_ins_of_one_name_give_an_error_that_names_both(site: Path, tmp_path: Path) -> None:
    both = shutil.copytree(site, tmp_path / "site")
    rival = both / "pdst_rival-2.0.dist-info"
    rival.mkdir()
    (rival / "METADATA").write_text("Metadata-Version: 2.1\nName: pdst-rival\nVersion: 2.0\n")
    (rival / "entry_points.txt").write_text("[pdst.generators]\ntinted = pdst_rival:Tinted\n")
    error = load_tinted(both, tmp_path)["error"]
    assert "pdst_plugin_example:Tinted of pdst-plugin-example" in error
    assert "pdst_rival:Tinted of pdst-rival" in error
    assert "--model module:attr" in error


def test_a_plug_in_whose_dependency_is_missing_says_which(site: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(site, tmp_path / "site")
    (broken / "pdst_plugin_example" / "__init__.py").write_text("import no_such_library.part\n")
    error = load_tinted(broken, tmp_path)["error"]
    assert "tinted" in error
    assert "'no_such_library', which is not installed" in error


def test_the_plug_ins_own_tests_pass(site: Path, tmp_path: Path) -> None:
    suite = shutil.copytree(PLUGIN / "tests", tmp_path / "tests")
    shutil.copy(PLUGIN / "pyproject.toml", tmp_path)
    done = run(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_the_contract_suite_works_without_pytest_and_torch(site: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from pdst.testing import check_generator; from pdst_plugin_example import Tinted\n"
        "print(len(check_generator(Tinted())), 'torch' in sys.modules)"
    )
    done = run(site, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(GENERATOR_CHECKS)), "False"]
