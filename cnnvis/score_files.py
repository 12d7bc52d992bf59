"""What ``cnnvis importance`` writes: tables, pictures, and volumes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converters import Volume
    from extract import Model
    from extract.filters import Filters
    from extract.importance import Importance, Study
    from render_presets.importance import Ranking

    from .export import Export


@dataclass(frozen=True)
class ScoreFiles:
    """Where scores are written, and how.

    Parameters
    ----------
    found : Importance
        The scores.
    facts : mapping
        Model and software, for tables and side-cars.
    folder : Path
        Where; it must exist.
    shown : sequence of str
        The classes, or "all", of which pictures and volumes are made.
    """

    found: Importance
    facts: Mapping[str, Any]
    folder: Path
    shown: Sequence[str]

    def tables(self, stem: str) -> list[Path]:
        """Write all scores as CSV and as JSON, and return the paths."""
        from converters.staging import staging
        from extract.importance import write_csv, write_json

        with staging(self.folder) as staged:
            # lone surrogates, from names that are no UTF-8, become what JSON has for them, in both files
            with (staged / f"{stem}.json").open("w", encoding="utf-8", errors="backslashreplace") as file:
                write_json(self.found, self.facts, file)
            with (staged / f"{stem}.csv").open(
                "w", encoding="utf-8", errors="backslashreplace", newline=""
            ) as file:
                write_csv(self.found, file)
        return [self.folder / f"{stem}.csv", self.folder / f"{stem}.json"]

    def pictures(self) -> Iterator[Path]:
        """Write grids and ranked plots, one a layer and class that is shown, and yield the paths."""
        from render_presets.importance import ranked_plots, score_grids

        from .pictures import save_png

        for filters in self.found.study.filters:
            for label in self.shown:
                rankings = [self._ranking(name, filters, label) for name in self.found.study.criteria]
                heading = self._heading(filters, label)
                for kind, draw in (("grid", score_grids), ("ranks", ranked_plots)):
                    path = self.folder / f"{self._stem(f'importance-{kind}', filters, label)}.png"
                    yield save_png(draw(rankings, heading), path)

    def volumes(self, export: Export, sources: Sequence[tuple[Filters, Volume]], way: str) -> Iterator[Path]:
        """Write volumes whose slices are weighted, one a criterion and class that is shown.

        Parameters
        ----------
        export : Export
            How volumes are written.
        sources : sequence of (Filters, Volume)
            The slices of layers.
        way : str
            As `extract.importance.weighting.weighted` takes it.
        """
        from extract.importance.weighting import weighted

        for filters, volume in sources:
            for label in self.shown:
                for name in self.found.study.criteria:
                    scores = self.found.estimates[name, filters.layer, label].mean.tolist()
                    result = self._described(weighted(volume, scores, way, name, label))
                    yield from export.write(result, self._stem("importance", filters, label, name, volume))

    def _described(self, volume: Volume) -> Volume:
        """Return a volume that tells where it comes from."""
        from .provenance import derived

        own = {"set": {"name": self.found.study.pictures.path.name, "contents": self.found.contents or None}}
        if "software" in volume.facts:
            return derived(volume.replace(facts={**volume.facts, **own}))
        return volume.replace(facts={**self.facts, **own, **volume.facts})

    def _stem(
        self,
        quantity: str,
        filters: Filters,
        label: str,
        criterion: str | None = None,
        volume: Volume | None = None,
    ) -> str:
        from .names import clashing, file_stem

        return file_stem(
            quantity,
            hashed=filters.layer in clashing(self.found.study.model.layers),
            model=self.found.study.model.path.stem,
            set=self.found.study.pictures.path.name,
            img=None if volume is None else image_of(volume),
            layer=filters.layer,
            **{"class": label},
            by=criterion,
        )

    def _heading(self, filters: Filters, label: str) -> str:
        from extract.importance import ALL

        count = self.found.counts[label]
        number = "" if not count else "1 picture" if count == 1 else f"{count:,} pictures"
        who = f"all {number}" if label == ALL else f"class {label}, {number}"
        whose = f"importance for {who}" if count else "importance"
        return f"{self.found.study.model.path.stem} · {filters.layer} · {whose}"

    def _ranking(self, criterion: str, filters: Filters, label: str) -> Ranking:
        from extract.importance import CRITERIA
        from render_presets.importance import Ranking

        estimate = self.found.estimates[criterion, filters.layer, label]
        low, high = estimate.low, estimate.high
        return Ranking(estimate.mean, criterion, CRITERIA[criterion].says, low, high)


def image_of(volume: Volume) -> str | None:
    """Return what the picture is called of which a volume shows maps; None if it tells of none."""
    image = volume.facts.get("image")
    return Path(str(image.get("file"))).stem if isinstance(image, Mapping) else None


def keys_of(path: Path) -> list[tuple[str, ...]]:
    """Return target, criterion, layer and class of all scores in a JSON file; none if it is no such file."""
    from converters.errors import CnnVisError
    from extract.importance.tables import all_scores

    try:
        target = json.loads(path.read_text(encoding="utf-8"))["target"]
        return [(target, *key) for key in all_scores(path)]
    except (OSError, CnnVisError, ValueError, KeyError, TypeError, RecursionError):
        return []


def note_other_scores(
    path: Path, model: Model, study: Study | None = None, facts: Mapping[str, Any] | None = None
) -> None:
    """Tell the user where scores are not those of a network, or not of a study, or do not tell it.

    Parameters
    ----------
    path : Path
        The file of scores.
    model : Model
        The network that they are used for.
    study : Study, optional
        Of which the set, the classes and the preprocessing are to be the scores' too.
    facts : mapping, optional
        What the study's own files tell: ``target`` and ``feeds``.
    """
    from .progress import note
    from .provenance import model_facts

    own: dict[str, Any] = {"network": _network(model_facts(model))}
    if study is not None and facts is not None:
        own |= {
            "neuron": facts["target"],
            "set": study.pictures.path.name,
            "preprocessing": json.loads(json.dumps(study.settings)),
            "feed": facts.get("feeds"),
        }
    try:
        told = {} if path.suffix.lower() == ".csv" else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        # whoever reads the scores says what is wrong with the file
        return
    try:
        has = {
            "network": _network(told["model"]),
            "neuron": told["target"],
            "set": told["set"]["name"],
            "preprocessing": told["settings"]["preprocessing"],
            "feed": told.get("feeds"),
        }
        classes = {label: of_class["neuron"] for label, of_class in told["classes"].items()}
    except (KeyError, TypeError, AttributeError):
        beside = path.with_suffix(".json")
        more = f"; {beside.name} does" if beside != path and beside.exists() else ""
        note(f"{path}: does not tell of which network and pictures these scores are{more}")
        return
    for what, value in own.items():
        if has[what] != value:
            note(f"{path}: are scores of another {what} than here, for {model.path}")
    if study is not None and study.by_class:
        for label in [one for one in study.neurons if classes.get(one) not in (None, study.neurons[one])]:
            note(f"{path}: class {label!r} is neuron {classes[label]} there, and {study.neurons[label]} here")


def _network(facts: Mapping[str, Any]) -> tuple[object, object]:
    """Return what tells a network from others."""
    return facts.get("sha256"), facts.get("weights")
