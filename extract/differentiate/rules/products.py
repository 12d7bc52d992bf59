"""Products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step


@rule("Gemm", per_image=True)
def gemm(step: Step) -> Sequence[Gradient]:
    """Y = alpha A B + beta C: dA = alpha g B', dB = alpha A' g, dC = beta g, summed where C was repeated."""
    gradients = [_gemm_left(step), _gemm_right(step), _gemm_bias(step)]
    return gradients[: len(step.inputs)]


def _gemm_left(step: Step) -> Gradient:
    if not step.wants(0):
        return None
    if step.shared[0]:
        raise step.apart(f"{step.inputs[0]!r} stands where the images should")
    (g,), b = step.gradients, step.inputs[1]
    trans_a, trans_b = step.attribute("transA", 0), step.attribute("transB", 0)
    alpha = step.attribute("alpha", 1.0)
    assert g is not None
    if trans_a:
        return step.add("Gemm", b, g, transA=trans_b, transB=1, alpha=alpha)
    return step.add("Gemm", g, b, transB=1 - trans_b, alpha=alpha)


def _gemm_right(step: Step) -> Gradient:
    if not step.wants(1):
        return None
    (g,), a = step.gradients, step.inputs[0]
    trans_a, trans_b = step.attribute("transA", 0), step.attribute("transB", 0)
    alpha = step.attribute("alpha", 1.0)
    assert g is not None
    if not step.shared[1]:
        if trans_b:
            return step.add("Gemm", g, a, transA=1, transB=trans_a, alpha=alpha)
        return step.add("Gemm", a, g, transA=1 - trans_a, alpha=alpha)
    rows = step.add("Transpose", a, perm=[1, 0]) if trans_a else a
    scaled = g if alpha == 1 else step.add("Mul", g, step.constant(alpha, a))
    return _outer(step, scaled, rows) if trans_b else _outer(step, rows, scaled)


def _gemm_bias(step: Step) -> Gradient:
    if not step.wants(2):
        return None
    (g,), beta = step.gradients, step.attribute("beta", 1.0)
    assert g is not None
    scaled = g if beta == 1 else step.add("Mul", g, step.constant(beta, step.inputs[2]))
    return step.sum_to(scaled, step.inputs[2])


def _outer(step: Step, left: str, right: str) -> str:
    """Return the product of (N, i) and (N, j) that is (N, i, j)."""
    column = step.add("Unsqueeze", left, step.integers([2]))
    row = step.add("Unsqueeze", right, step.integers([1]))
    return step.add("Mul", column, row)


@rule("MatMul", per_image=True)
def matmul(step: Step) -> Sequence[Gradient]:
    """Y = A B: dA = g B', dB = A' g, summed where an operand was repeated.

    A vector counts as a matrix of one row or column.
    """
    rank_a, rank_b = (step.rank(tensor) for tensor in step.inputs)
    _check_images(step, rank_a, rank_b)
    return [
        _left(step, rank_a, rank_b) if step.wants(0) else None,
        _right(step, rank_a, rank_b) if step.wants(1) else None,
    ]


def _check_images(step: Step, rank_a: int, rank_b: int) -> None:
    """Refuse where the first axis of the output is not one of the operand that changes with the image."""
    apart_a = not step.shared[0] or rank_b >= max(3, rank_a)
    apart_b = not step.shared[1] or rank_a >= max(2, rank_b)
    if not (apart_a and apart_b):
        raise step.apart("its output has no axis of images in front")


def _left(step: Step, rank_a: int, rank_b: int) -> str:
    (g,), (a, b) = step.gradients, step.inputs
    assert g is not None
    if rank_b == 1:
        return step.add("Mul", g if rank_a == 1 else _column(step, g), b)
    if rank_a == 1:
        products = step.add("Squeeze", step.add("MatMul", b, _column(step, g)), step.integers([-1]))
        return step.sum_to(products, a) if rank_b > 2 else products
    if rank_a == rank_b == 2:
        return step.add("Gemm", g, b, transB=1)
    product = step.add("MatMul", g, _transposed(step, b, rank_b))
    return product if rank_b == 2 else step.sum_to(product, a)


def _right(step: Step, rank_a: int, rank_b: int) -> str:
    (g,), (a, b) = step.gradients, step.inputs
    assert g is not None
    if rank_a == 1:
        row = step.add("Unsqueeze", g, step.integers([-2])) if rank_b > 1 else g
        return step.add("Mul", _column(step, a) if rank_b > 1 else a, row)
    if rank_b > 2:
        return step.sum_to(step.add("MatMul", _transposed(step, a, rank_a), g), b)
    if step.shared[1]:
        return _vector_apart(step, rank_a) if rank_b == 1 else _matrix_apart(step, rank_a)
    rows = step.add("Flatten", a, axis=-1) if rank_a > 2 else a
    if rank_b == 1:
        return step.add("MatMul", step.add("Reshape", g, step.integers([-1])) if rank_a > 2 else g, rows)
    return step.add("Gemm", rows, step.add("Flatten", g, axis=-1) if rank_a > 2 else g, transA=1)


def _vector_apart(step: Step, rank_a: int) -> str:
    """Return the gradient with respect to a vector on the right, for each image."""
    (g,), (a, b) = step.gradients, step.inputs
    assert g is not None
    if rank_a == 2:
        return step.add("Mul", _column(step, g), a)
    weights = step.add("Reshape", g, step.integers([0, 1, -1]))
    products = step.add("MatMul", weights, _rows(step, a, rank_a, *step.sizes(b)))
    return step.add("Squeeze", products, step.integers([1]))


def _matrix_apart(step: Step, rank_a: int) -> str:
    """Return the gradient with respect to a matrix on the right, for each image."""
    (g,), (a, b) = step.gradients, step.inputs
    assert g is not None
    if rank_a == 2:
        return _outer(step, a, g)
    k, n = step.sizes(b)
    columns = step.add("Transpose", _rows(step, a, rank_a, k), perm=[0, 2, 1])
    return step.add("MatMul", columns, _rows(step, g, rank_a, n))


def _rows(step: Step, tensor: str, rank: int, width: int) -> str:
    """Return a tensor of (images, rows, width)."""
    return tensor if rank == 3 else step.add("Reshape", tensor, step.integers([0, -1, width]))


def _column(step: Step, tensor: str) -> str:
    return step.add("Unsqueeze", tensor, step.integers([-1]))


def _transposed(step: Step, tensor: str, rank: int) -> str:
    """Return a tensor with its last two axes exchanged."""
    return step.add("Transpose", tensor, perm=[*range(rank - 2), rank - 1, rank - 2])
