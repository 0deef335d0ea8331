// One evaluation by llama.cpp (the prebuilt binary of the npm package node-llama-cpp), for bench/compare_eval: reads
// prompts, one JSON string a line, on standard input, and answers them greedily, as many at once as there are
// sequences; each sequence keeps what its next prompt begins with from its last one. Prints one JSON line.
//
// usage: node ask_llamacpp.mjs MODEL.gguf THREADS SEQUENCES MAX_NEW_TOKENS <PROMPTS, where node-llama-cpp is installed
import {readFileSync} from "node:fs";
import path from "node:path";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const {getLlama} = await import(pathToFileURL(createRequire(path.join(process.cwd(), "x.js")).resolve("node-llama-cpp")));
const [modelPath, ...numbers] = process.argv.slice(2);
const [threads, sequences, maxNewTokens] = numbers.map(Number);
const flashAttention = process.env.FLASH_ATTENTION !== "0";
const began = performance.now();
const llama = await getLlama({gpu: false, maxThreads: threads, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath, useMmap: true, gpuLayers: 0});
const loaded = performance.now();

const prompts = readFileSync(0, "utf8").split("\n").filter(line => line)
    .map(line => [model.tokens.bos, ...model.tokenize(JSON.parse(line))])
    .sort((a, b) => b.length - a.length);  // longest first
const contextSize = prompts[0].length + maxNewTokens + 8;
const context = await model.createContext({contextSize, batchSize: 512, sequences, threads, flashAttention});
let next = 0, promptTokens = 0, generated = 0;
async function answer(sequence) {
    while (next < prompts.length) {
        const prompt = prompts[next++];
        await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
        const rest = prompt.slice(sequence.nextTokenIndex);
        promptTokens += rest.length;
        let count = 0;
        for await (const token of sequence.evaluate(rest, {temperature: 0, yieldEogToken: true})) {
            generated++;
            if (++count === maxNewTokens || model.isEogToken(token)) break;
        }
    }
}
await Promise.all(Array.from({length: sequences}, () => context.getSequence()).map(answer));
const ended = performance.now();
console.log(JSON.stringify({questions: prompts.length, seconds: (ended - began) / 1000, load_seconds: (loaded - began) / 1000,
    prompt_tokens: promptTokens, generated_tokens: generated}));
await llama.dispose();
process.exit(0);
