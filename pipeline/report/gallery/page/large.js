"use strict";
// One item large: the picture, its takes below, what is known about it beside.

page.large = (() => {
  const { h, iconButton, icon } = page.dom;
  const { model, view } = page;
  let parts = null; // the open dialog and what is in it

  const isOpen = () => Boolean(parts);

  function open() {
    const camera = new page.stage.Camera({
      zoom: view.now.zoom, pixels: view.now.pixels, tiles: view.now.tiles,
      onChange: ({ zoom, pixels, tiles }) => {
        view.set({ zoom: typeof zoom === "number" ? Number(zoom.toFixed(4)) : zoom, pixels, tiles });
        updateZoom();
      },
    });
    const stage = new page.stage.Stage(camera, { onSwipe: (step) => go(step) });
    const title = h("h2", { id: "large-title" });
    const count = h("span.count");
    const zoom = h("button.zoom-text", { type: "button", title: "Fit or 100 % (z)", onclick: () => camera.toggle() });
    const tiles = iconButton("grid", "Three by three", () => camera.set({ tiles: !camera.tiles }), { key: "t" });
    const pixels = h("button.quiet.pixels", { type: "button", title: "How pixels are enlarged (p)", onclick: cyclePixels });
    const judge = h("div.judge", { role: "group", "aria-label": "Decide" });
    const strip = h("div.strip", { role: "group", "aria-label": "Takes and steps" });
    const panel = h("aside.panel", { tabindex: 0, "aria-label": "About this item" });
    const dialog = h(
      "dialog.large",
      { "aria-labelledby": "large-title" },
      h(
        "header.bar",
        {},
        iconButton("left", "Previous item", () => go(-1), { key: "←" }),
        iconButton("right", "Next item", () => go(1), { key: "→" }),
        h("div.heading", {}, title, count),
        h(
          "div.stage-tools",
          { role: "group", "aria-label": "View" },
          page.stage.backdropControl("large-backdrop"),
          iconButton("fit", "Fit", () => camera.set({ zoom: "fit" }), { key: "0" }),
          zoom, pixels, tiles,
          iconButton("compare", "Compare takes", compare, { key: "c" }),
        ),
        iconButton("close", "Close", () => dialog.close(), { key: "Escape" }),
      ),
      h("div.look", {}, stage.element, judge, strip),
      panel,
    );
    parts = { dialog, camera, stage, title, count, zoom, tiles, pixels, judge, strip, panel, position: -1 };
    page.openDialog(dialog, () => {
      stage.remove();
      parts = null;
      const { item } = view.now;
      const { zoom, tiles } = view.defaults;
      if (item) view.set({ item: "", show: "", zoom, tiles });
      if (item) page.grid.setActive(item);
      page.grid.focus(page.grid.active);
    });
  }

  /** Show what the view says, or close. */
  function sync(changed) {
    const item = view.now.item ? model.gallery.byId.get(view.now.item) : null;
    if (!item) {
      if (view.now.item) {
        page.toast("The link is about an item that is not here");
        view.set({ item: "", show: "" });
      }
      parts?.dialog.close();
      return;
    }
    if (!parts) open();
    else if (changed && !["item", "show", "backdrop"].some((key) => changed.has(key))) {
      return;
    }
    show(item);
  }

  const shotOf = (item) => item.find(view.now.show) ?? item.cover;

  function show(item) {
    const shot = shotOf(item);
    const list = page.grid.items;
    const position = list.findIndex((one) => one.id === item.id);
    if (position >= 0) parts.position = position;
    parts.item = item;
    parts.shot = shot;
    parts.title.textContent = item.id;
    parts.count.textContent =
      position < 0 ? "not in this selection" : `${page.format.count(position + 1)} of ${page.format.count(list.length)}`;
    page.stage.setBackdrop(parts.dialog, view.now.backdrop);
    const key = shot ? `${item.id} ${shot.key} ${shot.file.src} ${shot.file.sha256}` : item.id;
    if (parts.shown !== key) {
      parts.shown = key;
      showShot(item, shot);
    }
    page.remake(parts.judge, () => parts.judge.replaceChildren(...judgeButtons(item, shot)));
    page.remake(parts.strip, () => parts.strip.replaceChildren(...stripOf(item, shot)));
    parts.strip.hidden = item.shots.length < 2;
    const top = parts.panel.dataset.id === item.id ? parts.panel.scrollTop : 0;
    parts.panel.replaceChildren(...page.details.make(item, shot));
    parts.panel.dataset.id = item.id;
    parts.panel.scrollTop = top;
    updateZoom();
    prefetch(list, position);
  }

  function showShot(item, shot) {
    const { stage, camera } = parts;
    Object.assign(camera, { x: 0.5, y: 0.5 });
    stage.element.classList.toggle("without", !shot);
    if (!shot) {
      const text = item.reason ? `${page.format.STATES[item.state]}: ${item.reason}` : "There is no file yet";
      stage.play(h("p.player.note", {}, icon(page.card.STATE_ICONS[item.state] ?? "warning"), text));
    } else if (page.media.isPicture(shot.file) && !shot.file.is_missing) {
      stage.show([page.stage.pictureOf(shot)]);
    } else stage.play(page.media.player(shot));
  }

  /** Have the next picture in the cache. */
  function prefetch(list, position) {
    const shot = list[position + 1]?.cover;
    if (shot && page.media.isPicture(shot.file)) {
      const image = new Image();
      image.src = page.stage.pictureOf(shot).url;
    }
  }

  function updateZoom() {
    if (!parts) return;
    const { stage, camera, zoom, tiles, pixels } = parts;
    const hasPicture = stage.layers.length > 0;
    for (const control of [zoom, tiles, pixels]) control.disabled = !hasPicture;
    zoom.textContent = hasPicture ? page.stage.zoomText(stage) : "–";
    tiles.setAttribute("aria-pressed", String(camera.tiles));
    pixels.textContent = { auto: "Pixels: auto", sharp: "Pixels: sharp", smooth: "Pixels: smooth" }[camera.pixels];
  }

  function cyclePixels() {
    const names = view.ONE_OF.pixels;
    parts.camera.set({ pixels: names[(names.indexOf(parts.camera.pixels) + 1) % names.length] });
  }

  // --- deciding -----------------------------------------------------------------------

  function judgeButtons(item, shot) {
    const version = shot?.version ?? item.chosen;
    if (!page.decisions.canDecide()) return [];
    const about = version ? page.decisions.about(version) : [];
    const has = (word) => about.some((one) => one.word === word);
    const isOff = !page.decisions.isDecidable(version);
    const button = (word, label, key) =>
      h(
        `button.judge-button.${word}`,
        {
          type: "button", "aria-pressed": String(has(word)), disabled: isOff, "data-name": word,
          "aria-keyshortcuts": key, title: `${label} (${key})`,
          onclick: () => {
            pin();
            page.decisions.toggle(version, word);
          },
        },
        icon(word), h("span", {}, label), h("kbd", { "aria-hidden": "true" }, key),
      );
    const number = item.versions.indexOf(version) + 1;
    const buttons = [button("approved", "Approve", "a"), button("rejected", "Reject", "r")];
    if (item.versions.length > 1) buttons.unshift(button("chosen", "Choose", number < 10 ? String(number) : ""));
    const note = about.map((one) => one.note).find(Boolean);
    buttons.push(
      h(
        "button.judge-button",
        {
          type: "button", disabled: isOff, "data-name": "note", "aria-keyshortcuts": "n", title: "Note (n)",
          onclick: () => page.notes.open(version),
        },
        icon("note"), h("span", {}, note ? "Edit the note" : "Note"), h("kbd", { "aria-hidden": "true" }, "n"),
      ),
    );
    const pending = about.some((one) => one.isPending);
    if (pending) buttons.push(h("span.pending-text", {}, "not exported yet"));
    return buttons;
  }

  function stripOf(item, shown) {
    const { chosen } = item;
    return item.shots.map((shot) => {
      const number = shot.version ? item.versions.indexOf(shot.version) + 1 : 0;
      const decisions = shot.version ? page.decisions.about(shot.version) : [];
      const word = ["rejected", "approved"].find((one) => decisions.some(({ word }) => word === one));
      const isChosen = shot.version && shot.version === chosen && item.versions.length > 1;
      const label = [shot.label, isChosen && "chosen", word].filter(Boolean).join(", ");
      return h(
        "button.shot",
        {
          type: "button", "aria-pressed": String(shot.key === shown?.key), "aria-label": label, title: label,
          dataset: { name: shot.key, decision: word ?? "", step: shot.version ? "" : "yes" },
          onclick: () => view.set({ show: shot.key }),
        },
        h("span.shot-frame", {}, page.card.thumbnail(shot, "")),
        h(
          "span.shot-name",
          {},
          isChosen && icon("chosen"),
          word && icon(word),
          shot.version ? (number < 10 ? h("kbd", {}, number) : number) : shot.label,
        ),
      );
    });
  }

  /** Stay with what is looked at, even if a decision makes another take the chosen one. */
  function pin() {
    if (!view.now.show && parts?.shot) view.set({ show: parts.shot.key });
  }

  // --- from the keyboard --------------------------------------------------------------

  /** Go some items on in the selection. */
  function go(step) {
    const list = page.grid.items;
    const at = list.findIndex((one) => one.id === parts.item.id);
    const from = at >= 0 ? at : parts.position - (step > 0 ? 1 : 0);
    const next = list[from + step];
    if (next) view.set({ item: next.id, show: "" });
    else page.toast(step > 0 ? "This is the last item" : "This is the first item");
  }

  /** Look at the next take or step. */
  function goShot(step) {
    const { shots } = parts.item;
    const at = shots.findIndex((one) => one.key === parts.shot?.key);
    const next = shots[at + step];
    if (next) view.set({ show: next.key });
  }

  function compare() {
    const shots = parts.item.shots.filter((shot) => !shot.file.is_missing);
    if (!shots.length) {
      page.toast("There is nothing to compare yet");
      return;
    }
    const first = parts.shot ?? shots[0];
    const others = shots.filter((shot) => shot.key !== first.key);
    const chosen = [first, ...others].slice(0, 4);
    chosen.sort((a, b) => shots.indexOf(a) - shots.indexOf(b));
    page.compare.open(chosen);
  }

  /** What the shown item and version are, for keys. */
  const current = () => ({ item: parts.item, version: parts.shot?.version ?? parts.item.chosen });

  /** Show it anew if it is one of these items; without any, in any case. */
  function refresh(items = null) {
    if (!parts) return;
    const { id } = parts.item;
    const isMeant = !items || items.some((item) => item.id === id);
    if (isMeant && model.gallery.byId.has(id)) show(model.gallery.byId.get(id));
  }

  return {
    sync, isOpen, go, goShot, compare, current, refresh, pin,
    zoom: (direction) => parts.camera.step(direction),
    toggleZoom: () => parts.camera.toggle(),
    fit: () => parts.camera.set({ zoom: "fit" }),
    toggleTiles: () => parts.camera.set({ tiles: !parts.camera.tiles }),
    cyclePixels: () => cyclePixels(),
    pan: (x, y) => parts.stage.panBy(x, y),
    togglePanel: () => parts.dialog.classList.toggle("without-panel"),
    close: () => parts.dialog.close(),
  };
})();
