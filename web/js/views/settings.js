// SPDX-License-Identifier: Apache-2.0
// Settings: how the page looks and in which language, what the server knows, the key, and the keys of the keyboard.
import { api, hasKey, setKey } from "../api.js";
import { button, fill, h, segmented, select } from "../dom.js";
import { bytes, chooseLanguage, count, duration, LANGUAGES, language, t } from "../i18n.js";
import { restart } from "../live.js";
import { chooseSearchLanguage, searchLanguage } from "../languages.js";
import { load, save } from "../store.js";

const row = (name, value, wide) => h("div", { class: wide ? "wide" : null }, h("dt", {}, name), h("dd", {}, value));

export function shortcuts() {
  const keys = [
    ["/", "keys.search"],
    ["↓", "keys.grid"],
    ["← → ↑ ↓", "keys.move"],
    ["Enter", "keys.open"],
    ["Esc", "keys.close"],
    ["m", "keys.like"],
    ["+", "keys.add"],
    ["−", "keys.subtract"],
    ["?", "keys.help"],
  ];
  return h(
    "dl",
    { class: "keys" },
    keys.map(([key, text]) =>
      h(
        "div",
        {},
        h(
          "dt",
          {},
          key.split(" ").map((one) => h("kbd", {}, one)),
        ),
        h("dd", {}, t(text)),
      ),
    ),
  );
}

export class SettingsView {
  constructor({ stats, redraw }) {
    this.stats = stats;
    this.model = h("dl", { class: "sheet" });
    this.catalog = h("dl", { class: "sheet" });
    this.models = h("ul", { class: "models" });
    this.reading = h("div", { class: "field" });
    const key = h("input", {
      id: "key",
      type: "password",
      autocomplete: "off",
      value: load("key", ""),
      spellcheck: "false",
    });
    this.element = h(
      "div",
      { class: "view settings-view" },
      h("header", { class: "view-head" }, h("h1", {}, t("nav.settings"))),
      h(
        "div",
        { class: "cards" },
        h(
          "section",
          { class: "card" },
          h("h2", {}, t("settings.look")),
          h(
            "div",
            { class: "field" },
            h("span", { class: "field-name" }, t("settings.language")),
            select(t("settings.language"), LANGUAGES, language, async (code) => {
              await chooseLanguage(code);
              redraw();
            }),
          ),
          h(
            "div",
            { class: "field" },
            h("span", { class: "field-name" }, t("settings.theme")),
            segmented(
              t("settings.theme"),
              "theme",
              ["auto", "light", "dark"].map((one) => [one, t(`settings.theme.${one}`)]),
              load("theme", "auto"),
              (theme) => {
                save("theme", theme);
                dispatchEvent(new Event("simile-theme"));
              },
            ),
          ),
        ),
        h("section", { class: "card" }, h("h2", {}, t("settings.model")), this.model, this.models, this.reading),
        h("section", { class: "card" }, h("h2", {}, t("settings.catalog")), this.catalog),
        h(
          "section",
          { class: "card" },
          h("h2", {}, t("settings.key")),
          h("p", { class: "note" }, t("settings.keyText")),
          h(
            "form",
            {
              class: "inline",
              onsubmit: (event) => {
                event.preventDefault();
                setKey(key.value);
                restart();
                redraw();
              },
            },
            h("label", { htmlFor: "key", class: "hidden" }, t("settings.key")),
            key,
            button(t("save"), null, null, { kind: "primary", type: "submit" }),
            hasKey()
              ? button(t("settings.keyForget"), null, () => {
                  setKey("");
                  redraw();
                })
              : null,
          ),
        ),
        h("section", { class: "card" }, h("h2", {}, t("keys.title")), shortcuts()),
      ),
    );
    this.loadModels();
  }

  destroy() {}

  items() {
    return [];
  }

  update() {
    document.title = `${t("nav.settings")} – simile`;
    this.statsChanged();
  }

  statsChanged() {
    const s = this.stats();
    if (!s) return;
    const names = new Intl.DisplayNames([language], { type: "language" });
    const reads = s.languages.map(({ code, via }) =>
      via === "translate" ? t("settings.translated", { name: names.of(code) }) : names.of(code),
    );
    fill(
      this.reading,
      h("span", { class: "field-name" }, t("settings.search")),
      select(
        t("settings.search"),
        [["", t("settings.search.auto")], ...s.languages.map(({ code }) => [code, names.of(code)])],
        searchLanguage(),
        chooseSearchLanguage,
      ),
    );
    fill(
      this.model,
      row(t("settings.sees"), s.model || "–"),
      s.text_model ? row(t("settings.reads"), s.text_model) : "",
      row(t("settings.dimension"), s.dim ? count(s.dim) : "–"),
      reads.length ? row(t("settings.languages"), reads.join(", "), true) : "",
      s.digest ? row(t("settings.digest"), h("code", {}, s.digest.slice(0, 16)), true) : "",
    );
    fill(
      this.catalog,
      row(t("settings.images"), count(s.images)),
      row(t("settings.texts"), count(s.texts)),
      row(t("settings.quarantined"), count(s.quarantined)),
      s.bytes !== undefined ? row(t("settings.bytes"), bytes(s.bytes)) : "",
      row(t("settings.version"), s.version || "–"),
      s.uptime_seconds !== undefined ? row(t("settings.uptime"), duration(s.uptime_seconds)) : "",
      s.read_only ? row(t("settings.readOnly"), t("yes")) : "",
    );
  }

  async loadModels() {
    try {
      const { data } = await api("GET", "/v1/models");
      if (data.length > 1) fill(this.models, ...data.map((one) => h("li", {}, one.id)));
    } catch {
      // It is an extra.
    }
  }
}
