// Tables that a click or a key sorts. Rows of class "total" keep their places at the end. A cell's data-value is
// what it is sorted by, where its text would not do.

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

function sortBy(table, column, direction) {
  for (const body of table.tBodies) {
    const rows = [...body.rows];
    const totals = rows.filter((row) => row.classList.contains("total"));
    const others = rows.filter((row) => !row.classList.contains("total"));
    const keys = new Map(others.map((row) => [row, valueOf(row, column)]));
    others.sort((a, b) => compare(keys.get(a), keys.get(b), direction));
    body.append(...others, ...totals);
  }
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
