// SPDX-License-Identifier: Apache-2.0
// Labels: a picture, the words one types, and how well each fits.
import { announce, button, fill, h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { keepLabels, myTemplate, myText } from "../labels.js";
import { bars } from "../bars.js";
import { kept, onPicture, pick } from "../pictures.js";
import { classify, labelsOf } from "../query.js";
import { go, goView, state } from "../state.js";
import { thumbnail } from "../tile.js";

const WAIT = 450; // milliseconds without a key, before it asks

export class LabelsView {
  constructor() {
    this.area = h("textarea", {
      id: "labels",
      rows: 9,
      spellcheck: "false",
      dir: "auto",
      placeholder: t("labels.placeholder"),
    });
    this.area.value = myText();
    this.template = h("input", {
      id: "template",
      type: "text",
      placeholder: t("labels.templateNone"),
      value: myTemplate(),
      dir: "auto",
    });
    for (const field of [this.area, this.template]) field.addEventListener("input", () => this.later());
    this.source = h("div", { class: "source" });
    this.answer = h("div", { class: "answer" });
    this.element = h(
      "div",
      { class: "view labels-view" },
      h("header", { class: "view-head" }, h("h1", {}, t("nav.labels")), h("p", {}, t("labels.text"))),
      h(
        "div",
        { class: "labels-body" },
        h("section", { class: "card" }, this.source),
        h(
          "section",
          { class: "card" },
          h("label", { htmlFor: "labels", class: "field-name" }, t("labels.yours")),
          this.area,
          h("p", { class: "note" }, t("labels.hint")),
          h("label", { htmlFor: "template", class: "field-name" }, t("labels.template")),
          this.template,
          h("p", { class: "note" }, t("labels.templateHint")),
        ),
        h(
          "section",
          { class: "card", "aria-labelledby": "fit-head" },
          h("h2", { id: "fit-head" }, t("fit.labels")),
          this.answer,
        ),
      ),
    );
    onPicture((key) => go({ view: "labels", id: null, at: key }));
  }

  destroy() {
    clearTimeout(this.timer);
    this.abort?.abort();
  }

  items() {
    return [];
  }

  update() {
    document.title = `${t("nav.labels")} – simile`;
    const { id, at } = state,
      have = id || at;
    const image = id
      ? thumbnail(
          { name: t("term.item", { id: String(id) }), thumbnail: `/v1/items/${id}/original` },
          { eager: true, instead: `/v1/items/${id}/thumbnail` },
        )
      : at
        ? kept(at, { alt: t("term.picture") })
        : null;
    fill(
      this.source,
      have
        ? h("div", { class: "source-picture" }, image)
        : h(
            "button",
            { type: "button", class: "dropzone", onclick: pick },
            icon("picture"),
            h("strong", {}, t("labels.pick")),
            h("span", {}, t("labels.drop")),
          ),
      have
        ? h(
            "div",
            { class: "buttons" },
            button(t("labels.other"), "picture", pick),
            id ? button(t("open"), "search", () => go({ open: id })) : null,
            button(t("like"), "like", () =>
              goView("search", {
                terms: [id ? { kind: "id", value: id, weight: 1 } : { kind: "picture", value: at, weight: 1 }],
              }),
            ),
          )
        : h("p", { class: "note center" }, t("labels.fromSearch")),
    );
    this.run();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      keepLabels(this.area.value, this.template.value);
      this.run();
    }, WAIT);
  }

  async run() {
    const { id, at } = state,
      labels = labelsOf(this.area.value),
      template = this.template.value.trim();
    this.abort?.abort();
    if (!id && !at) return fill(this.answer, h("p", { class: "note" }, t("labels.none")));
    if (!labels.length) return fill(this.answer, h("p", { class: "note" }, t("labels.empty")));
    if (template && !template.includes("{}"))
      return fill(this.answer, h("p", { class: "problem" }, icon("warning"), t("labels.templateWrong")));
    this.abort = new AbortController();
    this.answer.setAttribute("aria-busy", "true");
    try {
      const { signal } = this.abort;
      const answer = await classify({ id, picture: at, labels, template, signal });
      const meaning = t(answer.score === "sigmoid" ? "labels.each" : "labels.confidence");
      fill(this.answer, bars(answer.labels), h("p", { class: "note" }, meaning));
      announce(t("labels.best", { label: answer.labels[0].label }));
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(this.answer, h("p", { class: "problem" }, icon("warning"), error.message));
    }
    this.answer.removeAttribute("aria-busy");
  }
}
