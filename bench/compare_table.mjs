// The table of bench/compare: lines "FILE \t ours|theirs \t JSON" on standard input, medians and ratios out.
// usage: node compare_table.mjs PRINT_JSON THREADS
import {readFileSync} from "node:fs";
import path from "node:path";

const [printJson, threads] = process.argv.slice(2);
const files = new Map();
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const [file, program, json] = line.split("\t");
    if (!files.has(file)) files.set(file, {ours: [], theirs: []});
    files.get(file)[program].push(JSON.parse(json));
}
const median = values => {
    const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
const cases = [["prefill, 512 tokens", "prefill_tps"], ["decode", "decode_tps"], ["decode, 16 sequences", "decode_batch16_tps"]];
const out = [];
for (const [file, {ours, theirs}] of files) {
    const of = (runs, key) => median(runs.map(run => run[key]));
    const rows = cases.map(([label, key]) => ({
        label, refocus: of(ours, key), llamacpp: of(theirs, key), ratio: of(ours, key) / of(theirs, key),
        rebalance: of(ours, `${key}_rebalance`),
        rebalance_ratio: median(ours.map(run => run[`${key}_ratio`])),
    }));
    const read = median(ours.map(run => run.decode_gb_s / run.read_gb_s));
    out.push({model: path.basename(file), threads: Number(threads), rounds: ours.length,
        instruction_set: ours[0].instruction_set, rows, read_fraction: read, runs: {ours, theirs}});
}
if (printJson === "1") {
    console.log(JSON.stringify(out));
} else {
    const number = (value, width, digits) => value.toFixed(digits).padStart(width);
    for (const {model, instruction_set, rounds, rows, read_fraction} of out) {
        console.log(`${model}, ${threads} threads, ${instruction_set}, median of ${rounds} rounds\n`);
        console.log("tokens a second       refocus  llama.cpp   ratio   rebalance / none");
        for (const r of rows) {
            console.log(`${r.label.padEnd(20)} ${number(r.refocus, 8, 1)} ${number(r.llamacpp, 10, 1)} ` +
                `${number(r.ratio, 7, 2)} ${number(r.rebalance_ratio, 18, 3)}`);
        }
        console.log(`\nDecoding one sequence reads at ${(100 * read_fraction).toFixed(0)}% of the machine's rate.\n`);
    }
}
