"use strict";

/** The camera of `render_presets.camera`: the whole box in the picture, upright, row 0 on top. */
const camera = (() => {
  const ANGLE = 30;
  const FILL = 0.92;
  const START = { azimuth: 30, elevation: 20, zoom: 1 };

  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => a.map((part) => part / Math.hypot(...a));
  const moved = (a, step, b) => a.map((part, axis) => part + step * b[axis]);

  /** Return the LPS position of an index x, y, z, which need not be whole. */
  function position({ spacing, origin, direction }, index) {
    return [0, 1, 2].map(
      (row) => origin[row] + [0, 1, 2].reduce((sum, axis) => sum + direction[3 * row + axis] * spacing[axis] * index[axis], 0),
    );
  }

  /** Return the positions of the outermost voxel centres; of their numbers, bit 4 is x, 2 is y, and 1 is z. */
  function corners(volume) {
    const ends = volume.size.map((count) => count - 1);
    return [...Array(8).keys()].map((bits) => position(volume, ends.map((end, axis) => ((bits >> (2 - axis)) & 1) * end)));
  }

  function ahead({ azimuth, elevation }) {
    const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180);
    return [-Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
  }

  /** Return where the camera stands, and what it looks at, for a picture that is `aspect` times as wide as high. */
  function place(volume, aspect, turn = START) {
    const points = corners(volume);
    const forward = ahead(turn);
    const right = unit(cross(forward, [0, -1, 0]));
    const down = cross(forward, right);
    const slope = Math.tan((ANGLE * Math.PI) / 360) * FILL;
    const along = points.map((point) => dot(point, forward));
    let middle = [0, 0, 0];
    const starts = [];
    // a point p is in the picture around c, from the place d on the axis, if |p - c| <= slope * (along - d)
    for (const [axis, part] of [
      [right, slope * aspect],
      [down, slope],
    ]) {
      const across = points.map((point) => dot(point, axis));
      const most = Math.max(...across.map((place, at) => place - part * along[at]));
      const least = Math.min(...across.map((place, at) => place + part * along[at]));
      middle = moved(middle, (most + least) / 2, axis);
      starts.push((least - most) / (2 * part));
    }
    const depth = along.reduce((sum, place) => sum + place, 0) / along.length;
    const focalPoint = moved(middle, depth, forward);
    const distance = (depth - Math.min(...starts) || 1) / turn.zoom;
    return { position: moved(focalPoint, -distance, forward), focalPoint, viewUp: [0, -1, 0], viewAngle: ANGLE };
  }

  return { START, corners, place, position };
})();
