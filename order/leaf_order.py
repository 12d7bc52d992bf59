"""The leaf order of a binary tree that makes the path along its leaves shortest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Node:
    """A subtree; `best` holds the shortest path length from each leaf of `left` to each of `right`."""

    leaves: NDArray[np.intp]
    left: _Node | None = None
    right: _Node | None = None
    best: Matrix | None = None


def optimal_leaf_order(tree: Matrix, distances: Matrix) -> NDArray[np.intp]:
    """Return the order of the leaves with the shortest path among all that turn branches of a tree.

    Parameters
    ----------
    tree : ndarray
        As scipy's ``linkage`` returns it: shape (leaf - 1, 4).
    distances : ndarray
        Shape (leaf, leaf), symmetric.

    Returns
    -------
    ndarray of int
        Shape (leaf,). By the dynamic programme of Bar-Joseph, Gifford and Jaakkola, "Fast optimal leaf
        ordering for hierarchical clustering", Bioinformatics 17 (suppl. 1), 2001.
    """
    nodes = [_Node(np.array([leaf])) for leaf in range(len(tree) + 1)]
    for first, second in tree[:, :2].astype(int).tolist():
        nodes.append(_merged(nodes[first], nodes[second], distances))
    root = nodes[-1]
    if root.best is None:
        return root.leaves
    first, last = np.unravel_index(np.argmin(root.best), root.best.shape)
    return np.array(_path(root, int(first), len(root.best) + int(last), distances))


def _merged(left: _Node, right: _Node, distances: Matrix) -> _Node:
    to_right = _crossed(left, distances[np.ix_(left.leaves, right.leaves)])
    best = _crossed(right, to_right.T).T
    return _Node(np.concatenate([left.leaves, right.leaves]), left, right, best)


def _crossed(node: _Node, onward: Matrix) -> Matrix:
    """Return the least length from each leaf of a node through all of it and on.

    `onward` is the length from each leaf of the node, as the last one, to each further place.
    """
    if node.best is None:
        return onward
    split = len(node.best)
    # a path that starts on one side of the node ends on the other
    return np.concatenate([_min_plus(node.best, onward[split:]), _min_plus(node.best.T, onward[:split])])


def _min_plus(a: Matrix, b: Matrix) -> Matrix:
    """Return the least of a[i, k] + b[k, j] over k, in steps along the shortest of the three axes."""
    rows, inner, columns = *a.shape, b.shape[1]
    if inner <= min(rows, columns):
        total = np.full((rows, columns), np.inf)
        for k in range(inner):
            np.minimum(total, a[:, k, np.newaxis] + b[k], out=total)
        return total
    if rows <= columns:
        return np.array([(row[:, np.newaxis] + b).min(axis=0) for row in a])
    return np.array([(a + column).min(axis=1) for column in b.T]).T


def _path(root: _Node, first: int, last: int, distances: Matrix) -> list[int]:
    """Return the leaves along the best path between two, given by their places in the tree's leaves."""
    path: list[int] = []
    # trees may be deeper than Python's recursion
    waiting = [(root, first, last)]
    while waiting:
        node, first, last = waiting.pop()
        if node.left is None or node.right is None:
            path += node.leaves.tolist()
            continue
        split = len(node.left.leaves)
        near, far, last = node.left, node.right, last - split
        if first >= split:
            near, far, first, last = node.right, node.left, first - split, last + split
        between = distances[np.ix_(near.leaves, far.leaves)]
        total = _lengths_from(near, first)[:, np.newaxis] + between + _lengths_from(far, last)
        middle, onward = np.unravel_index(np.argmin(total), total.shape)
        waiting += [(far, int(onward), last), (near, first, int(middle))]
    return path


def _lengths_from(node: _Node, first: int) -> NDArray[np.float64]:
    """Return the least path length from one leaf of a node to each; infinite where there is no path."""
    if node.best is None:
        return np.zeros(1)
    split = len(node.best)
    lengths = np.full(len(node.leaves), np.inf)
    if first < split:
        lengths[split:] = node.best[first]
    else:
        lengths[:split] = node.best[:, first - split]
    return lengths
