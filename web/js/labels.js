// SPDX-License-Identifier: Apache-2.0
// The labels one classifies with: what was typed last, or the interface's own list.
import { t } from "./i18n.js";
import { labelsOf } from "./query.js";
import { load, save } from "./store.js";

export const myText = () => load("labels") || t("labels.default");
export const myLabels = () => labelsOf(myText());
export const myTemplate = () => load("template", "");

export function keepLabels(text, template) {
  save("labels", text.trim() && text !== t("labels.default") ? text : null);
  save("template", template.trim() || null);
}
