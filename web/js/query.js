// SPDX-License-Identifier: Apache-2.0
// What is asked for, as the server wants it: terms of texts, items and pictures; pictures travel as parts of a form.
import { api } from "./api.js";
import { t } from "./i18n.js";
import { languageOf } from "./languages.js";
import { findPicture } from "./store.js";
import { span } from "./state.js";

export async function search({ terms, target, folder, from, to }, { offset = 0, limit = 60, signal } = {}) {
  const { after, before } = span({ from, to });
  const question = {
    terms: [],
    exclude_terms: true,
    target,
    offset,
    limit,
    after,
    before,
    folder: folder || undefined,
    language: languageOf(terms.filter(({ kind }) => kind === "text").map(({ value }) => value)),
  };
  let form = null;
  for (const [i, { kind, value, weight }] of terms.entries()) {
    if (kind === "text") question.terms.push({ text: value, weight });
    else if (kind === "id") question.terms.push({ id: value, weight });
    else {
      const file = await findPicture(value);
      if (!file) throw new Error(t("error.picture"));
      form ??= new FormData();
      form.append(`picture${i}`, file, "picture");
      question.terms.push({ part: `picture${i}`, weight });
    }
  }
  if (!form) return api("POST", "/v1/search", { json: question, signal });
  form.append("query", JSON.stringify(question));
  return api("POST", "/v1/search", { form, signal });
}

// How well labels fit an item, or a picture that this browser keeps.
export async function classify({ id, picture, labels, template, top, signal }) {
  const question = { labels, templates: template ? [template] : undefined, top, language: languageOf(labels) };
  if (id) return api("POST", "/v1/classify", { json: { id, ...question }, signal });
  const file = await findPicture(picture);
  if (!file) throw new Error(t("error.picture"));
  const form = new FormData();
  form.append("picture", file, "picture");
  form.append("query", JSON.stringify({ part: "picture", ...question }));
  return api("POST", "/v1/classify", { form, signal });
}

// The labels that one classifies with; the interface's own until others are typed.
const isText = (line) => line.trim() !== "";
export const labelsOf = (text) =>
  [
    ...new Set(
      text
        .split(/[\n,，、;；]/)
        .map((line) => line.trim())
        .filter(isText),
    ),
  ].slice(0, 200);
