"use strict";

/** The values that the page holds, unpacked when they are needed. */
const values = (() => {
  const NOT_FINITE = 65535;
  const HELD = 2 ** 26;

  /** Return the bytes of base64 text. */
  function bytesOf(text) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
    return bytes;
  }

  async function inflated(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /** Return numbers whose first bytes all come first, then their second ones, and so on. */
  function gathered(columns, size) {
    const count = columns.length / size;
    const bytes = new Uint8Array(columns.length);
    for (let byte = 0; byte < size; byte++) {
      for (let at = 0; at < count; at++) bytes[at * size + byte] = columns[byte * count + at];
    }
    return bytes.buffer;
  }

  function restored(stored, { slope, intercept }) {
    const restored = new Float32Array(stored.length);
    for (let at = 0; at < stored.length; at++) {
      restored[at] = stored[at] === NOT_FINITE ? NaN : slope * stored[at] + intercept;
    }
    return restored;
  }

  async function unpacked(number, packing) {
    const columns = await inflated(bytesOf(document.getElementById(`values-${number}`).textContent));
    if (packing.dtype === "float32") return new Float32Array(gathered(columns, 4));
    return restored(new Uint16Array(gathered(columns, 2)), packing);
  }

  const held = new Map();

  /** Return the values of a volume's frame, z slowest, in the order in which the slices are packed. */
  async function of(volume, frame) {
    const number = volume.values[frame];
    if (!held.has(number)) {
      held.set(number, await unpacked(number, volume.packing));
      let count = 0;
      for (const [key, data] of [...held].reverse()) {
        count += data.length;
        if (count > HELD && key !== number) held.delete(key);
      }
    }
    return held.get(number);
  }

  return { of };
})();
