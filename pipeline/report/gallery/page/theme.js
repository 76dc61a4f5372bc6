"use strict";
// Light or dark, before anything is painted. Without a choice the system decides.

const theme = {
  names: ["system", "light", "dark"],

  get() {
    try {
      const name = localStorage.getItem("pipeline-gallery:theme");
      return theme.names.includes(name) ? name : "system";
    } catch {
      return "system"; // storage is switched off
    }
  },

  set(name) {
    document.documentElement.dataset.theme = name;
    try {
      localStorage.setItem("pipeline-gallery:theme", name);
    } catch {
      // It holds for this visit.
    }
  },
};

document.documentElement.dataset.theme = theme.get();
