"""Claims about the record of where a run ran: what it names, and what not."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version

from pdst.digest import not_plain
from pdst.environment import PACKAGES, hardware, versions


def test_versions_are_those_of_the_installed_packages() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    for package in ("numpy", "pillow", "torch"):
        assert found[package] == version(package)
    assert set(found) <= {"python", *PACKAGES}


def test_the_record_is_plain_json_and_does_not_name_the_host() -> None:
    record = {"versions": versions(), "hardware": hardware()}
    assert not_plain(record, "record") is None
    words = json.dumps(record).replace('"', " ").split()
    assert platform.node() not in words


def test_cores_and_processor_are_told() -> None:
    found = hardware()
    assert isinstance(found["cores"], int)
    assert found["cores"] >= 1
    assert found["processor"]


def test_asking_for_accelerators_does_not_import_torch() -> None:
    program = (
        "import sys; from pdst.environment import hardware\n"
        "assert hardware()['accelerators'] == []\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_accelerators_are_those_that_torch_sees() -> None:
    import torch

    found = hardware()["accelerators"]
    assert isinstance(found, list)
    if torch.cuda.is_available():
        assert found[0] == torch.cuda.get_device_name(0)
    elif not torch.backends.mps.is_available():
        assert found == []
