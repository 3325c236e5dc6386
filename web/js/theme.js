// SPDX-License-Identifier: Apache-2.0
// Runs before the first paint, so that a dark page never flashes white. The one script that is no module.
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function apply() {
    let chosen = "auto";
    try {
      chosen = localStorage.getItem("simile.theme") || "auto";
    } catch {
      // Storage is forbidden: the system decides.
    }
    const theme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
    document.documentElement.dataset.theme = theme;
    const meta = document.querySelector("meta[name=theme-color]");
    if (meta) meta.content = theme === "dark" ? "#0f1312" : "#f5f7f6";
  }

  apply();
  dark.addEventListener("change", apply);
  addEventListener("simile-theme", apply);
})();
