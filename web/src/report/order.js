// The order of comparisons in their table, beside what a click on a column's head does.
import { labelledSelect } from "../shared/dom.js";
import { sortRows } from "../shared/tables.js";

const kDifference = 2; // the columns of html_comparisons.cpp
const kP = 3;

const numberIn = (row, column) => (row.cells[column].dataset.value === "" ? NaN : Number(row.cells[column].dataset.value));
const difference = (row) => numberIn(row, kDifference);

// What rows are sorted by, the least first; what is missing comes last.
const kOrders = {
  effect: ["Largest difference first", (row) => -Math.abs(difference(row))],
  best: ["Best first", (row) => -difference(row)],
  worst: ["Worst first", (row) => difference(row)],
  p: ["Smallest p first", (row) => numberIn(row, kP)],
  asked: ["As the arms were asked", () => 0],
};

/** A choice of the order before each table of comparisons. */
export function addOrders() {
  for (const place of document.querySelectorAll(".by-effect")) {
    const table = place.querySelector("table");
    const { label, select } = labelledSelect("Order of comparisons", Object.entries(kOrders).map(([value, [name]]) => [value, name]), (value) => {
      const key = kOrders[value][1];
      sortRows(table, (a, b) => {
        const [x, y] = [key(a), key(b)];
        return Number.isNaN(x) - Number.isNaN(y) || x - y || Number(a.dataset.place) - Number(b.dataset.place);
      });
      for (const head of table.querySelectorAll("th[aria-sort]")) head.removeAttribute("aria-sort");
    });
    const controls = document.createElement("div");
    controls.className = "controls";
    controls.append(label);
    place.prepend(controls);
    // Sorted by a column it is in none of these orders.
    table.tHead.addEventListener("click", (event) => event.target.closest("button.sort") && (select.value = ""));
  }
}
