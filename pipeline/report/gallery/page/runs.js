"use strict";
// Another gallery beside this one: another run, another profile. Its data is a script,
// so it is loaded only when a person says so, and only from where this page is.

page.runs = (() => {
  const { h } = page.dom;
  const { model, view } = page;
  let other = null;

  /** What a person types → the URL of the folder of a gallery, or "". */
  function folderOf(text) {
    const folder = text.trim().replace(/(index\.html|data\.js)([?#].*)?$/, "");
    return page.dom.safeUrl(folder.endsWith("/") || !folder ? folder : `${folder}/`);
  }

  /** Load the data of another gallery. Raises an Error with a sentence. */
  async function load(text) {
    const folder = folderOf(text);
    if (!folder) throw new Error("A gallery can be loaded from where this page is, no other place");
    const own = window.GALLERY;
    window.GALLERY = undefined;
    try {
      await page.media.loadScript(`${folder}data.js?${Date.now()}`);
      if (!Array.isArray(window.GALLERY?.items)) throw new Error("There is no gallery's data in that folder");
      other = model.load(window.GALLERY, folder);
    } catch (error) {
      throw new Error(error.message.includes("cannot be loaded") ? `There is no data.js in ${folder}` : error.message);
    } finally {
      window.GALLERY = own;
    }
    view.set({ run: text.trim() });
  }

  const name = () => {
    const { profile, made_at: madeAt } = other;
    return `${other.name}${profile ? ` (${profile})` : ""}, ${page.format.time(madeAt)}`;
  };

  /** Ask which gallery, and load it. `id` is the item to add to the comparison then. */
  function ask(id = "") {
    const known = (model.gallery.server?.manifests ?? []).filter(([title]) => title !== model.gallery.name);
    const field = h("input", {
      type: "text", id: "run-folder", value: view.now.run, required: true, spellcheck: "false",
      placeholder: "../../icons.final/gallery", list: known.length ? "runs" : null,
    });
    const problem = h("p.problem", { role: "alert" });
    const form = h(
      "form",
      {
        method: "dialog",
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            await load(field.value);
          } catch (error) {
            problem.textContent = error.message;
            return;
          }
          dialog.close();
          if (id) page.compare.addTwin(id);
          else page.compare.refresh();
        },
      },
      h("h2", { id: "run-title" }, "Compare with another run"),
      h("label", { for: "run-folder" }, "The folder of its gallery, relative to this page"),
      field,
      known.length ? h("datalist", { id: "runs" }, known.map(([title, url]) => h("option", { value: url }, title))) : null,
      h("p.hint", {}, "The data of a gallery is a script. Load only what your own runs have made."),
      problem,
      h(
        "div.buttons",
        {},
        h("button.quiet", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        h("button.primary", { type: "submit" }, "Load"),
      ),
    );
    const dialog = h("dialog.small-dialog", { "aria-labelledby": "run-title" }, form);
    page.openDialog(dialog, () => page.compare.refresh());
    field.focus();
  }

  return {
    ask, load, name,
    get other() {
      return other;
    },
  };
})();
