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
    """Open a scene, and follow its links from the volume on."""
    application = Application()
    scene = application.scene
    scene.SetURL(path)
    if not scene.Connect():
        raise RuntimeError(path + ": Slicer reads no scene there")
    (volume,) = _nodes(scene, "vtkMRMLScalarVolumeNode")
    displays = [volume.GetNthDisplayNode(number) for number in range(volume.GetNumberOfDisplayNodes())]
    (rendering,) = [node for node in displays if node.IsA("vtkMRMLVolumeRenderingDisplayNode")]
    (slices,) = [node for node in displays if not node.IsA("vtkMRMLVolumeRenderingDisplayNode")]
    (camera,) = _nodes(scene, "vtkMRMLCameraNode")
    answer = {
        "name": volume.GetName(),
        "storage": volume.GetStorageNode().GetClassName(),
        "file": volume.GetStorageNode().GetFullNameFromFileName(),
        "slices": slices.GetClassName(),
        "window": [slices.GetWindowLevelMin(), slices.GetWindowLevelMax()],
        "rendering": rendering.GetClassName(),
        "visible": bool(rendering.GetVisibility()),
        "in slice views": [
            node.GetBackgroundVolumeID() == volume.GetID()
            for node in _nodes(scene, "vtkMRMLSliceCompositeNode")
        ],
        "camera position": camera.GetPosition(),
        "camera focal point": camera.GetFocalPoint(),
        "camera view up": camera.GetViewUp(),
        "camera view angle": camera.GetViewAngle(),
    }
    answer.update(_volume(volume))
    answer.update(_property(rendering.GetVolumePropertyNode()))
    return answer


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


jobs.run({"volume": open_volume, "sequence": open_sequence, "property": open_property, "scene": open_scene})
