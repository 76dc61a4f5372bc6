"use strict";
// What every script of the page uses. Text becomes text nodes and attributes, never markup,
// and nothing in it is invisible.

const page = {};

page.dom = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  // Icons are strokes on a square of 16.
  const ICONS = {
    approved: "M3 8.5 6.5 12 13 4.5",
    rejected: "M4 4l8 8M12 4l-8 8",
    chosen: "M8 2.5l1.7 3.5 3.8.5-2.8 2.7.7 3.8L8 11.2 4.6 13l.7-3.8L2.5 6.5 6.3 6z",
    note: "M3 3.5h10v7H7l-3 2.5v-2.5H3z",
    search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9M10.3 10.3 14 14",
    close: "M4 4l8 8M12 4l-8 8",
    left: "M10 3 5 8l5 5",
    right: "M6 3l5 5-5 5",
    help: "M5.8 6a2.2 2.2 0 1 1 3.3 2C8.3 8.5 8 9 8 9.8M8 12.3v.2",
    theme: "M8 2.5v11M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M10.5 4v8M12.3 5.5v5",
    filter: "M2.5 4.5h11M4.5 8h7M6.5 11.5h3",
    arrange: "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
    download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10",
    compare: "M2.5 3.5h4.5v9H2.5zM9 3.5h4.5v9H9z",
    copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    play: "M5 3.5v9l7.5-4.5z",
    sound: "M6 11.5V4l6-1.5V10M6 11.5a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 0 1 3.6 0M12 10a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 0 1 3.6 0",
    cube: "M8 2l5.3 3v6L8 14l-5.3-3V5zM2.7 5 8 8l5.3-3M8 8v6",
    text: "M3 4h10M3 7h10M3 10h10M3 13h6",
    warning: "M8 2.5l6 11H2zM8 6.5v3.5M8 11.8v.2",
    blocked: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M4.2 4.2l7.6 7.6",
    wait: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.2l2.2 1.5",
    grid: "M2.5 2.5h11v11h-11zM2.5 6.2h11M2.5 9.8h11M6.2 2.5v11M9.8 2.5v11",
    fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
    again: "M13 8a5 5 0 1 1-1.6-3.7L13 5.7M13 2.5v3.2H9.8",
    swap: "M3 6h9.5L9.5 3M13 10H3.5L6.5 13",
    more: "M8 3v10M3 8h10",
    less: "M3 8h10",
  };

  // Read by people: no character in them may be invisible, or turn the others around.
  const TEXT_ATTRIBUTES = new Set(["alt", "aria-label", "placeholder", "title"]);
  const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

  /** A text with an escape for each character that has no sign, as in a terminal. */
  function visible(text) {
    return text.replace(UNSEEN, (char) => {
      if (char === "\n" || char === "\t") return char;
      if (char === "\r") return "\\r";
      const code = char.codePointAt(0).toString(16);
      if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
      return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
    });
  }

  function append(element, children) {
    for (const child of children.flat(2)) {
      if (child === null || child === undefined || child === false) continue;
      element.append(child instanceof Node ? child : visible(String(child)));
    }
    return element;
  }

  /**
   * Make an element: h("button.quiet", {type: "button", onclick: f}, "Close").
   *
   * Properties that begin with "on" are listeners; true and false switch an attribute.
   * URLs go through `safeUrl` before they come here.
   */
  function h(selector, properties = {}, ...children) {
    const [name, ...classes] = selector.split(".");
    const element = document.createElement(name);
    if (classes.length) element.className = classes.join(" ");
    for (const [key, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key === "value" || key === "checked") element[key] = value;
      else if (key === "dataset") Object.assign(element.dataset, value);
      else if (TEXT_ATTRIBUTES.has(key)) element.setAttribute(key, visible(String(value)));
      else element.setAttribute(key, value === true ? "" : String(value));
    }
    return append(element, children);
  }

  function s(name, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      element.setAttribute(key, String(value));
    }
    return append(element, children);
  }

  /** An icon; decoration, so that the control around it needs a name of its own. */
  function icon(name) {
    return s(
      "svg",
      { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
      s("path", { d: ICONS[name] }),
    );
  }

  /** A button with an icon, a name and perhaps its key. */
  function iconButton(name, label, onclick, { key = "", ...others } = {}) {
    return h(
      "button.icon-button",
      {
        type: "button",
        "aria-label": label,
        title: key ? `${label} (${key})` : label,
        "aria-keyshortcuts": key && key.length === 1 ? key : null,
        onclick,
        ...others,
      },
      icon(name),
    );
  }

  const IMAGE_DATA = /^data:image\/(png|webp|jpeg|gif);base64,[A-Za-z0-9+/=]+$/;

  /** An absolute URL on the page's own ground, or "": no script, no other host. */
  function safeUrl(text, base = document.baseURI) {
    if (typeof text !== "string" || !text) return "";
    if (IMAGE_DATA.test(text)) return text;
    let url;
    try {
      url = new URL(text, base);
    } catch {
      return "";
    }
    const own = new URL(document.baseURI);
    if (url.protocol !== own.protocol || url.host !== own.host) return "";
    return ["http:", "https:", "file:"].includes(url.protocol) ? url.href : "";
  }

  /** Copy a text, and say so on the button. */
  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h("textarea", { "aria-hidden": "true", class: "off-screen" });
      area.value = text;
      button.parentNode.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    page.toast("Copied");
  }

  function copyButton(text, label = "Copy the command") {
    const button = h(
      "button.copy",
      { type: "button", "aria-label": label, title: label },
      icon("copy"),
    );
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      copy(text, button);
    });
    return button;
  }

  /** A text in a line of its own, with a button that copies it. */
  function commandLine(text, label) {
    return h("div.command", {}, h("code", { tabindex: 0 }, text), copyButton(text, label));
  }

  const isTyping = (target) =>
    target instanceof Element &&
    target.matches("input:not([type=range], [type=checkbox], [type=radio]), textarea, select");

  return { h, s, visible, icon, iconButton, safeUrl, copy, copyButton, commandLine, isTyping };
})();

/** Say something for some seconds, where it is seen and read aloud. */
page.toast = (text, action = null) => {
  const { h } = page.dom;
  const toasts = document.getElementById("toasts");
  // A modal dialog covers everything outside it.
  const dialogs = [...document.querySelectorAll("dialog[open]")];
  (dialogs.at(-1) ?? document.body).append(toasts);
  const toast = h("div.toast", {}, h("span", {}, text));
  if (action) {
    const run = () => {
      toast.remove();
      action.run();
    };
    toast.append(h("button", { type: "button", onclick: run }, action.label));
  }
  toasts.replaceChildren(toast);
  clearTimeout(page.toast.timer);
  page.toast.timer = setTimeout(() => toast.remove(), action ? 8000 : 4000);
};

/** What a browser may keep for this gallery; "" where it may not. */
page.storage = {
  get(key) {
    try {
      return localStorage.getItem(`pipeline-gallery:${key}`) ?? "";
    } catch {
      return "";
    }
  },
  set(key, value) {
    try {
      if (value) localStorage.setItem(`pipeline-gallery:${key}`, value);
      else localStorage.removeItem(`pipeline-gallery:${key}`);
    } catch {
      // Full or switched off: it holds for this visit.
    }
  },
};

/**
 * Make a part of the page anew; the focus goes to the control of the same name.
 *
 * A control that is made anew has its name in `data-name`.
 */
page.remake = (root, make) => {
  const before = document.activeElement;
  const name = root.contains(before) ? before.dataset.name : undefined;
  make();
  if (name === undefined || before.isConnected) return;
  const controls = [...root.querySelectorAll("[data-name]")];
  controls.find((one) => one.dataset.name === name)?.focus({ preventScroll: true });
};

/** Open a dialog; it leaves the document when it is closed. */
page.openDialog = (dialog, onClose = () => {}) => {
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    document.body.append(document.getElementById("toasts"));
    dialog.remove();
    onClose();
    const isNowhere = document.activeElement === document.body;
    if (isNowhere && before instanceof HTMLElement && before.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.tabIndex = -1;
  dialog.showModal();
  dialog.focus({ preventScroll: true }); // and not its first control
  return dialog;
};
