// One question with the answers of some arms, as an element that opens.
import { el } from "../shared/dom.js";

// `text` as nodes, with every occurrence of `words` (any case) in a mark of class "hit".
function withHits(text, words) {
  if (!words) return [text];
  const nodes = [];
  const lower = text.toLowerCase();
  const wanted = words.toLowerCase();
  if (lower.length !== text.length) return [text]; // lowering moved characters; positions would be wrong
  let at = 0;
  for (let next; (next = lower.indexOf(wanted, at)) >= 0; at = next + wanted.length) {
    nodes.push(text.slice(at, next), el("mark", { class: "hit" }, text.slice(next, next + wanted.length)));
  }
  nodes.push(text.slice(at));
  return nodes;
}

function response(answer, words) {
  if (answer.text === "") return el("p", { class: "note" }, "(no text)");
  const box = el("div", { class: "response", dir: "auto" });
  if (answer.begin < 0) box.append(...withHits(answer.text, words));
  else {
    box.append(
      ...withHits(answer.text.slice(0, answer.begin), words),
      el("mark", { class: "span", title: `read by rule ${answer.rule}` }, answer.text.slice(answer.begin, answer.end)),
      ...withHits(answer.text.slice(answer.end), words),
    );
  }
  return box;
}

// Of log-likelihoods: the options from the likeliest down.
function likelihoods(values, label) {
  const letter = (k) => String.fromCharCode(65 + k);
  const rows = values.map(([value, greedy], k) => ({ value, greedy, k })).sort((a, b) => b.value - a.value);
  const best = rows[0].value;
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "option"), el("th", { scope: "col", class: "n" }, "log-likelihood"), el("th", { scope: "col", class: "n" }, "behind"))),
    el("tbody", {}, rows.map(({ value, greedy, k }) =>
      el("tr", {},
        el("th", { scope: "row" }, letter(k), letter(k) === label ? " (right)" : "", greedy ? " greedy" : ""),
        el("td", { class: "n" }, value.toFixed(3)),
        el("td", { class: "n" }, value === best ? "" : (best - value).toFixed(3))))));
}

function verdict(items, arm, place) {
  const { correct, cut, unfinished } = items.arms[arm];
  const found = items.found(arm, place);
  const parts = found ? [el("span", {}, found)] : [];
  if (correct[place] !== "-") {
    const right = correct[place] === "1";
    parts.push(parts.length ? ", " : "", el("span", { class: right ? "fixed" : "broken" }, right ? "right" : "wrong"));
  }
  const add = (text) => parts.push(parts.length ? `, ${text}` : text);
  if (cut[place] === "1") add("cut off");
  if (cut[place] === "2") add("ended by until");
  if (unfinished[place] === "1") add("read from an unfinished answer");
  return parts;
}

async function fill(inside, gist, items, place, arms, labels, words) {
  const { question, options, answers } = await items.texts(place);
  const label = items.labels[place];
  gist.textContent = question.slice(0, 160);
  inside.replaceChildren(
    el("p", { class: "question", dir: "auto" }, withHits(question, words)),
    el("ol", { class: "options" }, options.map((text, k) => {
      const letter = String.fromCharCode(65 + k);
      const right = letter === label;
      return el("li", { class: right ? "right" : null }, el("span", { class: "letter" }, letter), el("span", { dir: "auto" }, withHits(text, words), right ? el("span", { class: "unseen" }, " (right)") : null));
    })),
    el("div", { class: "answers" }, arms.map((arm) => {
      const answer = answers[arm];
      const said = verdict(items, arm, place);
      const tokens = answer.tokens === undefined ? "" : `${said.length ? ", " : ""}${answer.tokens} tokens`;
      return el("div", { class: "answer" }, el("h3", {}, labels[arm]),
        el("p", { class: "verdict" }, said, tokens),
        answer.likelihoods ? likelihoods(answer.likelihoods, label) : response(answer, words));
    })),
  );
}

/** The closed element of an item; its texts come as soon as they are decoded. `arms` are the places of those to show. */
export function itemElement(items, place, arms, labels, words, badge) {
  const target = items.target(place);
  const found = arms.map((arm) => items.found(arm, place)).join(" → ");
  const open = arms.every((arm) => items.arms[arm].letters[place] === ".");
  const gist = el("span", { class: "gist", "aria-hidden": "true" });
  const inside = el("div", { class: "inside" });
  const element = el("details", { class: "item", "data-place": place },
    el("summary", {},
      badge ? el("span", { class: `badge ${badge}` }, badge) : null,
      el("span", { class: "where" }, `${items.subject(place)} ${items.numbers[place]}`),
      el("span", { class: "change" }, open ? "" : target ? `right ${target}: ${found}` : found),
      gist),
    inside);
  fill(inside, gist, items, place, arms, labels, words);
  return element;
}
