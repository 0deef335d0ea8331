// How the page of `refocus serve` looks: accessible, on a phone and on a desk, in the light and in the dark.
// With REFOCUS_PICTURES=DIR it leaves pictures there to look at.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, playwright } from "./browser.mjs";
import { assertAccessible, assertOnScreen, frames, kDesk, kPhone, withAxe } from "./looks.mjs";
import { askPage, serve, visit, writeTemplate } from "./served.mjs";

const { chromium, reason } = playwright();
const skip = reason ?? false;
const { REFOCUS: program, REFOCUS_FIXTURE: fixture, REFOCUS_PICTURES: pictures } = process.env;
const folder = mkdtempSync(join(tmpdir(), "refocus-chat-looks-"));
const kQuestion = "Nina Fox reports to Hugo West. Hugo West reports to Oscar East. who is 2 above Nina Fox?";
let browser;
let server;

before(async () => {
  if (skip) return;
  execFileSync(fixture, ["toy", join(folder, "toy")]);
  server = await serve(program, ["--arm", "reb=rebalance:alpha=3", "--chat-template", writeTemplate(folder), "--runs", folder]);
  browser = await launch(chromium);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const picture = async (page, name) => pictures && page.screenshot({ path: join(pictures, `chat-${name}.png`) });

// The page after a question, with what a token looked at, and the controls.
async function used(t, options) {
  const page = await visit(browser, server.url, { ...withAxe, ...options });
  t.after(async () => {
    await page.context().close();
    assert.deepEqual(page.faults, []);
  });
  await page.waitForSelector("html[data-ready]");
  await askPage(page, kQuestion);
  return page;
}

const openLook = async (page) => {
  await page.locator(".answer .tok").nth(4).click();
  await page.waitForSelector(".look[data-shown='4']");
  await assertOnScreen(page, page.locator(".look h3"));
  await page.getByRole("listbox").locator(".word").nth(3).click();
};

test("the page before anything was asked", { skip }, async (t) => {
  const page = await visit(browser, server.url, { viewport: kPhone, ...withAxe });
  t.after(() => page.context().close());
  await page.waitForSelector("html[data-ready]");
  await assertOnScreen(page, page.locator("#prompt, button.send, .theme"));
  await picture(page, "390-empty");
  await assertAccessible(page);
  await page.setViewportSize(kDesk);
  await frames(page);
  await assertOnScreen(page, page.locator("#prompt, button.send, .theme, .conversation-list li, .run-list a"));
  await picture(page, "1440-empty");
});

for (const [name, viewport, colorScheme] of [["390-light", kPhone, "light"], ["390-dark", kPhone, "dark"], ["1280-light", { width: 1280, height: 900 }, "light"], ["1280-dark", { width: 1280, height: 900 }, "dark"]]) {
  test(`answers, attention and controls, ${name}`, { skip }, async (t) => {
    const page = await used(t, { viewport, colorScheme });
    await page.getByLabel("Shade tokens by probability").check();
    await picture(page, `${name}-answers`);
    await openLook(page);
    await picture(page, `${name}-look`);
    await page.click(".setup > summary");
    await page.getByRole("button", { name: "Add an arm" }).click();
    await frames(page);
    await picture(page, `${name}-setup`);
    // Nothing is wider than the window.
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
  });
}

test("axe finds nothing on a page in use", { skip }, async (t) => {
  const page = await used(t, { viewport: kDesk });
  await page.getByLabel("Shade tokens by probability").check();
  await openLook(page);
  await assertAccessible(page);
  await page.click(".setup > summary");
  await page.getByRole("button", { name: "Add an arm" }).click();
  await assertAccessible(page);
});

test("what can be pressed is large enough for a finger", { skip }, async (t) => {
  const page = await used(t, { viewport: kPhone });
  await openLook(page);
  const small = await page.locator("button:visible, select:visible, summary:visible, [role=gridcell]").evaluateAll((all) => all.map((each) => [each.textContent, each.getBoundingClientRect()]).filter(([, box]) => box.height < 24 || box.width < 24).map(([text, box]) => `${text} ${box.width}x${box.height}`));
  assert.deepEqual(small, []);
});
