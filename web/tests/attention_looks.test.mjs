// The explorer as a person meets it: where it opens, what it explains, long prompts, keys and fingers, small and dark
// windows. What its numbers are is in attention.test.mjs.
//
//   REFOCUS=build/release/refocus REFOCUS_WEB_PACKAGES=build/release/web/node_modules node --test attention_looks.test.mjs
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { excerpt } from "../src/attention/excerpt.js";
import { tellingHead } from "../src/attention/telling.js";
import { terms } from "../src/shared/terms.js";
import { readNpy, writeCapture } from "./attention_fixture.mjs";
import { launch, open, playwright } from "./browser.mjs";
import { assertAccessible, assertOnScreen, csvCells, frames, kDesk, kPhone, overlaps, pinch, saved, withAxe } from "./looks.mjs";

const { chromium, reason } = playwright();
const skip = reason ?? false;
const dir = mkdtempSync(join(tmpdir(), "refocus-looks-"));
const captures = {};
let browser;

before(async () => {
  if (skip) return;
  captures.two = writeCapture(join(dir, "two"), { tokens: 24, layers: 3, heads: 4, topK: 24, origins: true });
  captures.dense = writeCapture(join(dir, "dense"), { tokens: 18, layers: 3, heads: 3, dense: true });
  captures.long = writeCapture(join(dir, "long"), { tokens: 1500, layers: 2, heads: 1, arms: 1, topK: 8 });
  for (const name in captures) execFileSync(process.env.REFOCUS, ["explore", join(dir, name)], { stdio: "pipe" });
  browser = await launch(chromium);
});

after(async () => {
  await browser?.close();
  rmSync(dir, { recursive: true, force: true });
});

async function explorer(t, name, options) {
  const page = await open(browser, join(dir, name, "attention.html"), options);
  t.after(async () => {
    await page.context().close();
    assert.deepEqual(page.faults, []);
  });
  await page.waitForSelector("html[data-ready]");
  await frames(page);
  return page;
}

const field = (page, name) => page.locator(`[data-field=${name}]`).textContent();

// By layer and head: the mean Jensen-Shannon divergence of the rows of two arms of a dense capture.
function divergences(name) {
  const capture = captures[name];
  const [a, b] = capture.arms.map(({ files }) => readNpy(join(dir, name, files.attention)).data);
  const entropy = (p) => -p.reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0);
  const n = capture.keys;
  return capture.layers.map((_, layer) => capture.heads.map((_, head) => {
    let sum = 0;
    for (let query = 0; query < n; query++) {
      const rows = [a, b].map((data) => {
        const begin = ((layer * capture.heads.length + head) * n + query) * n;
        const row = [...data.subarray(begin, begin + query + 1)];
        const total = row.reduce((x, y) => x + y, 0);
        return row.map((x) => x / total);
      });
      sum += entropy(rows[0].map((x, i) => (x + rows[1][i]) / 2)) - (entropy(rows[0]) + entropy(rows[1])) / 2;
    }
    return sum / n;
  }));
}

test("opens at the head in which two arms differ most, with the prompt as its title", { skip }, async (t) => {
  const page = await explorer(t, "dense");
  const grid = divergences("dense");
  const flat = grid.flat();
  const most = flat.indexOf(Math.max(...flat));
  assert.ok(most > 0, "not the first head by chance");
  const [layer, head] = [Math.floor(most / 3), most % 3];
  assert.equal(await page.locator("#map-title").textContent(), `Layer ${layer}, head ${head}`);
  assert.match(await page.locator("#telling").textContent(), new RegExp(`opens at layer ${layer}, head ${head}: the rows of none and rebalance.* differ most`));
  const shown = Number((await page.locator("#telling").textContent()).match(/divergence ([\d.]+)\)/)[1]);
  assert.ok(Math.abs(shown - flat[most]) < 0.01 * flat[most], `${shown} for ${flat[most]}`);
  // Every head's, as cells.
  await page.locator("#choose-show").selectOption("divergence_arms");
  await page.locator("#grid").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  const said = await page.locator("#grid-readout").textContent();
  assert.ok(Math.abs(Number(said.split(" ").at(-1)) - grid[0][1]) < 1e-4, said);
  // A view that is linked is not changed.
  const linked = await explorer(t, "dense", { hash: "layer=0&head=1" });
  assert.equal(await linked.locator("#map-title").textContent(), "Layer 0, head 1");
  const title = await linked.locator("h1").textContent();
  assert.ok(title.startsWith("<script>alert(1)</script>") && title.includes("שלום"), title);
  assert.match(await linked.title(), /^<script>.* – attention of models\/<b>made-up<b>$/);
});

// A capture of statistics alone, by [layers][heads].
const statistics = (own, divergences = []) => ({ divergences, layers: [0, 1], arms: [{ short: "none" }, { short: "a" }, { short: "b" }],
  statistics: { arms: [{ statistics: Object.fromEntries(Object.entries(own).map(([name, all]) => [name, { all }])) }] } });

test("the most telling head is the one that docs/attention.md defines", () => {
  const place = (data) => {
    const found = tellingHead(data);
    return found && [found.layer, found.head];
  };
  const divergence_layer0 = [[0, 0], [0.4, 0.3]];
  // Of several arms the pair that differs most; the first of equal heads.
  assert.deepEqual(place(statistics({ divergence_layer0 }, [null, [[0.1, 0.2], [0, null]], [[0.1, 0.1], [0.3, 0.3]]])), [1, 0]);
  assert.match(tellingHead(statistics({}, [null, [[0, 0.2]], [[0.1, 0]]])).reason, /^the rows of none and a /);
  // Arms that do not differ tell nothing.
  assert.deepEqual(place(statistics({ divergence_layer0 }, [null, [[0, 0], [0, 0]]])), [1, 0]);
  // A head that looks at the first key is passed over, unless all do.
  assert.deepEqual(place(statistics({ divergence_layer0, mass_first: [[0, 0], [0.5, 0.4]] })), [1, 1]);
  assert.deepEqual(place(statistics({ divergence_layer0, mass_first: [[0, 0], [0.9, 0.8]] })), [1, 0]);
  // Without a later layer the narrowest.
  assert.deepEqual(place({ ...statistics({ divergence_layer0: [[0, 0, 0]], entropy: [[2, 1, 0.5]], mass_first: [[0, 0.1, 0.9]] }), layers: [0] }), [0, 1]);
  assert.equal(place(statistics({})), null);
});

test("what is shown of a long text surrounds the query and its keys", () => {
  assert.deepEqual(excerpt(160, 3, []), [[0, 160]]);
  assert.deepEqual(excerpt(1000, 500, [500, 200, 203]), [[194, 210], [476, 525]]);
  assert.deepEqual(excerpt(1000, 999, [0, 10, 960]), [[0, 17], [954, 967], [975, 1000]]);
});

test("terms are the glossary's, word for word", () => {
  const glossary = readFileSync(fileURLToPath(new URL("../../docs/glossary.md", import.meta.url)), "utf8");
  const meanings = new Map([...glossary.matchAll(/^\| ([^|]+) \| (.+) \|$/gm)].map(([, word, meaning]) => [word, meaning]));
  for (const { word, says, reading, formula } of Object.values(terms)) {
    assert.equal(says, meanings.get(word), word);
    assert.ok(reading.endsWith(".") && formula.length > 5, word);
  }
});

test("explains M, JS divergence and Jaccard similarity in place, by key, mouse and finger", { skip }, async (t) => {
  const page = await explorer(t, "two", { viewport: kPhone, hasTouch: true });
  const button = (name) => page.getByRole("button", { name: `What is ${name}?` }).first();
  const opened = page.locator(".help-text:visible");
  await button("M").focus();
  await page.keyboard.press("Enter");
  assert.match(await opened.textContent(), /M\(i,j\) = 1 where A₀\(i,j\) > threshold/);
  assert.equal(await button("M").getAttribute("aria-expanded"), "true");
  await page.keyboard.press("Escape");
  assert.equal(await opened.count(), 0);
  assert.equal(await button("M").evaluate((each) => each === document.activeElement), true, "the focus is where it was");
  for (const [statistic, name, formula] of [["jaccard_layer0", "Jaccard similarity", "|T ∩ M| / |T ∪ M|"], ["divergence_layer0", "JS divergence", "H(m) − (H(p) + H(q)) / 2"]]) {
    await page.locator("#choose-show").selectOption(statistic);
    await page.locator("#heads .help-button").tap();
    assert.ok((await opened.textContent()).includes(formula));
    assert.equal(await page.locator("#heads .help-button").getAttribute("aria-label"), `What is ${name}?`);
    const box = await opened.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= kPhone.width, "all of it can be read");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), kPhone.width);
    await page.touchscreen.tap(20, 5);
    assert.equal(await opened.count(), 0, "a touch elsewhere closes it");
  }
  await page.locator("#choose-show").selectOption("row_sum");
  assert.equal(await page.locator("#heads .help-button").isVisible(), false);
});

test("a long prompt shows the surroundings of the query and of its keys", { skip }, async (t) => {
  for (const viewport of [kPhone, kDesk]) {
    const page = await explorer(t, "long", { viewport, hash: "layer=1&head=0&query=900" });
    const box = await page.locator("#row").boundingBox();
    assert.ok(box.height < 1600, `${box.height} px`);
    assert.ok((await page.evaluate(() => document.documentElement.scrollHeight)) < 9000);
    const shown = await page.locator("#row-text .token").evaluateAll((all) => all.map((each) => Number(each.dataset.position)));
    const keys = await page.locator("#row-bars tbody th").evaluateAll((all) => all.map((each) => parseInt(each.textContent, 10)));
    for (const position of [900, 880, 920, ...keys]) assert.ok(shown.includes(position), `${position}`);
    assert.ok(shown.length < 400 && keys.length > 3);
    // Gaps say how much they leave out.
    const gaps = (await page.locator("#row-text .gap").allTextContents()).map((text) => Number(text.replace(/[^\d]/g, "")));
    assert.equal(gaps.reduce((a, b) => a + b, 0) + shown.length, 1500);
    assert.equal(await page.locator("#row-text .lines path").count(), keys.filter((key) => key !== 900).length);
    // Arrows go over a gap; Enter chooses another query, whose surroundings are then shown.
    await page.locator("#row-text .tokens").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    assert.ok((await page.locator("#row .readout").textContent()).startsWith(`Query ${shown.at(-1)} `));
    assert.equal(await page.locator(`#row-text-${shown.at(-1)}.chosen`).count(), 1);
    await page.getByRole("button", { name: "Whole text" }).click();
    assert.equal(await page.locator("#row-text .token").count(), 1500);
    assert.ok((await page.locator("#row").boundingBox()).height < 1700, "the whole text scrolls within itself");
    await assertInside(page, `#row-text-${shown.at(-1)}`, "#row .token-scroll");
  }
});

// Whether an element is seen within another one that scrolls.
const assertInside = async (page, element, scroller) => assert.ok(await page.evaluate(([one, outer]) => {
  const [a, b] = [document.querySelector(one).getBoundingClientRect(), document.querySelector(outer).getBoundingClientRect()];
  return a.top >= b.top && a.bottom <= b.bottom;
}, [element, scroller]));

test("the first arrow key goes on from the cell that is told, and lines of text from the line", { skip }, async (t) => {
  const page = await explorer(t, "two");
  assert.match(await field(page, "query"), /^23 /);
  assert.match(await field(page, "key"), /^23 /);
  await page.locator("#map").focus();
  assert.match(await field(page, "key"), /^23 /);
  await page.keyboard.press("ArrowUp");
  assert.match(await field(page, "query"), /^22 /);
  assert.match(await field(page, "key"), /^22 /, "the key before it, not the first");
  await page.locator("#row-text .tokens").focus();
  // {now, above}: the active token, and which of the nearest line above it is nearest.
  const active = () => page.evaluate(() => {
    const places = [...document.querySelectorAll("#row-text .token")].map((each) => ({ position: Number(each.dataset.position), top: each.offsetTop, middle: each.offsetLeft + each.offsetWidth / 2 }));
    const now = places[Number(document.querySelector("#row-text .token.active").dataset.position)];
    const line = Math.max(...places.filter(({ top }) => top < now.top - 5).map(({ top }) => top));
    const [above] = places.filter(({ top }) => top === line).sort((a, b) => Math.abs(a.middle - now.middle) - Math.abs(b.middle - now.middle));
    return { now, above };
  });
  const { now, above } = await active();
  assert.ok(above.position < 22, "another line");
  await page.keyboard.press("ArrowUp");
  assert.deepEqual((await active()).now, above);
  await page.keyboard.press("ArrowDown");
  assert.equal((await active()).now.top, now.top);
});

test("nothing of the readout is cut, and the map does not move under it", { skip }, async (t) => {
  for (const viewport of [kPhone, kDesk]) {
    const page = await explorer(t, "long", { viewport, hash: "layer=1&head=0&query=1499&key=700" });
    assert.match(await field(page, "weight"), /not kept/);
    const cut = await page.locator(".cell dt, .cell dd").evaluateAll((all) => all.filter((each) => each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight + 1).map((each) => each.textContent));
    assert.deepEqual(cut, []);
    const top = () => page.locator("#map").evaluate((each) => each.getBoundingClientRect().top + scrollY);
    const before = await top();
    await page.locator("#map").focus();
    await page.keyboard.press("End");
    assert.doesNotMatch(await field(page, "weight"), /not kept/);
    assert.equal(await top(), before);
  }
});

test("two fingers zoom the map and not the page, whichever way they go", { skip }, async (t) => {
  const page = await explorer(t, "two", { viewport: kPhone, hasTouch: true, isMobile: true });
  await page.locator("#map").scrollIntoViewIfNeeded();
  const plot = async () => (await page.locator("#map").getAttribute("data-plot")).split(" ").map(Number);
  const [left, top, , , fitted] = await plot();
  const box = await page.locator("#map").boundingBox();
  const [x, y] = [box.x + left + 130, box.y + top + 130];
  const scroll = await page.evaluate(() => scrollY);
  for (const angle of [0, Math.PI / 2]) {
    await pinch(page, { x, y, angle, from: 60, to: 180 });
    await frames(page);
    const [, , beginX, beginY, zoomed] = await plot();
    assert.ok(zoomed > 2.2 * fitted && zoomed < 3.6 * fitted, `${zoomed} from ${fitted}`);
    // The cell between the fingers stays there.
    assert.ok(Math.abs(beginX + 130 / zoomed - 130 / fitted) < 0.6 && Math.abs(beginY + 130 / zoomed - 130 / fitted) < 0.6);
    assert.deepEqual(await page.evaluate(() => [visualViewport.scale, scrollY]), [1, scroll]);
    await pinch(page, { x, y, angle, from: 240, to: 60 });
    await frames(page);
    assert.ok(Math.abs((await plot())[4] - fitted) < 0.01);
  }
});

test("has nothing that axe finds wrong", { skip }, async (t) => {
  const page = await explorer(t, "two", withAxe);
  await page.locator("#charts").scrollIntoViewIfNeeded();
  await page.locator("figure[data-statistic=entropy]").waitFor();
  await page.getByRole("button", { name: "What is M?" }).first().focus();
  await page.keyboard.press("Enter");
  await assertAccessible(page);
});

test("looks right on a phone and a desk, in the light and in the dark", { skip }, async (t) => {
  const page = await explorer(t, "two", { hash: "layer=1&head=2&query=20" });
  for (const [viewport, colorScheme] of [[kPhone, "light"], [kPhone, "dark"], [kDesk, "light"], [kDesk, "dark"]]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.locator("#charts").scrollIntoViewIfNeeded();
    await page.locator("figure[data-statistic=entropy]").waitFor();
    await frames(page);
    const where = `${viewport.width} px, ${colorScheme}`;
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width, where);
    assert.deepEqual(await overlaps(page, ".plot > svg"), [], where);
    const seen = await page.evaluate(() => {
      const luminance = ([r, g, b]) => [r, g, b].map((c) => (c / 255) ** 2.2).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const numbers = (text) => text.match(/[\d.]+/g).map(Number);
      const overlay = document.querySelector("#map");
      const canvas = overlay.parentElement.querySelector("canvas:not(#map)");
      const [left, top, x, y, across, down] = overlay.dataset.plot.split(" ").map(Number);
      const context = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height }).getContext("2d", { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const at = (key, query) => luminance([...context.getImageData(Math.round(left + (key + 0.5 - x) * across), Math.round(top + (query + 0.5 - y) * down), 1, 1).data]);
      const alpha = (key, query) => context.getImageData(Math.round(left + (key + 0.5 - x) * across), Math.round(top + (query + 0.5 - y) * down), 1, 1).data[3];
      return { page: luminance(numbers(getComputedStyle(document.body).backgroundColor)), own: at(20, 20), far: at(12, 20), after: alpha(22, 20) };
    });
    // What much weight goes to stands out from the page, what little goes to does not, and what cannot be seen is empty.
    const apart = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    assert.ok(apart(seen.own, seen.page) > 4, `${where}: ${JSON.stringify(seen)}`);
    assert.ok(apart(seen.own, seen.page) > 1.5 * apart(seen.far, seen.page), `${where}: ${JSON.stringify(seen)}`);
    assert.equal(seen.after, 0, where);
    await page.evaluate(() => scrollTo(0, 0));
    await assertOnScreen(page, page.locator("h1, .masthead .theme"));
  }
});

test("charts are saved with their legend, and as numbers", { skip }, async (t) => {
  const page = await explorer(t, "two");
  await page.locator("#charts").scrollIntoViewIfNeeded();
  await page.locator("figure[data-statistic=entropy]").waitFor();
  const drawing = await saved(page, page.getByRole("button", { name: "Save Entropy (nats) as SVG" }));
  for (const text of [">Entropy (nats)<", ">none<", ">rebalance<"]) assert.ok(drawing.bytes.includes(text), text);
  const [head, ...rows] = csvCells((await saved(page, page.getByRole("button", { name: "Save Entropy (nats) as CSV" }))).bytes);
  assert.deepEqual(head, ["arm", "layer", "entropy"]);
  const { arms } = JSON.parse(readFileSync(join(dir, "two", "statistics.json"), "utf8"));
  assert.equal(rows.length, 6);
  rows.forEach(([, layer, value], i) => {
    const heads = arms[Math.floor(i / 3)].statistics.entropy.all[layer];
    assert.ok(Math.abs(Number(value) - heads.reduce((a, b) => a + b, 0) / heads.length) < 1e-6);
  });
});

test("every control is reached by the keyboard, in the order of the page, with its focus seen", { skip }, async (t) => {
  const page = await explorer(t, "two", { viewport: kPhone });
  const wanted = await page.evaluate(() => [...document.querySelectorAll("button, select, [tabindex='0']")].filter((each) => each.checkVisibility() && !each.disabled).length);
  const seen = [];
  for (let i = 0; i < wanted; i++) {
    await page.keyboard.press("Tab");
    seen.push(await page.evaluate(() => {
      const each = document.activeElement;
      each.dataset.walked = "yes";
      const style = getComputedStyle(each);
      return { name: each.getAttribute("aria-label") ?? each.labels?.[0]?.textContent ?? each.textContent, outlined: style.outlineStyle !== "none" || each.classList.contains("skip"), place: each.compareDocumentPosition(document.querySelector("main")) };
    }));
  }
  assert.equal(await page.locator("[data-walked]").count(), wanted, seen.map(({ name }) => name).join(" | "));
  assert.deepEqual(seen.filter(({ outlined }) => !outlined), []);
});
