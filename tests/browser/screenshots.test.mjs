// SPDX-License-Identifier: Apache-2.0
// The pictures of docs/screenshots, when SCREENSHOTS names a folder for them.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { launch, Server, TEXTS, withPage } from "./fixture.mjs";

const folder = process.env.SCREENSHOTS;
const VIEWS = [
  ["pictures", "/", {}],
  [
    "search",
    "/?q=%E5%9C%A8%E9%9B%AA%E5%9C%B0%E9%87%8C%E6%9C%89%E4%B8%A4%E6%9D%A1%E7%8B%97&q=night~-0.5",
    { open: ".reading summary" },
  ],
  ["lightbox", "/?q=a+red+boat+on+the+sea", { open: ".tile-link", wait: ".bars li" }],
  ["indexing", "/?view=indexing", { start: true }],
  ["labels", "/?view=labels", { first: true, colorScheme: "dark" }],
  ["phone", "/?q=a+house+at+night", { phone: true, colorScheme: "dark" }],
];

test("screenshots", { skip: !folder }, async () => {
  mkdirSync(folder, { recursive: true });
  const server = await Server.make(),
    browser = await launch();
  try {
    server.command("add", ...TEXTS.flatMap((text) => ["--text", text]), server.pictures);
    await server.start();
    const { results } = await (await fetch(`${server.base}/v1/search?text=a+white+house+at+night&limit=1`)).json();
    for (const [name, path, { open, wait, start, first, phone, colorScheme = "light" }] of VIEWS) {
      const viewport = phone ? { width: 390, height: 844 } : { width: 1280, height: 800 };
      const at = first ? `${path}&id=${results[0].id}` : path;
      await withPage(
        browser,
        server,
        { path: at, viewport, colorScheme, isMobile: Boolean(phone), hasTouch: Boolean(phone) },
        async (page) => {
          await page.locator(".tile, .totals, .bars li").first().waitFor();
          if (open) await page.locator(open).first().click();
          if (wait) await page.locator(wait).first().waitFor();
          if (start) await page.locator(".plan .primary").click();
          await page.waitForTimeout(start ? 700 : 900);
          await page.screenshot({ path: join(folder, `${name}.png`) });
        },
      );
    }
  } finally {
    await browser.close();
    await server.remove();
  }
});
