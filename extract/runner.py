"""Running a graph with onnxruntime for chosen tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ModelError
from .graph import cut

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

# Messages of onnxruntime come back as exceptions; below this level they would also go to stderr.
_FATAL = 4
_LONGEST = 400
# Elements. Smaller weights are cheap to copy, and onnxruntime reads shapes and axes among them.
_LARGE = 1024


class Runner:
    """A session that computes chosen tensors of a graph, and nothing that they do not need.

    Parameters
    ----------
    proto : onnx.ModelProto
        The whole graph.
    folder : Path
        Where external weights lie.
    outputs : sequence of str
        Tensors that nodes make.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.

    Raises
    ------
    ModelError
        If onnxruntime cannot run the part of the graph that is needed, or that part needs an input that is
        no tensor of numbers.
    """

    def __init__(
        self,
        proto: onnx.ModelProto,
        folder: Path,
        outputs: Sequence[str],
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        import onnx
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(folder.resolve())
        )
        large = {tensor.name: tensor for tensor in proto.graph.initializer if _is_large(tensor)}
        part = cut(proto, outputs, stubs=large)
        # onnxruntime reads a stub's values where they lie, so they must live as long as the session
        self._weights = {
            tensor.name: onnxruntime.OrtValue.ortvalue_from_numpy(
                onnx.numpy_helper.to_array(large[tensor.name])
            )
            for tensor in part.graph.initializer
            if tensor.name in large
        }
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        try:
            self._session = onnxruntime.InferenceSession(
                part.SerializeToString(), options, providers=list(providers)
            )
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise ModelError(f"onnxruntime cannot run this: {_reason(error)}") from error
        self.outputs = list(outputs)
        self.inputs = {value.name: value.type for value in self._session.get_inputs()}
        for name, kind in self.inputs.items():
            if not kind.startswith("tensor(") or kind == "tensor(string)":
                raise ModelError(f"input {name!r} is a {kind}; only tensors of numbers can be given")

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the asked tensors, in order, for one set of inputs; those not needed may be given too.

        Raises
        ------
        ModelError
            If onnxruntime fails, for instance as shapes do not fit.
        """
        try:
            return self._session.run(self.outputs, {n: v for n, v in feeds.items() if n in self.inputs})  # type: ignore[no-any-return]
        except Exception as error:
            raise ModelError(f"onnxruntime failed: {_reason(error)}") from error


def constant_value(proto: onnx.ModelProto, folder: Path, tensor: str) -> NDArray[Any]:
    """Return the value of a tensor that depends on no input.

    Parameters
    ----------
    proto : onnx.ModelProto
        The whole graph.
    folder : Path
        Where external weights lie.
    tensor : str
        The tensor's name.
    """
    import numpy as np
    import onnx

    for initializer in proto.graph.initializer:
        if initializer.name != tensor:
            continue
        entries = {entry.key: entry.value for entry in initializer.external_data}
        if not entries:
            return onnx.numpy_helper.to_array(initializer)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(initializer.data_type)
        offset, shape = int(entries.get("offset", 0)), tuple(initializer.dims)
        return np.memmap(folder / entries["location"], dtype, "r", offset, shape)
    return Runner(proto, folder, [tensor]).run({})[0]


def _is_large(tensor: onnx.TensorProto) -> bool:
    """Whether a stored weight is worth handing over by itself, and of a type that numpy has."""
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.data_type not in _numpy_types():
        return False
    return math.prod(tensor.dims) >= _LARGE


def _numpy_types() -> frozenset[int]:
    import onnx

    kinds = onnx.TensorProto
    return frozenset(
        {
            *(kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.INT8, kinds.INT16, kinds.INT32, kinds.INT64),
            *(kinds.UINT8, kinds.UINT16, kinds.UINT32, kinds.UINT64),
        }
    )


def _reason(error: Exception) -> str:
    """Return onnxruntime's message on one line, without its error code and places in its own source."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", text)
    text = re.sub(r"\S*/onnxruntime\S*/\S+:\d+ .*?(?=[\w]+ was false|[A-Z][a-z]+ [a-z])", "", text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
