"use strict";
// From the data to the page.

(() => {
  const { model, view } = page;
  const LOOK = ["q", "states", "decisions", "axes", "places", "layout", "group"];
  const scroller = document.getElementById("scroller");
  const root = document.getElementById("grid");

  function arrange() {
    const arranged = page.arrange.arrange(model.gallery, view.now);
    page.grid.show(arranged);
    page.toolbar.paint(arranged.items.length);
    root.hidden = !arranged.items.length;
    paintEmpty(arranged.items.length);
  }

  function paintEmpty(number) {
    const { h } = page.dom;
    const empty = document.getElementById("empty");
    empty.hidden = number > 0;
    if (number) return;
    const hasItems = model.gallery.items.length > 0;
    empty.replaceChildren(
      h("p", {}, hasItems ? "No item is like that." : "The manifest has no items."),
      hasItems ? h("button.primary", { type: "button", onclick: page.toolbar.clearFilters }, "Clear the filters") : "",
    );
  }

  function onView(now, changed) {
    const has = (...names) => names.some((name) => changed.has(name));
    if (has(...LOOK)) arrange();
    else if (has("size", "compared")) page.grid.render();
    if (has("size", ...LOOK)) page.toolbar.paintControls();
    if (has("states")) page.overview.paint();
    if (has("backdrop")) page.stage.setBackdrop(root, now.backdrop);
    if (has("backdrop")) page.toolbar.paintControls();
    page.large.sync(changed);
    page.compare.sync(changed);
  }

  /** Some items, or all of them (null), are not as they were. */
  function onDecision(items) {
    const isFiltered = view.now.decisions.length || view.now.states.length;
    if (!items || isFiltered || !items.every((item) => page.grid.has(item.id))) arrange();
    else items.forEach(page.grid.refresh);
    page.toolbar.paintExport();
    page.large.refresh(items);
    page.compare.refresh(items);
  }

  function take(raw) {
    model.gallery = model.load(raw);
    page.decisions.restore();
  }

  function paint() {
    page.overview.paint();
    arrange();
  }

  page.reload = (raw) => {
    take(raw);
    paint();
    page.large.refresh();
    page.compare.refresh();
  };

  function start() {
    const loading = document.getElementById("loading");
    if (!window.GALLERY) {
      loading.textContent = "The gallery's data is not there: data.js must be beside this page.";
      return;
    }
    take(window.GALLERY);
    page.grid.start(root, scroller);
    page.toolbar.start();
    paint();
    loading.remove();
    page.stage.setBackdrop(root, view.now.backdrop);
    page.toolbar.paintControls();
    page.decisions.onChange(onDecision);
    view.onChange(onView);
    page.keys.start();
    page.large.sync();
    page.compare.sync();
    page.live.start();
    document.documentElement.dataset.ready = "yes";
  }

  start();
})();
