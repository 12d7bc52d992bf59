"use strict";

/** The view of one slice: a pixel a voxel, and a cursor that tells which one it is on. */
const slice = (() => {
  /** Draw values with the colours of a transfer function, a pixel each. */
  function paint(canvas, data, [width, height], colors, notFinite) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    transfer.paint(picture.data, data, colors, notFinite);
    context.putImageData(picture, 0, 0);
  }

  /** Make the slice's canvas tell where the cursor is: `told(x, y)`, and `stepped(slices)` by the keyboard. */
  function view(canvas, plane, cursor, told, stepped) {
    let size = [1, 1];
    let at = null;

    function point(x, y) {
      at = [Math.min(Math.max(x, 0), size[0] - 1), Math.min(Math.max(y, 0), size[1] - 1)];
      cursor.style.left = `${(100 * at[0]) / size[0]}%`;
      cursor.style.top = `${(100 * at[1]) / size[1]}%`;
      cursor.style.width = `${100 / size[0]}%`;
      cursor.style.height = `${100 / size[1]}%`;
      cursor.hidden = false;
      told(...at);
    }

    function under(event) {
      const box = canvas.getBoundingClientRect();
      const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      point(...share.map((part, axis) => Math.floor(part * size[axis])));
    }

    canvas.addEventListener("pointermove", under);
    canvas.addEventListener("pointerdown", under);
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const slices = { PageUp: -1, PageDown: 1, Home: -Infinity, End: Infinity };
      if (event.key in steps) {
        const [x, y] = at ?? size.map((count) => Math.floor(count / 2));
        point(x + (at ? steps[event.key][0] : 0), y + (at ? steps[event.key][1] : 0));
      } else if (event.key in slices) stepped(slices[event.key]);
      else return;
      event.preventDefault();
    });

    /** Show values of a slice of a volume. */
    function show(volume, data, notFinite) {
      const [width, height] = volume.size;
      if (size[0] !== width || size[1] !== height) {
        at = null;
        cursor.hidden = true;
      }
      size = [width, height];
      paint(canvas, data, size, volume.function.colors, notFinite);
      const ratio = (width * volume.spacing[0]) / (height * volume.spacing[1]);
      plane.style.setProperty("--ratio", String(ratio));
      if (at) told(...at);
    }

    return { show };
  }

  return { paint, view };
})();
