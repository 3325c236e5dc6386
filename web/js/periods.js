// SPDX-License-Identifier: Apache-2.0
// Choosing a stretch of months: a row for each year with its months, darker where there are more pictures, and two
// lists (from, to) that say the same. A click takes a month or a year; with Shift it reaches until there.
import { h, select, button } from "./dom.js";
import { count, monthName, monthShort, t } from "./i18n.js";

const key = (year, month) => `${year}-${String(month).padStart(2, "0")}`;

export function sumOf(periods, { from, to }, field = "count") {
  return periods.reduce((sum, p) => {
    const at = key(p.year, p.month);
    return (!from || at >= from) && (!to || at <= to) ? sum + (p[field] || 0) : sum;
  }, 0);
}

export function nameOf({ from, to }) {
  const name = (text) => monthName(...text.split("-").map(Number));
  if (!from && !to) return t("period.all");
  if (!to) return t("period.since", { month: name(from) });
  if (!from) return t("period.until", { month: name(to) });
  if (from === to) return name(from);
  if (from.slice(0, 4) === to.slice(0, 4) && from.endsWith("-01") && to.endsWith("-12")) return from.slice(0, 4);
  return t("period.span", { from: name(from), to: name(to) });
}

// periods: [{year, month, count}]; value: {from, to}; onchange(value).
export class Periods {
  constructor(periods, value, onchange) {
    this.periods = periods;
    this.value = value;
    this.onchange = onchange;
    this.counts = new Map(periods.map((p) => [key(p.year, p.month), p.count]));
    this.most = Math.max(1, ...periods.map((p) => p.count));
    this.element = h("div", { class: "periods" });
    this.draw();
  }

  choose(value) {
    this.value = value;
    const place = document.activeElement?.dataset?.at;
    this.draw();
    if (place) this.element.querySelector(`[data-at="${CSS.escape(place)}"]`)?.focus();
    this.onchange(value);
  }

  take(from, to, extend) {
    const { value } = this;
    if (extend && (value.from || value.to)) {
      const start = value.from || from,
        end = value.to || to;
      return this.choose({ from: from < start ? from : start, to: to > end ? to : end });
    }
    return this.choose(value.from === from && value.to === to ? { from: "", to: "" } : { from, to });
  }

  inside(at) {
    const { from, to } = this.value;
    return (from || to) && (!from || at >= from) && (!to || at <= to);
  }

  month(year, month) {
    const at = key(year, month),
      n = this.counts.get(at) || 0;
    const level = n ? 1 + Math.floor(3 * Math.sqrt(n / this.most)) : 0;
    return h(
      "button",
      {
        type: "button",
        class: `month level-${level}`,
        disabled: n === 0,
        dataset: { at },
        "aria-pressed": Boolean(this.inside(at)) ? "true" : "false",
        "aria-label": t("period.month", { month: monthName(year, month), n }),
        title: t("period.month", { month: monthName(year, month), n }),
        onclick: (event) => this.take(at, at, event.shiftKey),
      },
      monthShort(month),
    );
  }

  year(year) {
    const from = key(year, 1),
      to = key(year, 12),
      n = sumOf(this.periods, { from, to });
    return h(
      "div",
      { class: "year", role: "group", "aria-label": String(year) },
      h(
        "button",
        {
          type: "button",
          class: "year-name",
          dataset: { at: String(year) },
          "aria-pressed": this.inside(from) && this.inside(to) ? "true" : "false",
          "aria-label": t("period.year", { year: String(year), n }),
          onclick: (event) => this.take(from, to, event.shiftKey),
        },
        h("strong", {}, String(year)),
        h("span", { class: "amount" }, count(n)),
      ),
      h(
        "div",
        { class: "months" },
        Array.from({ length: 12 }, (_, i) => this.month(year, i + 1)),
      ),
    );
  }

  draw() {
    const { periods, value } = this;
    const list = (none) => [
      ["", none],
      ...periods.map((p) => [key(p.year, p.month), `${monthName(p.year, p.month)} · ${count(p.count)}`]),
    ];
    const known = (text) => (!text || this.counts.has(text) ? text : "");
    const years = [...new Set(periods.map((p) => p.year))].sort((a, b) => b - a);
    this.element.replaceChildren(
      h(
        "div",
        { class: "periods-ends" },
        h(
          "label",
          {},
          h("span", {}, t("period.from")),
          select(
            t("period.from"),
            list(t("period.first")),
            known(value.from),
            (from) => this.choose({ from, to: value.to && from > value.to ? from : value.to }),
            { "data-at": "from" },
          ),
        ),
        h(
          "label",
          {},
          h("span", {}, t("period.to")),
          select(
            t("period.to"),
            list(t("period.last")),
            known(value.to),
            (to) => this.choose({ to, from: value.from && to && to < value.from ? to : value.from }),
            { "data-at": "to" },
          ),
        ),
      ),
      h(
        "div",
        { class: "years" },
        years.map((year) => this.year(year)),
      ),
      h(
        "div",
        { class: "periods-foot" },
        h("span", {}, t("pictures", { n: sumOf(periods, value) })),
        button(t("period.clear"), null, () => this.choose({ from: "", to: "" }), {
          disabled: !value.from && !value.to,
          "data-at": "clear",
        }),
      ),
    );
  }
}
