// SPDX-License-Identifier: Apache-2.0
// The interface's texts: every language has the same keys and the same {names} in them, and the page asks for no other.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const web = new URL("../../web/", import.meta.url);
const read = (path) => readFileSync(new URL(path, web), "utf8");
const scripts = [
  ...readdirSync(new URL("js/", web)),
  ...readdirSync(new URL("js/views/", web)).map((name) => `views/${name}`),
]
  .filter((name) => name.endsWith(".js"))
  .map((name) => `js/${name}`);
const source = scripts.map(read).join("\n");
const [english, chinese] = ["en", "zh"].map((code) => JSON.parse(read(`i18n/${code}.json`)));
const forms = (text) => (typeof text === "string" ? [text] : Object.values(text));
const names = (text) => [...new Set(forms(text).flatMap((form) => form.match(/\{\w+\}/g) || []))].sort();

test("both languages have the same texts", () => {
  assert.deepEqual(Object.keys(chinese), Object.keys(english));
  for (const key of Object.keys(english)) {
    assert.deepEqual(names(chinese[key]), names(english[key]), key);
    for (const form of [...forms(english[key]), ...forms(chinese[key])]) assert.notEqual(form.trim(), "", key);
  }
});

test("every text that the page asks for is there", () => {
  const asked = [...source.matchAll(/\bt\(\s*"([^"]+)"/g)].map((match) => match[1]);
  assert.ok(asked.length > 100);
  for (const key of asked) assert.ok(key in english, key);
});

test("no text is left over", () => {
  const families = [...source.matchAll(/`([\w.]+\.)\$\{/g)].map((match) => match[1]);
  for (const key of Object.keys(english))
    assert.ok(source.includes(`"${key}"`) || families.some((family) => key.startsWith(family)), key);
});

test("nothing parses markup or asks another server", () => {
  assert.doesNotMatch(
    source,
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/,
  );
  const all =
    source +
    read("index.html") +
    read("sw.js") +
    ["base", "gallery", "views"].map((name) => read(`css/${name}.css`)).join("");
  for (const [address] of all.matchAll(/\bhttps?:\/\/[^\s"')]+/g))
    assert.equal(address, "http://www.w3.org/2000/svg");
});

test("the service worker and the preloads know every script", () => {
  for (const path of scripts) {
    assert.ok(read("sw.js").includes(`"/${path}"`), path);
    assert.ok(read("index.html").includes(`"/${path}"`), path);
  }
});
