"use strict";

/** The 3-D view, drawn by vtk.js: the same transfer function, lengths and camera as the viewers get. */
const solid = (() => {
  const MOST_VOXELS = 2 ** 24;
  // along the diagonal
  const [FEWEST, SAMPLES] = [200, 512];
  const MARK = [0.3, 0.95, 1];
  const FASTER = 2;
  // corners are numbered by three bits, and an edge joins two that differ in one
  const EDGES = [...Array(8).keys()].flatMap((a) => [1, 2, 4].filter((bit) => !(a & bit)).map((bit) => [a, a | bit]));

  /** Return why this browser cannot draw volumes, null if it can. */
  function problem() {
    const context = document.createElement("canvas").getContext("webgl2");
    if (!context) return "This browser has no WebGL 2, so there is no 3-D view. The slices work without.";
    context.getExtension("WEBGL_lose_context")?.loseContext();
    return null;
  }

  function lines(points, edges) {
    const data = vtk.PolyData.newInstance();
    data.getPoints().setData(Float32Array.from(points.flat()), 3);
    data.getLines().setData(Uint32Array.from(edges.flatMap((ends) => [2, ...ends])));
    return data;
  }

  function lineActor(color) {
    const actor = vtk.Actor.newInstance();
    const mapper = vtk.Mapper.newInstance();
    actor.setMapper(mapper);
    actor.getProperty().set({ color, lighting: false });
    return { actor, mapper };
  }

  /** Return data and size with `factor` neighbours along an axis averaged. */
  function averaged(data, size, axis, factor) {
    const smaller = size.map((count, other) => (other === axis ? Math.ceil(count / factor) : count));
    const sums = new Float32Array(smaller[0] * smaller[1] * smaller[2]);
    const counts = new Uint16Array(sums.length);
    let from = 0;
    for (let z = 0; z < size[2]; z++) {
      for (let y = 0; y < size[1]; y++) {
        for (let x = 0; x < size[0]; x++, from++) {
          const at = [x, y, z];
          at[axis] = Math.floor(at[axis] / factor);
          const to = at[0] + smaller[0] * (at[1] + smaller[1] * at[2]);
          sums[to] += data[from];
          counts[to]++;
        }
      }
    }
    return { data: sums.map((sum, to) => sum / counts[to]), size: smaller };
  }

  /** Return data with the one slice along an axis made into two. */
  function doubled(data, size, axis) {
    const run = axis === 0 ? 1 : axis === 1 ? size[0] : size[0] * size[1];
    const twice = new Float32Array(2 * data.length);
    for (let at = 0; at < data.length; at += run) {
      twice.set(data.subarray(at, at + run), 2 * at);
      twice.set(data.subarray(at, at + run), 2 * at + run);
    }
    return { data: twice, size: size.map((count, other) => (other === axis ? 2 : count)) };
  }

  /** Return how many neighbours along each axis are averaged, so that a texture can hold a volume. */
  function factors(size, limit) {
    const least = Math.ceil(Math.cbrt((size[0] * size[1] * size[2]) / MOST_VOXELS));
    return size.map((count) => Math.min(Math.max(Math.ceil(count / limit), least), count));
  }

  /** Return a volume as OpenGL takes it: neither flat nor larger than a texture can be. */
  function fitting(volume, data, limit) {
    let { size } = volume;
    const spacing = [...volume.spacing];
    const first = [0, 0, 0];
    for (const [axis, factor] of factors(size, limit).entries()) {
      if (factor > 1) {
        ({ data, size } = averaged(data, size, axis, factor));
        spacing[axis] *= factor;
        first[axis] = (factor - 1) / 2;
      }
    }
    for (let axis = 0; axis < 3; axis++) {
      if (size[axis] === 1) {
        ({ data, size } = doubled(data, size, axis));
        // from centre to centre, both fill the space of the one
        first[axis] -= 0.5;
      }
    }
    return { data, size, spacing, origin: camera.position(volume, first), direction: volume.direction };
  }

  /** Return planes through the outermost voxel centres: there a volume ends for VTK, half a voxel before vtk.js's. */
  function ends(box) {
    const last = camera.position(box, box.size.map((count) => count - 1));
    return [0, 1, 2].flatMap((axis) => {
      const inward = [0, 1, 2].map((row) => box.direction[3 * row + axis]);
      const outward = inward.map((part) => -part);
      return [
        vtk.Plane.newInstance({ origin: box.origin, normal: inward }),
        vtk.Plane.newInstance({ origin: last, normal: outward }),
      ];
    });
  }

  /** Return points a little farther out, so that the volume does not swallow the lines between them. */
  function around(points, factor) {
    const center = [0, 1, 2].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
    return points.map((point) => point.map((part, axis) => center[axis] + factor * (part - center[axis])));
  }

  /** Put a 3-D view into an element; `lost()` is called if the graphics card gives it up. */
  function view(element, look, lost) {
    const gl = vtk.OpenGLRenderWindow.newInstance();
    const window_ = vtk.RenderWindow.newInstance();
    const renderer = vtk.Renderer.newInstance();
    const interactor = vtk.RenderWindowInteractor.newInstance();
    renderer.setBackground(...look.background);
    window_.addRenderer(renderer);
    window_.addView(gl);
    // multisampled depth would let the volume show through the lines in front of it
    gl.getCanvas().getContext("webgl2", { antialias: false, powerPreference: "high-performance" });
    gl.setContainer(element);
    // the mapper asks it whether someone turns the volume; it hears no events
    interactor.setView(gl);
    interactor.initialize();
    const edges = lineActor(look.outline);
    const mark = lineActor(MARK);
    const mapper = vtk.VolumeMapper.newInstance();
    const actor = vtk.Volume.newInstance();
    actor.setMapper(mapper);
    mapper.setAutoAdjustSampleDistances(false);
    mapper.setMaximumSamplesPerRay(2 * SAMPLES);
    const context = gl.get3DContext();
    const limit = context.getParameter(context.MAX_3D_TEXTURE_SIZE);
    // without, numbers between voxels are those of the nearest one
    const smooth = context.getExtension("OES_texture_float_linear") !== null;

    let volume = null;
    let box = null;
    let alive = true;
    let turn = camera.START;
    let step = 1;
    let waiting = 0;
    let turning = 0;

    function draw() {
      if (!waiting) waiting = requestAnimationFrame(now);
    }

    function now() {
      waiting = 0;
      const { clientWidth: width, clientHeight: height } = element;
      if (!alive || !volume || !width || !height) return;
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      gl.setSize(Math.round(width * ratio), Math.round(height * ratio));
      mapper.setSampleDistance(turning ? FASTER * step : step);
      const eye = camera.place(box, width / height, turn);
      renderer.getActiveCamera().set({ position: eye.position, focalPoint: eye.focalPoint, viewUp: eye.viewUp });
      renderer.getActiveCamera().setViewAngle(eye.viewAngle);
      renderer.resetCameraClippingRange();
      window_.render();
      element.dataset.drawn = String(Number(element.dataset.drawn || 0) + 1);
      element.dataset.quality = turning ? "coarse" : "fine";
    }

    function setFunction({ colors, opacities, unit, interpolate }, place) {
      const rgb = vtk.ColorTransferFunction.newInstance();
      const opacity = vtk.PiecewiseFunction.newInstance();
      for (const [value, ...color] of colors) rgb.addRGBPoint(place(value), ...color);
      for (const [value, part] of opacities) opacity.addPoint(place(value), part);
      const property = actor.getProperty();
      property.setRGBTransferFunction(0, rgb);
      property.setScalarOpacity(0, opacity);
      property.setScalarOpacityUnitDistance(0, unit);
      property.setInterpolationType(interpolate ? 1 : 0);
      property.setShade(false);
    }

    /** Show a volume with the values of a frame, its slices in the order in which they shall lie. */
    function show(shown, data) {
      const fresh = shown !== volume;
      volume = shown;
      const { colors } = volume.function;
      const [low, high] = [colors[0][0], colors.at(-1)[0]];
      // an outlier must not weigh on what it is averaged with, and bytes have no steps to spare
      const exact = smooth && factors(volume.size, limit).every((factor) => factor === 1);
      box = fitting(volume, transfer.shown(data, volume.function, exact ? look.headroom : 0), limit);
      const place = smooth ? (value) => value : (value) => (255 * (value - low)) / (high - low);
      const numbers = smooth ? box.data : Uint8Array.from(box.data, (value) => Math.round(place(value)));
      const image = vtk.ImageData.newInstance();
      image.setDimensions(box.size);
      image.setSpacing(box.spacing);
      image.setOrigin(box.origin);
      // column by column, where ours is row by row
      image.setDirection([0, 1, 2].flatMap((axis) => [0, 1, 2].map((row) => volume.direction[3 * row + axis])));
      image.getPointData().setScalars(vtk.DataArray.newInstance({ values: numbers, numberOfComponents: 1 }));
      mapper.setInputData(image);
      mapper.setClippingPlanes(ends(box));
      if (fresh) {
        const diagonal = Math.hypot(...box.size.map((count, axis) => count * box.spacing[axis]));
        step = Math.max(Math.min(Math.min(...box.spacing) / 2, diagonal / FEWEST), diagonal / SAMPLES);
        setFunction(volume.function, place);
        edges.mapper.setInputData(lines(around(camera.corners(box), 1.004), EDGES));
        renderer.removeAllViewProps();
        renderer.addVolume(actor);
        renderer.addActor(edges.actor);
        renderer.addActor(mark.actor);
      }
      draw();
    }

    /** Draw a frame around a slice. */
    function markSlice(place, visible) {
      if (!volume) return;
      const [right, bottom] = volume.size.map((count) => count - 1);
      const ends = [[0, 0], [right, 0], [right, bottom], [0, bottom]];
      // and a little farther, so that it lies around the box where both meet
      const points = around(ends.map(([x, y]) => camera.position(volume, [x, y, place])), 1.015);
      mark.mapper.setInputData(lines(points, [[0, 1], [1, 2], [2, 3], [3, 0]]));
      mark.actor.setVisibility(visible);
      draw();
    }

    function turnBy(azimuth, elevation) {
      const up = Math.min(Math.max(turn.elevation + elevation, -89), 89);
      turn = { ...turn, azimuth: turn.azimuth + azimuth, elevation: up };
      draw();
    }

    function zoomBy(factor) {
      turn = { ...turn, zoom: Math.min(Math.max(turn.zoom * factor, 0.3), 20) };
      draw();
    }

    function reset() {
      turn = camera.START;
      draw();
    }

    /** Draw coarsely for as long as someone turns the volume. */
    function busy() {
      clearTimeout(turning);
      turning = setTimeout(() => {
        turning = 0;
        draw();
      }, 250);
    }

    function listen() {
      const keys = {
        ArrowLeft: () => turnBy(-5, 0),
        ArrowRight: () => turnBy(5, 0),
        ArrowUp: () => turnBy(0, 5),
        ArrowDown: () => turnBy(0, -5),
        "+": () => zoomBy(1.1),
        "=": () => zoomBy(1.1),
        "-": () => zoomBy(1 / 1.1),
        0: reset,
      };
      element.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
        event.preventDefault();
        busy();
        keys[event.key]();
      });
      element.addEventListener("pointerdown", (event) => {
        element.setPointerCapture(event.pointerId);
      });
      element.addEventListener("pointermove", (event) => {
        if (!element.hasPointerCapture(event.pointerId)) return;
        busy();
        turnBy(-0.4 * event.movementX, 0.4 * event.movementY);
      });
      element.addEventListener(
        "wheel",
        (event) => {
          // a wheel that scrolls the page must not stop here
          if (document.activeElement !== element) return;
          event.preventDefault();
          busy();
          zoomBy(Math.exp(-event.deltaY / 500));
        },
        { passive: false },
      );
      new ResizeObserver(draw).observe(element);
      gl.getCanvas().addEventListener("webglcontextlost", () => {
        alive = false;
        lost();
      });
    }

    listen();
    return { show, markSlice, reset };
  }

  return { averaged, doubled, fitting, problem, view };
})();
