"""What ``cnnvis ablate`` writes: tables and curves."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from extract.filters import Filters
    from extract.importance import Study
    from extract.labelled import Fault
    from extract.removal import Curve
    from extract.removal_study import Scores, Trial
    from render_presets.curves import Line, Panel

FORM = "cnnvis ablate 1"
_PERCENT = (0, 100)
CURVES = (
    *("class", "criterion", "order", "first", "removed", "threshold"),
    *("pictures", "wrong", "error", "neuron"),
)
TABLE = (
    *("class", "criterion", "pictures", "error", "error_without_least", "error_without_most"),
    *("area_least_first", "area_most_first", "spread_least_first", "spread_most_first", "spearman"),
)


@dataclass(frozen=True)
class RemovalFiles:
    """Where curves are written, and how.

    Parameters
    ----------
    study : Study
        What was asked.
    scores : mapping
        A score a filter, by criterion, layer and class.
    curves : mapping
        By layer and trial.
    faults : tuple of Fault
        What was left out.
    facts : mapping
        Model, software and settings.
    folder : Path
        Where; it must exist.
    replace : str
        What became of removed filters, for file names: ``zero`` is not told.
    """

    study: Study
    scores: Scores
    curves: Mapping[str, Mapping[Trial, Curve]]
    faults: Sequence[Fault]
    facts: Mapping[str, Any]
    folder: Path
    replace: str = "zero"

    def tables(self, filters: Filters) -> list[Path]:
        """Write a layer's curves and its table as CSV, and both as JSON; return the paths."""
        from converters.staging import staging

        from .provenance import write_document

        rows = list(self._rows(filters))
        names = [self._stem(quantity, filters) for quantity in ("removal-curves", "removal", "removal")]
        files = [name + suffix for name, suffix in zip(names, (".csv", ".csv", ".json"), strict=True)]
        with staging(self.folder) as staged:
            _write(staged / files[0], CURVES, self._points(filters))
            _write(staged / files[1], TABLE, [list(row.values()) for row in rows])
            write_document(staged / files[2], _finite(self._document(filters, rows)))
        return [self.folder / name for name in files]

    def picture(self, filters: Filters, label: str) -> Path:
        """Draw the curves of a layer and a class; return the path."""
        from extract.importance import ALL
        from render_presets.curves import curves

        from .pictures import save_png

        own = {trial: curve for trial, curve in self.curves[filters.layer].items() if trial.label == label}
        who = "all pictures" if label == ALL else f"class {label}"
        means = "" if self.replace == "zero" else f" · removed maps are their {self.replace}"
        heading = f"{self.study.model.path.stem} · {filters.layer} · {who}{means}"
        path = self.folder / f"{self._stem('removal-curves', filters, label)}.png"
        return save_png(curves(list(self._panels(filters, own)), heading), path)

    def _stem(self, quantity: str, filters: Filters, label: str | None = None) -> str:
        return stem(self.study, filters, self.replace, quantity, label)

    def _points(self, filters: Filters) -> Iterator[list[Any]]:
        """Yield the points of all curves of a layer, as `CURVES` says."""
        for trial, curve in self.curves[filters.layer].items():
            thresholds = self._thresholds(filters, trial, curve)
            for place, removed in enumerate(curve.removed):
                yield [
                    *_told(trial).values(),
                    *(removed, thresholds[place], curve.pictures, int(curve.wrong[place])),
                    *(float(curve.error[place]), _finite(float(curve.neuron[place]))),
                ]

    def _thresholds(self, filters: Filters, trial: Trial, curve: Curve) -> list[float | None]:
        """Return, for each number of removed filters, the normalized score below which they lie."""
        from extract.importance import normalized
        from extract.removal import thresholds

        key = (trial.criterion, filters.layer, trial.label)
        if trial.most or key not in self.scores:
            return [None] * len(curve.removed)
        return thresholds(curve.removed, normalized(self.scores[key]))

    def _rows(self, filters: Filters) -> Iterator[dict[str, Any]]:
        """Yield what is to be told of each class and criterion, as `TABLE` says."""
        import numpy as np

        from extract.removal import rank_correlation
        from extract.removal_study import ORACLE

        for (criterion, label), trials in self._grouped(filters).items():
            least, most = ([curve for trial, curve in trials if trial.most is way] for way in (False, True))
            areas = [[curve.area for curve in way] for way in (least, most)]
            key = (criterion, filters.layer, label)
            oracle = self.scores.get((ORACLE, filters.layer, label))
            yield {
                "class": label,
                "criterion": criterion,
                "pictures": least[0].pictures,
                "error": float(least[0].error[0]),
                "error_without_least": float(np.mean([curve.error[curve.at(1)] for curve in least])),
                "error_without_most": float(np.mean([curve.error[curve.at(1)] for curve in most])),
                "area_least_first": float(np.mean(areas[0])),
                "area_most_first": float(np.mean(areas[1])),
                "spread_least_first": float(np.std(areas[0], ddof=1)) if len(least) > 1 else None,
                "spread_most_first": float(np.std(areas[1], ddof=1)) if len(most) > 1 else None,
                "spearman": None
                if oracle is None or key not in self.scores
                else rank_correlation(self.scores[key], oracle),
            }

    def _grouped(self, filters: Filters) -> dict[tuple[str, str], list[tuple[Trial, Curve]]]:
        groups: dict[tuple[str, str], list[tuple[Trial, Curve]]] = {}
        for trial, curve in self.curves[filters.layer].items():
            groups.setdefault((trial.criterion, trial.label), []).append((trial, curve))
        return groups

    def _document(self, filters: Filters, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "form": FORM,
            **self.facts,
            "set": {"name": self.study.pictures.path.name, "identity": self.study.pictures.identity},
            "classes": dict(self.study.neurons),
            "left_out": [{"name": fault.name, "reason": fault.reason} for fault in self.faults],
            "layer": filters.layer,
            "filters": filters.count,
            "table": list(rows),
            "curves": [
                {
                    **_told(trial),
                    "removed": list(curve.removed),
                    "pictures": curve.pictures,
                    "wrong": curve.wrong.tolist(),
                    "neuron": curve.neuron.tolist(),
                    "threshold": self._thresholds(filters, trial, curve),
                }
                for trial, curve in self.curves[filters.layer].items()
            ],
        }

    def _panels(self, filters: Filters, curves: Mapping[Trial, Curve]) -> Iterator[Panel]:
        from render_presets.curves import Panel

        count = next(iter(curves.values())).pictures
        pictures = "1 picture" if count == 1 else f"{count:,} pictures"
        below = f"filters removed of {filters.count}"
        for most in (False, True):
            title = f"{'Most' if most else 'Least'} important filter first"
            lines = list(_lines(curves, most, lambda curve: 100 * curve.error))
            yield Panel(title, f"error in %, {pictures}", below, lines, _PERCENT, whole=True, group="error")
        for most in (False, True):
            title = f"{'Most' if most else 'Least'} important filter first"
            lines = list(_lines(curves, most, lambda curve: curve.neuron))
            yield Panel(title, "mean of the right class's neuron", below, lines, whole=True, group="neuron")
        lines = list(self._by_threshold(filters, curves))
        if lines:
            caption = "error in % without all filters below a layer-normalized score"
            yield Panel("By threshold", caption, "threshold", lines, _PERCENT)

    def _by_threshold(self, filters: Filters, curves: Mapping[Trial, Curve]) -> Iterator[Line]:
        from extract.importance import normalized
        from extract.removal import error_by_threshold
        from render_presets.curves import Line

        for trial, curve in curves.items():
            key = (trial.criterion, filters.layer, trial.label)
            if not trial.most and key in self.scores:
                x, error = error_by_threshold(curve, normalized(self.scores[key]))
                yield Line(trial.criterion, x, 100 * error)


def _told(trial: Trial) -> dict[str, Any]:
    """Return what tables say of an order, by the names of `CURVES`."""
    first = "most" if trial.most else "least"
    return {"class": trial.label, "criterion": trial.criterion, "order": trial.order, "first": first}


def stem(study: Study, filters: Filters, replace: str, quantity: str, label: str | None = None) -> str:
    """Return what a file about a layer, and perhaps a class, is called, without its ending."""
    from .names import clashing, file_stem

    return file_stem(
        quantity,
        hashed=filters.layer in clashing(study.model.layers),
        model=study.model.path.stem,
        set=study.pictures.path.name,
        layer=filters.layer,
        **{"class": label},
        replace=None if replace == "zero" else replace,
    )


def rows_of(path: Path) -> list[tuple[str, str, str]]:
    """Return target, classes and criteria of a JSON file of `RemovalFiles`; none if it is no such file."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["form"] != FORM:
            return []
        return [(told["target"], row["class"], row["criterion"]) for row in told["table"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _lines(
    curves: Mapping[Trial, Curve], most: bool, values: Callable[[Curve], NDArray[np.float64]]
) -> Iterator[Line]:
    """Yield a line a criterion; several orders of one are their mean, with a band from least to most."""
    import numpy as np

    from extract.removal_study import RANDOM
    from render_presets.curves import Line

    groups: dict[str, list[Curve]] = {}
    for trial, curve in curves.items():
        if trial.most is most:
            groups.setdefault(trial.criterion, []).append(curve)
    for criterion, own in groups.items():
        x = np.array(own[0].removed, np.float64)
        rows: NDArray[np.float64] = np.array([values(curve) for curve in own])
        if len(own) == 1:
            yield Line(criterion, x, rows[0], plain=criterion == RANDOM)
        else:
            band = (rows.min(axis=0), rows.max(axis=0))
            yield Line(f"{criterion} ({len(own)} orders)", x, rows.mean(axis=0), band, plain=True)


def _finite(document: Any) -> Any:
    """Return what JSON holds: a network without filters may give values that are no numbers, told as null."""
    if isinstance(document, Mapping):
        return {key: _finite(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [_finite(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document


def _write(path: Path, columns: Sequence[str], rows: Iterator[list[Any]] | Sequence[list[Any]]) -> None:
    # lone surrogates, from names that are no UTF-8, become what JSON has for them
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(["" if value is None else value for value in row] for row in rows)
