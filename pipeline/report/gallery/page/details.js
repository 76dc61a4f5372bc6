"use strict";
// Everything that is known about an item and one of its takes, beside the picture.

page.details = (() => {
  const { h, icon, copyButton, commandLine } = page.dom;
  const { model, format } = page;

  function section(title, ...children) {
    const content = children.flat().filter(Boolean);
    return content.length ? h("section.facts", {}, h("h3", {}, title), content) : null;
  }

  /** Names and values; what is empty is left out. */
  function table(pairs) {
    const rows = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
    if (!rows.length) return null;
    return h(
      "dl",
      {},
      rows.map(([name, value]) => [
        h("dt", {}, name),
        h("dd", {}, value instanceof Node ? value : valueText(value)),
      ]),
    );
  }

  const valueText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

  /** A link to another item of the page. */
  function itemLink(id, ...children) {
    if (!model.gallery.byId.has(id)) return h("span", {}, id);
    const href = page.view.link({ item: id, show: "", compared: [] });
    return h("a", { href }, children.length ? children : id);
  }

  function troubleOf(item, take) {
    const about = take && take.state !== "saved" ? take : item;
    if (about.state === "saved") return null;
    const isBad = ["failed", "unknown"].includes(about.state);
    const hint = about.hint || item.hint;
    return h(
      `section.trouble-box${isBad ? ".bad" : ""}`,
      {},
      h("h3", {}, icon(page.card.STATE_ICONS[about.state] ?? "warning"), format.STATES[about.state]),
      about.reason && h("p", {}, about.reason),
      hint && hint !== item.command && h("p.hint", {}, hint),
      item.command && commandLine(item.command),
    );
  }

  function promptText(title, text) {
    return h(
      "section.facts.prompt",
      {},
      h("h3", {}, title, copyButton(text, `Copy: ${title}`)),
      h("p", {}, text),
    );
  }

  /** What was asked for; a take from before an edit was asked for something else. */
  function prompt(item, take) {
    const before = take?.prompt ? promptText("Prompt of this take", take.prompt) : null;
    const title = before ? "Prompt in the manifest now" : "Prompt";
    return [before, item.prompt ? promptText(title, item.prompt) : null];
  }

  function references(item, take) {
    const used = take?.references.length ? take.references : item.references;
    const list = used.map((one) => {
      const other = one.item && model.gallery.byId.get(one.item);
      const cover = other?.cover;
      const picture = model.urlOf(item, one.thumbnail || (cover ? model.posterOf(cover) : ""));
      const image = picture
        ? h("img", { src: picture, alt: "", decoding: "async" })
        : h("span.sign", {}, icon("text"));
      const source = model.urlOf(item, one.src);
      const link = other
        ? itemLink(one.item, image)
        : source
          ? h("a", { href: source, target: "_blank", rel: "noopener", "aria-label": `Open ${one.name}` }, image)
          : image;
      if (other) link.setAttribute("aria-label", `Show ${one.item}`);
      return h(
        "li",
        {},
        h("span.reference-frame", {}, link),
        h("span.name", { title: one.name }, one.name),
        one.input && h("span.input", {}, one.input),
      );
    });
    return list.length ? section("Made from", h("ul.references", {}, list)) : null;
  }

  /** The inputs are the item's: a step has a model of its own. */
  function parameters(item, take) {
    const model = take?.model || item.model;
    const seed = take?.seed ?? "";
    const inputs = Object.entries(item.params);
    if (!take?.step) return section("Parameters", table([["model", model], ["seed", seed], ...inputs]));
    return [
      section(`Step ${take.step}`, table([["model", model], ["seed", seed]])),
      section("Parameters", table([["model", item.model], ...inputs])),
    ];
  }

  function variables(item) {
    const axes = new Set(Object.keys(item.axes));
    const others = Object.entries(item.variables).filter(([name]) => !axes.has(name));
    return section("Variables", table([...Object.entries(item.axes), ...others]));
  }

  function costAndTime(item, take) {
    const { price } = item.gallery;
    const several = item.takes.length + item.steps.length > 1;
    return section(
      "Cost and time",
      table([
        [several ? `this ${take?.step ? "step" : "take"}` : "cost", take ? format.cost(take.charged, price) : ""],
        ["item", several || !take ? format.cost(item.charged, price) : ""],
        ["submitted", format.time(take?.submitted_at)],
        ["made in", take ? format.duration(take.submitted_at, take.finished_at) : ""],
        ["saved", format.time(take?.saved_at)],
        ["attempts", take?.attempts > 1 ? take.attempts : ""],
      ]),
    );
  }

  /** Whether the page has only a picture of it: the file is in a bucket. */
  const isPreviewOf = (file) => file.url !== "" && file.src.startsWith("previews/");

  function fileFacts(item, shot) {
    if (!shot) return null;
    const { file } = shot;
    const src = model.urlOf(item, file.src);
    let name = `${file.name} (not there)`;
    if (!file.is_missing) {
      name = src && !isPreviewOf(file)
        ? h("a", { href: src, target: "_blank", rel: "noopener" }, file.name)
        : file.name;
    }
    const checks = Object.entries(file.checks);
    return [
      section(
        "File",
        table([
          ["name", name],
          ["original", file.url ? commandLine(file.url, "Copy the URL") : ""],
          ["shown", isPreviewOf(file) ? "a preview of at most 2,048 pixels" : ""],
          ["format", format.fileFacts(file)],
          ["SHA-256", file.sha256 ? h("code", { title: file.sha256 }, `${file.sha256.slice(0, 12)}…`) : ""],
        ]),
      ),
      checks.length
        ? section(
            "Checks",
            h(
              "ul.checks",
              {},
              checks.map(([name, found]) =>
                h(
                  `li${found ? ".bad" : ".good"}`,
                  {},
                  icon(found ? "warning" : "approved"),
                  h("span", {}, name, found ? `: ${found}` : ": passed"),
                ),
              ),
            ),
          )
        : null,
    ];
  }

  /** "approved by Ann, 2 Oct 2026, 23:20", with the note below. */
  function decisionText(one) {
    const who = [one.by && `by ${one.by}`, one.isPending ? "not exported yet" : format.time(one.at)];
    return h(
      `li.decision.${one.word}`,
      {},
      icon(one.word),
      h("span", {}, h("b", {}, one.word), ` ${who.filter(Boolean).join(", ")}`),
      one.note && h("q", {}, one.note),
    );
  }

  function history(item, shown) {
    if (!item.versions.length) return null;
    const { chosen } = item;
    const rows = item.versions.map((version) => {
      const { take } = version;
      const shot = item.shots.find((one) => one.version === version);
      const facts = [
        version.state === "saved" ? "" : format.STATES[version.state],
        version.isWanted ? "" : "replaced",
        take.seed === null || take.seed === undefined ? "" : `seed ${take.seed}`,
        take.charged ? format.units(take.charged) : "",
        format.time(take.saved_at || take.finished_at),
      ];
      const name = h("b", {}, model.nameOf(version.key));
      const link = shot
        ? h("a", { href: page.view.link({ item: item.id, show: shot.key }) }, name)
        : name;
      const decisions = page.decisions.about(version);
      return h(
        "li",
        { "aria-current": shown === version ? "true" : null },
        h("span.version", {}, link, version === chosen && item.versions.length > 1 && h("span.tag", {}, "chosen")),
        h("span.meta", {}, facts.filter(Boolean).join(" · ")),
        version.take.reason && h("span.reason", {}, version.take.reason),
        decisions.length ? h("ul.decisions", {}, decisions.map(decisionText)) : null,
      );
    });
    return section(item.versions.length > 1 ? "Takes" : "Take", h("ol.history", {}, rows));
  }

  function line(item, shot) {
    const list = (title, ids) =>
      ids.length
        ? [h("dt", {}, title), h("dd", {}, h("ul.links", {}, ids.map((id) => h("li", {}, itemLink(id)))))]
        : [];
    const steps = item.stepTakes.map((take) => {
      const found = item.shots.find((one) => one.take.step === take.step && !one.version);
      const text = `${take.step}${take.state === "saved" ? "" : ` (${format.STATES[take.state]})`}`;
      const href = found && page.view.link({ item: item.id, show: found.key });
      return h("li", { "aria-current": shot?.take.step === take.step ? "true" : null }, href ? h("a", { href }, text) : text);
    });
    const stepRow = steps.length ? [h("dt", {}, "steps"), h("dd", {}, h("ol.links", {}, steps))] : [];
    const rows = [...list("made from", item.parents), ...stepRow, ...list("used by", item.children)];
    return rows.length ? section("Line", h("dl", {}, rows)) : null;
  }

  function makeAgain(item, shot) {
    const redo = page.live.redoControl(item, shot?.version ?? item.chosen);
    const hasCommand = item.command && item.state === "saved";
    return hasCommand || redo
      ? section("Make it again", redo, hasCommand && commandLine(item.command))
      : null;
  }

  /** The whole panel for an item and the shot that is looked at; either may be all. */
  function make(item, shot) {
    const take = shot?.take ?? null;
    const place = [item.place, item.entry && item.entry !== item.id ? item.entry : ""];
    return [
      h("p.place", {}, place.filter(Boolean).join(" · ")),
      troubleOf(item, take),
      prompt(item, take),
      references(item, take),
      history(item, shot?.version ?? null),
      line(item, shot),
      parameters(item, take),
      variables(item),
      costAndTime(item, take),
      fileFacts(item, shot),
      makeAgain(item, shot),
    ].flat().filter(Boolean);
  }

  return { make, decisionText };
})();
