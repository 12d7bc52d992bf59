"use strict";

/** The page: which volume, order, frame and slice are shown, and all that tells of them. */
const app = (() => {
  const gallery = JSON.parse(document.getElementById("document").textContent);
  const notFinite = gallery.look.not_finite;
  const part = (name) => document.getElementById(name);
  const FRAME_TIME = 900;
  const LOST = "The graphics card gave the 3-D view up. The slices work without; reload the page to try again.";

  const state = { volume: null, orders: [], order: null, frame: 0, place: 0, data: null, cursor: null, showing: null, playing: null };

  function made(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    if (text !== null) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  /** Return a number with so many digits as tell it. */
  function number(value, digits = 4) {
    if (!Number.isFinite(value)) return "NaN or infinite";
    return value === 0 ? "0" : String(Number(value.toPrecision(digits)));
  }

  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const bytes = (count) => (count < 1e5 ? `${Math.ceil(count / 1000)} kB` : `${(count / 1e6).toFixed(1)} MB`);
  const capital = (word) => word[0].toUpperCase() + word.slice(1);

  /** Return how two labels follow each other: numbers in them by their size. */
  const byLabel = new Intl.Collator("en", { numeric: true }).compare;

  const rowOf = (volume, frame) => volume.importance.scores[volume.importance.scores.length > 1 ? frame : 0];

  /** Return the orders that a volume can be shown in: those of its files first. */
  function ordersOf(volume) {
    const { labels, word } = volume.slice;
    const all = [...labels.keys()];
    const numbers = all.toSorted((a, b) => byLabel(labels[a], labels[b]));
    const same = (order) => order.every((at, place) => at === numbers[place]);
    const named = volume.orders.map(({ name, permutation }) => name ?? (same(permutation) ? `by ${word} number` : "as in the file"));
    const orders = volume.orders.map(({ file, permutation }, at) => ({
      title: named.indexOf(named[at]) === named.lastIndexOf(named[at]) ? named[at] : `${named[at]}, ${file}`,
      permutation: () => permutation,
    }));
    if (!volume.orders.some(({ permutation }) => same(permutation))) {
      orders.push({ title: `by ${word} number`, permutation: () => numbers });
    }
    if (volume.importance) {
      const score = (at) => rowOf(volume, state.frame)[at] ?? -Infinity;
      const places = new Map(numbers.map((at, place) => [at, place]));
      orders.push({
        title: `by importance (${volume.importance.criterion})`,
        permutation: () => all.toSorted((a, b) => score(b) - score(a) || places.get(a) - places.get(b)),
      });
    }
    return orders;
  }

  /** Return the values with their slices in an order. */
  function permuted(data, permutation, length) {
    if (permutation.every((at, place) => at === place)) return data;
    const moved = new Float32Array(data.length);
    permutation.forEach((at, place) => moved.set(data.subarray(at * length, (at + 1) * length), place * length));
    return moved;
  }

  /** Return how important a slice is: its score as text, its share of the highest, and its rank. */
  function importanceOf(at) {
    const { volume, frame } = state;
    const scores = volume.importance && rowOf(volume, frame);
    if (!scores || scores[at] === null) return null;
    const known = scores.filter((score) => score !== null);
    const [least, most] = [Math.min(0, ...known), Math.max(...known)];
    const rank = 1 + known.filter((score) => score > scores[at]).length;
    return {
      text: `${number(scores[at])}, rank ${rank} of ${known.length}`,
      share: most > least ? (scores[at] - least) / (most - least) : 0,
    };
  }

  const failure = solid.problem();
  const view3d = failure ? null : solid.view(part("solid"), gallery.look, () => withoutSolid(LOST));
  const viewSlice = slice.view(part("slice"), part("plane"), part("cursor"), readAt, (steps) => goTo(state.place + steps));
  const viewMaps = maps.view(part("maps"), goTo, notFinite);

  if (failure) withoutSolid(failure);

  function withoutSolid(reason) {
    part("solid").hidden = true;
    part("reset").disabled = part("marked").disabled = true;
    part("no-solid").textContent = reason;
    part("no-solid").hidden = false;
  }

  const sliceLength = () => state.volume.size[0] * state.volume.size[1];
  const chosen = () => state.order[state.place];

  function readAt(x, y) {
    state.cursor = [x, y];
    tell();
  }

  /** Say which slice is shown, and the value under the cursor. */
  function tell() {
    const { volume, data, cursor } = state;
    const label = volume.slice.labels[chosen()];
    const importance = importanceOf(chosen());
    const name = `${volume.slice.word} ${label}`;
    const told = [];
    if (importance) told.push(`importance ${importance.text}`);
    if (cursor) {
      const [x, y] = cursor;
      const value = data[chosen() * sliceLength() + y * volume.size[0] + x];
      told.push(`column ${x}, row ${y}`, `value ${number(value, 6)}`);
    }
    fill(part("readout"), made("b", name), told.map((text) => ` · ${text}`).join(""));
    part("place").setAttribute("aria-valuetext", name);
  }

  function goTo(place) {
    const { volume, data, order } = state;
    state.place = Math.min(Math.max(place, 0), order.length - 1);
    part("place").value = String(state.place);
    part("slice-word").textContent = `Slice ${state.place + 1} of ${order.length}`;
    const at = chosen() * sliceLength();
    viewSlice.show(volume, data.subarray(at, at + sliceLength()), notFinite);
    viewMaps.choose(state.place);
    view3d?.markSlice(state.place, part("marked").checked);
    tell();
  }

  /** Show the chosen frame in the chosen order, or say why not. */
  function show() {
    state.showing = unpackedAndDrawn();
    return state.showing;
  }

  async function unpackedAndDrawn() {
    const { volume, frame } = state;
    if (!volume.values.length) return notShown(volume.reason);
    const asked = () => volume === state.volume && frame === state.frame;
    try {
      const data = await values.of(volume, frame);
      if (asked()) draw(data);
    } catch (error) {
      if (asked()) notShown(error.message);
    }
  }

  /** Draw values of the chosen frame; the slice stays the same one where there is one. */
  function draw(data) {
    const { volume, frame } = state;
    const kept = state.order ? chosen() : null;
    withPictures();
    state.data = data;
    state.order = state.orders[part("order").selectedIndex].permutation();
    view3d?.show(volume, permuted(data, state.order, sliceLength()));
    viewMaps.show(volume, data, state.order, importanceOf);
    goTo(kept === null ? 0 : state.order.indexOf(kept));
    document.body.dataset.shown = `${gallery.volumes.indexOf(volume)} ${part("order").selectedIndex} ${frame}`;
  }

  function fill(list, ...elements) {
    list.replaceChildren(...elements);
  }

  function tellLegend({ function: { colors, name } }) {
    const [low, high] = [colors[0][0], colors.at(-1)[0]];
    const ramp = Float32Array.from({ length: 256 }, (_, at) => low + ((high - low) * at) / 255);
    slice.paint(part("colors"), ramp, [256, 1], colors, notFinite);
    part("low").textContent = number(low, 3);
    part("high").textContent = number(high, 3);
    part("function").textContent = name;
    part("colors").setAttribute("aria-label", `Colours of ${number(low, 3)} to ${number(high, 3)}, ${name}`);
  }

  /** Tell how viewers open the files of the chosen order, or of the first where it has no files. */
  function tellCommands({ orders }) {
    const { commands } = orders[part("order").selectedIndex] ?? orders[0];
    const items = commands.map(({ viewer, command, hint }) => {
      const item = made("li", null);
      item.append(made("b", viewer), made("small", ` ${hint}`));
      if (!command) return item;
      const copy = made("button", "Copy", { type: "button", "aria-label": `Copy: ${command}` });
      copy.addEventListener("click", () => copied(command, copy));
      const line = made("div", null, { class: "line" });
      line.append(made("code", command), copy);
      item.append(line);
      return item;
    });
    fill(part("commands"), ...items);
  }

  async function copied(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // pages from a file system may not use the clipboard everywhere
      const field = made("textarea", text, { class: "unseen" });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    part("said").textContent = "Copied";
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }

  function tellFiles({ orders, error, values: held }) {
    const groups = orders.map(({ name, files, frames }) => {
      const list = made("ul", null, { class: "files" });
      for (const { name: file, href, bytes: size } of files) {
        const item = made("li", null);
        item.append(made("a", file, { href, download: "" }), made("small", ` ${bytes(size)}`));
        list.append(item);
      }
      if (frames) list.append(made("li", `and those of ${plural(frames, "frame")}`));
      const group = made("div", null);
      if (orders.length > 1) group.append(made("h4", name ? `${name} order` : "As computed"));
      group.append(list);
      return group;
    });
    fill(part("files"), ...groups);
    const exact = "The page holds these values exactly, as float32.";
    const told = error ? `The page holds these values to within ${number(error, 2)}; the files are exact.` : exact;
    part("precision").textContent = held.length ? told : "";
  }

  function tellProvenance({ provenance }) {
    const sections = provenance.map(([title, lines]) => {
      const section = made("div", null);
      const list = made("dl", null);
      for (const [name, text] of lines) list.append(made("dt", name), made("dd", text));
      section.append(made("h4", title), list);
      return section;
    });
    fill(part("provenance"), ...sections);
  }

  function tellFrame() {
    const { volume, frame } = state;
    const label = volume.frame.labels[frame];
    part("frame").value = String(frame);
    part("frame-label").textContent = label ?? "";
    part("frame").setAttribute("aria-valuetext", label ?? "");
  }

  function toFrame(frame) {
    state.frame = frame;
    tellFrame();
    show();
  }

  function stop() {
    state.playing = null;
    part("play").setAttribute("aria-pressed", "false");
    part("play").textContent = "Play";
  }

  function play() {
    if (state.playing) return stop();
    state.playing = Symbol();
    playOn(state.playing);
    part("play").setAttribute("aria-pressed", "true");
    part("play").textContent = "Stop";
  }

  /** Go from frame to frame, each of which stays for a while, however long it takes until it is shown. */
  async function playOn(turn) {
    await state.showing;
    await new Promise((done) => setTimeout(done, FRAME_TIME));
    // someone may have stopped it meanwhile, and started it again
    if (state.playing !== turn) return;
    toFrame((state.frame + 1) % state.volume.frame.labels.length);
    playOn(turn);
  }

  /** Say why there are no pictures of the volume. */
  function notShown(reason) {
    part("reason").textContent = `Not drawn here: ${reason}. Its files are below.`;
    part("reason").hidden = false;
    part("views").hidden = part("maps-section").hidden = true;
  }

  function withPictures() {
    part("reason").hidden = true;
    part("views").hidden = false;
    part("maps-section").hidden = state.volume.slice.labels.length < 2;
  }

  function sizeOf({ size, frame: { word, labels } }) {
    return size.join(" × ") + (labels.length ? ` × ${plural(labels.length, word)}` : "");
  }

  /** Show a volume of the list. */
  async function open(index) {
    stop();
    const volume = gallery.volumes[index];
    Object.assign(state, { volume, orders: ordersOf(volume), order: null, frame: 0, place: 0, cursor: null });
    for (const button of part("volumes").querySelectorAll("button")) {
      if (Number(button.dataset.index) === index) {
        button.setAttribute("aria-current", "true");
        // one is the list's column, the other its row in narrow windows
        for (const list of [part("volumes").parentElement, part("volumes")]) reveal(list, button);
      } else button.removeAttribute("aria-current");
    }
    const frames = volume.frame.labels.length;
    part("name").textContent = volume.title;
    part("what").textContent = [volume.kind, ...volume.source, sizeOf(volume)].filter(Boolean).join(" · ");
    fill(part("order"), ...state.orders.map(({ title }) => made("option", title)));
    part("order-control").hidden = state.orders.length < 2;
    part("frame-control").hidden = !frames;
    part("frame").max = String(frames - 1);
    part("frame-word").textContent = capital(volume.frame.word);
    part("place").max = String(volume.slice.labels.length - 1);
    withPictures();
    part("maps-title").textContent = `All ${plural(volume.slice.labels.length, volume.slice.word)}`;
    part("criterion").textContent = volume.importance ? `bars: importance, ${volume.importance.criterion}` : "";
    tellFrame();
    if (volume.function) tellLegend(volume);
    tellCommands(volume);
    tellFiles(volume);
    tellProvenance(volume);
    await show();
    document.body.dataset.opened = String(index);
  }

  function listVolumes() {
    const [first] = gallery.volumes;
    const shared = first.source.map((name, at) => gallery.volumes.every(({ source }) => source[at] === name));
    const told = (volume, which) => volume.source.filter((name, at) => name && shared[at] === which);
    const items = gallery.volumes.map((volume, index) => {
      const item = made("li", null);
      const button = made("button", null, { type: "button", "data-index": String(index), title: volume.name });
      button.append(made("b", volume.title), made("small", volume.kind));
      button.append(made("small", sizeOf(volume)));
      for (const name of told(volume, false)) button.append(made("small", name));
      button.addEventListener("click", () => (location.hash = String(index + 1)));
      item.append(button);
      return item;
    });
    fill(part("volumes"), ...items);
    part("summary").textContent = [plural(gallery.volumes.length, "volume"), ...told(first, true)].join(" · ");
    const left = gallery.left_out;
    part("left-out").hidden = !left.length;
    part("left-out").querySelector("summary").textContent = `${plural(left.length, "volume")} left out`;
    fill(part("left-out").querySelector("ul"), ...left.map(({ reason }) => made("li", reason)));
  }

  function filter() {
    const words = part("filter").value.toLowerCase().split(/\s+/);
    for (const item of part("volumes").children) {
      const { title, kind, name, source } = gallery.volumes[Number(item.firstChild.dataset.index)];
      const text = `${title} ${kind} ${name} ${source.join(" ")}`.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
  }

  /** Return the volume whose number is behind the address: without one the first, null if it is no such number. */
  function addressed() {
    const number = Number(location.hash.slice(1) || 1);
    const known = Number.isInteger(number) && number >= 1 && number <= gallery.volumes.length;
    return known ? number - 1 : null;
  }

  /** Return the path of this page's folder. */
  function folder() {
    const path = location.pathname.replace(/\/[^/]*$/, "");
    try {
      return decodeURIComponent(path);
    } catch {
      // names of files need not be UTF-8
      return path;
    }
  }

  part("filter").addEventListener("input", filter);
  part("filter").hidden = gallery.volumes.length < 6;
  part("order").addEventListener("change", () => (tellCommands(state.volume), show()));
  part("frame").addEventListener("input", () => (stop(), toFrame(Number(part("frame").value))));
  part("play").addEventListener("click", play);
  part("place").addEventListener("input", () => goTo(Number(part("place").value)));
  part("marked").addEventListener("change", () => view3d?.markSlice(state.place, part("marked").checked));
  part("reset").addEventListener("click", () => view3d?.reset());
  part("skip").addEventListener("click", (event) => {
    // the address keeps the number of the volume
    event.preventDefault();
    part("stage").focus();
  });
  window.addEventListener("hashchange", () => {
    const index = addressed();
    if (index !== null) open(index);
  });
  if (location.protocol === "file:") part("folder").textContent = `, ${folder()}`;
  listVolumes();
  open(addressed() ?? 0);

  return { state };
})();
