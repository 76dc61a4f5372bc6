"use strict";
// Decisions about takes. From disk they are collected here and exported as the review
// file; on a served page each one goes to the server at once.

page.decisions = (() => {
  const { model, storage } = page;
  let log = []; // what was decided on this page and is not exported: oldest first
  let cache = new Map();
  const listeners = [];

  const gallery = () => model.gallery;
  const isServed = () => Boolean(gallery().server);
  const canDecide = () => !isServed() || gallery().server.can_edit;

  const onChange = (listener) => listeners.push(listener);

  /** Say which items are not as they were; null for all of them. */
  function tell(items) {
    cache = new Map();
    for (const listener of listeners) listener(items);
  }

  // --- what a decision does, as in the review file ------------------------------------

  const isAt = (one, place) => one.take === place.take && one.output === place.output;

  /** Decisions about an item, after one more. Pure. */
  function apply(decisions, next) {
    const others = (...words) =>
      decisions.filter((one) => !(isAt(one, next) && words.includes(one.word)));
    switch (next.word) {
      case "chosen":
        return [...others("rejected").filter((one) => one.word !== "chosen"), next];
      case "approved":
        return [...others("approved", "rejected"), next];
      case "rejected":
        return [...others("chosen", "approved", "rejected"), next];
      case "note":
        return decisions.map((one) =>
          isAt(one, next) ? { ...one, note: next.note, isPending: true } : one,
        );
      default: // none
        return others("chosen", "approved", "rejected");
    }
  }

  const ofItem = (id) => log.filter((one) => one.item === id);

  /** Every decision about an item that counts, pending ones included. */
  function of(item) {
    let found = item.gallery === gallery() ? cache.get(item.id) : undefined;
    if (found) return found;
    found = item.takes.flatMap((take) =>
      (take.decisions ?? []).map((one) => ({
        output: 0, by: "", at: "", note: "", ...one, take: take.number ?? 1,
      })),
    );
    if (item.gallery !== gallery()) return found;
    for (const one of ofItem(item.id)) found = apply(found, { ...one, isPending: true });
    cache.set(item.id, found);
    return found;
  }

  /** The decisions about one version. */
  const about = (version) => of(version.item).filter((one) => model.isAbout(one, version));

  // --- deciding -----------------------------------------------------------------------

  /** Whether there is something to decide about. */
  function isDecidable(version) {
    return Boolean(version) && model.digestsOf(version, "approved").length > 0;
  }

  async function decide(version, word, note = "") {
    if (!canDecide()) {
      page.toast("This page is read-only. Start it with --edit to decide here.");
      return;
    }
    if (!isDecidable(version)) {
      page.toast("There is no file to decide about");
      return;
    }
    const { item } = version;
    const decision = {
      item: item.id,
      take: version.number,
      output: version.output,
      word,
      note,
      sha256: model.digestsOf(version, word),
    };
    if (isServed()) await send(item, decision);
    else {
      log.push({ ...decision, at: page.format.now() });
      keep();
      tell([item]);
    }
  }

  /** Decide, or take the same decision back. */
  async function toggle(version, word) {
    const before = isDecidable(version) ? about(version) : [];
    const has = before.some((one) => one.word === word);
    await decide(version, has ? "none" : word);
    // What else was decided about it stays.
    const others = has ? before.filter((one) => one.word !== word) : [];
    for (const one of others) await decide(version, one.word, one.note);
    if (!canDecide() || !isDecidable(version)) return;
    const said = `${has ? "no longer " : ""}${word}`;
    const text = `${version.item.id}, ${model.nameOf(version.key)}: ${said}`;
    if (!isServed()) page.toast(text, { label: "Undo", run: undo });
  }

  function undo() {
    const last = log.pop();
    if (!last) {
      page.toast("There is nothing to undo");
      return;
    }
    keep();
    tell([gallery().byId.get(last.item)]);
    page.toast(`Taken back: ${last.item}, ${last.word}`);
  }

  async function send(item, decision) {
    const { server } = gallery();
    const answer = await page.live.post("decisions", { ...decision, version: server.version });
    if (!answer) return;
    if (answer.version) server.version = answer.version;
    if (answer.item) tell([model.update(gallery(), answer.item)]);
    page.toast(`${item.id}: saved`);
  }

  // --- what is not exported yet -------------------------------------------------------

  const storageKey = () => {
    const { manifest, output, profile } = gallery();
    return `decisions:${JSON.stringify([manifest, output, profile])}`;
  };

  function keep() {
    storage.set(storageKey(), log.length ? JSON.stringify(log) : "");
  }

  const versionOf = (item, entry) =>
    item?.versions.find((one) => one.number === entry.take && one.output === entry.output);

  /** The versions that something was decided about, each once, in that order. */
  function pendingVersions() {
    const found = new Set();
    for (const entry of log) found.add(versionOf(gallery().byId.get(entry.item), entry));
    found.delete(undefined);
    return [...found];
  }

  function isSame(item, entry) {
    const version = versionOf(item, entry);
    return version && JSON.stringify(model.digestsOf(version, entry.word)) === JSON.stringify(entry.sha256);
  }

  /** Bring back what an earlier visit decided and did not export. */
  function restore() {
    if (isServed()) return;
    let kept = [];
    try {
      kept = JSON.parse(storage.get(storageKey()) || "[]");
    } catch {
      return;
    }
    if (!Array.isArray(kept)) return;
    log = kept.filter((entry) => entry && isSame(gallery().byId.get(entry.item), entry));
    const lost = kept.length - log.length;
    cache = new Map();
    if (lost) {
      const text = page.format.plural(lost, "decision is", "decisions are");
      page.toast(`${text} gone: the files are others now`);
    }
  }

  function forget() {
    log = [];
    keep();
    tell(null);
  }

  return {
    of, about, ofItem, apply, decide, toggle, undo, restore, forget, pendingVersions, onChange, tell, canDecide,
    isServed, isDecidable,
    get pending() {
      return log;
    },
  };
})();
