"""Scores of classes in what networks put out: one number a class, or a map, whose mean counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError


def count_of_classes(shape: Sequence[int], where: str) -> int:
    """Return how many classes a tensor has scores of.

    Parameters
    ----------
    shape : sequence of int
        Its shape for an image.
    where : str
        What errors begin with: the file, and the tensor.

    Raises
    ------
    ModelError
        If it is one number an image.
    """
    if not shape:
        raise ModelError(f"{where} holds no scores of classes: say what the target is")
    return shape[0]


def by_class(values: NDArray[np.floating], where: str) -> NDArray[np.floating]:
    """Return one number for each class; of a map the mean, which is float64.

    Parameters
    ----------
    values : ndarray
        What a network puts out for n images and v choices, shape (n, v, classes, ...).
    where : str
        What errors begin with: the file, and the tensor.

    Returns
    -------
    ndarray
        Shape (n, v, classes).

    Raises
    ------
    ModelError
        If there is one number an image and choice.
    """
    count_of_classes(values.shape[2:], where)
    if values.ndim == 3:
        return values
    return np.asarray(values.mean(axis=tuple(range(3, values.ndim)), dtype=np.float64))


def check_classes(classes: NDArray[np.intp], count: int, where: str) -> None:
    """Raise a `ModelError` if one of the classes is none of the first `count` numbers.

    Parameters
    ----------
    classes : ndarray of int
        The class of each picture.
    count : int
        How many classes there are.
    where : str
        What the error begins with: the file, and the tensor.
    """
    for number in classes[(classes < 0) | (classes >= count)][:1]:
        raise ModelError(f"{where}: class {number} is none of its {count} classes")
