// SPDX-License-Identifier: Apache-2.0
// Labels with how sure the model is of each, as bars.
import { h } from "./dom.js";
import { decimal, percent, t } from "./i18n.js";

const THINNEST = 0.5; // percent, so that no bar is nothing

export function bars(labels) {
  return h(
    "ol",
    { class: "bars" },
    labels.map(({ label, candidates, candidate, confidence, similarity }) => {
      const share = confidence ?? 0,
        inside = h("span", { class: "bar-fill" });
      const read = candidates?.[candidate ?? 0]?.text; // of a label that was translated
      inside.style.width = `${Math.max(THINNEST, 100 * share)}%`;
      return h(
        "li",
        {},
        h("span", { class: "bar-label", dir: "auto" }, label, read && h("small", { lang: "en" }, read)),
        h("span", { class: "bar-similarity" }, t("bar.similarity", { similarity: decimal(similarity) })),
        h("span", { class: "bar-share" }, percent(share)),
        h("span", { class: "bar", "aria-hidden": "true" }, inside),
      );
    }),
  );
}
