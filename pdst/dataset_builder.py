"""In: a release's name or folder. Out: `load_dataset("pdst", NAME, data_dir=FOLDER)`.

`load_dataset("pdst")` alone opens the miniature, which travels with the package.

`pdst.registration` tells `datasets` of it. Plain `load_dataset(FOLDER)` works without any of this.
"""

from pathlib import Path
from typing import Any

import datasets
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.packaged_modules.parquet.parquet import Parquet

from pdst.dataset import find_named, open_card, read_checked
from pdst.errors import DatasetError
from pdst.release import SCHEMAS, SPLITS, files_digest, shard_paths


class Pdst(Parquet):  # type: ignore[misc]  # `datasets` ships no types
    """A release as a DatasetDict: train and test, images decoded; `captions` is None in train."""

    def __init__(
        self,
        *,
        config_name: str | None = None,
        data_dir: str | None = None,
        data_files: object = None,
        **others: Any,  # what else `datasets` hands to every builder: cache_dir, token, …
    ) -> None:
        """Find the release and its files; `load_dataset` calls this.

        Args:
            config_name: the release's name; None: whatever `data_dir` holds, or the miniature.
            data_dir: the release's folder; None: one that travels with the package.
            data_files: nothing, as half a release cannot be checked.
            others: see `datasets.DatasetBuilder`.

        Raises:
            DatasetError: if there is no such release there.
        """
        if data_files:
            raise DatasetError(
                "load_dataset('pdst') got data_files, wanted a whole release with its card. "
                "Give data_dir=FOLDER."
            )
        self._folder = (
            Path(data_dir).expanduser() if data_dir else find_named(config_name)
        ).resolve()
        card = open_card(self._folder, name=config_name)
        # `datasets` keeps what it has once read. The key of that cache is what the files hold, so
        # that no change of them is ever missed, not even one that keeps their names and times.
        digest = files_digest(self._folder)
        others.update(hash=digest[:16], version=card.version)
        paths = {split: [str(p) for p in shard_paths(self._folder, split)] for split in SPLITS}
        super().__init__(
            config_name=card.name,
            data_dir=str(self._folder),
            data_files=DataFilesDict(
                {split: DataFilesList(own, [(digest,)] * len(own)) for split, own in paths.items()}
            ),
            **others,
        )

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=datasets.Features.from_arrow_schema(SCHEMAS["test"]))

    def _split_generators(self, dl_manager: Any) -> Any:
        read_checked(self._folder)
        return super()._split_generators(dl_manager)
