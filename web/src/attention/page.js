// The page's frame: its head, its sections, and the controls in them.
import { el, labelledSelect } from "../shared/dom.js";
import { addThemeButton } from "../shared/theme.js";
import { plain, statisticTitle } from "./tokens.js";

const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** What the page has and what it leaves out, in words. */
export function precisionNote({ format, capture }) {
  if (!capture.kind) return "";
  const digits = format.weight_bytes === 4 ? "as float32, as the files have them" : "as float16, that is to about 3 digits (1 part in 2,000; 3e-8 for weights below 0.00006); the files have float32";
  if (format.whole_rows) return `All weights of each row are here, ${digits}.`;
  if (format.entries >= format.kept) {
    const which = capture.kind === "dense" ? "All weights of each row" : `The ${plural(format.kept, "largest weight")} of each row that ${format.kept === 1 ? "was" : "were"} kept`;
    return `${which} ${format.kept === 1 ? "is" : "are"} here, ${digits}.`;
  }
  return `The page shows the ${plural(format.entries, "largest weight")} of each row of the ${format.kept} that the files have, ${digits}. Smaller ones are left out to keep the page small.`;
}

// What was looked at: the prompt, or the task, or, where neither is known, the model.
function subjectOf({ capture }, model) {
  const prompt = (capture.tokens ?? []).slice(0, capture.prompt_tokens).map(({ text }) => text ?? "").join("").trim();
  if (prompt) return plain(prompt.replace(/\s+/g, " "));
  return capture.dataset ? `${capture.dataset.task}, ${capture.dataset.prompt}` : model;
}

export function masthead(data) {
  const { capture } = data;
  const { model } = capture;
  const name = model.path.replace(/\/+$/, "").split("/").pop() || model.path;
  const subject = subjectOf(data, name);
  // Settings of interventions may go to the next line after each comma.
  const breakable = (text) => text.split(/(?<=,)/).flatMap((part, i) => (i > 0 ? [el("wbr"), part] : [part]));
  const fact = (label, text) => el("div", {}, el("dt", {}, label), el("dd", {}, el("bdi", {}, breakable(text))));
  const facts = [
    subject === name ? null : fact("Model", name),
    capture.tokens ? fact("Tokens", `${capture.tokens.length.toLocaleString("en")}${capture.prompt_tokens < capture.tokens.length ? ` (${capture.tokens.length - capture.prompt_tokens} generated)` : ""}`) : null,
    capture.item ? fact("Item", `${capture.item.task}, ${capture.item.subject} ${capture.item.index}`) : null,
    capture.dataset ? fact("Task", `${capture.dataset.task} (${capture.dataset.prompts.toLocaleString("en")} prompts)`) : null,
    fact("Maps", `${plural(data.layers.length, "layer")} × ${plural(data.heads.length, "head")}`),
    fact(data.arms.length === 1 ? "Arm" : "Arms", data.arms.map((arm) => arm.intervention).join(", ")),
  ];
  const head = el("header", { class: "masthead" }, el("div", {},
    el("p", { class: "kind" }, "Refocus attention explorer"), el("h1", { class: "prompt", title: subject.length > 120 ? subject : null }, el("bdi", {}, subject)),
    el("dl", { class: "facts" }, facts), el("p", { class: "note", id: "precision" }, precisionNote(data))));
  addThemeButton(head);
  return head;
}

export function contents(sections) {
  return el("nav", { class: "contents", "aria-label": "On this page" }, el("ul", {}, sections.map(([id, title]) => el("li", {}, el("button", { type: "button", class: "link", onclick: () => {
    const target = document.getElementById(id);
    target.scrollIntoView();
    target.querySelector("h2")?.focus({ preventScroll: true });
  } }, title)))));
}

export function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title`, tabindex: "-1" }, title), ...children);
}

/** A table's region, which scrolls by itself and so must be reached by the keyboard. */
export const scroller = (label, properties, ...children) => el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label, ...properties }, ...children);

/** A select bound to a field of the state. */
export function bound(state, label, name, choices, toValue = (text) => text) {
  const { label: element, select } = labelledSelect(label, choices, (text) => state.update({ [name]: toValue(text) }));
  select.id = `choose-${name}`;
  const follow = () => (select.value = String(state[name]));
  follow();
  state.onChange((changed) => changed.has(name) && follow());
  return element;
}

export function toggle(state, text, name) {
  const button = el("button", { type: "button", id: `choose-${name}`, onclick: () => state.update({ [name]: !state[name] }) }, text);
  const follow = () => button.setAttribute("aria-pressed", String(state[name]));
  follow();
  state.onChange((changed) => changed.has(name) && follow());
  return button;
}

/** Views that this capture can give: [value, text] pairs. */
export function views(data, comparableArms) {
  const out = [["weights", "Weights"]];
  if (data.capture.before) out.push(["before", "Weights before the intervention"], ["change", "Change by the intervention"]);
  if (comparableArms) out.push(["difference", "Difference to another arm"]);
  return out;
}

export const gridChoices = (data) => [...(data.hasMaps ? [["maps", "Maps"]] : []), ...data.statisticNames().map((name) => [name, statisticTitle(name)])];
