"use strict";
// Two pictures, one above the other: swipe, onion skin, difference. A canvas could not read
// the pixels of a page from disk, so the browser blends them.

page.overlay = (() => {
  const { h, iconButton } = page.dom;
  const { view } = page;
  let pair = [0, 1]; // which two of the list: below and above
  let amount = 0.5; // of the swipe or the onion skin
  let gain = 1; // of the difference

  const reset = () => (pair = [0, 1]);

  /**
   * Show two pictures of a list, one above the other.
   *
   * Args:
   *   place: With the stage, its body and controls in the dialog, the list of shots, and
   *     what gives the name of one.
   */
  function show({ stage, body, controls, list, nameOf }) {
    pair = pair.map((at) => Math.min(at, list.length - 1));
    if (pair[0] === pair[1]) pair = [0, 1];
    const [below, above] = pair.map((at) => list[at]);
    stage.show([below, above].map(page.stage.pictureOf));
    const handle = h("div.swipe-line", { "aria-hidden": "true" });
    stage.element.append(handle);
    stage.onLay = () => lay(stage, handle);
    drag(stage, handle, controls);
    body.dataset.count = "1";
    body.replaceChildren(h("figure.pane", {}, stage.element));
    controls.hidden = false;
    controls.replaceChildren(...makeControls({ stage, list, nameOf }, below, above));
    stage.lay();
  }

  function swap() {
    pair = [pair[1], pair[0]];
    page.compare.refresh();
  }

  /** A picture that takes up the place of the first one shows where they differ in size. */
  function sizeNote(below, above) {
    const size = ({ file }) => (file.width_px ? `${file.width_px} × ${file.height_px}` : "");
    const [one, other] = [size(below), size(above)];
    return one && other && one !== other ? `${other} is shown as large as ${one}` : "";
  }

  function makeControls({ stage, list, nameOf }, below, above) {
    const { mode } = view.now;
    const select = (side) =>
      h(
        "label.side",
        {},
        h("span", {}, side ? "B" : "A"),
        h(
          "select",
          {
            "data-name": side ? "B" : "A",
            onchange: (event) => {
              const next = Number(event.target.value);
              pair = side ? [pair[0] === next ? pair[1] : pair[0], next] : [next, pair[1] === next ? pair[0] : pair[1]];
              page.compare.refresh();
            },
          },
          list.map((shot, at) => h("option", { value: at, selected: pair[side] === at }, nameOf(shot))),
        ),
      );
    const slide = (label, value, max, change) =>
      h("label.slide", {}, h("span", {}, label), h("input", {
        type: "range", min: max > 1 ? 1 : 0, max, step: max > 1 ? 0.5 : 0.01, value, oninput: (event) => {
          change(Number(event.target.value));
          stage.lay();
        },
      }));
    const sliders = {
      swipe: () => slide("Where the line is", amount, 1, (value) => (amount = value)),
      onion: () => slide("How much of B", amount, 1, (value) => (amount = value)),
      difference: () => slide("How bright", gain, 16, (value) => (gain = value)),
    };
    const note = sizeNote(below, above);
    return [
      select(0),
      iconButton("swap", "Swap A and B", swap, { key: "s", "data-name": "swap" }),
      select(1),
      sliders[mode](),
      note && h("span.meta", {}, note),
    ].filter(Boolean);
  }

  function lay(stage, line) {
    const { mode } = view.now;
    const [, above] = stage.layers;
    if (!above || !stage.box) return;
    const { style } = above.element;
    const at = amount * stage.element.clientWidth;
    line.hidden = mode !== "swipe";
    line.style.left = `${at}px`;
    style.clipPath = mode === "swipe" ? `inset(0 0 0 ${Math.max(0, at - stage.box.left)}px)` : "";
    // Without this the one below shows through what is transparent above.
    const [below] = stage.layers;
    const hidden = Math.max(0, stage.box.left + stage.box.width - at);
    below.element.style.clipPath = mode === "swipe" ? `inset(0 ${hidden}px 0 0)` : "";
    style.opacity = mode === "onion" ? String(amount) : "";
    below.element.style.opacity = mode === "onion" ? String(1 - amount ** 4) : "";
    style.mixBlendMode = mode === "difference" ? "difference" : "";
    stage.canvas.style.background = mode === "difference" ? "#000" : "";
    stage.canvas.style.filter = mode === "difference" && gain > 1 ? `brightness(${gain})` : "";
  }

  function drag(stage, line, controls) {
    line.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      line.setPointerCapture(event.pointerId);
      const move = ({ clientX }) => {
        const { left, width } = stage.element.getBoundingClientRect();
        amount = Math.min(1, Math.max(0, (clientX - left) / width));
        const slider = controls.querySelector("input[type=range]");
        if (slider) slider.value = amount;
        stage.lay();
      };
      line.addEventListener("pointermove", move);
      line.addEventListener("lostpointercapture", () => line.removeEventListener("pointermove", move), { once: true });
    });
  }

  return { show, swap, reset };
})();
