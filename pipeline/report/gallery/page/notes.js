"use strict";
// A note about a take. The review file has notes only with a decision.

page.notes = (() => {
  const { h, icon } = page.dom;
  const MOST_CHARS = 2000;

  function open(version) {
    if (!page.decisions.canDecide() || !page.decisions.isDecidable(version)) {
      page.decisions.decide(version, "note");
      return;
    }
    const about = page.decisions.about(version);
    const before = about.map((one) => one.note).find(Boolean) ?? "";
    const field = h("textarea", { id: "note", rows: 4, maxlength: MOST_CHARS, value: before });
    const save = async (word) => {
      const note = field.value.trim();
      dialog.close();
      await page.decisions.decide(version, word, note);
    };
    const button = (word, label) =>
      h(`button.${word}`, { type: "button", onclick: () => save(word) }, word !== "note" && icon(word), label);
    const dialog = h(
      "dialog.small-dialog",
      { "aria-labelledby": "note-title" },
      h("h2", { id: "note-title" }, `Note about ${version.item.id}, ${page.model.nameOf(version.key)}`),
      h("label", { for: "note" }, "Note"),
      field,
      h("p.hint", {}, about.length ? "Ctrl+Enter saves it." : "A note belongs to a decision. Which one?"),
      h(
        "div.buttons",
        {},
        h("button.quiet", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        about.length
          ? h("button.primary", { type: "button", onclick: () => save("note") }, "Save the note")
          : [button("rejected", "Reject"), button("approved", "Approve"), version.item.versions.length > 1 && button("chosen", "Choose")],
      ),
    );
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && about.length) save("note");
    });
    page.openDialog(dialog);
    field.focus();
  }

  return { open };
})();
