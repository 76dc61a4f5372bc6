"use strict";
// Files that are no pictures: video, sound, 3D models and texts.

page.media = (() => {
  const { h, icon, commandLine } = page.dom;
  const { model } = page;
  const VIEWER = "vendor/model-viewer-umd.min.js";
  const loading = new Map(); // URL of a script → the promise of it

  /** Load a classic script once: the only way to data for a page from disk. */
  function loadScript(url) {
    if (!loading.has(url)) {
      const promise = new Promise((resolve, reject) => {
        const script = h("script", { src: url });
        script.addEventListener("load", resolve);
        script.addEventListener("error", () => {
          loading.delete(url);
          reject(new Error(`${url} cannot be loaded`));
        });
        document.head.append(script);
      });
      loading.set(url, promise);
    }
    return loading.get(url);
  }

  const isPicture = (file) => file.kind === "image" && file.src !== "";

  /** An element that plays or shows a file. */
  function player(shot) {
    const { item, file } = shot;
    const src = model.urlOf(item, file.src);
    const poster = model.urlOf(item, model.posterOf(shot));
    const label = model.altOf(shot);
    if (file.is_missing) return missing(file);
    if (!src && file.kind === "text") return h("div.player.text", {}, h("pre", {}, file.text), away(file));
    if (!src && !file.embedded) return elsewhere(shot, poster);
    switch (file.kind) {
      case "video":
        return h("video.player", {
          src, poster: poster || null, controls: true, loop: true, playsinline: true,
          preload: "metadata", "aria-label": label,
        });
      case "audio":
        return h(
          "figure.player.sound",
          {},
          poster ? h("img", { src: poster, alt: label }) : icon("sound"),
          h("audio", { src, controls: true, preload: "metadata", "aria-label": label }),
        );
      case "3d":
        return solid(shot, src, poster);
      case "text":
        return h(
          "div.player.text",
          { tabindex: 0, role: "document", "aria-label": label },
          h("pre", {}, file.text),
          h("p", {}, h("a", { href: src, target: "_blank", rel: "noopener" }, "The whole file")),
        );
      default:
        return h(
          "p.player.note",
          {},
          h("a", { href: src, target: "_blank", rel: "noopener" }, file.name || "The file"),
        );
    }
  }

  function missing(file) {
    return h("p.player.note", {}, icon("warning"), `${file.name || "The file"} is not there now`);
  }

  /** What stands for a file that a page from disk cannot open. */
  function elsewhere(shot, poster) {
    return h(
      "figure.player.elsewhere",
      {},
      poster ? h("img", { src: poster, alt: model.altOf(shot) }) : icon("warning"),
      away(shot.file),
    );
  }

  /** Where a file is that a page from disk cannot open. */
  function away(file) {
    if (!file.url) return h("p.note", {}, `${file.name} cannot be shown here`);
    return h(
      "figcaption",
      {},
      h("p", {}, "It is in a bucket, which a page from disk cannot open. ",
        h("code", {}, "pipeline view"), " shows it, and ", h("code", {}, "pipeline gallery --out"), " copies it."),
      commandLine(file.url, "Copy the URL"),
    );
  }

  function solid(shot, src, poster) {
    const box = h("div.player.solid", {}, h("p.note", {}, "Loading the model…"));
    showSolid(shot, src, poster, box).catch(() => {
      const still = poster ? h("img", { src: poster, alt: model.altOf(shot) }) : null;
      const where = src ? h("a", { href: src }, shot.file.name) : away(shot.file);
      const text = h("p.note", {}, "This 3D model cannot be shown here. ", where);
      box.replaceChildren(...[still, text].filter(Boolean));
    });
    return box;
  }

  async function showSolid({ item, file }, src, poster, box) {
    await loadScript(page.dom.safeUrl(VIEWER));
    let url = src;
    if (file.embedded) {
      await loadScript(model.urlOf(item, file.embedded));
      url = blobUrl(window.GALLERY_MODELS[file.sha256]);
    } else if (location.protocol === "file:") throw new Error("a page from disk reads no file");
    const viewer = document.createElement("model-viewer");
    const attributes = {
      src: url, alt: item.prompt || item.id, "camera-controls": "", "touch-action": "pan-y",
      "shadow-intensity": "0.6", "interaction-prompt": "none", tabindex: "0",
    };
    if (poster) attributes.poster = poster;
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) attributes["auto-rotate"] = "";
    for (const [name, value] of Object.entries(attributes)) viewer.setAttribute(name, value);
    viewer.addEventListener("load", () => (box.dataset.ready = "yes"));
    box.replaceChildren(viewer);
  }

  function blobUrl(base64) {
    const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
    return URL.createObjectURL(new Blob([bytes], { type: "model/gltf-binary" }));
  }

  return { player, isPicture, loadScript };
})();
