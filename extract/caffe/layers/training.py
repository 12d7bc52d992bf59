"""Layers that behave in another way while a network is trained."""

from __future__ import annotations

from ..call import Call


def is_in_training(call: Call) -> bool:
    """Whether a layer sets its own phase to TRAIN, which Caffe then holds it to in every net."""
    phase = call.layer.DESCRIPTOR.fields_by_name["phase"]
    train = phase.enum_type.values_by_name["TRAIN"].number
    return bool(call.layer.HasField("phase") and call.layer.phase == train)
