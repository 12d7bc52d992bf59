"""Loads files by 3D Slicer's own classes, and says what it found there. Runs in the Python of slicer-core."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import jobs
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def open_volume(path):
    """Open a file as Add Data does, which tries one kind of volume after the other."""
    application = Application()
    node = application.volumes.AddArchetypeVolume(path, "volume")
    if node is None:
        raise RuntimeError(path + ": Slicer reads no volume there")
    return _volume(node)


def open_sequence(path):
    """Open a file as a sequence of volumes."""
    application = Application()
    storage, sequence = slicer.vtkMRMLVolumeSequenceStorageNode(), slicer.vtkMRMLSequenceNode()
    application.scene.AddNode(storage)
    application.scene.AddNode(sequence)
    storage.SetFileName(path)
    if not (storage.SupportedFileType(path) and storage.ReadData(sequence)):
        raise RuntimeError(path + ": Slicer reads no sequence there")
    answer = {
        "frames": sequence.GetNumberOfDataNodes(),
        "index": [sequence.GetNthIndexValue(frame) for frame in range(sequence.GetNumberOfDataNodes())],
        "index type": sequence.GetIndexTypeAsString(),
    }
    for frame in range(sequence.GetNumberOfDataNodes()):
        volume = _volume(sequence.GetNthDataNode(frame))
        answer.update({f"{key} {frame}": value for key, value in volume.items()})
    return answer


def open_property(path):
    """Open a transfer function."""
    application = Application()
    is_json = path.endswith(".json")
    kind = slicer.vtkMRMLVolumePropertyJsonStorageNode if is_json else slicer.vtkMRMLVolumePropertyStorageNode
    storage, look = kind(), slicer.vtkMRMLVolumePropertyNode()
    application.scene.AddNode(storage)
    application.scene.AddNode(look)
    storage.SetFileName(path)
    if not storage.ReadData(look):
        raise RuntimeError(path + ": Slicer reads no volume property there")
    return _property(look)


def open_scene(path):
    """Open a scene or bundle, and follow its links from each volume on.

    What is found of one volume goes by its own name, of the second on with its number before: ``2 values``.
    """
    application = Application()
    scene = application.open(path)
    (camera,) = _nodes(scene, "vtkMRMLCameraNode")
    (layout,) = _nodes(scene, "vtkMRMLLayoutNode")
    volumes = _nodes(scene, "vtkMRMLScalarVolumeNode")
    answer = {
        "volumes": len(volumes),
        "camera position": camera.GetPosition(),
        "camera focal point": camera.GetFocalPoint(),
        "camera view up": camera.GetViewUp(),
        "camera view angle": camera.GetViewAngle(),
        "layout": layout.GetViewArrangement(),
        "active": [volume.GetID() for volume in volumes].index(
            application.logic.GetSelectionNode().GetActiveVolumeID()
        ),
    }
    for number, volume in enumerate(volumes, start=1):
        before = f"{number} " if number > 1 else ""
        answer.update({before + key: value for key, value in _shown(scene, volume).items()})
    return answer


def play_scene(path):
    """Open a scene with one player, and choose one frame after the other; nothing else moves the volumes."""
    application = Application()
    scene = application.open(path)
    (player,) = _nodes(scene, "vtkMRMLSequenceBrowserNode")
    volumes = _nodes(scene, "vtkMRMLScalarVolumeNode")
    answer = {
        "frames": player.GetNumberOfItems(),
        "labels": [player.GetFormattedIndexValue(frame) for frame in range(player.GetNumberOfItems())],
        "rate": player.GetPlaybackRateFps(),
        "playing": bool(player.GetPlaybackActive()),
        "first": player.GetSelectedItemNumber(),
        "filled": [
            volumes.index(player.GetProxyNode(sequence)) for sequence in _nodes(scene, "vtkMRMLSequenceNode")
        ],
    }
    for frame in range(player.GetNumberOfItems()):
        # the first one is what the scene opened with
        if frame:
            player.SelectNextItem()
        for number, volume in enumerate(volumes, start=1):
            before = f"{number} " if number > 1 else ""
            found = {"name": volume.GetName(), **_volume(volume), **_looks(volume)}
            answer.update({f"{before}{key} {frame}": value for key, value in found.items()})
    return answer


def draw_scene(path, size, frames=1):
    """Draw a scene in all of its views, for each frame; as in Slicer, the 3-D view is there before."""
    from slicer_view import SliceView, SpaceView

    application = Application()
    space = SpaceView(application.logic, application.scene, size)
    scene = application.open(path)
    slices = {color: SliceView(application.logic, scene, color) for color in ("Red", "Green", "Yellow")}
    answer = {}
    for node in _nodes(scene, "vtkMRMLSliceNode"):
        pose = node.GetSliceToRAS()
        middle = [pose.GetElement(row, 3) for row in range(3)]
        answer[node.GetName() + " place"] = [middle, node.GetFieldOfView()[0]]
    for frame in range(frames):
        if frame:
            (player,) = _nodes(scene, "vtkMRMLSequenceBrowserNode")
            player.SelectNextItem()
        answer.update({f"{color} {frame}": view.picture() for color, view in slices.items()})
        answer[f"space {frame}"] = space.picture()
    for view in slices.values():
        view.close()
    return answer


def draw_space(path, size, distance, turn):
    """Draw the 3-D view of a scene, with samples at a distance in voxels, or 0 as Slicer chooses it.

    The camera first goes so many degrees to the right around the volume.
    """
    from slicer_view import SpaceView

    application = Application()
    view = SpaceView(application.logic, application.scene, size)
    application.open(path)
    volume = view.renderer.GetVolumes().GetItemAsObject(0)
    if distance:
        volume.GetMapper().SetLockSampleDistanceToInputSpacing(False)
        volume.GetMapper().SetSampleDistance(distance)
    view.renderer.GetActiveCamera().Azimuth(turn)
    return {
        "version": slicer_version(),
        "picture": view.picture(),
        "distance": volume.GetMapper().GetSampleDistance(),
        "shade": volume.GetProperty().GetShade(),
    }


def slicer_version():
    from importlib.metadata import version

    return version("slicer-core")


class Application:
    """A scene with the logic around it; logics do not keep each other alive, this does."""

    def __init__(self):
        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkMRMLApplicationLogic()
        self.logic.SetMRMLScene(self.scene)
        self.volumes = slicer.vtkSlicerVolumesLogic()
        self.modules = {
            "Colors": slicer.vtkMRMLColorLogic(),
            "VolumeRendering": slicer.vtkSlicerVolumeRenderingLogic(),
            "Sequences": slicer.vtkSlicerSequencesLogic(),
            "Volumes": self.volumes,
        }
        for name, module in self.modules.items():
            self.logic.SetModuleLogic(name, module)
            module.SetMRMLApplicationLogic(self.logic)
            module.SetMRMLScene(self.scene)

    def open(self, path):
        """Open a scene or a bundle."""
        if path.endswith(".mrb"):
            self.cache = slicer.vtkCacheManager()
            self.cache.SetRemoteCacheDirectory(str(Path(path).parent / "unpacked"))
            self.files = slicer.vtkDataIOManager()
            self.files.SetCacheManager(self.cache)
            self.scene.SetDataIOManager(self.files)
            read = self.scene.ReadFromMRB(path, True)
        else:
            self.scene.SetURL(path)
            read = self.scene.Connect()
        if not read:
            raise RuntimeError(path + ": Slicer reads no scene there")
        return self.scene


def _nodes(scene, name):
    nodes = scene.GetNodesByClass(name)
    return [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]


def _volume(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars()
    return {
        "kind": node.GetClassName(),
        "size": image.GetDimensions(),
        "components": image.GetNumberOfScalarComponents(),
        "affine": [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)],
        "values": vtk_to_numpy(scalars).reshape(*image.GetDimensions()[::-1], -1)[..., 0].copy(),
    }


def _shown(scene, volume):
    """Return what a volume is, and how the views of its scene show it."""
    storage = volume.GetStorageNode()
    composites = _nodes(scene, "vtkMRMLSliceCompositeNode")
    layers = [(node.GetBackgroundVolumeID(), node.GetForegroundVolumeID()) for node in composites]
    return {
        "name": volume.GetName(),
        "storage": storage and storage.GetClassName(),
        "file": storage and storage.GetFullNameFromFileName(),
        "facts": {name: volume.GetAttribute(name) for name in volume.GetAttributeNames()},
        "in slice views": [volume.GetID() in ids for ids in layers],
        "layer": [ids.index(volume.GetID()) if volume.GetID() in ids else None for ids in layers],
        "foreground": [node.GetForegroundOpacity() for node in composites],
        **_volume(volume),
        **_looks(volume),
    }


def _looks(volume):
    displays = [volume.GetNthDisplayNode(number) for number in range(volume.GetNumberOfDisplayNodes())]
    (rendering,) = [node for node in displays if node.IsA("vtkMRMLVolumeRenderingDisplayNode")]
    (slices,) = [node for node in displays if not node.IsA("vtkMRMLVolumeRenderingDisplayNode")]
    table = slices.GetColorNode().GetLookupTable()
    return {
        "slices": slices.GetClassName(),
        "window": [slices.GetWindowLevelMin(), slices.GetWindowLevelMax()],
        "table": vtk_to_numpy(table.GetTable()).copy(),
        "rendering": rendering.GetClassName(),
        "visible": bool(rendering.GetVisibility()),
        **_property(rendering.GetVolumePropertyNode()),
    }


def _property(node):
    look = node.GetVolumeProperty()
    colors, opacities, gradient = (
        look.GetRGBTransferFunction(),
        look.GetScalarOpacity(),
        look.GetGradientOpacity(),
    )
    return {
        "colors": _points(colors, 6)[:, :4],
        "opacities": _points(opacities, 4)[:, :2],
        "gradient opacities": _points(gradient, 4)[:, :2],
        "shade": look.GetShade(),
        "interpolation": look.GetInterpolationTypeAsString(),
        "unit distance": look.GetScalarOpacityUnitDistance(),
    }


def _points(function, width):
    import numpy as np

    points, point = [], [0.0] * width
    for number in range(function.GetSize()):
        function.GetNodeValue(number, point)
        points.append(list(point))
    return np.array(points)


jobs.run(
    {
        "volume": open_volume,
        "sequence": open_sequence,
        "property": open_property,
        "scene": open_scene,
        "play": play_scene,
        "draw": draw_scene,
        "space": draw_space,
    }
)
