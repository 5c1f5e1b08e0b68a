"""In: nothing. Out: `datasets` knows the name "pdst", without being imported for that.

Importing `datasets` takes about a second, and most uses of PDST do not need it. So if it is not
there yet, a finder waits for its import, lets it run as ever, and then does the same registration.
"""

import logging
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME = "pdst"
_BUILDER = "pdst.dataset_builder"

_log = logging.getLogger(__name__)


def register() -> None:
    """Let `load_dataset("pdst")` find our builder: now, or as soon as `datasets` is imported."""
    if "datasets" in sys.modules:
        _teach()
    elif not any(isinstance(finder, _AfterDatasets) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterDatasets())


def _teach() -> None:
    try:
        from datasets import load, packaged_modules

        known = packaged_modules._PACKAGED_DATASETS_MODULES
        if NAME in known:
            return
        factory, described = load.PackagedDatasetModuleFactory, load.DatasetModule
        find_files = factory.get_module
    except (ImportError, AttributeError) as missing:
        _log.warning(
            "This version of `datasets` cannot be taught the name 'pdst' (%s). "
            "load_dataset(FOLDER) and pdst.load(FOLDER) work all the same.",
            missing,
        )
        return

    def get_module(self: Any) -> Any:
        # Without this, `datasets` looks for data in the current directory if no data_dir is given,
        # before the builder is asked. Ours finds its files itself.
        if self.name != NAME:
            return find_files(self)
        return described(_BUILDER, "", {"data_files": self.data_files or {}, "dataset_name": NAME})

    factory.get_module = get_module
    known[NAME] = (_BUILDER, "")


class _AfterDatasets:
    """Lets another finder find `datasets`, and registers after its module has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that would have been found without us, its loader's last step extended."""
        if fullname != "datasets":
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                self._extend(spec.loader)
                return spec
        return None

    def _extend(self, loader: Any) -> None:
        run = getattr(loader, "exec_module", None)
        if run is None:  # a folder named "datasets" without code: nothing to register with
            return

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            run(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _teach()

        try:
            loader.exec_module = exec_module
        except AttributeError:  # a frozen application's loader; never break the import itself
            _log.warning("import pdst after `datasets` to use load_dataset('pdst') here")
