// Accuracies along a sweep, as src/eval/report/sweep_figure.cpp draws them for files: a panel for each task, kind of
// prompt and method, with a scale of its own; what curves are stands in a legend above, never at their ends.
import * as Plot from "@observablehq/plot";
import { el } from "../shared/dom.js";
import { paper, saveButtons, screen } from "../shared/export.js";
import { dashesOf, framed, legendList, responsive, symbolOf } from "../shared/figure.js";

const kMostBars = 6; // curves beyond which bars are a thicket
const kTickRoom = 40; // px

const percent = (fraction) => (100 * fraction).toFixed(1);

/** "alpha", or where the file names the method "boost:factor". */
const axisOf = (curve) => (curve.method ? `${curve.method}:${curve.axis}` : curve.axis);

const settingsOf = (curve, keys) => keys.map((key) => `${key}=${curve.fixed[key]}`).join(" ");

// The panels of a sweep (sweep.json): {title, common, axis, baseline, curves: [{label, points}]}.
function panelsOf(sweep) {
  const panels = new Map();
  for (const task of sweep.tasks) {
    for (const curve of task.curves) {
      const points = curve.points.filter((point) => point.accuracy !== null);
      if (points.length === 0) continue;
      const id = JSON.stringify([task.task, curve.prompt, axisOf(curve)]);
      if (!panels.has(id)) panels.set(id, { task: task.task, prompt: curve.prompt, method: curve.method, axis: axisOf(curve), baseline: curve.baseline, curves: [] });
      panels.get(id).curves.push({ ...curve, fixed: curve.fixed ?? {}, points });
    }
  }
  for (const panel of panels.values()) {
    const keys = [...new Set(panel.curves.flatMap(({ fixed }) => Object.keys(fixed)))];
    const varies = (key) => new Set(panel.curves.map(({ fixed }) => JSON.stringify(fixed[key]))).size > 1;
    panel.name = [panel.task, panel.prompt, panel.method].filter(Boolean).join(", ");
    panel.title = `${panel.name}: accuracy in %`;
    panel.common = settingsOf(panel.curves[0], keys.filter((key) => !varies(key)));
    for (const curve of panel.curves) curve.label = settingsOf(curve, keys.filter(varies)) || `${panel.axis}, 95% interval`;
  }
  return [...panels.values()];
}

function scaleOf({ curves }) {
  const xs = [...new Set(curves.flatMap(({ points }) => points.map(({ x }) => x)))];
  if (!xs.every((x) => typeof x === "number")) return { type: "point", xs };
  xs.sort((a, b) => a - b);
  // Values over orders of magnitude, as thresholds are.
  return { type: xs[0] > 0 && xs.at(-1) >= 50 * xs[0] ? "log" : "linear", xs };
}

// The swept values, without those that have no room.
function ticksOf({ type, xs }, width) {
  if (type === "point" || xs.length < 2) return xs;
  const at = type === "log" ? Math.log : (x) => x;
  const place = (x) => (width * (at(x) - at(xs[0]))) / (at(xs.at(-1)) - at(xs[0]));
  const out = [];
  for (const x of xs) if (out.length === 0 || place(x) - place(out.at(-1)) >= kTickRoom) out.push(x);
  return out;
}

function curveMarks(panel, which, numeric, inks) {
  const { points } = panel.curves[which];
  const count = panel.curves.length;
  const colour = inks.series[which % inks.series.length];
  const band = numeric && count === 1 && points.length > 1;
  const bars = !band && count <= kMostBars;
  // Curves stand a little aside of each other, so that bars do not hide bars.
  const dx = bars ? 5 * (which - (count - 1) / 2) : 0;
  return [
    band ? Plot.areaY(points, { x: "x", y1: "low", y2: "high", fill: colour, fillOpacity: 0.15 }) : null,
    bars ? Plot.link(points, { x1: "x", x2: "x", y1: "low", y2: "high", dx, stroke: colour, strokeWidth: 1, marker: "tick" }) : null,
    numeric ? Plot.line(points, { x: "x", y: "accuracy", dx, stroke: colour, strokeWidth: 1.75, strokeDasharray: dashesOf(which) || null }) : null,
    Plot.dot(points, { x: "x", y: "accuracy", dx, fill: colour, symbol: symbolOf(which), r: 4 }),
  ];
}

function sweepPlot(panel, width, inks = screen) {
  const { curves, axis, baseline } = panel;
  const scale = scaleOf(panel);
  const all = curves.flatMap((curve) => curve.points.map((point) => ({ ...point, label: curve.label })));
  const ends = [...all.flatMap(({ low, high }) => [low, high]), ...(baseline?.accuracy != null ? [baseline.accuracy] : [])];
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const margin = 0.06 * Math.max(most - least, 0.01);
  const title = (d) => `${curves.length > 1 ? `${d.label}, ` : ""}${axis} = ${d.x}: ${percent(d.accuracy)}% [${percent(d.low)}, ${percent(d.high)}], n = ${d.n}`;
  return Plot.plot({
    width, height: Math.min(320, Math.max(220, Math.round(width * 0.45))), marginLeft: 52, marginRight: 16, marginTop: 14, marginBottom: 42,
    style: { background: "none", color: inks.text, fontFamily: "inherit", fontSize: "12px", overflow: "visible" },
    x: { label: axis, labelAnchor: "center", labelArrow: "none", type: scale.type, ticks: ticksOf(scale, width - 68), tickFormat: String, tickSize: 4, inset: 16 },
    y: { label: null, domain: [least - margin, most + margin], tickFormat: (y) => String(Number((100 * y).toFixed(2))), tickSize: 0, ticks: 6 },
    symbol: { type: "identity" },
    marks: [
      Plot.gridY({ stroke: inks.line, strokeOpacity: 1, ticks: 6 }),
      baseline?.accuracy != null ? Plot.ruleY([baseline.accuracy], { stroke: inks.muted, strokeDasharray: "5 4", strokeWidth: 1.5 }) : null,
      curves.map((_, which) => curveMarks(panel, which, scale.type !== "point", inks)),
      Plot.tip(all, Plot.pointer({ x: "x", y: "accuracy", title, fill: inks.page, stroke: inks.strong })),
    ],
  });
}

function legendOf({ curves, baseline }, inks) {
  const entries = curves.map(({ label }, which) => ({ label, colour: inks.series[which % inks.series.length], dashes: dashesOf(which), symbol: symbolOf(which) }));
  if (baseline?.accuracy != null) entries.push({ label: `none ${percent(baseline.accuracy)}`, colour: inks.muted, dashes: "5 4" });
  return entries;
}

const kNumbers = ["n", "correct", "accuracy", "low", "high", "fixed", "broken", "difference", "difference_low", "difference_high", "p", "p_holm"];

function rowsOf(curves) {
  const keys = [...new Set(curves.flatMap(({ fixed }) => Object.keys(fixed ?? {})))];
  const row = (curve, x, point) => [curve.task, curve.prompt, axisOf(curve), x, ...keys.map((key) => curve.fixed?.[key]), ...kNumbers.map((name) => point[name])];
  return [["task", "prompt", "axis", "value", ...keys, ...kNumbers],
    ...curves.flatMap((curve) => [...(curve.baseline ? [row(curve, "none", curve.baseline)] : []), ...curve.points.map((point) => row(curve, point.x, point))])];
}

/** The numbers of a sweep as rows, with a header. */
export const sweepRows = (sweep) => rowsOf(sweep.tasks.flatMap((task) => task.curves.map((curve) => ({ ...curve, task: task.task }))));

/** One figure for each panel of a sweep (sweep.json). */
export function sweepFigures(sweep) {
  return panelsOf(sweep).map((panel) => {
    const said = `${panel.title} against ${panel.axis}${panel.curves.length > 1 ? ` for ${panel.curves.map(({ label }) => label).join(", ")}` : ""}. The table below has all numbers.`;
    const draw = () => framed(sweepPlot(panel, 720, paper), { title: panel.title, note: panel.common, legend: legendOf(panel, paper) });
    const rows = () => rowsOf(panel.curves.map((curve) => ({ ...curve, task: panel.task })));
    return el("figure", { class: "sweep" },
      el("figcaption", {}, el("strong", {}, panel.title), panel.common ? el("span", {}, panel.common) : null, saveButtons(panel.name, ["sweep", panel.task, panel.prompt, panel.axis], { draw, rows })),
      legendList(legendOf(panel, screen)), responsive(said, (width) => sweepPlot(panel, width)),
      el("p", { class: "note" }, `${panel.curves.length > kMostBars ? "Intervals are in the table." : `${panel.curves.length > 1 ? "Bars" : "The band or bars"} are 95% intervals.`} The dashed line is the baseline without intervention.`));
  });
}
