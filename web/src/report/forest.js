// The forest plot of a pair of arms: its differences by subject.
import * as Plot from "@observablehq/plot";
import { el } from "../shared/dom.js";
import { paper, saveButtons, screen } from "../shared/export.js";
import { framed, responsive } from "../shared/figure.js";

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

function forest(rows, width, inks = screen) {
  const narrow = width < kNarrow;
  const longest = Math.max(...rows.map((row) => row.name.length));
  const rowHeight = narrow ? 38 : 22;
  const clear = (row) => row.p < 0.05 && (row.low > 0 || row.high < 0);
  const tone = (row) => (!clear(row) ? inks.text : row.low > 0 ? inks.fixed : inks.broken);
  const title = (row) =>
    `${row.name}: ${points(row.difference)} points [${pointsEnd(row.low)}, ${pointsEnd(row.high)}]\n` +
    `${row.fixed} fixed, ${row.broken} broken of ${row.n}; p = ${row.p === null ? "–" : row.p.toPrecision(2)}`;
  const ticks = narrow ? 5 : 9;
  const axisY = narrow
    ? Plot.text(rows, { y: "name", text: "name", frameAnchor: "left", textAnchor: "start", dx: -12, dy: -14, fontSize: 12, stroke: inks.page, fill: inks.text, strokeWidth: 4 })
    : Plot.axisY({ tickSize: 0, fontSize: 12, label: null });
  return Plot.plot({
    width,
    height: rows.length * rowHeight + (narrow ? 80 : 60),
    marginLeft: narrow ? 20 : Math.min(260, 24 + longest * 7),
    marginRight: 22,
    marginTop: narrow ? 42 : 30,
    insetTop: narrow ? 8 : 0, // the first label stands below those of the axis
    marginBottom: 30,
    style: { background: "none", color: inks.text, fontFamily: "inherit" },
    x: { label: null, nice: true },
    y: { domain: rows.map((row) => row.name), padding: 0.2, axis: null },
    marks: [
      Plot.gridX({ stroke: inks.line, strokeOpacity: 1, ticks }),
      Plot.axisX({ anchor: "top", tickSize: 0, fontSize: 12, label: null, ticks, tickFormat: (x) => points(x).replace(/\.0$/, "") }),
      Plot.ruleX([0], { stroke: inks.strong }),
      Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: tone, strokeWidth: 1.75 }),
      Plot.dot(rows, {
        y: "name", x: "difference", fill: tone, symbol: (row) => (row.kind === "subject" ? "circle" : "diamond"),
        r: (row) => (row.kind === "all" ? 5.5 : 4),
      }),
      axisY,
      Plot.tip(rows, Plot.pointerY({ y: "name", x: "difference", title, fill: inks.page, stroke: inks.strong, fontSize: 12 })),
    ],
    symbol: { type: "identity" },
    r: { type: "identity" },
  });
}

const kHead = ["set", "kind", "n", "fixed", "broken", "difference", "difference_low", "difference_high", "p", "p_holm"];

/** The forest plot of a pair of arms over the sets of a task; null where there is nothing to draw. */
export function forestFigure(label, sets) {
  const rows = forestRows(sets);
  if (rows.length < 2) return null;
  const all = rows[0];
  const said = `Forest plot of ${label}: difference ${points(all.difference)} points over all questions, ` +
    `from ${points(Math.min(...rows.map((r) => r.difference)))} to ${points(Math.max(...rows.map((r) => r.difference)))} ` +
    "among its parts. The table below has all numbers.";
  const table = () => [kHead, ...sets.map((set) => [set.set, set.kind, set.n, set.fixed, set.broken, set.difference, ...(set.difference_interval ?? [null, null]), set.p, set.p_holm])];
  return el("figure", { class: "forest" }, responsive(said, (width) => forest(rows, width)),
    el("figcaption", {}, "Difference in points with Tango’s 95% interval; right of zero the arm is better. Coloured where the interval excludes zero and p, of subjects after Holm’s correction, is below 0.05.",
      saveButtons("the forest plot", ["forest", label], { draw: () => framed(forest(rows, 720, paper), { title: `${label}: difference in points` }), rows: table })));
}
