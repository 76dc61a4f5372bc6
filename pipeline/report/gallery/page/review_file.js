"use strict";
// The review file from disk: the decisions that exist with those of this page, in the very
// form in which the commands write it.

page.reviewFile = (() => {
  const { h, icon } = page.dom;
  const KEYS = { picked: "chosen", approved: "approved", rejected: "rejected" };
  const PLAIN = /^[A-Za-z][A-Za-z0-9._/-]*$/;
  const WORDS = new Set(["y", "n", "yes", "no", "on", "off", "true", "false", "null"]);
  const NAMES = ["take", "output", "sha256", "by", "at", "note"];

  /** A JSON string in ASCII is a YAML scalar in quotes, but for signs above U+FFFF. */
  const quoted = (text) =>
    JSON.stringify(text.toWellFormed()).replace(/[\u007f-\u{10ffff}]/gu, (sign) => {
      const code = sign.codePointAt(0);
      const hex = code.toString(16);
      return code > 0xffff ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
    });

  const scalar = (text) =>
    PLAIN.test(text) && !WORDS.has(text.toLowerCase()) ? text : quoted(text);

  function valueText(value) {
    if (Array.isArray(value)) return `[${value.map(quoted).join(", ")}]`;
    return typeof value === "number" ? String(value) : scalar(String(value));
  }

  function flow(verdict) {
    const entries = NAMES.filter((name) => verdict[name]).map(
      (name) => `${name}: ${valueText(verdict[name])}`,
    );
    return `{${entries.join(", ")}}`;
  }

  function block(id, { verdicts, added, kept }) {
    const of = (key) =>
      verdicts
        .filter((one) => one.word === KEYS[key])
        .sort((a, b) => a.take - b.take || a.output - b.output);
    const lines = [`  ${scalar(id)}:\n`];
    for (const one of of("picked")) lines.push(`    picked: ${flow(one)}\n`);
    const groups = [
      ["approved", of("approved").map(flow)], ["rejected", of("rejected").map(flow)],
      ["added", added], ["kept", kept],
    ];
    for (const [key, list] of groups) {
      if (list.length) lines.push(`    ${key}:\n`, ...list.map((one) => `      - ${one}\n`));
    }
    return lines.length > 1 ? lines.join("") : "";
  }

  /**
   * The text of the review file.
   *
   * Args:
   *   gallery: Its `review` is what the file has.
   *   log: The decisions of this page, oldest first.
   *   by: Who decided, or "".
   */
  function render(gallery, log, by) {
    const items = new Map();
    for (const [id, one] of Object.entries(gallery.review)) {
      const verdicts = (one.verdicts ?? []).map((verdict) => ({
        output: 0, ...verdict, word: KEYS[verdict.word] ?? verdict.word,
      }));
      items.set(id, { verdicts, added: one.added ?? [], kept: one.kept ?? [] });
    }
    for (const { item, ...decision } of log) {
      const before = items.get(item) ?? { verdicts: [], added: [], kept: [] };
      const verdicts = page.decisions.apply(before.verdicts, { ...decision, by });
      items.set(item, { ...before, verdicts });
    }
    const blocks = [...items.keys()].sort().map((id) => block(id, items.get(id)));
    const text = blocks.join("");
    const manifest = gallery.manifest.split(/[\\/]/).pop();
    const name = manifest.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, "?");
    return (
      `# Decisions about the takes of ${name}. Commit this file with the manifest.\n` +
      "# Written by pipeline pick, approve, reject, redo, restore and accept.\n" +
      "# A decision counts as long as the take has the bytes with this SHA-256.\n" +
      `version: 1\n${text ? "items:\n" : "items: {}\n"}${text}`
    );
  }

  // --- the export ---------------------------------------------------------------------

  function download(name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
    const link = h("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  /** What is decided on this page, take by take. */
  function summary(versions) {
    return h(
      "ul.export-list",
      { tabindex: 0, "aria-label": "Decisions to export" },
      versions.map((version) => {
        const about = page.decisions.about(version);
        const words = about.map((one) => one.word).join(", ") || "no decision";
        const note = about.map((one) => one.note).find(Boolean);
        return h(
          `li.decision.${about.at(-1)?.word ?? "none"}`,
          {},
          icon(about.at(-1)?.word ?? "note"),
          h("span", {}, h("b", {}, version.item.id), `, ${page.model.nameOf(version.key)}: ${words}`),
          note && h("q", {}, note),
        );
      }),
    );
  }

  /** Ask who decides, and save the file. */
  function ask() {
    const { gallery } = page.model;
    const log = page.decisions.pending;
    const path = gallery.review_file || `${gallery.name}.review.yaml`;
    const file = path.split(/[\\/]/).pop();
    const who = h("input", {
      type: "text", id: "who", value: page.storage.get("by"), autocomplete: "name", maxlength: 200,
      placeholder: "Ann <ann@example.com>",
    });
    const text = () => {
      page.storage.set("by", who.value.trim());
      return render(gallery, log, who.value.trim());
    };
    const save = () => {
      download(file, text());
      done.hidden = false;
    };
    const done = h(
      "div.exported",
      { hidden: true },
      h("p", {}, "Once the file is in its place, the decisions are no longer needed here."),
      h("button.quiet", { type: "button", onclick: () => { page.decisions.forget(); dialog.close(); } }, "Forget them here"),
    );
    const dialog = h(
      "dialog.small-dialog.export",
      { "aria-labelledby": "export-title" },
      h("h2", { id: "export-title" }, "Export the review file"),
      log.length ? summary(page.decisions.pendingVersions()) : h("p", {}, "Nothing has been decided on this page yet."),
      h("label", { for: "who" }, "Who decides"),
      who,
      h("p.hint", {}, "Save it as ", h("code", {}, path),
        `. It has the decisions of that file as they were on ${page.format.time(gallery.made_at)}, and these.`),
      gallery.rejected_command && [
        h("p.hint", {}, "Then edit the prompts of what was rejected, and make only that again:"),
        page.dom.commandLine(gallery.rejected_command),
      ],
      done,
      h(
        "div.buttons",
        {},
        h("button.quiet", { type: "button", onclick: () => dialog.close() }, "Close"),
        h("button.quiet", { type: "button", onclick: (event) => page.dom.copy(text(), event.currentTarget) }, "Copy the text"),
        h("button.primary", { type: "button", disabled: !log.length, onclick: save }, icon("download"), `Save ${file}`),
      ),
    );
    page.openDialog(dialog);
  }

  return { render, ask };
})();
