// Building pieces of a page. Text always becomes text nodes, so what a model wrote is never read as HTML.

/** An element with properties (class, attributes, on... listeners) and children; null children are left out. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** A select with [value, text] pairs, labelled; or {group, choices} with such pairs. */
export function labelledSelect(label, choices, onchange) {
  const option = ([value, text]) => el("option", { value }, text);
  const select = el("select", { onchange: () => onchange(select.value) });
  select.append(...choices.map((choice) => (choice.group ? el("optgroup", { label: choice.group }, choice.choices.map(option)) : option(choice))));
  return { label: el("label", {}, label, select), select };
}

/** Calls `action` once, `delay` ms after the last call. */
export function debounced(action, delay) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), delay);
  };
}
