"use strict";
// What is above the grid: name, search, filters, arrangement, size, backdrop.

page.toolbar = (() => {
  const { h, icon, iconButton } = page.dom;
  const { format, model, view } = page;
  const GROUPS = { entry: "Entry", folder: "Folder", model: "Model", state: "State", none: "None" };
  const PLACES = { row: "Rows", column: "Columns", filter: "Neither" };
  const SEARCH_DELAY_MS = 80;
  let parts = null;

  // --- popovers -----------------------------------------------------------------------

  /** A button and the panel that it opens below itself; its content is made each time. */
  function popover(id, name, label, content) {
    const panel = h("div.popover", { id, popover: "auto", role: "dialog", "aria-label": label });
    const button = h(
      "button.quiet.opens",
      { type: "button", popovertarget: id, "aria-haspopup": "dialog", "aria-label": label },
      icon(name), h("span.label", {}, label),
    );
    panel.addEventListener("beforetoggle", (event) => {
      if (event.newState !== "open") return;
      const { bottom, left } = button.getBoundingClientRect();
      panel.style.top = `${bottom + 6}px`;
      panel.style.left = `${Math.max(8, Math.min(left, innerWidth - 400))}px`;
      panel.style.maxHeight = `${innerHeight - bottom - 20}px`;
      panel.replaceChildren(...content().filter(Boolean));
    });
    return [button, panel];
  }

  function checks(legend, entries, isOn, change) {
    return h(
      "fieldset",
      {},
      h("legend", {}, legend),
      h("div.options", {}, entries.map(([value, label, count]) =>
        h(
          "label.option",
          {},
          h("input", { type: "checkbox", checked: isOn(value), onchange: (event) => change(value, event.target.checked) }),
          h("span", {}, label),
          count === undefined ? null : h("span.count", {}, format.count(count)),
        ),
      )),
    );
  }

  const changed = (list, value, isOn) =>
    isOn ? [...list, value] : list.filter((one) => one !== value);

  function setAxis(axis, value, isOn) {
    const axes = { ...view.now.axes };
    const values = changed(page.arrange.own(axes, axis) ?? [], value, isOn);
    if (values.length) view.put(axes, axis, values);
    else delete axes[axis];
    view.set({ axes });
  }

  function filters() {
    const { gallery } = model;
    const count = (valueOf) => {
      const counts = new Map();
      for (const item of gallery.items) {
        const value = valueOf(item);
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      return counts;
    };
    const states = count((item) => item.state);
    const axes = Object.entries(gallery.axes).map(([axis, values]) => {
      const counts = count((item) => String(page.arrange.own(item.axes, axis)));
      return checks(
        axis,
        values.map((value) => [String(value), String(value), counts.get(String(value)) ?? 0]),
        (value) => (page.arrange.own(view.now.axes, axis) ?? []).includes(value),
        (value, isOn) => setAxis(axis, value, isOn),
      );
    });
    return [
      checks(
        "State",
        model.STATE_ORDER.filter((state) => states.has(state)).map((state) => [state, format.STATES[state], states.get(state)]),
        (value) => view.now.states.includes(value),
        (value, isOn) => view.set({ states: changed(view.now.states, value, isOn) }),
      ),
      checks(
        "Decision",
        view.DECISIONS.filter((name) => name !== "pending" || !page.decisions.isServed()).map((name) => [
          name, { pending: "not exported", noted: "with a note" }[name] ?? name,
        ]),
        (value) => view.now.decisions.includes(value),
        (value, isOn) => view.set({ decisions: changed(view.now.decisions, value, isOn) }),
      ),
      ...axes,
      h("div.buttons", {}, h("button.quiet", { type: "button", onclick: () => {
        clearFilters();
        document.getElementById("filters").hidePopover();
      } }, "Clear all")),
    ];
  }

  const clearFilters = () => view.set({ q: "", states: [], decisions: [], axes: {} });

  function radios(legend, name, entries, current, change) {
    return h(
      "fieldset.choices",
      {},
      h("legend", {}, legend),
      h("div.segments", {}, entries.map(([value, label]) =>
        h(
          "label",
          {},
          h("input", { type: "radio", name, value, checked: value === current, onchange: () => change(value) }),
          h("span", {}, label),
        ),
      )),
    );
  }

  function arrangement() {
    const { gallery } = model;
    const layout = page.arrange.layoutOf(gallery, view.now);
    const groups = radios(
      "Group by", "group", Object.entries(GROUPS), page.arrange.groupOf(gallery, view.now),
      (group) => view.set({ group }),
    );
    const axes = h("div.axes", {}, page.arrange.placesOf(gallery, view.now).map(([axis, place]) =>
      radios(axis, `place-${axis}`, Object.entries(PLACES), place, (value) => {
        const places = { ...view.now.places };
        view.put(places, axis, value);
        view.set({ places });
      }),
    ));
    const set = (value) => {
      groups.hidden = value === "matrix";
      axes.hidden = value !== "matrix";
    };
    set(layout);
    const hasMatrix = page.arrange.hasMatrix(gallery);
    return [
      hasMatrix &&
        radios("Show as", "layout", [["matrix", "Matrix"], ["groups", "Groups"]], layout, (value) => {
          view.set({ layout: value });
          set(value);
        }),
      axes,
      groups,
      h("div.only-narrow", {}, sizeSlider(), page.stage.backdropControl("narrow-backdrop")),
    ];
  }

  // --- the bar ------------------------------------------------------------------------

  function sizeSlider() {
    const { least, most } = view.SIZES;
    return h("label.size", { title: "Size of the pictures (+ and −)" }, h("span.off-screen", {}, "Size of the pictures"),
      h("input", { type: "range", min: least, max: most, step: 8, value: page.grid.cardWidth,
        oninput: (event) => view.set({ size: Number(event.target.value) }) }));
  }

  function start() {
    const search = h("input", {
      type: "search", id: "search", placeholder: "Search", "aria-label": "Search ids and prompts",
      "aria-keyshortcuts": "/", spellcheck: "false", autocomplete: "off", value: view.now.q,
    });
    let timer = 0;
    const commit = () => {
      clearTimeout(timer);
      timer = 0;
      view.set({ q: search.value });
    };
    search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(commit, SEARCH_DELAY_MS);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "ArrowDown" && event.key !== "Escape") return;
      event.preventDefault();
      if (event.key === "Escape") search.value = "";
      commit();
      page.grid.focus(page.grid.active);
    });
    const chips = h("div.chips");
    const count = h("span.shown", { role: "status" });
    const size = h("div.only-wide", {}, sizeSlider());
    const backdrop = h("div.only-wide");
    document.getElementById("bar").replaceChildren(
      h("label.search", {}, icon("search"), search),
      ...popover("filters", "filter", "Filter", filters),
      ...popover("arrangement", "arrange", "Arrange", arrangement),
      chips, count, backdrop, size,
    );
    const live = h("span.live", { hidden: true });
    const exporting = h("button.export-button", { type: "button", onclick: () => page.reviewFile.ask() });
    const tools = [live, manifests(), exporting, themeButton(), iconButton("help", "Keys", () => page.keys.help(), { key: "?" })];
    document.getElementById("tools").replaceChildren(...tools.filter(Boolean));
    parts = { search, isWaiting: () => timer > 0, chips, count, backdrop, size, live, exporting };
    paintAbout();
  }

  function themeButton() {
    const button = iconButton("theme", "", () => {
      const next = theme.names[(theme.names.indexOf(theme.get()) + 1) % theme.names.length];
      document.documentElement.dataset.theme = next;
      theme.set(next);
      name(next);
      page.toast({ system: "Light or dark as the system is", light: "Light", dark: "Dark" }[next]);
    });
    const name = (value) => {
      button.setAttribute("aria-label", `Theme: ${value}`);
      button.title = `Theme: ${value}`;
    };
    name(theme.get());
    return button;
  }

  /** Where several manifests are served: a way from one to the other. */
  function manifests() {
    const list = model.gallery.server?.manifests ?? [];
    if (list.length < 2) return null;
    return h(
      "select.manifests",
      {
        "aria-label": "Manifest",
        onchange: (event) => {
          const url = page.dom.safeUrl(event.target.value);
          if (url) location.assign(url);
        },
      },
      list.map(([name, url]) => h("option", { value: url, selected: name === model.gallery.name }, name)),
    );
  }

  function paintAbout() {
    const { gallery } = model;
    document.getElementById("name").textContent = gallery.name;
    document.title = `${gallery.name} · gallery`;
    const marks = [
      gallery.profile && h("span.mark", {}, gallery.profile),
      gallery.is_emulated && h("span.mark.emulated", { title: "Made by the emulator: no picture is real, nothing was paid" }, "emulated"),
      gallery.made_at && !gallery.server && h("span.made", {}, format.time(gallery.made_at)),
      gallery.server && !gallery.server.can_edit && h("span.mark", { title: "Start it with --edit to decide here" }, "read-only"),
    ];
    document.getElementById("about").replaceChildren(...marks.filter(Boolean));
  }

  /** Say what is filtered, and how much is shown. */
  function paint(shown) {
    const { now } = view;
    if (document.activeElement !== parts.search && !parts.isWaiting()) parts.search.value = now.q;
    const chip = (label, remove) =>
      h("button.chip", { type: "button", title: "Remove this filter", "aria-label": `Remove the filter ${label}`, onclick: remove }, label, icon("close"));
    const list = [
      ...now.states.map((state) => chip(format.STATES[state], () => view.set({ states: changed(view.now.states, state, false) }))),
      ...now.decisions.map((name) => chip(name, () => view.set({ decisions: changed(view.now.decisions, name, false) }))),
      ...Object.entries(now.axes).flatMap(([axis, values]) =>
        values.map((value) => chip(`${axis}: ${value}`, () => setAxis(axis, value, false))),
      ),
    ];
    parts.chips.replaceChildren(...list);
    const total = model.gallery.items.length;
    parts.count.textContent =
      shown === total ? format.plural(total, "item") : `${format.count(shown)} of ${format.plural(total, "item")}`;
    paintExport();
  }

  /** What follows the view, but not what is typed or dragged right now. */
  function paintControls() {
    page.remake(parts.backdrop, () =>
      parts.backdrop.replaceChildren(page.stage.backdropControl("backdrop")),
    );
    const slider = parts.size.querySelector("input");
    if (document.activeElement !== slider) slider.value = page.grid.cardWidth;
  }

  function paintExport() {
    const { exporting } = parts;
    const number = page.decisions.pendingVersions().length;
    exporting.hidden = page.decisions.isServed();
    exporting.classList.toggle("waiting", number > 0);
    exporting.setAttribute("aria-label", number ? `Export decisions about ${format.plural(number, "take")}` : "Export the review file");
    exporting.title = "Export decisions as the review file (e)";
    exporting.replaceChildren(icon("download"), h("span.label", {}, number ? `Export ${format.count(number)}` : "Export"));
  }

  function paintLive(isConnected) {
    parts.live.hidden = false;
    parts.live.textContent = isConnected ? "live" : "not connected";
    parts.live.classList.toggle("lost", !isConnected);
  }

  return { start, paint, paintControls, paintExport, paintLive, clearFilters, focusSearch: () => parts.search.focus() };
})();
