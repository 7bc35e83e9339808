"""The number format that stage 1 computes in: float32, or bfloat16 where the processor has instructions for it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch

PRECISIONS = ("auto", "float32", "bfloat16")
BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")  # of CPUs on which bfloat16 was measured to be faster


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether layers compute in bfloat16: as asked for, or with `auto` where the processor supports it.

    Decided by what the processor can do, never by a timing: the same machine gives the same weights.

    Raises
    ------
    ValueError
        `precision` is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision: expected one of {PRECISIONS}, found {precision!r}")
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(flag, False) for flag in BFLOAT16_FLAGS)


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager]:
    """Context of the forward pass. Weights, gradients of weights, normalisation statistics and loss stay float32."""
    if not uses_bfloat16(precision, device):
        return nullcontext
    return partial(torch.autocast, device.type, torch.bfloat16)
