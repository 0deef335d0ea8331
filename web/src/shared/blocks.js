// Reads the pieces of data that src/web/page.cpp put into the page: Zstandard in base64, in script elements that no
// browser runs. Each is decoded when it is first asked for.
import { decompress } from "fzstd";

/** Whether the page has a block of that id. */
export function hasBlock(id) {
  return document.getElementById(`block-${id}`) !== null;
}

/** The bytes of a block. */
export function readBytes(id) {
  const element = document.getElementById(`block-${id}`);
  if (!element) throw new Error(`the page has no block "${id}"`);
  const packed = atob(element.textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const size = Number(element.dataset.size);
  return size === 0 ? new Uint8Array(0) : decompress(bytes, new Uint8Array(size));
}

/** The bytes of a block as text. */
export function readBlock(id) {
  return new TextDecoder().decode(readBytes(id));
}

/** A block that holds JSON. Asynchronous, so that a page can paint between blocks. */
export async function readJson(id) {
  await new Promise((resolve) => setTimeout(resolve));
  return JSON.parse(readBlock(id));
}
