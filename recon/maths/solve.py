"""Linear systems too large to factorise."""

from collections.abc import Callable

import numpy as np


def conjugate_gradients(
    A: Callable[[np.ndarray], np.ndarray],
    b: np.ndarray,
    x: np.ndarray,
    tolerance: float = 0.0,
    iterations: int = 10_000,
) -> np.ndarray:
    """Solve A x = b for a symmetric positive A, started from x.

    Parameters
    ----------
    A : applies the matrix
    b, x : float32 arrays of one shape
    tolerance : of the residual's norm over that of b, at which to stop
    iterations : at most so many

    Returns
    -------
    x : float32 array
    """
    r = b - A(x)
    p, x = r.copy(), x.copy()
    rr, stop = float(np.vdot(r, r)), tolerance**2 * float(np.vdot(b, b))
    for _ in range(iterations):
        if rr <= stop:
            break
        Ap = A(p)
        step = np.float32(rr / float(np.vdot(p, Ap)))
        x += step * p
        r -= step * Ap
        rr, before = float(np.vdot(r, r)), rr
        p *= np.float32(rr / before)
        p += r
    return x
