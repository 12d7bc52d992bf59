"""The values of a parameter, or what was computed for each of them, as named volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from converters import Volume
    from extract import Model
    from extract.images import PreparedInput
    from extract.model import Parameter

    from .slices import Slices


@dataclass(frozen=True)
class Kernels:
    """How parameters become volumes.

    Parameters
    ----------
    model : Model
        The network.
    layout : str
        As `converters.layouts.lay_out_kernels` takes it.
    z_spacing : str
        As `extract.placement.slice_spacing` takes it.
    facts : mapping
        What all side-cars say: model and software.
    slices : Slices
        The order of the slices.
    series : bool
        Whether all images go into one file, whose name then names none.
    """

    model: Model
    layout: str
    z_spacing: str
    facts: Mapping[str, Any]
    slices: Slices
    series: bool = False

    @property
    def makes_frames(self) -> bool:
        """Whether filters of 3-D networks become volumes of several frames."""
        return self.layout in ("stack", "channels", "norm")

    @cached_property
    def _clashing(self) -> frozenset[str]:
        from .names import clashing

        return clashing(self.model.layers)

    def volumes(
        self,
        parameter: Parameter,
        values: NDArray[Any],
        quantity: str,
        title: str,
        image: PreparedInput | None = None,
        target: str | None = None,
    ) -> Iterator[tuple[str, Volume]]:
        """Yield the file stem and the volume for each part of a parameter.

        Parameters
        ----------
        parameter : Parameter
            The parameter.
        values : ndarray
            Of its shape.
        quantity, title : str
            What the values are, in file names and side-cars, and as the name of the values in viewers.
        image, target : PreparedInput and str, optional
            What gradients are those of.
        """
        from converters.layouts import lay_out_kernels
        from extract.placement import slice_spacing

        from .names import file_stem

        facts = {**self.facts, "layer": parameter.layer, "quantity": quantity, "tensor": parameter.tensor}
        if image is not None:
            facts |= {"image": dict(image.facts), "parameter": parameter.role}
        for volume in lay_out_kernels(by_outputs(self.model, parameter.tensor, values), self.layout):
            kind = volume.facts["layout"]
            x, y, z = volume.spacing
            if kind["kind"] in ("stack", "channels") and volume.frames is None:
                z = slice_spacing(volume.size, volume.spacing, self.z_spacing)
            stem = file_stem(
                quantity,
                hashed=parameter.layer in self._clashing,
                model=self.model.path.stem,
                img=image.name if image and not self.series else None,
                layer=parameter.layer,
                param=parameter.role if image else None,
                target=target,
                filter=str(kind["channel"]) if "channel" in kind else None,
                order=self.slices.name(volume),
            )
            volume = volume.replace(name=title, spacing=(x, y, z), facts={**facts, **volume.facts})
            yield stem, self.slices.ordered(volume)


def by_outputs(model: Model, tensor: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return the values of a transposed convolution's filters as other convolutions hold theirs.

    Parameters
    ----------
    model : Model
        The network.
    tensor : str
        The parameter.
    values : ndarray
        Of its shape, (inputs, outputs / groups, *kernel) for filters of a transposed convolution.

    Returns
    -------
    ndarray
        Shape (outputs, inputs / groups, *kernel).
    """
    nodes = (n for n in model.proto.graph.node if n.op_type == "ConvTranspose" and tensor == n.input[1])
    node = next(nodes, None)
    if node is None:
        return values
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    apart = values.reshape(groups, -1, *values.shape[1:]).swapaxes(1, 2)
    return apart.reshape(-1, *apart.shape[2:])
