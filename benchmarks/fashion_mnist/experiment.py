"""Which filters of the trained network matter: ``python -m benchmarks.fashion_mnist.experiment OUT``.

Scores of all criteria over the 10,000 test pictures, curves of removal of both convolutions for all pictures
and for two classes, and their tables as Markdown; all by `cnnvis importance` and `cnnvis ablate`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cnnvis.main import cli

from . import CLASSES, DATA, FOLDER

PICTURES = DATA / "t10k-images-idx3-ubyte.gz"
# Shirts, which the network knows worst, and ankle boots.
SHOWN = ("6", "9")
# All numbers of removed filters are tried: neither has more than the default of --points.
LAYERS = ("conv1", "conv2")
# Areas of single random orders differ by a fifth.
ORDERS = "20"
COLUMNS = (
    *("criterion", "error", "without the least", "without the most important"),
    *("area, least first", "area, most first", "rank correlation"),
)


def main(out: Path) -> None:
    """Run the commands and write the tables."""
    shared = [str(FOLDER / "fashion.toml"), "--set", str(PICTURES), "--by", "all", "-o", str(out)]
    shown = [word for label in SHOWN for word in ("--show", label)]
    layers = [word for layer in LAYERS for word in ("--layer", layer)]
    scoring = ["importance", *shared, *layers, "--show", "all", *shown, "--volume", "none"]
    run([*scoring, "--bootstrap", "100", "--batch", "50"])
    scores = next(out.glob("*_importance.json"))
    run(["ablate", *shared, *layers, "--scores", str(scores), *shown, "--orders", ORDERS])
    path = out / "tables.md"
    path.write_text("\n".join(tables(out)) + "\n", encoding="utf-8")
    print(path)


def run(words: list[str]) -> None:
    """Run a command of ours."""
    cli.main(args=words, prog_name="cnnvis", standalone_mode=False)


def tables(out: Path) -> Iterator[str]:
    """Yield the lines of the tables: errors, areas and correlations, by layer and class."""
    for layer in LAYERS:
        (path,) = out.glob(f"*_layer-{layer}_removal.json")
        rows = json.loads(path.read_text(encoding="utf-8"))["table"]
        for label in ("all", *SHOWN):
            who = "all classes" if label == "all" else f"class {CLASSES[int(label)]}"
            yield f"**{layer}, {who}**\n"
            yield f"| {' | '.join(COLUMNS)} |"
            yield "|---" * len(COLUMNS) + "|"
            yield from (line(row) for row in rows if row["class"] == label)
            yield ""


def line(row: Mapping[str, Any]) -> str:
    """Return a line of a table; errors in percent."""
    errors = [f"{100 * row[f'error{what}']:.2f} %" for what in ("", "_without_least", "_without_most")]
    areas = [_area(row, way) for way in ("least", "most")]
    rho = "" if row["spearman"] is None else f"{row['spearman']:.2f}"
    return f"| `{row['criterion']}` | {' | '.join([*errors, *areas, rho])} |"


def _area(row: Mapping[str, Any], way: str) -> str:
    spread = row[f"spread_{way}_first"]
    return f"{row[f'area_{way}_first']:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
