"use strict";

/** All slices side by side, as a list of which one is chosen. */
const maps = (() => {
  const LARGEST = 64;

  /** Return the picture of a slice, of large ones each second, third ... value. */
  function thumbnail(canvas, data, volume, notFinite) {
    const [width, height] = volume.size;
    const step = Math.ceil(Math.max(width, height) / LARGEST);
    const small = [Math.ceil(width / step), Math.ceil(height / step)];
    const picked = new Float32Array(small[0] * small[1]);
    for (let at = 0; at < picked.length; at++) {
      picked[at] = data[step * (Math.floor(at / small[0]) * width + (at % small[0]))];
    }
    slice.paint(canvas, picked, small, volume.function.colors, notFinite);
  }

  /** Make a list element show the slices; `chosen(place)` is called when someone picks one. */
  function view(list, chosen, notFinite) {
    let volume = null;
    let data = null;
    let order = [];
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) if (isIntersecting) draw(target);
      },
      { rootMargin: "200px" },
    );

    function draw(item) {
      const canvas = item.querySelector("canvas");
      const at = order[Number(item.dataset.place)];
      const length = volume.size[0] * volume.size[1];
      thumbnail(canvas, data.subarray(at * length, (at + 1) * length), volume, notFinite);
      seen.unobserve(item);
    }

    function tile(place, label, importance) {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.tabIndex = -1;
      item.dataset.place = String(place);
      const name = document.createElement("span");
      name.textContent = label;
      item.append(document.createElement("canvas"), name);
      let told = `${volume.slice.word} ${label}`;
      if (importance) {
        const bar = document.createElement("meter");
        [bar.min, bar.max, bar.value] = [0, 1, importance.share];
        bar.title = importance.text;
        item.append(bar);
        told += `, importance ${importance.text}`;
      }
      item.setAttribute("aria-label", told);
      return item;
    }

    /** Show the slices of a volume in an order; `importance(slice)` is null where it is not known. */
    function show(shown, values, places, importance) {
      [volume, data, order] = [shown, values, places];
      seen.disconnect();
      list.replaceChildren(...order.map((at, place) => tile(place, volume.slice.labels[at], importance(at))));
      for (const item of list.children) seen.observe(item);
    }

    /** Mark the slice at a place as the chosen one. */
    function choose(place) {
      for (const item of list.querySelectorAll('[aria-selected="true"]')) {
        item.setAttribute("aria-selected", "false");
        item.tabIndex = -1;
      }
      const item = list.children[place];
      item?.setAttribute("aria-selected", "true");
      if (!item) return;
      item.tabIndex = 0;
      reveal(list, item);
    }

    /** Return how many tiles stand in a row. */
    function columns() {
      const items = [...list.children];
      const next = items.findIndex((item) => item.offsetTop > items[0].offsetTop);
      return next < 0 ? items.length : next;
    }

    list.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      if (item) chosen(Number(item.dataset.place));
    });
    list.addEventListener("keydown", (event) => {
      const item = event.target.closest("li");
      const last = list.children.length - 1;
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -last, End: last };
      if (!item || !(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const place = Math.min(Math.max(Number(item.dataset.place) + steps[event.key], 0), last);
      chosen(place);
      list.children[place].focus();
    });

    return { show, choose };
  }

  return { view };
})();
