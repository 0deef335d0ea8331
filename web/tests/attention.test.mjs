// The explorer in headless Chromium: what it shows is what the .npy files say.
//
//   REFOCUS=build/release/refocus REFOCUS_WEB_PACKAGES=build/release/web/node_modules node --test attention.test.mjs
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readNpy, writeCapture } from "./attention_fixture.mjs";
import { launch, open, playwright } from "./browser.mjs";
import { frames, saved } from "./looks.mjs";

const { chromium, reason } = playwright();
const skip = reason ?? false;
const dir = mkdtempSync(join(tmpdir(), "refocus-explorer-"));
const captures = {};
let browser;

before(async () => {
  if (skip) return;
  captures.sparse = writeCapture(join(dir, "sparse"), { tokens: 24, layers: 3, heads: 4, topK: 6 });
  captures.dense = writeCapture(join(dir, "dense"), { tokens: 18, layers: 2, heads: 3, dense: true, before: true });
  captures.negative = writeCapture(join(dir, "negative"), { tokens: 24, layers: 3, heads: 4, topK: 8, before: true, negative: true });
  captures.origins = writeCapture(join(dir, "origins"), { tokens: 24, layers: 3, heads: 4, topK: 24, origins: true });
  for (const name in captures) execFileSync(process.env.REFOCUS, ["explore", join(dir, name)], { stdio: "pipe" });
  browser = await launch(chromium);
});

after(async () => {
  await browser?.close();
  rmSync(dir, { recursive: true, force: true });
});

async function explorer(name, options) {
  const page = await open(browser, join(dir, name, "attention.html"), options);
  await page.waitForSelector("html[data-ready]");
  return page;
}

// Waits until `holds`, as drawing and decoding take their time.
async function eventually(holds, what) {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`expected that ${what}`);
}

async function finish(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

const field = (page, name) => page.locator(`[data-field=${name}]`).textContent();

const close = (shown, value) => assert.ok(Math.abs(Number(shown) - value) <= 1e-6, `the page shows ${shown}, the file has ${value}`);

// The weight of a query for a key in the files, or null where they do not keep it.
function weightInFiles(name, { arm = 0, layer, head, query, key, end = "" }) {
  const capture = captures[name];
  const { files } = capture.arms[arm];
  const row = (layer * capture.heads.length + head) * capture.queries.length + query;
  if (capture.kind === "dense") return readNpy(join(dir, name, files[`attention${end}`])).data[row * capture.keys + key];
  const indices = readNpy(join(dir, name, files[`top_indices${end}`]));
  const weights = readNpy(join(dir, name, files[`top_weights${end}`]));
  const k = indices.shape[3];
  for (let i = row * k; i < (row + 1) * k; i++) if (indices.data[i] === key) return weights.data[i];
  return null;
}

function inMask(name, { arm = 0, head, query, key }) {
  const capture = captures[name];
  const offsets = readNpy(join(dir, name, capture.arms[arm].files.mask_offsets)).data;
  const indices = readNpy(join(dir, name, capture.arms[arm].files.mask_indices)).data;
  const place = query * capture.heads.length + head;
  return indices.subarray(Number(offsets[place]), Number(offsets[place + 1])).includes(key);
}

// The middle of a cell of the large map, in the window.
async function cell(page, query, key) {
  const [left, top, x, y, across, down] = (await page.locator("#map").getAttribute("data-plot")).split(" ").map(Number);
  await page.locator("#map").scrollIntoViewIfNeeded();
  const box = await page.locator("#map").boundingBox();
  return [box.x + left + (key + 0.5 - x) * across, box.y + top + (query + 0.5 - y) * down];
}

async function choose(page, layer, head) {
  await page.locator("#choose-layer").selectOption(String(layer));
  await page.locator("#choose-head").selectOption(String(head));
  await page.locator("#map-title", { hasText: `Layer ${layer}, head ${head}` }).waitFor();
  await frames(page); // the map is drawn in the frame after
}

test("a head's cells show the weights of the files", { skip }, async () => {
  for (const name of ["sparse", "dense"]) {
    const page = await explorer(name);
    let seen = 0;
    for (const [layer, head, query, key] of [[1, 2, 12, 0], [0, 1, 9, 8], [1, 0, 15, 14], [1, 1, 17, 3]]) {
      await choose(page, layer, head);
      await page.mouse.move(...(await cell(page, query, key)));
      assert.match(await field(page, "query"), new RegExp(`^${query} `));
      assert.match(await field(page, "key"), new RegExp(`^${key} `));
      const weight = weightInFiles(name, { layer, head, query, key });
      const shown = await field(page, "weight");
      if (weight === null) assert.match(shown, /^≤ 0.* \(not kept\)$/);
      else close(shown, weight);
      seen += weight !== null;
      assert.equal(await field(page, "mask"), inMask(name, { head, query, key }) ? "yes" : "no");
    }
    assert.ok(seen >= 2);
    await finish(page);
  }
});

test("weights before, and changes, are those of the files", { skip }, async () => {
  const page = await explorer("dense", { hash: "arm=rebalance_alpha%3D0.2" });
  await choose(page, 1, 0);
  let changed = 0;
  for (let query = 4; query < 18; query++) {
    for (let key = 0; key < query; key++) {
      if (!inMask("dense", { arm: 1, head: 0, query, key })) continue;
      const place = { arm: 1, layer: 1, head: 0, query, key };
      await page.mouse.move(...(await cell(page, query, key)));
      const [after, before] = [weightInFiles("dense", place), weightInFiles("dense", { ...place, end: "_before" })];
      close(await field(page, "before"), before);
      close(await field(page, "change"), after - before);
      assert.equal(await field(page, "mask"), "yes");
      changed += before !== after;
    }
  }
  assert.ok(changed > 3);
  await finish(page);
});

test("the map of differences has the difference of two arms", { skip }, async () => {
  const page = await explorer("dense", { hash: "view=difference&layer=1&head=2" });
  let different = 0;
  for (const [query, key] of [[9, 0], [14, 9], [15, 12], [16, 15], [17, 13]]) {
    await page.mouse.move(...(await cell(page, query, key)));
    const place = { layer: 1, head: 2, query, key };
    const difference = weightInFiles("dense", place) - weightInFiles("dense", { ...place, arm: 1 });
    close(await field(page, "difference"), difference);
    different += difference !== 0;
  }
  assert.ok(different > 0);
  // The row's bars are of the same map.
  await page.mouse.click(...(await cell(page, 17, 3)));
  await eventually(() => /key=3/.test(page.url()), "the address has the cell");
  assert.match(await field(page, "query"), /^17 /);
  const [key, weight] = await page.locator("#row-bars tbody tr").first().evaluate((row) => [parseInt(row.cells[0].textContent, 10), Number(row.cells[1].textContent)]);
  const place = { layer: 1, head: 2, query: 17, key };
  const difference = weightInFiles("dense", place) - weightInFiles("dense", { ...place, arm: 1 });
  assert.ok(Math.abs(weight - difference) < 1e-5, `the bar of key ${key} has ${weight}, the files ${difference}`);
  await finish(page);
});

// Colours of the middles of cells of the large map, as [red, green, blue].
function coloursOf(page, cells) {
  return page.evaluate((cells) => {
    const overlay = document.querySelector("#map");
    const canvas = overlay.parentElement.querySelector("canvas:not(#map)");
    const [left, top, x, y, across, down] = overlay.dataset.plot.split(" ").map(Number);
    const context = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height }).getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    return cells.map(([query, key]) => [...context.getImageData(Math.round(left + (key + 0.5 - x) * across), Math.round(top + (query + 0.5 - y) * down), 1, 1).data.slice(0, 3)]);
  }, cells);
}

const linear = (rgb) => rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));

// WCAG's relative luminance.
function luminance(rgb) {
  const [r, g, b] = linear(rgb);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// What those see who lack a kind of cones (Machado, Oliveira and Fernandes, 2009): protanopia, deuteranopia.
const blindness = [[[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]];
const seenBy = (matrix, rgb) => matrix.map((row) => row.reduce((sum, factor, i) => sum + factor * linear(rgb)[i], 0));

// Of an arm with negative weights: cells [query, key] of layer 1, head 1 whose weights are below -0.02, above 0.02, and
// not kept.
function signedCells() {
  const found = { below: [], above: [], absent: [] };
  for (let query = 4; query < 24; query++) {
    for (let key = 0; key <= query; key++) {
      const weight = weightInFiles("negative", { arm: 1, layer: 1, head: 1, query, key });
      if (weight === null) found.absent.push([query, key]);
      else if (weight < -0.02) found.below.push([query, key]);
      else if (weight > 0.02) found.above.push([query, key]);
    }
  }
  assert.ok(found.below.length > 5 && found.above.length > 5 && found.absent.length > 5);
  return found;
}

const negativeView = "arm=rebalance_alpha%3D-3&layer=1&head=1";

test("negative weights are blue, positive ones orange, in light and dark, and the legend says so", { skip }, async () => {
  const { below, above, absent } = signedCells();
  const page = await explorer("negative", { hash: negativeView });
  for (const colorScheme of ["light", "dark"]) {
    for (const scale of ["log", "linear"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.locator("#choose-scale").selectOption(scale);
      await frames(page);
      const zero = (await coloursOf(page, absent))[0];
      for (const rgb of await coloursOf(page, absent)) assert.deepEqual(rgb, zero, "what is not kept looks like zero");
      for (const [cells, isBlue] of [[below, true], [above, false]]) {
        for (const rgb of await coloursOf(page, cells)) {
          assert.equal(rgb[2] > rgb[0], isBlue, `${rgb} is ${isBlue ? "blue" : "orange"}`);
          for (const matrix of blindness) {
            const [r, , b] = seenBy(matrix, rgb);
            assert.equal(b > r, isBlue, `${rgb} stays so without one kind of cones`);
          }
        }
      }
      // The further from zero the further from the page's colour: in the dark lighter, in the light darker.
      const away = (rgb) => (colorScheme === "dark" ? 1 : -1) * (luminance(rgb) - luminance(zero));
      for (const rgb of await coloursOf(page, [...below, ...above])) assert.ok(away(rgb) > 0, `${rgb} against ${zero}`);
      const ticks = await page.locator(".map-legend .ticks span").allTextContents();
      assert.equal(ticks.length, 5);
      if (scale === "log") assert.deepEqual(ticks.map((tick) => tick.replace(/^[≤≥] /, "")), ["−1", "−0.01", "±0.0001", "0.01", "1"]);
      else assert.ok(ticks[0] === `−${ticks[4]}` && ticks[2] === "0", ticks.join(" "));
      assert.match(await page.locator("#map-signs").textContent(), /Blue: negative weights; orange: positive/);
    }
  }
  await finish(page);
  // An arm without negative weights keeps its scale, and so do the weights before the intervention.
  for (const hash of ["layer=1&head=1", `${negativeView}&view=before`]) {
    const page = await explorer("negative", { hash });
    assert.deepEqual(await page.locator(".map-legend .ticks span").allTextContents(), ["≤ 0.0001", "0.001", "0.01", "0.1", "1"]);
    assert.equal(await page.locator("#map-signs").textContent(), "");
    await finish(page);
  }
});

test("cells, rows and received weights show negative numbers as the files have them", { skip }, async () => {
  const page = await explorer("negative", { hash: negativeView });
  const { below, absent } = signedCells();
  const before = ([query, key]) => weightInFiles("negative", { arm: 1, layer: 1, head: 1, query, key, end: "_before" });
  const [query, key] = below.findLast((place) => place[0] < 23 && before(place) !== null);
  await page.mouse.move(...(await cell(page, query, key)));
  const place = { arm: 1, layer: 1, head: 1, query, key };
  close(await field(page, "weight"), weightInFiles("negative", place));
  close(await field(page, "before"), before([query, key]));
  assert.equal(await field(page, "mask"), "yes");
  await page.mouse.move(...(await cell(page, ...absent.at(-1))));
  const bound = (await field(page, "weight")).match(/^−([\d.e-]+) to ([\d.e-]+) \(not kept\)$/);
  assert.ok(bound && bound[1] === bound[2] && Number(bound[1]) > 0, await field(page, "weight"));
  // The bars are sorted by size, and their colours tell the sign.
  await page.mouse.click(...(await cell(page, query, key)));
  await eventually(() => page.url().includes(`query=${query}`), "the address has the cell");
  const bars = await page.locator("#row-bars tbody tr").evaluateAll((rows) => rows.map((row) => ({
    weight: Number(row.cells[1].textContent), colour: getComputedStyle(row.querySelector(".bar-cell span")).backgroundColor })));
  const sizes = bars.map(({ weight }) => Math.abs(weight));
  assert.deepEqual(sizes, [...sizes].sort((a, b) => b - a));
  const colours = (sign) => new Set(bars.filter(({ weight }) => Math.sign(weight) === sign).map(({ colour }) => colour));
  assert.ok(colours(1).size === 1 && colours(-1).size === 1 && ![...colours(1)].some((colour) => colours(-1).has(colour)));
  // The text: no token loses its shade for being negative.
  const shades = await page.locator("#row-text .token").evaluateAll((tokens) => tokens.map((token) => token.style.backgroundColor));
  assert.ok(shades[key] !== "" && shades.every((shade) => !shade.includes("NaN")));
  const received = readNpy(join(dir, "negative", captures.negative.arms[1].files.received)).data.subarray(5 * 24, 6 * 24);
  const least = received.indexOf(Math.min(...received));
  assert.ok(received[least] < 0);
  await page.locator("#received-text .token").nth(least).hover();
  const said = await page.locator("#text .readout").textContent();
  assert.ok(Math.abs(Number(said.match(/receives (-[\d.e-]+)/)[1]) - received[least]) < 1e-6, said);
  assert.notEqual(await page.locator("#received-text .token").nth(least).evaluate((token) => token.style.backgroundColor), "");
  await finish(page);
});

test("small pictures and statistics of an arm with negative weights have two sides", { skip }, async () => {
  const page = await explorer("negative", { hash: negativeView });
  const hues = () => page.evaluate(() => {
    const canvas = document.querySelector("#grid");
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height }).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const seen = { blue: 0, orange: 0 };
    for (let i = 0; i < data.length; i += 4) {
      seen.blue += data[i + 2] > data[i] + 30;
      seen.orange += data[i] > data[i + 2] + 30;
    }
    return seen;
  });
  await eventually(async () => (await hues()).blue > 50 && (await hues()).orange > 50, "the pictures have both colours");
  const show = async (name) => {
    await page.locator("#choose-show").selectOption(name);
    await page.locator("#grid").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    return page.locator("#grid-readout").textContent();
  };
  const grids = JSON.parse(readFileSync(join(dir, "negative", "statistics.json"))).arms[1].statistics;
  const share = Number((await show("mass_negative")).match(/negative ([\d.]+)$/)[1]);
  assert.ok(share > 0 && Math.abs(share - grids.mass_negative.all[1][0]) < 1e-3);
  const under = Number((await show("mass_mask_after")).match(/after (-[\d.]+)$/)[1]);
  assert.ok(Math.abs(under - grids.mass_mask_after.all[1][0]) < 1e-3, "a sum below 0");
  assert.ok((await hues()).blue > 50, "which is blue");
  await page.locator("#choose-show").selectOption("mass_negative");
  await page.locator("#choose-arm").selectOption("0");
  await page.locator("#grid-readout", { hasText: "has no value" }).waitFor();
  assert.match(await page.locator("#negative-note").textContent(), /negative/);
  await finish(page);
});

test("a map with negative weights is saved with both colours and its legend", { skip }, async () => {
  const page = await explorer("negative", { hash: negativeView });
  const drawing = await saved(page, page.getByRole("button", { name: "Save the visible map as SVG" }));
  const text = drawing.bytes.toString();
  const fills = [...text.matchAll(/<rect x="[^"]*" y="[^"]*" width="[^"]*" height="[^"]*" fill="#(..)(..)(..)"\/>/g)].map((m) => m.slice(1).map((c) => parseInt(c, 16)));
  const { below, above } = signedCells();
  assert.ok(fills.filter(([r, , b]) => b > r).length >= below.length);
  assert.ok(fills.filter(([r, , b]) => r > b).length >= above.length);
  for (const tick of ["−0.01", "±0.0001", "0.01", "Blue: negative weights; orange: positive ones."]) assert.ok(text.includes(`>${tick}</text>`), tick);
  const picture = await saved(page, page.getByRole("button", { name: "Save the visible map as PNG" }));
  assert.equal(picture.bytes.subarray(1, 4).toString(), "PNG");
  await finish(page);
});

test("M is drawn over the map when it is asked for", { skip }, async () => {
  const page = await explorer("sparse");
  await choose(page, 0, 1);
  const query = [...Array(24).keys()].reverse().find((q) => [...Array(q).keys()].some((k) => inMask("sparse", { head: 1, query: q, key: k })));
  const key = [...Array(query).keys()].find((k) => inMask("sparse", { head: 1, query, key: k }));
  const redness = () => page.evaluate(([query, key]) => {
    const overlay = document.querySelector("#map");
    const canvas = overlay.parentElement.querySelector("canvas:not(#map)");
    const [left, top, x, y, across, down] = overlay.dataset.plot.split(" ").map(Number);
    const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, left + (key - x) * across, top + (query - y) * down, across, down, 0, 0, across, down);
    const data = copy.getImageData(0, 0, across, down).data;
    let red = 0;
    for (let i = 0; i < data.length; i += 4) red += data[i] > data[i + 1] + 60 && data[i] > data[i + 2] + 60;
    return red;
  }, [query, key]);
  const without = await redness();
  await page.locator("#choose-mask").click();
  assert.equal(without, 0);
  await eventually(async () => (await redness()) > 10, "M's cells are marked");
  await finish(page);
});

test("the keyboard alone chooses a head, a cell and a query", { skip }, async () => {
  const page = await explorer("sparse", { hash: "layer=0&head=0" });
  await page.locator("#grid").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await page.locator("#map-title", { hasText: "Layer 1, head 1" }).waitFor();
  await page.locator("#map").focus();
  await page.keyboard.press("Enter"); // the cell that is held: the last query
  await page.keyboard.press("Home");
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowUp");
  assert.match(await field(page, "query"), /^20 /);
  assert.match(await field(page, "key"), /^0 /);
  close(await field(page, "weight"), weightInFiles("sparse", { layer: 1, head: 1, query: 20, key: 0 }));
  await page.keyboard.press("Enter");
  await eventually(() => /layer=1&head=1&query=20&key=0/.test(page.url()), "the address has the view");
  const plot = () => page.locator("#map").getAttribute("data-plot");
  const fitted = await plot();
  await page.keyboard.press("+");
  await eventually(async () => (await plot()) !== fitted, "+ zooms");
  await page.keyboard.press("0");
  await eventually(async () => (await plot()) === fitted, "0 shows the whole map");
  // An address is a view.
  const again = await explorer("sparse", { hash: page.url().split("#")[1] });
  assert.equal(await again.locator("#map-title").textContent(), "Layer 1, head 1");
  assert.match(await field(again, "query"), /^20 /);
  await finish(again);
  await finish(page);
});

test("the text shows what each token receives", { skip }, async () => {
  const page = await explorer("sparse", { hash: "layer=2&head=3" });
  const received = readNpy(join(dir, "sparse", captures.sparse.arms[0].files.received));
  await page.locator("#received-text .token").nth(5).hover();
  const said = await page.locator("#text .readout").textContent();
  const value = Number(said.match(/receives ([\d.e-]+)/)[1]);
  assert.ok(Math.abs(value - received.data[(2 * 4 + 3) * 24 + 5]) < 1e-6, said);
  await page.locator("#choose-text").selectOption("all");
  await page.locator("#text .readout", { hasText: "mean over all" }).waitFor();
  await page.locator("#received-text .token").nth(8).hover();
  await page.locator("#received-text .token").nth(5).hover();
  let sum = 0;
  for (let map = 0; map < 12; map++) sum += received.data[map * 24 + 5] / 12;
  const mean = Number((await page.locator("#text .readout").textContent()).match(/receives ([\d.e-]+)/)[1]);
  assert.ok(Math.abs(mean - sum) < 1e-6);
  assert.equal(await page.locator("#received-text .token.outlier").count(), 1);
  await finish(page);
});

test("what a token says cannot break the page", { skip }, async () => {
  const page = await explorer("sparse");
  assert.equal(await page.locator("main script, h1 b").count(), 0);
  const texts = await page.locator("#row-text .token").allTextContents();
  assert.equal(texts[1], "<script>alert(1)</script>");
  assert.equal(texts[2], "↵");
  assert.equal(texts[5], "⟨202E⟩");
  assert.equal(texts[10], "␀");
  await finish(page);
});

// Parsed by the browser as XML; the numbers of elements by name.
async function svgElements(page, bytes) {
  return page.evaluate((text) => {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    if (parsed.querySelector("parsererror")) return parsed.querySelector("parsererror").textContent;
    const counts = { root: parsed.documentElement.localName, width: Number(parsed.documentElement.getAttribute("width")) };
    for (const element of parsed.querySelectorAll("*")) counts[element.localName] = (counts[element.localName] ?? 0) + 1;
    return counts;
  }, bytes.toString("utf8"));
}

test("maps and charts are saved as SVG and PNG", { skip }, async () => {
  const page = await explorer("sparse", { hash: "layer=1&head=2&mask=1", colorScheme: "dark" });
  const map = await saved(page, page.getByRole("button", { name: "Save the visible map as SVG" }));
  assert.match(map.name, /layer1-head2-weights\.svg$/);
  const drawn = await svgElements(page, map.bytes);
  assert.equal(drawn.root, "svg");
  let entries = 0; // those that are drawn in another colour than no weight
  for (let query = 0; query < 24; query++) for (let key = 0; key <= query; key++) entries += (weightInFiles("sparse", { layer: 1, head: 2, query, key }) ?? 0) > 1.02e-4;
  assert.ok(Math.abs(drawn.rect - 4 - entries) <= 2, `${drawn.rect} rects for ${entries} weights`);
  assert.equal(drawn.text, 1 + 24 + 24 + 5);
  const picture = await saved(page, page.getByRole("button", { name: "Save the visible map as PNG" }));
  assert.equal(picture.bytes.subarray(1, 4).toString(), "PNG");
  assert.equal(picture.bytes.readUInt32BE(16), 2 * drawn.width);
  await page.locator("#charts").scrollIntoViewIfNeeded();
  await page.locator("figure[data-statistic=entropy]").waitFor();
  const chart = await saved(page, page.getByRole("button", { name: "Entropy (nats) as SVG" }));
  const lines = await svgElements(page, chart.bytes);
  assert.equal(lines.root, "svg");
  assert.equal(lines.circle, 3 * 2);
  const chartPicture = await saved(page, page.getByRole("button", { name: "Entropy (nats) as PNG" }));
  assert.equal(chartPicture.bytes.subarray(1, 4).toString(), "PNG");
  assert.equal(chartPicture.bytes.readUInt32BE(16), 1120);
  await finish(page);
});

const originsOf = (arm) => JSON.parse(readFileSync(join(dir, "origins", "statistics.json"))).arms[arm].origins;

test("tokens say where they are from, beside the map and in it", { skip }, async () => {
  const page = await explorer("origins", { hash: "layer=1&head=1" });
  const { tokens } = captures.origins;
  await page.mouse.move(...(await cell(page, 13, 3)));
  assert.equal(await field(page, "query-origin"), tokens[13].origin);
  assert.equal(await field(page, "key-origin"), "message 1 (user), field <i>role</i>");
  // The stripes beside the plot have the colours of the legend.
  const legend = new Map(await page.locator("#origin-legend li").evaluateAll((items) => items.map((item) => {
    const probe = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    probe.fillStyle = getComputedStyle(item.querySelector("path")).stroke;
    probe.fillRect(0, 0, 1, 1);
    return [item.textContent, [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)].join()];
  })));
  assert.deepEqual([...legend.keys()], [...new Set(tokens.map(({ origin }) => origin))]);
  assert.equal(new Set(legend.values()).size, legend.size, "no two are alike");
  const stripes = await page.evaluate((count) => {
    const overlay = document.querySelector("#map");
    const canvas = overlay.parentElement.querySelector("canvas:not(#map)");
    const [left, top, , , across, down] = overlay.dataset.plot.split(" ").map(Number);
    const context = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height }).getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const at = (x, y) => [...context.getImageData(Math.round(x), Math.round(y), 1, 1).data.slice(0, 3)].join();
    return Array.from({ length: count }, (_, i) => [at(left + (i + 0.5) * across, top - 4), at(left - 4, top + (i + 0.5) * down)]);
  }, tokens.length);
  stripes.forEach(([key, query], position) => {
    assert.equal(key, legend.get(tokens[position].origin), `key ${position}`);
    assert.equal(query, legend.get(tokens[position].origin), `query ${position}`);
  });
  await page.locator("#origin-text .token").nth(12).hover();
  assert.match(await page.locator("#origins .readout").textContent(), /^12 .*, from message 1 \(user\), field <i>role<\/i>$/);
  await page.locator("#row-text .token").nth(5).hover();
  assert.match(await page.locator("#row .readout").textContent(), /, from message 1 \(user\), shot 0$/);
  const drawing = await saved(page, page.getByRole("button", { name: "Save the visible map as SVG" }));
  const changes = tokens.filter(({ origin }, i) => i === 0 || origin !== tokens[i - 1].origin).length;
  assert.equal([...drawing.bytes.toString().matchAll(/<rect x="-?[\d.]+" y="-7.00"|<rect x="-7.00"/g)].length, 2 * changes);
  await finish(page);
});

test("the table has the shares of the files, for every group of rows, arm and head", { skip }, async () => {
  const page = await explorer("origins", { hash: "layer=1&head=2" });
  const percent = (share) => (100 * share).toFixed(1);
  const rowOf = (group) => page.locator("#origin-shares tbody tr").evaluateAll((rows, name) => [...rows.find((row) => row.dataset.group === name).cells].map((one) => one.textContent), group);
  for (const arm of [0, 1]) {
    if (arm > 0) await page.locator("#choose-arm").selectOption(String(arm));
    const origins = originsOf(arm);
    for (const queries of ["all", "last", "shot:1"]) {
      await page.locator("#origin-queries").selectOption(queries);
      await page.locator("#origin-shares caption", { hasText: `${origins.queries[queries]} row${origins.queries[queries] === 1 ? "" : "s"} of ${arm === 0 ? "none" : "rebalance"}` }).waitFor();
      for (const group of ["data", "shot:0", "field:<i>role</i>"]) {
        const means = origins.shares[queries][group].map((heads) => heads.reduce((a, b) => a + b, 0) / heads.length);
        const cells = await rowOf(group);
        assert.deepEqual(cells.slice(0, 4), [group, String(origins.keys[group]), percent(origins.even[queries][group]), percent(means.reduce((a, b) => a + b, 0) / means.length)]);
        assert.deepEqual(cells.slice(5), means.map(percent), "after the mean of the other arm");
      }
    }
  }
  await page.locator("#origin-heads").selectOption("0");
  await page.locator("#origin-shares caption", { hasText: "head 2" }).waitFor();
  assert.deepEqual((await rowOf("shot:0")).slice(5), originsOf(1).shares["shot:1"]["shot:0"].map((heads) => percent(heads[2])));
  assert.equal(await page.locator("#origin-shares tbody tr").count(), originsOf(1).groups.length);
  await finish(page);
});

test("heads can be sorted by the share that an origin gets", { skip }, async () => {
  const page = await explorer("origins");
  await page.locator("#choose-show").selectOption("share:last:shot:0");
  await page.locator("#choose-sort").selectOption("falling");
  await page.locator("#grid").focus();
  await page.keyboard.press("Home");
  const shares = originsOf(0).shares.last["shot:0"].flat();
  const most = Math.max(...shares);
  await eventually(async () => /Share on shot:0, of the prompt's last token/.test(await page.locator("#grid-readout").textContent()), "the share is shown");
  const said = await page.locator("#grid-readout").textContent();
  assert.ok(Math.abs(Number(said.split(" ").at(-1)) - most) < 1e-3, said);
  assert.ok(said.startsWith(`Layer ${Math.floor(shares.indexOf(most) / 4)}, head ${shares.indexOf(most) % 4}`), said);
  await eventually(() => /show=share%3Alast%3Ashot%3A0/.test(page.url()), "the address has it");
  await finish(page);
});

test("where origins are not known, nothing is said of them", { skip }, async () => {
  const page = await explorer("sparse");
  assert.equal(await page.locator("#origins").count(), 0);
  assert.equal(await page.locator("[data-field=key-origin]").count(), 0);
  assert.equal(await page.locator("#choose-show option[value^=share]").count(), 0);
  await finish(page);
});

test("the grid and the lens can be read without a mouse", { skip }, async () => {
  const page = await explorer("sparse");
  await page.locator("#choose-show").selectOption("entropy");
  await page.locator("#choose-sort").selectOption("falling");
  await page.locator("#grid").focus();
  await page.keyboard.press("Home");
  const statistics = JSON.parse(readFileSync(join(dir, "sparse", "statistics.json"))).arms[0].statistics.entropy.all;
  const most = Math.max(...statistics.flat());
  const said = await page.locator("#grid-readout").textContent();
  assert.ok(Math.abs(Number(said.split(" ").at(-1)) - most) < 1e-3, said);
  const place = statistics.flat().indexOf(most);
  assert.ok(said.startsWith(`Layer ${Math.floor(place / 4)}, head ${place % 4}`), said);
  await page.locator("table.lens td").first().focus();
  await page.keyboard.press("ArrowRight");
  assert.match(await page.locator("#lens .readout").textContent(), /^After position 22 .*, layer 1: ·w1 0\.24/);
  await finish(page);
});

test("a narrow window has no sideways scrolling", { skip }, async () => {
  const page = await explorer("sparse", { viewport: { width: 360, height: 780 }, hasTouch: true });
  await page.locator("#charts").scrollIntoViewIfNeeded();
  await page.locator("figure[data-statistic=entropy]").waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await choose(page, 1, 2);
  await page.touchscreen.tap(...(await cell(page, 20, 0)));
  assert.match(await field(page, "query"), /^20 /);
  await finish(page);
  const origins = await explorer("origins", { viewport: { width: 360, height: 780 } });
  await origins.locator("#origin-shares table").waitFor();
  assert.equal(await origins.evaluate(() => document.documentElement.scrollWidth), 360);
  await finish(origins);
});
