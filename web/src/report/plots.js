// The plots of a report: differences by subject (a forest plot) and accuracies along a sweep.
import * as Plot from "@observablehq/plot";
import { el } from "../shared/dom.js";

const kNarrow = 560; // px of a plot below which labels stand above their rows

const points = (fraction) => {
  const text = Math.abs(100 * fraction).toFixed(1);
  return text === "0.0" ? text : (fraction < 0 ? "−" : "+") + text;
};
// An end of an interval: only one at zero is "0.0".
const pointsEnd = (fraction) => {
  const text = points(fraction);
  return text === "0.0" && fraction !== 0 ? (fraction < 0 ? "−" : "+") + Number(Math.abs(100 * fraction).toPrecision(1)) : text;
};
const percent = (fraction) => `${(100 * fraction).toFixed(1)}%`;

/** Draws with `make(width)` now and whenever the width of the figure changes. */
function responsive(figure, make) {
  let drawn = 0;
  const draw = () => {
    const width = Math.round(figure.clientWidth);
    if (!width || width === drawn) return;
    drawn = width;
    figure.querySelector(".plot")?.remove();
    const holder = el("div", { class: "plot" });
    holder.append(make(width));
    figure.prepend(holder);
  };
  new ResizeObserver(draw).observe(figure);
  draw();
}

const kGroupNames = {
  all: "All questions", stem: "STEM", humanities: "Humanities", social_sciences: "Social sciences", other: "Other",
  non_stem: "non-STEM", seen: "Seen", unseen: "Unseen",
};

// All questions and categories first, then the subjects with the largest differences first.
function forestRows(sets) {
  const rows = sets
    .filter((set) => set.difference !== null)
    .map((set) => ({
      name: set.kind === "subject" ? set.set : kGroupNames[set.set] ?? set.set,
      kind: set.kind, n: set.n, difference: set.difference, low: set.difference_interval[0],
      high: set.difference_interval[1], p: set.kind === "subject" ? set.p_holm : set.p, fixed: set.fixed,
      broken: set.broken,
    }));
  const groups = rows.filter((row) => row.kind !== "subject");
  const subjects = rows.filter((row) => row.kind === "subject");
  groups.sort((a, b) => (b.kind === "all") - (a.kind === "all"));
  subjects.sort((a, b) => b.difference - a.difference || a.name.localeCompare(b.name));
  return [...groups, ...(subjects.length > 1 ? subjects : [])];
}

function forest(rows, width) {
  const narrow = width < kNarrow;
  const longest = Math.max(...rows.map((row) => row.name.length));
  const rowHeight = narrow ? 38 : 22;
  const clear = (row) => row.p < 0.05 && (row.low > 0 || row.high < 0);
  const tone = (row) => (!clear(row) ? "var(--text)" : row.low > 0 ? "var(--fixed)" : "var(--broken)");
  const title = (row) =>
    `${row.name}: ${points(row.difference)} points [${pointsEnd(row.low)}, ${pointsEnd(row.high)}]\n` +
    `${row.fixed} fixed, ${row.broken} broken of ${row.n}; p = ${row.p === null ? "–" : row.p.toPrecision(2)}`;
  const ticks = narrow ? 5 : 9;
  const axisY = narrow
    ? Plot.text(rows, { y: "name", text: "name", frameAnchor: "left", textAnchor: "start", dy: -14, fontSize: 12, stroke: "var(--page)", fill: "var(--text)", strokeWidth: 4 })
    : Plot.axisY({ tickSize: 0, fontSize: 12, label: null });
  return Plot.plot({
    width,
    height: rows.length * rowHeight + 60,
    marginLeft: narrow ? 8 : Math.min(260, 24 + longest * 7),
    marginRight: 12,
    marginTop: narrow ? 42 : 30,
    marginBottom: 30,
    style: { background: "none", color: "var(--text)", fontFamily: "inherit" },
    x: { label: null, nice: true },
    y: { domain: rows.map((row) => row.name), padding: 0.2, axis: null },
    marks: [
      Plot.gridX({ stroke: "var(--line)", strokeOpacity: 1, ticks }),
      Plot.axisX({ anchor: "top", tickSize: 0, fontSize: 12, label: null, ticks, tickFormat: (x) => points(x).replace(/\.0$/, "") }),
      Plot.ruleX([0], { stroke: "var(--strong-line)" }),
      Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: tone, strokeWidth: 1.75 }),
      Plot.dot(rows, {
        y: "name", x: "difference", fill: tone, symbol: (row) => (row.kind === "subject" ? "circle" : "diamond"),
        r: (row) => (row.kind === "all" ? 5.5 : 4),
      }),
      axisY,
      Plot.tip(rows, Plot.pointerY({ y: "name", x: "difference", title, fill: "var(--page)", stroke: "var(--strong-line)", fontSize: 12 })),
    ],
    symbol: { type: "identity" },
    r: { type: "identity" },
  });
}

/** The forest plot of a pair of arms over the sets of a task; null where there is nothing to draw. */
export function forestFigure(label, sets) {
  const rows = forestRows(sets);
  if (rows.length < 2) return null;
  const all = rows[0];
  const figure = el("figure", {
    class: "forest", role: "img",
    "aria-label":
      `Forest plot of ${label}: difference ${points(all.difference)} points over all questions, ` +
      `from ${points(Math.min(...rows.map((r) => r.difference)))} to ${points(Math.max(...rows.map((r) => r.difference)))} ` +
      "among its parts. The table below has all numbers.",
  });
  figure.append(
    el("figcaption", {}, "Difference in points with Tango’s 95% interval; right of zero the arm is better. Coloured where the interval excludes zero and p, of subjects after Holm’s correction, is below 0.05."),
  );
  responsive(figure, (width) => forest(rows, width));
  return figure;
}

function sweepPlot(curves, axis, width) {
  const numeric = curves.every((curve) => curve.points.every((point) => typeof point.x === "number"));
  const xs = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point.x)))];
  // Values over orders of magnitude, as thresholds are.
  const wide = numeric && Math.min(...xs) > 0 && Math.max(...xs) >= 50 * Math.min(...xs);
  const scale = !numeric ? "point" : wide ? "log" : "linear";
  const prompts = [...new Set(curves.map((curve) => curve.name))];
  const colour = (name) => `var(--series-${(prompts.indexOf(name) % 5) + 1})`;
  const data = curves.flatMap((curve) => curve.points.map((point) => ({ ...point, name: curve.name })));
  const baselines = curves.filter((curve) => curve.baseline?.accuracy != null).map((curve) => ({ ...curve.baseline, name: curve.name }));
  const ends = curves.map((curve) => ({ ...curve.points[curve.points.length - 1], name: curve.name }));
  const title = (d) => `${d.name}, ${axis} = ${d.x}: ${percent(d.accuracy)} [${percent(d.low)}, ${percent(d.high)}], n = ${d.n}`;
  const labelled = width >= kNarrow && curves.length <= 5;
  return Plot.plot({
    width,
    height: Math.min(360, Math.max(240, width * 0.5)),
    marginLeft: 52,
    marginRight: labelled ? 24 + 7 * Math.max(...prompts.map((name) => name.length)) : 16,
    marginBottom: 42,
    style: { background: "none", color: "var(--text)", fontFamily: "inherit", fontSize: "12px" },
    x: { label: axis, labelAnchor: "center", labelArrow: "none", type: scale, ticks: numeric ? xs : undefined, tickFormat: String, tickSize: 0 },
    y: { label: null, tickFormat: (y) => `${Math.round(100 * y * 10) / 10}%`, nice: true, tickSize: 0, ticks: 6 },
    marks: [
      Plot.gridY({ stroke: "var(--line)", strokeOpacity: 1, ticks: 6 }),
      Plot.ruleY(baselines, { y: "accuracy", stroke: (d) => colour(d.name), strokeDasharray: "4 4" }),
      numeric
        ? Plot.areaY(data, { x: "x", y1: "low", y2: "high", z: "name", fill: (d) => colour(d.name), fillOpacity: 0.14 })
        : Plot.ruleX(data, { x: "x", y1: "low", y2: "high", stroke: (d) => colour(d.name) }),
      numeric ? Plot.lineY(data, { x: "x", y: "accuracy", z: "name", stroke: (d) => colour(d.name), strokeWidth: 2 }) : null,
      Plot.dot(data, { x: "x", y: "accuracy", fill: (d) => colour(d.name), r: 3.5 }),
      labelled ? Plot.text(ends, { x: "x", y: "accuracy", text: "name", textAnchor: "start", dx: 8, fill: (d) => colour(d.name), fontWeight: 600 }) : null,
      Plot.tip(data, Plot.pointer({ x: "x", y: "accuracy", title, fill: "var(--page)", stroke: "var(--strong-line)" })),
    ],
  });
}

/** "alpha", or where the file names the method "boost:factor". */
const axisOf = (curve) => (curve.method ? `${curve.method}:${curve.axis}` : curve.axis);

/** One figure for each task, method and axis of a sweep (sweep.json). */
export function sweepFigures(sweep) {
  const figures = [];
  for (const task of sweep.tasks) {
    for (const axis of [...new Set(task.curves.map(axisOf))]) {
      const fixedText = (curve) => Object.entries(curve.fixed ?? {}).map(([key, value]) => `${key}=${value}`).join(", ");
      const of_axis = task.curves
        .map((curve) => ({ ...curve, points: curve.points.filter((point) => point.accuracy !== null) }))
        .filter((curve) => axisOf(curve) === axis && curve.points.length > 0);
      if (of_axis.length === 0) continue;
      // A name tells a curve from the others of its figure.
      const fixed = new Set(of_axis.map(fixedText));
      const curves = of_axis.map((curve) => ({ ...curve, name: fixed.size > 1 ? `${curve.prompt} (${fixedText(curve)})` : curve.prompt }));
      const figure = el("figure", {
        class: "sweep", role: "img",
        "aria-label": `${task.task}: accuracy against ${axis} for ${curves.map((curve) => curve.name).join(", ")}. The table below has all numbers.`,
      });
      const key = curves.map((curve, i) =>
        el("span", { class: "key" }, el("span", { class: "swatch", style: `background: var(--series-${(i % 5) + 1})` }), curve.name));
      figure.append(
        el("figcaption", {}, el("strong", {}, `${task.task}: accuracy against ${axis}`),
          el("span", { class: "keys" }, key),
          el("span", {}, `Bands are 95% intervals; dashed lines the baseline without intervention.${fixed.size === 1 && [...fixed][0] ? ` Fixed: ${[...fixed][0]}.` : ""}`)),
      );
      responsive(figure, (width) => sweepPlot(curves, axis, width));
      figures.push(figure);
    }
  }
  return figures;
}
