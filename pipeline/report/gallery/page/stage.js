"use strict";
// Pictures large: fit, zoom in whole steps, pan by dragging, three by three. Several
// stages may look through one camera, so that they move together.

page.stage = (() => {
  const { h } = page.dom;
  const LEVELS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32];
  const WHEEL_PX = 60; // one level
  const SWIPE_PX = 60;

  /** Where all of its stages look: zoom in device pixels for one of the picture. */
  class Camera {
    constructor({ zoom = "fit", pixels = "auto", tiles = false, onChange = () => {} } = {}) {
      Object.assign(this, { zoom, pixels, tiles, onChange, x: 0.5, y: 0.5 });
      this.stages = new Set();
    }

    set(change) {
      Object.assign(this, change);
      if (this.zoom === "fit") Object.assign(this, { x: 0.5, y: 0.5 });
      this.x = Math.min(1, Math.max(0, this.x));
      this.y = Math.min(1, Math.max(0, this.y));
      for (const stage of this.stages) stage.lay();
      this.onChange(this);
    }

    /** One level closer (1) or farther (-1). */
    step(direction) {
      const [stage] = this.stages;
      if (stage) stage.zoomBy(direction);
    }

    toggle() {
      this.set({ zoom: this.zoom === "fit" ? 1 : "fit" });
    }
  }

  class Stage {
    constructor(camera, { onSwipe = null } = {}) {
      this.camera = camera;
      this.onSwipe = onSwipe;
      this.layers = [];
      this.canvas = h("div.canvas");
      this.element = h("div.stage", {}, this.canvas);
      this.pointers = new Map();
      this.wheel = 0;
      camera.stages.add(this);
      this.observer = new ResizeObserver(() => this.lay());
      this.observer.observe(this.element);
      this.listen();
    }

    remove() {
      this.observer.disconnect();
      this.camera.stages.delete(this);
      this.element.remove();
    }

    /**
     * Show pictures one above the other, in the place of the first.
     *
     * Args:
     *   pictures: Each with url, alt, width and height; the last two may be null.
     */
    show(pictures) {
      this.player = null;
      this.layers = pictures.map((picture) => this.makeLayer(picture));
      this.canvas.replaceChildren(...this.layers.map((layer) => layer.element));
      this.element.classList.remove("with-player");
      this.lay();
    }

    /** Show an element that plays in the place of pictures. */
    play(element) {
      this.layers = [];
      this.canvas.replaceChildren(element);
      this.canvas.removeAttribute("style");
      this.element.classList.add("with-player");
    }

    makeLayer({ url, alt, width, height }) {
      const images = Array.from({ length: this.camera.tiles ? 9 : 1 }, (_, at) =>
        h("img", { src: url, alt: at ? "" : alt, draggable: "false", decoding: "async" }),
      );
      const layer = { url, alt, width, height, images, element: h("div.layer", {}, images) };
      if (!width || !height) {
        images[0].addEventListener("load", () => {
          layer.width = images[0].naturalWidth;
          layer.height = images[0].naturalHeight;
          this.lay();
        });
      }
      return layer;
    }

    /** The zoom with which everything is seen: a whole one for what is small. */
    fitZoom() {
      const [first] = this.layers;
      const times = this.camera.tiles ? 3 : 1;
      const zoom =
        Math.min(
          (this.element.clientWidth - 2 * this.pad()) / (first.width * times),
          (this.element.clientHeight - 2 * this.pad()) / (first.height * times),
        ) * devicePixelRatio;
      return zoom >= 2 ? Math.floor(zoom) : Math.max(zoom, 1 / 64);
    }

    pad() {
      return this.element.clientWidth < 500 ? 8 : 20;
    }

    get zoom() {
      if (!this.layers[0]?.width) return 1;
      return this.camera.zoom === "fit" ? this.fitZoom() : this.camera.zoom;
    }

    lay() {
      const [first] = this.layers;
      if (!first) return;
      const { camera, element } = this;
      if ((this.layers[0].images.length === 9) !== camera.tiles) {
        this.show(this.layers);
        return;
      }
      if (!first.width || !element.clientWidth) return;
      const times = camera.tiles ? 3 : 1;
      const scale = this.zoom / devicePixelRatio;
      const width = first.width * scale;
      const height = first.height * scale;
      const place = (whole, room, at) =>
        whole <= room ? (room - whole) / 2 : room / 2 - at * whole;
      const left = place(width * times, element.clientWidth, camera.x);
      const top = place(height * times, element.clientHeight, camera.y);
      this.box = { left, top, width: width * times, height: height * times };
      const { style } = this.canvas;
      style.left = `${Math.round(left)}px`;
      style.top = `${Math.round(top)}px`;
      style.width = `${width * times}px`;
      style.height = `${height * times}px`;
      const isSharp =
        camera.pixels === "sharp" || (camera.pixels === "auto" && this.zoom >= 2);
      element.classList.toggle("sharp", isSharp);
      for (const layer of this.layers) {
        layer.images.forEach((image, at) => {
          image.style.left = `${(at % times) * width}px`;
          image.style.top = `${Math.floor(at / times) * height}px`;
          image.style.width = `${width}px`;
          image.style.height = `${height}px`;
        });
      }
      this.onLay?.();
    }

    // --- by hand ----------------------------------------------------------------------

    zoomBy(direction, at = null) {
      const { zoom } = this;
      const next =
        direction > 0
          ? LEVELS.find((level) => level > zoom * 1.01)
          : LEVELS.findLast((level) => level < zoom * 0.99);
      if (next) this.zoomTo(next, at);
    }

    /** Zoom so that the point under the pointer stays there. */
    zoomTo(zoom, at) {
      if (!this.box) return;
      const { left, top, width, height } = this.box;
      const point = at ?? {
        x: this.element.clientWidth / 2,
        y: this.element.clientHeight / 2,
      };
      const grown = zoom / this.zoom;
      const within = { x: (point.x - left) / width, y: (point.y - top) / height };
      this.camera.set({
        zoom,
        x: within.x + (this.element.clientWidth / 2 - point.x) / (width * grown),
        y: within.y + (this.element.clientHeight / 2 - point.y) / (height * grown),
      });
    }

    panBy(x, y) {
      if (!this.box) return;
      const { camera, box } = this;
      camera.set({ x: camera.x - x / box.width, y: camera.y - y / box.height });
    }

    listen() {
      const { element, pointers } = this;
      const at = (event) => {
        const { left, top } = element.getBoundingClientRect();
        return { x: event.clientX - left, y: event.clientY - top };
      };
      element.addEventListener(
        "wheel",
        (event) => {
          if (!this.layers.length) return;
          event.preventDefault();
          this.wheel += event.deltaY;
          if (Math.abs(this.wheel) < WHEEL_PX) return;
          this.zoomBy(-Math.sign(this.wheel), at(event));
          this.wheel = 0;
        },
        { passive: false },
      );
      element.addEventListener("dblclick", (event) => {
        if (!this.layers.length) return;
        if (this.camera.zoom === "fit") this.zoomTo(this.zoom >= 1 ? this.zoom * 2 : 1, at(event));
        else this.camera.set({ zoom: "fit" });
      });
      element.addEventListener("pointerdown", (event) => {
        if (!this.layers.length || event.button || event.target.closest("input, button")) return;
        element.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, at(event));
        this.travelled = { x: 0, y: 0 };
        element.classList.add("dragging");
      });
      element.addEventListener("pointermove", (event) => this.drag(event, at(event)));
      for (const name of ["pointerup", "pointercancel"]) {
        element.addEventListener(name, (event) => {
          if (!pointers.delete(event.pointerId)) return;
          element.classList.remove("dragging");
          const { x, y } = this.travelled;
          const isSwipe = Math.abs(x) > SWIPE_PX && Math.abs(y) < Math.abs(x) / 2;
          if (isSwipe && this.camera.zoom === "fit" && event.pointerType !== "mouse") {
            this.onSwipe?.(x < 0 ? 1 : -1);
          }
        });
      }
    }

    drag(event, now) {
      const { pointers } = this;
      const before = pointers.get(event.pointerId);
      if (!before) return;
      pointers.set(event.pointerId, now);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
        const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
        this.zoomTo((this.zoom * spread(now)) / spread(before), middle);
        return;
      }
      this.travelled.x += now.x - before.x;
      this.travelled.y += now.y - before.y;
      if (this.camera.zoom !== "fit") this.panBy(now.x - before.x, now.y - before.y);
    }
  }

  /** A shot as a picture for a stage. */
  function pictureOf(shot) {
    const { file, item } = shot;
    const isPicture = page.media.isPicture(file);
    const url = page.model.urlOf(item, isPicture ? file.src : page.model.posterOf(shot));
    return {
      url,
      alt: page.model.altOf(shot),
      width: isPicture ? file.width_px : null,
      height: isPicture ? file.height_px : null,
    };
  }

  // --- the controls -------------------------------------------------------------------

  const BACKDROPS = [
    ["checker", "Checkerboard"], ["black", "Black"], ["grey", "Grey"], ["white", "White"],
  ];

  /** Radio buttons for the backdrop, with a colour of one's own. */
  function backdropControl(name) {
    const current = page.view.now.backdrop;
    const radio = (value, label) =>
      h(
        "label.swatch",
        { title: label, dataset: { backdrop: value } },
        h("input", {
          type: "radio", name, value, "data-name": value, checked: current === value, "aria-label": label,
          onchange: () => page.view.set({ backdrop: value }),
        }),
      );
    const isOwn = current.startsWith("#");
    const colour = h("input", {
      type: "color", value: isOwn ? current : "#3b6ea5", "aria-label": "Any colour",
      oninput: (event) => page.view.set({ backdrop: event.target.value }),
    });
    return h(
      "fieldset.backdrops",
      {},
      h("legend", { class: "off-screen" }, "Backdrop"),
      BACKDROPS.map(([value, label]) => radio(value, label)),
      h("label.swatch.own", { title: "Any colour", class: isOwn ? "swatch own on" : "swatch own" }, colour),
    );
  }

  /** Put the backdrop of the view on an element. */
  function setBackdrop(element, backdrop) {
    const isOwn = backdrop.startsWith("#");
    element.dataset.backdrop = isOwn ? "own" : backdrop;
    if (isOwn) element.style.setProperty("--own", backdrop);
  }

  function zoomText(stage) {
    const percent = stage.zoom * 100;
    return `${page.format.plain(percent, percent < 10 ? 1 : 0)} %`;
  }

  return { Camera, Stage, pictureOf, backdropControl, setBackdrop, zoomText };
})();
