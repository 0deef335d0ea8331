// The report in headless Chromium: what it shows, that it asks the network for nothing, and that it works for the
// keyboard, on a phone, in the dark and without script.
//
//   REFOCUS=build/release/refocus REFOCUS_FIXTURE=build/release/tests/eval/report_fixture \
//   REFOCUS_WEB_PACKAGES=build/release/web/node_modules node --test report.test.mjs
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, open as openPage, playwright } from "./browser.mjs";

const { chromium, reason } = playwright();
const skip = reason ?? false;
const { REFOCUS: program, REFOCUS_FIXTURE: fixture } = process.env;
const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "refocus-report-"));
let browser;

before(async () => {
  if (skip) return;
  for (const kind of ["toy", "loglikelihood", "sweep"]) {
    execFileSync(fixture, [kind, join(folder, kind)]);
    execFileSync(program, ["report", join(folder, kind)]);
  }
  browser = await launch(chromium);
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

// Opens a report; fails the test on any message, error or request beside the file itself.
async function open(t, kind, settings = {}) {
  const file = kind.endsWith(".html") ? kind : join(folder, kind, "report.html");
  const page = await openPage(browser, file, { viewport: { width: 1200, height: 900 }, ...settings });
  page.on("dialog", (dialog) => (page.faults.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  t.after(async () => {
    await page.context().close();
    assert.deepEqual(page.faults, []);
  });
  if (settings.javaScriptEnabled !== false) await page.waitForSelector("html[data-ready]");
  return page;
}

const summaries = (page, list) =>
  page.locator(`${list} .item summary`).evaluateAll((all) =>
    all.map((each) => [...each.querySelectorAll(".badge, .where, .change")].map((part) => part.textContent).join("|")));
// Waits until the line above a list says so. (Playwright's own waiting evaluates strings, which the page forbids.)
async function status(page, list, text) {
  let said;
  for (let i = 0; i < 200; i++) {
    said = await page.locator(`${list} .status`).textContent();
    if (said === text) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.equal(said, text);
}
const control = (page, list, label) => page.locator(`${list} label`, { hasText: label }).locator("select, input").first();

const kFlips = ["fixed|anatomy 1|right B: A → B", "fixed|astronomy 0|right B: no answer → B", "broken|philosophy 2|right B: B → D"];

test("shows exactly the known flips", { skip }, async (t) => {
  const page = await open(t, "toy");
  assert.deepEqual(await summaries(page, "#flip-list"), kFlips);
  await status(page, "#flip-list", "3 changed answers: 2 fixed, 1 broken.");
  const finding = await page.locator(".findings li").textContent();
  assert.match(finding, /rebalance alpha=0\.2 against none: \+0\.8 points \[.*McNemar p = 1\. No clear difference: 2 fixed, 1 broken of 120 questions\./);
});

test("filters by how answers ended", { skip }, async (t) => {
  const page = await open(t, "toy");
  const result = control(page, "#answer-list", "Result");
  await result.selectOption({ label: "Cut off" });
  await status(page, "#answer-list", "1 question of 120.");
  await result.selectOption({ label: "Ended by until" });
  await status(page, "#answer-list", "2 questions of 120.");
  await result.selectOption({ label: "Read from an unfinished answer" });
  await status(page, "#answer-list", "1 question of 120.");
  const said = await page.locator("#answer-list .item .verdict").first().textContent();
  assert.match(said, /right, cut off, read from an unfinished answer/);
});

test("filters by direction and subject", { skip }, async (t) => {
  const page = await open(t, "toy");
  await control(page, "#flip-list", "Change").selectOption("broken");
  assert.deepEqual(await summaries(page, "#flip-list"), kFlips.slice(2));
  await control(page, "#flip-list", "Change").selectOption("");
  await control(page, "#flip-list", "Subject").selectOption({ label: "astronomy" });
  assert.deepEqual(await summaries(page, "#flip-list"), kFlips.slice(1, 2));
  await status(page, "#flip-list", "1 changed answer: 1 fixed, 0 broken.");
});

test("searches questions and answers, and marks what was found", { skip }, async (t) => {
  const page = await open(t, "toy");
  await control(page, "#flip-list", "Search").fill("ZEBRA");
  await status(page, "#flip-list", "1 changed answer: 1 fixed, 0 broken.");
  assert.deepEqual(await summaries(page, "#flip-list"), kFlips.slice(1, 2));
  assert.deepEqual(await page.locator("#flip-list mark.hit").allTextContents(), ["zebra", "zebra"]);
  await control(page, "#flip-list", "Search").fill("lines");
  await status(page, "#flip-list", "1 changed answer: 0 fixed, 1 broken.");
  assert.deepEqual(await summaries(page, "#flip-list"), kFlips.slice(2));
  await control(page, "#flip-list", "Search").fill("<!-- which bone");
  await status(page, "#flip-list", "1 changed answer: 1 fixed, 0 broken.");
  assert.deepEqual(await summaries(page, "#flip-list"), kFlips.slice(0, 1));
  await control(page, "#flip-list", "Search").fill("nowhere in it");
  await status(page, "#flip-list", "0 changed answers: 0 fixed, 0 broken.");
});

test("highlights the extracted span, whatever stands before it", { skip }, async (t) => {
  const page = await open(t, "toy");
  const marked = await page.locator("#flip-list .answer").evaluateAll((all) =>
    all.map((answer) => {
      const response = answer.querySelector(".response");
      return [response.querySelector("mark.span")?.textContent ?? null, response.textContent];
    }));
  assert.deepEqual(marked, [
    ["A", "</script><script>alert(1)</script> 😀👩‍🔬 so «A» <b>not bold</b>"],
    ["B", "骨は𠮷 — 二百六 😀 therefore «B» & done"],
    [null, "no letter here, zebra"],
    ["B", "é ü zebra «B»"],
    ["B", "plain «B»"],
    ["D", "𝒜𝒜 «D»\n\nTwo\nlines"],
  ]);
  const right = await page.locator("#flip-list .item").first().locator("li.right").textContent();
  assert.equal(right, "Btwo <b>bold</b> (right)");
  assert.equal(await page.locator("main img, main script, main b").count(), 0);
});

test("shows all answers in pages, by result", { skip }, async (t) => {
  const page = await open(t, "toy");
  await status(page, "#answer-list", "120 questions of 120.");
  assert.equal((await summaries(page, "#answer-list")).length, 25);
  const pager = page.locator("#answer-list .pager").first();
  await pager.getByRole("button", { name: "Next" }).click();
  assert.equal((await summaries(page, "#answer-list"))[0], "anatomy 25|right B: B → B");
  await pager.getByLabel("Page", { exact: true }).fill("5");
  await pager.getByLabel("Page", { exact: true }).press("Enter");
  assert.equal((await summaries(page, "#answer-list")).at(-1), "philosophy 39|right B: A → C");
  await control(page, "#answer-list", "Result").selectOption("unparsed");
  assert.deepEqual(await summaries(page, "#answer-list"), ["astronomy 0|right B: no answer → B"]);
  await control(page, "#answer-list", "Result").selectOption("cut");
  assert.deepEqual(await summaries(page, "#answer-list"), ["anatomy 5|right B: B → B"]);
});

test("sorts tables by click and key", { skip }, async (t) => {
  const page = await open(t, "toy");
  const table = page.locator(".pair table");
  const names = () => table.locator("tbody:nth-of-type(2) th").allTextContents();
  assert.deepEqual(await names(), ["anatomy", "astronomy", "philosophy"]);
  await table.getByRole("button", { name: "broken" }).click();
  assert.deepEqual(await names(), ["philosophy", "anatomy", "astronomy"]);
  await table.getByRole("button", { name: "subject" }).focus();
  await page.keyboard.press("Enter");
  assert.deepEqual(await names(), ["anatomy", "astronomy", "philosophy"]);
  assert.equal(await table.locator("th[aria-sort]").getAttribute("aria-sort"), "ascending");
});

test("draws a forest plot with a row for every set", { skip }, async (t) => {
  const page = await open(t, "toy");
  const plot = page.locator("figure.forest");
  assert.match(await plot.getAttribute("aria-label"), /difference \+0\.8 points over all questions/);
  const labels = await plot.locator("[aria-label='y-axis tick label'] text").allTextContents();
  assert.deepEqual(labels, ["All questions", "STEM", "Humanities", "non-STEM", "anatomy", "astronomy", "philosophy"]);
  assert.equal(await plot.locator("[aria-label='dot'] path").count(), 7);
});

test("draws the curves of a sweep and says what was selected", { skip }, async (t) => {
  const page = await open(t, "sweep");
  const plot = page.locator("figure.sweep");
  assert.equal(await plot.count(), 1);
  assert.equal(await plot.locator("[aria-label='line'] path").count(), 2);
  assert.equal(await plot.locator("[aria-label='area'] path").count(), 2);
  assert.equal(await plot.locator("[aria-label='dot'] circle").count(), 10);
  const findings = await page.locator(".findings li").allTextContents();
  assert.equal(findings.length, 2);
  assert.match(findings[0], /^mmlu, cot: alpha = 0\.2 was best on the 50 questions it was chosen on \(66\.0%\)\. On 50 others.*64\.0% \[50\.0, 76\.0\] against 60\.0% of the baseline: \+4\.0 points \[−2\.0, \+10\.0\], p = 0\.5000\.$/);
});

test("offers every pair of arms, and both lists follow the choice", { skip }, async (t) => {
  const page = await open(t, "sweep");
  assert.equal(await page.locator(".pair:visible").count(), 1);
  await page.getByLabel("Comparison in detail").selectOption({ label: "rebalance alpha=0.3 against none (direct)" });
  assert.equal(await page.locator(".pair:visible h3").textContent(), "rebalance alpha=0.3 against none (direct)");
  assert.equal(await control(page, "#flip-list", "Comparison").locator("option:checked").textContent(), "rebalance alpha=0.3 against none (direct)");
  await status(page, "#flip-list", "6 changed answers: 6 fixed, 0 broken.");
});

test("shows log-likelihoods where there are no texts", { skip }, async (t) => {
  const page = await open(t, "loglikelihood");
  assert.deepEqual(await summaries(page, "#flip-list"), ["fixed|anatomy 1|right B: A → B"]);
  const rows = await page.locator("#flip-list .answer").first().locator("tbody tr").allTextContents();
  assert.deepEqual(rows, ["A greedy-1.500", "B (right)-2.2500.750", "C-4.0002.500", "D-5.0003.500"]);
  assert.equal(await page.locator("#arms th", { hasText: "cut off" }).count(), 0);
});

test("shows short answers as comparison.json has them", { skip }, async (t) => {
  const run = join(folder, "own");
  execFileSync(program, ["eval", join(examples, "sums.yaml"), "--intervene", "none", "--intervene", "rebalance:alpha=3", "-o", run], { stdio: "pipe" });
  const { flips } = JSON.parse(readFileSync(join(run, "comparison.json"), "utf8")).tasks[0].comparisons[0];
  assert.ok(flips.length > 0);
  const page = await open(t, "own");
  const wanted = flips.map((flip) => `${flip.fixed ? "fixed" : "broken"}|${flip.subject} ${flip.item}|${flip.label}|${flip.baseline ?? "no answer"}|${flip.arm ?? "no answer"}`);
  const shown = (await summaries(page, "#flip-list")).map((each) => each.replace(/right (.*): (.*) → (.*)/, "$1|$2|$3"));
  assert.deepEqual(shown, wanted);
  const first = page.locator("#flip-list .item").first().locator(".answer").first();
  assert.equal(await first.locator("mark.span").textContent(), flips[0].baseline, "the number it was read from");
});

test("shows conversations, from which no answer is read", { skip }, async (t) => {
  const run = join(folder, "chat");
  execFileSync(program, ["eval", join(examples, "chat.yaml"), "--max-new-tokens", "8", "-o", run], { stdio: "pipe" });
  const page = await open(t, "chat");
  const lines = await summaries(page, "#answer-list");
  assert.equal(lines.length, 6);
  assert.ok(lines.every((line) => line.endsWith("|")), "no letter beside a turn");
});

test("works by keyboard alone", { skip }, async (t) => {
  const page = await open(t, "toy");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the findings");
  const summary = page.locator("#flip-list summary").first();
  for (let i = 0; i < 200 && !(await summary.evaluate((each) => each === document.activeElement)); i++) await page.keyboard.press("Tab");
  const outline = await summary.evaluate((each) => getComputedStyle(each).outlineStyle);
  assert.equal(outline, "solid", "the focus is seen");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#flip-list .item").first().evaluate((each) => each.open), true);
});

test("follows the system's theme, and the button's", { skip }, async (t) => {
  const page = await open(t, "toy", { colorScheme: "dark" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await background(), "rgb(18, 22, 27)");
  await page.getByRole("button", { name: "Light theme" }).click();
  assert.equal(await background(), "rgb(255, 255, 255)");
  await page.getByRole("button", { name: "Dark theme" }).click();
  assert.equal(await background(), "rgb(18, 22, 27)");
});

// Contrast of each text with what is behind it (WCAG 2: at least 4.5), for both themes.
const lowContrast = (page) => page.evaluate(() => {
  const channel = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility() || element.closest("svg, script, button:disabled")) continue;
    const [a, b] = [luminance(numbers(getComputedStyle(element).color)), luminance(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) bad.add(`${element.tagName}.${element.className}: ${contrast.toFixed(2)}`);
  }
  return [...bad];
});

for (const colorScheme of ["light", "dark"]) {
  test(`has enough contrast in the ${colorScheme}`, { skip }, async (t) => {
    const page = await open(t, "toy", { colorScheme });
    await control(page, "#flip-list", "Search").fill("zebra");
    await status(page, "#flip-list", "1 changed answer: 1 fixed, 0 broken.");
    await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
    assert.deepEqual(await lowContrast(page), []);
  });
}

for (const kind of ["toy", "sweep", "loglikelihood"]) {
  test(`never scrolls sideways at 360 px: ${kind}`, { skip }, async (t) => {
    const page = await open(t, kind, { viewport: { width: 360, height: 740 } });
    await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  });
}

test("has landmarks, headings and headers of tables", { skip }, async (t) => {
  const page = await open(t, "toy");
  const found = await page.evaluate(() => ({
    landmarks: ["header", "nav", "main", "footer"].map((tag) => document.querySelectorAll(`body > ${tag}`).length),
    heads: document.querySelectorAll("h1").length,
    unscoped: document.querySelectorAll("th:not([scope])").length,
    unlabelled: [...document.querySelectorAll("select, input")].filter((each) => !each.labels.length && !each.ariaLabel).length,
    language: document.documentElement.lang,
  }));
  assert.deepEqual(found, { landmarks: [1, 1, 1, 1], heads: 1, unscoped: 0, unlabelled: 0, language: "en" });
});

test("prints with everything open", { skip }, async (t) => {
  const page = await open(t, "toy");
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("#flip-list .item:not([open])").count(), 0);
  assert.equal(await page.locator("#settings details:not([open])").count(), 0);
  assert.equal(await page.locator(".controls:visible, .pager:visible, nav:visible").count(), 0);
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  assert.equal(await page.locator("#flip-list .item[open]").count(), 0);
});

test("has its tables and flips without script", { skip }, async (t) => {
  const page = await open(t, "toy", { javaScriptEnabled: false });
  assert.equal(await page.locator(".pair table tbody tr").count(), 7);
  assert.deepEqual(await page.locator("#flips noscript tbody tr").allTextContents(), [
    "anatomy1BABfixed", "astronomy0Bno answerBfixed", "philosophy2BBDbroken",
  ]);
});

test("compares two runs in one page", { skip }, async (t) => {
  const file = join(folder, "both.html");
  execFileSync(program, ["report", join(folder, "toy"), join(folder, "toy"), "-o", file]);
  const page = await open(t, file);
  await status(page, "#flip-list", "0 changed answers: 0 fixed, 0 broken.");
  assert.equal(await page.locator("#pair-0-0").count(), 1);
});

test("says so where a block is damaged, and keeps its tables", { skip }, async (t) => {
  const file = join(folder, "damaged.html");
  const html = readFileSync(join(folder, "toy", "report.html"), "utf8");
  writeFileSync(file, html.replace('id="block-index-0"', 'id="block-elsewhere"'));
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`file://${file}`);
  assert.match(await page.getByRole("alert").textContent(), /could not show all of the report: the page has no block "index-0"/);
  assert.equal(await page.locator(".pair table tbody tr").count(), 7);
});
