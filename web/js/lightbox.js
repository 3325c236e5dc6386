// SPDX-License-Identifier: Apache-2.0
// One picture, large: its facts, the labels and texts that fit, and what can be done with it. A modal dialog: the
// browser keeps the focus inside. Arrows and swipes go on to the next of what the view shows.
import { api, hasKey, pictureURL } from "./api.js";
import { bars } from "./bars.js";
import { button, fill, h, icon } from "./dom.js";
import { bytes, count, date, decimal, t, time } from "./i18n.js";
import { classify, search } from "./query.js";
import { myLabels, myTemplate } from "./labels.js";
import { address, go, goView, state } from "./state.js";

const SWIPE = 60; // pixels
const MAGNIFY = 1.75; // of a small picture, at most
const FITTING = 5,
  TEXTS = 3;

export class Lightbox {
  // neighbours(): the items of the view; stats(): the server's; foundBy(item): a text or null; closed(id), reached():
  // called when it has closed, and when few neighbours are left
  constructor({ neighbours, stats, foundBy, closed, reached }) {
    Object.assign(this, { neighbours, stats, foundBy, closed, reached });
    this.cache = new Map();
    this.id = null;
    this.build();
  }

  build() {
    this.picture = h("img", { class: "large", alt: "", decoding: "async", draggable: false });
    this.small = h("img", { class: "large small", alt: "", "aria-hidden": "true", draggable: false });
    this.stage = h(
      "div",
      { class: "stage" },
      this.small,
      this.picture,
      (this.previous = button(t("previous"), "left", () => this.step(-1), { text: false, kind: "over side left" })),
      (this.next = button(t("next"), "right", () => this.step(1), { text: false, kind: "over side right" })),
    );
    this.title = h("h2", { id: "lightbox-title", tabindex: -1 });
    this.facts = h("div", { class: "facts" });
    this.dialog = h(
      "dialog",
      { class: "lightbox", "aria-labelledby": "lightbox-title" },
      this.stage,
      h(
        "aside",
        { class: "panel" },
        h(
          "header",
          { class: "panel-head" },
          this.title,
          button(t("close"), "close", () => this.leave(), { text: false }),
        ),
        this.facts,
      ),
    );
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.leave();
    });
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("click", (event) => event.target === this.stage && this.leave());
    this.picture.addEventListener("load", () => this.picture.classList.add("here"));
    this.picture.addEventListener("error", () => this.unshown());
    this.swipes();
    document.body.append(this.dialog);
  }

  swipes() {
    let from = null;
    this.stage.addEventListener(
      "touchstart",
      (event) => (from = event.touches.length === 1 ? event.touches[0] : null),
      { passive: true },
    );
    this.stage.addEventListener(
      "touchend",
      (event) => {
        const to = event.changedTouches[0];
        if (!from || visualViewport?.scale > 1.05) return;
        const x = to.clientX - from.clientX,
          y = to.clientY - from.clientY;
        if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) this.step(x < 0 ? 1 : -1);
        else if (y > 2 * SWIPE && y > 2 * Math.abs(x)) this.leave();
      },
      { passive: true },
    );
  }

  key(event) {
    if (event.target.tagName === "INPUT" || event.altKey || event.ctrlKey || event.metaKey) return;
    const acts = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      m: () => this.more(),
      "+": () => this.term(1),
      "-": () => this.term(-1),
    };
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  leave() {
    if (history.state?.ours) history.back();
    else go({ open: null }, { replace: true });
  }

  step(by) {
    const items = this.neighbours(),
      at = items.findIndex((item) => item.id === this.id),
      item = items[at + by];
    if (at < 0 || !item) return;
    go({ open: item.id }, { replace: true });
    if (at + by > items.length - 5) this.reached?.();
  }

  more() {
    goView("search", { terms: [{ kind: "id", value: this.id, weight: 1 }] });
  }

  term(weight) {
    go({ view: "search", open: null, terms: [...state.terms, { kind: "id", value: this.id, weight }] });
  }

  hide() {
    if (!this.dialog.open) return;
    this.abort?.abort();
    this.release?.();
    this.dialog.close();
    const id = this.id;
    this.id = null;
    this.picture.removeAttribute("src");
    this.closed?.(id);
  }

  async show(id) {
    if (this.id === id && this.dialog.open) return;
    this.id = id;
    this.abort?.abort();
    this.abort = new AbortController();
    if (!this.dialog.open) this.dialog.showModal();
    this.title.focus({ preventScroll: true });
    const near = this.neighbours().find((item) => item.id === id);
    if (near) this.draw(near);
    else {
      this.title.textContent = "";
      fill(this.facts, h("p", { class: "note" }, t("loading")));
      this.picture.removeAttribute("src");
      this.small.removeAttribute("src");
    }
    try {
      const full = this.cache.get(id) || (await api("GET", `/v1/items/${id}`, { signal: this.abort.signal }));
      this.cache.set(id, full);
      if (this.id === id) this.draw({ ...near, ...full });
    } catch (error) {
      if (error.name !== "AbortError" && this.id === id) this.failed(error);
    }
  }

  failed(error) {
    if (!this.title.textContent) this.title.textContent = t("error.title");
    fill(this.facts, h("p", { class: "problem" }, icon("warning"), error.message));
  }

  draw(item) {
    this.item = item;
    this.title.textContent = item.name;
    this.sides();
    this.load(item);
    if (item.hash === undefined && this.facts.dataset.id === String(item.id)) return;
    this.facts.dataset.id = item.id;
    fill(this.facts, ...this.panel(item));
    if (item.hash !== undefined) this.fit(item);
  }

  sides() {
    const items = this.neighbours(),
      at = items.findIndex((one) => one.id === this.id);
    this.previous.hidden = at <= 0;
    this.next.hidden = at < 0 || at === items.length - 1;
  }

  async load(item) {
    if (this.loaded === item.id && this.picture.hasAttribute("src")) return;
    this.loaded = item.id;
    this.release?.();
    this.picture.classList.remove("here");
    this.picture.removeAttribute("src");
    this.picture.alt = item.name;
    this.stage.classList.remove("unshown");
    for (const img of [this.picture, this.small]) {
      img.style.maxWidth = item.width ? `min(100%, ${MAGNIFY * item.width}px)` : "";
      img.style.maxHeight = item.height ? `min(100%, ${MAGNIFY * item.height}px)` : "";
    }
    try {
      const { signal } = this.abort;
      const small = await pictureURL(item.thumbnail, signal),
        large = await pictureURL(item.original, signal);
      if (this.id !== item.id) return;
      this.release = () => {
        small.release();
        large.release();
      };
      this.small.src = small.url;
      this.picture.src = large.url;
    } catch (error) {
      if (error.name !== "AbortError") this.unshown();
    }
  }

  unshown() {
    if (!this.item || !this.picture.hasAttribute("src")) return;
    this.picture.removeAttribute("src");
    this.stage.classList.add("unshown");
    this.facts.prepend(h("p", { class: "note unshown-note" }, t("lightbox.unshown")));
  }

  panel(item) {
    const found = this.foundBy?.(item),
      original = h(
        "a",
        { class: "button quiet", href: `${item.original}?download=1`, download: item.name },
        icon("download"),
        h("span", {}, t("download")),
      );
    if (hasKey()) original.addEventListener("click", (event) => this.download(event, item));
    const rows = [
      item.similarity !== undefined && [t("fact.similarity"), decimal(item.similarity)],
      found && [t("fact.found"), found],
      item.width && [t("fact.size"), t("fact.pixels", { width: count(item.width), height: count(item.height) })],
      item.size && [
        t("fact.bytes"),
        item.format ? `${bytes(item.size)} · ${item.format.toUpperCase()}` : bytes(item.size),
      ],
      item.date && [
        t("fact.date"),
        h("time", { datetime: item.date }, item.hash ? time(item.date) : date(item.date)),
      ],
      item.path && [t("fact.path"), h("span", { class: "path" }, item.path)],
    ].filter(Boolean);
    return [
      h(
        "div",
        { class: "buttons acts" },
        button(t("like"), "like", () => this.more(), { kind: "primary" }),
        button(t("add"), "plus", () => this.term(1)),
        button(t("subtract"), "minus", () => this.term(-1)),
      ),
      h(
        "dl",
        {},
        rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
      ),
      (this.fitting = h("section", { class: "fitting", "aria-label": t("fit.labels") })),
      (this.wording = h("section", { class: "fitting", "aria-label": t("fit.texts"), hidden: true })),
      h(
        "div",
        { class: "buttons" },
        original,
        h(
          "a",
          {
            class: "button quiet",
            href: address({
              view: "search",
              terms: [],
              target: "image",
              order: "newest",
              from: "",
              to: "",
              open: null,
              folder: item.folder?.id || "",
            }),
            hidden: !item.folder,
            onclick: (event) => {
              event.preventDefault();
              goView("search", { folder: item.folder.id });
            },
          },
          icon("folder"),
          h("span", {}, t("lightbox.folder")),
        ),
      ),
    ];
  }

  async download(event, item) {
    event.preventDefault();
    const { url, release } = await pictureURL(item.original);
    h("a", { href: url, download: item.name }).click();
    setTimeout(release, 10000);
  }

  async fit(item) {
    const { signal } = this.abort,
      labels = myLabels();
    const head = h(
      "div",
      { class: "fitting-head" },
      h("h3", {}, t("fit.labels")),
      h(
        "a",
        {
          href: address({ view: "labels", id: item.id }),
          onclick: (event) => {
            event.preventDefault();
            goView("labels", { id: item.id });
          },
        },
        t("fit.change"),
      ),
    );
    fill(this.fitting, head, bars([]));
    try {
      item.fitting ??= (await classify({ id: item.id, labels, template: myTemplate(), top: FITTING, signal })).labels;
      if (this.id === item.id) fill(this.fitting, head, bars(item.fitting));
      if (!this.stats()?.texts) return;
      item.texts ??= (
        await search({ terms: [{ kind: "id", value: item.id, weight: 1 }], target: "text" }, { limit: TEXTS, signal })
      ).results;
      if (this.id !== item.id || !item.texts.length) return;
      fill(
        this.wording,
        h("h3", {}, t("fit.texts")),
        h(
          "ul",
          { class: "wordings" },
          item.texts.map((one) =>
            h(
              "li",
              {},
              h("span", { dir: "auto" }, one.text),
              h("span", { class: "amount" }, decimal(one.similarity)),
            ),
          ),
        ),
      );
      this.wording.hidden = false;
    } catch (error) {
      if (error.name !== "AbortError" && this.id === item.id)
        fill(this.fitting, head, h("p", { class: "note" }, error.message));
    }
  }
}
