// A small "?" beside a word: pressed, by mouse, finger or key, it explains the word in place.
import { el } from "./dom.js";
import { terms } from "./terms.js";

let count = 0;
let opened = null;

// Under the button, and within the window.
function place(button, panel) {
  panel.style.left = "0px";
  const room = document.documentElement.clientWidth - 8;
  const bounds = panel.getBoundingClientRect();
  panel.style.left = `${Math.min(0, room - bounds.right) + Math.max(0, 8 - bounds.left)}px`;
}

function close(focus = false) {
  if (!opened) return;
  const { button, panel } = opened;
  opened = null;
  panel.hidden = true;
  button.setAttribute("aria-expanded", "false");
  if (focus) button.focus();
}

document.addEventListener("keydown", (event) => event.key === "Escape" && close(true));
document.addEventListener("pointerdown", (event) => opened && !opened.panel.parentElement.contains(event.target) && close());

/** The button and what it opens; show(name of a term, or null for none) changes what is explained. */
export function help(name) {
  const panel = el("span", { class: "help-text", role: "note", id: `help-${++count}`, hidden: true });
  const button = el("button", { type: "button", class: "help-button", "aria-expanded": "false", "aria-controls": panel.id, onclick: () => {
    const again = opened?.panel === panel;
    close();
    if (again) return;
    opened = { button, panel };
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    place(button, panel);
  } }, "?");
  const element = el("span", { class: "help screen" }, button, panel);
  element.addEventListener("focusout", (event) => opened?.panel === panel && event.relatedTarget && !element.contains(event.relatedTarget) && close());
  element.show = (wanted) => {
    const term = terms[wanted];
    element.hidden = !term;
    if (!term) return;
    button.setAttribute("aria-label", `What is ${term.word}?`);
    panel.replaceChildren(el("strong", {}, term.word), `: ${term.says}. ${term.reading}`, el("span", { class: "formula" }, term.formula));
  };
  element.show(name);
  return element;
}
