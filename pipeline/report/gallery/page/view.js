"use strict";
// What is looked at: one record, kept in the fragment of the URL, so that it can be sent.
// A fragment is written by anybody: what is not understood is left out.

page.view = (() => {
  const LIMIT_CHARS = 400;
  const MOST_VALUES = 60;
  const KEYS_OF_LISTS = { state: "states", decision: "decisions", with: "compared" };
  const ONE_OF = {
    layout: ["matrix", "groups"],
    group: ["entry", "folder", "model", "state", "none"],
    mode: ["side", "swipe", "onion", "difference"],
    pixels: ["auto", "sharp", "smooth"],
  };
  const DECISIONS = ["approved", "rejected", "chosen", "noted", "undecided", "pending"];
  const PLACES = ["row", "column", "filter"];
  const SIZES = { least: 88, most: 520 };

  const defaults = {
    q: "",
    states: [],
    decisions: [],
    axes: {}, // axis → the values that are shown; none means all
    places: {}, // axis → row, column or filter
    layout: "",
    group: "",
    size: 0, // of a picture, in pixels; 0 for what suits the window
    backdrop: "checker",
    item: "",
    show: "",
    zoom: "fit",
    pixels: "auto",
    tiles: false,
    compared: [], // item@shot, two to four
    mode: "", // how they are compared; "" while they are only marked
    run: "", // the folder of another gallery
  };

  const clean = (text) => text.slice(0, LIMIT_CHARS);
  const isBackdrop = (text) =>
    ["checker", "black", "white", "grey"].includes(text) || /^#[0-9a-f]{6}$/.test(text);

  /** A fragment → a view; never fails. */
  function parse(fragment) {
    const view = structuredClone(defaults);
    const entries = new URLSearchParams(fragment.replace(/^#/, "").slice(0, 20_000));
    let values = 0;
    for (const [key, raw] of entries) {
      values += 1;
      if (values > MOST_VALUES) break;
      const value = clean(raw);
      if (["q", "item", "show", "run"].includes(key)) view[key] = value;
      else if (Object.hasOwn(ONE_OF, key)) {
        if (ONE_OF[key].includes(value)) view[key] = value;
      } else if (key === "state" && Object.hasOwn(page.format.STATES, value)) {
        view.states.push(value);
      } else if (key === "decision" && DECISIONS.includes(value)) view.decisions.push(value);
      else if (key === "with" && view.compared.length < 4) view.compared.push(value);
      else if (key === "size") {
        const size = Number(value);
        if (size >= SIZES.least && size <= SIZES.most) view.size = Math.round(size);
      } else if (key === "backdrop" && isBackdrop(value)) view.backdrop = value;
      else if (key === "zoom") {
        const zoom = Number(value);
        if (zoom > 0 && zoom <= 64) view.zoom = zoom;
      } else if (key === "tiles") view.tiles = value === "3";
      else if (key.startsWith("axis.")) add(view.axes, key.slice(5), value);
      else if (key.startsWith("place.") && PLACES.includes(value)) {
        put(view.places, key.slice(6), value);
      }
    }
    return view;
  }

  // Own properties alone: an axis may be called __proto__.
  function put(record, key, value) {
    Object.defineProperty(record, key, {
      value, enumerable: true, configurable: true, writable: true,
    });
  }

  function add(record, key, value) {
    put(record, key, [...(Object.hasOwn(record, key) ? record[key] : []), value]);
  }

  /** A view → its fragment, without what is as it would be anyway. */
  function render(view) {
    const entries = new URLSearchParams();
    const names = ["q", "layout", "group", "size", "backdrop", "item", "show"];
    for (const key of [...names, "zoom", "pixels", "mode", "run"]) {
      if (view[key] !== defaults[key]) entries.append(key, view[key]);
    }
    if (view.tiles) entries.append("tiles", "3");
    for (const [key, list] of Object.entries(KEYS_OF_LISTS)) {
      for (const value of view[list]) entries.append(key, value);
    }
    for (const [axis, list] of Object.entries(view.axes)) {
      for (const value of list) entries.append(`axis.${axis}`, value);
    }
    for (const [axis, place] of Object.entries(view.places)) {
      entries.append(`place.${axis}`, place);
    }
    const text = entries.toString();
    return text ? `#${text}` : "";
  }

  /** The URL of the page with a change to what it shows now. */
  const link = (change) =>
    location.pathname + location.search + (render({ ...current, ...change }) || "#");

  const listeners = [];
  let current = parse(location.hash);
  let timer = 0;

  /** Be told of every change: called with the view and the names of what changed. */
  const onChange = (listener) => listeners.push(listener);

  function tell(changed) {
    for (const listener of listeners) listener(current, changed);
  }

  /**
   * Change the view.
   *
   * Args:
   *   change: The properties that become different.
   *   step: Whether the browser's Back button returns to what was before.
   */
  function set(change, { step = false } = {}) {
    const changed = Object.keys(change).filter(
      (key) => JSON.stringify(change[key]) !== JSON.stringify(current[key]),
    );
    if (!changed.length) return;
    if (step) write();
    current = { ...current, ...change };
    if (step) history.pushState(null, "", render(current) || "#");
    else {
      // Browsers allow some hundred changes in half a minute.
      clearTimeout(timer);
      timer = setTimeout(write, 200);
    }
    tell(new Set(changed));
  }

  function write() {
    clearTimeout(timer);
    history.replaceState(null, "", render(current) || "#");
  }

  window.addEventListener("popstate", () => {
    clearTimeout(timer);
    const before = current;
    current = parse(location.hash);
    const changed = Object.keys(current).filter(
      (key) => JSON.stringify(before[key]) !== JSON.stringify(current[key]),
    );
    if (changed.length) tell(new Set(changed));
  });
  window.addEventListener("pagehide", write);

  return {
    get now() {
      return current;
    },
    DECISIONS, SIZES, ONE_OF, defaults, parse, render, link, put, set, write, onChange,
  };
})();
