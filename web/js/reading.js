// SPDX-License-Identifier: Apache-2.0
// How the texts of a query were read: as they stand, translated (tokens, candidates, the one that won), or by a text
// tower for many languages.
import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

const SHOWN = 5;

function candidate(one, won, i) {
  const row = h(
    "li",
    { class: won === i ? "won" : "" },
    h("span", { class: "candidate-mark" }, won === i ? icon("check") : null),
    h("span", { class: "candidate-text", lang: "en" }, one.text),
    h("span", { class: "candidate-score" }, Math.exp(one.score).toFixed(2)),
  );
  if (won === i) row.append(h("span", { class: "hidden" }, t("reading.won")));
  return row;
}

function translated(text) {
  const list = text.candidates || [],
    won = text.candidate ?? null;
  const shown = won !== null ? list[won] : list[0];
  const how = won !== null ? t("reading.one") : text.fuse === "max" ? t("reading.each") : t("reading.mixed");
  return h(
    "details",
    { class: "reading" },
    h(
      "summary",
      {},
      h("span", { class: "reading-source" }, text.text),
      icon("right"),
      h("span", { class: "reading-result", lang: "en" }, shown ? shown.text : t("reading.nothing")),
      h("span", { class: "reading-how" }, t("reading.by", { name: text.translator || text.read_by })),
    ),
    h(
      "div",
      { class: "reading-body" },
      h("h3", {}, t("reading.tokens")),
      h(
        "ul",
        { class: "tokens" },
        (text.tokens || []).map((token) => h("li", {}, token)),
      ),
      h("h3", {}, t("reading.candidates")),
      h(
        "ol",
        { class: "candidates" },
        list.slice(0, SHOWN).map((one, i) => candidate(one, won, i)),
      ),
      h("p", { class: "note" }, how),
    ),
  );
}

function multilingual(text) {
  return h(
    "p",
    { class: "reading plain" },
    h("span", { class: "reading-source" }, text.text),
    icon("right"),
    h("span", { class: "reading-how" }, t("reading.multilingual", { name: text.read_by })),
  );
}

// texts: those of an answer. Nothing is shown for a text that the model read as it stands, unless it was cut.
export function readings(texts) {
  return (texts || []).flatMap((text) => {
    const out = [];
    if (text.via === "translate") out.push(translated(text));
    else if (text.via === "multilingual") out.push(multilingual(text));
    if (text.truncated)
      out.push(
        h(
          "p",
          { class: "reading plain" },
          icon("warning"),
          h("span", {}, t("reading.truncated", { text: text.text })),
        ),
      );
    return out;
  });
}

export function foundBy(item, texts) {
  const text = (texts || []).find((one) => one.via === "translate" && one.candidates?.[item.candidate]);
  return text && item.candidate !== undefined && item.candidate !== null
    ? text.candidates[item.candidate].text
    : null;
}
