"""Several processes that train one network: each alone for some steps, then all agree on the mean.

On a few shared cores one thread a process, pinned to a core, is faster than several threads that
wait for one another in every operation, above all when other work runs beside them. Between two
agreements each worker goes on alone with its own part of the data (local SGD, Stich, ICLR 2019).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """This process among the workers.

    Attributes:
        rank: from 0 to `size` - 1; only 0 evaluates and logs.
        size: workers; 1: nobody to agree with.
        every: steps between two agreements.
    """

    rank: int = 0
    size: int = 1
    every: int = 8

    def agrees_at(self, step: int) -> bool:
        """Whether all weights are the same after this step."""
        return self.size == 1 or step % self.every == 0

    def decides(self, wish: bool) -> bool:
        """The first worker's wish, to all of them; asked of all at the same step."""
        if self.size == 1:
            return wish
        said = torch.tensor([int(wish)])
        distributed.broadcast(said, 0)
        return bool(said.item())

    @torch.no_grad()
    def agree(self, modules: nn.Module) -> None:
        """Every worker's weights become the mean of all."""
        if self.size == 1:
            return
        tensors = [t for t in modules.state_dict().values() if t.is_floating_point()]
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, parts, strict=True):
            tensor.copy_(mean.view_as(tensor))


ALONE = Team()


def together(size: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(team, *arguments)` in `size` processes, one thread and one core each.

    Args:
        size: 1: in this process, with torch's threads as they are.
        work: a function of a module, with arguments that can be sent to another process.
        arguments: of `work`, after the team.
    """
    if size == 1:
        work(ALONE, *arguments)
        return
    with TemporaryDirectory() as folder:
        spawn(  # type: ignore[no-untyped-call]  # torch's annotation
            _worker, (size, str(Path(folder) / "meeting"), work, arguments), nprocs=size
        )


def _worker(
    rank: int, size: int, meeting: str, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=size
    )
    try:
        work(Team(rank=rank, size=size), *arguments)
    finally:
        distributed.destroy_process_group()
