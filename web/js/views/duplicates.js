// SPDX-License-Identifier: Apache-2.0
// Pictures that are nearly the same, in groups; how near is chosen. Nothing is deleted from here: files are one's own.
import { api, query } from "../api.js";
import { announce, button, fill, h, icon } from "../dom.js";
import { bytes, count, date, decimal, t } from "../i18n.js";
import { address, go } from "../state.js";
import { load, save } from "../store.js";
import { thumbnail } from "../tile.js";

const LIMIT = 100,
  LEAST = 80;

export class DuplicatesView {
  constructor() {
    this.groups = [];
    this.similarity = Math.max(LEAST, Math.min(100, Number(load("similarity", "96")) || 96));
    this.shown = h("output", { htmlFor: "similarity", class: "amount" }, decimal(this.similarity));
    this.range = h("input", { id: "similarity", type: "range", min: LEAST, max: 100, step: 0.5 });
    this.range.value = this.similarity;
    this.range.addEventListener("input", () => (this.shown.textContent = decimal(Number(this.range.value))));
    this.range.addEventListener("change", () => {
      this.similarity = Number(this.range.value);
      save("similarity", String(this.similarity));
      this.run();
    });
    this.body = h("div", { class: "groups" });
    this.element = h(
      "div",
      { class: "view duplicates-view" },
      h("header", { class: "view-head" }, h("h1", {}, t("nav.duplicates")), h("p", {}, t("duplicates.text"))),
      h(
        "div",
        { class: "card tuning" },
        h("label", { htmlFor: "similarity" }, t("duplicates.similarity")),
        this.range,
        this.shown,
      ),
      this.body,
    );
    this.run();
  }

  destroy() {
    this.abort?.abort();
  }

  items() {
    return this.groups.flatMap((group) => group.items);
  }

  focusItem(id) {
    this.body.querySelector(`[data-id="${Number(id)}"] a`)?.focus({ preventScroll: true });
  }

  update() {
    document.title = `${t("nav.duplicates")} – simile`;
  }

  async run() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.body.setAttribute("aria-busy", "true");
    if (!this.groups.length) fill(this.body, h("p", { class: "note" }, t("duplicates.looking")));
    try {
      const answer = await api("GET", `/v1/duplicates${query({ similarity: this.similarity, limit: LIMIT })}`, {
        signal: this.abort.signal,
      });
      this.groups = answer.groups;
      this.draw();
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(this.body, h("p", { class: "problem" }, icon("warning"), error.message));
    }
    this.body.removeAttribute("aria-busy");
  }

  draw() {
    const n = this.groups.length;
    announce(n ? t("duplicates.groups", { n }) : t("duplicates.none"));
    if (!n)
      return fill(
        this.body,
        h(
          "div",
          { class: "empty" },
          icon("check"),
          h("h2", {}, t("duplicates.none")),
          h("p", {}, t("duplicates.noneText")),
        ),
      );
    fill(
      this.body,
      h("p", { class: "status" }, t("duplicates.groups", { n })),
      ...this.groups.map((group) => this.group(group)),
    );
  }

  group({ items }) {
    const area = (item) => (item.width || 0) * (item.height || 0),
      largest = Math.max(...items.map(area));
    const several = items.some((item) => area(item) !== largest);
    return h(
      "section",
      { class: "group card" },
      h(
        "header",
        { class: "group-head" },
        h("h2", {}, t("pictures", { n: items.length })),
        button(t("duplicates.copy"), "copy", () => this.copy(items), { kind: "quiet" }),
      ),
      h(
        "ul",
        { class: "group-items" },
        items.map((item) => this.item(item, several && area(item) === largest)),
      ),
    );
  }

  item(item, best) {
    const box = h("span", { class: "group-picture" }, thumbnail(item, { alt: "" }));
    return h(
      "li",
      { dataset: { id: item.id } },
      h(
        "a",
        {
          href: address({ open: item.id }),
          class: "group-link",
          onclick: (event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            go({ open: item.id });
          },
        },
        box,
        h("span", { class: "group-name" }, item.name),
      ),
      h(
        "span",
        { class: "group-facts" },
        [
          item.width && `${count(item.width)} × ${count(item.height)}`,
          item.size && bytes(item.size),
          item.date && date(item.date),
        ]
          .filter(Boolean)
          .join(" · "),
      ),
      h("span", { class: "group-path" }, item.folder?.path || item.folder?.name || ""),
      h(
        "span",
        { class: "badges" },
        best ? h("span", { class: "badge" }, t("duplicates.largest")) : null,
        item.similarity === undefined ? null : h("span", { class: "badge soft" }, decimal(item.similarity)),
      ),
    );
  }

  async copy(items) {
    try {
      await navigator.clipboard.writeText(items.map((item) => item.path).join("\n"));
      announce(t("copied"));
    } catch {
      announce(t("error.clipboard"));
    }
  }
}
