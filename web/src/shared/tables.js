// Tables that a click or a key sorts. A cell's data-value is what it is sorted by, where its text would not do.

function valueOf(row, column) {
  const cell = row.cells[column];
  const text = cell?.dataset.value ?? cell?.textContent.trim() ?? "";
  const number = text === "" ? NaN : Number(text);
  return Number.isNaN(number) ? text : number;
}

// Numbers before texts, what is missing last in either direction.
function compare(a, b, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return direction * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
}

/** Sorts the rows of each body by `order(a, b)`; a row of class "group" stays first and one of class "total" last. */
export function sortRows(table, order) {
  for (const body of table.tBodies) {
    const rows = [...body.rows];
    const fixed = (name) => rows.filter((row) => row.classList.contains(name));
    const others = rows.filter((row) => !row.classList.contains("group") && !row.classList.contains("total"));
    body.append(...fixed("group"), ...others.sort(order), ...fixed("total"));
  }
}

function sortBy(table, column, direction) {
  const keys = new Map([...table.tBodies].flatMap((body) => [...body.rows]).map((row) => [row, valueOf(row, column)]));
  sortRows(table, (a, b) => compare(keys.get(a), keys.get(b), direction));
}

/** Makes the header cells of a table's last header row buttons that sort; the first click of a number's column
 * puts the largest first. */
export function makeSortable(table) {
  const header = table.tHead?.rows[table.tHead.rows.length - 1];
  if (!header) return;
  [...header.cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...cell.childNodes);
    button.addEventListener("click", () => {
      const first = cell.classList.contains("n") ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const order = cell.getAttribute("aria-sort") === first ? other : first;
      for (const each of header.cells) each.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", order);
      sortBy(table, column, order === "ascending" ? 1 : -1);
    });
    cell.append(button);
  });
}
