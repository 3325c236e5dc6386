// SPDX-License-Identifier: Apache-2.0
// The page in a browser, as people use it: README.md says how to run this.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AxeBuilder, HOSTILE, launch, root, Server, TEXTS, withPage } from "./fixture.mjs";

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const AWAY = /Failed to load resource|ERR_CONNECTION|ERR_INCOMPLETE|network error/;
let browser, server;

before(async () => {
  server = await Server.make();
  server.command("add", ...TEXTS.flatMap((text) => ["--text", text]));
  await server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

const page = (name, options, use) => test(name, () => withPage(browser, server, options, use));
const tiles = (at) => at.locator(".tile");
const settled = async (at) => {
  await at.locator(".tile, .empty, .text-hit").first().waitFor();
  await at.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
};
const counted = (at, n) => at.locator(".status", { hasText: new RegExp(`^${n} pictures$`) }).waitFor();
const names = (at, n) =>
  at.locator(".tile-name").evaluateAll((all, count) => all.slice(0, count).map((one) => one.textContent), n);
const scores = (at) => at.locator(".score").evaluateAll((all) => all.map((one) => Number(one.textContent)));
const ask = async (at, text) => {
  const answered = at.waitForResponse((answer) => answer.url().includes("/v1/search"));
  await at.fill("#query", text);
  await at.keyboard.press("Enter");
  await answered;
  await settled(at);
};
const violations = async (at) => {
  const { violations: found } = await new AxeBuilder({ page: at })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  return found
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map(
      (one) =>
        `${one.id}: ${one.nodes
          .map((node) => node.html)
          .slice(0, 4)
          .join(" | ")}`,
    );
};

// ---- indexing ----

page("an empty catalogue says what to do", {}, async (at) => {
  await at.getByRole("button", { name: "Choose a folder" }).click();
  await at.getByRole("heading", { name: "Indexing", level: 1 }).waitFor();
  assert.match(at.url(), /view=indexing/);
});

page(
  "a folder is chosen, its months counted, some of them indexed, with a pause",
  { path: "/?view=indexing" },
  async (at) => {
    await at.locator(".totals").waitFor();
    assert.match(await at.locator(".totals").textContent(), new RegExp(`^${server.count + 1} pictures`));
    assert.equal(await at.locator(".year").count(), 3);
    const year = at.locator(".year-name", { hasText: "2024" }),
      inYear = Number(await year.locator(".amount").textContent());
    await year.click();
    const start = at.getByRole("button", { name: `Index ${inYear} pictures` });
    assert.ok(inYear > 10 && inYear < server.count);
    await start.click();
    const job = at.locator(".job").first();
    await job.locator("strong", { hasText: "Done" }).waitFor();
    assert.match(await job.locator(".job-rest").textContent(), new RegExp(`${inYear} added`));
  },
);

page("reload while it indexes: it goes on, and the page shows it", { path: "/?view=indexing" }, async (at) => {
  await at.locator(".plan .primary").click();
  const job = at.locator(".job").first();
  await job.getByRole("button", { name: "Pause" }).click();
  await job.locator("strong", { hasText: /Paused|Done/ }).waitFor();
  await at.reload();
  await job.waitFor();
  assert.equal(await job.locator("strong").textContent(), "Paused");
  await job.getByRole("button", { name: "Resume" }).click();
  await job.locator("strong", { hasText: "Indexing" }).waitFor();
  await at.reload();
  await at.waitForFunction(() => document.querySelector(".job progress")?.value > 0);
  await job.locator("strong", { hasText: "Done" }).waitFor();
  await at.getByText("1 file could not be read").click();
  await at.getByText("broken.jpg", { exact: true }).waitFor();
  await at.getByRole("link", { name: "Pictures" }).click();
  await counted(at, server.count);
});

page("what it finds is found again, newest first, page by page", {}, async (at) => {
  await settled(at);
  await at.waitForFunction(() => document.querySelectorAll(".tile").length >= 60);
  await at.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await at.waitForFunction((n) => document.querySelectorAll(".tile").length === n, server.count);
  const ids = await tiles(at).evaluateAll((all) => all.map((one) => one.dataset.id));
  assert.equal(new Set(ids).size, server.count);
});

// ---- searching ----

page("a search in English", {}, async (at) => {
  await ask(at, "two dogs in the snow");
  assert.match((await names(at, 1))[0], /^two-.*dogs-in-the-snow/);
  const all = await scores(at);
  assert.ok(all.length > 20 && all[0] > 20);
  assert.deepEqual(
    all,
    all.toSorted((a, b) => b - a),
  );
  assert.match(at.url(), /\?q=two\+dogs\+in\+the\+snow$/);
  await at.reload();
  await settled(at);
  assert.equal(await at.inputValue("#query"), "two dogs in the snow");
  assert.match((await names(at, 1))[0], /^two-.*dogs-in-the-snow/);
  await at.goBack();
  await settled(at);
  assert.equal(await at.inputValue("#query"), "");
});

page("a search in Chinese shows how it was read", {}, async (at) => {
  await ask(at, "在雪地里有两条狗");
  assert.match((await names(at, 1))[0], /^two-.*dogs-in-the-snow/);
  const reading = at.locator(".reading");
  assert.match(await reading.locator(".reading-result").textContent(), /two dogs in the snow/);
  await reading.locator("summary").click();
  assert.ok((await reading.locator(".tokens li").allTextContents()).includes("雪地"));
  assert.ok((await reading.locator(".candidates li").count()) > 1);
  assert.match(await reading.locator(".won .candidate-text").textContent(), /two dogs in the snow/);
});

page("a picture of one's own, picked", {}, async (at) => {
  await settled(at);
  await at.setInputFiles("input[type=file]", join(root, "gallery/a-red-lighthouse-on-the-beach-1.jpg"));
  await at.locator(".chip .thumbnail.here").waitFor();
  await settled(at);
  assert.equal((await names(at, 1))[0], "a-red-lighthouse-on-the-beach-1.jpg");
  assert.ok((await scores(at))[0] > 99);
  await at.reload();
  await at.locator(".chip .thumbnail.here").waitFor();
  await settled(at);
  assert.equal((await names(at, 1))[0], "a-red-lighthouse-on-the-beach-1.jpg");
});

for (const [how, type] of [
  ["dropped", "drop"],
  ["pasted", "paste"],
])
  page(`a picture that is ${how}`, {}, async (at) => {
    await settled(at);
    await at.evaluate(async (kind) => {
      const { items } = await (await fetch("/v1/items?kind=image&limit=1&order=path")).json();
      const bytes = await (await fetch(items[0].original)).blob(),
        transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "mine.jpg", { type: "image/jpeg" }));
      if (kind === "paste")
        return dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, cancelable: true }));
      for (const name of ["dragenter", "dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }, type);
    await at.locator(".chip .thumbnail.here").waitFor();
    await settled(at);
    assert.ok((await scores(at))[0] > 99);
  });

page("more like this", { path: "/?q=two+dogs+in+the+snow" }, async (at) => {
  await settled(at);
  const first = tiles(at).first(),
    id = await first.getAttribute("data-id");
  await first.hover();
  await first.getByRole("button", { name: "More like this" }).click();
  await at.waitForURL(`**/?like=${id}`);
  await settled(at);
  assert.notEqual(await tiles(at).first().getAttribute("data-id"), id);
  assert.match((await names(at, 4)).join(), /dog/);
});

page("subtract a word, weigh it, take it away again", { path: "/?q=a+boat+on+the+sea" }, async (at) => {
  await settled(at);
  const without = await names(at, 60);
  await at.getByRole("button", { name: "without" }).click();
  await at.keyboard.type("night");
  await at.keyboard.press("Enter");
  await at.waitForURL("**/?q=a+boat+on+the+sea&q=night%7E-1");
  await settled(at);
  const rank = (list) => list.findIndex((name) => name.includes("boat-on-the-sea-at-night"));
  assert.ok(rank(without) >= 0);
  await at.waitForFunction(
    (before) => document.querySelector(".tile-name")?.textContent && document.querySelector(".chip.minus") && before,
    true,
  );
  const now = await names(at, 60);
  assert.ok(rank(now) > rank(without) || rank(now) < 0, `${rank(without)} -> ${rank(now)}`);
  await at.locator(".chip-body").click();
  await at.locator(".weigh input").press("ArrowRight");
  await at.waitForURL(/night%7E-0\.9/);
  await at.keyboard.press("Escape");
  await at.getByRole("button", { name: "Remove night" }).click();
  await at.waitForURL("**/?q=a+boat+on+the+sea");
});

page("add and subtract a picture", { path: "/?q=a+boat" }, async (at) => {
  await settled(at);
  const id = await tiles(at).nth(3).getAttribute("data-id");
  await tiles(at).nth(3).hover();
  await tiles(at).nth(3).getByRole("button", { name: "Subtract" }).click();
  await at.waitForURL(`**/?q=a+boat&like=${id}%7E-1`);
  await at.locator(".chip.minus .thumbnail.here").waitFor();
});

page("a period, with the number of pictures in each", {}, async (at) => {
  await settled(at);
  await at.getByRole("button", { name: "Period" }).click();
  const year = at.locator(".popover .year-name", { hasText: "2024" }),
    n = await year.locator(".amount").textContent();
  await year.click();
  await at.waitForURL("**/?from=2024-01&to=2024-12");
  await counted(at, n);
  await at.keyboard.press("Escape");
  await at.getByRole("button", { name: "2024", exact: true }).waitFor();
  await ask(at, "a red car");
  await at.reload();
  await settled(at);
  await at.waitForFunction((most) => document.querySelectorAll(".tile").length <= most, Number(n));
  await at.getByRole("button", { name: "Clear filters" }).click();
  await at.waitForURL("**/?q=a+red+car");
});

page("a folder", {}, async (at) => {
  await settled(at);
  await at.getByRole("button", { name: "Folder" }).click();
  const row = at.locator(".popover .choice", { hasText: "winter" }),
    n = await row.locator(".amount").textContent();
  await row.click();
  await counted(at, n);
  for (const name of await names(at, 100)) assert.match(name, /snow/);
  await at.getByRole("button", { name: "winter" }).waitFor();
});

page("texts by words and by a picture", { path: "/?q=a+ship+at+sea&target=text" }, async (at) => {
  await settled(at);
  assert.equal(await at.locator(".text-hit").count(), TEXTS.length);
  assert.equal(await at.locator(".text-name").first().textContent(), "a red boat on the sea");
  await at.setInputFiles(
    "input[type=file]",
    join(
      root,
      "gallery",
      readdirSync(join(root, "gallery")).find((name) => /^two-.*dogs-in-the-snow/.test(name)),
    ),
  );
  await at.locator(".chip .thumbnail.here").waitFor();
  await at.getByRole("button", { name: "Clear the search" }).click();
  await settled(at);
  await at.getByRole("radio", { name: "Texts" }).check({ force: true });
});

// ---- the other views ----

page(
  "the lightbox: facts, labels and texts that fit, neighbours, back",
  { path: "/?q=two+dogs+in+the+snow" },
  async (at) => {
    await settled(at);
    const list = await names(at, 3);
    await tiles(at).first().locator("a").click();
    const box = at.getByRole("dialog");
    await box.getByRole("heading", { name: list[0] }).waitFor();
    await box.locator(".large.here").waitFor();
    await box.locator(".bars li").first().waitFor();
    assert.equal(await box.locator(".bars li").count(), 5);
    assert.match(await box.locator(".facts dl").textContent(), /Similarity.*Size.*File.*Date.*Place/s);
    assert.equal(await box.locator(".wordings span").first().textContent(), "two dogs in the snow");
    await at.keyboard.press("ArrowRight");
    await box.getByRole("heading", { name: list[1] }).waitFor();
    await at.reload();
    await box.getByRole("heading", { name: list[1] }).waitFor();
    await box.getByRole("button", { name: "Next picture" }).click();
    await box.getByRole("heading", { name: list[2] }).waitFor();
    await at.keyboard.press("Escape");
    await at.waitForFunction(() => !document.querySelector("dialog[open]"));
    assert.doesNotMatch(at.url(), /open=/);
    assert.equal(await at.evaluate(() => document.activeElement.querySelector(".tile-name")?.textContent), list[2]);
    await at.goBack().catch(() => {});
  },
);

page("labels that one types, in two languages", { path: "/?view=labels" }, async (at) => {
  await at.setInputFiles("input[type=file]", join(root, "gallery/a-red-bus-in-london-1.jpg"));
  await at.fill("#labels", "a cat\n公共汽车\na boat");
  await at.waitForFunction(() => document.querySelectorAll(".bars li").length === 3);
  assert.match(await at.locator(".bar-label").first().textContent(), /^公共汽车/);
  await at.fill("#template", "no place");
  await at.getByText("The sentence needs {}").waitFor();
});

page("duplicates", { path: "/?view=duplicates" }, async (at) => {
  const group = at.locator(".group").first();
  await group.waitFor();
  await at.locator(".group-name", { hasText: "a copy.jpg" }).waitFor();
  await group.locator("a").first().click();
  await at.getByRole("dialog").getByRole("heading").first().waitFor();
  await at.keyboard.press("Escape");
  await at.locator("#similarity").press("End");
  await at.waitForFunction(() => document.querySelector("#similarity").value === "100");
});

page("a name that would be markup is only a name", { path: "/?q=a+cup" }, async (at) => {
  await settled(at);
  await at.evaluate(() => scrollTo(0, document.body.scrollHeight));
  const tile = at.locator(".tile-name", { hasText: "onerror" });
  await tile.waitFor();
  assert.equal(await tile.textContent(), HOSTILE.replaceAll("/", ""));
  await at.locator(".tile", { has: tile }).locator("a").click();
  await at.getByRole("dialog").locator(".bars li").first().waitFor();
  assert.doesNotMatch(await at.title(), /owned/);
  assert.equal(await at.locator("img[src=x]").count(), 0);
});

// ---- how it is used ----

page("the keyboard alone", {}, async (at) => {
  const focused = () => at.evaluate(() => document.activeElement.textContent || document.activeElement.id);
  await settled(at);
  await at.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to content");
  await at.keyboard.press("/");
  assert.equal(await at.evaluate(() => document.activeElement.id), "query");
  await at.keyboard.type("a castle in the mountains");
  const answered = at.waitForResponse((answer) => answer.url().includes("/v1/search"));
  await at.keyboard.press("Enter");
  await answered;
  await settled(at);
  await at.keyboard.press("ArrowDown");
  const index = () =>
    at.evaluate(() =>
      [...document.querySelectorAll(".tile")].findIndex((one) => one.contains(document.activeElement)),
    );
  assert.equal(await index(), 0);
  await at.keyboard.press("ArrowRight");
  assert.equal(await index(), 1);
  await at.keyboard.press("ArrowDown");
  assert.ok((await index()) > 3);
  await at.keyboard.press("Control+End");
  assert.ok((await index()) > 30);
  await at.keyboard.press("Control+Home");
  assert.equal(await index(), 0);
  assert.equal(await at.locator(".tile-link[tabindex='0']").count(), 1);
  await at.keyboard.press("Enter");
  await at.getByRole("dialog").waitFor();
  for (let i = 0; i < 30; i++) {
    await at.keyboard.press("Tab");
    assert.ok(
      await at.evaluate(
        () => document.activeElement === document.body || Boolean(document.activeElement.closest("dialog")),
      ),
      "the focus left the dialog",
    );
  }
  await at.keyboard.press("Escape");
  await at.waitForFunction(() => !document.querySelector("dialog[open]"));
  assert.equal(await index(), 0);
  await at.keyboard.press("m");
  await at.waitForURL("**/?like=*");
  await at.keyboard.press("?");
  await at.getByRole("heading", { name: "Keyboard" }).waitFor();
  await at.keyboard.press("Escape");
});

page("a phone", PHONE, async (at) => {
  for (const view of ["", "?view=labels", "?view=duplicates", "?view=indexing", "?view=settings"]) {
    await at.goto(`${server.base}/${view}`);
    await at.locator(".view").waitFor();
    await at.waitForTimeout(300);
    assert.ok(
      await at.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      `${view} scrolls sideways`,
    );
  }
  await at.goto(server.base);
  await settled(at);
  const rail = await at.locator(".rail").boundingBox();
  assert.ok(rail.y > 700 && rail.y + rail.height <= 845);
  for (const box of await Promise.all(
    (await at.locator(".rail-link:visible, .search-head button:visible, .filters button:visible").all()).map((one) =>
      one.boundingBox(),
    ),
  ))
    assert.ok(box.height >= 40 && box.width >= 40, JSON.stringify(box));
  await tiles(at).first().tap();
  await at.getByRole("dialog").locator(".bars li").first().waitFor();
  await at.getByRole("button", { name: "Close" }).tap();
  await at.waitForFunction(() => !document.querySelector("dialog[open]"));
  await at.getByRole("button", { name: "Period" }).tap();
  const sheet = await at.locator(".popover").boundingBox();
  assert.ok(sheet.x >= 0 && sheet.x + sheet.width <= 390 && sheet.y + sheet.height <= 845);
});

page("dark and light", { colorScheme: "dark", path: "/?view=settings" }, async (at) => {
  const ground = () => at.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await at.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
  assert.equal(await ground(), "rgb(15, 19, 18)");
  await at.getByRole("radio", { name: "Light" }).check({ force: true });
  assert.equal(await ground(), "rgb(245, 247, 246)");
  await at.reload();
  assert.equal(await ground(), "rgb(245, 247, 246)");
});

page("a search in the browser's own language, or the one that was chosen", { locale: "de-DE" }, async (at) => {
  await settled(at);
  await ask(at, "zwei Hunde im Schnee");
  assert.match((await names(at, 1))[0], /^two-.*dogs-in-the-snow/);
  await at.goto(`${server.base}/?view=settings`);
  await at.getByRole("combobox", { name: "I search in" }).selectOption("es");
  await at.goto(`${server.base}/`);
  await ask(at, "dos perros en la nieve");
  assert.match((await names(at, 1))[0], /^two-.*dogs-in-the-snow/);
});

page("the interface in Chinese", { locale: "zh-CN" }, async (at) => {
  await settled(at);
  assert.equal(await at.getAttribute("html", "lang"), "zh-Hans");
  await at.getByRole("link", { name: "设置" }).click();
  await at.getByRole("combobox", { name: "语言" }).selectOption("en");
  await at.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
  assert.equal(await at.getAttribute("html", "lang"), "en");
});

for (const colorScheme of ["light", "dark"])
  page(`no serious violation of accessibility, ${colorScheme}`, { colorScheme }, async (at) => {
    const { items } = await (await fetch(`${server.base}/v1/items?kind=image&limit=1`)).json();
    for (const view of [
      "/?q=%E5%A4%9C%E6%99%9A%E7%9A%84%E4%BC%A6%E6%95%A6&q=snow~-0.5",
      "/?q=boat&target=text",
      `/?view=labels&id=${items[0].id}`,
      "/?view=duplicates",
      "/?view=indexing",
      "/?view=settings",
    ]) {
      await at.goto(server.base + view);
      await at.locator(".view").waitFor();
      await at.waitForFunction(() => !document.querySelector("[aria-busy=true], .looking"));
      await at.waitForTimeout(200);
      assert.deepEqual(await violations(at), [], view);
    }
    await at.goto(server.base);
    await settled(at);
    await at.getByRole("button", { name: "Period" }).click();
    assert.deepEqual(await violations(at), [], "period");
    await at.keyboard.press("Escape");
    await tiles(at).first().locator("a").click();
    await at.getByRole("dialog").locator(".bars li").first().waitFor();
    assert.deepEqual(await violations(at), [], "lightbox");
  });

// ---- what it costs, and what goes wrong ----

test("under 1 MB until it can be used, and nothing jumps", async () => {
  await withPage(
    browser,
    server,
    { path: null, serviceWorkers: "block", allow: /Service Worker registration blocked/ },
    async (at) => {
      let bytes = 0,
        shell = 0;
      at.on("response", async (answer) => {
        const size = (await answer.body().catch(() => "")).length;
        bytes += size;
        if (!new URL(answer.url()).pathname.startsWith("/v1/")) shell += size;
      });
      await at.addInitScript(() => {
        window.jumps = 0;
        new PerformanceObserver((list) =>
          list.getEntries().forEach((entry) => (window.jumps += entry.value)),
        ).observe({
          type: "layout-shift",
          buffered: true,
        });
      });
      await at.goto(server.base);
      await settled(at);
      await at.waitForTimeout(1000);
      console.log(`# transfer: ${shell} bytes of the page, ${bytes} with the first thumbnails`);
      assert.ok(shell < 250000, `${shell}`);
      assert.ok(bytes < 1000000, `${bytes}`);
      const jumps = await at.evaluate(() => window.jumps);
      console.log(`# cumulative layout shift: ${jumps.toFixed(4)}`);
      assert.ok(jumps < 0.05, `${jumps}`);
    },
  );
});

page("the server goes and comes back", { allow: AWAY }, async (at) => {
  await settled(at);
  await at.evaluate(() => navigator.serviceWorker.ready);
  await server.stop();
  await at.getByRole("alert").waitFor();
  await at.reload();
  await at.getByText("The server does not answer").first().waitFor();
  await server.start();
  await at.waitForFunction(() => document.querySelector(".banner").hidden && document.querySelector(".tile"), null, {
    timeout: 30000,
  });
  await ask(at, "a red boat");
  assert.match((await names(at, 1))[0], /boat/);
});

test("a server with a key asks for it, and shows pictures with it", async () => {
  const guarded = await Server.make({ key: "open-sesame-please" });
  try {
    guarded.command("add", guarded.pictures);
    await guarded.start();
    await withPage(browser, guarded, { allow: /401/ }, async (at) => {
      await at.fill("#ask-key", "wrong");
      await at.keyboard.press("Enter");
      await at.getByText("That key was not accepted").waitFor();
      await at.fill("#ask-key", guarded.key);
      await at.keyboard.press("Enter");
      await at.locator(".thumbnail.here").first().waitFor();
      await tiles(at).first().locator("a").click();
      await at.getByRole("dialog").locator(".large.here").waitFor();
    });
  } finally {
    await guarded.remove();
  }
});
