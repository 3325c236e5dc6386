// SPDX-License-Identifier: Apache-2.0
// The page: its frame, the view that the address names, and what all views share.
import { api, hasKey, news, setKey } from "./api.js";
import { announce, button, closePopovers, fill, h, icon, typing } from "./dom.js";
import { loadLanguage, t } from "./i18n.js";
import { Lightbox } from "./lightbox.js";
import * as live from "./live.js";
import * as pictures from "./pictures.js";
import { setLanguages } from "./languages.js";
import { address, goView, onChange, state } from "./state.js";
import { DuplicatesView } from "./views/duplicates.js";
import { IndexingView } from "./views/indexing.js";
import { LabelsView } from "./views/labels.js";
import { SearchView } from "./views/search.js";
import { SettingsView, shortcuts } from "./views/settings.js";

const NAV = [
  ["search", "picture", SearchView],
  ["labels", "labels", LabelsView],
  ["duplicates", "copies", DuplicatesView],
  ["indexing", "folder", IndexingView],
  ["settings", "settings", SettingsView],
];
const EMPTY = {
  terms: [],
  target: "image",
  order: "newest",
  folder: "",
  from: "",
  to: "",
  open: null,
  id: null,
  at: "",
};

let stats = null,
  view = null,
  shown = "",
  lightbox = null;
const main = h("main", { id: "main", tabindex: -1 });
const nav = h("nav", { class: "rail" });
const banner = h("div", { class: "banner", role: "alert", hidden: true });
const badge = h("span", { class: "rail-badge", hidden: true });

function drawFrame() {
  const links = NAV.map(([name, iconName]) =>
    h(
      "a",
      {
        href: address({ ...EMPTY, view: name }),
        class: "rail-link",
        dataset: { view: name },
        onclick: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          goView(name);
          scrollTo({ top: 0 });
        },
      },
      icon(iconName),
      name === "indexing" ? badge : null,
      h("span", {}, t(`nav.${name}`)),
    ),
  );
  nav.setAttribute("aria-label", t("nav"));
  fill(
    nav,
    h(
      "a",
      {
        href: "/",
        class: "mark",
        "aria-label": "simile",
        onclick: (event) => {
          event.preventDefault();
          goView("search");
          scrollTo({ top: 0 });
        },
      },
      icon("like"),
    ),
    ...links,
  );
  fill(
    document.body,
    h(
      "a",
      {
        href: "#main",
        class: "skip",
        onclick: (event) => {
          event.preventDefault();
          main.focus();
        },
      },
      t("skip"),
    ),
    nav,
    banner,
    main,
  );
  pictures.install();
  lightbox = new Lightbox({
    neighbours: () => view.items(),
    stats: () => stats,
    foundBy: (item) => view.foundBy?.(item),
    reached: () => view.more?.(),
    closed: (id) => view.focusItem?.(id),
  });
}

function drawView() {
  const made = NAV.find(([name]) => name === state.view);
  view?.destroy();
  shown = state.view;
  main.replaceChildren();
  pictures.onPicture((key) => goView("search", { terms: [{ kind: "picture", value: key, weight: 1 }] }));
  view = new made[2]({ stats: () => stats, redraw, listed: () => lightbox.sides() });
  main.append(view.element);
  for (const link of nav.querySelectorAll("[data-view]")) {
    if (link.dataset.view === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function update(before) {
  if (before && (before.view !== state.view || before.open !== state.open)) closePopovers();
  if (state.view !== shown) drawView();
  view.update();
  view.statsChanged?.();
  if (state.open) lightbox.show(state.open);
  else lightbox.hide();
}

// After the language changed, or the key.
function redraw() {
  lightbox.dialog.close();
  shown = "";
  drawFrame();
  update();
  loadStats();
}

async function loadStats() {
  try {
    stats = await api("GET", "/v1/stats");
    setLanguages(stats.languages);
    view?.statsChanged?.();
  } catch {
    // What asked for pictures says it.
  }
}

function askKey() {
  if (document.querySelector("dialog.ask")) return;
  const field = h("input", { id: "ask-key", type: "password", autocomplete: "current-password", required: true });
  const dialog = h(
    "dialog",
    { class: "ask", "aria-labelledby": "ask-head" },
    h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          setKey(field.value);
          dialog.close();
          live.restart();
          redraw();
        },
      },
      h("h2", { id: "ask-head" }, icon("key"), h("span", {}, t("ask.title"))),
      h("p", {}, t(hasKey() ? "ask.wrong" : "ask.text")),
      h("label", { htmlFor: "ask-key", class: "hidden" }, t("settings.key")),
      field,
      h(
        "div",
        { class: "buttons end" },
        button(t("cancel"), null, () => dialog.close()),
        button(t("ask.go"), null, null, { kind: "primary", type: "submit" }),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function showHelp() {
  const dialog = h(
    "dialog",
    { class: "ask", "aria-labelledby": "help-head" },
    h("h2", { id: "help-head" }, t("keys.title")),
    shortcuts(),
    h(
      "div",
      { class: "buttons end" },
      button(t("close"), null, () => dialog.close(), { kind: "primary", autofocus: true }),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function keyboard(event) {
  if (event.defaultPrevented || typing(event) || event.altKey || event.ctrlKey || event.metaKey) return;
  if (document.querySelector("dialog.ask[open]")) return;
  if (event.key === "?") {
    event.preventDefault();
    showHelp();
  } else if (event.key === "/" && !state.open) {
    event.preventDefault();
    if (state.view !== "search") goView("search");
    view.focusSearch();
  }
}

function listen() {
  let away = false,
    refresh = 0;
  news.addEventListener("key", askKey);
  news.addEventListener("down", () => {
    away = true;
    banner.textContent = t("down");
    banner.hidden = false;
  });
  news.addEventListener("up", () => {
    banner.hidden = true;
    if (away) {
      loadStats();
      announce(t("up"));
      view.revive?.();
    }
    away = false;
  });
  news.addEventListener("job", ({ detail }) => {
    const open = detail.state === "running" && detail.total > 0;
    badge.hidden = !open;
    badge.textContent = open ? `${Math.floor((100 * detail.done) / detail.total)}%` : "";
  });
  news.addEventListener("catalog", ({ detail }) => {
    const grew = stats && stats.images !== detail.images;
    stats = { ...stats, ...detail };
    view.statsChanged?.();
    if (!grew || !view.refresh) return;
    clearTimeout(refresh);
    refresh = setTimeout(() => view.refresh?.(), 1500);
  });
}

async function boot() {
  await loadLanguage();
  drawFrame();
  listen();
  onChange(update);
  addEventListener("keydown", keyboard);
  update();
  await loadStats();
  live.start();
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
}

boot().catch((error) => {
  fill(document.body, h("p", { class: "fatal" }, String(error.message || error)));
});
