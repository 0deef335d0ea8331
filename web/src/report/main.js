// The report of a run: brings to life what src/eval/ wrote as HTML.
import * as Plot from "@observablehq/plot";
import { makeSortable } from "../shared/tables.js";
import { addThemeButton } from "../shared/theme.js";

addThemeButton(document.querySelector(".masthead") ?? document.body);
for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
document.body.append(Plot.plot({ marks: [Plot.ruleX([0])] }));
