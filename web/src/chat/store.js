// Conversations in the browser (IndexedDB): nothing of them is on the server. Where the browser keeps nothing they last as
// long as the page.

const kStore = "conversations";
const kFormat = "refocus-conversations";

const asked = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("refocus", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(kStore, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another page holds the conversations"));
  });
}

export class Store {
  static async open() {
    const store = new Store();
    store.memory = new Map();
    try {
      store.database = await opened();
    } catch {
      store.database = null;
    }
    return store;
  }

  get lasts() {
    return this.database !== null;
  }

  async within(mode, action) {
    const transaction = this.database.transaction(kStore, mode);
    return asked(action(transaction.objectStore(kStore)));
  }

  /** All, the latest changed first. */
  async all() {
    const list = this.database ? await this.within("readonly", (store) => store.getAll()) : [...this.memory.values()];
    return list.sort((a, b) => b.changed - a.changed);
  }

  async put(conversation) {
    const copy = structuredClone(conversation);
    if (this.database) await this.within("readwrite", (store) => store.put(copy));
    else this.memory.set(copy.id, copy);
  }

  async remove(id) {
    if (this.database) await this.within("readwrite", (store) => store.delete(id));
    else this.memory.delete(id);
  }
}

/** The text of a file of conversations. */
export function exported(conversations) {
  return `${JSON.stringify({ format: kFormat, version: 1, conversations }, null, 1)}\n`;
}

// A file may come from anyone: what the page goes on with has the types that it counts on, and leads nowhere else.
const isText = (value) => typeof value === "string";
const isToken = (token) => isText(token?.text) && typeof token.logprob === "number";
const isRequest = (request) => ["/v1/completions", "/v1/chat/completions"].includes(request?.path) && request.body && typeof request.body === "object";
const isArm = (arm) => isText(arm?.id) && isText(arm.name) && isText(arm.model) && isText(arm.spec);
const isAnswer = (answer) => isText(answer?.text) && isArm(answer.arm) && isRequest(answer.request) && Array.isArray(answer.tokens) && answer.tokens.every((token) => isToken(token) && Array.isArray(token.top) && token.top.every(isToken));
const isTurn = (turn) => isText(turn?.prompt) && Array.isArray(turn.answers) && turn.answers.every(isAnswer);
const isSettings = (settings) => settings && Object.values(settings).every((value) => isText(value) || typeof value === "boolean");
const isConversation = (each) => isText(each?.title) && isText(each.system) && ["chat", "completion"].includes(each.mode) && Array.isArray(each.turns) && each.turns.every(isTurn) && Array.isArray(each.arms) && each.arms.length > 0 && each.arms.every(isArm) && isSettings(each.settings);

// Attention is the server's, which has forgotten it, or is another one; what was being written is no more.
const cleaned = (answer) => ({ ...answer, attention: null, finish: answer.finish ?? "stopped" });

/** The conversations of such a text, as new ones; throws where it is another file. */
export function imported(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    file = null;
  }
  if (file?.format !== kFormat || file.version !== 1 || !Array.isArray(file.conversations) || !file.conversations.every(isConversation)) {
    throw new Error(`The file is no export of this page (JSON with format "${kFormat}", version 1).`);
  }
  return file.conversations.map((each) => ({ ...each, id: newId(), changed: Number(each.changed) || 0, turns: each.turns.map((turn) => ({ ...turn, answers: turn.answers.map(cleaned) })) }));
}

export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
