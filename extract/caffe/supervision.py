"""What of a network only training and scoring need: labels, losses and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from .net import NetLayer
from .sources import Source

_SCORES = {"HDF5Output", "DetectionEvaluate"}
# What passes through one of these is no label.
_LEARNED = {
    "BatchNorm",
    "Bias",
    "Convolution",
    "ConvolutionDepthwise",
    "Deconvolution",
    "DepthwiseConvolution",
    "Embed",
    "InnerProduct",
    "LSTM",
    "PReLU",
    "RNN",
    "Scale",
}


def is_supervision(layer: NetLayer) -> bool:
    """Whether a layer is a loss or a score, and not part of what the network computes."""
    return (
        "Loss" in layer.type
        or "Accuracy" in layer.type
        or layer.type in _SCORES
        or (layer.type == "Python" and any(layer.message.loss_weight))
    )


def label_blobs(sources: Sequence[Source], layers: Sequence[NetLayer]) -> set[str]:
    """Return the blobs from outside that only losses and scores need, or that a data layer makes for nobody.

    Parameters
    ----------
    sources : sequence of Source
        What feeds the network.
    layers : sequence of NetLayer
        Its other layers, in order.

    Returns
    -------
    set of str
        Blobs of the sources; never all of them.
    """
    read, useful = _uses(layers)
    labels = set()
    for source in sources:
        for i, blob in enumerate(source.blobs):
            unread = source.is_data and blob not in read
            if unread or (source.has_label and i) or (blob in read and blob not in useful):
                labels.add(blob)
    made = [blob for source in sources for blob in source.blobs]
    return labels - set(made[:1]) if labels.issuperset(made) else labels


def without_supervision(layers: Sequence[NetLayer], labels: set[str]) -> tuple[NetLayer, ...]:
    """Return the layers that are no losses or scores, and need neither those nor labels."""
    gone, kept = set(labels), []
    for layer in layers:
        if is_supervision(layer) or not gone.isdisjoint(layer.bottoms):
            gone.update(layer.tops)
        else:
            kept.append(layer)
    return tuple(kept)


def _uses(layers: Sequence[NetLayer]) -> tuple[set[str], set[str]]:
    """Return the blobs that are read, and those of them that lead to more than the label of a loss."""
    read: set[str] = set()
    useful: set[str] = set()
    for layer in reversed(layers):
        if is_supervision(layer):
            useful.update(layer.bottoms[:1])
        elif layer.type != "Silence" and (
            layer.type in _LEARNED or read.isdisjoint(layer.tops) or not useful.isdisjoint(layer.tops)
        ):
            useful.update(layer.bottoms)
        read.update(layer.bottoms)
    return read, useful
