"""Check the gradients of whole networks in full size, and print a table: `make check-networks`."""

from __future__ import annotations

import platform
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from extract.check import GradientCheck
from tests.extract.whole_networks import NETWORKS, Network


def main(names: Sequence[str]) -> int:
    """Check the networks of these names, or all; return 1 if one does not pass."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnx", "onnxruntime", "numpy"))
    print(f"Python {platform.python_version()}, {packages}\n")
    print("| network | tensors | smooth | largest difference / bound | batch of 4 | seconds | expected |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    passed = [_check(network) for network in NETWORKS if not names or network.name in names]
    print(f"\nPeak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    return 0 if all(passed) else 1


def _check(network: Network) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        model = network.make(Path(folder), False)
        names = network.wrt(model)
        check = GradientCheck(model, network.images(model, 1), network.target, names, directions=1, entries=1)
        start = time.perf_counter()
        rows = list(check.rows())
        seconds = time.perf_counter() - start
        batch = network.batch_difference(model)
    smooth = [row for row in rows if not row.kink]
    worst = max((row.difference / row.bound for row in smooth), default=0.0)
    agree = all(row.agrees and row.single_agrees for row in smooth)
    print(
        f"| {network.name} | {len(names)} | {len(smooth)} of {len(rows)} | {worst:.2g} | {batch:.1e} "
        f"| {seconds:.0f} | {check.seconds:.0f} |",
        flush=True,
    )
    return agree and {row.name for row in smooth} == set(names) and batch < 1e-5


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
