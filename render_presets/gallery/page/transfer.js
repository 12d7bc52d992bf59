"use strict";

/** Transfer functions: the colours of values, as `render_presets.transfer` has them. */
const transfer = (() => {
  /** Return the place of the last point that is not above the value, -1 where all are. */
  function before(points, value) {
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Return red, green and blue of a value, in 0..255 and not rounded. */
  function color(colors, value) {
    const at = before(colors, value);
    if (at < 0) return colors[0].slice(1).map((part) => 255 * part);
    if (at === colors.length - 1) return colors[at].slice(1).map((part) => 255 * part);
    const [start, end] = [colors[at], colors[at + 1]];
    const share = (value - start[0]) / (end[0] - start[0]);
    return [1, 2, 3].map((part) => 255 * (start[part] + share * (end[part] - start[part])));
  }

  /** Write the colours of values into an array of red, green, blue and 255, rounded as it rounds. */
  function paint(pixels, data, colors, notFinite) {
    for (let at = 0; at < data.length; at++) {
      pixels.set(Number.isFinite(data[at]) ? color(colors, data[at]) : notFinite, 4 * at);
      pixels[4 * at + 3] = 255;
    }
  }

  /** Return values as a renderer takes them: at most `headroom` ranges beyond the range, NaN and infinite ones as the clear one. */
  function shown(data, { colors, clear }, headroom) {
    const [low, high] = [colors[0][0], colors.at(-1)[0]];
    const room = headroom * (high - low);
    const [least, most] = [low - room, high + room];
    return data.map((value) => (Number.isFinite(value) ? Math.min(Math.max(value, least), most) : clear));
  }

  return { color, paint, shown };
})();
