// The server's API: requests with the key, errors in the server's own words, and streams of events.

/** What the server refused; the message is the server's. */
export class ApiError extends Error {
  constructor(status, message, code = null) {
    super(message);
    Object.assign(this, { status, code });
  }
}

const kKey = "refocus-key";

// One event's lines as the value of its data, or null where it has none.
function dataOf(event) {
  const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).replace(/^ /, ""));
  return data.length ? data.join("\n") : null;
}

export class Api {
  /** `onKey` is called where the server wants another key. */
  constructor({ base = "", onKey = () => {}, fetch: fetching = (...request) => fetch(...request) } = {}) {
    this.base = base;
    this.onKey = onKey;
    this.fetching = fetching;
    try {
      this.key = sessionStorage.getItem(kKey);
    } catch {
      this.key = null; // a browser that keeps nothing
    }
  }

  setKey(key) {
    this.key = key;
    try {
      sessionStorage.setItem(kKey, key);
    } catch {
      // asked for again then
    }
  }

  async request(path, { body, signal } = {}) {
    const headers = {};
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await this.fetching(this.base + path, { method: body === undefined ? "GET" : "POST", headers, body: body === undefined ? undefined : JSON.stringify(body), signal, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "The server does not answer; is refocus serve still running?");
    }
    if (response.ok) return response;
    const text = await response.text();
    if (response.status === 401) this.onKey();
    let said = { message: text.slice(0, 400) || `status ${response.status}`, code: null };
    try {
      said = JSON.parse(text).error ?? said;
    } catch {
      // what stands between did not speak JSON
    }
    throw new ApiError(response.status, said.message, said.code);
  }

  async json(path, options) {
    return (await this.request(path, options)).json();
  }

  /** The chunks of a streamed answer, each an object. */
  async *stream(path, options) {
    const response = await this.request(path, options);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let kept = "";
    for (;;) {
      const { value, done } = await reader.read();
      kept += value ? decoder.decode(value, { stream: true }) : "";
      const events = kept.split(/\r?\n\r?\n/);
      kept = done ? "" : events.pop();
      for (const event of events) {
        const data = dataOf(event);
        if (data === null) continue;
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new ApiError(200, chunk.error.message);
        yield chunk;
      }
      if (done) throw new ApiError(200, "The answer broke off before its end.");
    }
  }
}
