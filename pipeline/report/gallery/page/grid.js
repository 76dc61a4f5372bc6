"use strict";
// The grid of items. Only what is near the window is in the document: ten thousand items
// scroll like fifty. Everything has a place in a list of bands, one above the other.

page.grid = (() => {
  const { h } = page.dom;
  const GAP_PX = 12;
  const CAPTION_PX = 44;
  const TITLE_PX = 44;
  const HEADER_PX = 32;
  const OVERSCAN_PX = 500;

  let root;
  let scroller;
  let result = { items: [], sections: [], layout: "groups" };
  let bands = []; // {kind, y, height, section, cells: [{item, x, width}], labels}
  let placeOf = new Map(); // item id → [band, cell]
  let headers = new Map(); // section → the band with its columns
  let size = { width: 0, height: 0 };
  let rows = new Map(); // the bands in the document: index → {element, cells}
  let active = ""; // the id of the item that keys are about
  let stuck = null; // the header that stays on top
  let isPlanned = false;
  let cardWidth = 200;

  // --- layout -------------------------------------------------------------------------

  /** The width of a card of a plain group. */
  const plainSize = (isNarrow) => page.view.now.size || (isNarrow ? 150 : 200);

  /** That of a matrix: as chosen, else so that its columns fill the window. */
  function cardSize(width, isNarrow) {
    if (page.view.now.size) return page.view.now.size;
    const spans = result.sections.map((section) =>
      (section.columns ?? []).reduce((sum, column) => sum + column.span, 0),
    );
    const columns = Math.max(0, ...spans);
    if (!columns) return plainSize(isNarrow);
    const [label, gap] = isNarrow ? [82, 8] : [160, GAP_PX];
    const [least, most] = isNarrow ? [120, 200] : [150, 288];
    return Math.min(most, Math.max(least, Math.floor((width - label) / columns - gap)));
  }

  function lay() {
    const isNarrow = scroller.clientWidth < 600;
    const pad = isNarrow ? 10 : 20;
    const gap = isNarrow ? 8 : GAP_PX;
    const width = scroller.clientWidth;
    const wanted = Math.min(cardSize(width, isNarrow), width - 2 * pad);
    cardWidth = wanted;
    bands = [];
    placeOf = new Map();
    headers = new Map();
    let y = 4;
    let widest = width;
    const add = (band, height) => {
      bands.push({ y, height, ...band });
      y += height;
    };
    for (const section of result.sections) {
      if (section.title) add({ kind: "title", section }, TITLE_PX);
      if (section.rows) {
        const label = isNarrow ? 72 : 128;
        let x = label + gap;
        const starts = section.columns.map((column) => {
          const start = x;
          x += column.span * (wanted + gap);
          return start;
        });
        widest = Math.max(widest, x + pad);
        if (section.axes.columns.length) {
          add({ kind: "header", section, starts, label, card: wanted, gap }, HEADER_PX);
          headers.set(section, bands.at(-1));
        }
        for (const row of section.rows) {
          const cells = row.cells.flatMap((items, column) =>
            items.map((item, at) => ({
              item, x: starts[column] + at * (wanted + gap), width: wanted,
            })),
          );
          add({ kind: "cards", section, cells, labels: row.labels, label }, wanted + CAPTION_PX + gap);
        }
      } else {
        const least = Math.min(plainSize(isNarrow), width - 2 * pad);
        const across = Math.max(1, Math.floor((width - 2 * pad + gap) / (least + gap)));
        const card = Math.floor((width - 2 * pad - (across - 1) * gap) / across);
        for (let from = 0; from < section.items.length; from += across) {
          const cells = section.items.slice(from, from + across).map((item, at) => ({
            item, x: pad + at * (card + gap), width: card,
          }));
          add({ kind: "cards", section, cells }, card + CAPTION_PX + gap);
        }
      }
    }
    bands.forEach((band, at) => {
      band.cells?.forEach((cell, index) => placeOf.set(cell.item.id, [at, index]));
    });
    size = { width: widest, height: y + 80 };
    root.style.height = `${size.height}px`;
    root.style.width = `${size.width}px`;
    root.setAttribute("aria-rowcount", String(bands.length));
    const columns = bands.reduce((most, band) => Math.max(most, band.cells?.length ?? 1), 1);
    root.setAttribute("aria-colcount", String(columns + 1));
  }

  // --- what is in the document --------------------------------------------------------

  /** The first band that ends below a place. */
  function bandAt(y) {
    let [low, high] = [0, bands.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bands[middle].y + bands[middle].height <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function labelsOf(labels) {
    return labels.length ? labels.join(" · ") : " ";
  }

  function makeRow(band, index) {
    const attributes = { role: "row", "aria-rowindex": index + 1 };
    if (band.kind === "title") {
      const count = page.format.plural(band.section.items.length, "item");
      return h(
        "div.row.title",
        attributes,
        h("div.title-text", { role: "rowheader" }, h("b", {}, band.section.title), h("span", {}, count)),
      );
    }
    if (band.kind === "header") return h("div.row.header", attributes, headerCells(band));
    const row = h("div.row.cards", attributes);
    if (band.labels) {
      row.append(h("div.row-label", { role: "rowheader" }, h("span", {}, labelsOf(band.labels))));
    }
    return row;
  }

  function headerCells(band) {
    const { rows: rowAxes, columns: columnAxes } = band.section.axes;
    const corner = [
      rowAxes.length ? `${rowAxes.join(" · ")} ↓` : "",
      columnAxes.length ? `${columnAxes.join(" · ")} →` : "",
    ];
    const text = corner.filter(Boolean).join("  ");
    const cells = [h("div.row-label.corner", { role: "columnheader", title: text }, text)];
    band.section.columns.forEach((column, at) => {
      const cell = h(
        "div.column-label",
        { role: "columnheader", "aria-colindex": at + 2 },
        labelsOf(column.labels),
      );
      cell.style.left = `${band.starts[at]}px`;
      cell.style.width = `${column.span * (band.card + band.gap) - band.gap}px`;
      cells.push(cell);
    });
    return cells;
  }

  function paint() {
    isPlanned = false;
    const top = scroller.scrollTop - root.offsetTop;
    const left = scroller.scrollLeft;
    const from = bandAt(Math.max(0, top - OVERSCAN_PX));
    const bottom = top + scroller.clientHeight + OVERSCAN_PX;
    const right = left + scroller.clientWidth + OVERSCAN_PX;
    const wanted = new Set();
    for (let at = from; at < bands.length && bands[at].y < bottom; at += 1) wanted.add(at);
    const focused = document.activeElement?.closest?.("#grid .row");
    for (const [at, row] of rows) {
      if (wanted.has(at) || row.element === focused) continue;
      row.element.remove();
      rows.delete(at);
    }
    for (const at of wanted) paintRow(at, left - OVERSCAN_PX, right);
    stick(top);
  }

  function paintRow(at, left, right) {
    const band = bands[at];
    let row = rows.get(at);
    if (!row) {
      const element = makeRow(band, at);
      element.style.top = `${band.y}px`;
      element.style.height = `${band.height}px`;
      row = { element, cells: new Map() };
      rows.set(at, row);
      // Readers go through the rows in their order.
      const next = [...rows.keys()].filter((key) => key > at).sort((a, b) => a - b)[0];
      root.insertBefore(element, next === undefined ? null : rows.get(next).element);
    }
    band.cells?.forEach((cell, index) => {
      const isNear = cell.x < right && cell.x + cell.width > left;
      if (isNear && !row.cells.has(index)) putCard(row, cell, index);
      else if (!isNear && row.cells.has(index)) {
        const element = row.cells.get(index);
        if (element !== document.activeElement) {
          element.remove();
          row.cells.delete(index);
        }
      }
    });
  }

  function putCard(row, cell, index) {
    const element = page.card.make(cell.item, cell.width);
    element.setAttribute("aria-colindex", String(index + 2));
    element.style.left = `${cell.x}px`;
    element.style.width = `${cell.width}px`;
    element.classList.toggle("small", cell.width < 150);
    if (cell.item.id === active) element.tabIndex = 0;
    const before = row.cells.get(index);
    if (before) before.replaceWith(element);
    else row.element.append(element);
    row.cells.set(index, element);
    return element;
  }

  /** Keep the title and the columns of the section that is looked at on top. */
  function stick(top) {
    const at = bandAt(top + 1);
    const section = bands[at]?.section ?? null;
    const header = headers.get(section);
    const isPast = header && header.y < top;
    if (!isPast) {
      stuck?.element.remove();
      stuck = null;
      return;
    }
    if (stuck?.section === section) return;
    stuck?.element.remove();
    const element = h("div.stuck", { "aria-hidden": "true" }, headerCells(header));
    for (const one of element.children) one.removeAttribute("role");
    element.style.width = `${size.width}px`;
    stuck = { section, element };
    root.parentNode.insertBefore(element, root);
  }

  function plan() {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(paint);
  }

  // --- from outside -------------------------------------------------------------------

  function start(element, scrolling) {
    root = element;
    scroller = scrolling;
    scroller.addEventListener("scroll", plan, { passive: true });
    let width = scroller.clientWidth;
    new ResizeObserver(() => {
      if (scroller.clientWidth !== width) {
        width = scroller.clientWidth;
        render();
      } else plan();
    }).observe(scroller);
    root.addEventListener("click", onClick);
    root.addEventListener("focusin", (event) => {
      const card = event.target.closest(".card");
      if (card) setActive(card.dataset.id);
    });
  }

  function onClick(event) {
    const card = event.target.closest(".card");
    if (!card || event.target.closest(".copy")) return;
    const { id } = card.dataset;
    setActive(id);
    if (event.target.closest(".pick") || event.ctrlKey || event.metaKey || event.shiftKey) {
      page.compare.toggle(id);
    } else page.view.set({ item: id, show: "" }, { step: true });
  }

  /** Show another arrangement; the first visible item stays where it is if it can. */
  function show(arranged) {
    const anchor = active && placeOf.has(active) ? active : "";
    const before = anchor ? offsetOf(anchor) : 0;
    result = arranged;
    render();
    if (anchor && placeOf.has(anchor)) {
      const inView = before > -200 && before < scroller.clientHeight;
      if (inView) scroller.scrollTop += offsetOf(anchor) - before;
    } else scroller.scrollTop = Math.min(scroller.scrollTop, root.offsetTop);
    paint();
  }

  function offsetOf(id) {
    return bands[placeOf.get(id)[0]].y + root.offsetTop - scroller.scrollTop;
  }

  function render() {
    const hadFocus = root.contains(document.activeElement);
    for (const { element } of rows.values()) element.remove();
    rows = new Map();
    stuck?.element.remove();
    stuck = null;
    lay();
    if (!placeOf.has(active)) active = result.items[0]?.id ?? "";
    paint();
    if (hadFocus && active) focus(active);
  }

  /** Make the card of an item anew, if it is in the document. */
  function refresh(item) {
    const place = placeOf.get(item.id);
    if (!place) return;
    const [at, index] = place;
    result.items[result.items.findIndex((one) => one.id === item.id)] = item;
    bands[at].cells[index].item = item;
    const row = rows.get(at);
    if (!row?.cells.has(index)) return;
    const hadFocus = row.cells.get(index).contains(document.activeElement);
    const element = putCard(row, bands[at].cells[index], index);
    if (hadFocus) element.focus({ preventScroll: true });
  }

  function elementOf(id) {
    const place = placeOf.get(id);
    return place ? rows.get(place[0])?.cells.get(place[1]) : undefined;
  }

  function setActive(id) {
    if (active === id) return;
    elementOf(active)?.setAttribute("tabindex", "-1");
    active = id;
    elementOf(active)?.setAttribute("tabindex", "0");
  }

  /** Scroll to an item and put the focus there. */
  function focus(id) {
    const place = placeOf.get(id);
    if (!place) return;
    const band = bands[place[0]];
    const cell = band.cells[place[1]];
    const header = stuck || band.labels ? HEADER_PX : 0;
    const top = band.y + root.offsetTop;
    if (top - header < scroller.scrollTop) scroller.scrollTop = Math.max(0, top - header - 8);
    else if (top + band.height > scroller.scrollTop + scroller.clientHeight) {
      scroller.scrollTop = top + band.height - scroller.clientHeight + 8;
    }
    const label = band.label ?? 0;
    if (cell.x - label < scroller.scrollLeft) scroller.scrollLeft = Math.max(0, cell.x - label - 20);
    else if (cell.x + cell.width > scroller.scrollLeft + scroller.clientWidth) {
      scroller.scrollLeft = cell.x + cell.width - scroller.clientWidth + 20;
    }
    setActive(id);
    paint();
    elementOf(id)?.focus({ preventScroll: true });
  }

  /** Move the focus: "ArrowUp", "Home", "PageDown" and so on. */
  function move(key) {
    const place = placeOf.get(active);
    if (!place) return;
    if (document.activeElement?.dataset?.id !== active) {
      focus(active);
      return;
    }
    const [at, index] = place;
    const list = result.items;
    const position = list.findIndex((item) => item.id === active);
    const page_ = Math.max(1, Math.floor(scroller.clientHeight / bands[at].height));
    const targets = {
      ArrowLeft: () => list[position - 1],
      ArrowRight: () => list[position + 1],
      ArrowUp: () => vertical(at, index, -1),
      ArrowDown: () => vertical(at, index, 1),
      PageUp: () => vertical(at, index, -page_),
      PageDown: () => vertical(at, index, page_),
      Home: () => list[0],
      End: () => list.at(-1),
    };
    const item = targets[key]();
    if (item) focus(item.id);
  }

  /** The item that is some rows of cards above or below, at about the same place. */
  function vertical(at, index, distance) {
    const { x } = bands[at].cells[index];
    const step = Math.sign(distance);
    let found = null;
    let left = Math.abs(distance);
    for (let next = at + step; next >= 0 && next < bands.length && left; next += step) {
      if (!bands[next].cells?.length) continue;
      left -= 1;
      found = bands[next].cells.reduce((best, cell) =>
        Math.abs(cell.x - x) < Math.abs(best.x - x) ? cell : best,
      ).item;
    }
    return found;
  }

  return {
    start, show, render, refresh, focus, move, setActive,
    has: (id) => placeOf.has(id),
    get active() {
      return active;
    },
    get cardWidth() {
      return cardWidth;
    },
    get items() {
      return result.items;
    },
  };
})();
