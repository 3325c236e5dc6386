// SPDX-License-Identifier: Apache-2.0
// The justified grid: rows of one width, whose pictures keep their shape. Sizes come from the items, before a thumbnail
// is there, so nothing jumps. To screen readers a grid; to the keyboard one stop, inside which arrows move.
import { h, button } from "./dom.js";
import { decimal, t } from "./i18n.js";
import { thumbnail } from "./tile.js";

const GAP = 6;
const FLATTEST = 3.2,
  TALLEST = 0.5; // shapes beyond are cropped

const shape = (item) =>
  item.width > 0 && item.height > 0 ? Math.max(TALLEST, Math.min(FLATTEST, item.width / item.height)) : 4 / 3;
const rowHeight = (width) => (width < 520 ? 124 : width < 900 ? 168 : 204);

export class Grid {
  // label; open(item, index); more(item), add(item), subtract(item); href(item); end(): more are wanted
  constructor(options) {
    this.options = options;
    this.items = [];
    this.tiles = [];
    this.rows = [];
    this.current = 0;
    this.width = 0;
    this.body = h("div", {
      class: "grid",
      role: "grid",
      "aria-label": options.label,
      onkeydown: (event) => this.key(event),
    });
    this.foot = h("div", { class: "grid-foot", "aria-hidden": "true" });
    this.element = h("div", {}, this.body, this.foot);
    this.body.addEventListener("focusin", (event) => this.focused(event.target));
    this.resizer = new ResizeObserver(() => this.resized());
    this.resizer.observe(this.element);
    this.watcher = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && options.end?.(),
      { rootMargin: "900px" },
    );
    this.watcher.observe(this.foot);
  }

  destroy() {
    this.resizer.disconnect();
    this.watcher.disconnect();
  }

  // Asks again whether the end is near: an observer tells changes alone.
  again() {
    this.watcher.unobserve(this.foot);
    this.watcher.observe(this.foot);
  }

  clear() {
    this.items = [];
    this.tiles = [];
    this.rows = [];
    this.current = 0;
    this.body.replaceChildren();
  }

  append(items) {
    const first = this.tiles.length;
    items.forEach((item, i) => {
      this.items.push(item);
      this.tiles.push(this.tile(item, first + i));
    });
    this.layout(this.rows.length ? this.rows.at(-1).first : 0);
  }

  tile(item, index) {
    const { options } = this;
    const link = h(
      "a",
      {
        href: options.href(item),
        class: "tile-link",
        tabindex: index === this.current ? 0 : -1,
        "aria-label": this.sentence(item),
        onclick: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          options.open(item, this.items.indexOf(item));
        },
      },
      thumbnail(item, { alt: "" }),
      h("span", { class: "tile-name", "aria-hidden": "true" }, item.name),
      item.similarity === undefined
        ? null
        : h("span", { class: "score", "aria-hidden": "true" }, decimal(item.similarity)),
    );
    const act = (name, iconName, run) =>
      button(name, iconName, () => run(item), { text: false, kind: "over", tabindex: -1 });
    return h(
      "div",
      { class: "tile", role: "gridcell", dataset: { id: item.id } },
      link,
      h(
        "div",
        { class: "tile-actions" },
        act(t("like"), "like", options.more),
        act(t("add"), "plus", options.add),
        act(t("subtract"), "minus", options.subtract),
      ),
    );
  }

  sentence(item) {
    return item.similarity === undefined
      ? item.name
      : t("tile", { name: item.name, similarity: decimal(item.similarity) });
  }

  resized() {
    const width = Math.floor(this.element.clientWidth);
    if (width === this.width || !width || document.querySelector("dialog.lightbox[open]")) return;
    this.width = width;
    this.layout(0);
  }

  // Rows from that which begins with tile `first` on.
  layout(first) {
    if (!this.width) this.width = Math.floor(this.element.clientWidth);
    if (!this.width) return;
    const focus = this.body.contains(document.activeElement);
    while (this.rows.length && this.rows.at(-1).first >= first) this.rows.pop().element.remove();
    const target = rowHeight(this.width);
    let start = first,
      sum = 0;
    const height = (n, shapes) => (this.width - GAP * (n - 1)) / shapes;
    for (let i = first; i < this.items.length; i++) {
      const one = shape(this.items[i]),
        n = i - start;
      const low = height(n + 1, sum + one); // of the row with this picture
      if (low > target) {
        sum += one;
        continue;
      }
      // The row ends with this picture or before it, whichever is nearer to the height that is wanted.
      const before = n > 0 && height(n, sum) - target < target - low;
      this.row(start, before ? i : i + 1, before ? height(n, sum) : low);
      start = before ? i : i + 1;
      sum = before ? one : 0;
    }
    if (start < this.items.length)
      this.row(start, this.items.length, Math.min(target, height(this.items.length - start, sum)));
    this.body.setAttribute("aria-rowcount", this.rows.length);
    // A tile that went into another row lost it.
    if (focus && !this.body.contains(document.activeElement)) this.link(this.current)?.focus({ preventScroll: true });
  }

  row(first, end, height) {
    const element = h("div", { class: "row", role: "row", "aria-rowindex": this.rows.length + 1 });
    element.style.height = `${height}px`;
    for (let i = first; i < end; i++) {
      this.tiles[i].style.width = `${shape(this.items[i]) * height}px`;
      element.append(this.tiles[i]);
    }
    this.rows.push({ first, end, element });
    this.body.append(element);
  }

  focused(target) {
    const index = this.tiles.findIndex((tile) => tile.contains(target));
    if (index < 0 || index === this.current) return;
    this.link(this.current)?.setAttribute("tabindex", -1);
    this.current = index;
    this.link(index).setAttribute("tabindex", 0);
  }

  link(index) {
    return this.tiles[index]?.firstElementChild;
  }

  focus(index = this.current) {
    const link = this.link(index);
    if (!link) return false;
    link.focus({ preventScroll: true });
    link.scrollIntoView({ block: "nearest" });
    return true;
  }

  focusItem(id) {
    const index = this.items.findIndex((item) => item.id === id);
    return index >= 0 && this.focus(index);
  }

  // The tile of another row that stands nearest under or above the middle of this one.
  neighbour(step) {
    const at = this.rows.findIndex((row) => this.current < row.end),
      row = this.rows[at + step];
    if (!row) return this.current;
    const middle = (tile) => tile.offsetLeft + tile.offsetWidth / 2,
      here = middle(this.tiles[this.current]);
    let best = row.first;
    for (let i = row.first; i < row.end; i++)
      if (Math.abs(middle(this.tiles[i]) - here) < Math.abs(middle(this.tiles[best]) - here)) best = i;
    return best;
  }

  key(event) {
    if (event.altKey || event.metaKey || (event.ctrlKey && !["Home", "End"].includes(event.key))) return;
    const row = this.rows.find((r) => this.current < r.end),
      last = this.items.length - 1,
      item = this.items[this.current];
    const moves = {
      ArrowRight: () => Math.min(last, this.current + 1),
      ArrowLeft: () => Math.max(0, this.current - 1),
      ArrowDown: () => this.neighbour(1),
      ArrowUp: () => this.neighbour(-1),
      Home: () => (event.ctrlKey ? 0 : row.first),
      End: () => (event.ctrlKey ? last : row.end - 1),
    };
    const acts = { m: this.options.more, "+": this.options.add, "-": this.options.subtract };
    if (Object.hasOwn(moves, event.key)) {
      event.preventDefault();
      if (event.key === "ArrowUp" && row.first === 0 && this.options.above?.()) return;
      this.focus(moves[event.key]());
    } else if (Object.hasOwn(acts, event.key) && item) {
      event.preventDefault();
      acts[event.key](item);
    }
  }
}
