"""The table of what can be differentiated, made from the rules.

``python -m tests.extract.differentiate.operator_table`` writes ``docs/operators.md``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import onnx

from extract.differentiate.backward import CONSTANT
from extract.differentiate.bodies import BODIES
from extract.differentiate.registry import entries
from extract.differentiate.scan import scans_unrolled
from extract.differentiate.upgrade import REWRITES

from .test_node_cases import cases, has_rule, operator

FILE = Path(__file__).parents[3] / "docs" / "operators.md"
_HEAD = """# Operators that can be differentiated

Made from the rules by `python -m tests.extract.differentiate.operator_table`; a test says when it is out of
date.
`python -m tests.extract.differentiate.test_node_cases` checks each against central differences in float64,
through onnx's own operator cases, and prints how many.

- **How**: by a rule of its own; by the nodes that this package *writes out* for it; through the *function
  body* by which ONNX defines it; *rewritten* from an older operator set.
- **Per image**: whether weights among its inputs can have gradients for each image apart, not only their sum.
  Written out and composite operators can if their parts can.

| operator | how | per image | gradient |
|---|---|---|---|
"""


def table() -> str:
    """Return the text of the file."""
    latest = newest()
    rows, constant, missing = [], [], []
    for name in sorted({*latest, *REWRITES}):
        row = _row(name, latest.get(name))
        if row is not None:
            rows.append(row)
        elif name in CONSTANT or not _is_floating(latest[name]):
            constant.append(name)
        else:
            missing.append(name)
    return (
        f"{_HEAD}{''.join(rows)}\n"
        f"{len(rows)} operators. No gradient by nature, as what comes out does not change smoothly with what "
        f"goes in: {', '.join(constant)}.\n\n"
        f"Not covered; an error names the node: {', '.join(missing)}.\n"
    )


@functools.cache
def newest() -> dict[str, onnx.defs.OpSchema]:
    """Return the latest version of each operator of ONNX's default domain."""
    found = [schema for schema in onnx.defs.get_all_schemas() if not schema.domain]
    return {schema.name: schema for schema in found}


@functools.cache
def composite() -> frozenset[str]:
    """Return the operators whose function bodies consist of operators that are covered, by onnx's cases."""
    return frozenset(operator(case) for case in cases().values() if has_rule(case))


def differentiable() -> frozenset[str]:
    """Return the operators that have an input which the standard marks differentiable."""
    marked = onnx.defs.OpSchema.DifferentiationCategory.Differentiable
    return frozenset(
        name
        for name, schema in newest().items()
        if any(formal.differentiation_category == marked for formal in schema.inputs)
    )


def is_covered(name: str) -> bool:
    """Return whether an operator of ONNX has gradients, or none by nature."""
    return name in CONSTANT or _row(name, newest().get(name)) is not None


def _row(name: str, schema: onnx.defs.OpSchema | None) -> str | None:
    """Return an operator's line; None if it has no gradient."""
    rule = entries().get(name)
    if rule is not None:
        return _line(name, "rule", "yes" if rule.per_image else "no", rule.rule)
    if name in BODIES:
        return _line(name, "written out", "", BODIES[name])
    if name in REWRITES and name != "Scan" and (schema is None or schema.deprecated):
        return _line(name, f"rewritten from sets before {REWRITES[name][0]}", "", REWRITES[name][1])
    if name == "Scan":
        return _line(name, "written out", "", scans_unrolled)
    if name in composite():
        return f"| {name} | function body |  |  |\n"
    return None


def _line(name: str, how: str, per_image: str, function: Callable[..., Any]) -> str:
    first = (inspect.getdoc(function) or "").splitlines()[0]
    gradient = first.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
    return f"| {name} | {how} | {per_image} | {gradient} |\n"


def _is_floating(schema: onnx.defs.OpSchema) -> bool:
    """Return whether floating-point numbers may go in and come out, in tensors or else."""
    bodies = any(value.type == onnx.defs.OpSchema.AttrType.GRAPH for value in schema.attributes.values())
    return bodies or all(_admits_float(schema, values) for values in (schema.inputs, schema.outputs))


def _admits_float(schema: onnx.defs.OpSchema, values: Iterable[Any]) -> bool:
    constraints = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    kinds = [kind for value in values for kind in constraints.get(value.type_str, [value.type_str])]
    return any("tensor(float)" in kind for kind in kinds)


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8", newline="\n")
    print(FILE)
