"""Activation maximization: an input that excites a neuron."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.errors import CnnVisWarning

from ..errors import ImageError, ModelError
from ..model import Model
from ..parts import Input
from ..targets import Wanted, targets_of
from .attribution import CPU, at_least
from .pinning import PinnedDifferentiator

# Of the blur's standard deviation: where its kernel ends.
_REACH = 4.0


@dataclass(frozen=True)
class Ascent:
    """Settings of gradient ascent.

    Parameters
    ----------
    steps : int
        How many steps.
    rate : float
        Root mean square of what a step adds, in deviations.
    decay : float
        Part of each value that a step takes away.
    blur : float
        Standard deviation in pixels of the Gaussian that blurs the image; 0 for none.
    blur_every : int
        After how many steps it does.
    jitter : int
        Largest shift in pixels along each axis, drawn anew for each step.
    deviation : float
        Standard deviation of the values that the network was trained with, in units of its input: 1 where
        they were normalized, about 60 where they are 0..255.
    noise : float
        Standard deviation of the noise that the ascent starts from, in deviations.
    seed : int
        Of noise and jitter.
    """

    steps: int = 200
    rate: float = 0.15
    decay: float = 0.01
    blur: float = 1.0
    blur_every: int = 4
    jitter: int = 4
    deviation: float = 1.0
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, blur_every=self.blur_every)
        at_least(0, rate=self.rate, decay=self.decay, blur=self.blur, jitter=self.jitter)
        at_least(0, deviation=self.deviation, noise=self.noise, seed=self.seed)


@dataclass(frozen=True, eq=False)
class Maximization:
    """An image that excites a neuron.

    Parameters
    ----------
    image : ndarray of float32
        In units of the network's input: shape (1, C, H, W), for 3-D networks (1, C, D, H, W).
    start_score, score : float
        The target for the image that the ascent started from, and for this one.
    facts : mapping
        The method, its papers and its settings, as JSON holds them.
    """

    image: NDArray[np.float32]
    start_score: float
    score: float
    facts: Mapping[str, Any]


def activation_maximization(
    model: Model,
    target: Wanted,
    *,
    settings: Ascent | None = None,
    size: Sequence[int] | None = None,
    start: ArrayLike | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    others: Mapping[str, NDArray[Any]] | None = None,
    progress: Callable[[], object] | None = None,
    providers: Sequence[str] = CPU,
) -> Maximization:
    """Find an image that excites a neuron, by gradient ascent.

    Each step shifts the image at random (and back afterwards), adds the gradient scaled to `rate`, takes
    away a part of each value, now and then blurs the image, and clips it to its bounds.

    Parameters
    ----------
    model : Model
        The network; one of its inputs becomes the image, the one that is not in `others`.
    target : str, tuple or sequence
        What grows, as `extract.gradients` takes it; ``top`` is the class predicted for the first image.
    settings : Ascent, optional
        Steps and regularizers.
    size : sequence of int, optional
        (H, W) or (D, H, W), where the network leaves them free.
    start : array, optional
        The first image, in units of the input, instead of noise; of a shape that broadcasts to it.
    bounds : pair of number or array, optional
        Smallest and largest values, in units of the input: those of black and white, so that the result is
        a picture. Arrays broadcast to the image, as (C, 1, 1) does.
    others : mapping of str to ndarray, optional
        Values of the network's other inputs.
    progress : callable, optional
        Called after each step.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.

    Raises
    ------
    CnnVisError
        As `extract.gradients` does, and if the size of the image is not known.

    Warns
    -----
    CnnVisWarning
        If the target does not change around the first image, so that there is nowhere to go.

    References
    ----------
    D. Erhan, Y. Bengio, A. Courville, P. Vincent, *Visualizing Higher-Layer Features of a Deep Network*,
    technical report 1341, Universite de Montreal, 2009. Decay and blur: J. Yosinski, J. Clune, A. Nguyen,
    T. Fuchs, H. Lipson, *Understanding Neural Networks Through Deep Visualization*, ICML workshop 2015,
    arXiv:1506.06579, section 3. Jitter: A. Mordvintsev, C. Olah, M. Tyka, *Inceptionism*, Google Research
    blog, 2015. One step length for all neurons: as in C. Olah, A. Mordvintsev, L. Schubert, *Feature
    Visualization*, Distill 2017, doi:10.23915/distill.00007.
    """
    settings, fixed = settings or Ascent(), others or {}
    image_input = _image_input(model, fixed)
    shape = _shape_of(model, image_input, size)
    differentiator = PinnedDifferentiator(
        model, targets_of(model, target), [f"tensor:{image_input.name}"], providers=providers
    )

    def feeds(image: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        value = np.moveaxis(image, 1, -1) if image_input.channels_last else image
        return differentiator.feeds({**fixed, image_input.name: value})

    def slope(image: NDArray[np.float64]) -> NDArray[np.float64]:
        (gradient,) = differentiator.run(feeds(image), pins).values()
        wide = gradient.astype(np.float64)
        return np.moveaxis(wide, -1, 1) if image_input.channels_last else wide

    random = np.random.default_rng(settings.seed)
    first = _first(model, settings, shape, start, random)
    pins = differentiator.pins(feeds(first))
    image = first
    for step in range(1, settings.steps + 1):
        image = _clipped(_climbed(image, slope, settings, random, step), bounds)
        if progress is not None:
            progress()
    before, after = (float(differentiator.scores(feeds(one), pins)[0]) for one in (first, image))
    if not slope(first).any():
        warnings.warn(
            f"{model.path}: the target does not change around the first image: try another seed or start",
            CnnVisWarning,
            stacklevel=2,
        )
    facts = {
        "method": "activation-maximization",
        "reference": "Erhan et al. 2009; Yosinski et al. 2015, arXiv:1506.06579",
        **asdict(settings),
    }
    return Maximization(image.astype(np.float32), before, after, facts)


def _climbed(
    image: NDArray[np.float64],
    slope: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    settings: Ascent,
    random: np.random.Generator,
    step: int,
) -> NDArray[np.float64]:
    """Return the image after one step."""
    axes = tuple(range(2, image.ndim))
    shift = random.integers(-settings.jitter, settings.jitter + 1, len(axes))
    uphill = np.roll(slope(np.roll(image, shift, axes)), -shift, axes)
    length = math.sqrt(np.mean(uphill**2))
    if length:
        image = image + settings.rate * settings.deviation / length * uphill
    image = image * (1 - settings.decay)
    return blurred(image, settings.blur) if settings.blur and step % settings.blur_every == 0 else image


def blurred(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Blur an image with a Gaussian; beyond its edges it goes on with their values.

    Parameters
    ----------
    image : ndarray
        Shape (N, C, ...).
    sigma : float
        Standard deviation in pixels, more than 0.
    """
    for axis in range(2, image.ndim):
        reach = min(math.ceil(_REACH * sigma), image.shape[axis])
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        kernel /= kernel.sum()
        width = [(reach, reach) if i == axis else (0, 0) for i in range(image.ndim)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, width, "edge"), len(kernel), axis)
        image = windows @ kernel
    return image


def _clipped(image: NDArray[np.float64], bounds: tuple[ArrayLike, ArrayLike] | None) -> NDArray[np.float64]:
    return image if bounds is None else np.clip(image, *map(np.asarray, bounds))


def _first(
    model: Model,
    settings: Ascent,
    shape: tuple[int, ...],
    start: ArrayLike | None,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    if start is None:
        return settings.deviation * settings.noise * random.standard_normal(shape)
    try:
        return np.broadcast_to(np.asarray(start, np.float64), shape)
    except ValueError as error:
        raise ImageError(f"{model.path}: the first image: {error}") from error


def _image_input(model: Model, others: Mapping[str, Any]) -> Input:
    free = [i for i in model.inputs if i.name not in others]
    if len(free) != 1:
        names = ", ".join(i.name for i in free) or "none"
        raise ImageError(
            f"{model.path}: one input becomes the image: give values of all others; open: {names}"
        )
    return free[0]


def _shape_of(model: Model, image: Input, size: Sequence[int] | None) -> tuple[int, ...]:
    """Return the image's shape with channels first, and one image."""
    _, *own = image.channels_first
    given = [None] * (len(own) - len(size)) + list(size) if size is not None else own
    whole = [wanted or have for have, wanted in zip(own, given, strict=False)]
    if not own or len(given) != len(own) or None in whole:
        shape = " x ".join("any" if n is None else str(n) for n in image.channels_first) or "unknown"
        raise ModelError(f"{model.path}: input {image.name!r} is {shape}: say the size of the image")
    return (1, *(n for n in whole if n is not None))
