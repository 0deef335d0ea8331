// The accuracy of each arm as a picture for files; the page itself has it as HTML (src/eval/report/html_accuracies.cpp).
import * as Plot from "@observablehq/plot";
import { el } from "../shared/dom.js";
import { paper, saveButtons } from "../shared/export.js";
import { framed } from "../shared/figure.js";
import { textWidth } from "../shared/text.js";

const percent = (fraction) => (100 * fraction).toFixed(1);

// {label, prompt, arm, n, correct, accuracy, low, high, baseline} of each arm; the accuracy of the baseline with the same prompt where there is one.
function armsOf(report, task) {
  const all = task.sets.find(({ kind }) => kind === "all");
  return all.arms.map((numbers, i) => {
    const pair = task.comparisons.find(({ arm, baseline }) => arm === i && report.arms[baseline].prompt === report.arms[i].prompt);
    return { label: report.labels[i], prompt: report.arms[i].prompt, arm: report.arms[i].name, n: numbers.labelled, correct: numbers.correct, accuracy: numbers.accuracy,
      low: numbers.accuracy_interval?.[0] ?? null, high: numbers.accuracy_interval?.[1] ?? null, baseline: pair ? all.arms[pair.baseline].accuracy : null };
  });
}

function accuracyPlot(arms, width) {
  const known = arms.filter(({ accuracy }) => accuracy !== null);
  const room = Math.max(...arms.map(({ label }) => textWidth(label, `12px ${paper.sans}`)));
  return Plot.plot({
    width, height: 24 * arms.length + 50, marginLeft: Math.min(width / 2, 16 + room), marginRight: 110, marginTop: 8, marginBottom: 40,
    style: { background: "none", color: paper.text, fontFamily: "inherit", fontSize: "12px" },
    x: { label: "accuracy, %", labelAnchor: "center", labelArrow: "none", tickFormat: (x) => String(Number((100 * x).toFixed(2))), tickSize: 4, ticks: 6, nice: true },
    y: { domain: arms.map(({ label }) => label), label: null, tickSize: 0, padding: 0.2 },
    marks: [
      Plot.gridX({ stroke: paper.line, strokeOpacity: 1, ticks: 6 }),
      Plot.tickX(known.filter(({ baseline }) => baseline !== null), { x: "baseline", y: "label", stroke: paper.strong, strokeDasharray: "3 2" }),
      Plot.ruleY(known, { y: "label", x1: "low", x2: "high", stroke: paper.text, strokeWidth: 1.75 }),
      Plot.dot(known, { y: "label", x: "accuracy", fill: paper.text, r: 4 }),
      Plot.text(known, { y: "label", text: (d) => `${percent(d.accuracy)} [${percent(d.low)}, ${percent(d.high)}]`, frameAnchor: "right", textAnchor: "start", dx: 10 }),
    ],
  });
}

/** Adds buttons to the pictures of all tasks, for each kind of prompt. */
export function addAccuracyButtons(report) {
  const names = ["label", "arm", "n", "correct", "accuracy", "low", "high"];
  for (const place of document.querySelectorAll(".accuracy")) {
    const task = report.tasks[Number(place.dataset.task)];
    const arms = armsOf(report, task);
    place.append(el("div", { class: "saves screen" }, [...new Set(arms.map(({ prompt }) => prompt))].map((prompt) => {
      const own = arms.filter((arm) => arm.prompt === prompt);
      return el("span", {}, `${prompt}: `, saveButtons(`accuracies of ${task.task}, ${prompt}`, ["accuracy", task.task, prompt], {
        draw: () => framed(accuracyPlot(own, 720), { title: `${task.task}, ${prompt}: accuracy with 95% interval`, note: "dashed: the baseline" }),
        rows: () => [names, ...own.map((arm) => names.map((name) => arm[name]))],
      }));
    })));
  }
}
