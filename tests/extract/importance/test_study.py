"""Studies of labelled sets: means by class, what is left out, and going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from converters.errors import CnnVisWarning
from extract import ImageError, ModelError
from extract.filters import find_filters
from extract.importance import ALL, Importance, StateFile, Study, importance, read_scores
from extract.importance.rows import Table
from extract.importance.tables import Choice, normalized, ranks, write_csv, write_json
from extract.labelled import read_labelled
from extract.preprocessing import Preprocessing
from tests.extract.importance.nets import images, mixed_model

LABELS = np.array(["b", "a", "b", "c", "b", "a", "b"])
NEURONS = {"a": 4, "b": 0, "c": 2}
NAMES = ("grad_l2", "act_mean", "weight_l2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    np.save(folder / "x.npy", images(len(LABELS)))
    np.save(folder / "y.npy", LABELS)
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    model = mixed_model(folder)
    pictures = read_labelled(folder / "x.npy", folder / "y.npy")
    filters = find_filters(model, ["conv", "gemm"])
    return Study(model, pictures, NEURONS, filters, NAMES, Preprocessing(), batch=2, replicates=50)


@pytest.fixture(scope="module")
def found(study: Study) -> Importance:
    return importance(study)


def _bytes(found: Importance) -> dict:
    """All that is found, to the last bit."""
    parts = {
        key: [None if v is None else v.tobytes() for v in (one.mean, one.error, one.low, one.high)]
        for key, one in found.estimates.items()
    }
    return {**parts, "counts": dict(found.counts), "faults": found.faults, "contents": found.contents}


def test_streamed_class_means_are_the_means_of_all_rows(study: Study, found: Importance) -> None:
    table = Table(study.model, None, study.filters, ["grad_l2", "act_mean"])
    rows = table.rows(images(len(LABELS)), np.array([NEURONS[label] for label in LABELS]))
    assert dict(found.counts) == {"a": 2, "b": 4, "c": 1, ALL: 7}
    for label in (*NEURONS, ALL):
        own = rows[label == LABELS] if label != ALL else rows
        for (criterion, layer), place in table.columns.items():
            estimate = found.estimates[criterion, layer, label]
            # rows of other batches differ by rounding
            np.testing.assert_allclose(estimate.mean, own[:, place].mean(axis=0), rtol=1e-5, atol=1e-6)
            if len(own) > 1:
                error = stats.sem(own[:, place], axis=0)
                np.testing.assert_allclose(estimate.error, error, rtol=1e-4, atol=1e-6)
                assert (estimate.low <= estimate.mean + 1e-12).all()
                assert (estimate.high >= estimate.mean - 1e-12).all()
            else:
                assert (estimate.error, estimate.low, estimate.high) == (None, None, None)


def test_another_batch_size_gives_the_same_up_to_rounding(study: Study, found: Importance) -> None:
    other = importance(replace(study, batch=5))
    for key, estimate in found.estimates.items():
        for part in ("mean", "error", "low", "high"):
            values, others = getattr(estimate, part), getattr(other.estimates[key], part)
            if values is not None:
                np.testing.assert_allclose(others, values, rtol=1e-4, atol=1e-6)
    assert other.contents == found.contents


class _StoppedError(Exception):
    pass


def _stopping(after: int) -> Callable[[int], None]:
    """Return what stops a run when so many pictures are done with."""
    total = 0

    def done(count: int) -> None:
        nonlocal total
        total += count
        if total > after:
            raise _StoppedError

    return done


def test_a_stopped_run_goes_on_and_comes_to_the_same_bits(
    study: Study, found: Importance, tmp_path: Path
) -> None:
    keep = StateFile(tmp_path / "run.state", every=0)
    with pytest.raises(_StoppedError):
        importance(study, keep, _stopping(2))
    with pytest.raises(_StoppedError), pytest.warns(CnnVisWarning, match="goes on behind picture 2 of 7"):
        importance(study, keep, _stopping(4))
    begun: list[int] = []
    with pytest.warns(CnnVisWarning, match="goes on behind picture 4 of 7"):
        again = importance(study, keep, begun.append)
    assert begun == [4, 2, 1]
    assert _bytes(again) == _bytes(found)
    keep.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", ["seed", "damage"])
def test_a_state_of_another_run_or_a_damaged_one_is_not_taken(
    study: Study, tmp_path: Path, change: str
) -> None:
    keep = StateFile(tmp_path / "run.state", every=0)
    with pytest.raises(_StoppedError):
        importance(study, keep, _stopping(4))
    if change == "damage":
        keep.path.write_bytes(keep.path.read_bytes()[:-100])
    begun: list[int] = []
    with pytest.warns(CnnVisWarning, match="all pictures are seen anew"):
        importance(replace(study, seed=1) if change == "seed" else study, keep, begun.append)
    assert sum(begun) == len(LABELS)


def test_pictures_without_finite_values_and_labels_of_no_class_are_left_out(
    study: Study, folder: Path, tmp_path: Path
) -> None:
    x = images(len(LABELS))
    x[3, 0, 0, 0] = np.nan
    x[0] = 1e38
    np.save(tmp_path / "x.npy", x)
    pictures = read_labelled(tmp_path / "x.npy", folder / "y.npy")
    found = importance(replace(study, pictures=pictures, neurons={"b": 0, "c": 2}))
    assert dict(found.counts) == {"b": 3, ALL: 3}
    assert [fault.name for fault in found.faults] == ["0", "3", "c"]
    assert "NaN or infinite" in found.faults[0].reason
    assert "no picture of class 'c' counts" in found.faults[2].reason
    clean = importance(replace(study, neurons={"b": 0}))
    part, whole = (f.estimates["grad_l2", "conv", "b"] for f in (found, clean))
    assert (part.count, whole.count) == (3, 4)


def test_a_set_of_which_nothing_counts_is_an_error(study: Study, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full_like(images(len(LABELS)), np.nan))
    pictures = read_labelled(tmp_path / "x.npy", folder / "y.npy")
    with pytest.raises(ImageError, match=r"no picture of this set counts: .*NaN"):
        importance(replace(study, pictures=pictures))


def test_studies_that_are_none(study: Study) -> None:
    for change, message in (
        ({"criteria": ["grad"]}, "unknown criterion 'grad': choose of grad_l2"),
        ({"criteria": []}, "needs a layer and a criterion"),
        ({"filters": []}, "needs a layer and a criterion"),
        ({"neurons": {"all": 1}}, "a class cannot be called 'all'"),
    ):
        with pytest.raises((ModelError, ImageError), match=message):
            replace(study, **change)


def test_criteria_of_weights_need_no_picture(study: Study) -> None:
    done: list[int] = []
    found = importance(replace(study, criteria=["weight_l2", "random"]), done=done.append)
    labels = {*study.neurons, ALL}
    assert dict(found.counts) == dict.fromkeys(labels, 0)
    assert {key[2] for key in found.estimates} == labels
    assert sum(done) == len(study.order)


def test_layers_are_normalized_and_ranked() -> None:
    scores = np.array([3.0, -4, 3, 0])
    np.testing.assert_allclose(normalized(scores), scores / np.sqrt(34))
    assert ranks(scores).tolist() == [1, 4, 2, 3]
    assert normalized(np.zeros(3)).tolist() == [0, 0, 0]


def test_scores_come_back_from_json_and_csv(found: Importance, tmp_path: Path) -> None:
    with (tmp_path / "s.json").open("w") as file:
        write_json(found, {"model": {"file": "net"}}, file)
    whole = json.loads((tmp_path / "s.json").read_text())
    assert (list(whole)[:3], list(whole)[-1]) == (["form", "model", "set"], "layers")
    assert {layer: own["maps"] for layer, own in whole["layers"].items()} == found.maps
    assert found.maps
    assert {
        (criterion, layer, label): lists["score"]
        for layer, own in whole["layers"].items()
        for criterion, by_class in own["scores"].items()
        for label, lists in by_class.items()
    } == {key: estimate.mean.tolist() for key, estimate in found.estimates.items()}
    with (tmp_path / "s.csv").open("w", newline="") as file:
        write_csv(found, file)
    wanted = found.estimates["act_mean", "gemm", "b"].mean.tolist()
    for name in ("s.json", "s.csv"):
        assert read_scores(tmp_path / name, Choice("gemm", "act_mean", "b")) == wanted
        by_volume = read_scores(tmp_path / name, Choice(None, "act_mean", "b", likely="gemm"))
        assert by_volume == wanted
        for choice, message in (
            (Choice("conv"), "3 choices of criterion: choose of grad_l2, act_mean, weight_l2"),
            (Choice(None, "grad_l2", None, "relu"), "2 choices of layer: choose of conv, gemm"),
            (Choice("conv", "grad_l2", "d"), "no class 'd': choose of a, b, c, all"),
        ):
            with pytest.raises(ImageError, match=message):
                read_scores(tmp_path / name, choice)
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert len(lines) == 1 + (4 + 8) * len(NAMES) * 4
    # one picture: no standard error and no interval
    single = next(line for line in lines if line.startswith("conv,c,grad_l2,0,"))
    assert single.split(",")[4] == "1"
    assert single.split(",")[6:9] == ["", "", ""]


@pytest.mark.parametrize(
    "text", ["{}", "[", '{"form": "cnnvis importance 1", "layers": {"a": 3}}', "a,b\n1,2\n"]
)
def test_files_that_hold_no_scores(tmp_path: Path, text: str) -> None:
    path = tmp_path / ("s.csv" if text.startswith("a") else "s.json")
    path.write_text(text)
    with pytest.raises(ImageError, match="not a file of scores"):
        read_scores(path, Choice())
