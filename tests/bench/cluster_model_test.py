#!/usr/bin/env python3
"""bench/cluster_model: what its simulation conserves, and the cases whose result is known without it."""
import importlib.machinery, importlib.util, json, math, pathlib, random, re, subprocess, sys, tempfile, unittest

PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / "bench/cluster_model"
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("cluster_model", str(PROGRAM))
model = importlib.util.module_from_spec(importlib.util.spec_from_loader("cluster_model", loader))
sys.modules["cluster_model"] = model
loader.exec_module(model)

FREE = model.Network(0.0, math.inf)
DECODE, BATCH16, PREFILL = 20.0, 110.0, 400.0


def geometry_of(name="llama-3-8b", weight_type="q8_0"):
    return model.Geometry.of(model.GEOMETRIES[name], weight_type)


def facts_of(geometry, prompt=512):
    """What bench would print of this geometry, were those its rates."""
    read = geometry.layers * geometry.layer_bytes() + geometry.head_bytes()
    operations = 2 * geometry.layers * sum(geometry.layer_weights())
    return {"decode_tps": DECODE, "decode_batch16_tps": BATCH16, "prefill_tps": PREFILL, "prefill_gop_s": PREFILL * operations / 1e9,
            "prompt_tokens": prompt, "decode_gb_s": DECODE * read / 1e9, "read_gb_s": 50.0}


def cluster_of(network=FREE, pipeline=1, tensor=1, **names):
    geometry = geometry_of(**names)
    return model.Cluster(geometry, model.Bench.of(facts_of(geometry)), network, pipeline, tensor)


class OneNode(unittest.TestCase):
    def test_it_is_what_bench_measured(self):
        for weight_type in ("q8_0", "q4_k_m", "bf16"):
            cluster = cluster_of(weight_type=weight_type)
            self.assertAlmostEqual(10 / model.decode(cluster, 1, 1, 10, 512)[0], DECODE)
            self.assertAlmostEqual(160 / model.decode(cluster, 16, 1, 10, 512)[0], BATCH16)
            self.assertAlmostEqual(4 * 512 / model.prefill(cluster, 4, 512)[0], PREFILL)

    def test_time_grows_with_rows_and_a_row_becomes_cheaper(self):
        bench = model.Bench.of(facts_of(geometry_of()))
        seconds = [bench.seconds(rows, 1e9, 2e9) for rows in range(1, 1500)]
        self.assertEqual(seconds, sorted(seconds))
        each = [s / rows for rows, s in enumerate(seconds, 1)]
        self.assertTrue(all(b <= a * (1 + 1e-12) for a, b in zip(each, each[1:])))

    def test_a_long_context_costs_what_is_read_of_the_cache(self):
        cluster = cluster_of()
        g = cluster.geometry
        more = cluster.stage_seconds(0, 3, 4512, False) - cluster.stage_seconds(0, 3, 512, False)
        self.assertAlmostEqual(more, 3 * 4000 * g.layers * 2 * g.kv_heads * g.head_dim * 4 / 50e9)


class Pipeline(unittest.TestCase):
    def test_the_bubble_is_that_of_the_books(self):
        for stages in (1, 2, 4, 8):
            for pieces in (1, 3, 16):
                cluster = cluster_of(pipeline=stages)
                one = cluster.stage_seconds(0, 512, 256, True)
                seconds, simulation = model.prefill(cluster, pieces, 512)
                self.assertAlmostEqual(seconds, (pieces + stages - 1) * one)
                idle = 1 - sum(v for k, v in simulation.busy.items() if k.startswith("stage")) / (stages * seconds)
                self.assertAlmostEqual(idle, (stages - 1) / (pieces + stages - 1))

    def test_one_sequence_waits_for_each_link_and_the_way_back(self):
        latency, bandwidth = 0.003, 1e6
        network = model.Network(latency, bandwidth)
        near, far = (10 / model.decode(cluster_of(n, 4), 1, 1, 10, 512)[0] for n in (FREE, network))
        hidden = geometry_of().hidden
        self.assertAlmostEqual(1 / far - 1 / near, 4 * latency + (3 * hidden + 1) * 4 / bandwidth)
        self.assertAlmostEqual(near, DECODE)  # stages one after the other are the whole model

    def test_enough_micro_batches_keep_the_slowest_stage_busy(self):
        cluster = cluster_of(model.Network(1e-6, 1e12), pipeline=4)
        slowest = max(cluster.stage_seconds(s, 4, 512, False) for s in range(4))
        seconds, simulation = model.decode(cluster, 32, 8, 200, 512)
        self.assertAlmostEqual(seconds / (8 * 200 * slowest), 1, delta=0.01)
        self.assertIn("the nodes: stage 3", model.bound(cluster, simulation, seconds, 4))

    def test_a_slow_network_bounds(self):
        cluster = cluster_of(model.Network(0, 1e4), pipeline=2)
        seconds, simulation = model.prefill(cluster, 8, 512)
        self.assertAlmostEqual(seconds, 8 * 512 * cluster.geometry.hidden * 4 / 1e4, delta=seconds * 0.02)
        self.assertIn("the network: link 0", model.bound(cluster, simulation, seconds, 512))

    def test_latency_is_hidden_by_more_micro_batches(self):
        cluster = cluster_of(model.Network(0.05, math.inf), pipeline=4)
        rates = [16 * 100 / model.decode(cluster, 16, m, 100, 512)[0] for m in (1, 4)]
        self.assertGreater(rates[1], rates[0])

    def test_work_is_conserved(self):
        random.seed(1)
        for _ in range(50):
            simulation = model.Simulation()
            ends, work, path_times = [], {}, []
            for _ in range(random.randint(1, 30)):
                path = [(random.choice("abc"), random.random(), random.random()) for _ in range(random.randint(1, 5))]
                for name, seconds, _ in path:
                    work[name] = work.get(name, 0) + seconds
                path_times.append(sum(s + after for _, s, after in path))
                simulation.start(path, lambda: ends.append(simulation.now))
            seconds = simulation.run()
            self.assertEqual(len(ends), len(path_times))
            for name in work:
                self.assertAlmostEqual(simulation.busy[name], work[name])
            self.assertGreaterEqual(seconds + 1e-9, max(*work.values(), max(path_times)))
            self.assertLessEqual(seconds, sum(path_times) + 1e-9)

    def test_a_resource_serves_one_at_a_time_and_in_order(self):
        simulation, ends = model.Simulation(), []
        for piece in range(3):
            simulation.start([("a", 1.0, 10.0)], lambda piece=piece: ends.append((piece, simulation.now)))
        simulation.run()
        self.assertEqual(ends, [(0, 11.0), (1, 12.0), (2, 13.0)])


class Ranks(unittest.TestCase):
    def test_parts_of_matrices_divide_the_work_and_add_gathers(self):
        self.assertAlmostEqual(cluster_of(tensor=4).stage_seconds(0, 8, 512, False), cluster_of().stage_seconds(0, 8, 512, False) / 4)
        network = model.Network(1e-3, 1e9)
        g = geometry_of()
        more = cluster_of(network, tensor=4).stage_seconds(0, 8, 512, False) - cluster_of(tensor=4).stage_seconds(0, 8, 512, False)
        self.assertAlmostEqual(more, g.layers * (4 * 1e-3 + 8 * sum(g.gathered()) * 4 * 3 / 4 / 1e9))

    def test_what_bounds_is_said(self):
        for network, tensor, says in ((FREE, 4, "the nodes: stage 0"), (model.Network(1e-3, 1e7), 4, "the network: stage 0 is busy 100% of the time, most")):
            self.assertIn(says, model.predict(cluster_of(network, tensor=tensor), 1, 8, 1, 128, 32)["decode_bound_by"])
        far = cluster_of(model.Network(1.0, math.inf), pipeline=4)
        self.assertIn("too few sequences or the latency", model.predict(far, 1, 4, 4, 128, 32)["decode_bound_by"])

    def test_copies_multiply_rates(self):
        one, three = (model.predict(cluster_of(), data, 8, 1, 128, 32) for data in (1, 3))
        for name in ("ranks", "prefill_tps", "decode_tps", "questions_an_hour"):
            self.assertAlmostEqual(three[name], 3 * one[name])
        self.assertEqual(three["memory_gb_a_rank"], one["memory_gb_a_rank"])

    def test_in_step_a_pipeline_is_filled_and_emptied_at_each_step(self):
        cluster = cluster_of(pipeline=4)
        step = model.in_step(cluster, 64, 4, 10, 512)[0] / 10
        stages = [cluster.stage_seconds(stage, 16, 512, False, has_head=False) for stage in range(4)]
        self.assertAlmostEqual(step, 3 * max(stages) + sum(stages) + cluster.head_seconds(64))  # the others' times once: the bubble

    def test_in_step_one_stage_is_bench(self):
        self.assertAlmostEqual(10 / model.in_step(cluster_of(), 1, 1, 10, 512)[0], DECODE)
        self.assertAlmostEqual(160 / model.in_step(cluster_of(), 16, 1, 10, 512)[0], BATCH16)

    def test_in_step_rows_go_to_all_stages(self):
        slow = model.Network(0.001, 1e6)
        for pipeline, hops in ((1, 0), (2, 1), (4, 2)):
            cluster = cluster_of(slow, pipeline)
            once = sum(busy + after for _, busy, after in cluster.path(8, 512, False, has_head=False))
            shown = hops * (8 * cluster.geometry.hidden * 4 / 1e6 + 0.001)
            self.assertAlmostEqual(model.in_step(cluster, 8, 1, 3, 512)[0], 3 * (once + shown + cluster.head_seconds(8)))
        g = cluster_of().geometry
        self.assertEqual(cluster_of(slow, 4).shown_bytes(), 3 * g.hidden * 4)
        self.assertEqual(cluster_of(slow, 2, 2).shown_bytes(), 3 * g.hidden * 4 + 2 * g.vocab * 4)
        alone = cluster_of(slow, 1, 2)
        self.assertAlmostEqual(alone.head_seconds(4), cluster_of().head_seconds(4) / 2 + 0.001 + 4 * g.vocab * 4 / 2 / 1e6)

    def test_in_step_micro_batches_have_sixteen_rows(self):
        cluster = cluster_of(pipeline=2)
        few = model.predict(cluster, 1, 16, 0, 128, 32, free=False)["decode_tps"]
        self.assertAlmostEqual(few, 16 * 50 / model.in_step(cluster, 16, 1, 50, 144)[0])
        many = model.predict(cluster, 1, 256, 0, 128, 32, free=False)["decode_tps"]
        self.assertAlmostEqual(many, 256 * 50 / model.in_step(cluster, 256, 4, 50, 144)[0])

    def test_questions_take_their_prompts_and_their_tokens(self):
        cluster = cluster_of()
        seconds, _ = model.questions(cluster, 16, 1, 128, 32, rounds=2)
        expected = 2 * (model.prefill(cluster, 4, 512)[0] + model.decode(cluster, 16, 1, 32, 512)[0])
        self.assertAlmostEqual(seconds, expected)


class Memory(unittest.TestCase):
    def test_models_have_as_many_weights_as_their_authors_say(self):
        for name, parameters in (("llama-3-8b", 8_030_261_248), ("llama-3-70b", 70_553_706_496), ("llama-3-405b", 405_853_388_800)):
            g = geometry_of(name, "bf16")
            norms = (2 * g.layers + 1) * g.hidden
            self.assertEqual(g.layers * sum(g.layer_weights()) + 2 * g.vocab * g.hidden + norms, parameters)
            self.assertEqual(g.layers * g.layer_bytes() + g.table_bytes() + g.head_bytes(), 2 * (parameters - norms))

    def test_types_take_what_the_kernels_pack_them_into(self):
        header = (PROGRAM.parent.parent / "src/kernels/packed_matmul.h").read_text()
        for name in ("q8_0", "q4_0", "q4_k", "q6_k"):
            found = re.search(rf"case PackedForm::k{name.upper()}:\n(?: *case [^\n]*\n)* *return {{(\d+), (\d+), (\d+)}};", header)
            inputs, scales, quants = map(int, found.groups())
            self.assertEqual(model.BYTES[name], (scales + quants) / (16 * inputs), name)

    def test_one_rank_has_everything(self):
        cluster = cluster_of(weight_type="q4_k_m")
        g = cluster.geometry
        weights = 32 * g.layer_bytes() + g.table_bytes() + g.head_bytes()
        self.assertAlmostEqual(cluster.memory(0, 0) / weights, 1, delta=0.05)
        self.assertGreater(cluster.memory(0, 0), weights)
        g.tied = True
        self.assertAlmostEqual(cluster.memory(0, 0) / (weights - g.table_bytes()), 1, delta=0.05)

    def test_every_layer_is_on_one_stage(self):
        for stages in (1, 4, 7, 16):
            split = cluster_of(name="llama-3-405b", pipeline=stages).stages
            self.assertEqual(sum(split), 126)
            self.assertLessEqual(max(split) - min(split), 1)

    def test_the_fullest_rank_has_its_weights_and_its_share_of_the_cache(self):
        g = geometry_of("llama-3-70b", "bf16")
        cluster = cluster_of(name="llama-3-70b", weight_type="bf16", pipeline=4)
        cache = 20 * 2 * 8 * 128 * 4 * 16 * 1000
        self.assertAlmostEqual(cluster.memory(16, 1000) - cluster.memory(0, 0), cache)
        self.assertGreater(cluster.memory(0, 0), 20 * g.layer_bytes() + g.head_bytes())
        self.assertLess(cluster.memory(0, 0), 20 * g.layer_bytes() + g.table_bytes() + g.head_bytes() + 1e9)

    def test_bytes_over_the_network(self):
        self.assertEqual(cluster_of().network_bytes_a_token(False), 0)
        self.assertEqual(cluster_of(pipeline=4).network_bytes_a_token(True), 3 * 4096 * 4)
        self.assertEqual(cluster_of(tensor=2).network_bytes_a_token(True), 32 * (3 * 4096 + 14336) * 4)


class Command(unittest.TestCase):
    def run_program(self, facts, *more):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "bench.json"
            path.write_text(facts if isinstance(facts, str) else json.dumps(facts))
            return subprocess.run([PROGRAM, "--model", "llama-3-8b", "--type", "q8_0", "--bench", path, *more], capture_output=True, text=True)

    def test_it_prints_what_it_predicts(self):
        done = self.run_program(facts_of(geometry_of()), "--json", "--sequences", "16", "--prompt", "512", "--new-tokens", "2")
        self.assertAlmostEqual(json.loads(done.stdout)["decode_tps"], BATCH16, delta=0.1, msg=done.stderr)

    def test_bad_input_is_one_line(self):
        facts = facts_of(geometry_of())
        for file, more in (("{", ()), ({}, ()), (facts, ("--pipeline", "33")), (facts, ("--tensor", "3")), (facts, ("--type", "q9")),
                           (facts | {"prompt_tokens": 8}, ()), (facts, ("--model", "none.json"))):
            done = self.run_program(file, *more)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"^\[cluster_model\] expected [^\n]*, got [^\n]*; [^\n]*\n$")


if __name__ == "__main__":
    unittest.main()
