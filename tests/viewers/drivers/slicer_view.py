"""3D Slicer's views without a display: its own managers draw into a window that no one sees."""

import os

# without it, VTK looks for a display first, and complains
os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
)


class SpaceView:
    """The 3-D view, which a scene that is opened then gives its camera."""

    def __init__(self, logic, scene, size):
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        # the managers do nothing without one
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory()
        self.factory.SetMRMLApplicationLogic(logic)
        for manager in MANAGERS:
            # all views share one factory
            if not self.factory.IsDisplayableManagerRegistered(manager):
                self.factory.RegisterDisplayableManager(manager)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.Initialize(self.factory, self.renderer)
        view = slicer.vtkMRMLViewNode()
        view.SetSingletonTag("1")
        view.SetLayoutName("1")
        self.group.SetMRMLDisplayableNode(scene.AddNode(view))

    def picture(self):
        """Return what is to be seen: rows from top to bottom, columns, RGB."""
        self.renderer.ResetCameraClippingRange()
        self.window.Render()
        grabbed = vtk.vtkWindowToImageFilter()
        grabbed.SetInput(self.window)
        grabbed.ReadFrontBufferOff()
        grabbed.Update()
        return _pixels(grabbed.GetOutput())


class SliceView:
    """A slice view of a scene that is open already; the 3-D view may show its slice too."""

    def __init__(self, logic, scene, color):
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(logic)
        self.logic.SetMRMLScene(scene)
        self.logic.SetSliceNode(scene.GetNodeByID("vtkMRMLSliceNode" + color))
        self.logic.SetSliceCompositeNode(scene.GetNodeByID("vtkMRMLSliceCompositeNode" + color))
        self.logic.CreateSliceModel()

    def picture(self):
        """Return what is to be seen on its black ground: rows from top to bottom, columns, RGB."""
        self.logic.UpdateImageData()
        source = self.logic.GetImageDataConnection()
        source.GetProducer().Update()
        pixels = _pixels(source.GetProducer().GetOutputDataObject(source.GetIndex()))
        return (pixels[..., :3] * (pixels[..., 3:] / 255)).round().astype(np.uint8)

    def close(self):
        """Let go of the scene, which it must not outlive."""
        self.logic.DeleteSliceModel()
        self.logic.SetMRMLScene(None)


def _pixels(image):
    columns, rows, _ = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    return np.array(values.reshape(rows, columns, -1)[::-1], np.uint8)
