#!/usr/bin/env python3
"""What transformers' PyTorch LLaMA does on a GPU, with and without the re-balancing of attention: the peer of our own numbers.

    bench/gpu_peer.py [--attention eager,published,sdpa] [--lengths bench/mmlu_lengths.txt] [--time-limit 240] > peer.json

One model of the 7B geometry with random float16 weights, made on the GPU, under three attentions:
  eager      as transformers has it: softmax(Q K^T) materialised in float32, cast to float16
  published  eager with the re-balancing in the manner of the method's published patch: dense masks, O(queries * keys) a head
  sdpa       PyTorch's fused attention, for orientation: no re-balancing can be written into it
Tokens are random. Every forward makes a key-value cache and the logits of the last position alone, as generation does; decode
is a plain loop of forwards with greedy tokens that stay on the device, without the further work of generate(). Peak memory
counts the weights. One JSON object on standard output, progress on standard error. The program tests `published` against a
direct NumPy computation before it measures; --self-test does that alone. --tiny tries everything in a small geometry, on a CPU
if there is no GPU.
"""
import argparse, csv, itertools, json, pathlib, signal, statistics, sys, time
import numpy as np, torch, transformers
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.models.llama.modeling_llama import repeat_kv

ALPHA, THRESHOLD = 0.2, 0.01
ATTENTIONS = ["eager", "published", "sdpa"]
MEASURES = ["peaks", "prefill", "decode", "batch", "mmlu"]
# Quantiles 1%, 3% .. 99% of bench/mmlu_lengths.txt, whose rule stands at mmlu_lengths().
SPREAD = [23, 27, 29, 32, 34, 36, 38, 39, 41, 42, 44, 45, 47, 50, 52, 54, 56, 57, 59, 62, 64, 66, 69, 72, 78, 83, 84, 87, 91,
          95, 99, 102, 104, 106, 110, 114, 119, 130, 140, 150, 162, 177, 218, 238, 271, 303, 345, 384, 463, 560]


def log(text):
    print(text, file=sys.stderr, flush=True)


class Rebalance:
    """Layer 0 observes M(i, j) = A_0(i, j) > threshold and i != j; layer l >= 1 multiplies A_l by its factor where M holds."""

    def __init__(self):
        self.mask = None  # [batch, heads, queries, keys], of the forward in progress
        self.entries_per_row = None  # of the last forward, where count is set
        self.count = False

    def apply(self, layer, layers, weights):
        if layer == 0:
            self.mask = weights > THRESHOLD
            # With a cache, query i of this forward is key i + (keys - queries).
            self.mask.diagonal(offset=weights.shape[-1] - weights.shape[-2], dim1=-2, dim2=-1).fill_(False)
            if self.count:
                self.entries_per_row = self.mask.sum().item() / self.mask[..., 0].numel()
            return weights
        weights = torch.where(self.mask, weights * (1 + ALPHA * (1 - layer / (layers - 1))), weights)
        if layer == layers - 1:
            self.mask = None
        return weights


REBALANCE = Rebalance()


def published_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
    """transformers' eager_attention_forward with the re-balancing after softmax; rows are not normalised again."""
    key, value = repeat_kv(key, module.num_key_value_groups), repeat_kv(value, module.num_key_value_groups)
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = torch.nn.functional.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = REBALANCE.apply(module.layer_idx, module.config.num_hidden_layers, weights)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


AttentionInterface.register("published", published_attention)
AttentionMaskInterface.register("published", eager_mask)


def make_config(tiny, kv_heads=None):
    hidden, heads = (64, 4) if tiny else (4096, 32)
    return LlamaConfig(hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv_heads or heads,
                       head_dim=hidden // heads, intermediate_size=176 if tiny else 11008, num_hidden_layers=4 if tiny else 32,
                       vocab_size=256 if tiny else 32000, max_position_embeddings=4096, rms_norm_eps=1e-5,
                       rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, tie_word_embeddings=False)


def make_model(config, dtype, device):
    """Random weights, made on the device. 0.02 at 4096 wide makes scores of about 1.6 deviation, so that M has entries."""
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = LlamaForCausalLM(config).eval()
    torch.set_default_dtype(torch.float32)
    generator = torch.Generator(device).manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:  # the others are norms: ones
                parameter.normal_(0, 0.02 * (4096 / config.hidden_size) ** 0.5, generator=generator)
    assert all(p.device.type == device and p.dtype == dtype for p in model.parameters())
    return model


def matrix_parameters(config):
    """Parameters of the matrices of all layers, and of the last one (lm_head)."""
    hidden, kv = config.hidden_size, config.num_key_value_heads * config.head_dim
    layer = 2 * hidden * config.num_attention_heads * config.head_dim + 2 * hidden * kv + 3 * hidden * config.intermediate_size
    return config.num_hidden_layers * layer, config.vocab_size * hidden


def forward_flops(config, lengths):
    """Of one forward of prompts of these lengths: 2 a parameter and token, lm_head for the last token of each prompt alone, and
    attention's two products over the pairs that the causal mask leaves, n (n + 1) / 2."""
    layers, last = matrix_parameters(config)
    attention = 4 * config.num_hidden_layers * config.num_attention_heads * config.head_dim * sum(n * (n + 1) // 2 for n in lengths)
    return 2 * layers * sum(lengths) + 2 * last * len(lengths) + attention


def direct_logits(weights, config, tokens):
    """The self-test's own computation of one prompt, in float64: logits [tokens, vocab], the smallest distance of a weight to
    the threshold, and the share of pairs in M."""
    n, heads, dim = len(tokens), config.num_attention_heads, config.head_dim
    group = heads // config.num_key_value_heads
    norm = lambda x, name: x / np.sqrt((x * x).mean(-1, keepdims=True) + config.rms_norm_eps) * weights[name]
    angle = np.arange(n)[:, None] * 10000.0 ** (-np.arange(0, dim, 2) / dim)[None, :]

    def rotate(x):  # [tokens, dim]: pair (d, d + dim / 2) as one complex number
        z = (x[:, : dim // 2] + 1j * x[:, dim // 2 :]) * np.exp(1j * angle)
        return np.concatenate([z.real, z.imag], -1)

    x = weights["model.embed_tokens.weight"][tokens]
    masks, margin = [None] * heads, np.inf
    for layer in range(config.num_hidden_layers):
        of = lambda name: weights[f"model.layers.{layer}.{name}.weight"]
        y = norm(x, f"model.layers.{layer}.input_layernorm.weight")
        q, k, v = (y @ of(f"self_attn.{s}_proj").T for s in "qkv")
        outs = []
        for h in range(heads):
            own, shared = slice(h * dim, (h + 1) * dim), slice(h // group * dim, (h // group + 1) * dim)
            e = np.tril(np.exp(rotate(q[:, own]) @ rotate(k[:, shared]).T / np.sqrt(dim)))
            a = e / e.sum(-1, keepdims=True)
            if layer == 0:
                masks[h] = (a > 0.01) & ~np.eye(n, dtype=bool)
                margin = min(margin, np.abs(a - 0.01).min())
            else:
                a = a + a * masks[h] * 0.2 * (1 - layer / (config.num_hidden_layers - 1))
            outs.append(a @ v[:, shared])
        x = x + np.concatenate(outs, -1) @ of("self_attn.o_proj").T
        y = norm(x, f"model.layers.{layer}.post_attention_layernorm.weight")
        gate = y @ of("mlp.gate_proj").T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ of("mlp.up_proj").T)) @ of("mlp.down_proj").T
    return norm(x, "model.norm.weight") @ weights["lm_head.weight"].T, margin, np.mean(masks)


def left_padded(rows, device):
    """Inputs of one batch of token lists: padding stands on the left, positions count from each prompt's first token."""
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(r)) + list(r) for r in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(r)) + [1] * len(r) for r in rows], device=device)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}


@torch.inference_mode()
def self_test(device):
    """Fails where `published` is not the direct computation: whole, in chunks with a cache, and in a left-padded batch."""
    torch.set_float32_matmul_precision("highest")
    config = make_config(tiny=True, kv_heads=2)
    model = make_model(config, torch.float32, device)
    weights = {name: p.double().cpu().numpy() for name, p in model.named_parameters()}
    rng = np.random.default_rng(3)
    prompts = [rng.integers(0, config.vocab_size, n).tolist() for n in (60, 17, 41)]
    expected, margins, shares = zip(*(direct_logits(weights, config, p) for p in prompts))
    scale = max(np.abs(e).max() for e in expected)
    off = lambda got, want: float(np.abs(got.double().cpu().numpy() - want).max() / scale)
    whole = torch.tensor([prompts[0]], device=device)
    model.set_attn_implementation("eager")
    plain = off(model(whole).logits[0], expected[0])
    model.set_attn_implementation("published")
    errors = {"whole": off(model(whole).logits[0], expected[0])}
    cache, parts = None, []
    for chunk in whole.split([23, 1, 30, 1, 1, 4], dim=1):
        out = model(chunk, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        parts.append(out.logits[0])
    errors["chunks"] = off(torch.cat(parts), expected[0])
    last = model(**left_padded(prompts, device), use_cache=True, logits_to_keep=1).logits[:, -1]
    errors["padded"] = off(last, np.stack([e[-1] for e in expected]))
    log(f"self-test on {device}: errors {errors} of the largest logit, without re-balancing {plain:.1e}; "
        f"M holds {np.mean(shares):.0%} of all pairs, margin {min(margins):.1e}")
    # float32 against float64 over 4 layers; eager attention must be far off, or the test would see nothing.
    if not (all(e < 1e-4 for e in errors.values()) and plain > 1e-2):
        sys.exit("self-test failed: `published` is not the direct computation")
    return {"errors": errors, "difference_of_eager": plain}


class Bench:
    def __init__(self, options, device):
        self.options, self.tiny, self.device, self.begin = options, options.tiny, device, time.perf_counter()
        self.rng = torch.Generator(device).manual_seed(2)

    def over(self):
        return time.perf_counter() - self.begin > self.options.time_limit

    def sync(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def times(self, function, repeats, warm_up, prepare=lambda: ()):
        """Seconds of each call of function(*prepare()), the preparation not counted; at least one, whatever the time limit."""
        times = []
        for i in range(warm_up + max(1, repeats)):
            arguments = prepare()
            self.sync()
            begin = time.perf_counter()
            function(*arguments)
            self.sync()
            if i >= warm_up:
                times.append(time.perf_counter() - begin)
            if times and self.over():
                break
        return times

    def tokens(self, *shape):
        return torch.randint(0, self.model.config.vocab_size, shape, device=self.device, generator=self.rng)

    def peaks(self):
        """What the card gives: a large matrix product, a copy (bytes read and written), and reading alone."""
        n, gigabyte, result = (256, 10**6, {}) if self.tiny else (8192, 10**9, {})
        random = lambda *shape, dtype: torch.empty(shape, dtype=dtype, device=self.device).normal_(generator=self.rng)

        def rate(name, amount, function, count):  # amount: operations or bytes of one call
            seconds = statistics.median(self.times(lambda: [function() for _ in range(count)], 5, 2)) / count
            result[name] = amount / seconds / (1e12 if "tflops" in name else 1e9)
            log(f"{name} {result[name]:.1f}")

        for dtype, name in ((torch.bfloat16, "bf16"), (torch.float16, "fp16")):
            a, b, c = (random(n, n, dtype=dtype) for _ in range(3))
            rate(f"matmul_{name}_tflops", 2 * n**3, lambda: torch.matmul(a, b, out=c), 10)
        # Four pieces of a gigabyte: PyTorch splits a reduction whose byte offsets pass 2^31.
        data = [random(gigabyte // 2, dtype=torch.float16) for _ in range(4)]
        target = [torch.empty_like(d) for d in data]
        rate("copy_gbps", 8 * gigabyte, lambda: [t.copy_(d) for t, d in zip(target, data)], 3)
        del target
        rate("read_sum_gbps", 4 * gigabyte, lambda: [d.sum() for d in data], 3)
        vector = random(5000, dtype=torch.float16)
        matrices = [d.view(-1, len(vector)) for d in data]
        rate("read_matvec_gbps", 4 * gigabyte, lambda: [m @ vector for m in matrices], 3)
        return result

    def prefill(self, prompt):
        ids = self.tokens(1, prompt)
        run = lambda: self.model(ids, use_cache=True, logits_to_keep=1).logits
        if not torch.isfinite(run()).all():
            raise RuntimeError("logits are not finite")
        times = self.times(run, self.options.repeats, 2)
        flops, seconds = forward_flops(self.model.config, [prompt]), statistics.median(times)
        return times, {"tokens_per_second": prompt / seconds, "tflops": flops / seconds / 1e12}

    def decode(self, sequences, prompt, steps):
        """Steps after a prompt whose prefill is not counted; each takes the last one's greedy token."""
        ids = self.tokens(sequences, prompt)

        def prompt_pass():
            out = self.model(ids, use_cache=True, logits_to_keep=1)
            return out.logits.argmax(-1), out.past_key_values

        def run(token, cache):
            for _ in range(steps):
                token = self.model(token, past_key_values=cache, use_cache=True, logits_to_keep=1).logits.argmax(-1)

        times = self.times(run, min(self.options.repeats, 3), 1, prompt_pass)
        seconds = statistics.median(times)
        weights = sum(matrix_parameters(self.model.config)) * self.model.dtype.itemsize
        return times, {"tokens_per_second": sequences * steps / seconds, "step_ms": seconds / steps * 1e3,
                       "weights_gbps": weights * steps / seconds / 1e9}

    def mmlu(self, lengths):
        """Each prompt forwarded once for its last token's logits, in batches of up to 16 of like length, left-padded."""
        longest_first = sorted(lengths, reverse=True)
        batches = [longest_first[i : i + 16] for i in range(0, len(lengths), 16)]
        inputs = [left_padded([self.tokens(n).tolist() for n in b], self.device) for b in batches]
        run = lambda: [self.model(**x, use_cache=True, logits_to_keep=1).logits.argmax(-1) for x in inputs]
        times = self.times(run, min(self.options.repeats, 3), 1)
        seconds = statistics.median(times)
        return times, {"prompts": len(lengths), "tokens": sum(lengths), "computed_tokens": sum(len(b) * b[0] for b in batches),
                       "prompts_per_second": len(lengths) / seconds, "tokens_per_second": sum(lengths) / seconds,
                       "tflops": forward_flops(self.model.config, lengths) / seconds / 1e12}

    def plan(self):
        """(name, sizes, function) of the measures, in the order in which the time limit leaves them out, last first."""
        cut = 16 if self.tiny else 1
        measures = [("prefill", {"prompt": n // cut}, self.prefill) for n in (512, 2048)]
        measures += [(name, {"sequences": sequences, "prompt": n // cut, "steps": 64 // cut}, self.decode)
                     for name, sequences, n in (("decode", 1, 512), ("batch", 64, 32))]
        measures.append(("mmlu", {"lengths": [max(1, n // cut) for n in self.options.lengths]}, self.mmlu))
        return [m for m in measures if m[0] in self.options.measures]

    def measure(self, name, sizes, function, attention):
        self.model.set_attn_implementation(attention)
        entry = {"measure": name, **{k: v for k, v in sizes.items() if k != "lengths"}, "attention": attention}
        if self.device == "cuda":
            torch.cuda.empty_cache()  # of the measure before, so that none starts with less memory
            torch.cuda.reset_peak_memory_stats()
        try:
            times, numbers = function(**sizes)
            entry |= numbers | {"seconds": [round(t, 6) for t in times]}
        except RuntimeError as error:  # out of memory among them
            entry["error"] = str(error)[:300]
        REBALANCE.mask = None
        if self.device == "cuda":
            entry["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
        log(json.dumps(entry))
        return entry

    @torch.inference_mode()
    def run(self, result):
        """Fills the result as it goes, so that an interrupted run still has what was measured."""
        if "peaks" in self.options.measures:
            result["peaks"] = self.peaks()
        dtype = torch.float16 if self.device == "cuda" else torch.float32
        config = make_config(self.tiny)
        self.model = make_model(config, dtype, self.device)
        shape = ["hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim", "intermediate_size", "vocab_size"]
        result |= {"dtype": str(dtype), "matrix_parameters": sum(matrix_parameters(config)),
                   "geometry": {key: getattr(config, key) for key in shape}}
        log(f"model made after {time.perf_counter() - self.begin:.1f} s")
        result["measures"] = []
        if "published" in self.options.attention:
            self.model.set_attn_implementation("published")
            REBALANCE.count = True
            self.model(self.tokens(1, 32 if self.tiny else 512), use_cache=True, logits_to_keep=1)
            REBALANCE.count = False
            result["mask_entries_per_row"] = REBALANCE.entries_per_row
        for measure, attention in itertools.product(self.plan(), self.options.attention):
            if self.over():
                result["stopped"] = "time limit"
                break
            result["measures"].append(self.measure(*measure, attention))


def read_lengths(path):
    try:
        lengths = [int(line) for line in pathlib.Path(path).read_text().split()]
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(error)
    if not lengths or not all(1 <= n <= 4096 for n in lengths):
        raise argparse.ArgumentTypeError(f"{path}: expected integers of 1 to 4096, one a line")
    return lengths


def mmlu_lengths(folder, count=500):
    # The rule of bench/mmlu_lengths.txt: the rows of all SUBJECT_test.csv, files by name, one after the other (14,042); the i-th
    # of the 500 chosen is number i * 14042 // 500, in this order; its prompt is "question\nA. ..\nB. ..\nC. ..\nD. ..\nAnswer:",
    # and its length in tokens is taken as round(characters / 3.9) + 1, at most 2040: an estimate, no tokenizer's count.
    rows = []
    for path in sorted(pathlib.Path(folder).glob("*_test.csv")):
        with open(path, newline="", encoding="utf-8") as f:
            rows += [row for row in csv.reader(f) if row]
    if not rows:
        sys.exit(f"{folder}: expected MMLU's SUBJECT_test.csv files, found none")
    texts = [row[0] + "".join(f"\n{letter}. {text}" for letter, text in zip("ABCD", row[1:5])) + "\nAnswer:" for row in rows]
    return [min(2040, round(len(texts[i * len(texts) // count]) / 3.9) + 1) for i in range(count)]


def parse_options():
    def names(known):
        def parse(text):
            if not set(text.split(",")) <= set(known):
                raise argparse.ArgumentTypeError(f"got {text}; known: {','.join(known)}")
            return text.split(",")
        return parse

    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--attention", type=names(ATTENTIONS), default=ATTENTIONS, help="any of " + ",".join(ATTENTIONS))
    p.add_argument("--measures", type=names(MEASURES), default=MEASURES, help="any of " + ",".join(MEASURES))
    p.add_argument("--repeats", type=int, default=5, help="of prefill; decode and mmlu take at most 3")
    p.add_argument("--time-limit", type=float, default=600, metavar="SECONDS", help="start no new measure after it")
    p.add_argument("--lengths", type=read_lengths, default=SPREAD, metavar="FILE",
                   help="prompt lengths of mmlu in tokens, one a line (50 of MMLU's spread without it)")
    p.add_argument("--lengths-of", metavar="DIRECTORY", help="print the lengths of 500 prompts of MMLU's test CSV files and end")
    p.add_argument("--tiny", action="store_true", help="a small geometry, and sizes that a CPU can do")
    p.add_argument("--self-test", action="store_true", help="only test `published` against a direct computation")
    return p.parse_args()


def main():
    options = parse_options()
    if options.lengths_of:
        return print(*mmlu_lengths(options.lengths_of), sep="\n")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not (options.tiny or options.self_test):
        sys.exit("no GPU: use --tiny or --self-test")
    bench = Bench(options, device)
    result = {"device": torch.cuda.get_device_name() if device == "cuda" else "cpu", "torch": torch.__version__,
              "cuda": torch.version.cuda, "transformers": transformers.__version__, "self_test": self_test(device)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if not options.self_test:
            bench.run(result)
    except KeyboardInterrupt:
        result["stopped"] = "interrupted"
    result["total_seconds"] = time.perf_counter() - bench.begin
    print(json.dumps(result))


main()
