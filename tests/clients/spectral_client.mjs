// Spectral (@stoplight/spectral-cli), a linter of descriptions: /openapi.json is one that generators of clients can read.
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, run, url } from "./served.mjs";

await run(async () => {
  const folder = mkdtempSync(join(tmpdir(), "refocus-spectral-"));
  const text = await (await fetch(url + "/openapi.json")).text();
  expect("paths", Object.keys(JSON.parse(text).paths).length > 8, true);
  writeFileSync(join(folder, "openapi.json"), text);
  // What catalogues want is left out: whom to write to, tags, addresses, and a description beside each summary.
  const off = ["info-contact", "operation-tags", "oas3-api-servers", "operation-description"];
  writeFileSync(join(folder, "rules.yaml"), `extends: spectral:oas\nrules: {${off.map((rule) => rule + ": off").join(", ")}}\n`);
  let out = "[]";
  try {
    out = execFileSync(join("node_modules", ".bin", "spectral"),
      ["lint", "-q", "-f", "json", "--fail-severity", "hint", "-D", "-r", join(folder, "rules.yaml"), join(folder, "openapi.json")],
      { encoding: "utf8" });
  } catch (e) {
    out = e.stdout;
  }
  expect("faults", JSON.parse(out || "[]").map((f) => `${f.code} at ${f.path.join(".")}: ${f.message}`), []);
});
