"use strict";
// The gallery's data with what the page derives from it. See data.py for the names.
//
// A *version* is what can be chosen: a take, or one of its outputs where the item says
// `choose: one`. A *shot* is one file that can be looked at: of a version, or of a step.

page.model = (() => {
  const STATE_ORDER = Object.keys(page.format.STATES);
  const FILE = {
    src: "", name: "", url: "", thumbnail: "", kind: "image", embedded: "", output: 1,
    is_preview: false, sha256: "", original_sha256: "", size_bytes: 0, media_type: "", width_px: null,
    height_px: null, checks: {}, is_missing: false, text: "",
  };
  const TAKE = {
    job_id: "", number: 1, step: "", model: "", state: "not_submitted", reason: "", hint: "",
    is_chosen: false, chosen_output: 0, is_wanted: true, seed: null, charged: 0, attempts: 0,
    submitted_at: "", finished_at: "", saved_at: "", decisions: [], prompt: "",
    references: [], files: [],
  };
  const ITEM = {
    id: "", entry: "", model: "", state: "not_submitted", reason: "", hint: "", command: "",
    place: "", prompt: "", params: {}, axes: {}, variables: {}, references: [], parents: [],
    children: [], charged: 0, chooses: false, takes: [], steps: [],
  };
  const GALLERY = {
    name: "", manifest: "", output: "", profile: "", is_emulated: false, made_at: "", price: null,
    review_file: "", rejected_command: "",
    review: {}, axes: {}, totals: {}, points: [], items: [], server: null,
  };
  const TOTALS = { states: {}, files: 0, size_bytes: 0, charged: 0, reserved: 0, left: null };

  class Item {
    /** Args: the record; the gallery it belongs to; its place in the manifest. */
    constructor(record, gallery, index) {
      Object.assign(this, ITEM, record);
      this.gallery = gallery;
      this.index = index;
      const slash = this.id.lastIndexOf("/");
      this.folder = slash < 0 ? "" : this.id.slice(0, slash);
      this.name = slash < 0 ? this.id : this.id.slice(slash + 1);
    }

    /** What a filter by text searches. */
    get text() {
      const parts = [this.id, this.prompt, this.entry, this.model, this.reason];
      parts.push(...Object.values(this.axes), ...this.takes.map((take) => take.reason ?? ""));
      const text = parts.join("\n").toLowerCase();
      Object.defineProperty(this, "text", { value: text });
      return text;
    }

    get versions() {
      const versions = this.takes.flatMap((record) => versionsOf(this, { ...TAKE, ...record }));
      Object.defineProperty(this, "versions", { value: versions });
      return versions;
    }

    get stepTakes() {
      return this.steps.map((record) => ({ ...TAKE, ...record, files: filesOf(record) }));
    }

    /** The version with the item's own name, as far as this page knows. */
    get chosen() {
      const decisions = page.decisions.of(this);
      const picked = decisions.find((one) => one.word === "chosen");
      const isIt = (version) => isAbout(picked, version);
      const stays = (version) => version.isWanted && !isDropped(this, version);
      return (
        (picked && this.versions.find(isIt)) ||
        this.versions.find((version) => version.isChosen && stays(version)) ||
        this.versions.find((version) => stays(version) && version.files.length) ||
        this.versions.find((version) => version.isChosen) ||
        this.versions[0]
      );
    }

    /** Every file to look at, in the order of the strip. */
    get shots() {
      const shots = [];
      for (const version of this.versions) {
        for (const file of shown(version.files)) {
          const isOne = this.chooses || shown(version.files).length === 1;
          const key = isOne ? version.key : `${version.key}-${file.output}`;
          shots.push({ item: this, key, label: nameOf(key), version, take: version.take, file });
        }
      }
      for (const take of this.stepTakes) {
        const files = shown(take.files);
        for (const file of files) {
          const key = `+${take.step}${files.length > 1 ? `-${file.output}` : ""}`;
          shots.push({ item: this, key, label: take.step, version: null, take, file });
        }
      }
      return shots;
    }

    /** The shot that stands for the item: its last step's file, else the chosen take's. */
    get cover() {
      const { chosen, shots } = this;
      const isPending = page.decisions.of(this).some(
        (one) => one.word === "chosen" && one.isPending,
      );
      const last = this.steps.length && !isPending ? `+${this.steps.at(-1).step}` : "";
      return (
        (last && shots.find((shot) => !shot.version && shot.take.step === last.slice(1))) ||
        shots.find((shot) => shot.version === chosen) ||
        shots[0] ||
        null
      );
    }

    find(key) {
      return this.shots.find((shot) => shot.key === key) ?? null;
    }
  }

  function filesOf(record) {
    return (record.files ?? []).map((file) => ({ ...FILE, ...file }));
  }

  /** The files to look at: previews only where there is nothing else. */
  function shown(files) {
    const outputs = files.filter((file) => !file.is_preview);
    return outputs.length ? outputs : files;
  }

  function versionsOf(item, take) {
    take.files = filesOf(take);
    const isWhole = !item.chooses || take.files.length < 2;
    const outputs = isWhole ? [0] : shown(take.files).map((file) => file.output);
    return outputs.map((output) => ({
      item,
      take,
      number: take.number,
      output: item.chooses ? output || take.files[0]?.output || 1 : 0,
      key: isWhole ? `${take.number}` : `${take.number}-${output}`,
      files: isWhole ? take.files : take.files.filter((file) => file.output === output),
      isChosen: take.is_chosen && (isWhole || (take.chosen_output || 1) === output),
      isWanted: take.is_wanted,
      state: take.state,
    }));
  }

  /** The picture of a file that is none itself: what came with it, or nothing. */
  function posterOf(shot) {
    if (shot.file.thumbnail) return shot.file.thumbnail;
    return shot.take.files.find((file) => file.is_preview && !file.is_missing)?.thumbnail ?? "";
  }

  const nameOf = (key) => `take ${key.replace("-", ", output ")}`;

  /** Whether a decision is about a version: about all of its take, or about its output. */
  function isAbout(decision, version) {
    return (
      decision.take === version.number &&
      (!decision.output || !version.output || decision.output === version.output)
    );
  }

  function isDropped(item, version) {
    const decisions = page.decisions.of(item);
    return decisions.some((one) => one.word === "rejected" && isAbout(one, version));
  }

  /**
   * The digests that a decision about a version names.
   *
   * What is chosen is the take itself; what is judged is what its last step made of it.
   */
  function digestsOf(version, word) {
    const last = version.item.stepTakes.at(-1);
    const isFinished = last?.number === version.number && last.state === "saved";
    const { files } = word !== "chosen" && isFinished ? last : version;
    return files.map((file) => file.original_sha256 || file.sha256).filter(Boolean);
  }

  /** The text that stands for a picture where it cannot be seen. */
  function altOf(shot) {
    const { item } = shot;
    return item.prompt ? `${item.id}: ${item.prompt.slice(0, 300)}` : item.id;
  }

  /** Records of the data → a gallery. `base` is the folder that its URLs are relative to. */
  function load(raw, base = document.baseURI) {
    const gallery = { ...GALLERY, ...raw, base };
    gallery.totals = { ...TOTALS, ...gallery.totals };
    gallery.items = gallery.items.map((record, index) => new Item(record, gallery, index));
    gallery.byId = new Map(gallery.items.map((item) => [item.id, item]));
    return gallery;
  }

  /** Put a changed record in the place of the item's; returns the new item. */
  function update(gallery, record) {
    const before = gallery.byId.get(record.id);
    const item = new Item(record, gallery, before ? before.index : gallery.items.length);
    gallery.items[item.index] = item;
    gallery.byId.set(item.id, item);
    return item;
  }

  /** The absolute URL of one of a gallery's files, or "". */
  const urlOf = (item, text) => page.dom.safeUrl(text, item.gallery.base);

  return {
    STATE_ORDER, load, update, urlOf, posterOf, isAbout, digestsOf, altOf, nameOf,
    gallery: null,
  };
})();
