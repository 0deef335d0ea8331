// One prompt with the answers of its arms side by side, and where they begin to differ.
import { el } from "../shared/dom.js";
import { AnswerView } from "./answer.js";
import { Look } from "./look.js";
import { firstDifference, visible } from "./tokens.js";

export class TurnView {
  /** `turn` is {prompt, answers}; `onask(turn, arm)` asks it once more. */
  constructor(turn, { number, chat, api, model, onask, specOfArm, done }) {
    this.turn = turn;
    this.views = [];
    this.look = new Look({ api, model, specOfArm, onask: (arm) => onask(this, arm) });
    this.mark = el("button", { type: "button", class: "quiet", onclick: () => this.openPrompt() }, "Mark words");
    this.columns = el("div", { class: "answers" });
    this.differences = el("ul", { class: "differences", "aria-label": "Where the answers begin to differ" });
    this.element = el("article", { class: "turn", "aria-label": `Turn ${number}` },
      el("div", { class: "asked" }, el("h2", {}, chat ? `You, turn ${number}` : `Text ${number}`), el("div", { class: "asked-text" }, turn.prompt), this.mark), this.columns, this.differences, this.look.element);
    for (const answer of turn.answers) this.add(answer, done);
  }

  add(answer, done) {
    const view = new AnswerView(answer, { done, onlook: (index) => {
      this.look.onstep = (next) => view.go(next, false);
      this.look.open(answer, index, view.text);
    } });
    this.views.push(view);
    this.columns.append(view.element);
    this.columns.dataset.count = this.views.length;
    this.compare();
    return view;
  }

  openPrompt() {
    const answer = this.turn.answers.find((each) => !each.error) ?? this.turn.answers[0];
    if (answer) this.look.open(answer, null, this.mark);
  }

  // Each answer against the first.
  compare() {
    const [first, ...others] = this.views;
    if (!first) return;
    const found = others.map((view) => firstDifference(first.answer.tokens, view.answer.tokens, first.done && view.done));
    const given = found.filter((index) => index >= 0);
    first.differ(given.length ? Math.min(...given) : -1);
    others.forEach((view, i) => view.differ(found[i]));
    // While answers are written a button that is focused stays.
    const said = others.map((view, i) => `${view.answer.arm.name} ${found[i]} ${first.done && view.done} ${view.answer.error}`).join();
    if (said === this.said) return;
    this.said = said;
    this.differences.replaceChildren(...others.map((view, i) => this.difference(first, view, found[i])).filter(Boolean));
  }

  difference(first, view, index) {
    const { name } = view.answer.arm;
    if (view.answer.error || first.answer.error) return null;
    if (index < 0) return first.done && view.done ? el("li", {}, `${name}: the same ${view.answer.tokens.length} tokens as ${first.answer.arm.name}`) : null;
    const said = (answer) => el("code", {}, answer.tokens[index] ? visible(answer.tokens[index].text) : "end");
    return el("li", {}, el("button", { type: "button", class: "quiet", onclick: () => {
      view.text.focus();
      view.go(index, true);
    } }, `${name} differs from token ${index + 1} on`), " ", said(first.answer), " → ", said(view.answer));
  }

  /** Draws what has come since. */
  update() {
    for (const view of this.views) if (!view.done) view.update();
    this.compare();
  }
}
