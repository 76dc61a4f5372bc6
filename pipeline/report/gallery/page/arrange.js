"use strict";
// Items × view → what the grid shows: sections of cells in rows and columns. Pure, but for
// what is decided about an item.

page.arrange = (() => {
  const { STATES } = page.format;
  const own = (record, key) => (Object.hasOwn(record, key) ? record[key] : undefined);

  // --- filter -------------------------------------------------------------------------

  function matchesDecision(item, wanted) {
    const decisions = page.decisions.of(item);
    if (!decisions.length && !page.decisions.pending.length) return wanted.includes("undecided");
    const { chosen } = item;
    const about = chosen ? decisions.filter((one) => page.model.isAbout(one, chosen)) : [];
    return wanted.some((name) => {
      if (name === "undecided") return !about.some((one) => one.word !== "chosen");
      if (name === "pending") return page.decisions.ofItem(item.id).length > 0;
      if (name === "noted") return decisions.some((one) => one.note);
      if (name === "approved") return about.some((one) => one.word === name);
      return decisions.some((one) => one.word === name);
    });
  }

  /** The items that a view shows, in the manifest's order. */
  function filter(items, view) {
    const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set(view.states);
    const axes = Object.entries(view.axes).map(([axis, values]) => [axis, new Set(values)]);
    return items.filter(
      (item) =>
        (!states.size || states.has(item.state)) &&
        axes.every(([axis, values]) => values.has(String(own(item.axes, axis)))) &&
        words.every((word) => item.text.includes(word)) &&
        (!view.decisions.length || matchesDecision(item, view.decisions)),
    );
  }

  // --- arrange ------------------------------------------------------------------------

  /**
   * The axes of an item with where each one goes: [axis, place].
   *
   * Unless the view says so, the last axis of an entry makes columns, and the others rows.
   */
  function placesOfItem(item, view) {
    const axes = Object.keys(item.axes);
    return axes.map((axis, index) => {
      const usual = index === axes.length - 1 ? "column" : "row";
      return [axis, own(view.places, axis) ?? usual];
    });
  }

  /** All axes with where each one goes, in the first entry that has it. */
  function placesOf(gallery, view) {
    const places = new Map(Object.keys(gallery.axes).map((axis) => [axis, "filter"]));
    for (const item of gallery.items.toReversed()) {
      for (const [axis, place] of placesOfItem(item, view)) places.set(axis, place);
    }
    return [...places];
  }

  const hasMatrix = (gallery) => Object.keys(gallery.axes).length > 0;

  function layoutOf(gallery, view) {
    const usual = hasMatrix(gallery) ? "matrix" : "groups";
    return hasMatrix(gallery) ? view.layout || usual : "groups";
  }

  /** How items are grouped unless the view says so: the first way that says something. */
  function groupOf(gallery, view) {
    if (view.group) return view.group;
    const { items } = gallery;
    for (const way of ["folder", "entry"]) {
      const names = new Set(items.map((item) => item[way]));
      if (names.size > 1 && names.size <= items.length / 2) return way;
    }
    return "none";
  }

  const TITLES = {
    entry: (item) => item.entry || item.id,
    folder: (item) => item.folder || "(top level)",
    model: (item) => item.model || "(no model)",
    state: (item) => STATES[item.state] ?? item.state,
    none: () => "",
  };

  function grouped(items, titleOf) {
    const groups = new Map();
    for (const item of items) {
      const title = titleOf(item);
      const group = groups.get(title);
      if (group) group.push(item);
      else groups.set(title, [item]);
    }
    return groups;
  }

  /** Sections of plain groups: {title, items}. */
  function inGroups(items, way) {
    const groups = [...grouped(items, TITLES[way])];
    if (way === "state") {
      const order = Object.values(STATES);
      groups.sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]));
    }
    return groups.map(([title, members]) => ({ title, items: members }));
  }

  /**
   * Sections of matrices: {title, rows: [{labels, cells: [[item…]…]}], columns}.
   *
   * An entry without one of the axes is a plain group. A cell has several items if an
   * axis is neither row nor column; its column is then as wide as its fullest cell.
   */
  function inMatrices(items, gallery, view) {
    const order = new Map(
      Object.entries(gallery.axes).map(([axis, values]) => [
        axis,
        new Map(values.map((value, index) => [String(value), index])),
      ]),
    );
    const sections = [];
    const entries = [...grouped(items, TITLES.entry)];
    const loose = [];
    for (const [title, members] of entries) {
      const places = placesOfItem(members[0], view);
      const axesIn = (wanted) => places.filter(([, place]) => place === wanted).map(([axis]) => axis);
      const axes = { rows: axesIn("row"), columns: axesIn("column") };
      if (!axes.rows.length && !axes.columns.length) {
        loose.push(...members);
        continue;
      }
      const rows = combos(members, axes.rows, order);
      const columns = combos(members, axes.columns, order);
      const columnOf = new Map();
      columns.forEach(({ items: those }, at) => those.forEach((item) => columnOf.set(item, at)));
      const cells = rows.map((row) => {
        const inColumns = columns.map(() => []);
        for (const item of row.items) inColumns[columnOf.get(item)].push(item);
        return { labels: row.labels, cells: inColumns };
      });
      sections.push({
        title: entries.length > 1 ? title : "",
        items: members,
        axes,
        rows: cells,
        columns: columns.map((column, index) => ({
          labels: column.labels,
          span: cells.reduce((most, row) => Math.max(most, row.cells[index].length), 1),
        })),
      });
    }
    if (loose.length) {
      sections.push({ title: sections.length ? "Other items" : "", items: loose });
    }
    return sections;
  }

  /** The combinations of values that items have, in the manifest's order of values. */
  function combos(items, axes, order) {
    const found = new Map();
    for (const item of items) {
      const labels = axes.map((axis) => String(own(item.axes, axis) ?? ""));
      const key = JSON.stringify(labels);
      const combo = found.get(key) ?? { labels, items: [] };
      combo.items.push(item);
      found.set(key, combo);
    }
    const rank = (combo) => combo.labels.map((value, at) => order.get(axes[at])?.get(value) ?? 0);
    return [...found.values()].sort((a, b) => {
      const [one, other] = [rank(a), rank(b)];
      for (let at = 0; at < one.length; at += 1) {
        if (one[at] !== other[at]) return one[at] - other[at];
      }
      return 0;
    });
  }

  /** All of it: {items, sections, layout}. */
  function arrange(gallery, view) {
    const items = filter(gallery.items, view);
    const layout = layoutOf(gallery, view);
    const sections =
      layout === "matrix"
        ? inMatrices(items, gallery, view)
        : inGroups(items, groupOf(gallery, view));
    return { items: sections.flatMap((section) => inOrder(section)), sections, layout };
  }

  /** The items of a section as they are seen, row by row. */
  function inOrder(section) {
    return section.rows ? section.rows.flatMap((row) => row.cells.flat()) : section.items;
  }

  return { arrange, filter, placesOf, layoutOf, groupOf, hasMatrix, own };
})();
