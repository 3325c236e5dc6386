// SPDX-License-Identifier: Apache-2.0
// The search box and the chips below it. The box holds the first text; what else was added or subtracted is a chip,
// whose weight opens on a click.
import { button, closePopovers, fill, h, icon, popover } from "./dom.js";
import { t } from "./i18n.js";
import { kept, pick } from "./pictures.js";
import { thumbnail } from "./tile.js";

const LEAST = -2,
  MOST = 2,
  STEP = 0.1;
const sign = (weight) => (weight < 0 ? "−" : "+");
const amount = (weight) => (Math.abs(weight) === 1 ? "" : ` × ${Math.abs(weight).toFixed(1)}`);

export const isMain = (term, i) => i === 0 && term.kind === "text" && term.weight === 1;

export class Terms {
  // value(): the terms; change(terms)
  constructor({ change }) {
    this.change = change;
    this.terms = [];
    this.input = h("input", {
      type: "search",
      id: "query",
      name: "query",
      autocomplete: "off",
      spellcheck: "false",
      enterkeyhint: "search",
      placeholder: t(matchMedia("(max-width: 700px)").matches ? "search.placeholderShort" : "search.placeholder"),
      "aria-label": t("search.label"),
      maxlength: 2000,
      dir: "auto",
    });
    this.chips = h("ul", { class: "chips", "aria-label": t("terms") });
    this.input.addEventListener(
      "input",
      () => (this.clear.hidden = this.input.value === "" && this.terms.length === 0),
    );
    this.clear = button(
      t("search.clear"),
      "close",
      () => {
        this.input.value = "";
        this.change([]);
        this.input.focus();
      },
      { text: false },
    );
    const form = h(
      "form",
      { class: "box", role: "search", onsubmit: (event) => this.submit(event) },
      h("span", { class: "box-icon" }, icon("search")),
      this.input,
      this.clear,
      button(t("search.picture"), "picture", pick, { text: false, class: "button quiet bare" }),
      h("button", { type: "submit", class: "button primary" }, h("span", {}, t("search.go")), icon("search")),
    );
    this.element = h("div", { class: "terms" }, form, this.chips);
  }

  submit(event) {
    event.preventDefault();
    const value = this.input.value.trim(),
      rest = this.terms.filter((term, i) => !isMain(term, i));
    this.change(value ? [{ kind: "text", value, weight: 1 }, ...rest] : rest);
  }

  show(terms) {
    this.terms = terms;
    const main = terms.find(isMain);
    this.input.value = main ? main.value : "";
    this.clear.hidden = terms.length === 0;
    fill(
      this.chips,
      ...terms.flatMap((term, i) => (isMain(term, i) ? [] : [this.chip(term, i)])),
      ...(terms.length ? [this.adder(1), this.adder(-1)] : []),
    );
  }

  name(term) {
    if (term.kind === "text") return term.value;
    return term.kind === "id" ? t("term.item", { id: String(term.value) }) : t("term.picture");
  }

  chip(term, i) {
    const face =
      term.kind === "text"
        ? null
        : term.kind === "picture"
          ? kept(term.value)
          : thumbnail({ name: "", thumbnail: `/v1/items/${term.value}/thumbnail` }, { alt: "", eager: true });
    const name = this.name(term),
      minus = term.weight < 0;
    const weight = h(
      "button",
      {
        type: "button",
        class: "chip-body",
        "aria-haspopup": "dialog",
        "aria-expanded": "false",
        dataset: { term: i },
        "aria-label": t(minus ? "term.minus" : "term.plus", { name, weight: Math.abs(term.weight).toFixed(1) }),
        onclick: () => this.weigh(weight, term, i),
      },
      h("span", { class: "chip-sign" }, sign(term.weight)),
      face,
      h("span", { class: "chip-name", dir: "auto" }, name),
      h("span", { class: "chip-weight" }, amount(term.weight)),
    );
    return h(
      "li",
      { class: `chip ${minus ? "minus" : "plus"}` },
      weight,
      button(t("term.remove", { name }), "close", () => this.remove(i), { text: false, kind: "quiet chip-remove" }),
    );
  }

  remove(i) {
    this.change(this.terms.filter((_, k) => k !== i));
    (this.chips.querySelector("button") || this.input).focus();
  }

  weigh(anchor, term, i) {
    const shown = h("output", {}, `${sign(term.weight)} ${Math.abs(term.weight).toFixed(1)}`);
    const range = h("input", {
      type: "range",
      min: LEAST,
      max: MOST,
      step: STEP,
      "aria-label": t("term.weight"),
      autofocus: true,
    });
    range.value = term.weight;
    range.addEventListener(
      "input",
      () => (shown.textContent = `${sign(range.value)} ${Math.abs(range.value).toFixed(1)}`),
    );
    range.addEventListener("change", () => set(Number(range.value)));
    const set = (weight) =>
      weight !== 0 && this.change(this.terms.map((one, k) => (k === i ? { ...one, weight } : one)));
    const flip = (weight) => {
      closePopovers();
      set(weight);
    };
    popover(
      anchor,
      h(
        "div",
        { class: "weigh" },
        h("div", { class: "weigh-head" }, h("strong", {}, this.name(term)), shown),
        range,
        h(
          "div",
          { class: "weigh-ends", "aria-hidden": "true" },
          h("span", {}, t("subtract")),
          h("span", {}, t("add")),
        ),
        h(
          "div",
          { class: "buttons" },
          button(term.weight < 0 ? t("add") : t("subtract"), term.weight < 0 ? "plus" : "minus", () =>
            flip(-term.weight),
          ),
          button(t("remove"), "close", () => {
            closePopovers();
            this.remove(i);
          }),
        ),
      ),
      t("term.weight"),
      () => this.chips.querySelector(`[data-term="${i}"]`),
    );
  }

  // "+ and", "− without": a button that turns into a small field.
  adder(weight) {
    const label = t(weight > 0 ? "term.and" : "term.without"),
      item = h("li", { class: "adder" });
    const open = button(
      label,
      weight > 0 ? "plus" : "minus",
      () => {
        const field = h("input", {
          type: "text",
          class: "adder-field",
          "aria-label": label,
          placeholder: label,
          maxlength: 2000,
          dir: "auto",
        });
        const commit = () => {
          const value = field.value.trim();
          if (!value) return fill(item, open);
          return this.change([...this.terms, { kind: "text", value, weight }]);
        };
        field.addEventListener("keydown", (event) => {
          if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
          event.preventDefault();
          event.stopPropagation();
          if (event.key === "Enter") return commit();
          fill(item, open);
          open.focus();
        });
        field.addEventListener(
          "blur",
          () => item.isConnected && field.value.trim() === "" && field.isConnected && fill(item, open),
        );
        fill(item, field);
        field.focus();
      },
      { kind: "ghost" },
    );
    item.append(open);
    return item;
  }
}
