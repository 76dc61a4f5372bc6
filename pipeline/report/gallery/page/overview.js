"use strict";
// Totals and spend above the grid, with the plot of both over time.

page.overview = (() => {
  const { h, s } = page.dom;
  const { format, model, view } = page;
  const WIDTH = 600;
  const HEIGHT = 100;

  function figure(title, value, note, ...more) {
    return h("div.figure", {}, h("dt", {}, title), h("dd", {}, h("b", {}, value), note && h("span", {}, note), more));
  }

  /** Items by state: a bar, and a button for each state that filters. */
  function states(gallery) {
    const counts = {};
    for (const item of gallery.items) counts[item.state] = (counts[item.state] ?? 0) + 1;
    const present = model.STATE_ORDER.filter((state) => counts[state]);
    const bar = h("div.state-bar", { "aria-hidden": "true" }, [...present].reverse().map((state) => {
      const part = h("span", { dataset: { state } });
      part.style.flexGrow = counts[state];
      return part;
    }));
    const buttons = [...present].reverse().map((state) => {
      const isOn = view.now.states.includes(state);
      return h("button.state-count", {
        type: "button", dataset: { state, name: state }, "aria-pressed": String(isOn),
        title: `Show only items that are ${format.STATES[state]}`,
        onclick: () => view.set({ states: isOn ? view.now.states.filter((one) => one !== state) : [...view.now.states, state] }),
      }, h("i", { "aria-hidden": "true" }), `${format.count(counts[state])} ${format.STATES[state]}`);
    });
    const wanted = (item) => item.takes.filter((take) => take.is_wanted !== false).length + item.steps.length;
    const jobs = gallery.items.reduce((sum, item) => sum + wanted(item), 0);
    const note = jobs === gallery.items.length ? "" : format.plural(jobs, "job");
    return figure("Items", format.count(gallery.items.length), note, bar, h("div.state-counts", {}, buttons));
  }

  function spend(gallery) {
    const { totals, price } = gallery;
    const money = format.money(totals.charged, price);
    const parts = [figure("Spent", format.units(totals.charged), money)];
    if (totals.reserved) {
      parts.push(figure("Reserved, outcome unknown", format.units(totals.reserved), format.money(totals.reserved, price)));
    }
    if (totals.left !== null && totals.left !== undefined) {
      const whole = totals.left + totals.charged + totals.reserved;
      const meter = h("meter", { min: 0, max: whole || 1, value: totals.charged + totals.reserved, "aria-label": "Part of the budget that is spent" });
      parts.push(figure("Left of the budget", format.units(totals.left), format.money(totals.left, price), meter));
    }
    return parts;
  }

  // --- the plot -----------------------------------------------------------------------

  function path(points, most, valueOf, xOf) {
    const y = (value) => HEIGHT - 4 - (value / (most || 1)) * (HEIGHT - 12);
    let d = "";
    let before = 0;
    points.forEach((point, at) => {
      const x = xOf(point).toFixed(1);
      d += at ? `H${x}` : `M${x},${y(0).toFixed(1)}`;
      before = valueOf(point);
      d += `V${y(before).toFixed(1)}`;
    });
    return `${d}H${WIDTH}`;
  }

  function plot(gallery) {
    const points = gallery.points.filter((point) => !Number.isNaN(Date.parse(point.at)));
    if (points.length < 2) return null;
    const [first, last] = [points[0], points.at(-1)];
    const from = Date.parse(first.at);
    const span = Date.parse(last.at) - from || 1;
    const xOf = (point) => ((Date.parse(point.at) - from) / span) * WIDTH;
    const charged = path(points, last.charged, (point) => point.charged, xOf);
    const jobs = path(points, last.jobs, (point) => point.jobs, xOf);
    const words =
      `From ${format.time(first.at)} to ${format.time(last.at)}, spend rose to ` +
      `${format.units(last.charged)} and ${format.plural(last.jobs, "job")} ended.`;
    const svg = s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words },
      s("path", { d: `${charged}V${HEIGHT}H0Z`, class: "area" }),
      s("path", { d: charged, class: "line charged" }),
      s("path", { d: jobs, class: "line jobs" }),
      s("line", { class: "cursor", x1: -9, x2: -9, y1: 0, y2: HEIGHT }),
    );
    const cost = format.cost(last.charged, gallery.price);
    const reading = h("span.reading", {}, `${cost} · ${format.plural(last.jobs, "job")}`);
    const box = h("div.plot-box", {}, svg);
    box.addEventListener("pointermove", (event) => {
      const { left, width } = box.getBoundingClientRect();
      const at = from + ((event.clientX - left) / width) * span;
      const point = points.findLast((one) => Date.parse(one.at) <= at) ?? first;
      const x = xOf(point);
      for (const name of ["x1", "x2"]) svg.querySelector(".cursor").setAttribute(name, x);
      reading.textContent = `${format.time(point.at)}: ${format.units(point.charged)} · ${format.plural(point.jobs, "job")}`;
    });
    box.addEventListener("pointerleave", () => {
      for (const name of ["x1", "x2"]) svg.querySelector(".cursor").setAttribute(name, -9);
      reading.textContent = `${cost} · ${format.plural(last.jobs, "job")}`;
    });
    return h(
      "figure.plot",
      {},
      h("figcaption", {}, h("span.key.charged", {}, "Spend"), h("span.key.jobs", {}, "Jobs"), reading),
      box,
      h("div.plot-times", {}, h("span", {}, format.shortTime(first.at)), h("button.link", { type: "button", onclick: () => showTable(points) }, "As a table"), h("span", {}, format.shortTime(last.at))),
    );
  }

  function showTable(points) {
    const { price } = model.gallery;
    const step = Math.max(1, Math.ceil(points.length / 100));
    const rows = points.filter((_, at) => at % step === 0 || at === points.length - 1);
    const dialog = h(
      "dialog.small-dialog",
      { "aria-labelledby": "table-title" },
      h("h2", { id: "table-title" }, "Spend and jobs over time"),
      h(
        "div.table-box",
        { tabindex: 0, role: "region", "aria-labelledby": "table-title" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, ["When", "Spent so far", "Jobs so far"].map((title) => h("th", { scope: "col" }, title)))),
          h("tbody", {}, rows.map((point) =>
            h("tr", {}, h("td", {}, format.time(point.at)), h("td", {}, format.cost(point.charged, price)), h("td", {}, format.count(point.jobs))),
          )),
        ),
      ),
      h("div.buttons", {}, h("button.primary", { type: "button", onclick: () => dialog.close() }, "Close")),
    );
    page.openDialog(dialog);
  }

  function paint() {
    const { gallery } = model;
    const { totals } = gallery;
    const figures = h(
      "dl.figures",
      {},
      states(gallery),
      spend(gallery),
      figure("Files", format.count(totals.files), format.bytes(totals.size_bytes)),
    );
    const overview = document.getElementById("overview");
    page.remake(overview, () =>
      overview.replaceChildren(...[figures, plot(gallery)].filter(Boolean)),
    );
  }

  return { paint };
})();
