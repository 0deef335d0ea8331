// Checks GGUF files against llama.cpp (the prebuilt binary that the npm package node-llama-cpp ships): the
// tokenizer's ids and the greedily chosen tokens of both programs must agree.
//
// usage: node check_llamacpp.mjs REFOCUS TOKENS MODEL.gguf [MODEL.gguf ...]
//
// REFOCUS is the program, TOKENS how many to generate for each prompt. Run it in a folder where
// `npm install node-llama-cpp@3.22.1` has been done. A first difference is shown with the chance that
// llama.cpp gives to either token: close ones are ties within rounding, which F16 and quantised activations
// decide either way. Exits with 1 where a file does not load, ids differ, or a token differs that is no near
// tie (ratio above 1.25 for F32, F16 and BF16 files, 3 for quantised ones).
import {execFileSync} from "node:child_process";
import path from "node:path";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const require = createRequire(path.join(process.cwd(), "check_llamacpp.js"));
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")));
const [refocus, tokens, ...files] = process.argv.slice(2);
if (!files.length) throw new Error("usage: check_llamacpp.mjs REFOCUS TOKENS MODEL.gguf ...");
const prompts = ["Once upon a time", "The capital of France is", "Hello", "1 + 1 = 2, and 12 * 12 =",
    "  Two spaces,\na new line\tand a tab. ", "Grüße aus Köln, 你好, \u{1F600}!", "What is the answer? (A) yes (B) no"];

const run = (...args) => JSON.parse(execFileSync(refocus, args, {stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 26}));
const llama = await getLlama({gpu: false, maxThreads: 1, build: "never", logLevel: "error"});
let failures = 0;

async function compare(model, file, prompt, sequence, plain) {
    const ours = run("tokenize", "-m", file, "-p", prompt, "--json").tokens;
    const theirs = [...(model.tokens.shouldPrependBosToken ? [model.tokens.bos] : []),
        ...model.tokenize(prompt, false, "trimLeadingSpace")];
    const untrimmed = [...(model.tokens.shouldPrependBosToken ? [model.tokens.bos] : []), ...model.tokenize(prompt, false)];
    const sameIds = [theirs, untrimmed].some(t => t.join() === ours.join());
    if (!sameIds) {
        console.log(`  ids differ for ${JSON.stringify(prompt)}: ${ours} here, ${untrimmed} there`);
        failures++;
    }
    const generated = run("generate", "-m", file, "--tokens", ours.join(","), "-n", String(tokens), "--ignore-eos", "--json").tokens;
    await sequence.clearHistory();
    const items = ours.map((t, i) => i + 1 < ours.length ? t : [t, {generateNext: {token: true, probabilities: true}}]);
    let output = (await sequence.controlledEvaluate(items)).at(-1).next;
    for (let i = 0; i < generated.length; i++) {
        const best = [...output.probabilities.entries()][0];
        if (best[0] !== generated[i]) {
            const mine = output.probabilities.get(generated[i]) ?? 0;
            const ratio = best[1] / mine, tie = ratio <= (plain ? 1.25 : 3);
            console.log(`  token ${i} of ${JSON.stringify(prompt)}: ${generated[i]} (${mine.toFixed(4)}) here, ` +
                `${best[0]} (${best[1].toFixed(4)}) there${tie ? ", a near tie" : ""}`);
            if (!tie) failures++;
            return i;
        }
        if (i + 1 < generated.length)
            output = (await sequence.controlledEvaluate([[generated[i], {generateNext: {token: true, probabilities: true}}]]))[0].next;
    }
    return generated.length;
}

for (const file of files) {
    const info = run("info", "-m", file, "--json");
    const plain = Object.keys(info.parameters_by_type).every(t => ["F32", "F16", "BF16"].includes(t));
    const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
    const context = await model.createContext({contextSize: Math.min(info.context_length, 512), batchSize: 512, threads: 1});
    const sequence = context.getSequence();
    console.log(`${path.basename(file)}: ${JSON.stringify(info.parameters_by_type)}`);
    let same = 0;
    for (const prompt of prompts) same += await compare(model, file, prompt, sequence, plain);
    console.log(`  ${same} of ${prompts.length * Number(tokens)} tokens before a difference`);
    await context.dispose();
    await model.dispose();
}
await llama.dispose();
console.log(failures ? `${failures} failures` : "all agree");
process.exit(failures ? 1 : 0);
