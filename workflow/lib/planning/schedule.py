"""How long jobs take that wait for one another, on a number of cores."""

from collections import deque
from collections.abc import Collection, Sequence
from heapq import heappop, heappush


def makespan(seconds: Sequence[float], needs: Sequence[Collection[int]], slots: int, gap_s: float = 0.0) -> float:
    """Time of the last end [s] where every job starts as soon as a slot is free, in the order given (list scheduling).

    Parameters
    ----------
    seconds : of every job, which takes one slot
    needs : for every job, the numbers of the jobs that must have ended before
    slots : jobs that run at once
    gap_s : time that passes between two starts, as one process starts them all

    Raises
    ------
    ValueError
        Jobs wait for one another in a circle.
    """
    waiting, followers = [len(set(before)) for before in needs], [[] for _ in seconds]
    for job, before in enumerate(needs):
        for other in set(before):
            followers[other].append(job)
    ready, running = deque(job for job, count in enumerate(waiting) if not count), []
    now, last_start, ended = 0.0, -gap_s, 0
    while ready or running:
        while ready and len(running) < slots:
            job = ready.popleft()
            last_start = max(now, last_start + gap_s)
            heappush(running, (last_start + seconds[job], job))
        now, job = heappop(running)
        ended += 1
        for other in followers[job]:
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    if ended < len(seconds):
        raise ValueError(f"expected jobs that can all start, found {len(seconds) - ended} that wait for each other")
    return now


def contract(needs: Sequence[Collection[int]], part: Sequence[int]) -> list[set[int]]:
    """What the parts need where every job belongs to one: the other parts that hold something needed."""
    found = [set() for _ in range(max(part, default=-1) + 1)]
    for job, before in enumerate(needs):
        found[part[job]] |= {part[other] for other in before} - {part[job]}
    return found


def components(needs: Sequence[Collection[int]], label: Sequence[str | None]) -> list[int]:
    """Number the parts into which jobs fall where neighbours of one label belong together; None stands alone.

    Snakemake submits each such part as one job of a cluster.
    """
    parent = list(range(len(needs)))

    def root(job: int) -> int:
        while parent[job] != job:
            parent[job] = job = parent[parent[job]]
        return job

    for job, before in enumerate(needs):
        for other in before:
            if label[job] is not None and label[job] == label[other]:
                parent[root(job)] = root(other)
    number = {}
    return [number.setdefault(root(job), len(number)) for job in range(len(needs))]
