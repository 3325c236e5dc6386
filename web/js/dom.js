// SPDX-License-Identifier: Apache-2.0
// Elements from code. Texts become text nodes and attributes are set by name: nothing here, nor anywhere else, parses
// markup, so that a file name can never be more than a name.

const SVG = "http://www.w3.org/2000/svg";

// Lines in a box of 24 x 24, one string a path; drawn with a stroke of the text's colour.
const ICONS = {
  search: ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z", "M16.2 16.2 20.5 20.5"],
  picture: [
    "M5 4.5h14a1.5 1.5 0 0 1 1.5 1.5v12a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 18V6A1.5 1.5 0 0 1 5 4.5z",
    "M8.5 8.2a1.4 1.4 0 1 0 0 2.8 1.4 1.4 0 0 0 0-2.8z",
    "m4 17.5 5-4.5 3 2.5 4-4.5 4.5 5",
  ],
  labels: ["M4 5v6.2L13 20l7-7L11.2 4H5a1 1 0 0 0-1 1z", "M8.3 7.3a1 1 0 1 0 0 2 1 1 0 0 0 0-2z"],
  copies: [
    "M9 8.5h10a1 1 0 0 1 1 1V19a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V9.5a1 1 0 0 1 1-1z",
    "M16 5.5V5a1 1 0 0 0-1-1H5a1 1 0 0 0-1 1v9.5a1 1 0 0 0 1 1h.5",
  ],
  folder: [
    "M3.5 7A1.5 1.5 0 0 1 5 5.5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9.5V17a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 17z",
  ],
  settings: [
    "M4 7h9",
    "M17 7h3",
    "M15 5a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
    "M4 17h3",
    "M11 17h9",
    "M9 15a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  ],
  calendar: [
    "M5 6h14a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1z",
    "M4 10.5h16",
    "M8 3.5V7",
    "M16 3.5V7",
  ],
  like: ["M4 9.5c2.700-3.300 5.300-3.300 8 0s5.300 3.300 8 0", "M4 15.5c2.700-3.300 5.300-3.300 8 0s5.300 3.300 8 0"],
  plus: ["M12 5v14", "M5 12h14"],
  minus: ["M5 12h14"],
  close: ["M6 6l12 12", "M18 6 6 18"],
  left: ["M14.5 5.5 8 12l6.5 6.5"],
  right: ["M9.5 5.5 16 12l-6.5 6.5"],
  down: ["M6 9.5l6 6 6-6"],
  up: ["M6 14.5l6-6 6 6"],
  play: ["M8 5.5v13l10-6.5z"],
  pause: ["M9 6v12", "M15 6v12"],
  stop: ["M7 7h10v10H7z"],
  download: ["M12 4v11", "M7 10.5l5 5 5-5", "M5 20h14"],
  info: ["M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z", "M12 11v5", "M12 8v.01"],
  text: ["M5 6h14", "M5 12h14", "M5 18h9"],
  check: ["M5 12.5 10 17.5 19 7"],
  warning: ["M12 4.5 21 19.5H3z", "M12 10v4.5", "M12 17v.01"],
  forget: ["M5 7h14", "M9.5 7V5h5v2", "M7 7l1 13h8l1-13"],
  key: ["M8 12a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z", "M10.5 13 19 4.5", "M16 7.5l3 3"],
  copy: ["M9 9h10v11H9z", "M15 9V4H5v11h4"],
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const line of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  return svg;
}

// h("button", { class: "quiet", onclick: f, "aria-label": "..." }, icon("plus"), "Add"). An attribute that is null,
// undefined or false is left out; a property of the element where the name is among PROPERTIES.
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "textContent", "htmlFor", "open", "draggable"]);

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...present(children));
  return element;
}

// What is not there (null, undefined, false) is left out; replaceChildren alone would write "null".
const present = (children) =>
  children.flat(3).filter((child) => child !== null && child !== undefined && child !== false);
export const fill = (element, ...children) => element.replaceChildren(...present(children));

export function button(label, iconName, onclick, { kind = "quiet", text = true, ...rest } = {}) {
  return h(
    "button",
    {
      type: "button",
      class: `button ${kind}${text ? "" : " bare"}`,
      onclick,
      "aria-label": text ? null : label,
      title: text ? null : label,
      ...rest,
    },
    iconName && icon(iconName),
    text && h("span", {}, label),
  );
}

// A set of radio buttons that looks like one control. options: [value, label].
export function segmented(label, name, options, value, onchange) {
  return h(
    "fieldset",
    { class: "segmented" },
    h("legend", { class: "hidden" }, label),
    options.map(([key, text]) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) }),
        h("span", {}, text),
      ),
    ),
  );
}

export function select(label, options, value, onchange, attributes = {}) {
  const element = h(
    "select",
    { "aria-label": label, onchange: () => onchange(element.value), ...attributes },
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
  element.value = value;
  return element;
}

// What screen readers are told, politely. The same sentence twice is said twice.
let region,
  again = false;
export function announce(sentence) {
  if (!region) {
    region = h("div", { class: "hidden", role: "status", "aria-live": "polite" });
    document.body.append(region);
  }
  again = !again;
  region.textContent = sentence + (again ? "\u00a0" : "");
}

export function typing(event) {
  const at = event.target;
  return (
    event.isComposing ||
    at.isContentEditable ||
    at.tagName === "TEXTAREA" ||
    at.tagName === "SELECT" ||
    (at.tagName === "INPUT" && !["checkbox", "radio", "button"].includes(at.type))
  );
}

// A panel that hangs from a button; at the foot of the window on a phone. Esc and a click elsewhere close it.
// back(): what gets the focus afterwards, where the button itself may have been drawn anew.
export function popover(anchor, content, label, back = () => anchor) {
  const panel = h("div", { class: "popover", popover: "auto", role: "dialog", "aria-label": label }, content);
  document.body.append(panel);
  anchor.setAttribute("aria-expanded", "true");
  panel.addEventListener("toggle", (event) => {
    if (event.newState === "open") return;
    const to = back();
    to?.setAttribute("aria-expanded", "false");
    if (panel.contains(document.activeElement) || document.activeElement === document.body)
      to?.focus({ preventScroll: true });
    panel.remove();
  });
  panel.showPopover();
  const box = anchor.getBoundingClientRect(),
    width = panel.offsetWidth;
  panel.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  panel.style.top = `${box.bottom + 8}px`;
  panel.style.maxHeight = `${Math.max(200, innerHeight - box.bottom - 24)}px`;
  (
    panel.querySelector("[autofocus], [aria-pressed=true], :checked") || panel.querySelector("button, input, select")
  )?.focus();
  return panel;
}

export function closePopovers() {
  for (const panel of document.querySelectorAll(".popover")) panel.hidePopover();
}
