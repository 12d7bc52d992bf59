"""Grad-CAM: which places of a layer speak for a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..activations import Extractor, feeds_of
from ..errors import ModelError
from ..gradients import Differentiator
from ..model import Model
from ..parts import Input
from ..targets import Wanted, targets_of
from .attribution import CPU, Attribution, listed

if TYPE_CHECKING:
    from ..activations import Feed


def grad_cam(
    model: Model, x: Feed, target: Wanted, wrt: Sequence[str], *, rectify: bool = True
) -> Attribution:
    """Compute the feature maps' sum, each weighted by the mean of the gradient over it.

    Parameters
    ----------
    model, x, target
        As `extract.gradients` takes them.
    wrt : sequence of str
        Layers, with channels on axis 1, of one to three spatial axes: mostly the last one that convolves.
    rectify : bool
        Whether what speaks against the target is left out, as in the paper: negative sums become 0.

    Returns
    -------
    Attribution
        For each layer one map an image, in the layer's own resolution: (N, 1, H, W) or (N, 1, D, H, W).

    Raises
    ------
    CnnVisError
        As `extract.gradients` does, and if a name is no layer with feature maps.

    References
    ----------
    R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra, *Grad-CAM: Visual Explanations
    from Deep Networks via Gradient-Based Localization*, ICCV 2017, arXiv:1610.02391, equations 1 and 2.
    """
    return GradCam(model, target, wrt, rectify=rectify).run(x)


class GradCam:
    """Grad-CAM, prepared for one batch after the other; see `grad_cam`."""

    def __init__(
        self,
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        rectify: bool = True,
        providers: Sequence[str] = CPU,
    ) -> None:
        names = listed(wrt)
        for name in names:
            if model.tensor(name) in model.constants:
                raise ModelError(
                    f"{model.path}: Grad-CAM takes layers with feature maps; {name!r} is constant"
                )
        self.facts = {
            "method": "grad-cam",
            "reference": "Selvaraju et al. 2017, arXiv:1610.02391",
            "rectify": rectify,
        }
        self._model, self._rectify = model, rectify
        self._differentiator = Differentiator(model, targets_of(model, target), names, providers=providers)
        self._extractor = Extractor(model, names, providers)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that gradients and feature maps need."""
        needed = {i.name for i in (*self._differentiator.inputs, *self._extractor.inputs)}
        return tuple(i for i in self._model.inputs if i.name in needed)

    def run(self, x: Feed) -> Attribution:
        """Return the maps for one batch."""
        feeds = feeds_of(self._model, self.inputs, x)
        maps = self._extractor.run(feeds)
        for name, value in maps.items():
            if value.ndim < 3:
                shape = " x ".join(map(str, value.shape))
                raise ModelError(
                    f"{self._model.path}: Grad-CAM takes layers with feature maps; {name!r} is {shape}"
                )
        gradients = self._differentiator.run(feeds)
        return Attribution({n: self._map(maps[n], gradients[n]) for n in maps}, self.facts)

    def _map(self, maps: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
        weights = gradient.mean(axis=tuple(range(2, gradient.ndim)), dtype=np.float64)
        summed = np.einsum("nc,nc...->n...", weights, maps)[:, np.newaxis]
        return np.asarray(np.maximum(summed, 0) if self._rectify else summed, np.float32)
