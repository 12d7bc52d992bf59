"""Reads files in ParaView, and says what it found there. Runs in pvbatch."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import jobs
import numpy as np
from paraview import servermanager, simple
from vtkmodules.util.numpy_support import vtk_to_numpy


def open_volume(path):
    """Open a file as File > Open does; return geometry and all arrays, shape (array, z, y, x)."""
    source = simple.OpenDataFile(path)
    source.UpdatePipeline()
    image = servermanager.Fetch(source)
    matrix = image.GetDirectionMatrix()
    data = image.GetPointData()
    arrays = [data.GetArray(number) for number in range(data.GetNumberOfArrays())]
    answer = {
        "reader": source.GetXMLName(),
        "size": image.GetDimensions(),
        "extent": image.GetExtent(),
        "spacing": image.GetSpacing(),
        "origin": image.GetOrigin(),
        "direction": [matrix.GetElement(row, column) for row in range(3) for column in range(3)],
        "names": [array.GetName() for array in arrays],
        "active": data.GetScalars() and data.GetScalars().GetName(),
        "components": [array.GetNumberOfComponents() for array in arrays],
        "values": np.stack([_values(array, image.GetDimensions()) for array in arrays]),
    }
    simple.Delete(source)
    return answer


def open_steps(path):
    """Open a file as File > Open does; return its times, and of each step the one array that it has."""
    source = simple.OpenDataFile(path)
    source.UpdatePipelineInformation()
    answer = {"times": list(source.TimestepValues), "values": []}
    for time in answer["times"]:
        source.UpdatePipeline(time)
        image = servermanager.Fetch(source)
        array = image.GetPointData().GetArray(0)
        answer["values"].append(_values(array, image.GetDimensions()))
        answer["name"] = array.GetName()
        answer["affine"] = [image.GetOrigin(), image.GetSpacing()]
    answer["values"] = np.stack(answer["values"])
    simple.Delete(source)
    return answer


def open_components(path):
    """Open a file as File > Open does; return all components of its one array, shape (component, z, y, x)."""
    source = simple.OpenDataFile(path)
    source.UpdatePipeline()
    image = servermanager.Fetch(source)
    array = vtk_to_numpy(image.GetPointData().GetArray(0))
    simple.Delete(source)
    return {"values": np.moveaxis(array.reshape(*image.GetDimensions()[::-1], -1), -1, 0)}


def _values(array, size):
    return vtk_to_numpy(array).reshape(*size[::-1], -1)[..., 0]


def show(path):
    """Show a file as a volume; return what ParaView itself chose for it."""
    source = simple.OpenDataFile(path)
    display = simple.Show(source, simple.GetActiveViewOrCreate("RenderView"))
    display.SetRepresentationType("Volume")
    answer = {"unit distance": display.ScalarOpacityUnitDistance}
    simple.Delete(source)
    return answer


def apply_preset(path, name):
    """Import a preset file and apply it to colours and opacities, at the values that it names."""
    imported = simple.ImportPresets(path)
    colors = simple.GetColorTransferFunction("values")
    opacities = simple.GetOpacityTransferFunction("values")
    # in ParaView 5.11 these are True for unknown names too
    colors.ApplyPreset(name, False)
    opacities.ApplyPreset(name, False)
    return {
        "imported": bool(imported),
        "colors": list(colors.RGBPoints),
        "space": colors.ColorSpace.GetData(),
        "opacities": list(opacities.Points),
    }


def run_script(path, arguments):
    """Run one of our scripts as pvbatch does; return what it made, and what its texts say at each step."""
    sys.argv = [path, *arguments]
    try:
        runpy.run_path(path, run_name="__main__")
        return _session()
    finally:
        # ResetSession hangs in pvbatch 5.11
        for proxy in [*simple.GetRenderViews(), *reversed(simple.GetSources().values())]:
            simple.Delete(proxy)


def _session():
    scene, view = simple.GetAnimationScene(), simple.GetActiveView()
    sources = {name: source for (name, _), source in simple.GetSources().items()}
    texts = [source for source in sources.values() if source.GetXMLName() == "PythonAnnotation"]
    times = list(scene.TimeKeeper.TimestepValues or [])
    said = []
    for time in times:
        for text in texts:
            text.UpdatePipeline(time)
        said.append([servermanager.Fetch(text).GetColumn(0).GetValue(0) for text in texts])
    return {
        "names": list(sources),
        "times": times,
        "mode": scene.GetProperty("PlayMode").GetData(),
        "texts": said,
        "shown": [
            name for name, source in sources.items() if simple.GetRepresentation(source, view).Visibility
        ],
    }


def draw(script, picture, size, turn):
    """Run one of our scripts in a view of its own, with nothing but the volume; return how that is drawn.

    The camera then goes so many degrees to the right around the volume.
    """
    view = simple.CreateRenderView()
    sys.argv = [script, "--bare", "--screenshot", picture, "--size", "{}x{}".format(*size)]
    runpy.run_path(script, run_name="__main__")
    if turn:
        view.GetActiveCamera().Azimuth(turn)
        simple.SaveScreenshot(picture, view, ImageResolution=size)
    display = simple.GetDisplayProperties(simple.GetActiveSource(), view)
    answer = {"version": str(simple.GetParaViewVersion()), "shade": display.Shade}
    for source in simple.GetSources().values():
        simple.Delete(source)
    simple.Delete(view)
    return answer


jobs.run(
    {
        "open": open_volume,
        "steps": open_steps,
        "components": open_components,
        "show": show,
        "preset": apply_preset,
        "script": run_script,
        "draw": draw,
    }
)
