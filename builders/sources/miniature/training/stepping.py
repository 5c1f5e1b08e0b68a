"""A batch in; moved weights out: one step of AdamW, played operation by operation or recorded.

Networks as small as these keep a GPU waiting: it computes an operation faster than Python asks for
it. So on a GPU a whole step (forwards, backwards, clipping, AdamW) is recorded once and replayed.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from builders.sources.miniature.training.stage import Batch, Stage, device_of

WARM_UP = 3
"""Steps before a recording, in which libraries choose their kernels."""


class Stepper(Protocol):
    """What moves the weights of a stage."""

    def step(self, batch: Batch, rate: float) -> dict[str, Tensor]:
        """Move them once; what to log of the batch, `loss` first."""
        ...

    def memory(self) -> dict[str, Tensor]:
        """What the optimizer knows beside the weights, by name."""
        ...

    def remember(self, memory: dict[str, Tensor]) -> None:
        """Put it back."""
        ...


def stepper_for(stage: Stage, rate: float, decay: float, clip: float) -> Stepper:
    """The stepper that suits the device of a stage's modules.

    Args:
        stage: its modules are where they will learn.
        rate: of AdamW, until a step says another.
        decay: of weights.
        clip: largest norm of the gradient.
    """
    on_gpu = device_of(stage.modules).type == "cuda"
    return (Recorded if on_gpu else Played)(stage, rate, decay, clip)


class Played:
    """Every operation is asked for anew. A step whose gradient is not finite moves nothing."""

    def __init__(self, stage: Stage, rate: float, decay: float, clip: float) -> None:
        """Of a stage."""
        self.stage, self.clip = stage, clip
        self.optimizer = torch.optim.AdamW(
            stage.modules.parameters(), lr=rate, weight_decay=decay, betas=(0.9, 0.99), fused=True
        )

    def step(self, batch: Batch, rate: float) -> dict[str, Tensor]:
        """See `Stepper`."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, told = self.stage.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's annotation
        norm = nn.utils.clip_grad_norm_(self.stage.modules.parameters(), self.clip)
        if torch.isfinite(norm):
            self.optimizer.step()
        return {"loss": loss.detach(), **told}

    def memory(self) -> dict[str, Tensor]:
        """See `Stepper`."""
        return _memory(self.stage, self.optimizer)

    def remember(self, memory: dict[str, Tensor]) -> None:
        """See `Stepper`."""
        for number, parameter in enumerate(self.stage.modules.parameters()):
            prefix = f"{number}/"
            found = {n.removeprefix(prefix): t for n, t in memory.items() if n.startswith(prefix)}
            if found:
                self.optimizer.state[parameter] = found


class Recorded:
    """One CUDA graph, replayed. What is not finite in a gradient is taken for zero."""

    def __init__(self, stage: Stage, rate: float, decay: float, clip: float) -> None:
        """Of a stage; recorded with its first batch."""
        self.stage, self.clip = stage, clip
        device = device_of(stage.modules)
        self.optimizer = torch.optim.AdamW(
            stage.modules.parameters(),
            lr=torch.tensor(rate, device=device),
            weight_decay=decay,
            betas=(0.9, 0.99),
            fused=True,
            capturable=True,
        )
        first = stage.batch(0, torch.Generator().manual_seed(0))
        self.batch = {name: tensor.to(device) for name, tensor in first.items()}
        kept = {name: tensor.clone() for name, tensor in stage.modules.state_dict().items()}
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's annotation
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                self._once()
        torch.cuda.current_stream().wait_stream(beside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.told = self._once()
        # Nothing has been learned yet.
        stage.modules.load_state_dict(kept)
        for state in self.optimizer.state.values():
            for tensor in state.values():
                tensor.zero_()

    def _once(self) -> dict[str, Tensor]:
        loss, told = self.stage.loss(self.batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's annotation
        parameters = [p for p in self.stage.modules.parameters() if p.grad is not None]
        nn.utils.clip_grad_norm_(parameters, self.clip)
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self.optimizer.step()
        return {"loss": loss.detach(), **told}

    def step(self, batch: Batch, rate: float) -> dict[str, Tensor]:
        """See `Stepper`. What it returns holds until the next step."""
        for group in self.optimizer.param_groups:
            group["lr"].fill_(rate)
        for name, tensor in batch.items():
            self.batch[name].copy_(tensor, non_blocking=True)
        self.graph.replay()
        return self.told

    def memory(self) -> dict[str, Tensor]:
        """See `Stepper`."""
        return _memory(self.stage, self.optimizer)

    def remember(self, memory: dict[str, Tensor]) -> None:
        """See `Stepper`. In place: the recording knows addresses, not names."""
        for name, tensor in _memory(self.stage, self.optimizer).items():
            if name in memory:
                tensor.copy_(memory[name])


def _memory(stage: Stage, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{number}/{name}": torch.as_tensor(value)
        for number, parameter in enumerate(stage.modules.parameters())
        for name, value in optimizer.state.get(parameter, {}).items()
    }
