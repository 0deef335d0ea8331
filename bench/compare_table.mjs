// The table of bench/compare: lines "MODEL \t PROGRAM \t JSON" on standard input, medians, spreads and ratios out.
// usage: node compare_table.mjs text|markdown|json THREADS PROMPT_TOKENS
import {readFileSync} from "node:fs";
import os from "node:os";
import path from "node:path";

const [format, threads, prompt] = process.argv.slice(2);
const models = new Map();  // model -> program -> runs
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const [model, program, json] = line.split("\t");
    if (!models.has(model)) models.set(model, new Map());
    const programs = models.get(model);
    programs.set(program, [...(programs.get(program) ?? []), JSON.parse(json)]);
}
const median = values => {
    const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
// Median and spread of what was measured, or null.
const rate = (runs, key) => {
    const values = runs.map(run => run[key]).filter(value => value !== undefined);
    if (values.length === 0) return null;
    const tps = median(values);
    return {tps, spread: (Math.max(...values) - Math.min(...values)) / 2 / tps};
};
const cases = [[`prefill, ${prompt} tokens`, "prefill_tps"], ["decode", "decode_tps"],
    ["decode, 16 sequences", "decode_batch16_tps"]];
const tables = [...models].map(([model, programs]) => {
    const ours = programs.get("refocus"), peers = [...programs.keys()].filter(name => name !== "refocus");
    const rows = cases.map(([label, key]) => {
        const refocus = rate(ours, key);
        return {
            label, refocus, rebalance_ratio: median(ours.map(run => run[`${key}_ratio`])),
            peers: peers.map(name => {
                const peer = rate(programs.get(name), key);
                return {name, ...peer, ratio: peer === null ? null : refocus.tps / peer.tps};
            }),
        };
    });
    return {model: path.basename(model), machine: os.cpus()[0].model, threads: Number(threads), rounds: ours.length,
        instruction_set: ours[0].instruction_set, peers, rows,
        read_fraction: median(ours.map(run => run.decode_gb_s / run.read_gb_s)),
        memory_bytes: median(ours.map(run => run.memory_bytes)), runs: Object.fromEntries(programs)};
});

const shown = value => value == null || value.tps == null ? "" : value.tps.toFixed(1);
const percent = value => value == null || value.spread == null ? "" : `±${(100 * value.spread).toFixed(0)}%`;
const ratio = value => value == null ? "" : value.toFixed(2);
if (format === "json") {
    console.log(JSON.stringify(tables));
} else if (format === "markdown") {
    const [first] = tables;
    console.log(`${first.machine}, ${threads} threads, ${first.instruction_set}; medians of ${first.rounds} rounds\n`);
    const peers = [...new Set(tables.flatMap(table => table.peers))];
    console.log(`| tokens a second | Refocus | ${peers.map(name => `${name} | ratio`).join(" | ")} | with re-balancing / without |`);
    console.log(`| --- | --- | ${peers.map(() => "--- | ---").join(" | ")} | --- |`);
    for (const {model, rows, read_fraction} of tables) {
        for (const row of rows) {
            const cells = peers.map(name => row.peers.find(peer => peer.name === name))
                .map(peer => `${shown(peer)} ${percent(peer)} | ${ratio(peer?.ratio)}`.trim());
            const note = row.label === "decode" ? ` (${(100 * read_fraction).toFixed(0)}% of the read rate)` : "";
            console.log(`| ${model}, ${row.label} | ${shown(row.refocus)} ${percent(row.refocus)}${note} | ` +
                `${cells.join(" | ")} | ${row.rebalance_ratio.toFixed(3)} |`);
        }
    }
} else {
    for (const {model, instruction_set, rounds, rows, peers, read_fraction} of tables) {
        console.log(`${model}, ${threads} threads, ${instruction_set}, median of ${rounds} rounds\n`);
        console.log(`tokens a second        refocus      ${peers.map(name => name.padStart(10) + "         ratio").join("")}` +
            "   rebalance / none");
        for (const row of rows) {
            const cells = row.peers.map(peer => shown(peer).padStart(10) + percent(peer).padStart(6) +
                ratio(peer.ratio).padStart(8));
            console.log(row.label.padEnd(20) + shown(row.refocus).padStart(10) + percent(row.refocus).padStart(6) + " " +
                cells.join("") + row.rebalance_ratio.toFixed(3).padStart(19));
        }
        console.log(`\nDecoding one sequence reads at ${(100 * read_fraction).toFixed(0)}% of the machine's rate.\n`);
    }
}
