// Beside the conversation: those kept in the browser, with export and import, and the server's runs.
import { el } from "../shared/dom.js";
import { fileName, save } from "../shared/export.js";
import { exported, imported } from "./store.js";

export class Conversations {
  /** `onopen(conversation)`, `onnew()`, `onremoved(id)`. */
  constructor({ store, onopen, onnew, onremoved }) {
    Object.assign(this, { store, onopen, onremoved });
    this.list = el("ul", { class: "conversation-list" });
    this.status = el("p", { class: "note", role: "status" });
    this.file = el("input", { type: "file", accept: "application/json,.json", hidden: true, onchange: () => this.read() });
    this.element = el("section", { "aria-label": "Conversations" }, el("h2", {}, "Conversations"),
      el("div", { class: "buttons" }, el("button", { type: "button", class: "quiet", onclick: onnew }, "New"),
        el("button", { type: "button", class: "quiet", onclick: () => this.file.click() }, "Import"),
        el("button", { type: "button", class: "quiet", onclick: () => this.saveAll() }, "Export all")),
      this.file, this.status, this.list);
    if (!store.lasts) this.status.textContent = "This browser keeps nothing: conversations end with the page.";
  }

  async saveAll() {
    const all = await this.store.all();
    save(new Blob([exported(all)], { type: "application/json" }), fileName(["refocus", "conversations"], "json"));
  }

  async read() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    try {
      const list = imported(await file.text());
      for (const conversation of list) await this.store.put(conversation);
      this.status.textContent = `${list.length} conversation${list.length === 1 ? "" : "s"} imported.`;
      await this.refresh(this.opened);
      if (list.length === 1) this.onopen(list[0]);
    } catch (error) {
      this.status.textContent = error.message;
    }
  }

  async refresh(opened) {
    this.opened = opened;
    const all = await this.store.all();
    this.list.replaceChildren(...all.map((conversation) => {
      const { title } = conversation;
      return el("li", {}, el("button", { type: "button", class: "name", "aria-current": conversation.id === opened ? "true" : null, onclick: () => this.onopen(conversation) }, title),
        el("button", { type: "button", class: "quiet", "aria-label": `Export ${title}`, title: "Export", onclick: () => save(new Blob([exported([conversation])], { type: "application/json" }), fileName(["refocus", title], "json")) }, "↓"),
        el("button", { type: "button", class: "quiet", "aria-label": `Delete ${title}`, title: "Delete", onclick: async () => {
          await this.store.remove(conversation.id);
          this.onremoved(conversation.id);
          await this.refresh(this.opened);
        } }, "×"));
    }));
    if (all.length === 0) this.list.replaceChildren(el("li", { class: "note" }, "None yet; they stay in this browser."));
  }
}

/** The server's runs, whose reports open as documents of their own; null where it has none. */
export async function runList(api) {
  const { data } = await api.json("/v1/runs");
  if (data.length === 0) return null;
  const status = el("p", { class: "note", role: "status" });
  // A link cannot carry the key, so the report is fetched and opened as what this page has.
  const open = async (run, place) => {
    status.textContent = `Making the report of ${run.name} ..`;
    try {
      const response = await api.request(run.report);
      const address = URL.createObjectURL(new Blob([await response.text()], { type: "text/html" }));
      const link = el("a", { href: address, target: "_blank" }, `Open the report of ${run.name}`);
      place.replaceChildren(link);
      status.textContent = "";
      link.focus();
    } catch (error) {
      status.textContent = error.message;
    }
  };
  const entry = (run) => {
    const place = el("span", {});
    place.append(api.key ? el("button", { type: "button", class: "name", onclick: () => open(run, place) }, run.name) : el("a", { href: run.report, target: "_blank", rel: "noopener" }, run.name));
    const facts = [run.tasks.join(", "), `${run.items} questions`, `${run.arms.length} arms`, run.created?.slice(0, 10)].filter(Boolean);
    return el("li", {}, place, el("span", { class: "note" }, facts.join(" · ")));
  };
  return el("section", { "aria-label": "Runs" }, el("h2", {}, "Runs"), status, el("ul", { class: "run-list" }, data.map(entry)));
}
