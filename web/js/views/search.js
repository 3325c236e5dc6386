// SPDX-License-Identifier: Apache-2.0
// Pictures: everything newest first, or what was asked for, most similar first; filters; pictures or texts.
import { api, query } from "../api.js";
import { announce, button, closePopovers, fill, h, icon, popover, segmented } from "../dom.js";
import { Grid } from "../grid.js";
import { count, decimal, t } from "../i18n.js";
import { nameOf, Periods } from "../periods.js";
import { search } from "../query.js";
import { foundBy, readings } from "../reading.js";
import { address, go, goView, span, state } from "../state.js";
import { Terms } from "../terms.js";
import { onPicture } from "../pictures.js";

const PAGE = 60;
const EXAMPLES = ["two dogs in the snow", "a red boat", "夜晚的伦敦", "a city at night"];
const asked = (s) => JSON.stringify([s.terms, s.target, s.folder, s.from, s.to, s.order]);

export class SearchView {
  constructor({ stats, listed }) {
    this.stats = stats;
    this.listed = listed;
    this.shown = null;
    this.terms = new Terms({ change: (terms) => go({ terms, open: null }) });
    this.filters = h("div", { class: "filters" });
    this.reading = h("div", { class: "readings" });
    this.status = h("p", { class: "status" });
    this.results = h("div", { class: "results" });
    this.grid = new Grid({
      label: t("grid"),
      href: (item) => address({ open: item.id }),
      open: (item) => go({ open: item.id }),
      end: () => this.more(),
      more: (item) => goView("search", { terms: [{ kind: "id", value: item.id, weight: 1 }] }),
      add: (item) => this.term(item, 1),
      subtract: (item) => this.term(item, -1),
      above: () => (this.terms.input.focus(), true),
    });
    this.list = h("ol", { class: "texts" });
    this.element = h(
      "div",
      { class: "view search-view" },
      h("h1", { class: "hidden" }, t("nav.search")),
      h("div", { class: "search-head" }, this.terms.element),
      this.reading,
      this.filters,
      this.results,
    );
    this.terms.input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && !event.isComposing && this.grid.focus()) event.preventDefault();
    });
    onPicture((key) => {
      // A picture after a picture is a new question; after words it is one more term.
      const words = state.terms.some((term) => term.kind !== "picture");
      go({ open: null, terms: [...(words ? state.terms : []), { kind: "picture", value: key, weight: 1 }] });
    });
  }

  destroy() {
    this.abort?.abort();
    this.grid.destroy();
    closePopovers();
  }

  term(item, weight) {
    go({ terms: [...state.terms, { kind: "id", value: item.id, weight }], open: null });
    scrollTo({ top: 0 });
    announce(t(weight > 0 ? "added" : "subtracted", { name: item.name }));
  }

  items() {
    return state.target === "text" ? [] : this.grid.items;
  }

  foundBy(item) {
    return foundBy(item, this.texts);
  }

  focusItem(id) {
    if (!this.grid.focusItem(id)) this.terms.input.focus({ preventScroll: true });
  }

  focusSearch() {
    this.terms.input.focus();
    this.terms.input.select();
  }

  update() {
    const question = asked(state);
    if (question === this.shown) return;
    this.shown = question;
    this.terms.show(state.terms);
    document.title = state.terms.length
      ? `${state.terms.map((term) => this.terms.name(term)).join(" + ")} – simile`
      : "simile";
    if (this.examples) this.examples.hidden = state.terms.length > 0;
    this.drawFilters();
    this.begin();
  }

  // The catalogue grew: what is shown without a question may be old.
  refresh() {
    const busy = state.open || scrollY > 200 || this.grid.body.contains(document.activeElement);
    if (!state.terms.length && !busy) this.begin({ quiet: true });
    this.facets = null;
    this.loadFacets();
  }

  // The server is back.
  revive() {
    if (this.failed) this.begin();
  }

  drawFilters() {
    const { folder, from, to } = state;
    const period = button(
      from || to ? nameOf(state) : t("filter.period"),
      "calendar",
      () => this.choosePeriod(period),
      { kind: `filter${from || to ? " on" : ""}`, "aria-haspopup": "dialog", "aria-expanded": "false" },
    );
    const place = button(folder ? this.folderName() : t("filter.folder"), "folder", () => this.chooseFolder(place), {
      kind: `filter${folder ? " on" : ""}`,
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
    });
    this.place = place;
    this.period = period;
    fill(
      this.filters,
      segmented(
        t("target"),
        "target",
        [
          ["image", t("target.image")],
          ["text", t("target.text")],
        ],
        state.target,
        (target) => go({ target, open: null }),
      ),
      place,
      period,
      folder || from || to
        ? button(t("filter.clear"), "close", () => go({ folder: "", from: "", to: "" }), { kind: "quiet" })
        : null,
      this.status,
    );
    this.loadFacets();
  }

  folderName() {
    return this.facets?.folders.find((one) => one.id === state.folder)?.name || t("filter.folder");
  }

  async loadFacets() {
    const key = asked({ ...state, terms: [] });
    if (this.facets?.key === key) return this.facets;
    const { folder } = state;
    try {
      this.facets = { ...(await api("GET", `/v1/facets${query({ folder, ...span(state) })}`)), key };
      if (folder) this.place.querySelector("span").textContent = this.folderName();
    } catch {
      // The list of pictures says what is wrong.
    }
    return this.facets;
  }

  async choosePeriod(anchor) {
    const facets = await this.loadFacets();
    if (!facets) return;
    if (!facets.periods.length)
      return popover(anchor, h("p", { class: "note" }, t("period.none")), t("filter.period"));
    let timer;
    popover(
      anchor,
      new Periods(facets.periods, { from: state.from, to: state.to }, (value) => {
        clearTimeout(timer);
        timer = setTimeout(() => go(value), 150);
      }).element,
      t("filter.period"),
      () => this.period,
    );
  }

  async chooseFolder(anchor) {
    const facets = await this.loadFacets();
    if (!facets) return;
    const row = (id, name, path, n) =>
      h(
        "button",
        {
          type: "button",
          class: "choice",
          "aria-pressed": id === state.folder ? "true" : "false",
          onclick: () => {
            closePopovers();
            go({ folder: id });
          },
        },
        icon("folder"),
        h("span", { class: "choice-name" }, h("strong", {}, name), path && h("small", {}, path)),
        n !== null && h("span", { class: "amount" }, count(n)),
      );
    popover(
      anchor,
      h(
        "div",
        { class: "choices" },
        row("", t("filter.everywhere"), "", null),
        facets.folders.map((one) => row(one.id, one.name, one.path, one.count)),
      ),
      t("filter.folder"),
    );
  }

  async begin({ quiet = false } = {}) {
    this.abort?.abort();
    this.abort = new AbortController();
    this.offset = 0;
    this.failed = false;
    this.ended = true; // until the first page is there
    this.results.setAttribute("aria-busy", "true");
    try {
      const page = await this.fetch(0);
      this.grid.clear();
      fill(this.list);
      this.texts = page.texts;
      fill(this.reading, ...readings(page.texts));
      this.total = page.total;
      this.put(page);
      if (!quiet) this.say();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.problem(error);
    }
    this.results.removeAttribute("aria-busy");
  }

  async fetch(offset) {
    const { signal } = this.abort;
    if (state.terms.length) return search(state, { offset, limit: PAGE, signal });
    const { target, folder } = state,
      order = target === "text" ? "id" : state.order;
    const wanted = { kind: target, status: "ok", folder, ...span(state), order, offset, limit: PAGE };
    const page = await api("GET", `/v1/items${query(wanted)}`, { signal });
    return { results: page.items, total: page.total, more: offset + page.items.length < page.total };
  }

  put(page) {
    const { results } = page,
      first = this.offset === 0;
    this.offset += results.length;
    this.ended = !page.more || results.length === 0;
    if (first && results.length === 0) return this.nothing();
    if (first) fill(this.results, state.target === "text" ? this.list : this.grid.element);
    if (state.target === "text") this.appendTexts(results);
    else this.grid.append(results);
    this.grid.again();
    this.listed();
    if (state.target === "text" && !this.ended)
      this.list.append(
        h(
          "li",
          { class: "more" },
          button(t("more"), "down", (event) => {
            event.currentTarget.closest("li").remove();
            this.more();
          }),
        ),
      );
  }

  async more() {
    if (this.ended) return;
    this.ended = true;
    try {
      this.put(await this.fetch(this.offset));
      announce(t("shown", { n: this.offset }));
    } catch (error) {
      if (error.name !== "AbortError")
        this.results.append(
          h(
            "p",
            { class: "problem" },
            icon("warning"),
            error.message,
            button(t("again"), null, (event) => {
              event.currentTarget.parentNode.remove();
              this.ended = false;
              this.more();
            }),
          ),
        );
    }
  }

  appendTexts(results) {
    const most = Math.max(1, ...results.map((one) => one.similarity || 0));
    this.list.append(
      ...results.map((one) => {
        const fill = h("span", { class: "bar-fill" });
        fill.style.width = `${Math.max(0, (100 * (one.similarity || 0)) / Math.max(most, 40))}%`;
        return h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "text-hit",
              onclick: () => goView("search", { terms: [{ kind: "text", value: one.text, weight: 1 }] }),
            },
            h("span", { class: "text-name", dir: "auto" }, one.text),
            one.similarity === undefined ? null : h("span", { class: "amount" }, decimal(one.similarity)),
            one.similarity === undefined ? null : h("span", { class: "bar", "aria-hidden": "true" }, fill),
          ),
        );
      }),
    );
  }

  say() {
    const noun = state.target === "text" ? "texts" : "pictures";
    const n = this.total ?? this.offset,
      best = state.terms.length > 0;
    this.status.textContent = best ? "" : t(noun, { n });
    if (best) this.status.textContent = t("status.ranked");
    announce(this.offset === 0 ? t("nothing.title") : best ? t("status.found", { n: this.offset }) : t(noun, { n }));
  }

  problem(error) {
    this.failed = true;
    fill(this.reading);
    this.status.textContent = "";
    fill(
      this.results,
      h(
        "div",
        { class: "empty" },
        icon("warning"),
        h("h2", {}, t("error.title")),
        h("p", {}, error.message),
        button(t("again"), null, () => this.begin(), { kind: "primary" }),
      ),
    );
    announce(error.message);
  }

  nothing() {
    const filtered = state.folder || state.from || state.to,
      text = state.target === "text";
    if (text) {
      fill(
        this.results,
        h(
          "div",
          { class: "empty" },
          icon("text"),
          h("h2", {}, t("texts.none")),
          h("p", {}, t("texts.how")),
          h("code", {}, 'simile add --text "a red boat"'),
        ),
      );
    } else if (state.terms.length || filtered) {
      fill(
        this.results,
        h(
          "div",
          { class: "empty" },
          icon("search"),
          h("h2", {}, t("nothing.title")),
          h("p", {}, t(filtered ? "nothing.filtered" : "nothing.text")),
          filtered
            ? button(t("filter.clear"), null, () => go({ folder: "", from: "", to: "" }), { kind: "primary" })
            : null,
        ),
      );
    } else {
      fill(
        this.results,
        h(
          "div",
          { class: "empty welcome" },
          icon("like"),
          h("h2", {}, t("welcome.title")),
          h("p", {}, t("welcome.text")),
          button(t("welcome.go"), "folder", () => goView("indexing"), { kind: "primary" }),
        ),
      );
    }
  }

  // For the bundled model alone, whose world is small: what one may ask it.
  statsChanged() {
    const stats = this.stats();
    if (this.examples || !stats?.images || !String(stats.model).startsWith("simile-scenes")) return;
    this.examples = h(
      "p",
      { class: "examples" },
      h("span", {}, t("examples")),
      EXAMPLES.map((value) =>
        h(
          "button",
          { type: "button", class: "example", onclick: () => go({ terms: [{ kind: "text", value, weight: 1 }] }) },
          value,
        ),
      ),
    );
    this.examples.hidden = state.terms.length > 0;
    this.terms.element.after(this.examples);
  }
}
