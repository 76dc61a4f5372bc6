"use strict";
// Up to four pictures against each other: side by side, swipe, onion skin, difference.
// A mark is "hero" or "hero@2"; one of the other run begins with ">".

page.compare = (() => {
  const { h, iconButton, icon } = page.dom;
  const { model, view } = page;
  const MOST = 4;
  const MODES = [
    ["side", "Side by side"], ["swipe", "Swipe"], ["onion", "Onion skin"], ["difference", "Difference"],
  ];
  let parts = null;
  let lastMode = "side";

  // --- marks --------------------------------------------------------------------------

  const markOf = (shot) => {
    const prefix = shot.item.gallery === model.gallery ? "" : ">";
    return `${prefix}${shot.item.id}@${shot.key}`;
  };

  /** The shot of a mark, or null. */
  function shotOf(mark) {
    const isOther = mark.startsWith(">");
    const gallery = isOther ? page.runs.other : model.gallery;
    const [id, key] = mark.slice(isOther ? 1 : 0).split("@");
    const item = gallery?.byId.get(id);
    if (!item) return null;
    return key === undefined ? item.cover : item.find(key);
  }

  const shots = () => view.now.compared.map(shotOf).filter(Boolean);

  /** Mark an item of the grid, or take the mark away. */
  function toggle(id) {
    const { compared } = view.now;
    const others = compared.filter((mark) => mark.split("@")[0] !== id);
    if (others.length === compared.length) {
      if (!model.gallery.byId.get(id)?.cover) {
        page.toast("It has no picture to compare");
        return;
      }
      if (compared.length === MOST) {
        page.toast(`Up to ${MOST} can be compared`);
        return;
      }
      others.push(id);
    }
    view.set({ compared: others });
  }

  const clear = () => view.set({ compared: [], mode: "" });

  /** Open the comparison of shots, or of what is marked. */
  function open(list = null) {
    const compared = list ? list.map(markOf) : view.now.compared;
    page.overlay.reset();
    view.set({ compared, mode: lastMode }, { step: true });
  }

  /** What `c` in the grid does. */
  function openFromGrid(item) {
    const { compared } = view.now;
    if (compared.length > 1) open();
    else if (compared.length === 1 && item && item.id !== compared[0]) {
      toggle(item.id);
      open();
    } else if (item) {
      const list = item.shots.filter((shot) => !shot.file.is_missing).slice(0, MOST);
      if (list.length) open(list);
      else page.toast("It has no picture to compare");
    }
  }

  // --- the tray below the grid --------------------------------------------------------

  function paintTray() {
    const tray = document.getElementById("tray");
    const { compared, mode } = view.now;
    tray.hidden = !compared.length || Boolean(mode);
    document.body.classList.toggle("with-tray", !tray.hidden);
    if (tray.hidden) return;
    const list = compared.map((mark) => {
      const shot = shotOf(mark);
      const label = `Take ${mark.split("@")[0]} out of the comparison`;
      return h(
        "button.marked",
        { type: "button", title: label, "aria-label": label, onclick: () => toggle(mark.split("@")[0]) },
        shot ? page.card.thumbnail(shot, "") : icon("warning"),
      );
    });
    tray.replaceChildren(
      h("div.marks", {}, list),
      h("button.primary", { type: "button", onclick: () => open() },
        icon("compare"), compared.length < 2 ? "Compare" : `Compare ${compared.length}`),
      h("button.quiet", { type: "button", onclick: clear }, "Clear"),
    );
  }

  // --- the dialog ---------------------------------------------------------------------

  const isOpen = () => Boolean(parts);

  function sync(changed) {
    paintTray();
    if (!view.now.mode) {
      parts?.dialog.close();
      return;
    }
    lastMode = view.now.mode;
    if (changed && parts && !["compared", "mode", "backdrop"].some((key) => changed.has(key))) return;
    if (!parts) openDialog();
    page.remake(parts.dialog, paint);
  }

  function openDialog() {
    const camera = new page.stage.Camera({
      zoom: view.now.zoom, pixels: view.now.pixels, tiles: view.now.tiles,
      onChange: ({ zoom, pixels, tiles }) => {
        view.set({ zoom: typeof zoom === "number" ? Number(zoom.toFixed(4)) : zoom, pixels, tiles });
        updateZoom();
      },
    });
    const zoom = h("button.zoom-text", { type: "button", title: "Fit or 100 % (z)", onclick: () => camera.toggle() });
    const modes = h("div.segments", { role: "group", "aria-label": "How to compare" });
    const add = h("div.add");
    const body = h("div.panes");
    const controls = h("div.overlay-controls");
    const dialog = h(
      "dialog.compare",
      { "aria-label": "Compare" },
      h(
        "header.bar",
        {},
        h("h2", {}, "Compare"),
        modes,
        h(
          "div.stage-tools",
          { role: "group", "aria-label": "View" },
          page.stage.backdropControl("compare-backdrop"),
          iconButton("fit", "Fit", () => camera.set({ zoom: "fit" }), { key: "0" }),
          zoom,
          iconButton("grid", "Three by three", () => camera.set({ tiles: !camera.tiles }), { key: "t" }),
        ),
        add,
        iconButton("close", "Close", () => dialog.close(), { key: "Escape" }),
      ),
      body,
      controls,
    );
    parts = { dialog, camera, zoom, modes, add, body, controls, stages: [] };
    page.openDialog(dialog, () => {
      parts.stages.forEach((stage) => stage.remove());
      parts = null;
      if (view.now.mode) view.set({ mode: "", compared: view.now.item ? [] : view.now.compared });
    });
  }

  function paint() {
    const { mode } = view.now;
    const list = shots();
    page.stage.setBackdrop(parts.dialog, view.now.backdrop);
    parts.modes.replaceChildren(
      ...MODES.map(([name, label], at) =>
        h("button", {
          type: "button", "aria-pressed": String(mode === name), "data-name": name, title: `${label} (Shift+${at + 1})`,
          onclick: () => view.set({ mode: name }),
        }, label),
      ),
    );
    parts.add.replaceChildren(...addControls(list));
    parts.stages.forEach((stage) => stage.remove());
    parts.stages = [];
    parts.dialog.dataset.mode = mode;
    if (mode === "side" || list.length < 2) paintSide(list);
    else {
      const { body, controls } = parts;
      page.overlay.show({ stage: newStage(), body, controls, list, nameOf });
    }
    updateZoom();
  }

  function newStage() {
    const stage = new page.stage.Stage(parts.camera);
    parts.stages.push(stage);
    return stage;
  }

  function paintSide(list) {
    parts.body.dataset.count = String(list.length);
    const panes = list.map((shot, at) => {
      const stage = newStage();
      const pane = h("figure.pane", {}, stage.element, caption(shot, at, list));
      if (page.media.isPicture(shot.file)) stage.show([page.stage.pictureOf(shot)]);
      else stage.play(page.media.player(shot));
      return pane;
    });
    const lost = view.now.compared.filter((mark) => !shotOf(mark));
    if (lost.length) panes.push(missing(lost));
    parts.body.replaceChildren(...panes);
    const videos = [...parts.body.querySelectorAll("video")];
    parts.controls.replaceChildren(
      videos.length > 1 ? h("button.primary", { type: "button", onclick: () => playAll(videos) }, "Play all from the start") : "",
    );
    parts.controls.hidden = videos.length < 2;
  }

  function playAll(videos) {
    for (const video of videos) {
      video.currentTime = 0;
      video.play().catch(() => {});
    }
  }

  /** What stands for marks that lead nowhere, and how to get there. */
  function missing(lost) {
    const isRun = lost.some((mark) => mark.startsWith(">")) && !page.runs.other;
    return h(
      "div.pane.lost",
      {},
      h("p", {}, isRun ? "The link compares with another run." : `Not here: ${lost.join(", ")}`),
      isRun && h("button.primary", { type: "button", onclick: () => page.runs.ask() }, "Load the other run…"),
    );
  }

  const nameOf = (shot) => {
    const run = shot.item.gallery === model.gallery ? "" : ` of ${page.runs.name()}`;
    return `${shot.item.id}, ${shot.label}${run}`;
  };

  /** What is below a picture: its name, what is particular to it, and how to decide. */
  function caption(shot, at, list) {
    const { item, take, version } = shot;
    const differs = (property) => list.some((one) => one.item[property] !== item[property]);
    const facts = [
      take.seed === null || take.seed === undefined ? "" : `seed ${take.seed}`,
      list.some((one) => (one.take.model || one.item.model) !== (take.model || item.model)) ? take.model || item.model : "",
      page.format.fileFacts(shot.file),
    ];
    const isOurs = item.gallery === model.gallery;
    const decisions = version ? page.decisions.about(version) : [];
    const judge = (word, label) =>
      iconButton(word, `${label} ${nameOf(shot)}`, () => page.decisions.toggle(version, word), {
        "aria-pressed": String(decisions.some((one) => one.word === word)),
        "data-name": `${markOf(shot)} ${word}`, class: `icon-button judge-${word}`,
      });
    return h(
      "figcaption",
      {},
      h("span.pane-name", {}, h("kbd", { "aria-hidden": "true" }, at + 1), h("b", {}, nameOf(shot))),
      h("span.meta", {}, facts.filter(Boolean).join(" · ")),
      differs("prompt") && h("span.pane-prompt", { title: item.prompt }, item.prompt),
      h(
        "span.pane-tools",
        {},
        isOurs && version && page.decisions.canDecide()
          ? [item.versions.length > 1 && judge("chosen", "Choose"), judge("approved", "Approve"), judge("rejected", "Reject")]
          : null,
        list.length > 1 && iconButton("less", `Take ${nameOf(shot)} out`, () => remove(shot)),
      ),
    );
  }

  function remove(shot) {
    const isOther = (mark) => {
      const one = shotOf(mark);
      return !one || markOf(one) !== markOf(shot);
    };
    view.set({ compared: view.now.compared.filter(isOther) });
  }

  function updateZoom() {
    if (!parts) return;
    const stage = parts.stages.find((one) => one.layers.length);
    parts.zoom.disabled = !stage;
    parts.zoom.textContent = stage ? page.stage.zoomText(stage) : "–";
  }

  // --- more to compare ----------------------------------------------------------------

  function addControls(list) {
    if (view.now.compared.length >= MOST || !list.length) return [];
    const marks = new Set(list.map(markOf));
    const first = list[0].item;
    const ours = model.gallery.byId.get(first.id);
    const others = (ours?.shots ?? []).filter((shot) => !marks.has(markOf(shot)));
    const twin = page.runs.other?.byId.get(first.id)?.cover;
    if (twin && !marks.has(markOf(twin))) others.push(twin);
    const select = h(
      "select",
      {
        "aria-label": "Add to the comparison",
        onchange: (event) => {
          const { value } = event.target;
          if (value === "run") page.runs.ask(first.id);
          else view.set({ compared: [...view.now.compared, value] });
        },
      },
      h("option", { value: "" }, "Add…"),
      others.map((shot) => h("option", { value: markOf(shot) }, nameOf(shot))),
      h("option", { value: "run" }, page.runs.other ? "Load another run…" : "The same item of another run…"),
    );
    return [select];
  }

  /** Add the same item of the other run, once it is loaded. */
  function addTwin(id) {
    const mark = `>${id}`;
    if (view.now.compared.includes(mark) || view.now.compared.length >= MOST) paint();
    else view.set({ compared: [...view.now.compared, mark] });
  }

  /** The same comparison of the next item of the selection. */
  function go(step) {
    const list = shots();
    const ids = new Set(list.map((shot) => shot.item.id));
    if (ids.size !== 1) {
      page.toast("Arrows go on where all pictures are of one item");
      return;
    }
    const items = page.grid.items;
    const at = items.findIndex((item) => ids.has(item.id));
    const next = at < 0 ? undefined : items[at + step];
    if (!next) {
      page.toast(step > 0 ? "This is the last item" : "This is the first item");
      return;
    }
    const compared = view.now.compared.map((mark) => {
      const [before, key] = mark.split("@");
      const moved = `${before.startsWith(">") ? ">" : ""}${next.id}`;
      return key !== undefined && shotOf(`${moved}@${key}`) ? `${moved}@${key}` : moved;
    });
    const kept = [...new Set(compared)];
    const item = view.now.item ? { item: next.id, show: "" } : {};
    view.set({ compared: kept, ...item });
  }

  /** Show it anew if one of these items is in it; without any, in any case. */
  function refresh(items = null) {
    if (!parts) return;
    const ids = new Set(items?.map((item) => item.id));
    if (!items || shots().some((shot) => ids.has(shot.item.id))) {
      page.remake(parts.dialog, paint);
    }
  }

  return {
    sync, toggle, open, openFromGrid, clear, isOpen, go, addTwin, markOf,
    choose: (number) => {
      const shot = shots()[number - 1];
      if (shot?.version && shot.item.gallery === model.gallery) page.decisions.toggle(shot.version, "chosen");
    },
    setMode: (number) => view.set({ mode: MODES[number - 1][0] }),
    zoom: (direction) => parts.camera.step(direction),
    toggleZoom: () => parts.camera.toggle(),
    fit: () => parts.camera.set({ zoom: "fit" }),
    toggleTiles: () => parts.camera.set({ tiles: !parts.camera.tiles }),
    refresh,
    close: () => parts.dialog.close(),
  };
})();
