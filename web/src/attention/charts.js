// Statistics by layer as charts: the mean over heads, or one head, a line an arm.
import * as Plot from "@observablehq/plot";
import { el } from "../shared/dom.js";
import { paper, saveButtons } from "../shared/export.js";
import { framed, quiet } from "../shared/figure.js";
import { help } from "../shared/help.js";
import { termOf } from "../shared/terms.js";
import { statisticTitle } from "./tokens.js";

const kCharts = ["entropy", "mass_first", "mass_self", "mass_previous", "mass_window", "mass_non_semantic", "jaccard_layer0",
  "divergence_layer0", "mass_mask_before", "mass_mask_after", "row_sum", "mass_negative", "received_ratio"];
const kClasses = ["special", "punctuation", "white_space", "function_word", "number", "content", "unknown"];

// What lines are told apart by besides their colour.
const kDashes = ["", "6 3", "2 3", "8 3 2 3", "1 2"];

function seriesColours(onPaper) {
  if (onPaper) return paper.series;
  const style = getComputedStyle(document.documentElement);
  return [1, 2, 3, 4, 5].map((i) => style.getPropertyValue(`--series-${i}`).trim());
}

// Mean over heads that have a number, or the head's.
function byLayer(grid, head) {
  return grid.map((row) => {
    if (head >= 0) return row[head];
    const values = row.filter((value) => value !== null);
    return values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
  });
}

function lineChart(rows, { arms, width, onPaper, yDomain }) {
  const colours = seriesColours(onPaper);
  const domain = arms.map((arm) => arm.short);
  const mark = (name) => domain.indexOf(name) % 5;
  return Plot.plot({
    width, height: Math.round(width * 0.56), marginLeft: 48, marginRight: 14, marginTop: 26, marginBottom: 34,
    style: { background: "transparent", fontSize: "12px", overflow: "visible", fontFamily: "inherit" },
    x: { label: "Layer", labelAnchor: "center", labelArrow: "none", ticks: 8, tickFormat: (d) => (Number.isInteger(d) ? String(d) : ""), inset: 6 },
    y: { label: null, grid: true, ticks: 5, domain: yDomain, nice: true, tickFormat: (d) => String(Number(d.toPrecision(6))) },
    color: { domain, range: colours.slice(0, domain.length) },
    marks: [
      ...arms.map((arm) => Plot.line(rows.filter((r) => r.arm === arm.short), { x: "layer", y: "value", stroke: colours[mark(arm.short)], strokeWidth: 2, strokeDasharray: kDashes[mark(arm.short)] })),
      Plot.dot(rows.filter((r) => r.value !== null), { x: "layer", y: "value", fill: "arm", r: 2.5, title: (r) => `${r.arm}, layer ${r.layer}: ${Number(r.value.toPrecision(5))}` }),
    ],
  });
}

const shadesOf = (onPaper) => (onPaper ? ["#2b4a6f", "#5b87b5", "#9dbbd6", "#c9d9e6", "#e0a96d", "#b34700", "#888888"] : ["#35567f", "#5b87b5", "#8fb2d1", "#bfd3e4", "#e0a96d", "#c05a12", "#888888"]);

function stackedChart(rows, { arms, width, onPaper, classes }) {
  const shades = shadesOf(onPaper);
  return Plot.plot({
    width, height: Math.max(150, Math.round(width * 0.56)), marginLeft: 48, marginRight: 14, marginTop: 26, marginBottom: 34,
    style: { background: "transparent", fontSize: "12px", overflow: "visible", fontFamily: "inherit" },
    x: { label: "Layer", labelAnchor: "center", labelArrow: "none", padding: 0.12, tickFormat: (d) => (rows.length / classes.length / arms.length > 16 && d % 4 ? "" : String(d)) },
    y: { label: null, ticks: 5, domain: [0, 1] },
    fx: { label: null },
    color: { domain: classes, range: kClasses.map((name, i) => [name, shades[i]]).filter(([name]) => classes.includes(name)).map(([, c]) => c) },
    marks: [Plot.barY(rows, { x: "layer", y: "value", fill: "tokenClass", fx: arms.length > 1 ? "arm" : undefined, order: classes, title: (r) => `${r.arm}, layer ${r.layer}, ${r.tokenClass.replaceAll("_", " ")}: ${Number(r.value.toPrecision(5))}` })],
  });
}

/** A legend of [text, colour, dash], or of areas where dash is null. */
export function swatches(entries) {
  return el("ul", { class: "legend" }, entries.map(([text, colour, dash]) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 12");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", "M0 6H24");
    line.setAttribute("style", `stroke:${colour};stroke-width:${dash === null ? 12 : 3};stroke-dasharray:${dash || "none"}`);
    svg.append(line);
    return el("li", {}, svg, text);
  }));
}

/** Charts in `box`; drawn again with draw(). */
export class Charts {
  constructor(data, box) {
    Object.assign(this, { data, box, tokenClass: "all", head: -1 });
    this.names = kCharts.filter((name) => data.statisticNames().includes(name));
  }

  async rows(name, tokenClass = this.tokenClass) {
    const out = [];
    for (let arm = 0; arm < this.data.arms.length; arm++) {
      const grid = await this.data.statistic(arm, name, tokenClass);
      if (!grid) continue;
      byLayer(grid, this.head).forEach((value, i) => out.push({ arm: this.data.arms[arm].short, layer: this.data.layers[i], value }));
    }
    return out;
  }

  /** `draw(options)` gives the plot; `legend` is what its lines or areas are, `rows` its numbers with a header. */
  figure(name, title, { draw, legend, rows }) {
    const own = () => framed(draw({ onPaper: true, width: 560 }), { title, legend: legend(paper), note: this.whose() });
    const place = el("div", { class: "plot", role: "img", "aria-label": `${title}, by layer` });
    place.append(quiet(draw({ onPaper: false, width: 360 })));
    const parts = ["attention", name, this.tokenClass === "all" ? "" : this.tokenClass];
    return el("figure", { "data-statistic": name }, el("figcaption", {}, el("span", {}, el("span", { class: "title" }, title), help(termOf(name))), saveButtons(title, parts, { draw: own, rows })), place);
  }

  // Whose numbers these are, where they are not of all queries and heads.
  whose() {
    const of = [this.tokenClass === "all" ? "" : `queries: ${this.tokenClass.replaceAll("_", " ")}`, this.head < 0 ? "" : `head ${this.data.heads[this.head]}`];
    return of.filter(Boolean).join(", ");
  }

  async massByClass() {
    const classes = kClasses.filter((name) => this.data.statisticNames().includes(`mass_${name}`));
    const rows = [];
    for (const tokenClass of classes) for (const row of await this.rows(`mass_${tokenClass}`)) if (row.value !== null) rows.push({ ...row, tokenClass });
    const used = classes.filter((name) => rows.some((row) => row.tokenClass === name && row.value > 0));
    if (used.length < 2) return null;
    const kept = rows.filter((row) => used.includes(row.tokenClass));
    const figure = this.figure("mass_by_class", "Mass by class of the key", {
      draw: (options) => stackedChart(kept, { ...options, arms: this.data.arms, classes: used, width: options.onPaper ? 560 : 360 * Math.min(2, this.data.arms.length) }),
      legend: () => used.map((name) => ({ label: name.replaceAll("_", " "), colour: shadesOf(true)[kClasses.indexOf(name)], area: true })),
      rows: () => [["arm", "layer", "class", "mass"], ...kept.map(({ arm, layer, tokenClass, value }) => [arm, layer, tokenClass, value])],
    });
    const shades = shadesOf(false);
    figure.append(swatches(used.map((name) => [name.replaceAll("_", " "), shades[kClasses.indexOf(name)], null])));
    if (this.data.arms.length > 1) figure.classList.add("double");
    return figure;
  }

  async draw() {
    const turn = (this.turn = {});
    const figures = [];
    for (const name of this.names) {
      const rows = await this.rows(name);
      if (!rows.some((row) => row.value !== null)) continue;
      figures.push(this.figure(name, statisticTitle(name), {
        draw: (options) => lineChart(rows, { ...options, arms: this.data.arms }),
        legend: ({ series }) => this.data.arms.map((arm, i) => ({ label: arm.short, colour: series[i % 5], dashes: kDashes[i % 5] })),
        rows: () => [["arm", "layer", name], ...rows.map(({ arm, layer, value }) => [arm, layer, value])],
      }));
    }
    const stacked = await this.massByClass();
    if (this.turn !== turn) return;
    const colours = seriesColours(false);
    const legend = swatches(this.data.arms.map((arm, i) => [arm.short, colours[i % 5], kDashes[i % 5]]));
    this.box.replaceChildren(legend, el("div", { class: "charts" }, figures, stacked));
  }
}
