// The explorer of attention maps: docs/attention.md says what it reads, src/analyze/explorer_page.cpp writes it.
import { debounced, el } from "../shared/dom.js";
import { help } from "../shared/help.js";
import { Charts } from "./charts.js";
import { onTheme } from "./colour.js";
import { Explorer } from "./data.js";
import { showLens } from "./lens.js";
import { buildOrigins } from "./origins.js";
import { excerpt, kWhole } from "./excerpt.js";
import { bound, contents, masthead, section } from "./page.js";
import { State } from "./state.js";
import { TokenText } from "./text.js";
import { fromWhere, number, visible } from "./tokens.js";
import { Workbench } from "./workbench.js";

const kBars = 12;

// A root that keeps the sign.
const signedRoot = (value) => Math.sign(value) * Math.sqrt(Math.abs(value));

/** A row: its tokens with lines to the keys, and its largest weights as bars. */
function buildRow(data, state, workbench) {
  const box = el("div", { id: "row-text", class: "token-box lined" });
  const bars = el("div", { id: "row-bars" });
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  let entries = [];
  let row = -1;
  let shown = null;
  let kind = "weights";
  let whole = false;
  const wholeButton = el("button", { type: "button", id: "whole-text", class: "quiet", "aria-pressed": "false", onclick: () => {
    whole = !whole;
    wholeButton.setAttribute("aria-pressed", String(whole));
    again();
  } }, "Whole text");
  const tell = (position) => {
    if (!shown) return;
    const arm = data.arms[state.arm];
    const start = `Query ${state.query} ${visible(arm.tokens[state.query])}`;
    const entry = entries.find(({ key }) => key === position);
    const past = position !== null && position > state.query;
    readout.textContent = position === null || past ? `${start}: ${entries.length} ${kind !== "difference" ? `weights, the rest of the row ${number(shown.rest[row], 4)}` : "keys that differ"}`
      : `${start} → key ${position} ${visible(arm.tokens[position])}: ${entry ? number(entry.weight, 6) : "not kept here"}${fromWhere(arm.tokens[position])}`;
  };
  const text = new TokenText(box, { label: "Tokens: choose a query", onLook: tell, onPick: (position) => {
    const arm = data.arms[state.arm];
    if (arm.rowOf.has(position)) state.update({ query: position, key: null });
  } });
  const draw = (maps) => {
    const arm = data.arms[state.arm];
    ({ shown, kind } = maps);
    row = arm.rowOf.get(state.query) ?? -1;
    entries = [];
    if (row < 0) {
      text.setTokens(arm.tokens, data.capture.prompt_tokens);
      return;
    }
    for (let i = shown.offsets[row]; i < shown.offsets[row + 1]; i++) if (shown.weights[i] !== 0) entries.push({ key: shown.keys[i], weight: shown.weights[i] });
    entries.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.key - b.key);
    wholeButton.hidden = arm.tokens.length <= kWhole;
    text.setTokens(arm.tokens, data.capture.prompt_tokens, whole ? undefined : excerpt(arm.tokens.length, state.query, entries.map(({ key }) => key)));
    const largest = Math.abs(entries[0]?.weight ?? 0);
    const values = new Float32Array(arm.keys);
    for (const { key, weight } of entries) values[key] = weight;
    // Weights by what they are of 1, roots so that small ones are seen; differences by the largest.
    if (kind === "difference") text.shade(values, largest, kind);
    else text.shade(values.map(signedRoot), 1, kind);
    text.mark(new Set(), state.query);
    text.connect(state.query, entries, kind === "difference" ? largest : 1, kind);
    const barRow = ({ key, weight }) => el("tr", {}, el("th", { scope: "row" }, el("span", { class: "where" }, `${key} `), el("bdi", {}, visible(arm.tokens[key]))),
      el("td", { class: "n" }, number(weight, 5)), el("td", { class: "bar-cell" }, el("span", { class: weight < 0 ? "less" : "more", style: `width:${((100 * Math.abs(weight)) / (largest || 1)).toFixed(1)}%` })));
    bars.replaceChildren(el("table", { class: `bars ${maps.kind}` }, el("caption", {}, entries.length > kBars ? `The ${kBars} largest of ${entries.length}` : "All that are kept here"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Key"), el("th", { scope: "col", class: "n" }, "Weight"), el("th", {}, el("span", { class: "unseen" }, "As a bar")))), el("tbody", {}, entries.slice(0, kBars).map(barRow))));
    tell(null);
  };
  const again = () => workbench.maps && draw(workbench.maps);
  state.onChange((changed) => changed.has("query") && again());
  onTheme(again);
  workbench.onMaps = draw;
  const long = data.arms.some(({ tokens }) => tokens.length > kWhole);
  return section("row", "One query", el("p", {}, "Lines go from the chosen query to the keys it attends to, the thicker the larger the weight. Choose another token as the query with a click, or with the arrow keys and Enter.", long ? " Shown are the surroundings of the query and of the keys that it looks at most." : ""), long ? el("div", { class: "controls" }, wholeButton) : "", readout, el("div", { class: "row-grid" }, el("div", { class: "token-scroll" }, box), bars));
}

/** The whole text, each token shaded by what it receives. */
function buildText(data, state) {
  const box = el("div", { id: "received-text", class: "token-box" });
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  let received = null;
  let outliers = new Set();
  const where = () => ({ head: `layer ${data.layers[state.layer]}, head ${data.heads[state.head]}`, layer: `layer ${data.layers[state.layer]}, mean over heads`, all: "mean over all layers and heads" })[state.text];
  const tell = (position) => {
    const { tokens } = data.arms[state.arm];
    readout.textContent = position === null || !received ? `Received weight in ${where()}` : `${position} ${visible(tokens[position])} (${tokens[position].class.replaceAll("_", " ")}) receives ${number(received[position], 6)} in ${where()}${fromWhere(tokens[position])}${outliers.has(position) ? "; an outlier" : ""}`;
  };
  const text = new TokenText(box, { label: "Tokens by the weight they receive", onLook: tell, onPick: (position) => {
    if (data.arms[state.arm].rowOf.has(position)) state.update({ query: position, key: null });
  } });
  const outliersOf = (arm) => new Set(arm.outliers.filter((o) => state.text === "all" || (o.layer === data.layers[state.layer] && (state.text === "layer" || o.head === data.heads[state.head]))).map((o) => o.key));
  const draw = async () => {
    const arm = data.arms[state.arm];
    const found = await data.received(state.arm, state.text === "all" ? -1 : state.layer, state.text === "head" ? state.head : -1);
    received = found;
    outliers = outliersOf(arm);
    text.setTokens(arm.tokens, data.capture.prompt_tokens);
    // Square roots: one key that receives most must not leave the others without a shade.
    const largest = found.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    text.shade(found.map(signedRoot), Math.sqrt(largest), arm.negative ? "signed" : "weights");
    text.mark(outliers, -1);
    tell(null);
  };
  state.onChange((changed) => ["arm", "layer", "head", "text"].some((name) => changed.has(name)) && draw());
  onTheme(draw);
  draw();
  const choices = [["head", "The chosen head"], ["layer", "The chosen layer, mean over heads"], ["all", "Mean over all layers and heads"]];
  return section("text", "Text by received weight", el("p", {}, "The mean weight that the queries from a token on give to it ", help("received"), "; shades go by its square root. Generated tokens are underlined, outlier keys ", help("outlier"), " framed."),
    el("div", { class: "controls" }, bound(state, "Of", "text", choices)), readout, el("div", { class: "token-scroll" }, box));
}

function buildCharts(data, state) {
  const box = el("div", { id: "charts" });
  const charts = new Charts(data, box);
  const redraw = debounced(() => charts.draw(), 30);
  const classes = [["all", "All tokens"], ...data.statistics.classes.map((name) => [name, name.replaceAll("_", " ")])];
  const select = (label, choices, set) => {
    const list = el("select", { onchange: () => (set(list.value), charts.draw()) }, choices.map(([value, text]) => el("option", { value }, text)));
    return el("label", {}, label, list);
  };
  state.onChange((changed) => changed.has("head") && charts.head >= 0 && ((charts.head = state.head), redraw()));
  onTheme(redraw);
  // Charts are drawn when they come near: a large page is then at hand sooner.
  const drawn = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    drawn.disconnect();
    charts.draw();
  }, { rootMargin: "600px" });
  drawn.observe(box);
  const note = data.arms.some((arm) => arm.negative) && el("p", { class: "note", id: "negative-note" }, "Where weights are negative, entropy, masses and outliers are of their sizes; Jaccard similarity and divergence take a negative weight for another key.");
  return section("statistics", "Statistics by layer", note || "", el("div", { class: "controls" }, select("Queries", classes, (value) => (charts.tokenClass = value)),
    select("Heads", [["-1", "Mean over heads"], ["0", "The chosen head"]], (value) => (charts.head = value === "0" ? state.head : -1))), box);
}

function buildLens(data, state) {
  const box = el("div", { id: "lens-table" });
  const draw = async () => showLens(box, await data.lens(), state.arm, data.arms[state.arm].tokens);
  state.onChange((changed) => changed.has("arm") && draw());
  onTheme(draw);
  draw();
  return section("lens", "Logit lens", el("p", {}, "What the model would say if it stopped after a layer. ", help("lens")), box);
}

async function start() {
  const data = await Explorer.open();
  const state = new State(data);
  const head = masthead(data);
  const workbench = new Workbench(data, state);
  const sections = [["heads", "Layers and heads"]];
  const parts = [];
  const add = (id, title, part) => (sections.push([id, title]), parts.push(part));
  if (data.hasMaps) {
    sections.push(["map-section", "Map"]);
    add("row", "One query", buildRow(data, state, workbench));
    add("text", "Text", buildText(data, state));
  }
  if (data.hasOrigins()) add("origins", "Origins", buildOrigins(data, state));
  if (data.statisticNames().length) add("statistics", "Statistics", buildCharts(data, state));
  if (data.hasLens()) add("lens", "Logit lens", buildLens(data, state));
  for (const waiting of document.querySelectorAll(".loading")) waiting.remove();
  document.body.prepend(el("button", { type: "button", class: "skip", onclick: () => document.getElementById("heads-title").focus() }, "Skip to the maps"), head, contents(sections), el("main", { id: "main" }, workbench.element, ...parts));
  await workbench.start();
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  document.body.prepend(el("p", { role: "alert" }, `The page could not be shown: ${error.message}`));
  throw error;
});
