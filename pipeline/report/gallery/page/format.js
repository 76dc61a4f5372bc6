"use strict";
// Numbers, times and words as people read them. Pure.

page.format = (() => {
  const CURRENCY_SIGNS = "$€£¥₹₩₽₺₴₪₫₱₦";
  // The words of report/outcomes.py.
  const STATES = {
    failed: "failed",
    unknown: "unsure",
    blocked: "blocked",
    not_fetched: "made but not fetched",
    in_flight: "in flight",
    not_submitted: "not submitted",
    saved: "saved",
  };

  const plain = (value, digits = 4) =>
    value.toLocaleString("en-US", { maximumFractionDigits: digits });

  const count = (value) => plain(value, 0);

  const plural = (value, one, many = `${one}s`) =>
    `${count(value)} ${value === 1 ? one : many}`;

  /** Compute units: "12.5 CU". */
  const units = (value) => `${plain(value)} CU`;

  /** The money for units, or "" without a price: "€0.13". */
  function money(value, price) {
    if (!price) return "";
    const [amount, currency] = price;
    const sum = value * amount;
    const digits =
      sum === 0 || Math.abs(sum) >= 0.01
        ? sum.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })
        : plain(Number(sum.toPrecision(2)), 12);
    if (!currency) return digits;
    const isSign = CURRENCY_SIGNS.includes(currency.at(-1));
    return isSign ? `${currency}${digits}` : `${digits} ${currency}`;
  }

  /** "12.5 CU (€0.13)". */
  function cost(value, price) {
    const sum = money(value, price);
    return sum ? `${units(value)} (${sum})` : units(value);
  }

  function bytes(value) {
    const names = ["bytes", "kB", "MB", "GB", "TB"];
    let step = 0;
    while (value >= 1000 && step < names.length - 1) {
      value /= 1000;
      step += 1;
    }
    return `${plain(value, step && value < 10 ? 1 : 0)} ${names[step]}`;
  }

  function duration(from, to) {
    const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
    if (!(seconds >= 0)) return "";
    if (seconds < 60) return `${plain(seconds, 0)} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min ${plain(seconds % 60, 0)} s`;
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  /** A time of the data in the reader's own zone: "2 Oct 2026, 23:20". */
  function time(text) {
    const at = new Date(text);
    if (!text || Number.isNaN(at.getTime())) return String(text || "");
    return at.toLocaleString("en-GB", {
      day: "numeric",
      month: "short",
      year: "numeric",
      hour: "2-digit",
      minute: "2-digit",
    });
  }

  /** Without the year, where there is little room. */
  const shortTime = (text) => time(text).replace(/ \d{4},/, ",");

  const now = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");

  /** "image/png" of 64 × 64: "PNG, 64 × 64, 12 kB". */
  function fileFacts(file) {
    const type = file.name.includes(".") ? file.name.split(".").pop().toUpperCase() : "";
    const size = file.width_px && file.height_px ? `${file.width_px} × ${file.height_px}` : "";
    return [type, size, file.size_bytes ? bytes(file.size_bytes) : ""].filter(Boolean).join(" · ");
  }

  return {
    STATES, plain, count, plural, units, money, cost, bytes, duration, time, shortTime, now, fileFacts,
  };
})();
