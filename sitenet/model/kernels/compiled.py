"""Calls of compiled kernels: their C functions by data type, and pointers to tensors."""

import ctypes
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TYPES = {torch.float32: "float32", torch.float64: "float64"}
LOW = torch.bfloat16
"""What some kernels multiply instead of float32, if they were compiled for a processor that can."""


class Functions:
    """Forward and backward function of one kernel, for every type of `TYPES`."""

    def __init__(self, kernel: str, forward: Sequence[type], backward: Sequence[type]) -> None:
        self.kernel, self.arguments = kernel, {"forward": forward, "backward": backward}
        self._found: dict[tuple[str, torch.dtype], ctypes._CFuncPtr] = {}  # type: ignore[name-defined]

    def open(self, library: Path) -> None:
        """Load them from a library of `build.library`. Raises OSError if it lacks one."""
        loaded = ctypes.CDLL(str(library))
        for name, arguments in self.arguments.items():
            for dtype, suffix in [*TYPES.items(), (LOW, "bfloat16")]:
                function = getattr(loaded, f"{self.kernel}_{name}_{suffix}", None)
                if function is not None:
                    function.argtypes = [*arguments, ctypes.c_int]
                    self._found[name, dtype] = function
                elif dtype != LOW:
                    raise OSError(f"{library} lacks {self.kernel}_{name}_{suffix}")

    def multiply(self, dtype: torch.dtype) -> bool:
        """Whether there are functions with products of this type."""
        return ("forward", dtype) in self._found

    def products(self, dtype: torch.dtype) -> torch.dtype:
        """What they multiply for tensors of a type, now: under autocast to bfloat16 that, if they
        can, instead of float32."""
        low = dtype == torch.float32 and autocast_to_low() and self.multiply(LOW)
        return LOW if low else dtype

    def __call__(self, name: str, dtype: torch.dtype, *arguments: object) -> int:
        """Call `forward` or `backward` with as many threads as torch uses; 0 means success.

        dtype: of the products. With bfloat16 the tensors are float32, and so are all sums.
        """
        return int(self._found[name, dtype](*arguments, torch.get_num_threads()))


def autocast_to_low() -> bool:
    """Whether tensors on the CPU are under autocast to bfloat16."""
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == LOW


def pointers(structure: type[ctypes.Structure], tensors: Iterable[Tensor | None]) -> object:
    """The C structure of pointers to contiguous tensors, null for None."""
    return structure(*(None if tensor is None else tensor.data_ptr() for tensor in tensors))


def structure_of_pointers(*names: str) -> type[ctypes.Structure]:
    """The type of a C structure whose members are pointers, in this order."""
    fields = [(name, ctypes.c_void_p) for name in names]
    return type("Pointers", (ctypes.Structure,), {"_fields_": fields})


def contiguous(tensors: Iterable[Any]) -> list[Any]:
    """The tensors, copied where they are not contiguous; None stays None."""
    return [None if tensor is None else tensor.contiguous() for tensor in tensors]
