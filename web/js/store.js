// SPDX-License-Identifier: Apache-2.0
// What this browser remembers: small settings in localStorage, and in IndexedDB the last pictures that were searched by,
// so that reload and back bring them again. Both may be forbidden; then nothing is remembered and all else works.

export function load(key, fallback = null) {
  try {
    const value = localStorage.getItem(`simile.${key}`);
    return value === null ? fallback : value;
  } catch {
    return fallback;
  }
}

export function save(key, value) {
  try {
    if (value === null) localStorage.removeItem(`simile.${key}`);
    else localStorage.setItem(`simile.${key}`, value);
  } catch {
    // Nothing to be done.
  }
}

const KEEP = 24;
const memory = new Map(); // key -> File
let opening;

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("simile", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("pictures");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Keys grow with time, so that the oldest are the first to go.
export async function keepPicture(file) {
  const key =
    Date.now().toString(36) +
    Math.floor(Math.random() * 1296)
      .toString(36)
      .padStart(2, "0");
  memory.set(key, file);
  try {
    const pictures = (await database()).transaction("pictures", "readwrite").objectStore("pictures");
    pictures.put(file, key);
    const keys = await done(pictures.getAllKeys());
    for (const old of keys.slice(0, Math.max(0, keys.length - KEEP))) pictures.delete(old);
  } catch {
    // It stays in memory alone.
  }
  return key;
}

export async function findPicture(key) {
  if (memory.has(key)) return memory.get(key);
  try {
    const file = await done((await database()).transaction("pictures").objectStore("pictures").get(key));
    if (file) memory.set(key, file);
    return file || null;
  } catch {
    return null;
  }
}
