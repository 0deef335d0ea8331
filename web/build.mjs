// Bundles the pages under src/ and writes them as C++ text: OUT/web_pages.cpp, which src/web/ looks them up in.
//
//   node build.mjs --out DIR --pages report,... --mode AUTO|ON --npm NPM [--esbuild ESBUILD] [--tests]
//
// Packages go to DIR/node_modules (`npm ci`, only when the lock file has changed); nothing is written beside the
// sources. With --mode AUTO a machine that reaches no package registry gets a file without pages and one line that
// says so; with ON that is an error. --tests also installs what the tests need.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    out: { type: "string" },
    pages: { type: "string" },
    mode: { type: "string", default: "AUTO" },
    npm: { type: "string", default: "npm" },
    esbuild: { type: "string", default: "" },
    tests: { type: "boolean", default: false },
  },
});
const out = options.out;
const manifests = ["package.json", "package-lock.json", ".npmrc"];

// An error whose text is one line for the person who builds.
class Unavailable extends Error {}

function installPackages() {
  const omit = [options.esbuild && "optional", !options.tests && "dev"].filter(Boolean);
  const hash = createHash("sha256").update(omit.join());
  for (const name of manifests) hash.update(readFileSync(join(here, name)));
  const wanted = hash.digest("hex");
  const stamp = join(out, "node_modules", ".refocus-stamp");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  for (const name of manifests) copyFileSync(join(here, name), join(out, name));
  const flags = ["ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1", "--loglevel=error"];
  try {
    execFileSync(options.npm, [...flags, ...omit.map((kind) => `--omit=${kind}`)], { cwd: out, stdio: "pipe" });
  } catch (error) {
    rmSync(join(out, "node_modules"), { recursive: true, force: true });
    const said = `${error.stderr ?? error.message}`.trim().split("\n");
    throw new Unavailable(`npm could not install the packages of web/ (${said[0].replace(/^npm (error|ERR!) /, "")})`);
  }
  writeFileSync(stamp, wanted);
}

// One bundle, as [text, packages that went into it].
function bundle(entry, extra) {
  const esbuild = options.esbuild || join(out, "node_modules", ".bin", "esbuild");
  const [meta, outfile] = [join(out, "bundle.meta.json"), join(out, `bundle${extname(entry)}`)];
  const files = [entry, `--outfile=${outfile}`, `--metafile=${meta}`];
  const settings = ["--bundle", "--minify", "--charset=utf8", "--legal-comments=none", "--log-level=warning"];
  // Imports of packages are looked up in OUT, since nothing is installed beside the sources.
  const env = { ...process.env, NODE_PATH: join(out, "node_modules") };
  execFileSync(esbuild, [...files, ...settings, ...extra], { env, stdio: "inherit" });
  const packages = new Set();
  for (const path of Object.keys(JSON.parse(readFileSync(meta, "utf8")).inputs)) {
    const found = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
  }
  return [readFileSync(outfile, "utf8").trimEnd(), [...packages].sort()];
}

// The licences of the packages, each text once, for the end of the page: they ask to go where the code goes.
function notices(packages) {
  const byText = new Map();
  for (const name of packages) {
    const folder = join(out, "node_modules", name);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(join(folder, file), "utf8").trim() : "see the package";
    byText.set(text, [...(byText.get(text) ?? []), name]);
  }
  const parts = [...byText].map(([text, names]) => `${names.join(", ")}:\n\n${text}`);
  return parts.length ? `<!-- This page contains\n\n${parts.join("\n\n").replaceAll("--", "- -")}\n-->` : "";
}

// Of the scripts that pages allow, by page.
const hashes = {};

// What a page may do. The one of `refocus serve` asks its own server, and opens reports as documents of its own, which
// have its policy beside theirs.
function policyOf(name) {
  const served = name === "chat";
  const scripts = [hashes[name], served && hashes.report].filter(Boolean).map((hash) => `'sha256-${hash}'`);
  return (
    `default-src 'none'; script-src ${scripts.join(" ")}; style-src 'unsafe-inline'; img-src data:; ` +
    `${served ? "connect-src 'self'; " : ""}base-uri 'none'; form-action 'none'`
  );
}

function makePage(name) {
  const source = join(here, "src", name);
  const [script, packages] = bundle(join(source, "main.js"), ["--format=iife", "--target=es2020"]);
  const [style] = bundle(join(source, "style.css"), []);
  // A script element ends at the first "</script", wherever that stands; the same goes for a style.
  const safeScript = script.replaceAll(/<(\/script|!--)/gi, "\\x3c$1");
  if (/<\/style/i.test(style)) throw new Error(`${name}/style.css must not contain </style`);
  hashes[name] = createHash("sha256").update(safeScript).digest("base64");
  const policy = policyOf(name);
  return readFileSync(join(source, "page.html"), "utf8")
    .replace("<!--refocus:policy-->", () => `<meta http-equiv="Content-Security-Policy" content="${policy}">`)
    .replace("<!--refocus:style-->", () => `<style>${style}</style>`)
    .replace("<!--refocus:script-->", () => `<script>${safeScript}</script>`)
    .concat(notices(packages), "\n");
}

// A raw string literal; GCC and Clang take long ones, but no literal may hold its own end.
function literal(text) {
  const delimiter = "refocus_page";
  if (text.includes(`)${delimiter}"`)) throw new Error("a page contains the end of its C++ literal");
  return `R"${delimiter}(${text})${delimiter}"`;
}

function writePages(pages, note) {
  const rows = pages.map(([name, text]) => `    {"${name}", {${literal(text)}, ${Buffer.byteLength(text)}}},\n`).join("");
  const body = `// Made at build time by web/build.mjs.${note}
#include "web/built_pages.h"

namespace refocus {

std::span<const BuiltPage> built_pages() {
${pages.length ? `  static constexpr BuiltPage kPages[] = {\n${rows}  };\n  return kPages;` : "  return {};"}
}

}  // namespace refocus
`;
  writeFileSync(join(out, "web_pages.cpp"), body);
}

mkdirSync(out, { recursive: true });
try {
  installPackages();
  writePages(options.pages.split(",").map((name) => [name, makePage(name)]), "");
} catch (error) {
  if (!(error instanceof Unavailable) || options.mode === "ON") {
    console.error(`web: ${error instanceof Unavailable ? error.message : error.stack}`);
    process.exit(1);
  }
  console.error(`web: ${error.message}; building without pages, reports will be plain`);
  writePages([], "\n// refocus: no pages, since npm could not install their packages.");
}
