// SPDX-License-Identifier: Apache-2.0
// News from the server, by server-sent events: "job" and "catalog" go on as events of `news`. Read with fetch and not
// with EventSource, which could not send the key. A hidden page lets go of the stream, since a browser opens only six
// connections to one server, for all its tabs together.
import { headers, news, tell } from "./api.js";

const LONGEST_WAIT = 8000;
let controller = null,
  wait = 500,
  up = true;

function dispatch(block) {
  let name = "message",
    data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5).trimStart();
  }
  if (!data) return;
  try {
    tell(name, JSON.parse(data));
  } catch {
    // A damaged line of news is no news.
  }
}

async function read(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replace(/\r\n/g, "\n").split("\n\n");
    rest = blocks.pop();
    blocks.forEach(dispatch);
  }
}

async function listen(signal) {
  const answer = await fetch("/v1/events", { headers: headers(), signal });
  if (answer.status === 401) {
    tell("key");
    throw new Error("key");
  }
  if (!answer.ok) throw new Error(String(answer.status));
  wait = 500;
  up = true;
  tell("up");
  await read(answer.body);
}

async function run(signal) {
  while (!signal.aborted) {
    try {
      await listen(signal);
    } catch {
      if (signal.aborted) return;
    }
    if (up) {
      up = false;
      tell("down");
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(LONGEST_WAIT, 2 * wait);
  }
}

export function restart() {
  controller?.abort();
  controller = new AbortController();
  run(controller.signal);
}

export function start() {
  restart();
  document.addEventListener("visibilitychange", () => (document.hidden ? controller.abort() : restart()));
  addEventListener("pagehide", () => controller.abort());
  addEventListener("pageshow", (event) => event.persisted && restart());
}

export { news };
