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

// Without a key the browser's own lazy loading does it all.
export function thumbnail(item, { alt = item.name, eager = false } = {}) {
  const img = h("img", { alt, decoding: "async", class: "thumbnail", draggable: false });
  img.addEventListener("load", () => img.classList.add("here"));
  img.addEventListener("error", () => img.classList.add("missing"));
  if (!item.thumbnail) img.classList.add("missing");
  else if (!hasKey()) {
    if (!eager) img.loading = "lazy";
    img.src = item.thumbnail;
  } else {
    img.dataset.source = item.thumbnail;
    near.observe(img);
  }
  return img;
}
