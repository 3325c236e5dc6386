// SPDX-License-Identifier: Apache-2.0
// A server with a catalogue of its own, a folder of pictures, and a browser: what the tests stand on.
import { execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const tools = createRequire(join(process.env.SIMILE_BROWSER_TOOLS || join(root, "build/browser"), "package.json"));
export const { chromium } = tools("playwright-core");
export const AxeBuilder = tools("@axe-core/playwright").default;
const simile = process.env.SIMILE || join(root, "build/simile");

export const HOSTILE = "<img src=x onerror=\"document.title='owned'\"> & 夜.jpg";
export const TEXTS = [
  "a red boat on the sea",
  "two dogs in the snow",
  "a city at night",
  "a castle in the mountains",
];

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

// The bundled pictures in two folders, three years of dates; one picture twice, one with a hostile name, one broken.
function makePictures(folder) {
  const gallery = join(root, "gallery"),
    names = readdirSync(gallery)
      .filter((name) => name.endsWith(".jpg"))
      .sort();
  for (const sub of ["walks", "walks/winter"]) mkdirSync(join(folder, sub), { recursive: true });
  const place = (name, to, i) => {
    const at = Date.UTC(2023 + (i % 3), (i * 5 + Math.floor(i / 12)) % 12, 1 + (i % 27), 12) / 1000;
    copyFileSync(join(gallery, name), join(folder, to));
    utimesSync(join(folder, to), at, at);
  };
  names.forEach((name, i) =>
    place(name, name.includes("snow") ? `walks/winter/${name}` : i % 4 ? `walks/${name}` : name, i),
  );
  place(names[0], "walks/a copy.jpg", 3);
  place(names[5], HOSTILE.replaceAll("/", ""), 4);
  writeFileSync(join(folder, "broken.jpg"), "no picture");
  utimesSync(join(folder, "broken.jpg"), Date.UTC(2023, 5) / 1000, Date.UTC(2023, 5) / 1000);
  return names.length + 2;
}

export class Server {
  static async make({ key = null, folder = null } = {}) {
    const server = new Server();
    server.folder = folder || mkdtempSync(join(tmpdir(), "simile-page-"));
    if (folder) mkdirSync(folder);
    server.pictures = join(server.folder, "Pictures");
    mkdirSync(server.pictures);
    server.count = makePictures(server.pictures);
    server.port = await freePort();
    server.base = `http://127.0.0.1:${server.port}`;
    server.environment = {
      ...process.env,
      HOME: server.folder,
      XDG_DATA_HOME: join(server.folder, "data"),
      SIMILE_CATALOG: join(server.folder, "catalog.simile"),
    };
    for (const name of ["SIMILE_MODEL", "SIMILE_TEXT_MODEL"]) delete server.environment[name];
    server.environment.SIMILE_MODELS = join(root, "models");
    if (key) server.environment.SIMILE_API_KEY = key;
    server.key = key;
    return server;
  }

  command(...words) {
    return execFileSync(simile, words, { env: this.environment, encoding: "utf8", cwd: root });
  }

  async start() {
    if (!existsSync(simile)) throw new Error(`there is no ${simile}: build it first`);
    this.child = spawn(simile, ["serve", "--port", String(this.port), "--root", this.pictures], {
      env: this.environment,
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    this.child.stderr.on("data", (bytes) => (said += bytes));
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
    for (let i = 0; i < 300; i++) {
      if (this.child.exitCode !== null) throw new Error(`the server ended: ${said}`);
      try {
        if ((await fetch(`${this.base}/healthz`)).ok) return;
      } catch {
        // Not yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the server does not answer: ${said}`);
  }

  async stop() {
    if (!this.child || this.child.exitCode !== null) return;
    this.child.kill("SIGTERM");
    await this.ended;
  }

  async remove() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });

// A page of its own whose console must stay silent, but for what `allow` matches. use(page) runs the test.
export async function withPage(browser, server, options, use) {
  const { path = "/", allow = null, ...context } = options;
  const made = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: "en",
    reducedMotion: "reduce",
    ...context,
  });
  const page = await made.newPage(),
    noise = [];
  page.setDefaultTimeout(20000);
  page.on("pageerror", (error) => noise.push(String(error.stack || error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !allow?.test(message.text()))
      noise.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  try {
    if (path !== null) await page.goto(server.base + path);
    await use(page, made);
  } finally {
    await made.close();
  }
  if (noise.length) throw new Error(`the console is not silent:\n${noise.join("\n")}`);
}
