// SPDX-License-Identifier: Apache-2.0
// Keeps the page's own files, so that it opens where the server is away, and says so. Never an answer about pictures:
// those stay with the server. The network comes first, so a new version is there with the next reload.
"use strict";
const CACHE = "simile-shell-1";
const SHELL = [
  "/",
  "/manifest.webmanifest",
  "/css/base.css",
  "/css/gallery.css",
  "/css/views.css",
  "/i18n/en.json",
  "/i18n/zh.json",
  "/icons/simile.svg",
  "/icons/simile-192.png",
  "/js/api.js",
  "/js/app.js",
  "/js/bars.js",
  "/js/dom.js",
  "/js/grid.js",
  "/js/i18n.js",
  "/js/labels.js",
  "/js/languages.js",
  "/js/lightbox.js",
  "/js/live.js",
  "/js/periods.js",
  "/js/pictures.js",
  "/js/query.js",
  "/js/reading.js",
  "/js/state.js",
  "/js/store.js",
  "/js/terms.js",
  "/js/theme.js",
  "/js/tile.js",
  "/js/views/duplicates.js",
  "/js/views/indexing.js",
  "/js/views/labels.js",
  "/js/views/search.js",
  "/js/views/settings.js",
];

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(SHELL))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names.filter((name) => name.startsWith("simile-") && name !== CACHE).map((name) => caches.delete(name)),
        ),
      )
      .then(() => self.clients.claim()),
  );
});

async function answer(request, path) {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(path, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await cache.match(path);
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (SHELL.includes(url.pathname)) event.respondWith(answer(event.request, url.pathname));
});
