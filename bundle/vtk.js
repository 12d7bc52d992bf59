// What the page uses of vtk.js, as the global `vtk`.

// these register how OpenGL draws each kind of thing
import "@kitware/vtk.js/Rendering/OpenGL/Actor";
import "@kitware/vtk.js/Rendering/OpenGL/Camera";
import "@kitware/vtk.js/Rendering/OpenGL/PolyDataMapper";
import "@kitware/vtk.js/Rendering/OpenGL/Renderer";
import "@kitware/vtk.js/Rendering/OpenGL/Volume";
import "@kitware/vtk.js/Rendering/OpenGL/VolumeMapper";

export { default as DataArray } from "@kitware/vtk.js/Common/Core/DataArray";
export { default as ImageData } from "@kitware/vtk.js/Common/DataModel/ImageData";
export { default as PiecewiseFunction } from "@kitware/vtk.js/Common/DataModel/PiecewiseFunction";
export { default as Plane } from "@kitware/vtk.js/Common/DataModel/Plane";
export { default as PolyData } from "@kitware/vtk.js/Common/DataModel/PolyData";
export { default as Actor } from "@kitware/vtk.js/Rendering/Core/Actor";
export { default as ColorTransferFunction } from "@kitware/vtk.js/Rendering/Core/ColorTransferFunction";
export { default as Mapper } from "@kitware/vtk.js/Rendering/Core/Mapper";
export { default as Renderer } from "@kitware/vtk.js/Rendering/Core/Renderer";
export { default as RenderWindow } from "@kitware/vtk.js/Rendering/Core/RenderWindow";
export { default as RenderWindowInteractor } from "@kitware/vtk.js/Rendering/Core/RenderWindowInteractor";
export { default as Volume } from "@kitware/vtk.js/Rendering/Core/Volume";
export { default as VolumeMapper } from "@kitware/vtk.js/Rendering/Core/VolumeMapper";
export { default as OpenGLRenderWindow } from "@kitware/vtk.js/Rendering/OpenGL/RenderWindow";
