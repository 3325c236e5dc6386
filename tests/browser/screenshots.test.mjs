// SPDX-License-Identifier: Apache-2.0
// The pictures of docs/screenshots, when SCREENSHOTS names a folder for them: WebP, which the browser itself writes.
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { launch, Server, TEXTS, withPage } from "./fixture.mjs";

const folder = process.env.SCREENSHOTS;
const QUALITY = 0.82;

async function shoot(browser, page, name) {
  const png = (await page.screenshot()).toString("base64"),
    blank = await browser.newPage();
  const webp = await blank.evaluate(
    async ([source, quality]) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${source}`)).blob());
      const canvas = new OffscreenCanvas(image.width, image.height);
      canvas.getContext("2d").drawImage(image, 0, 0);
      const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality })).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    },
    [png, QUALITY],
  );
  await blank.close();
  writeFileSync(join(folder, `${name}.webp`), Buffer.from(webp, "base64"));
}

const loaded = (page) =>
  page.waitForFunction(() =>
    [...document.querySelectorAll(".tile .thumbnail")].slice(0, 12).every((one) => one.classList.contains("here")),
  );

const VIEWS = {
  // The first: it fills the catalogue.
  async indexing(page, take) {
    await page.locator(".plan .primary").click();
    await page.waitForFunction(() => document.querySelector(".job progress")?.value > 30);
    await take();
    await page.locator(".job strong", { hasText: "Done" }).waitFor();
  },
  async pictures(page, take) {
    await loaded(page);
    await take();
  },
  async search(page, take) {
    await page.locator(".reading summary").click();
    await loaded(page);
    await take();
  },
  async lightbox(page, take) {
    await page.locator(".tile-link").first().click();
    await page.locator(".wordings li").first().waitFor();
    await page.locator(".large.here:not(.small)").waitFor();
    await take();
  },
  async labels(page, take) {
    await page.locator(".tile-link").first().click();
    await page.getByRole("link", { name: "Change labels" }).click();
    await page.locator(".source .here").waitFor();
    await page.locator(".bars li").first().waitFor();
    await take();
  },
  async phone(page, take) {
    await loaded(page);
    await take();
  },
};

const PLACES = {
  indexing: "/?view=indexing",
  search: "/?q=%E5%9C%A8%E9%9B%AA%E5%9C%B0%E9%87%8C%E6%9C%89%E4%B8%A4%E6%9D%A1%E7%8B%97&q=night~-0.5",
  lightbox: "/?q=a+red+boat+on+the+sea",
  labels: "/?q=a+white+house+at+night",
  phone: "/?q=a+house+at+night",
};

test("screenshots", { skip: !folder }, async () => {
  mkdirSync(folder, { recursive: true });
  const server = await Server.make({ folder: join(tmpdir(), "mia") }),
    browser = await launch();
  try {
    server.command("add", ...TEXTS.flatMap((text) => ["--text", text]));
    await server.start();
    for (const [name, show] of Object.entries(VIEWS)) {
      const phone = name === "phone" && { isMobile: true, hasTouch: true };
      const viewport = phone ? { width: 390, height: 844 } : { width: 1280, height: 800 };
      const colorScheme = ["labels", "phone"].includes(name) ? "dark" : "light";
      await withPage(
        browser,
        server,
        { path: PLACES[name] || "/", viewport, colorScheme, ...phone },
        async (page) => {
          await page.locator(".tile, .totals").first().waitFor();
          await show(page, () => shoot(browser, page, name));
        },
      );
    }
  } finally {
    await browser.close();
    await server.remove();
  }
});
