"use strict";

/** Scroll a list so far that one of its items is in sight; the page itself stays where it is. */
function reveal(list, item) {
  const margin = 8;
  const [outer, inner] = [list.getBoundingClientRect(), item.getBoundingClientRect()];
  const past = (start, end) => (start < 0 ? start - margin : end > 0 ? end + margin : 0);
  list.scrollTop += past(inner.top - outer.top, inner.bottom - outer.bottom);
  list.scrollLeft += past(inner.left - outer.left, inner.right - outer.right);
}
