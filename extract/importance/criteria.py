"""What makes a filter important: each criterion a small function in a table.

n is the neuron: that of the picture's class before softmax, or the target. a is the map of a filter for a
picture, behind normalization and activation function where those follow the layer directly. That is as far as
all that is made of the map goes through operators that work on each of its values by itself, with constants
of one number or of one a channel, whatever these operators are and however many; and not beyond n. y is what
the filter's weights w and bias b make before that. Sums run over the map's places p, or over the weights j.
All but those of weights alone are means over pictures.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..filters import Filters
from ..model import Model
from .moments import philox
from .sketch import Part, Sketch


@dataclass(frozen=True)
class OfPictures:
    """A criterion that looks at each picture.

    Parameters
    ----------
    build : callable
        Adds the nodes that compute it for a layer, and returns the tensor: shape (N, filters).
    says : str
        What it is, in a few words.
    of_maps : bool
        Whether it looks at the maps behind normalization and activation function.
    """

    build: Callable[[Sketch, Part], str]
    says: str
    of_maps: bool = False


@dataclass(frozen=True)
class OfWeights:
    """A criterion that looks at no picture.

    Parameters
    ----------
    compute : callable
        Returns a score a filter, given the filters, their weight and a seed.
    says : str
        What it is, in a few words.
    """

    compute: Callable[[Filters, NDArray[Any], int], NDArray[np.float64]]
    says: str


@dataclass(frozen=True)
class ByRemoval:
    """A criterion that removes each filter by itself, as `extract.ablation` does.

    Parameters
    ----------
    says : str
        What it is, in a few words.
    """

    says: str


def grad_l2(sketch: Sketch, part: Part) -> str:
    """sqrt(sum_j (dn / dw_j)^2): how fast the neuron changes with the filter's weights.

    The importance of the first CNN-VIS, by the definition that it meant: the norm for each picture, then the
    mean over pictures. Where each picture is a row of a matrix product, dn / dw is an outer product, and its
    norm |dn / dy| * ||x||: I. Goodfellow, *Efficient Per-Example Gradient Computations*, 2015,
    arXiv:1510.01799. Gradients with respect to the weights of convolutions are made for each picture, and
    reduced in the graph.
    """
    if not part.product:
        return sketch.add(
            "Sqrt", sketch.over_weights("ReduceSumSquare", sketch.gradient(part.filters.weight), part)
        )
    slope = sketch.add("Abs", sketch.gradient(part.y))
    length = sketch.add("ReduceL2", part.x, sketch.integers([1]), keepdims=1)
    if abs(part.alpha) != 1:
        length = sketch.add("Mul", length, sketch.number(abs(part.alpha)))
    return sketch.add("Mul", slope, length)


def taylor_act(sketch: Sketch, part: Part) -> str:
    """|sum_p a_p * dn / da_p|: to first order, how the neuron changes as the filter's map becomes 0.

    P. Molchanov et al., *Pruning Convolutional Neural Networks for Resource Efficient Inference*, ICLR 2017,
    arXiv:1611.06440, eq. 7, without its division by the size of the map: so layers compare by what the neuron
    loses. Normalizing by layers removes the difference.
    """
    product = sketch.add("Mul", part.maps, sketch.gradient(part.maps))
    return sketch.add("Abs", sketch.over_maps("ReduceSum", product, part))


def taylor_weight(sketch: Sketch, part: Part) -> str:
    """|sum_j w_j * dn / dw_j|: to first order, how the neuron changes as the filter's weights become 0.

    P. Molchanov et al., *Importance Estimation for Neural Network Pruning*, CVPR 2019, arXiv:1906.10771,
    eq. 8, is the square of this sum; its root has the neuron's unit, and the same order for one picture. The
    bias is left alone. As the layer is linear, the sum is that of (y - b) * dn / dy over the map, so that no
    gradient of a weight is needed. With the bias, and a ReLU behind, it would be `taylor_act`.
    """
    own = part.y
    if part.bias is not None:
        around = [1] * (-1 - part.filters.channel_axis)
        bias = sketch.add("Reshape", part.bias, sketch.integers([part.filters.count, *around]))
        if part.beta != 1:
            bias = sketch.add("Mul", bias, sketch.number(part.beta))
        own = sketch.add("Sub", own, bias)
    product = sketch.add("Mul", own, sketch.gradient(part.y))
    return sketch.add("Abs", sketch.over_maps("ReduceSum", product, part))


def act_mean(sketch: Sketch, part: Part) -> str:
    """The mean of a over the map."""
    return sketch.over_maps("ReduceMean", part.maps, part)


def act_max(sketch: Sketch, part: Part) -> str:
    """The maximum of a over the map."""
    return sketch.over_maps("ReduceMax", part.maps, part)


def weight_l2(filters: Filters, weight: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """sqrt(sum_j w_j^2), without the bias."""
    squares: NDArray[np.float64] = np.sum(np.square(filters.rows(weight), dtype=np.float64), axis=1)
    return np.sqrt(squares)


def random(filters: Filters, weight: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Numbers of 0..1 that mean nothing: what others must beat."""
    return random_scores(filters, seed)


def random_scores(filters: Filters, seed: int, order: int = 0) -> NDArray[np.float64]:
    """Return numbers of 0..1 for the filters of a layer, others for each seed, layer, and number of an order.

    The numbers of order 0 are the criterion ``random``.
    """
    return philox(filters.count, seed, (order << 32) + zlib.crc32(filters.layer.encode()))


CRITERIA: Mapping[str, OfPictures | OfWeights | ByRemoval] = {
    "grad_l2": OfPictures(grad_l2, "norm of d neuron / d weights"),
    "taylor_act": OfPictures(taylor_act, "|sum of activation * gradient|", of_maps=True),
    "taylor_weight": OfPictures(taylor_weight, "|sum of weight * gradient|"),
    "act_mean": OfPictures(act_mean, "mean activation", of_maps=True),
    "act_max": OfPictures(act_max, "largest activation", of_maps=True),
    "weight_l2": OfWeights(weight_l2, "norm of the weights"),
    "random": OfWeights(random, "random numbers"),
    # n with all filters minus n without this one: weights and bias 0. What all others try to foretell.
    "ablation": ByRemoval("drop of the neuron without the filter"),
}


def score_weights(model: Model, filters: Filters, name: str, seed: int) -> NDArray[np.float64]:
    """Return a layer's scores by a criterion that looks at no picture, shape (filters,).

    Raises
    ------
    ModelError
        If there is no such criterion, or the weights are not finite.
    """
    criterion = CRITERIA.get(name)
    if not isinstance(criterion, OfWeights):
        known = ", ".join(key for key, one in CRITERIA.items() if isinstance(one, OfWeights))
        raise ModelError(f"without scores, a criterion is one of {known}, not {name!r}")
    weight = model.values([filters.weight])[filters.weight]
    if not np.isfinite(weight).all():
        raise ModelError(f"{model.path}: weights of layer {filters.layer!r} are NaN or infinite")
    return criterion.compute(filters, weight, seed)
