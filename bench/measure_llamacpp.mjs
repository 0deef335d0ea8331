// One round of llama.cpp (the prebuilt binary of the npm package node-llama-cpp) on a GGUF file, for bench/compare:
// the same prefill, decode and batched decode as `refocus bench`. Prints one JSON line.
//
// usage: node measure_llamacpp.mjs MODEL.gguf THREADS [PROMPT_TOKENS] [flash], in a folder where node-llama-cpp is installed
import path from "node:path";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const {getLlama} = await import(pathToFileURL(createRequire(path.join(process.cwd(), "x.js")).resolve("node-llama-cpp")));
const [modelPath, threadCount, promptTokens, flash] = process.argv.slice(2);
const threads = Number(threadCount), prefill = Number(promptTokens ?? 512), decode = 64, batch = 16, batchPrompt = 32, batchDecode = 16;
const token = i => 3 + (i * 7919) % 29000;
const tokens = Array.from({length: prefill}, (_, i) => token(i));

const llama = await getLlama({gpu: false, maxThreads: threads, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath, useMmap: true, gpuLayers: 0});

async function rate(count, work) {
    const begin = performance.now();
    await work();
    return count * 1000 / (performance.now() - begin);
}
const median = values => values.sort((a, b) => a - b)[values.length >> 1];

async function oneSequence() {
    const context = await model.createContext({contextSize: prefill + decode + 64, batchSize: Math.min(prefill, 512), threads,
        flashAttention: flash === "flash"});
    const sequence = context.getSequence(), prefills = [], decodes = [];
    for (let round = 0; round < (prefill > 2000 ? 2 : 4); round++) {  // the first warms up
        await sequence.clearHistory();
        prefills.push(await rate(prefill, () => sequence.evaluateWithoutGeneratingNewTokens(tokens)));
        decodes.push(await rate(decode, async () => {
            for (let i = 0; i < decode; i++) await sequence.evaluateWithoutGeneratingNewTokens([token(i)]);
        }));
    }
    await context.dispose();
    return {prefill_tps: median(prefills.slice(1)), decode_tps: median(decodes.slice(1))};
}

async function manySequences() {
    const rounds = 4, contextSize = batchPrompt + batchDecode * rounds + 32;
    const context = await model.createContext({contextSize, batchSize: 512, sequences: batch, threads});
    const sequences = Array.from({length: batch}, () => context.getSequence()), rates = [];
    const all = work => Promise.all(sequences.map(work));
    await all(s => s.evaluateWithoutGeneratingNewTokens(tokens.slice(0, batchPrompt)));
    for (let round = 0; round < rounds; round++) {
        rates.push(await rate(batch * batchDecode, async () => {
            for (let i = 0; i < batchDecode; i++) await all((s, k) => s.evaluateWithoutGeneratingNewTokens([token(i + k)]));
        }));
    }
    await context.dispose();
    return {decode_batch16_tps: median(rates.slice(1))};
}

console.log(JSON.stringify({...await oneSequence(), ...await manySequences()}));
await llama.dispose();
process.exit(0);
