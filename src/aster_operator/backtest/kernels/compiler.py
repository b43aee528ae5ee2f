"""How every kernel is compiled: cached on disk, without the interpreter lock, IEEE arithmetic untouched."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = [
    "Booleans",
    "Bytes",
    "Floats",
    "Integers",
    "LongIntegers",
    "Octets",
    "Words",
    "compiled",
    "inlined",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]
LongIntegers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Octets = npt.NDArray[np.uint8]
Booleans = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
"""Sixty-four bars a word, the earliest in the lowest bit."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile `function` with numba.

    No fast-math: results are compared with other programs to the ninth digit. Division by zero gives inf or
    nan as in NumPy, so that no loop carries a check. The cache lies beside the source, or in the user's cache
    folder where that cannot be written; where neither can, every start compiles.
    """
    try:
        return cast(_Function, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return cast(_Function, njit(nogil=True, error_model="numpy")(function))


def inlined(function: _Function) -> _Function:
    """Compile `function` into whatever kernel calls it: for small functions in the innermost loops."""
    return cast(_Function, njit(nogil=True, error_model="numpy", inline="always")(function))
