"""SmoothGrad: the gradient averaged over noisy copies of the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..model import Model
from ..parts import Input
from ..targets import Wanted, targets_of
from .attribution import CPU, Attribution, at_least, listed
from .pinning import Feeds, PinnedDifferentiator

if TYPE_CHECKING:
    from ..activations import Feed


def smooth_grad(
    model: Model,
    x: Feed,
    target: Wanted,
    wrt: Sequence[str],
    *,
    samples: int = 50,
    sigma: float = 0.15,
    seed: int = 0,
    reduce: str | None = None,
) -> Attribution:
    """Compute the mean of the gradients at copies of the input with normal noise.

    Parameters
    ----------
    model, x, target, wrt, reduce
        As `extract.gradients` takes them. ``top`` stays the class predicted without noise.
    samples : int
        How many copies; they run one after the other, in the memory of one.
    sigma : float
        Standard deviation of the noise, in parts of each image's own range, maximum minus minimum; the paper
        recommends 0.1 to 0.2.
    seed : int
        Of the noise. All images get the same noise (times their range), so that the result for an image does
        not depend on its batch.

    Raises
    ------
    CnnVisError
        As `extract.gradients` does, and for settings out of their range.

    References
    ----------
    D. Smilkov, N. Thorat, B. Kim, F. Viegas, M. Wattenberg, *SmoothGrad: removing noise by adding noise*,
    2017, arXiv:1706.03825.
    """
    return SmoothGrad(model, target, wrt, samples=samples, sigma=sigma, seed=seed, reduce=reduce).run(x)


class SmoothGrad:
    """SmoothGrad, prepared for one batch after the other; see `smooth_grad`."""

    def __init__(
        self,
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        samples: int = 50,
        sigma: float = 0.15,
        seed: int = 0,
        reduce: str | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:
        at_least(1, samples=samples)
        at_least(0, sigma=sigma, seed=seed)
        self.facts = {
            "method": "smooth-grad",
            "reference": "Smilkov et al. 2017, arXiv:1706.03825",
            "samples": samples,
            "sigma": sigma,
            "seed": seed,
        }
        self._samples, self._sigma, self._seed = samples, sigma, seed
        self._differentiator = PinnedDifferentiator(
            model, targets_of(model, target), listed(wrt), reduce=reduce, providers=providers
        )

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that the target needs."""
        return self._differentiator.inputs

    def run(self, x: Feed) -> Attribution:
        """Return the mean gradients for one batch."""
        feeds = self._differentiator.feeds(x)
        pins = self._differentiator.pins(feeds)
        sums: dict[str, NDArray[np.float64]] = {}
        for noisy in self._copies(feeds):
            for name, gradient in self._differentiator.run(noisy, pins).items():
                sums[name] = sums.get(name, 0) + gradient.astype(np.float64)
        values = {name: (total / self._samples).astype(np.float32) for name, total in sums.items()}
        return Attribution(values, self.facts)

    def _copies(self, feeds: Feeds) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the feeds with noise; whole numbers stay as they are."""
        random = np.random.default_rng(self._seed)
        widths = {name: self._sigma * _range(v) for name, v in feeds.items() if v.dtype.kind == "f"}
        for _ in range(self._samples):
            yield {
                name: (value + widths[name] * random.standard_normal(value.shape[1:])).astype(value.dtype)
                if name in widths
                else value
                for name, value in feeds.items()
            }


def _range(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return maximum minus minimum of each image, with as many axes as the images."""
    axes = tuple(range(1, values.ndim))
    return np.asarray(np.ptp(values.astype(np.float64), axis=axes, keepdims=True))
