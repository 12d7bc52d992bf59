"""Pictures and other values on their way into a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from extract import Input, Model, Preprocessing
    from extract.images import PreparedInput
    from extract.sources import ImageSource

    from .export import Writer
    from .models import OpenedModel


def settings_of(
    opened: OpenedModel, given: dict[str, Any], target: Input, sources: list[ImageSource]
) -> Preprocessing:
    """Return the preprocessing; note it where nothing says what values the network was trained on."""
    from extract import PRESETS
    from extract.preprocessing import configure

    from .progress import note

    if opened.knows_values(given):
        settings = opened.configure(given) or PRESETS["unit"]
        _check_mean(opened, given, settings, target)
        return _as_seen(settings, given, target)
    preset, what = _usual(opened.model, target)
    # other inputs take no pictures: bytes go in as they are, and files are refused
    takes_pictures = len(target.channels_first) == 4
    if takes_pictures and any(source.kind == "picture" for source in sources):
        note(f"no preprocessing is given: pictures go in as {what}; see --preprocess")
    return _as_seen(configure({"preset": preset, **given}), given, target)


def _as_seen(settings: Preprocessing, given: Mapping[str, Any], target: Input) -> Preprocessing:
    """Return settings that say of a network of one channel that it sees luminance."""
    grey = target.channels_first[1:2] == (1,) and "channels" not in given
    return replace(settings, channels="L") if grey else settings


def _check_mean(
    opened: OpenedModel, given: Mapping[str, Any], settings: Preprocessing, target: Input
) -> None:
    """Read a mean image once before any picture, so that its errors are its own."""
    from extract import ImageError
    from extract.mean import read_mean

    channels = next(iter(target.channels_first[1:]), None)
    if not isinstance(settings.mean, Path) or channels is None:
        return
    try:
        read_mean(settings.mean, channels)
    except ImageError as error:
        if "mean" in given or opened.described is not None:
            raise
        path = opened.model.path
        raise ImageError(
            f"{path}: its mean_file: {error}; --mean FILE or --preprocess gives another"
        ) from error


def _usual(model: Model, target: Input) -> tuple[str, str]:
    """Return the preset that fits most networks of a kind, and what it makes of pictures."""
    if target.dtype.startswith(("int", "uint")):
        return "raw", "RGB from 0 to 255"
    if model.source.blobs and target.channels_first[1:2] == (3,):
        return "caffe", "BGR from 0 to 255 minus 104, 117, 123, as for BVLC's networks"
    return "unit", "grey from 0 to 1" if target.channels_first[1:2] == (1,) else "RGB from 0 to 1"


def fed(model: Model, feeds: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], Model]:
    """Return the values of --feed by tensor, and the network that takes them as inputs."""
    from extract.feeding import fed_at

    inputs = {value.name for value in model.inputs}
    inner = [name for name in feeds if name not in inputs]
    values = {model.tensor(name) if name in inner else name: array for name, array in feeds.items()}
    return values, fed_at(model, inner) if inner else model


def feed_facts(feeds: tuple[tuple[str, Path], ...]) -> dict[str, Any]:
    """Return the names and SHA-256 of the files of --feed, for side-cars."""
    from extract.files import sha256

    facts = {name: {"file": file.name, "sha256": sha256(file)} for name, file in feeds}
    return {"feeds": facts} if facts else {}


class Feeder:
    """What a network is fed with each batch of images.

    Parameters
    ----------
    model : Model
        The network.
    target : Input
        The input that the images are for.
    fixed : mapping of str to ndarray
        Values of its further inputs. Of those whose first axis is the images' by its name in the model, each
        image gets its own row; a single row is for all.
    total : int
        How many images there are.

    Raises
    ------
    ImageError
        If such an input has neither one row nor one for each image.
    """

    def __init__(self, model: Model, target: Input, fixed: Mapping[str, NDArray[Any]], total: int) -> None:
        from extract import ImageError

        self._target, self._fixed = target, fixed
        names = {
            value.name: value.type.tensor_type.shape.dim[0].dim_param
            for value in model.proto.graph.input
            if value.type.tensor_type.shape.dim
        }
        batch = names.get(target.name)
        alike = [name for name in fixed if batch and names.get(name) == batch]
        for name in alike:
            if len(fixed[name]) not in (1, total):
                raise ImageError(
                    f"{model.path}: --feed {name} has {len(fixed[name])} rows for {total} images: one for "
                    "each, or one for all"
                )
        self._of_images = {name for name in alike if len(fixed[name]) == total}

    def feed(self, inputs: Sequence[PreparedInput], start: int) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """Return what a batch is fed, of which the first image has the number `start` among all."""
        import numpy as np

        x = np.stack([one.array for one in inputs])
        if not self._fixed:
            return x
        declared = np.moveaxis(x, 1, -1) if self._target.channels_last else x
        own = slice(start, start + len(inputs))
        further = {
            name: values[own] if name in self._of_images else values for name, values in self._fixed.items()
        }
        return {self._target.name: declared, **further}


def export_input(
    writer: Writer, model: Model, source: Mapping[str, Any], one: PreparedInput, series: bool
) -> list[Path]:
    """Write what the network sees, in its layers' frame: a picture as a slice of luminance and as PNG.

    Parameters
    ----------
    writer : Writer
        What takes the volume.
    model : Model
        The network.
    source : mapping
        What all side-cars say.
    one : PreparedInput
        The image.
    series : bool
        Whether the inputs of all images go into one file.
    """
    import numpy as np

    from converters import Volume, lay_out

    from .names import file_stem
    from .pictures import save_png

    frame: dict[str, Any] = {"spacing": one.spacing, "origin": one.origin, "direction": one.direction}
    facts = {**source, "image": dict(one.facts), "quantity": "input"}
    own = file_stem("input", model=model.path.stem, img=one.name)
    stem = file_stem("input", model=model.path.stem) if series else own
    if one.picture is None:
        values = one.array[0] if one.array.ndim == 4 and len(one.array) == 1 else one.array
        (volume,) = lay_out(values)
        if series and volume.frames is not None:
            # an input of several volumes is no frame
            return []
        volume = volume.replace(name="input", facts={**facts, **volume.facts}, **frame)
        return writer.write(volume, stem, presets=False)
    from PIL import Image

    picture = Image.fromarray(np.clip(np.rint(one.picture), 0, 255).astype(np.uint8))
    grey = np.asarray(picture.convert("L"))[np.newaxis]
    volume = Volume(grey, name="luminance", labels=("luminance",), facts=facts, **frame)
    return [*writer.write(volume, stem, presets=False), save_png(picture, writer.folder / f"{own}.png")]
