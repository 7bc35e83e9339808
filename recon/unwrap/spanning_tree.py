"""Phase unwrapping along the spanning tree of the most reliable edges between neighbouring voxels.

Phase is kept in fixed point, see :mod:`recon.maths.wrap`.
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from recon.maths.boxes import edge_ends
from recon.maths.wrap import TURN

Edges = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # node a, node b, cost, turns that b needs more than a


def whole_turns(difference: np.ndarray) -> np.ndarray:
    """Turns to add to voxel b for a difference b - a [fixed point] within half a turn."""
    return (difference.astype(np.int16) - difference) >> 16


def best_edges(run: np.ndarray, rows: np.ndarray, cost: np.ndarray, mask: np.ndarray, axis: int) -> Edges:
    """The cheapest edge along `axis` between every two runs that touch.

    Two runs touch along one stretch of voxels, so that equal pairs stand side by side in memory.
    """
    lower, upper = edge_ends(axis)
    both = mask[lower] & mask[upper]
    a, b, cost = run[lower][both], run[upper][both], cost[both]
    difference = rows[upper][both] - rows[lower][both]
    changes = np.flatnonzero((a[1:] != a[:-1]) | (b[1:] != b[:-1])) + 1
    first = np.concatenate([np.zeros(min(len(a), 1), np.intp), changes])
    # cost >= 0, whose bits sort like the number: the least (cost, position) of every stretch
    key = cost.view(np.uint32).astype(np.uint64) << np.uint64(32)
    key |= np.arange(len(a), dtype=np.uint64)
    best = np.minimum.reduceat(key, first).astype(np.uint32) if len(a) else first
    return a[best], b[best], cost[best], whole_turns(difference[best])


def cut_edges(run: np.ndarray, rows: np.ndarray, cost: np.ndarray, cut: np.ndarray) -> Edges:
    """The edges along the last axis between two runs of the same row, which `cut` parted."""
    a, b = run[..., :-1][cut], run[..., 1:][cut]
    return a, b, cost[cut], whole_turns(rows[..., 1:][cut] - rows[..., :-1][cut])


def tree_turns(edges: Edges, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Turns of every node along the minimum spanning tree; each component begins with 0 at one node.

    Returns
    -------
    turns : (node,) int32
    component : (node,) int32 label
    """
    a, b, cost, k = edges
    order = np.argsort(cost, kind="stable")
    rank = np.empty(len(order), np.float64)
    rank[order] = np.arange(1, len(order) + 1)  # distinct and above 0: names the edge in the tree
    tree = minimum_spanning_tree(csr_array((rank, (a, b)), shape=(n_nodes, n_nodes)))
    chosen = order[tree.data.astype(np.intp) - 1]
    a, b, k = a[chosen], b[chosen], k[chosen]
    n_components, component = connected_components(tree, directed=False)
    first = np.empty(n_components, np.int32)
    first[component] = np.arange(n_nodes, dtype=np.int32)  # any one node of each
    # an extra node joins the components, so that one walk reaches them all
    ends = np.r_[a, np.full(n_components, n_nodes, np.int32)], np.r_[b, first]
    graph = csr_array((np.ones(len(ends[0]), np.int8), ends), shape=(n_nodes + 1, n_nodes + 1))
    parent = breadth_first_order(graph, n_nodes, directed=False)[1]
    parent[n_nodes] = n_nodes
    turns = np.zeros(n_nodes + 1, np.int32)
    down = parent[b] == a
    turns[b[down]], turns[a[~down]] = k[down], -k[~down]
    # turns to the parent → to the root: each pass doubles the reach
    while (parent != n_nodes).any():
        turns += turns[parent]
        parent = parent[parent]
    return turns[:n_nodes], component


def level_components(phase: np.ndarray, component: np.ndarray) -> np.ndarray:
    """Turns that bring the mean of every component nearest to that of the largest, and that one nearest to 0.

    Parameters
    ----------
    phase : (voxel,) int32, fixed point
    component : (voxel,) int32 label

    Returns
    -------
    turns : (label,) int32
    """
    size = np.bincount(component)
    mean = np.bincount(component, phase) / np.maximum(size, 1) / TURN
    main = np.argmax(size)
    zero = np.rint(mean[main])
    return -(zero + np.rint(mean - mean[main])).astype(np.int32)


def unwrap_along_tree(
    phase: np.ndarray, mask: np.ndarray, cost: Callable[[int], np.ndarray], certain: float
) -> np.ndarray:
    r"""Unwrap a volume along the minimum spanning tree of its 6-neighbour graph.

    Edges cheaper than `certain` along the last axis are taken at once: they join voxels to runs, and only one edge,
    the cheapest, is kept between two runs that touch. Where edges below `certain` close no loop round a residue,
    the tree of the runs gives the phase that the tree of the voxels gives, at a fraction of the work.

    Parameters
    ----------
    phase : (X, Y, Z) int16, fixed point
    mask : (X, Y, Z) bool array, at least one voxel
    cost : maps an axis to the float32 array of the costs (>= 0) of all edges along it, one shorter on that axis
    certain : cost below which an edge along the last axis is not weighed against others

    Returns
    -------
    unwrapped : (X, Y, Z) int32, fixed point; `phase` plus whole turns inside the mask, undefined outside
    """
    rows = np.cumsum(np.diff(phase, axis=-1, prepend=np.int16(0)), axis=-1, dtype=np.int32)
    row_cost = cost(2)
    cut = mask[..., 1:] & mask[..., :-1]
    joined = cut & (row_cost < certain)
    cut &= ~joined
    start = mask.copy()
    start[..., 1:] &= ~joined
    run = (np.cumsum(start, dtype=np.int32) - np.int32(1)).reshape(mask.shape)
    edges = [cut_edges(run, rows, row_cost, cut)] + [best_edges(run, rows, cost(ax), mask, ax) for ax in (0, 1)]
    a, b, costs, between = (np.concatenate(part) for part in zip(*edges, strict=True))
    turns, component = tree_turns((a, b, costs, between), int(run.flat[-1]) + 1)
    rows += turns[run] << 16
    inside = run[mask]
    turns = level_components(rows[mask], component[inside])[component]
    rows += turns[run] << 16
    return rows
