// What tests of the page of `refocus serve` share: the server with the bundled model, and pages that it gives.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const kModel = fileURLToPath(new URL("../../models/small-worlds", import.meta.url));
export const kTemplate = "{% for m in messages %}{{ m.content }} {% endfor %}";

/** A template that makes of a conversation a text that the bundled model goes on with. */
export function writeTemplate(folder) {
  const path = join(folder, "template.jinja");
  writeFileSync(path, kTemplate);
  return path;
}

/** A running server: {url, stop()}. */
export function serve(program, options = [], { environment = {} } = {}) {
  const child = spawn(program, ["serve", "-m", kModel, "--name", "worlds", "--port", "0", ...options], { env: { ...process.env, ...environment } });
  let said = "";
  child.stderr.on("data", (bytes) => (said += bytes));
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
    child.stdout.on("data", (bytes) => {
      const found = `${bytes}`.match(/(http:\S+)\/v1/);
      if (!found) return;
      const stop = () => new Promise((ended) => {
        child.removeAllListeners("exit");
        child.on("exit", ended);
        child.kill("SIGTERM");
      });
      resolve({ url: found[1], stop, errors: () => said });
    });
  });
}

/** The page; `page.faults` fills with what it may not do: messages, errors, requests to anyone but its server. */
export async function visit(browser, url, { path = "/", initScript, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, reducedMotion: "reduce", ...options });
  if (initScript) await context.addInitScript(initScript);
  const page = await context.newPage();
  page.faults = [];
  page.expected = [];
  page.on("console", (message) => !page.expected.some((each) => each.test(message.text())) && page.faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => page.faults.push(`error: ${error.message}`));
  page.on("request", (request) => !request.url().startsWith(`${url}/`) && !/^(data|blob):/.test(request.url()) && page.faults.push(`request: ${request.url()}`));
  await page.goto(url + path);
  return page;
}

/** Asks, and waits for all answers. */
export async function askPage(page, text) {
  await page.fill("#prompt", text);
  await page.click("button.send");
  await answered(page);
}

export const answered = (page) => page.waitForSelector("button.send:not(:disabled)", { timeout: 120000 });
