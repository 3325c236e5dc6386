// SPDX-License-Identifier: Apache-2.0
// What is shown, as an address: reload, back and a copied link bring it again.
//   ?q=red+boat&q=people~-1&like=17~0.5&pic=KEY   terms in their order, with weights other than 1
//   &target=text &folder=ID &from=2024-05 &to=2024-06 &order=oldest &open=17 &view=labels &id=17

const KINDS = { q: "text", like: "id", pic: "picture" };
const KEYS = { text: "q", id: "like", picture: "pic" };
export const VIEWS = ["search", "labels", "duplicates", "indexing", "settings"];

function readTerm(key, raw) {
  const match = /^(.*)~(-?\d+(?:\.\d+)?)$/s.exec(raw);
  const value = match ? match[1] : raw,
    weight = match ? Math.max(-2, Math.min(2, Number(match[2]))) : 1;
  if (key === "like") {
    const id = Number(value);
    return Number.isSafeInteger(id) && id > 0 ? { kind: "id", value: id, weight } : null;
  }
  return value.trim() && weight !== 0 ? { kind: KINDS[key], value, weight } : null;
}

const month = (text) => (/^\d{4}-(0[1-9]|1[0-2])$/.test(text || "") ? text : "");
const positive = (text) => (/^[1-9]\d{0,14}$/.test(text || "") ? Number(text) : null);

export function parse(search) {
  const pairs = new URLSearchParams(search);
  const terms = [];
  for (const [key, raw] of pairs) {
    const term = Object.hasOwn(KINDS, key) && readTerm(key, raw);
    if (term) terms.push(term);
  }
  return {
    view: VIEWS.includes(pairs.get("view")) ? pairs.get("view") : "search",
    terms: terms.slice(0, 32),
    target: pairs.get("target") === "text" ? "text" : "image",
    folder: pairs.get("folder") || "",
    from: month(pairs.get("from")),
    to: month(pairs.get("to")),
    order: pairs.get("order") === "oldest" ? "oldest" : "newest",
    open: positive(pairs.get("open")),
    id: positive(pairs.get("id")),
    at: pairs.get("at") || "",
  };
}

export function format(state) {
  const pairs = new URLSearchParams();
  if (state.view !== "search") pairs.set("view", state.view);
  for (const { kind, value, weight } of state.terms) {
    // A text that looks like it had a weight gets one, or it would lose its end.
    const bare = weight === 1 && !/~-?\d+(\.\d+)?$/.test(value);
    pairs.append(KEYS[kind], bare ? value : `${value}~${weight}`);
  }
  if (state.target === "text") pairs.set("target", "text");
  if (state.order === "oldest") pairs.set("order", "oldest");
  for (const name of ["folder", "from", "to", "id", "at", "open"]) if (state[name]) pairs.set(name, state[name]);
  const text = pairs.toString();
  return text ? `/?${text}` : "/";
}

export let state = parse(location.search);
let changed = () => {};
export const onChange = (fn) => (changed = fn);

// replace: no new entry of the history. The entry knows whether this page made it: then closing may go back.
export function go(patch, { replace = false } = {}) {
  const before = state;
  state = { ...state, ...patch };
  const address = format(state);
  if (address === format(before)) replace = true;
  if (replace) history.replaceState(history.state, "", address);
  else history.pushState({ ours: true }, "", address);
  changed(before);
}

const EMPTY = {
  terms: [],
  target: "image",
  folder: "",
  from: "",
  to: "",
  order: "newest",
  open: null,
  id: null,
  at: "",
};
export const goView = (view, patch = {}) => go({ ...EMPTY, view, ...patch });
export const address = (patch) => format({ ...state, ...patch });

addEventListener("popstate", () => {
  const before = state;
  state = parse(location.search);
  changed(before);
});

// Months as the server wants them: from the first moment of one until the first of that behind the other.
export function span({ from, to }) {
  const next = (text) => {
    const [year, m] = text.split("-").map(Number);
    return m === 12 ? `${year + 1}-01` : `${year}-${String(m + 1).padStart(2, "0")}`;
  };
  return { after: from ? `${from}-01T00:00:00Z` : undefined, before: to ? `${next(to)}-01T00:00:00Z` : undefined };
}
