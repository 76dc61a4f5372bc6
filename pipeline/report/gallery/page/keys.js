"use strict";
// Everything from the keyboard.

page.keys = (() => {
  const { h, isTyping } = page.dom;
  const { view } = page;
  const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);
  const SIZE_STEP = 1.2;
  const PAN_PX = 60;

  const HELP = [
    ["Everywhere", [
      ["?", "these keys"], ["/", "search"], ["a", "approve"], ["r", "reject"], ["n", "note"],
      ["1 – 9", "choose a take; again: take it back"], ["u", "undo the last decision"],
      ["c", "compare"], ["e", "export the review file"], ["Esc", "close, or clear the search"],
    ]],
    ["Grid", [
      ["← ↑ ↓ →", "go to another item"], ["Home, End", "the first, the last"], ["Enter", "show it large"],
      ["x", "mark it for the comparison"], ["+ −", "larger or smaller"],
    ]],
    ["Large", [
      ["← →", "the item before or after"], ["↑ ↓", "the take or step before or after"],
      ["z", "fit or 100 %"], ["+ −", "closer or farther, in whole steps"], ["0", "fit"],
      ["Shift + arrows", "pan"], ["t", "three by three"], ["p", "how pixels are enlarged"],
      ["b", "the next backdrop"], ["i", "hide what is beside the picture"],
    ]],
    ["Compare", [
      ["Shift + 1 – 4", "side by side, swipe, onion skin, difference"], ["1 – 4", "choose this take"],
      ["s", "swap A and B"], ["← →", "the same comparison of another item"],
    ]],
  ];

  function help() {
    const dialog = h(
      "dialog.small-dialog.help",
      { "aria-labelledby": "help-title" },
      h("h2", { id: "help-title" }, "Keys"),
      h("div.key-groups", { tabindex: 0, role: "region", "aria-labelledby": "help-title" }, HELP.map(([title, keys]) =>
        h("section", {}, h("h3", {}, title), h("dl", {}, keys.map(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)]))),
      )),
      h("div.buttons", {}, h("button.primary", { type: "button", onclick: () => dialog.close() }, "Close")),
    );
    page.openDialog(dialog);
  }

  const BACKDROPS = ["checker", "black", "grey", "white"];
  const nextBackdrop = () => {
    const at = BACKDROPS.indexOf(view.now.backdrop);
    view.set({ backdrop: BACKDROPS[(at + 1) % BACKDROPS.length] });
  };

  /** What decisions are about right now: {item, version}, or null. */
  function target() {
    if (page.large.isOpen()) return page.large.current();
    const item = page.model.gallery.byId.get(page.grid.active);
    return item ? { item, version: item.chosen } : null;
  }

  function judge(key) {
    const now = target();
    if (!now?.version) return;
    if (page.large.isOpen()) page.large.pin();
    if (key === "a") page.decisions.toggle(now.version, "approved");
    else if (key === "r") page.decisions.toggle(now.version, "rejected");
    else page.notes.open(now.version);
  }

  function choose(number) {
    const now = target();
    const version = now?.item.versions[number - 1];
    if (!version) {
      if (now) page.toast(`${now.item.id} has no take ${number}`);
      return;
    }
    page.decisions.toggle(version, "chosen");
    const shot = now.item.shots.find((one) => one.version === version);
    if (page.large.isOpen() && shot) view.set({ show: shot.key });
  }

  function resize(factor) {
    const { least, most } = view.SIZES;
    view.set({ size: Math.round(Math.min(most, Math.max(least, page.grid.cardWidth * factor))) });
  }

  const ANYWHERE = {
    "?": help,
    a: () => judge("a"),
    r: () => judge("r"),
    n: () => judge("n"),
    u: () => page.decisions.undo(),
    e: () => !page.decisions.isServed() && page.reviewFile.ask(),
    b: nextBackdrop,
  };

  const IN_GRID = {
    "/": () => page.toolbar.focusSearch(),
    x: () => page.grid.active && page.compare.toggle(page.grid.active),
    c: () => page.compare.openFromGrid(page.model.gallery.byId.get(page.grid.active)),
    z: () => page.grid.active && view.set({ item: page.grid.active, show: "", zoom: 1 }, { step: true }),
    "+": () => resize(SIZE_STEP),
    "=": () => resize(SIZE_STEP),
    "-": () => resize(1 / SIZE_STEP),
    Escape: () => (view.now.compared.length ? page.compare.clear() : view.set({ q: "" })),
  };

  const IN_LARGE = {
    ArrowLeft: () => page.large.go(-1),
    ArrowRight: () => page.large.go(1),
    ArrowUp: () => page.large.goShot(-1),
    ArrowDown: () => page.large.goShot(1),
    c: () => page.large.compare(),
    p: () => page.large.cyclePixels(),
    i: () => page.large.togglePanel(),
  };

  const IN_COMPARE = {
    ArrowLeft: () => page.compare.go(-1),
    ArrowRight: () => page.compare.go(1),
    s: () => page.overlay.swap(),
  };

  const zoomKeys = (viewer) => ({
    z: viewer.toggleZoom, "+": () => viewer.zoom(1), "=": () => viewer.zoom(1), "-": () => viewer.zoom(-1),
    0: viewer.fit, t: viewer.toggleTiles,
  });

  /** Elements that use arrows and Enter themselves. */
  const usesKeys = (element, key) =>
    (element.matches("input, select, video, audio, model-viewer, summary") && (MOVES.has(key) || key === " ")) ||
    (element.matches(".panel, .player.text, .table-box, .key-groups") && ["ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown", " "].includes(key) && element.scrollHeight > element.clientHeight && !element.matches(".panel"));

  function onKey(event) {
    const { key, target: element } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!(element instanceof Element) || isTyping(element) || usesKeys(element, key)) return;
    const open = [...document.querySelectorAll("dialog[open]")].at(-1);
    const isPlain = !open || open.matches(".large, .compare");
    if (!isPlain || document.querySelector(":popover-open")) return;
    const act = actionFor(event, open);
    if (!act) return;
    event.preventDefault();
    act();
  }

  function actionFor({ key, code, shiftKey, target: element }, open) {
    const digit = /^Digit[1-9]$/.test(code) ? Number(code.slice(5)) : Number(key);
    if (open?.matches(".compare")) {
      if (shiftKey && digit >= 1 && digit <= 4) return () => page.compare.setMode(digit);
      if (!shiftKey && digit >= 1 && digit <= 4) return () => page.compare.choose(digit);
      const { "?": keys, u, b } = ANYWHERE;
      return { ...zoomKeys(page.compare), ...IN_COMPARE, "?": keys, u, b }[key];
    }
    if (digit >= 1 && digit <= 9 && !shiftKey) return () => choose(digit);
    if (open) {
      const pans = {
        ArrowLeft: [PAN_PX, 0], ArrowRight: [-PAN_PX, 0], ArrowUp: [0, PAN_PX], ArrowDown: [0, -PAN_PX],
      };
      if (shiftKey && pans[key]) return () => page.large.pan(...pans[key]);
      return { ...zoomKeys(page.large), ...IN_LARGE, ...ANYWHERE }[key];
    }
    if (MOVES.has(key)) return () => page.grid.move(key);
    if ((key === "Enter" || key === " ") && element.matches(".card")) return () => element.click();
    return { ...IN_GRID, ...ANYWHERE }[key];
  }

  const start = () => document.addEventListener("keydown", onKey);

  return { start, help };
})();
