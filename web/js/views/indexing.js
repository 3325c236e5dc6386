// SPDX-License-Identifier: Apache-2.0
// Indexing: walk to a folder, see how many pictures each month has, choose the months, watch it, pause and go on.
import { api, news, query } from "../api.js";
import { announce, button, fill, h, icon } from "../dom.js";
import { bytes, count, decimal, duration, t, time } from "../i18n.js";
import { nameOf, Periods, sumOf } from "../periods.js";
import { go, span, state } from "../state.js";

const OPEN = new Set(["waiting", "running", "paused"]);
const SHOWN = 6,
  TROUBLED = 200;

export class IndexingView {
  constructor({ stats }) {
    this.stats = stats;
    this.trail = []; // from the top to the folder that is open
    this.jobs = new Map();
    this.cards = new Map();
    this.walk = h("div", { class: "walk" });
    this.plan = h("div", { class: "plan" });
    this.running = h("div", { class: "jobs" });
    this.troubled = h("div", {});
    this.element = h(
      "div",
      { class: "view indexing-view" },
      h("header", { class: "view-head" }, h("h1", {}, t("nav.indexing")), h("p", {}, t("indexing.text"))),
      this.running,
      h(
        "div",
        { class: "indexing-body" },
        h(
          "section",
          { class: "card", "aria-labelledby": "walk-head" },
          h("h2", { id: "walk-head" }, t("indexing.choose")),
          this.walk,
        ),
        h(
          "section",
          { class: "card", "aria-labelledby": "plan-head" },
          h("h2", { id: "plan-head" }, t("indexing.periods")),
          this.plan,
        ),
      ),
      this.troubled,
    );
    this.onJob = (event) => this.job(event.detail);
    this.onUp = () => this.loadJobs();
    news.addEventListener("job", this.onJob);
    news.addEventListener("up", this.onUp);
    this.loadJobs();
    this.open(state.at);
    this.loadTroubled();
  }

  destroy() {
    news.removeEventListener("job", this.onJob);
    news.removeEventListener("up", this.onUp);
    this.abort?.abort();
  }

  items() {
    return [];
  }

  update() {
    document.title = `${t("nav.indexing")} – simile`;
  }

  statsChanged() {
    const readOnly = Boolean(this.stats()?.read_only);
    if (readOnly && !this.readOnly)
      this.element.querySelector(".indexing-body").replaceChildren(h("p", { class: "note" }, t("indexing.readOnly")));
    this.readOnly = readOnly;
  }

  // ---- walking ----

  // at: "ID/ID/ID" of the address, the way that was walked. Folders are named by ids alone.
  async open(at) {
    try {
      this.trail = [];
      let list = await this.children("");
      for (const id of at ? at.split("/") : []) {
        const folder = list.find((one) => one.id === id);
        if (!folder) break;
        this.trail.push(folder);
        list = folder.has_children === false ? [] : await this.children(id);
      }
      if (!this.trail.length && list.length === 1) {
        this.trail.push(list[0]);
        list = await this.children(list[0].id);
      }
      this.drawWalk(list);
      this.scan();
    } catch (error) {
      fill(this.walk, h("p", { class: "problem" }, icon("warning"), error.message));
    }
  }

  async children(parent) {
    return (await api("GET", `/v1/folders${query({ parent })}`)).folders;
  }

  async enter(trail) {
    this.walk.setAttribute("aria-busy", "true");
    go({ at: trail.map((one) => one.id).join("/") }, { replace: true });
    await this.open(state.at);
    this.walk.removeAttribute("aria-busy");
    (this.walk.querySelector(".choice") || this.walk.querySelector("button"))?.focus({ preventScroll: true });
  }

  drawWalk(list) {
    const { trail } = this;
    const crumbs = [null, ...trail].map((folder, i) => {
      const name = folder ? folder.name : t("indexing.top"),
        here = i === trail.length;
      return h(
        "li",
        {},
        here
          ? h("span", { "aria-current": "location" }, name)
          : h("button", { type: "button", class: "crumb", onclick: () => this.enter(trail.slice(0, i)) }, name),
      );
    });
    const rows = list.map((folder) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "choice", onclick: () => this.enter([...trail, folder]) },
          icon("folder"),
          h("span", { class: "choice-name" }, h("strong", {}, folder.name)),
          folder.has_children === false ? null : icon("right"),
        ),
      ),
    );
    fill(
      this.walk,
      h("nav", { "aria-label": t("indexing.way") }, h("ol", { class: "crumbs" }, crumbs)),
      trail.length ? h("p", { class: "path" }, trail.at(-1).path) : "",
      rows.length
        ? h("ul", { class: "choices" }, rows)
        : h("p", { class: "note" }, t(trail.length ? "indexing.noFolders" : "indexing.noRoots")),
    );
  }

  // ---- what is in it ----

  async scan() {
    const folder = this.trail.at(-1);
    this.abort?.abort();
    if (!folder) return fill(this.plan, h("p", { class: "note" }, t("indexing.first")));
    this.abort = new AbortController();
    this.plan.setAttribute("aria-busy", "true");
    fill(this.plan, h("p", { class: "note looking" }, t("indexing.counting", { name: folder.name })));
    try {
      const found = await api("POST", "/v1/scan", { json: { folder: folder.id }, signal: this.abort.signal });
      this.drawPlan(folder, found);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(this.plan, h("p", { class: "problem" }, icon("warning"), error.message));
    }
    this.plan.removeAttribute("aria-busy");
  }

  drawPlan(folder, found) {
    if (!found.pictures)
      return fill(this.plan, h("p", { class: "note" }, t("indexing.nothing", { name: folder.name })));
    let value = { from: "", to: "" };
    const newest = h("input", { type: "checkbox", checked: true });
    const start = button("", "play", () => this.start(folder, value, newest.checked, start), { kind: "primary big" });
    const say = () => {
      const all = sumOf(found.periods, value),
        known = sumOf(found.periods, value, "known");
      start.querySelector("span").textContent = t(known === all && all > 0 ? "indexing.again" : "indexing.start", {
        n: all,
      });
      fact.textContent = `${nameOf(value)} · ${t("indexing.fresh", { n: all - known })}`;
      start.disabled = all === 0;
    };
    const fact = h("p", { class: "note" });
    const periods = new Periods(found.periods, value, (chosen) => {
      value = chosen;
      say();
    });
    fill(
      this.plan,
      h(
        "p",
        { class: "totals" },
        h("strong", {}, t("pictures", { n: found.pictures })),
        found.bytes ? ` · ${bytes(found.bytes)}` : "",
        found.known ? ` · ${t("indexing.known", { n: found.known })}` : "",
      ),
      periods.element,
      h("label", { class: "check" }, newest, h("span", {}, t("indexing.newest"))),
      start,
      fact,
    );
    say();
    announce(t("pictures", { n: found.pictures }));
  }

  async start(folder, value, newestFirst, starter) {
    starter.disabled = true;
    try {
      const { after, before } = span(value);
      this.job(
        await api("POST", "/v1/jobs", { json: { folders: [folder.id], after, before, newest_first: newestFirst } }),
      );
      announce(t("indexing.started"));
      this.running.scrollIntoView({ block: "nearest" });
    } catch (error) {
      starter.after(h("p", { class: "problem" }, icon("warning"), error.message));
    }
    starter.disabled = false;
  }

  // ---- jobs ----

  async loadJobs() {
    try {
      const answer = await api("GET", "/v1/jobs");
      for (const job of (answer.jobs || answer).slice(0, 32).reverse()) this.job(job, true);
    } catch {
      // The banner says that the server is away.
    }
  }

  job(job, quiet = false) {
    const before = this.jobs.get(job.id);
    this.jobs.set(job.id, job);
    if (!this.cards.has(job.id)) {
      const card = new JobCard((what) => this.tell(job.id, what));
      this.cards.set(job.id, card);
      this.running.prepend(card.element);
      for (const [id, old] of [...this.cards].slice(0, -SHOWN)) {
        if (OPEN.has(this.jobs.get(id).state)) continue;
        old.element.remove();
        this.cards.delete(id);
      }
    }
    this.cards.get(job.id).draw(job);
    if (quiet || before?.state === job.state) return;
    announce(t(`job.${job.state}`));
    if (!OPEN.has(job.state)) {
      this.loadTroubled();
      this.scan();
    }
  }

  async tell(id, what) {
    try {
      const job = await api("POST", `/v1/jobs/${id}/${what}`);
      if (job?.id) this.job(job);
    } catch (error) {
      this.cards.get(id).problem(error.message);
    }
  }

  // ---- what could not be read ----

  async loadTroubled() {
    try {
      const { total, items } = await api(
        "GET",
        `/v1/items${query({ status: "quarantined", limit: TROUBLED, order: "newest" })}`,
      );
      if (!total) return fill(this.troubled);
      fill(
        this.troubled,
        h(
          "details",
          { class: "card troubled" },
          h("summary", {}, icon("warning"), h("span", {}, t("troubled", { n: total })), icon("down")),
          h("p", { class: "note" }, t("troubled.text")),
          h(
            "ul",
            {},
            items.map((item) =>
              h(
                "li",
                {},
                h("strong", {}, item.name),
                h("span", { class: "path" }, item.path || ""),
                h("span", { class: "reason" }, item.reason || ""),
              ),
            ),
          ),
          button(t("troubled.retry"), null, async (event) => {
            event.currentTarget.disabled = true;
            try {
              this.job(await api("POST", "/v1/jobs", { json: { folders: [], retry: true } }));
            } catch (error) {
              this.troubled.append(h("p", { class: "problem" }, error.message));
            }
          }),
        ),
      );
    } catch {
      // As above.
    }
  }
}

class JobCard {
  constructor(tell) {
    this.tell = tell;
    this.head = h("strong", {});
    this.paths = h("span", { class: "path" });
    this.bar = h("progress", { max: 1, value: 0 });
    this.numbers = h("span", { class: "job-numbers" });
    this.rest = h("span", { class: "job-rest" });
    this.current = h("p", { class: "path job-current" });
    this.error = h("p", { class: "problem", hidden: true });
    this.pause = button(t("job.pause"), "pause", () => tell("pause"));
    this.resume = button(t("job.resume"), "play", () => tell("resume"), { kind: "primary" });
    this.cancel = button(t("job.cancel"), "stop", () => tell("cancel"));
    this.element = h(
      "article",
      { class: "card job" },
      h(
        "header",
        { class: "job-head" },
        h("div", { class: "job-title" }, this.head, this.paths),
        h("div", { class: "buttons" }, this.pause, this.resume, this.cancel),
      ),
      this.bar,
      h("p", { class: "job-line" }, this.numbers, this.rest),
      this.current,
      this.error,
    );
  }

  problem(message) {
    this.error.hidden = !message;
    this.error.textContent = message || "";
  }

  draw(job) {
    const open = OPEN.has(job.state),
      report = job.report || {};
    this.element.dataset.state = job.state;
    this.head.textContent = t(`job.${job.state}`);
    this.paths.textContent = (job.paths || []).join(", ") || t("job.everything");
    this.bar.hidden = !open;
    this.bar.setAttribute("aria-label", t("job.progress"));
    if (job.total) {
      this.bar.max = job.total;
      this.bar.value = job.done;
    } else this.bar.removeAttribute("value");
    this.numbers.textContent = job.total
      ? t("job.of", { done: job.done, n: job.total })
      : job.state === "running"
        ? t("job.looking")
        : "";
    this.rest.textContent = this.remark(job, open, report);
    this.current.textContent = job.state === "running" && job.current ? job.current : "";
    const focused = this.element.contains(document.activeElement);
    this.pause.hidden = job.state !== "running" && job.state !== "waiting";
    this.resume.hidden = job.state !== "paused";
    this.cancel.hidden = !open;
    if (focused && document.activeElement.hidden)
      [this.resume, this.pause, this.cancel].find((one) => !one.hidden)?.focus();
    this.problem(job.error);
  }

  remark(job, open, report) {
    if (!open) {
      const parts = ["added", "updated", "moved", "removed", "quarantined"]
        .filter((name) => report[name])
        .map((name) => t(`report.${name}`, { n: report[name] }));
      if (!parts.length && report.unchanged) parts.push(t("report.unchanged", { n: report.unchanged }));
      return [...parts, job.ended && time(job.ended)].filter(Boolean).join(" · ");
    }
    if (job.state !== "running" || !job.rate) return "";
    return [
      t("job.rate", { rate: job.rate < 100 ? decimal(job.rate) : count(Math.round(job.rate)) }),
      job.seconds_left ? t("job.left", { time: duration(job.seconds_left) }) : null,
      job.limit ? t(`job.limit.${job.limit}`) : null,
    ]
      .filter(Boolean)
      .join(" · ");
  }
}
