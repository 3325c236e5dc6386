// SPDX-License-Identifier: Apache-2.0
// An <img> of a thumbnail: fetched when it comes near the window, faded in, and said to be missing where it is.
import { hasKey, pictureURL } from "./api.js";
import { h } from "./dom.js";

const MARGIN = "600px";
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      fetchInto(target);
    }
  },
  { rootMargin: MARGIN },
);

async function fetchInto(img) {
  try {
    const { url, release } = await pictureURL(img.dataset.source);
    img.addEventListener("load", release, { once: true });
    img.addEventListener("error", release, { once: true });
    img.src = url;
  } catch {
    img.dispatchEvent(new Event("error"));
  }
}

// Without a key the browser's own lazy loading does it all. instead: what is shown where the first cannot be.
export function thumbnail(item, { alt = item.name, eager = false, instead = null } = {}) {
  const img = h("img", { alt, decoding: "async", class: "thumbnail", draggable: false });
  const show = (path) => {
    if (!hasKey()) {
      img.src = path;
    } else {
      img.dataset.source = path;
      near.observe(img);
    }
  };
  img.addEventListener("load", () => img.classList.add("here"));
  img.addEventListener("error", () => {
    if (!instead) return img.classList.add("missing");
    const path = instead;
    instead = null;
    show(path);
  });
  if (!eager && !hasKey()) img.loading = "lazy";
  if (item.thumbnail) show(item.thumbnail);
  else img.classList.add("missing");
  return img;
}
