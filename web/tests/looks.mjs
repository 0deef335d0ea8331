// What tests of pages look for besides what a page says: rules of accessibility (axe-core), texts that lie over each
// other, pixels, and fingers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const kAxe = join(resolve(process.env.REFOCUS_WEB_PACKAGES ?? "node_modules"), "axe-core", "axe.min.js");

/** The windows that every page is looked at in. */
export const kPhone = { width: 390, height: 844 };
export const kDesk = { width: 1440, height: 900 };

/** An option of `open` for pages that axe will look at. */
export const withAxe = { initScript: { path: kAxe } };

// "rule: element" of everything that axe finds wrong. Opened by itself in a frame, it would ask for style sheets.
function violations(page, rules) {
  return page.evaluate(async (only) => {
    const found = await axe.run(document, { resultTypes: ["violations"], preload: false, elementRef: false, ...(only && { runOnly: only }) });
    return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
  }, rules);
}

/** Fails where axe finds anything, on a phone and on a desk, in the light and in the dark, in which only colours differ. */
export async function assertAccessible(page) {
  for (const [viewport, colorScheme, rules] of [[kDesk, "light"], [kDesk, "dark", ["color-contrast"]], [kPhone, "dark", ["color-contrast"]], [kPhone, "light"]]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await frames(page);
    assert.deepEqual(await violations(page, rules), [], `${viewport.width} px, ${colorScheme}`);
  }
}

/** Two frames, in which a page draws what has changed. */
export const frames = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/** Pairs of texts of a drawing that lie over each other or beyond its edge, by their boxes; `place` is a selector of svg elements. */
export function overlaps(page, place) {
  return page.evaluate((selector) => {
    const bad = [];
    for (const drawing of document.querySelectorAll(selector)) {
      const edge = drawing.getBoundingClientRect();
      const texts = [...drawing.querySelectorAll("text")].filter((text) => text.textContent.trim() && !text.closest("[data-mark=tip]"));
      const boxes = texts.map((text) => text.getBoundingClientRect());
      boxes.forEach((a, i) => {
        if (a.left < edge.left - 1 || a.right > edge.right + 1 || a.top < edge.top - 1 || a.bottom > edge.bottom + 1) bad.push(`${texts[i].textContent} leaves the drawing`);
        for (let j = i + 1; j < boxes.length; j++) {
          const b = boxes[j];
          // A text's box has room above and below its letters.
          const [x, y] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
          if (x > 1 && y > 3) bad.push(`${texts[i].textContent} | ${texts[j].textContent}`);
        }
      });
    }
    return bad;
  }, place);
}

/** Fails where an element lies outside the window or another one covers its middle. */
export async function assertOnScreen(page, locator) {
  const wrong = await locator.evaluateAll((elements) => elements.flatMap((element) => {
    const box = element.getBoundingClientRect();
    const seen = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    const inside = box.width > 0 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
    return inside && (element === seen || element.contains(seen)) ? [] : [`${element.textContent} at ${Math.round(box.left)}, ${Math.round(box.top)}`];
  }));
  assert.deepEqual(wrong, []);
}

/** Two fingers on the line through (x, y) at `angle`, from `from` px apart to `to`. */
export async function pinch(page, { x, y, angle = 0, from, to }) {
  const client = await page.context().newCDPSession(page);
  const fingers = (apart) => [1, -1].map((side, id) => ({ id, x: x + (side * Math.cos(angle) * apart) / 2, y: y + (side * Math.sin(angle) * apart) / 2 }));
  await client.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: fingers(from) });
  for (let step = 1; step <= 8; step++) await client.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: fingers(from + ((to - from) * step) / 8) });
  await client.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await client.detach();
}

/** A downloaded file. */
export async function saved(page, locator) {
  const [download] = await Promise.all([page.waitForEvent("download"), locator.click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** The cells of CSV text without line breaks in cells. */
export const csvCells = (bytes) => bytes.toString().trim().split("\n").map((line) => [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].slice(0, -1).map(([, cell]) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell)));
