"use strict";
// A served page: events of runs, decisions that are written at once, and redo with its
// price in the button. From disk nothing here does anything.

page.live = (() => {
  const { h, icon } = page.dom;
  const { format, model } = page;
  const PRICE_DELAY_MS = 400; // nobody wants the price of what is leafed past
  const prices = new Map(); // item@take → the answer of the server
  const changed = new Set(); // ids of items that came with events and are not shown yet
  const SHOWN = 6; // of the jobs in hand, and of the latest failures
  const run = { states: new Map(), troubles: new Map(), total: 0, done: 0, text: "", until: "", isOver: true };

  const server = () => model.gallery.server;

  // --- asking the server --------------------------------------------------------------

  /** POST to the server; null after an error, which is shown. */
  async function post(path, body, show = showProblem) {
    let answer;
    try {
      answer = await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch {
      show({ message: "The server does not answer.", hint: "Is pipeline view still running?" }, 0);
      return null;
    }
    const content = await answer.json().catch(() => ({}));
    if (answer.ok) return content;
    show({ message: `The server said ${answer.status}.`, hint: "", ...content }, answer.status);
    return null;
  }

  const TITLES = { 402: "Not enough left", 403: "Not allowed", 409: "It has changed meanwhile" };

  function showProblem({ message, hint }, status) {
    const again = status === 409;
    const dialog = h(
      "dialog.small-dialog.problem-dialog",
      { "aria-labelledby": "problem-title", role: "alertdialog" },
      h("h2", { id: "problem-title" }, icon("warning"), TITLES[status] ?? "It did not work"),
      h("p", {}, message),
      hint && h("p.hint", {}, hint),
      h(
        "div.buttons",
        {},
        h("button.primary", { type: "button", onclick: () => {
          dialog.close();
          if (again) reload();
        } }, again ? "Show it as it is now" : "OK"),
      ),
    );
    page.openDialog(dialog);
  }

  /** Load all data again. */
  async function reload() {
    try {
      await page.media.loadScript(`data.js?${Date.now()}`);
    } catch {
      return;
    }
    page.reload(window.GALLERY);
  }

  // --- events -------------------------------------------------------------------------

  function start() {
    if (!server()) return;
    // What happened since the data was written, and not all that the server has seen.
    const after = encodeURIComponent(server().last_event ?? "");
    const source = new EventSource(`events?after=${after}`);
    let isLost = false;
    const on = (name, take) =>
      source.addEventListener(name, (event) => {
        let data;
        try {
          data = JSON.parse(event.data);
        } catch {
          return;
        }
        take(data);
      });
    source.addEventListener("open", () => {
      setConnected(true);
      if (isLost) reload();
      isLost = false;
    });
    source.addEventListener("error", () => {
      isLost = true;
      setConnected(false);
    });
    on("item", (record) => {
      prices.clear();
      if (!changed.size) requestAnimationFrame(showChanged);
      changed.add(model.update(model.gallery, record).id);
    });
    on("totals", (totals) => {
      model.gallery.totals = { ...model.gallery.totals, ...totals };
      page.overview.paint();
    });
    on("review", ({ version }) => (server().version = version));
    on("spend", ({ left }) => {
      server().spend_left = left;
      page.large.refresh();
    });
    on("run", (event) => {
      takeRunEvent(event);
      paintRun();
    });
    startRun();
  }

  /** Show the run that was going on when the data was written. */
  function startRun() {
    const events = server().run ?? [];
    if (!events.length) return;
    events.forEach(takeRunEvent);
    paintRun();
  }

  /** Show what has changed since the last frame: a run may change much at once. */
  function showChanged() {
    const items = [...changed].map((id) => model.gallery.byId.get(id));
    changed.clear();
    page.decisions.tell(items);
  }

  function setConnected(is) {
    document.body.classList.toggle("disconnected", !is);
    page.toolbar.paintLive(is);
  }

  function takeRunEvent(event) {
    switch (event.event) {
      case "launch":
        Object.assign(run, { states: new Map(), troubles: new Map(), total: event.total, done: event.done, text: "", until: "", isOver: false });
        break;
      case "job":
        run.states.set(event.item_id, event.status);
        run.isOver = false;
        run.troubles.delete(event.item_id);
        if (event.status === "failed" || event.status === "unknown") run.troubles.set(event.item_id, event);
        break;
      case "blocked":
        run.states.set(event.item_id, "blocked");
        run.troubles.set(event.item_id, event);
        break;
      case "pause":
        run.until = event.until;
        break;
      case "halt":
        run.text = event.reason;
        break;
      case "warning":
        run.text = event.message;
        break;
      case "done":
        run.isOver = true;
        run.until = "";
        run.text = event.exit_code === 0 ? "The run has ended." : `The run has ended with exit code ${event.exit_code}.`;
        break;
      case "silent":
        run.isOver = true;
        run.text = "The run has said nothing for a while: it may have been stopped.";
        break;
    }
  }

  const WORDS = {
    submitting: "being submitted", submitted: "in flight", succeeded: "downloading",
    planned: "not accepted yet", unknown: "unsure",
  };
  const BUSY = ["submitting", "submitted", "succeeded"];
  const word = (state) => WORDS[state] ?? state;

  /** A link to the item of a job, such as "hero@2". */
  function jobLink(jobId) {
    const item = model.gallery.byId.get(jobId.replace(/(@\d+)?(\+.*)?$/, ""));
    return item ? h("a", { href: page.view.link({ item: item.id, show: "" }) }, jobId) : h("b", {}, jobId);
  }

  /** What is in hand now, and the latest failures with their reasons. */
  function runDetails() {
    const busy = [...run.states].filter(([, state]) => BUSY.includes(state));
    const troubles = [...run.troubles.values()].reverse();
    const more = (all) => all.length > SHOWN && h("span", {}, `… and ${format.count(all.length - SHOWN)} more`);
    const rows = [];
    if (busy.length && !run.isOver) {
      const jobs = busy.slice(0, SHOWN).map(([id, state]) => h("span", {}, jobLink(id), ` ${word(state)}`));
      rows.push(h("div.jobs", {}, jobs, more(busy)));
    }
    if (troubles.length) {
      const jobs = troubles.slice(0, SHOWN).map((event) => {
        const hint = event.hint ? `; next: ${event.hint}` : "";
        return h("p", {}, icon("warning"), jobLink(event.item_id), ` ${event.reason || word(event.status)}${hint}`);
      });
      rows.push(h("div.troubles", {}, jobs, more(troubles)));
    }
    return rows;
  }

  function paintRun() {
    const bar = document.getElementById("run");
    const counts = {};
    for (const state of run.states.values()) counts[state] = (counts[state] ?? 0) + 1;
    const saved = run.done + (counts.saved ?? 0);
    const total = Math.max(run.total, saved);
    const words = Object.entries(counts)
      .filter(([state]) => state !== "saved")
      .map(([state, number]) => `${format.count(number)} ${word(state)}`);
    const pause = run.until && Date.parse(run.until) > Date.now()
      ? `submits pause until ${new Date(run.until).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`
      : "";
    const facts = [`${format.count(saved)} of ${format.count(total)} saved`, ...words, pause, run.text];
    bar.hidden = false;
    bar.classList.toggle("over", run.isOver);
    bar.replaceChildren(
      h("strong", {}, run.isOver ? "Run" : "A run is in progress"),
      h("progress", { max: total || 1, value: saved, "aria-label": "Items saved" }),
      h("span", {}, facts.filter(Boolean).join(" · ")),
      run.isOver ? page.dom.iconButton("close", "Hide the run", () => (bar.hidden = true)) : "",
      h("div.details", {}, runDetails()),
    );
  }

  // --- redo ---------------------------------------------------------------------------

  /** A button that makes a take again, or null where that is not offered. */
  function redoControl(item, version) {
    if (!server() || server().spend_left === null || server().spend_left === undefined) return null;
    if (!version || item.gallery !== model.gallery) return null;
    const key = `${item.id}@${version.number}`;
    const button = h("button.redo", { type: "button", disabled: true }, icon("again"), h("span", {}, "Make again · asking the price…"));
    const note = h("p.hint", {});
    const box = h("div.redo-box", {}, button, note);
    const text = button.querySelector("span");
    const showPrice = (price) => {
      text.textContent = `Make again · ${format.cost(price.units, model.gallery.price)}`;
      note.textContent = `${format.units(price.left)} of this session's ceiling are left.`;
      button.disabled = price.units > price.left;
      if (button.disabled) note.textContent += " That is not enough.";
      button.onclick = () => confirm(item, version, price);
    };
    if (prices.has(key)) showPrice(prices.get(key));
    else {
      setTimeout(async () => {
        if (!box.isConnected) return;
        const fail = ({ message, hint }) => {
          text.textContent = "Make again";
          note.replaceChildren(page.dom.visible(`${message} ${hint ?? ""}`));
        };
        const price = await post("price", { item: item.id, take: version.number }, fail);
        if (!price) return;
        prices.set(key, price);
        showPrice(price);
      }, PRICE_DELAY_MS);
    }
    return box;
  }

  function confirm(item, version, price) {
    const cost = format.cost(price.units, model.gallery.price);
    const dialog = h(
      "dialog.small-dialog",
      { "aria-labelledby": "redo-title" },
      h("h2", { id: "redo-title" }, `Make ${item.id}, take ${version.number}, again?`),
      h("p", {}, `It costs ${cost}. The take is rejected, and another one is made in its place with a fresh seed.`),
      h(
        "div.buttons",
        {},
        h("button.quiet", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        h("button.primary", {
          type: "button",
          onclick: async (event) => {
            event.currentTarget.disabled = true;
            dialog.close();
            prices.clear();
            const body = { item: item.id, take: version.number, quote: price.quote, units: price.units };
            if (await post("redo", body)) page.toast(`${item.id} is made again`);
            page.large.refresh();
          },
        }, `Pay ${cost}`),
      ),
    );
    page.openDialog(dialog);
  }

  return { start, post, redoControl, reload };
})();
