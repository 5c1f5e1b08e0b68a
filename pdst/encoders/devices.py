"""A device's name in; the torch device out, or an error that says why there is none."""

import torch

from pdst.errors import PdstError


def device_named(name: str, *, what: str, error: type[PdstError]) -> torch.device:
    """The torch device of that name, once memory could be had on it.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps".
        what: who asks, for the message: "the encoders".
        error: what to raise.

    Raises:
        PdstError: the given kind, if there is no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as found:
        reason = str(found).splitlines()[0]
        raise error(
            f"No device '{name}' for {what} here ({reason}). "
            "Use cpu, or see torch.cuda.is_available()."
        ) from found
    return device
