// SPDX-License-Identifier: Apache-2.0
// Texts of the interface, and numbers, dates and sizes as the chosen language writes them. A text is a string with
// {names}, or one string for each plural form ("one", "other"), chosen by the number {n}.
import { load, save } from "./store.js";

export const LANGUAGES = [
  ["en", "English"],
  ["zh", "中文"],
];
let texts = {},
  plural,
  number,
  one,
  share,
  day,
  minute,
  month;

export let language = "en";

function preferred() {
  const known = LANGUAGES.map(([code]) => code);
  const wishes = [load("language"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wishes.find((code) => known.includes(code)) || "en";
}

export async function loadLanguage(code = preferred()) {
  const answer = await fetch(`/i18n/${code}.json`);
  if (!answer.ok) throw new Error(`/i18n/${code}.json: ${answer.status}`);
  texts = await answer.json();
  language = code;
  plural = new Intl.PluralRules(code);
  number = new Intl.NumberFormat(code);
  one = new Intl.NumberFormat(code, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  share = new Intl.NumberFormat(code, { style: "percent", maximumFractionDigits: 1 });
  day = new Intl.DateTimeFormat(code, { dateStyle: "medium", timeZone: "UTC" });
  minute = new Intl.DateTimeFormat(code, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  month = new Intl.DateTimeFormat(code, { year: "numeric", month: "long", timeZone: "UTC" });
  document.documentElement.lang = code === "zh" ? "zh-Hans" : code;
}

export function chooseLanguage(code) {
  save("language", code);
  return loadLanguage(code);
}

export function t(key, values = {}) {
  let text = texts[key];
  if (text && typeof text === "object") text = text[plural.select(values.n ?? 0)] || text.other;
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number.format(value) : String(value);
  });
}

export const count = (n) => number.format(n);
export const decimal = (x) => one.format(x);
export const percent = (x) => (x > 0 && x < 0.001 ? "< " + share.format(0.001) : share.format(x));
export const date = (iso) => day.format(new Date(iso));
export const time = (iso) => minute.format(new Date(iso));
export const monthName = (year, m) => month.format(new Date(Date.UTC(year, m - 1, 1)));
export const monthShort = (m) =>
  new Intl.DateTimeFormat(language, { month: "narrow", timeZone: "UTC" }).format(new Date(Date.UTC(2024, m - 1, 1)));

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${unit && n < 100 ? one.format(n) : number.format(Math.round(n))} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds < 60) return t("seconds", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return t("minutes", { n: Math.round(seconds / 60) });
  return t("hours", { n: Math.round(seconds / 3600) });
}
