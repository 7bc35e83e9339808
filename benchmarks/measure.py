"""CPU seconds, wall seconds and peak memory of a call, in a process of its own."""

import multiprocessing
import os
import re
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

SHORT_S = 1.5  # a call below is repeated
STATUS = Path("/proc/self/status")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


class Cost(NamedTuple):
    """CPU seconds (user and system, all threads), wall seconds, and peak memory above what the inputs hold [MB]."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def peak_mb() -> float:
    """Largest resident set so far of this process [MB]; on Linux without that of the program that started it."""
    if STATUS.exists():
        return float(re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def timed(call: Callable[[], Any], repeats: int) -> tuple[Cost, Any]:
    """Cost and result of a call in this process; a short one is repeated, and the least CPU time counts."""
    before, memory_mb, times = peak_mb(), 0.0, []
    while len(times) < repeats and (not times or times[-1][0] < SHORT_S):
        cpu, wall = time.process_time(), time.perf_counter()
        result = call()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
        memory_mb = memory_mb or peak_mb() - before  # of the first: later ones run beside its result
    return Cost(*min(times), memory_mb), result


def _load_and_time(load: Callable[[], tuple], call: Callable[..., Any], repeats: int) -> tuple[Cost, Any]:
    inputs = load()
    return timed(lambda: call(*inputs), repeats)


def measure(load: Callable[[], tuple], call: Callable[..., Any], repeats: int) -> tuple[Cost, Any]:
    """Cost and result of `call(*load())` in a fresh process; `load` counts for nothing.

    Both must be picklable. Numerical libraries get one thread; those that a call starts itself count.

    Raises
    ------
    What `call` raises, or BrokenProcessPool where the process dies.
    """
    os.environ.update(ONE_THREAD)
    context = multiprocessing.get_context("forkserver")  # has neither the caller's memory nor its threads
    context.set_forkserver_preload(["benchmarks.stages"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_load_and_time, load, call, repeats).result()
