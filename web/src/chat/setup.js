// What is asked for beside the prompt: the system prompt, arms with their interventions, and sampling.
import { el } from "../shared/dom.js";
import { settingFields } from "./request.js";
import { keyChoices, methods, nameOf, specOf } from "./specs.js";
import { newId } from "./store.js";

const kMostArms = 6;

const field = (label, control) => el("label", {}, label, control);

export class Setup {
  /** `onchange` after each change of `conversation`, which `show` gives. */
  constructor({ models, onchange }) {
    Object.assign(this, { models, onchange });
    this.base = models.find(({ parent }) => parent === null) ?? models[0];
    this.arms = el("div", { class: "arm-list" });
    this.summary = el("summary", {}, "");
    this.system = el("textarea", { rows: "2", oninput: () => this.set(() => (this.conversation.system = this.system.value)) });
    this.systemField = field("System prompt", this.system);
    this.fields = Object.fromEntries(settingFields.map(({ name, label, step, min, max }) => {
      const input = el("input", { type: "number", step, min, max, placeholder: "default", oninput: () => this.set(() => (this.conversation.settings[name] = input.value)) });
      return [name, { input, label: field(label, input) }];
    }));
    this.stop = el("textarea", { rows: "1", placeholder: "one a line; \\n is a line's end", oninput: () => this.set(() => (this.conversation.settings.stop = this.stop.value)) });
    this.attention = el("input", { type: "checkbox", onchange: () => this.set(() => (this.conversation.settings.attention = this.attention.checked)) });
    this.mode = el("select", { onchange: () => this.set(() => (this.conversation.mode = this.mode.value)) }, el("option", { value: "chat" }, "Conversation"), el("option", { value: "completion" }, "Plain text to go on with"));
    if (!this.base.refocus?.chat) this.mode.querySelector("[value=chat]").disabled = true;
    this.addButton = el("button", { type: "button", class: "quiet", onclick: () => this.addArm() }, "Add an arm");
    this.element = el("details", { class: "setup" }, this.summary,
      el("fieldset", {}, el("legend", {}, "Arms: each answers every prompt"), this.arms, this.addButton),
      el("fieldset", {}, el("legend", {}, "Prompt"), el("div", { class: "controls" }, field("The text is", this.mode), el("label", { class: "check" }, this.attention, " Keep what it looks at")), this.systemField),
      el("fieldset", {}, el("legend", {}, "Sampling"), el("div", { class: "controls" }, Object.values(this.fields).map(({ label }) => label), field("Stop at", this.stop))));
  }

  set(change) {
    change();
    this.tell();
    this.onchange();
  }

  tell() {
    const { arms, settings, mode, system } = this.conversation;
    const sampled = Number(settings.temperature || 1) === 0 ? "greedy" : `temperature ${settings.temperature || "1"}, seed ${settings.seed || "0"}`;
    this.summary.replaceChildren(el("strong", {}, "Arms "), ...arms.map(({ name }) => el("span", { class: "chip" }, name)), el("span", { class: "note" }, ` ${sampled}${mode === "chat" ? (system.trim() ? ", with a system prompt" : "") : ", plain text"}`));
    this.systemField.hidden = mode !== "chat";
    this.addButton.disabled = arms.length >= kMostArms;
  }

  show(conversation) {
    this.conversation = conversation;
    this.system.value = conversation.system;
    this.mode.value = conversation.mode;
    this.stop.value = conversation.settings.stop ?? "";
    this.attention.checked = conversation.settings.attention !== false;
    for (const [name, { input }] of Object.entries(this.fields)) input.value = conversation.settings[name] ?? "";
    this.showArms();
    this.tell();
  }

  addArm() {
    this.set(() => {
      const { arms } = this.conversation;
      const name = nameOf("rebalance", arms.map((arm) => arm.name));
      arms.push({ id: newId(), name, model: "", method: "rebalance", values: {}, layers: "", spec: specOf("rebalance", { alpha: "0.2" }) });
    });
    this.showArms();
    this.arms.lastElementChild.querySelector("select").focus();
  }

  showArms() {
    this.arms.replaceChildren(...this.conversation.arms.map((arm) => this.arm(arm)));
  }

  // One arm: its name, what it does, and the method's parameters.
  arm(arm) {
    const { arms } = this.conversation;
    const aliases = this.models.filter(({ parent }) => parent !== null);
    const place = el("div", { class: "parameters" });
    const name = el("input", { type: "text", maxlength: "40", value: arm.name, oninput: () => this.set(() => (arm.name = name.value.trim() || "arm")) });
    const option = (value, text) => el("option", { value }, text);
    const kind = el("select", { onchange: () => this.choose(arm, kind.value, place, name) }, option("plain", "none"),
      aliases.length ? el("optgroup", { label: "Arms of the server" }, aliases.map(({ id, refocus }) => option(`model ${id}`, `${id.slice(id.indexOf("@") + 1)}: ${refocus?.intervention ?? ""}`))) : null,
      el("optgroup", { label: "Methods" }, Object.entries(methods).map(([method, { says }]) => option(method, `${method}: ${says}`))), option("spec", "a SPEC as --intervene takes it"));
    kind.value = arm.model ? `model ${arm.model}` : arm.method || (arm.spec ? "spec" : "plain");
    if (!kind.value) kind.value = "plain";
    const remove = el("button", { type: "button", class: "quiet", "aria-label": `Remove the arm ${arm.name}`, disabled: arms.length < 2, onclick: () => {
      this.set(() => arms.splice(arms.indexOf(arm), 1));
      this.showArms();
      this.addButton.focus();
    } }, "Remove");
    this.parameters(arm, place);
    return el("div", { class: "arm", role: "group", "aria-label": `Arm ${arm.name}` }, el("div", { class: "controls" }, field("Name", name), field("Intervention", kind), place, remove));
  }

  choose(arm, kind, place, name) {
    this.set(() => {
      const named = arm.name;
      const wasGiven = named !== nameOf(arm.spec, []) && !/^(plain|spec|arm)( \d+)?$/.test(named) && !(arm.method && named.startsWith(arm.method)) && !(arm.model && arm.model.endsWith(`@${named}`));
      Object.assign(arm, { model: "", method: "", spec: "", values: {}, layers: "" });
      if (kind.startsWith("model ")) arm.model = kind.slice(6);
      else if (kind in methods) {
        arm.method = kind;
        arm.values = Object.fromEntries(methods[kind].parameters.map((each) => [each.name, each.value]));
        arm.spec = specOf(kind, arm.values);
      } else if (kind === "spec") {
        arm.method = "spec";
      }
      if (wasGiven) return;
      const others = this.conversation.arms.filter((each) => each !== arm).map((each) => each.name);
      arm.name = arm.model ? arm.model.slice(arm.model.indexOf("@") + 1) : nameOf(arm.spec || (kind === "spec" ? "spec" : ""), others);
      name.value = arm.name;
    });
    this.parameters(arm, place);
  }

  parameters(arm, place) {
    if (arm.method === "spec" || (!arm.method && arm.spec)) {
      const input = el("input", { type: "text", value: arm.spec, placeholder: "boost:factor=3,keys=role:user+rebalance", oninput: () => this.set(() => (arm.spec = input.value.trim())) });
      place.replaceChildren(el("label", { class: "wide" }, "SPEC", input));
      return;
    }
    if (!arm.method) {
      place.replaceChildren();
      return;
    }
    const shown = el("code", { class: "spec" }, arm.spec);
    const change = () => this.set(() => {
      arm.spec = specOf(arm.method, arm.values, arm.layers);
      shown.textContent = arm.spec;
    });
    const one = ({ name, says, value }) => {
      const input = el("input", { type: "text", value: arm.values[name] ?? value, size: name === "keys" ? "16" : "6", list: name === "keys" ? "key-choices" : null, oninput: () => {
        arm.values[name] = input.value;
        change();
      } });
      arm.values[name] ??= value;
      return field(`${name}: ${says}`, input);
    };
    const layers = el("input", { type: "text", value: arm.layers, size: "6", placeholder: "all", oninput: () => {
      arm.layers = layers.value;
      change();
    } });
    place.replaceChildren(...methods[arm.method].parameters.map(one), field("layers: such as 8-15", layers), shown);
  }
}

/** Proposals for `keys`, once for the page. */
export const keyList = () => el("datalist", { id: "key-choices" }, keyChoices.map((value) => el("option", { value })));
