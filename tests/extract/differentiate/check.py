"""Checks of gradients: `check` for any model, `check_node` for a model of one node."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from extract.differentiate import SharedGradientError, backward
from extract.differentiate.double import evaluator, to_double

Array = NDArray[Any]
_FLOATING = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)

# Central differences are off by step^2 f'''/6 + 1e-16 f/step, both near 1e-10 of values near 1 for this step.
STEP = 1e-5
# Of the sum of the absolute terms of the directional derivative: leaves room for large third derivatives.
TOLERANCE = 1e-6
# Of the largest output, divided by the step: what rounding makes of a difference of sums of float64.
ROUNDING = 1e-13
# The project's bound between float32 and float64, of the largest value; float16 has 11 bits.
SINGLE, HALF = 1e-5, 1e-2


def check_node(
    operator: str,
    inputs: Mapping[str, Any],
    weights: Mapping[str, Any] | Collection[str] = (),
    *,
    outputs: int | Sequence[str] = 1,
    wrt: Sequence[str] | None = None,
    opset: int = 18,
    domain: str = "",
    open_axes: Sequence[int] | None = (0,),
    per_image: bool | None = None,
    runtime: bool = True,
    output: str | None = None,
    **attributes: Any,
) -> None:
    """Check the rule of an operator by a model of one node.

    For example ``check_node("Conv", {"x": x}, {"w": w, "b": b}, strides=[2, 1])``.

    Parameters
    ----------
    inputs : mapping of str to array or None
        Inputs of the graph, in the order of the node's; None leaves an optional one out.
    weights : mapping of str to array or None, or names
        Initializers, the node's next inputs; or which of `inputs` are initializers. A name with a leading
        ``!``, in either mapping, is not differentiated by.
    outputs : int or sequence of str
        The node's outputs: how many, or names, empty for those left out.
    open_axes : sequence of int or None
        Axes of floating inputs whose size the model does not say; None: it says all.

    Other parameters are those of `check`.
    """
    proto, feeds = node_model(
        operator,
        inputs,
        weights,
        outputs=outputs,
        opset=opset,
        domain=domain,
        open_axes=open_axes,
        **attributes,
    )
    if wrt is None:
        kept = {name[1:] for name in (*inputs, *weights) if name.startswith("!")}
        wrt = [name for name in _floating(proto) if name not in kept]
    check(proto, feeds, wrt, output, per_image=per_image, runtime=runtime)


def node_model(
    operator: str,
    inputs: Mapping[str, Any],
    weights: Mapping[str, Any] | Collection[str] = (),
    *,
    outputs: int | Sequence[str] = 1,
    opset: int = 18,
    domain: str = "",
    open_axes: Sequence[int] | None = (0,),
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """Return a model of one node, and what to feed it; see `check_node`."""
    given = {**inputs, **(weights if isinstance(weights, Mapping) else {})}
    names = [f"y{i}" for i in range(outputs)] if isinstance(outputs, int) else list(outputs)
    used = ["" if value is None else name.lstrip("!") for name, value in given.items()]
    node = onnx.helper.make_node(operator, used, names, "node", domain=domain, **attributes)
    present = {name: np.asarray(value) for name, value in given.items() if value is not None}
    stored = {name.lstrip("!"): value for name, value in present.items() if name in weights}
    arrays = {name.lstrip("!"): value for name, value in present.items() if name not in weights}
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [_declared(name, array, open_axes or ()) for name, array in arrays.items()],
        [onnx.ValueInfoProto(name=name) for name in names if name],
        [onnx.numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    imports = [onnx.helper.make_opsetid("", opset)]
    imports += [onnx.helper.make_opsetid(domain, 1)] if domain else []
    model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=10)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
    for value, found in zip(model.graph.output, inferred, strict=True):
        value.CopyFrom(found)
        # what rules know of shapes shall come from their own inference
        value.type.tensor_type.ClearField("shape")
    return model, arrays


def check(
    proto: onnx.ModelProto,
    feeds: Mapping[str, Array],
    wrt: Sequence[str] | None = None,
    output: str | None = None,
    *,
    per_image: bool | None = None,
    runtime: bool = True,
    directions: int = 2,
    entries: int = 4,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> None:
    """Check `backward` of a model against central differences in float64.

    Also: the model's own outputs stay as they are, the result passes the checker, and onnxruntime gives the
    same in the model's own types.

    Parameters
    ----------
    feeds : mapping of str to array
        An array for each input. Keep away from kinks, by some 1e-4.
    wrt : sequence of str, optional
        Initializers, inputs or tensors between; all floating inputs and initializers by default.
    output : str, optional
        The tensor that is differentiated; by default each floating output in turn, then all together.
    per_image : bool, optional
        Whether each image's gradients apart shall be checked: None as far as the rules can, True must do.
    runtime : bool
        Whether onnxruntime implements the model's operators.
    directions, entries : int
        How many random directions and single entries of each tensor are compared.
    """
    wrt = list(_floating(proto) if wrt is None else wrt)
    rng = np.random.default_rng(seed)
    targets = [output] if output is not None else _outputs(proto)
    for target in targets:
        _check_target(proto, feeds, wrt, target, per_image, runtime, directions, entries, tolerance, rng)
    if len(targets) > 1:
        joined = _joined(proto, targets)
        _check_target(joined, feeds, wrt, "joined", False, runtime, directions, entries, tolerance, rng)


def _check_target(
    proto: onnx.ModelProto,
    feeds: Mapping[str, Array],
    wrt: list[str],
    output: str,
    per_image: bool | None,
    runtime: bool,
    directions: int,
    entries: int,
    tolerance: float,
    rng: np.random.Generator,
) -> None:
    forward = Forward(proto, feeds, wrt, output)
    cotangent = _numbers(rng, forward.value.shape)
    model = backward(proto, output, wrt)
    onnx.checker.check_model(model, full_check=True)
    double = Backward(model, feeds, output)
    gradients = double.run(cotangent)
    for name in wrt:
        where = f"d {output} / d {name}"
        gradient = gradients[f"grad:{name}"]
        assert gradient.dtype == np.float64, where
        assert gradient.shape == forward.shapes[name], where
        for direction in _directions(rng, gradient.shape, directions, entries):
            numeric, floor = forward.difference(name, direction, cotangent)
            analytic = float((gradient * direction).sum())
            bound = tolerance * float(np.abs(gradient * direction).sum()) + floor
            if gradient.size and not direction.all():
                # a single entry may be zero next to large ones
                bound += tolerance * float(np.abs(gradient).max())
            assert abs(numeric - analytic) <= bound, (
                f"{where}: {analytic} by the rule, {numeric} by central differences, bound {bound}"
            )
    for name, value in forward.own.items():
        # bodies of composite operators hold constants in float32
        size = float(np.abs(value).max(initial=0)) if value.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(gradients[name], value, rtol=0, atol=1e-7 * size, err_msg=name)
    if runtime:
        _check_runtime(model, feeds, f"seed:{output}", cotangent, gradients)
    if per_image is not False:
        _check_apart(proto, feeds, wrt, output, cotangent, double, runtime, required=bool(per_image))


def _check_runtime(
    model: onnx.ModelProto,
    feeds: Mapping[str, Array],
    seed: str,
    cotangent: Array,
    expected: dict[str, Array],
) -> None:
    """Check that onnxruntime gives the same, in the model's own types."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    given = {
        name: np.asarray(value, onnx.helper.tensor_dtype_to_np_dtype(kinds[name]))
        for name, value in {**feeds, seed: cotangent}.items()
    }
    names = [value.name for value in session.get_outputs()]
    for name, value in zip(names, session.run(names, given), strict=True):
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            continue
        assert value.shape == expected[name].shape, name
        bound = HALF if value.dtype == np.float16 else SINGLE
        size = float(np.abs(expected[name]).max(initial=0))
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=bound * size, err_msg=name)


def _check_apart(
    proto: onnx.ModelProto,
    feeds: Mapping[str, Array],
    wrt: list[str],
    output: str,
    cotangent: Array,
    together: Backward,
    runtime: bool,
    required: bool,
) -> None:
    """Check each image's gradients: those of a cotangent that is zero at all other images."""
    try:
        model = backward(proto, output, wrt, per_image=True)
    except SharedGradientError:
        if required:
            raise
        return
    weights = [name for name in wrt if name in {tensor.name for tensor in proto.graph.initializer}]
    if not weights or not cotangent.ndim:
        assert not required, "no initializer to be differentiated by, or no axis of images"
        return
    onnx.checker.check_model(model, full_check=True)
    apart = Backward(model, feeds, output).run(cotangent)
    for image in range(cotangent.shape[0]):
        alone = np.zeros_like(cotangent)
        alone[image] = cotangent[image]
        expected = together.run(alone)
        for name in weights:
            key = f"grad:{name}"
            bound = 1e-10 * float(np.abs(expected[key]).max(initial=0))
            assert apart[key].shape == (cotangent.shape[0], *expected[key].shape), name
            np.testing.assert_allclose(apart[key][image], expected[key], rtol=0, atol=bound, err_msg=name)
    if runtime:
        _check_runtime(model, feeds, f"seed:{output}", cotangent, apart)


class Forward:
    """A model in float64 whose tensors can be moved a little."""

    def __init__(
        self, proto: onnx.ModelProto, feeds: Mapping[str, Array], wrt: Sequence[str], output: str
    ) -> None:
        double = to_double(proto)
        stored = {t.name: onnx.numpy_helper.to_array(t) for t in double.graph.initializer}
        self._output = output
        self._moved = {name: f"{name}:moved" for name in wrt}
        self._feeds = _double_feeds(feeds)
        own = [value.name for value in proto.graph.output]
        _keep(double, [*own, *wrt, output])
        first = evaluator(double)
        names = list(dict.fromkeys([*own, *wrt, output]))
        results = dict(zip(names, first.run(names, {**stored, **self._feeds}), strict=True))
        self.own = {name: results[name] for name in own}
        self.value = results[output]
        self.shapes = {name: results[name].shape for name in wrt}
        self._evaluator = evaluator(_movable(double, self._moved))
        self._still = {f"{name}:moved": np.zeros(shape) for name, shape in self.shapes.items()}
        # initializers that became inputs of `_movable`
        self._feeds = {**{name: value for name, value in stored.items() if name in wrt}, **self._feeds}

    def difference(self, name: str, direction: Array, cotangent: Array) -> tuple[float, float]:
        """Return the derivative of <cotangent, output> in a direction, and what rounding may add to it."""
        ahead, behind = (self._at(name, sign * STEP * direction) for sign in (1, -1))
        floor = ROUNDING / STEP * float(np.abs(cotangent * ahead).sum())
        return float((cotangent * (ahead - behind)).sum()) / (2 * STEP), floor

    def _at(self, name: str, move: Array) -> Array:
        given = {**self._feeds, **self._still, self._moved[name]: move}
        return np.asarray(self._evaluator.run([self._output], given)[0])


class Backward:
    """The gradients of a model in float64."""

    def __init__(self, model: onnx.ModelProto, feeds: Mapping[str, Array], output: str) -> None:
        self._evaluator = evaluator(to_double(model))
        self._feeds = _double_feeds(feeds)
        self._seed = f"seed:{output}"

    def run(self, cotangent: Array) -> dict[str, Array]:
        names = self._evaluator.output_names
        return dict(
            zip(names, self._evaluator.run(names, {**self._feeds, self._seed: cotangent}), strict=True)
        )


def _movable(double: onnx.ModelProto, moved: Mapping[str, str]) -> onnx.ModelProto:
    """Return a model with one more input for each tensor, which is added to it."""
    result = onnx.ModelProto()
    result.CopyFrom(double)
    graph = result.graph
    made = {name for node in graph.node for name in node.output}
    head, tail = [], []
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name in moved and name not in made:
                node.input[i] = f"{name}:sum"
        tail.append(node)
        for i, name in enumerate(node.output):
            if name in moved:
                node.output[i] = f"{name}:raw"
                tail.append(onnx.helper.make_node("Add", [f"{name}:raw", moved[name]], [name]))
    for name, move in moved.items():
        graph.input.append(onnx.helper.make_tensor_value_info(move, onnx.TensorProto.DOUBLE, None))
        if name not in made:
            head.append(onnx.helper.make_node("Add", [name, move], [f"{name}:sum"]))
    del graph.node[:]
    graph.node.extend([*head, *tail])
    return result


def _joined(proto: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a model with one more output: all values of some of its tensors."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1]), "joined:flat"))
    for name in names:
        graph.node.append(onnx.helper.make_node("Reshape", [name, "joined:flat"], [f"joined:{name}"]))
    flat = [f"joined:{name}" for name in names]
    graph.node.append(onnx.helper.make_node("Concat", flat, ["joined"], axis=0))
    kind = {v.name: v.type.tensor_type.elem_type for v in graph.output}[names[0]]
    graph.output.append(onnx.helper.make_tensor_value_info("joined", kind, [None]))
    return result


def _keep(proto: onnx.ModelProto, names: Sequence[str]) -> None:
    """Make outputs of some tensors."""
    known = {value.name for value in proto.graph.output}
    for name in dict.fromkeys(names):
        if name not in known:
            proto.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None))


def _directions(
    rng: np.random.Generator, shape: tuple[int, ...], random: int, single: int
) -> Iterator[Array]:
    size = int(np.prod(shape))
    for _ in range(random):
        yield _numbers(rng, shape)
    for index in rng.choice(size, min(single, size), replace=False) if size > 1 else ():
        direction = np.zeros(size)
        direction[index] = 1
        yield direction.reshape(shape)


def _numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return float64 numbers, none small, that float32 holds too."""
    numbers = rng.uniform(0.25, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
    return np.asarray(numbers, np.float32).astype(np.float64)


def _double_feeds(feeds: Mapping[str, Array]) -> dict[str, Array]:
    return {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in feeds.items()}


def _floating(proto: onnx.ModelProto) -> list[str]:
    given = [v.name for v in proto.graph.input if v.type.tensor_type.elem_type in _FLOATING]
    stored = [t.name for t in proto.graph.initializer if t.data_type in _FLOATING]
    return list(dict.fromkeys([*given, *stored]))


def _outputs(proto: onnx.ModelProto) -> list[str]:
    return [v.name for v in proto.graph.output if v.type.tensor_type.elem_type in _FLOATING]


def _declared(name: str, array: Array, open_axes: Sequence[int]) -> onnx.ValueInfoProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    shape: list[int | None] = list(array.shape)
    for axis in open_axes if array.dtype.kind == "f" else ():
        if axis < len(shape):
            shape[axis] = None
    return onnx.helper.make_tensor_value_info(name, kind, shape)
