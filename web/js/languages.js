// SPDX-License-Identifier: Apache-2.0
// In which language the words of a search are, where letters do not tell: what is in Latin script would be read as English.
// Somebody whose browser speaks German is taken to type German; Settings can say another language.
import { load, save } from "./store.js";

// What the server reads (/v1/stats), kept as "de multilingual,en direct" so that the first search of a visit has it.
let known = load("languages", "")
  .split(",")
  .filter((one) => one !== "")
  .map((one) => one.split(" "))
  .map(([code, via]) => ({ code, via }));

export function setLanguages(list) {
  known = list.map(({ code, via }) => ({ code, via }));
  save("languages", known.map(({ code, via }) => `${code} ${via}`).join(","));
}

export const searchLanguage = () => load("searchLanguage", "");
export const chooseSearchLanguage = (code) => save("searchLanguage", code || null);

// A tower for many languages reads English, too; a translator does not, so it waits to be chosen or for its letters.
function own() {
  const code = navigator.language.toLowerCase().split("-")[0];
  return known.find((one) => one.code === code && one.via === "multilingual")?.code;
}

const onlyLatin = (text) => !/[^\P{L}\p{Script=Latin}]/u.test(text);

// For these texts: a code, or undefined where their letters shall decide.
export function languageOf(texts) {
  const chosen = searchLanguage();
  if (known.some(({ code }) => code === chosen)) return chosen;
  return texts.length && texts.every(onlyLatin) ? own() : undefined;
}
