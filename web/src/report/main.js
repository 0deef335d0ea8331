// The report of a run: brings to life what src/eval/report/html_report.cpp wrote as HTML. Tables and findings are there
// before any of this runs; plots come next, texts last.
import { readJson } from "../shared/blocks.js";
import { el, labelledSelect } from "../shared/dom.js";
import { saveButtons } from "../shared/export.js";
import { makeSortable } from "../shared/tables.js";
import { addThemeButton } from "../shared/theme.js";
import { addAccuracyButtons } from "./accuracy.js";
import { Items } from "./data.js";
import { ItemList } from "./list.js";
import { forestFigure } from "./forest.js";
import { addOrders } from "./order.js";
import { sweepFigures, sweepRows } from "./sweep.js";

const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// All comparisons of all tasks in the page's order, changed ones by effect: {task, comparison, name, section, unchanged}.
function listPairs(report) {
  return [...document.querySelectorAll("section.pair")].map((section) => {
    const [, task, pair] = section.id.split("-").map(Number);
    return { task, comparison: report.tasks[task].comparisons[pair], section, name: section.querySelector("h3").textContent, unchanged: section.classList.contains("unchanged") };
  });
}

// Their places as choices of a select, those without change apart.
function pairChoices(pairs) {
  const of = (unchanged) => pairs.map((pair, i) => [i, pair.name]).filter(([i]) => pairs[i].unchanged === unchanged);
  const same = of(true);
  return [...of(false), ...(same.length > 0 ? [{ group: "Without a discordant pair", choices: same }] : [])];
}

// A forest plot for each pair, drawn when it is first shown; a choice of the pair where there are several.
function setUpComparisons(pairs, onchoice) {
  const show = (chosen) => {
    pairs.forEach((pair, i) => (pair.section.hidden = i !== chosen));
    const { section, comparison, name } = pairs[chosen];
    if (!section.querySelector("figure.forest")) {
      const figure = forestFigure(name, comparison.sets);
      if (figure) section.querySelector("h3").after(figure);
    }
  };
  let select = null;
  if (pairs.length > 1) {
    const choice = labelledSelect("Comparison in detail", pairChoices(pairs), (value) => onchoice(Number(value)));
    select = choice.select;
    pairs[0].section.before(el("div", { class: "controls" }, choice.label));
  }
  return (chosen) => {
    if (select) select.value = String(chosen);
    show(chosen);
  };
}

function makeFlipList(report, pairs, tasks, onchoice) {
  let chosen = 0;
  let way = "";
  const pairChoice = labelledSelect("Comparison", pairChoices(pairs), (value) => onchoice(Number(value)));
  pairChoice.label.hidden = pairs.length < 2;
  const wayChoice = labelledSelect("Change", [["", "Fixed and broken"], ["fixed", "Fixed"], ["broken", "Broken"]], (value) => {
    way = value;
    list.refresh();
  });
  const list = new ItemList(document.getElementById("flip-list"), report.labels, {
    controls: [pairChoice.label, wayChoice.label],
    label: "Filter changed answers",
    select() {
      const { task, comparison } = pairs[chosen];
      const items = tasks[task];
      const badge = (place) => (items.arms[comparison.arm].correct[place] === "1" ? "fixed" : "broken");
      return {
        items,
        places: comparison.flips.filter((place) => !way || badge(place) === way),
        arms: [comparison.baseline, comparison.arm],
        badge,
        note(places) {
          const fixed = places.filter((place) => badge(place) === "fixed").length;
          return `${count(places.length, "changed answer")}: ${fixed.toLocaleString("en")} fixed, ${(places.length - fixed).toLocaleString("en")} broken.`;
        },
      };
    },
  });
  return (next) => {
    chosen = next;
    pairChoice.select.value = String(next);
    list.refresh(true);
  };
}

const kResults = {
  "": ["All", () => true],
  right: ["Right", (arm, place) => arm.correct[place] === "1"],
  wrong: ["Wrong", (arm, place) => arm.correct[place] === "0"],
  unparsed: ["No answer found", (arm, place) => arm.letters[place] === "-"],
  cut: ["Cut off", (arm, place) => arm.cut[place] === "1"],
  stopped: ["Ended by until", (arm, place) => arm.cut[place] === "2"],
  unfinished: ["Read from an unfinished answer", (arm, place) => arm.unfinished[place] === "1"],
};
const kOfTexts = ["unparsed", "cut", "stopped", "unfinished"];

function makeAnswerList(report, tasks) {
  const state = { task: 0, arm: 0, beside: report.labels.length > 1 ? 1 : -1, result: "" };
  const choose = (field, label, choices) => {
    const choice = labelledSelect(label, choices, (value) => {
      state[field] = field === "result" ? value : Number(value);
      list.refresh(field === "task");
    });
    choice.select.value = String(state[field]);
    choice.label.hidden = choices.length < 2;
    return choice.label;
  };
  const arms = report.labels.map((label, i) => [i, label]);
  const results = Object.entries(kResults).filter(([name]) => !report.loglikelihood || !kOfTexts.includes(name));
  const list = new ItemList(document.getElementById("answer-list"), report.labels, {
    label: "Filter all answers",
    controls: [
      choose("task", "Task", report.tasks.map((task, i) => [i, task.task])),
      choose("arm", "Arm", arms),
      report.labels.length > 1 ? choose("beside", "Beside it", [[-1, "Nothing"], ...arms]) : null,
      choose("result", "Result", results.map(([value, [name]]) => [value, name])),
    ],
    select() {
      const items = tasks[state.task];
      const arm = items.arms[state.arm];
      const holds = kResults[state.result][1];
      const places = [];
      for (let place = 0; place < items.length; place++) if (holds(arm, place)) places.push(place);
      return {
        items,
        places,
        arms: state.beside < 0 || state.beside === state.arm ? [state.arm] : [state.arm, state.beside],
        note: (found) => `${count(found.length, "question")} of ${items.length.toLocaleString("en")}.`,
      };
    },
  });
  list.refresh(true);
}

// Everything opens for paper, and closes again as it was.
function openForPrint() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")].filter((each) => !each.closest(".screen"));
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => opened.forEach((each) => (each.open = false)));
}

// Plots of the curves, and buttons at the heat maps that are there already.
function showSweep(sweep) {
  document.getElementById("sweep-plots").append(...sweepFigures(sweep));
  document.querySelectorAll("figure.sweep-grid").forEach((figure, i) => {
    const drawing = figure.querySelector("svg");
    figure.querySelector("figcaption").append(saveButtons(figure.querySelector("[role=region]").getAttribute("aria-label"), ["sweep-grid", i + 1], { draw: () => drawing, rows: () => sweepRows(sweep) }));
  });
}

const idle = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

async function start() {
  addThemeButton(document.querySelector(".masthead"));
  openForPrint();
  await idle(); // what is there is painted first
  for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
  const report = await readJson("report");
  addAccuracyButtons(report);
  addOrders();
  if (report.sweep) showSweep(report.sweep);
  const pairs = listPairs(report);
  const listeners = [];
  const choose = (pair) => listeners.forEach((listener) => listener(pair));
  if (pairs.length > 0) {
    listeners.push(setUpComparisons(pairs, choose));
    choose(0);
  }
  await idle();
  const tasks = await Promise.all(report.tasks.map((_, task) => Items.read(task)));
  if (pairs.length > 0) {
    listeners.push(makeFlipList(report, pairs, tasks, choose));
    listeners[1](0);
  }
  makeAnswerList(report, tasks);
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  const main = document.getElementById("main");
  main.prepend(el("p", { role: "alert", class: "failure" }, `The page could not show all of the report: ${error.message}. The tables are whole; the files of the run have the rest.`));
  throw error;
});
