"use strict";
// One item of the grid.

page.card = (() => {
  const { h, icon, copyButton } = page.dom;
  const { STATES, units, plural } = page.format;
  const { model } = page;
  const SMALL_PX = 256; // a picture up to this size is shown itself, not its thumbnail
  const THUMBNAIL_PX = 640; // what a thumbnail is good for, in pixels of the screen
  const KIND_ICONS = { video: "play", audio: "sound", "3d": "cube", text: "text" };
  const STATE_ICONS = {
    failed: "warning", unknown: "help", blocked: "blocked", in_flight: "wait",
    not_fetched: "download", not_submitted: "more",
  };

  /** The word that the item's chosen version has, or "". */
  function decisionOf(item) {
    const { chosen } = item;
    if (!chosen) return null;
    const about = page.decisions.about(chosen);
    const order = ["rejected", "approved", "chosen"];
    for (const word of order) {
      const found = about.find((one) => one.word === word);
      if (found) return found;
    }
    const all = page.decisions.of(item).filter((one) => one.word === "rejected");
    return item.versions.length === 1 ? (all[0] ?? null) : null;
  }

  /** A picture of a shot that is `width` pixels wide, or a sign of its kind. */
  function thumbnail(shot, alt, width = 0) {
    const { file, item } = shot;
    const isSmall =
      file.kind === "image" && file.width_px && Math.max(file.width_px, file.height_px) <= SMALL_PX;
    const poster = model.posterOf(shot);
    const isLarge = file.kind === "image" && width * devicePixelRatio > THUMBNAIL_PX;
    const isItself = (isSmall || isLarge) && !file.is_missing;
    const url = model.urlOf(item, (isItself && file.src) || poster || "");
    if (file.is_missing && !poster) return h("span.sign", {}, icon("warning"));
    if (url) {
      return h("img", {
        src: url, alt, decoding: "async", draggable: "false",
        class: isSmall ? "sharp" : null,
      });
    }
    if (file.kind === "image") {
      const own = model.urlOf(item, file.src);
      if (own) return h("img", { src: own, alt, decoding: "async", draggable: "false" });
    }
    if (file.kind === "text" && file.text) return h("span.excerpt", {}, file.text.slice(0, 400));
    return h("span.sign", {}, icon(KIND_ICONS[file.kind] ?? "text"));
  }

  /** What an item without a picture shows in its place. */
  function trouble(item) {
    const isBad = ["failed", "unknown"].includes(item.state);
    return h(
      `div.trouble${isBad ? ".bad" : ""}`,
      {},
      h("strong", {}, icon(STATE_ICONS[item.state] ?? "warning"), STATES[item.state] ?? item.state),
      item.reason && h("span.reason", {}, item.reason),
      item.hint && item.hint !== item.command && h("span.hint", {}, item.hint),
      item.command && isBad && h("span.next", {}, h("code", {}, item.command), copyButton(item.command)),
    );
  }

  /** In words: "hero, saved, take 2 of 4, approved". */
  function labelOf(item) {
    const decision = decisionOf(item);
    const { versions, chosen } = item;
    const parts = [item.id, STATES[item.state] ?? item.state];
    if (versions.length > 1 && chosen) {
      parts.push(`${model.nameOf(chosen.key)} of ${versions.length}`);
    }
    if (decision) parts.push(decision.word + (decision.isPending ? ", not exported" : ""));
    if (!item.cover && item.reason) parts.push(item.reason);
    return parts.join(", ");
  }

  function metaOf(item) {
    const { versions, chosen } = item;
    const parts = [];
    if (versions.length > 1) {
      parts.push(
        item.chooses && item.takes.length === 1
          ? plural(versions.length, "output")
          : `${chosen ? model.nameOf(chosen.key) : "no take"} of ${versions.length}`,
      );
    }
    if (item.charged) parts.push(units(item.charged));
    return parts.join(" · ");
  }

  function badges(item, cover, decision) {
    const marks = [];
    if (decision && decision.word !== "chosen") {
      const pending = decision.isPending ? ".pending" : "";
      marks.push(h(`span.badge.${decision.word}${pending}`, {}, icon(decision.word)));
    } else if (decision) {
      const pending = decision.isPending ? ".pending" : "";
      marks.push(h(`span.badge.chosen${pending}`, {}, icon("chosen")));
    }
    if (page.decisions.of(item).some((one) => one.note)) {
      marks.push(h("span.badge.note", {}, icon("note")));
    }
    const kind = cover && model.posterOf(cover) && KIND_ICONS[cover.file.kind];
    if (kind) marks.push(h("span.badge.kind", {}, icon(kind)));
    if (cover && item.state !== "saved") {
      const state = item.state === "failed" || item.state === "unknown" ? ".bad" : "";
      marks.push(h(`span.tag${state}`, {}, STATES[item.state] ?? item.state));
    } else if (cover && Object.values(cover.file.checks).some(Boolean)) {
      marks.push(h("span.tag.look", {}, "needs review"));
    }
    return h("div.badges", {}, marks);
  }

  /** The gridcell of an item; `width` in pixels. */
  function make(item, width) {
    const { cover } = item;
    const decision = decisionOf(item);
    const isCompared = page.view.now.compared.some((one) => one.split("@")[0] === item.id);
    return h(
      "div.card",
      {
        role: "gridcell",
        tabindex: -1,
        "aria-label": labelOf(item),
        "aria-selected": isCompared ? "true" : "false",
        dataset: { id: item.id, state: item.state, decision: decision?.word ?? "" },
      },
      h(
        `div.frame${cover ? "" : ".without"}`,
        {},
        cover ? thumbnail(cover, model.altOf(cover), width) : trouble(item),
        badges(item, cover, decision),
        cover &&
          h("button.pick", {
            type: "button", tabindex: -1, title: "Compare (x)", "aria-label": `Compare ${item.id}`,
            "aria-pressed": isCompared ? "true" : "false",
          }, icon("compare")),
      ),
      h(
        "div.caption",
        {},
        h("span.id", { title: item.id }, item.name),
        h("span.meta", {}, metaOf(item)),
      ),
    );
  }

  return { make, thumbnail, decisionOf, labelOf, STATE_ICONS };
})();
