// SPDX-License-Identifier: Apache-2.0
// Talking to the server: requests, the key where one is asked for, and pictures that need it too.
import { t } from "./i18n.js";
import { load, save } from "./store.js";

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// "key": one is needed. "down", "up": the server does not answer, and does again.
export const news = new EventTarget();
export const tell = (name, detail) => news.dispatchEvent(new CustomEvent(name, { detail }));

let key = load("key", "");
export const hasKey = () => key !== "";
export function setKey(value) {
  key = value.trim();
  save("key", key || null);
}
export const headers = () => (key ? { Authorization: `Bearer ${key}` } : {});

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const TRIES = 4; // where the server says that it is busy

async function answerOf(method, path, options) {
  try {
    return await fetch(path, { method, ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    tell("down");
    throw new ApiError(0, "unreachable", t("error.unreachable"));
  }
}

async function errorOf(answer) {
  let code = "",
    message = "";
  try {
    const error = (await answer.json()).error;
    code = error.code || "";
    message = error.message || "";
  } catch {
    // Not one of ours: the status has to do.
  }
  if (answer.status === 401) message = t("error.key");
  return new ApiError(answer.status, code, message || t("error.status", { status: String(answer.status) }));
}

// options: json (the body), form (FormData), signal.
export async function api(method, path, { json, form, signal } = {}) {
  const options = { signal };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json" };
  } else if (form) {
    options.body = form;
  }
  for (let attempt = 1; ; attempt++) {
    const answer = await answerOf(method, path, options);
    if (answer.ok) return answer.status === 204 ? null : answer.json();
    if ((answer.status === 503 || answer.status === 429) && attempt < TRIES && answer.headers.has("Retry-After")) {
      await pause(Math.min(5, Number(answer.headers.get("Retry-After")) || 1));
      signal?.throwIfAborted();
      continue;
    }
    if (answer.status === 401) tell("key");
    throw await errorOf(answer);
  }
}

// "?a=1&b=2" of the values that are there.
export function query(values) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== null && value !== undefined && value !== "") pairs.set(name, value);
  const text = pairs.toString();
  return text && `?${text}`;
}

// An address of a picture as a browser can show it. An <img> cannot send the key, so with one the bytes are fetched;
// release() gives them back.
export async function pictureURL(path, signal) {
  if (!key) return { url: path, release() {} };
  const answer = await answerOf("GET", path, { signal });
  if (!answer.ok) throw await errorOf(answer);
  const url = URL.createObjectURL(await answer.blob());
  return { url, release: () => URL.revokeObjectURL(url) };
}
