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

const isText = (value) => typeof value === "string";
const isAnswer = (answer) => answer && isText(answer.text) && isText(answer.arm?.name) && Array.isArray(answer.tokens) && answer.tokens.every((token) => isText(token?.text) && Array.isArray(token.top));
const isTurn = (turn) => turn && isText(turn.prompt) && Array.isArray(turn.answers) && turn.answers.every(isAnswer);
const isConversation = (each) => each && isText(each.title) && Array.isArray(each.turns) && each.turns.every(isTurn) && Array.isArray(each.arms) && each.settings && typeof each.settings === "object";

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
  return file.conversations.map((each) => ({ ...each, id: newId() }));
}

export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
