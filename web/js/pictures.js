// SPDX-License-Identifier: Apache-2.0
// Pictures of one's own: picked, dropped anywhere on the page, or pasted. The view that is open says what becomes of
// them.
import { announce, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { findPicture, keepPicture } from "./store.js";

let take = null;
export const onPicture = (fn) => (take = fn);

async function accept(file) {
  if (!file || !take) return;
  if (file.type && !file.type.startsWith("image/")) return announce(t("drop.not"));
  take(await keepPicture(file));
}

// A hidden <input type=file>, and a function that opens it.
const input = h("input", {
  type: "file",
  accept: "image/*,.heic,.heif,.avif,.tif,.tiff,.jxl",
  class: "hidden",
  tabindex: -1,
  "aria-hidden": "true",
});
input.addEventListener("change", () => {
  accept(input.files[0]);
  input.value = "";
});
export const pick = () => input.click();

export function install() {
  const overlay = h(
    "div",
    { class: "drop", hidden: true, "aria-hidden": "true" },
    h("div", { class: "drop-inside" }, icon("picture"), h("p", {}, t("drop.here"))),
  );
  document.body.append(input, overlay);
  let depth = 0;
  const files = (event) => event.dataTransfer?.types.includes("Files");
  const show = (visible) => (overlay.hidden = !visible);
  addEventListener("dragenter", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    depth++;
    overlay.querySelector("p").textContent = t("drop.here");
    show(true);
  });
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("dragleave", (event) => {
    if (files(event) && --depth <= 0) show((depth = 0));
  });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    show((depth = 0));
    accept(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    accept(file);
  });
}

// An <img> of a picture that this browser keeps.
export function kept(key, attributes = {}) {
  const img = h("img", { alt: "", class: "thumbnail", ...attributes });
  findPicture(key).then((file) => {
    if (!file) return img.classList.add("missing");
    const url = URL.createObjectURL(file);
    img.addEventListener("load", () => {
      img.classList.add("here");
      URL.revokeObjectURL(url);
    });
    img.addEventListener("error", () => img.classList.add("missing"));
    img.src = url;
  });
  return img;
}
