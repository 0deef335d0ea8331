// The questions and answers of a report: the index of a task at once, texts chunk by chunk when they are wanted.
import { readJson } from "../shared/blocks.js";

/** One task's items. Places are counts from 0 in the order of the data. */
export class Items {
  constructor(task, index) {
    this.task = task;
    this.subjects = index.subjects;
    this.labels = index.labels;
    this.numbers = index.items; // doc_id of each item
    this.targets = index.targets; // right short answers, where the task has such
    this.arms = index.arms; // {letters, correct, cut, unfinished}: one character an item; of short answers also found: [text]
    this.chunkStarts = index.chunks;
    this.length = index.items.length;
    this.subjectOf = new Uint16Array(this.length);
    let at = 0;
    for (const [subject, count] of index.groups) this.subjectOf.fill(subject, at, (at += count));
    this.chunks = new Map();
  }

  static async read(task) {
    return new Items(task, await readJson(`index-${task}`));
  }

  subject(place) {
    return this.subjects[this.subjectOf[place]];
  }

  /** The right letter or short answers of an item; "" where the data does not say. */
  target(place) {
    return this.targets?.[place] || this.labels[place].replace("-", "");
  }

  /** What was read from an arm's answer; "" where nothing was looked for. */
  found(arm, place) {
    const { letters, found } = this.arms[arm];
    if (letters[place] === ".") return "";
    if (letters[place] === "*") return found[place];
    return letters[place] === "-" ? "no answer" : letters[place];
  }

  chunkOf(place) {
    let low = 0;
    let high = this.chunkStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.chunkStarts[middle] <= place) low = middle;
      else high = middle;
    }
    return low;
  }

  chunk(number) {
    if (!this.chunks.has(number)) this.chunks.set(number, readJson(`answers-${this.task}-${number}`));
    return this.chunks.get(number);
  }

  /** {question, options, answers: [arms]}; an answer is {text, begin, end, rule, tokens} or {likelihoods}. */
  async texts(place) {
    const number = this.chunkOf(place);
    const [question, options, answers] = (await this.chunk(number))[place - this.chunkStarts[number]];
    return {
      question,
      options,
      answers: answers.map((answer) =>
        Array.isArray(answer[0])
          ? { likelihoods: answer }
          : { text: answer[0], begin: answer[1], end: answer[2], rule: answer[3], tokens: answer[4] }),
    };
  }

  /** Those of `places` whose question, options or answers in `arms` contain `words` (any case). Calls
   * progress(done of places) between chunks; stops early, with null, when `cancelled()` holds. */
  async search(places, words, arms, progress, cancelled) {
    const wanted = words.toLowerCase();
    const found = [];
    let last = performance.now();
    for (let i = 0; i < places.length; ) {
      const number = this.chunkOf(places[i]);
      const start = this.chunkStarts[number];
      const end = this.chunkStarts[number + 1] ?? this.length;
      const chunk = await this.chunk(number);
      for (; i < places.length && places[i] < end; i++) {
        const [question, options, answers] = chunk[places[i] - start];
        const texts = [question, ...options, ...arms.map((arm) => answers[arm][0])];
        if (texts.some((text) => typeof text === "string" && text.toLowerCase().includes(wanted))) found.push(places[i]);
      }
      if (performance.now() - last > 40) {
        progress(i);
        await new Promise((resolve) => setTimeout(resolve)); // the page stays alive meanwhile
        if (cancelled()) return null;
        last = performance.now();
      }
    }
    return found;
  }
}
