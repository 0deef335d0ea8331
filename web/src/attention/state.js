// What is looked at: kept in the address, so that a view can be linked, and told to whoever draws it.
import { tellingHead } from "./telling.js";

/** Places, not numbers, for arm, layer and head; positions for query and key. */
export class State {
  constructor(data) {
    this.data = data;
    this.listeners = [];
    const last = data.arms[0]?.queries?.at(-1) ?? 0;
    this.telling = tellingHead(data);
    this.start = { arm: 0, other: data.arms.length > 1 ? 1 : 0, layer: this.telling?.layer ?? 0, head: this.telling?.head ?? 0, query: last, key: null,
      view: "weights", scale: "log", mask: false, show: data.hasMaps ? "maps" : data.statisticNames()[0], sort: "place", sortBy: data.statisticNames()[0] ?? "", text: "head" };
    Object.assign(this, this.start);
    this.read();
    addEventListener("hashchange", () => {
      if (location.hash.slice(1) === this.written) return;
      const before = { ...this };
      Object.assign(this, this.start);
      this.read();
      this.tell(Object.keys(this.start).filter((name) => before[name] !== this[name]));
    });
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  update(changes) {
    const changed = Object.keys(changes).filter((name) => this[name] !== changes[name]);
    if (changed.length === 0) return;
    Object.assign(this, changes);
    this.repair();
    this.write();
    this.tell(changed);
  }

  tell(changed) {
    const names = new Set(changed);
    for (const listener of this.listeners) listener(names);
  }

  // What cannot be: a difference of an arm to itself, weights before that were not kept, a query without a row.
  repair() {
    const { data } = this;
    const arm = data.arms[this.arm];
    if (this.other === this.arm || !comparable(data, this.arm, this.other)) {
      this.other = data.arms.findIndex((_, place) => place !== this.arm && comparable(data, this.arm, place));
    }
    if (this.view === "difference" && this.other < 0) this.view = "weights";
    if ((this.view === "before" || this.view === "change") && !data.capture.before) this.view = "weights";
    if (arm.rowOf && !arm.rowOf.has(this.query)) this.query = arm.queries.at(-1) ?? 0;
    if (this.key !== null && this.key > this.query) this.key = null;
  }

  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const { data } = this;
    const place = (list, value) => Math.max(0, list.indexOf(value));
    const arms = data.arms.map((arm) => arm.name);
    if (given.has("arm")) this.arm = place(arms, given.get("arm"));
    if (given.has("other")) this.other = place(arms, given.get("other"));
    if (given.has("layer")) this.layer = place(data.layers, Number(given.get("layer")));
    if (given.has("head")) this.head = place(data.heads, Number(given.get("head")));
    for (const name of ["query", "key"]) {
      const value = Number(given.get(name));
      if (given.has(name) && Number.isInteger(value) && value >= 0) this[name] = value;
    }
    const choices = { view: ["weights", "before", "change", "difference"], scale: ["log", "linear"], text: ["head", "layer", "all"],
      sort: ["place", "falling", "rising"], show: ["maps", ...data.statisticNames()], sortBy: data.statisticNames() };
    for (const name in choices) if (choices[name].includes(given.get(name))) this[name] = given.get(name);
    this.mask = given.get("mask") === "1";
    this.repair();
  }

  write() {
    const { data } = this;
    const out = new URLSearchParams();
    const put = (name, value) => this[name] !== this.start[name] && out.set(name, value);
    put("arm", data.arms[this.arm].name);
    if (this.view === "difference") out.set("other", data.arms[this.other].name);
    out.set("layer", data.layers[this.layer]);
    out.set("head", data.heads[this.head]);
    put("query", this.query);
    if (this.key !== null) put("key", this.key);
    for (const name of ["view", "scale", "text", "sort", "sortBy", "show"]) put(name, this[name]);
    put("mask", "1");
    this.written = out.toString();
    try {
      history.replaceState(null, "", `#${this.written}`);
    } catch {
      // a browser that lets files keep no address: the view still works, only the link does not
    }
  }
}

/** Whether rows of two arms can be subtracted. */
export function comparable(data, a, b) {
  return b >= 0 && data.arms[a]?.comparable && data.arms[b]?.comparable;
}
