// Reads the pieces of data that src/web/page.cpp put into the page: zlib in base64, in script elements that no
// browser runs. Each is decoded when it is first asked for.

/** Whether the page has a block of that id. */
export function hasBlock(id) {
  return document.getElementById(`block-${id}`) !== null;
}

async function decoded(id) {
  const element = document.getElementById(`block-${id}`);
  if (!element) throw new Error(`the page has no block "${id}"`);
  const packed = atob(element.textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
}

/** The bytes of a block as text. */
export async function readBlock(id) {
  return (await decoded(id)).text();
}

/** The bytes of a block. */
export async function readBytes(id) {
  return new Uint8Array(await (await decoded(id)).arrayBuffer());
}

/** A block that holds JSON. */
export async function readJson(id) {
  return JSON.parse(await readBlock(id));
}
