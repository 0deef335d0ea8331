// The report in headless Chromium: what it shows, that it asks the network for nothing, and that it works for the
// keyboard, on a phone, in the dark and without script.
//
//   REFOCUS=build/release/refocus REFOCUS_FIXTURE=build/release/tests/eval/report_fixture \
//   REFOCUS_WEB_PACKAGES=build/release/web/node_modules node --test report.test.mjs
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, open as openPage, playwright } from "./browser.mjs";
import { assertAccessible, assertOnScreen, csvCells, kDesk, kPhone, overlaps, saved, withAxe } from "./looks.mjs";

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
  // A sweep of two keys: eight thresholds for each alpha; and 24 arms.
  const sweep = join(folder, "sweep");
  cpSync(sweep, join(folder, "curves"), { recursive: true });
  const curves = JSON.parse(readFileSync(join(sweep, "sweep.json"), "utf8"));
  curves.tasks[0].curves = curves.tasks[0].curves.flatMap((curve) => [1, 2, 3, 4, 5, 6, 7, 8].map((k) => ({ ...curve, fixed: { ...curve.fixed, threshold: k / 100 } })));
  curves.axes.push({ name: "threshold", values: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08] });
  writeFileSync(join(folder, "curves", "sweep.json"), JSON.stringify(curves));
  execFileSync(fixture, ["arms", join(folder, "many")]);
  for (const kind of ["curves", "many"]) execFileSync(program, ["report", join(folder, kind)]);
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

const comparisonOf = (kind) => JSON.parse(execFileSync(program, ["compare", join(folder, kind), "--json"], { stdio: "pipe" }));

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
  const plot = page.locator("figure.forest .plot");
  assert.match(await plot.getAttribute("aria-label"), /difference \+0\.8 points over all questions/);
  const labels = await plot.locator("[data-mark='y-axis tick label'] text").allTextContents();
  assert.deepEqual(labels, ["All questions", "STEM", "Humanities", "non-STEM", "anatomy", "astronomy", "philosophy"]);
  assert.equal(await plot.locator("[data-mark='dot'] path").count(), 7);
});

test("draws the curves of a sweep and says what was selected", { skip }, async (t) => {
  const page = await open(t, "sweep");
  // A panel with a scale of its own for each kind of prompt.
  assert.deepEqual(await page.locator("figure.sweep strong").allTextContents(), ["mmlu, cot: accuracy in %", "mmlu, direct: accuracy in %"]);
  for (const [i, ticks] of [[0, ["50", "60", "70"]], [1, ["20", "30", "40"]]]) {
    const plot = page.locator("figure.sweep").nth(i);
    for (const [mark, shapes] of [["line", 1], ["area", 1], ["dot", 5]]) assert.equal(await plot.locator(`[data-mark='${mark}'] :is(path, circle)`).count(), shapes, mark);
    const shown = await plot.locator("[data-mark='y-axis tick label'] text").allTextContents();
    for (const tick of ticks) assert.ok(shown.includes(tick), `${tick} in ${shown}`);
  }
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

for (const kind of ["toy", "sweep", "loglikelihood"]) {
  test(`has nothing that axe finds wrong: ${kind}`, { skip }, async (t) => {
    const page = await open(t, kind, withAxe);
    if (kind === "toy") await control(page, "#flip-list", "Search").fill("zebra");
    // Opened: an answer of each list and the settings; hundreds of answers are alike.
    await page.evaluate(() => ["#flip-list .item", "#answer-list .item", "#settings details", ".names", "details.unchanged"].forEach((one) => document.querySelector(one)?.setAttribute("open", "")));
    await assertAccessible(page);
  });
}

test("shows every arm's accuracy on a phone before anything is scrolled", { skip }, async (t) => {
  const { tasks } = comparisonOf("many");
  const all = tasks[0].sets.find(({ kind }) => kind === "all").arms;
  assert.equal(all.length, 24);
  for (const javaScriptEnabled of [true, false]) {
    const page = await open(t, "many", { viewport: kPhone, javaScriptEnabled });
    const cells = page.locator(".accuracies tbody td.n");
    assert.deepEqual((await cells.allTextContents()).map((text) => text.split(" ")[0]), all.map(({ accuracy }) => (100 * accuracy).toFixed(1)));
    await assertOnScreen(page, cells);
    await assertOnScreen(page, page.locator(".accuracies th.name"));
  }
});

test("pictures of accuracies lie where their numbers say, and are coloured by what was found", { skip }, async (t) => {
  const page = await open(t, "sweep");
  const rows = await page.locator(".accuracies tbody tr").evaluateAll((all) => all.map((row) => {
    const at = (name) => row.querySelector(name).getBoundingClientRect();
    const [track, bar, dot] = [at(".track"), at(".bar"), at(".dot")];
    const part = (x) => (x - track.left) / track.width;
    return { ends: row.closest("table").querySelector(".ends").textContent.split(" to ").map(Number), numbers: row.cells[1].textContent.match(/[\d.]+/g).map(Number), low: part(bar.left), high: part(bar.right), dot: part(dot.left + dot.width / 2), tone: row.className };
  }));
  for (const { ends: [from, to], numbers: [accuracy, low, high], ...seen } of rows) {
    for (const [value, place] of [[accuracy, seen.dot], [low, seen.low], [high, seen.high]]) {
      assert.ok(Math.abs((value - from) / (to - from) - place) < 0.01, `${value} at ${place} of ${from} to ${to}`);
    }
  }
  const { tasks } = comparisonOf("sweep");
  const clear = tasks[0].comparisons.slice(0, 5).map(({ sets }) => sets.find(({ kind }) => kind === "all")).map(({ p, difference }) => (p < 0.05 && difference > 0 ? "better" : ""));
  assert.ok(clear.includes("better") && clear.includes(""));
  assert.deepEqual(rows.slice(1, 6).map(({ tone }) => tone), clear);
});

test("labels of plots never lie over each other, with many curves and long names", { skip }, async (t) => {
  for (const viewport of [kPhone, kDesk]) {
    const page = await open(t, "curves", { viewport });
    assert.equal(await page.locator("figure.sweep").count(), 2);
    assert.equal(await page.locator("figure.sweep").first().locator(".legend li").count(), 9, "eight curves and none");
    assert.deepEqual(await overlaps(page, ".plot > svg"), []);
    // The legend's texts are in the page's flow, none over another or over the plot.
    const boxes = await page.locator("figure.sweep").first().locator(".legend span, .plot").evaluateAll((all) => all.map((each) => each.getBoundingClientRect().toJSON()));
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => assert.ok(a.right <= b.left || b.right <= a.left || a.bottom <= b.top + 1 || b.bottom <= a.top + 1)));
  }
});

test("saves figures as SVG, PNG and CSV, with their legends", { skip }, async (t) => {
  const page = await open(t, "curves", { colorScheme: "dark" });
  const button = (name) => page.getByRole("button", { name });
  for (const [name, texts] of [["Save mmlu, cot", ["mmlu, cot: accuracy in %", "threshold=0.08", "none 60.0", "alpha"]], ["Save accuracies of mmlu, cot", ["mmlu, cot: accuracy with 95% interval", "cot, none", "60.0 [50.2, 69.1]"]], ["Save the forest plot", ["anatomy", "philosophy"]]]) {
    const picture = await saved(page, button(`${name} as SVG`).first());
    await page.evaluate((text) => {
      document.querySelector("#saved")?.remove();
      const place = document.body.appendChild(Object.assign(document.createElement("div"), { id: "saved" }));
      place.append(document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true));
    }, picture.bytes.toString());
    assert.deepEqual(await overlaps(page, "#saved > svg"), [], name);
    const shown = await page.locator("#saved text").allTextContents();
    for (const text of texts) assert.ok(shown.some((each) => each.includes(text)), `${text} in ${shown.join("|")}`);
    assert.ok(!/var\(/.test(picture.bytes), "no colour of the page's theme");
    const bitmap = await saved(page, button(`${name} as PNG`).first());
    assert.equal(bitmap.bytes.subarray(1, 4).toString(), "PNG");
    assert.equal(bitmap.bytes.readUInt32BE(16), 1440);
  }
  const { tasks } = JSON.parse(readFileSync(join(folder, "curves", "sweep.json"), "utf8"));
  const [head, ...rows] = csvCells((await saved(page, button("Save mmlu, cot as CSV"))).bytes);
  const curves = tasks[0].curves.filter(({ prompt }) => prompt === "cot");
  assert.equal(rows.length, curves.length * 6);
  const at = (row, name) => row[head.indexOf(name)];
  assert.deepEqual(rows.slice(1, 6).map((row) => [at(row, "value"), at(row, "threshold"), Number(at(row, "accuracy"))]), curves[0].points.map((point) => [String(point.x), String(curves[0].fixed.threshold), point.accuracy]));
  // The heat maps of both keys, which the program has drawn.
  const heat = page.locator("figure.sweep-grid").first();
  assert.equal(await page.locator("figure.sweep-grid").count(), 2);
  const map = await saved(page, heat.getByRole("button", { name: "as SVG" }));
  assert.match(map.bytes.toString(), /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[^]*threshold/);
  assert.equal((await saved(page, heat.getByRole("button", { name: "as PNG" }))).bytes.subarray(1, 4).toString(), "PNG");
  const arms = csvCells((await saved(page, button("Save accuracies of mmlu, cot as CSV"))).bytes);
  assert.deepEqual(arms[1].slice(0, 5), ["cot, none", "cot-none", "100", "60", "0.6"]);
});

test("puts comparisons with the largest effect first and folds those without change", { skip }, async (t) => {
  const page = await open(t, "sweep");
  const { tasks, arms } = comparisonOf("sweep");
  const numbers = tasks[0].comparisons.map(({ arm, baseline, sets }, place) => {
    const all = sets.find(({ kind }) => kind === "all");
    return { place, same: arms[arm].prompt === arms[baseline].prompt, size: Math.abs(all.difference), difference: all.difference, p: all.p, moved: all.fixed + all.broken > 0 };
  });
  const order = (by) => [true, false].flatMap((same) => numbers.filter((each) => each.moved && each.same === same).sort((a, b) => by(a) - by(b) || a.place - b.place).map(({ place }) => String(place)));
  const table = page.locator(".by-effect table");
  const shown = () => table.locator("tr[data-place]").evaluateAll((rows) => rows.map((row) => row.dataset.place));
  const byEffect = order(({ size }) => -size);
  assert.deepEqual(await shown(), byEffect);
  assert.notDeepEqual(byEffect, [...byEffect].sort((a, b) => a - b));
  const still = numbers.filter(({ moved }) => !moved);
  assert.equal(still.length, 2);
  const folded = page.locator("details.unchanged");
  assert.equal(await folded.locator("summary").textContent(), "2 comparisons without a discordant pair");
  assert.equal(await folded.locator("tbody tr").first().isVisible(), false);
  await folded.locator("summary").focus();
  await page.keyboard.press("Enter");
  assert.deepEqual(await folded.locator("tr[data-place]").evaluateAll((rows) => rows.map((row) => Number(row.dataset.place))), still.map(({ place }) => place));
  // Its order is chosen by keys alone.
  const choice = page.getByLabel("Order of comparisons");
  await choice.focus();
  for (const [key, by] of [["ArrowDown", ({ difference }) => -difference], ["ArrowDown", ({ difference }) => difference], ["ArrowDown", ({ p }) => p], ["ArrowDown", ({ place }) => place], ["Home", ({ size }) => -size]]) {
    await page.keyboard.press(key);
    assert.deepEqual(await shown(), order(by), await choice.evaluate((select) => select.selectedOptions[0].text));
  }
  const heading = await table.locator("tr.group").allTextContents();
  assert.deepEqual(heading, ["Arms with the same prompt", "Different prompts"]);
  await table.getByRole("button", { name: "fixed" }).focus();
  await page.keyboard.press("Enter");
  assert.equal(await table.locator("tbody").first().locator("tr").first().getAttribute("class"), "group", "a heading stays first");
  // The detail begins with the largest, and has those without change apart.
  const detail = page.getByLabel("Comparison in detail");
  assert.equal(await page.locator(".pair:visible").getAttribute("id"), `pair-0-${byEffect[0]}`);
  assert.equal(await detail.locator("optgroup[label='Without a discordant pair'] option").count(), 2);
});

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
