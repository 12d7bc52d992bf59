"""Every rule against central differences in float64, through onnx's own operator cases.

``python -m tests.extract.differentiate.test_node_cases`` prints a table of operators and cases.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase

from extract.differentiate import NoGradientError
from extract.differentiate.backward import CONSTANT
from extract.differentiate.bodies import BODIES
from extract.differentiate.double import evaluator, to_double
from extract.differentiate.prepare import prepared
from extract.differentiate.registry import entries
from extract.differentiate.upgrade import REWRITES
from tests.extract.differentiate.check import check

pytestmark = pytest.mark.slow

Array = NDArray[Any]
FLOATING = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}
# Pictures of pooling are cut to this size.
LARGE = 9
# Cases of which no gradient can be checked so: pattern of names -> why.
APART = {
    "test_reduce_(log_sum|log_sum_exp|max|min)_empty_set": "an empty sum's logarithm or maximum: infinite",
    "test_maxunpool_export_with_output_shape": "the case counts indices in another shape than the output",
}
# Operators that the reference evaluator has not, or computes by a body in float32: they are judged as what
# they are prepared to, in float64.
BY_BODY = {"CausalConvWithState", "LinearAttention", "Scatter"}
# Values brought to where a function is defined, its third derivative moderate, or float32 not saturated:
# pattern of names -> factor and offset.
MOVED = {
    "test_acosh.*": (1, 0.5),
    "test_batchnorm.*": (1, 0.5),
    "test_pow": (1, 5),
    "test_attention_3d_transpose_verification": (0.1, 0),
    "test_(gru|lstm|rnn|simple_rnn)_.*": (0.1, 0),
}
# Inputs that shift no value smoothly, or of which nobody asks a gradient: operator -> names in its schema.
FIXED = {"RoiAlign": {"rois"}, "Upsample": {"scales"}}
# Inputs that have a gradient although the standard says that they have none: operator -> names in its schema.
ALSO = {"AffineGrid": {"theta"}, "DFT": {"input"}, "STFT": {"signal", "window"}, "GridSample": {"grid"}}


@functools.cache
def cases() -> dict[str, TestCase]:
    """Return onnx's cases of one node with a floating input and a floating output, by name."""
    with warnings.catch_warnings():
        # some overflow on purpose
        warnings.simplefilter("ignore")
        found = collect_testcases()
    return {case.name: case for case in found if "_expanded" not in case.name and _is_floating(case)}


def _is_floating(case: TestCase) -> bool:
    graph = case.model.graph
    if len(graph.node) != 1 or graph.node[0].domain or graph.node[0].op_type in CONSTANT:
        return False
    has = [
        any(value.type.tensor_type.elem_type in FLOATING for value in values)
        for values in (graph.input, graph.output)
    ]
    return all(has) and all(isinstance(x, np.ndarray) for xs in case.data_sets[0] for x in xs)


def operator(case: TestCase) -> str:
    return str(case.model.graph.node[0].op_type)


def has_rule(case: TestCase) -> bool:
    """Return whether the operator has a rule, or is made of operators that have."""
    if operator(case) in entries():
        return True
    if (
        operator(case) not in composite() | REWRITES.keys() | BODIES.keys()
        or case.model.opset_import[0].version < 9
    ):
        return False
    made_of = {node.op_type for node in prepared(case.model, {*entries(), *CONSTANT}).graph.node}
    return made_of <= {*entries(), *CONSTANT, "Constant", "ConstantOfShape"}


@functools.cache
def composite() -> frozenset[str]:
    """Return the operators that ONNX defines by others, in some set."""
    return frozenset(
        schema.name
        for schema in onnx.defs.get_all_schemas_with_history()
        if not schema.domain and (schema.has_function or schema.has_context_dependent_function)
    )


def differentiable(case: TestCase) -> list[str]:
    """Return the inputs of a case that have a gradient, by the standard or in truth."""
    node = case.model.graph.node[0]
    schema = onnx.defs.get_schema(node.op_type, case.model.opset_import[0].version)
    never = onnx.defs.OpSchema.DifferentiationCategory.NonDifferentiable
    kinds = {value.name: value.type.tensor_type.elem_type for value in case.model.graph.input}
    found = []
    for i, name in enumerate(node.input):
        formal = schema.inputs[min(i, len(schema.inputs) - 1)]
        fixed = formal.differentiation_category == never or formal.name in FIXED.get(node.op_type, ())
        if kinds.get(name) in FLOATING and (not fixed or formal.name in ALSO.get(node.op_type, ())):
            found.append(name)
    return found


def run(case: TestCase) -> str | None:
    """Check a case; return why it is skipped, None if it was checked."""
    reason = next((why for pattern, why in APART.items() if re.fullmatch(pattern, case.name)), None)
    if reason is not None:
        return reason
    inputs, outputs = case.data_sets[0]
    names = [value.name for value in case.model.graph.input]
    feeds = {name: np.asarray(x) for name, x in zip(names, inputs, strict=True)}
    wrt = [name for name in differentiable(case) if np.isfinite(feeds[name]).all()]
    if not wrt:
        return "no input to be differentiated by, or an infinite one"
    if not all(np.isfinite(x).all() for x in outputs):
        return "an infinite output"
    model = case.model
    if operator(case) in BY_BODY:
        model = prepared(model, {*entries(), *CONSTANT})
    reason = _misjudged(model, feeds, outputs)
    if reason is not None:
        return reason
    model = _with_constants(_cropped(model, feeds), feeds, wrt)
    factor, offset = next((by for pattern, by in MOVED.items() if re.fullmatch(pattern, case.name)), (1, 0))
    moved = {name: _shifted(feeds[name] * factor + offset) for name in wrt}
    runtime = _runs(case.model, dict(zip(names, inputs, strict=True)), outputs)
    check(model, moved, wrt, per_image=False, runtime=runtime, directions=1, entries=3)
    return None


def _cropped(model: onnx.ModelProto, feeds: dict[str, Array]) -> onnx.ModelProto:
    """Cut large pictures of pooling: the reference evaluator takes seconds for them."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    if "Pool" in model.graph.node[0].op_type:
        data = result.graph.input[0]
        for axis, size in enumerate(data.type.tensor_type.shape.dim):
            if size.dim_value > LARGE:
                size.dim_value = LARGE
                feeds[data.name] = feeds[data.name].take(range(LARGE), axis)
                for value in result.graph.output:
                    value.type.tensor_type.shape.dim[axis].Clear()
    return result


def _with_constants(model: onnx.ModelProto, feeds: dict[str, Array], wrt: list[str]) -> onnx.ModelProto:
    """Return a model whose inputs are only those of `wrt`; shapes, axes and the like are constants."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.input[:]
    for value in model.graph.input:
        if value.name in wrt:
            result.graph.input.append(value)
        else:
            result.graph.initializer.append(onnx.numpy_helper.from_array(feeds[value.name], value.name))
    result.ir_version = max(model.ir_version, 4)
    return result


def _misjudged(model: onnx.ModelProto, feeds: dict[str, Array], outputs: list[Array]) -> str | None:
    """Return what keeps the reference evaluator from being a judge in float64, if anything."""
    doubles = {name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in feeds.items()}
    try:
        found = evaluator(to_double(model)).run(None, doubles)
    except Exception as error:  # whatever a foreign program raises
        return f"the reference evaluator fails: {type(error).__name__}"
    for value, expected in zip(found, outputs, strict=True):
        if expected.dtype.kind != "f":
            continue
        if np.asarray(value).dtype != np.float64:
            return "the reference evaluator does not compute in float64"
        if not np.allclose(value, expected.astype(np.float64), rtol=1e-2, atol=1e-3, equal_nan=True):
            return "the reference evaluator gives other values than the case"
    return None


def _shifted(x: Array) -> Array:
    """Move values a little away from where the case has them, which is often at kinks and ties."""
    rng = np.random.default_rng(x.size)
    shift = rng.uniform(0.002, 0.01, x.shape) * rng.choice([-1, 1], x.shape)
    return np.asarray(x + shift * np.maximum(1, np.abs(x)), x.dtype)


def _runs(model: onnx.ModelProto, feeds: dict[str, Array], outputs: list[Array]) -> bool:
    """Return whether onnxruntime implements what a case needs, and gives the case's values."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            prepared(model, {*entries(), *CONSTANT}).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
        found = session.run(None, feeds)
    except Exception:  # whatever a foreign program raises
        return False
    return all(
        np.allclose(value, expected, rtol=1e-2, atol=1e-3, equal_nan=True)
        for value, expected in zip(found, outputs, strict=True)
    )


# attention to nothing, in the reference evaluator
@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract")
@pytest.mark.parametrize("name", sorted(name for name, case in cases().items() if has_rule(case)))
def test_gradients(name: str) -> None:
    reason = run(cases()[name])
    if reason is not None:
        pytest.skip(reason)


def coverage() -> Iterator[str]:
    """Yield the lines of a table: operator, cases checked, cases skipped and why."""
    table: dict[str, Counter[str]] = {}
    for case in cases().values():
        counts = table.setdefault(operator(case), Counter())
        if not has_rule(case):
            counts["no rule"] += 1
            continue
        try:
            with np.errstate(invalid="ignore"):
                counts[run(case) or "checked"] += 1
        except (AssertionError, NoGradientError, RuntimeError) as error:
            counts[f"FAILED {case.name}: {str(error).splitlines()[0]}"] += 1
    yield "| operator | checked | of | skipped |"
    yield "|---|---|---|---|"
    for name, counts in sorted(table.items()):
        skipped = "; ".join(f"{count} {why}" for why, count in counts.items() if why != "checked")
        yield f"| {name} | {counts['checked']} | {counts.total()} | {skipped} |"


if __name__ == "__main__":
    for line in coverage():
        print(line)
