// What tests of pages share: headless Chromium that reports every request, console message and error of a page.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const kChromium = process.env.REFOCUS_CHROMIUM || "/usr/bin/chromium";
const kPackages = resolve(process.env.REFOCUS_WEB_PACKAGES ?? "node_modules");

/** Playwright, or null with a reason where it or Chromium is absent. */
export function playwright() {
  if (!existsSync(kChromium)) return { chromium: null, reason: `Chromium is not at ${kChromium}` };
  if (!existsSync(join(kPackages, "playwright-core"))) return { chromium: null, reason: "playwright-core is not installed" };
  const { chromium } = createRequire(join(kPackages, "/"))("playwright-core");
  return { chromium };
}

export function launch(chromium) {
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath: kChromium, args: flags });
}

/** Opens a file; `page.faults` fills with what no page of ours may do. `initScript` runs before the page's own. */
export async function open(browser, path, { hash = "", initScript, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, acceptDownloads: true, reducedMotion: "reduce", ...options });
  if (initScript) await context.addInitScript(initScript);
  const page = await context.newPage();
  page.faults = [];
  page.on("console", (message) => page.faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => page.faults.push(`error: ${error.message}`));
  page.on("request", (request) => {
    // The file itself, and pictures and downloads that the page makes of its own data.
    if (!/^(data|blob):/.test(request.url()) && !request.isNavigationRequest()) page.faults.push(`request: ${request.url()}`);
  });
  await page.goto(`file://${path}${hash && `#${hash}`}`);
  return page;
}
