// Speed of each kernel by itself, on one thread, in the shapes of a 1.1B model (hidden 2048, inner 5632).
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string_view>

#include "base/aligned_buffer.h"
#include "kernels/attention.h"
#include "kernels/bf16_matmul.h"
#include "kernels/causal_attention.h"
#include "kernels/gemm.h"
#include "kernels/instruction_set.h"
#include "kernels/machine_limits.h"
#include "kernels/matmul.h"
#include "kernels/packed_matmul.h"
#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"
#include "tensor/half.h"

namespace refocus {
namespace {

AlignedBuffer<float> random_buffer(std::int64_t count) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  AlignedBuffer<float> out(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = normal(engine);
  return out;
}

// What a run of the loop does, as so much a second.
void count_rate(benchmark::State& state, const char* name, double of_a_run) {
  state.counters[name] = benchmark::Counter(of_a_run, benchmark::Counter::kIsIterationInvariantRate);
}

void matmul_bench(benchmark::State& state, DType dtype) {
  const std::int64_t rows = state.range(0), inputs = state.range(1), outputs = state.range(2);
  ThreadPool pool(1);
  const AlignedBuffer<float> x = random_buffer(rows * padded(inputs));
  AlignedBuffer<std::byte> weights(static_cast<std::size_t>(inputs * outputs) * size_of(dtype));
  const AlignedBuffer<float> values = random_buffer(inputs * outputs);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = dtype == DType::kF16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
    if (dtype == DType::kF32) {
      std::memcpy(weights.data() + 4 * i, &values[i], 4);
    } else {
      std::memcpy(weights.data() + 2 * i, &bits, 2);
    }
  }
  AlignedBuffer<float> y(static_cast<std::size_t>(rows * outputs));
  const MatMulJob job{weights.data(), dtype, outputs, nullptr, false, y.data(), outputs};
  for (auto _ : state) {
    matmul(pool, {x.data(), rows, inputs}, {&job, 1});
    benchmark::ClobberMemory();
  }
  const double work = 2.0 * static_cast<double>(rows * inputs * outputs);
  count_rate(state, "flop", work);
  count_rate(state, "weight_bytes", static_cast<double>(weights.size()));
}

void matmul_shapes(benchmark::internal::Benchmark* bench) {
  for (const std::int64_t rows : {1, 2, 4, 8, 16, 64, 512}) {
    bench->Args({rows, 2048, 5632});
    if (rows == 512 || rows == 1) bench->Args({rows, 5632, 2048})->Args({rows, 768, 2048});
  }
}
// The three products of a linear layer [inputs, outputs] in training, as a share of the machine's
// multiply-adds.
void gemm_bench(benchmark::State& state, char form) {
  const std::int64_t rows = state.range(0), in = state.range(1), out = state.range(2);
  ThreadPool pool(static_cast<int>(state.range(3)));
  const double limit = measure_fma_gflop_s(pool) * 1e9;
  const AlignedBuffer<float> x = random_buffer(rows * in), w = random_buffer(in * out),
                             y = random_buffer(rows * out);
  AlignedBuffer<float> c(static_cast<std::size_t>(std::max({rows * in, in * out, rows * out})));
  GemmScratch scratch;
  for (auto _ : state) {
    if (form == 'f')
      gemm(pool, {rows, out, in}, {x.data(), in, 1}, {w.data(), 1, in}, {c.data(), out}, scratch);
    if (form == 'x')
      gemm(pool, {rows, in, out}, {y.data(), out, 1}, {w.data(), in, 1}, {c.data(), in}, scratch);
    if (form == 'w')
      gemm(pool, {out, in, rows}, {y.data(), 1, out}, {x.data(), in, 1}, {c.data(), in}, scratch);
    benchmark::ClobberMemory();
  }
  const double work = 2.0 * static_cast<double>(rows * in * out);
  count_rate(state, "flop", work);
  count_rate(state, "share", work / limit);
}

void gemm_shapes(benchmark::internal::Benchmark* bench) {
  for (const std::int64_t threads : {1, 2}) {
    bench->Args({8192, 256, 256, threads})->Args({8192, 256, 704, threads})->Args({8192, 704, 256, threads});
    bench->Args({2048, 1024, 1024, threads});
  }
  bench->UseRealTime();
}
BENCHMARK_CAPTURE(gemm_bench, y_NT, 'f')->Apply(gemm_shapes);
BENCHMARK_CAPTURE(gemm_bench, dx_NN, 'x')->Apply(gemm_shapes);
BENCHMARK_CAPTURE(gemm_bench, dW_TN, 'w')->Apply(gemm_shapes);

// Forward and backward of causal attention over 8 sequences of 512 tokens, 8 heads of 32.
void causal_attention_bench(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const AttentionShape shape{8, 4, 32, 0.17f};
  std::vector<RowSpan> sequences;
  for (std::int64_t s = 0; s < 8; ++s) sequences.push_back({s * 512, 512});
  const AlignedBuffer<float> q = random_buffer(4096 * 256), k = random_buffer(4096 * 128),
                             v = random_buffer(4096 * 128), d_out = random_buffer(4096 * 256);
  AlignedBuffer<float> out(4096 * 256), lse(4096 * 8), dq(4096 * 256), dk(4096 * 128), dv(4096 * 128);
  CausalScratch scratch;
  const CausalInput in{q.data(), k.data(), v.data(), 256, 128};
  for (auto _ : state) {
    causal_attention(pool, shape, sequences, in, {out.data(), lse.data(), 256}, scratch);
    if (state.range(1) != 0) {
      causal_attention_backward(pool, shape, sequences, in, {out.data(), lse.data(), 256},
                                {d_out.data(), dq.data(), dk.data(), dv.data()}, scratch);
    }
    benchmark::ClobberMemory();
  }
  // Of the causal half: 2 products forward, 5 backward.
  const double work = 4096.0 * 512 * 256 * (state.range(1) != 0 ? 7 : 2);
  count_rate(state, "flop", work);
}
BENCHMARK(causal_attention_bench)->Args({1, 0})->Args({1, 1})->Args({2, 1})->UseRealTime();

BENCHMARK_CAPTURE(matmul_bench, f32, DType::kF32)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(matmul_bench, f16, DType::kF16)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(matmul_bench, bf16, DType::kBF16)->Apply(matmul_shapes);

void packed_bench(benchmark::State& state, DType type, Int8Parts parts = Int8Parts::kOne) {
  const std::int64_t rows = state.range(0), inputs = state.range(1), outputs = state.range(2);
  ThreadPool pool(1);
  const std::vector<std::byte> blocks(bytes_of(type, inputs) * static_cast<std::size_t>(outputs),
                                      std::byte{17});
  const PackedMatrix weights = pack(pool, type, blocks.data(), outputs, inputs);
  const AlignedBuffer<float> x = random_buffer(rows * inputs);
  QuantizedRows q;
  quantize_rows(pool, x.data(), inputs, rows, inputs, parts, q);
  AlignedBuffer<float> y(static_cast<std::size_t>(rows * outputs));
  const PackedJob job{&weights, nullptr, false, y.data(), outputs, parts};
  for (auto _ : state) {
    packed_matmul(pool, q, {&job, 1});
    benchmark::ClobberMemory();
  }
  const double work = 2.0 * static_cast<double>(rows * inputs * outputs);
  count_rate(state, "op", work);
  count_rate(state, "weight_bytes", static_cast<double>(weights.bytes()));
}
BENCHMARK_CAPTURE(packed_bench, q8_0, DType::kQ8_0)->Apply(matmul_shapes)->Args({512, 576, 1536});
BENCHMARK_CAPTURE(packed_bench, q8_0_two_parts, DType::kQ8_0, Int8Parts::kTwo)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q4_0, DType::kQ4_0)->Apply(matmul_shapes)->Args({512, 576, 1536});
BENCHMARK_CAPTURE(packed_bench, q4_k, DType::kQ4_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q6_k, DType::kQ6_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q4_1, DType::kQ4_1)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q5_0, DType::kQ5_0)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q5_1, DType::kQ5_1)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q5_k, DType::kQ5_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q2_k, DType::kQ2_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, q3_k, DType::kQ3_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, iq4_nl, DType::kIQ4_NL)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, iq4_xs, DType::kIQ4_XS)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, mxfp4, DType::kMXFP4)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(packed_bench, iq3_s, DType::kIQ3_S)->Apply(matmul_shapes);

// The same with float32 activations.
void unpacked_bench(benchmark::State& state, DType type) {
  const std::int64_t rows = state.range(0), inputs = state.range(1), outputs = state.range(2);
  ThreadPool pool(1);
  const std::vector<std::byte> blocks(bytes_of(type, inputs) * static_cast<std::size_t>(outputs),
                                      std::byte{17});
  const PackedMatrix weights = pack(pool, type, blocks.data(), outputs, inputs);
  const AlignedBuffer<float> x = random_buffer(rows * padded(inputs));
  AlignedBuffer<float> y(static_cast<std::size_t>(rows * outputs));
  const PackedJob job{&weights, nullptr, false, y.data(), outputs};
  for (auto _ : state) {
    unpacked_matmul(pool, {x.data(), rows, inputs}, {&job, 1});
    benchmark::ClobberMemory();
  }
  const double work = 2.0 * static_cast<double>(rows * inputs * outputs);
  count_rate(state, "op", work);
}
BENCHMARK_CAPTURE(unpacked_bench, q8_0, DType::kQ8_0)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(unpacked_bench, q4_0, DType::kQ4_0)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(unpacked_bench, q4_k, DType::kQ4_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(unpacked_bench, q2_k, DType::kQ2_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(unpacked_bench, iq3_s, DType::kIQ3_S)->Apply(matmul_shapes);

// Both operands in bf16: block types and float ones.
void bf16_bench(benchmark::State& state, DType type) {
  const std::int64_t rows = state.range(0), inputs = state.range(1), outputs = state.range(2);
  ThreadPool pool(1);
  const std::vector<std::byte> blocks(bytes_of(type, inputs) * static_cast<std::size_t>(outputs),
                                      std::byte{17});
  PackedMatrix packed;
  if (is_block_type(type)) packed = pack(pool, type, blocks.data(), outputs, inputs);
  const AlignedBuffer<float> x = random_buffer(rows * padded(inputs));
  AlignedBuffer<float> y(static_cast<std::size_t>(rows * outputs));
  const Bf16Job job{{blocks.data(), type, outputs, nullptr, false, y.data(), outputs},
                    is_block_type(type) ? &packed : nullptr};
  Bf16Rows rounded;
  for (auto _ : state) {
    resize(rounded, rows, inputs);
    for (std::int64_t r = 0; r < rows; ++r) round_row(x.data() + r * padded(inputs), r, rounded);
    bf16_matmul(pool, rounded, {&job, 1});
    benchmark::ClobberMemory();
  }
  const double work = 2.0 * static_cast<double>(rows * inputs * outputs);
  count_rate(state, "op", work);
  count_rate(state, "weight_bytes",
             static_cast<double>(is_block_type(type) ? packed.bytes() : blocks.size()));
}
BENCHMARK_CAPTURE(bf16_bench, bf16, DType::kBF16)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(bf16_bench, f16, DType::kF16)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(bf16_bench, f32, DType::kF32)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(bf16_bench, q8_0, DType::kQ8_0)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(bf16_bench, q4_0, DType::kQ4_0)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(bf16_bench, q4_1, DType::kQ4_1)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(bf16_bench, q4_k, DType::kQ4_K)->Apply(matmul_shapes);
BENCHMARK_CAPTURE(bf16_bench, q6_k, DType::kQ6_K)->Apply(matmul_shapes);

// A few rows against matrices of 600 MB in all, on every thread: what decoding reads from memory.
void packed_stream_bench(benchmark::State& state, DType type, Int8Parts parts = Int8Parts::kOne) {
  const std::int64_t inputs = 2048, outputs = 5632;
  ThreadPool pool(static_cast<int>(state.range(0)));
  const std::int64_t rows = state.range(1);
  const std::vector<std::byte> blocks(bytes_of(type, inputs) * static_cast<std::size_t>(outputs),
                                      std::byte{17});
  std::vector<PackedMatrix> matrices;
  std::size_t bytes = 0;
  while (bytes < 600'000'000) {
    matrices.push_back(pack(pool, type, blocks.data(), outputs, inputs));
    bytes += matrices.back().bytes();
  }
  const AlignedBuffer<float> x = random_buffer(rows * inputs);
  QuantizedRows q;
  quantize_rows(pool, x.data(), inputs, rows, inputs, parts, q);
  AlignedBuffer<float> y(static_cast<std::size_t>(rows * outputs));
  for (auto _ : state) {
    for (const PackedMatrix& weights : matrices) {
      const PackedJob job{&weights, nullptr, false, y.data(), outputs, parts};
      packed_matmul(pool, q, {&job, 1});
    }
    benchmark::ClobberMemory();
  }
  count_rate(state, "weight_bytes", static_cast<double>(bytes));
}
void stream_shapes(benchmark::internal::Benchmark* bench) {
  bench->Args({1, 1})->Args({1, 16})->UseRealTime();
  for (const std::int64_t rows : {1, 2, 4, 6, 16}) bench->Args({2, rows});
}
BENCHMARK_CAPTURE(packed_stream_bench, q8_0, DType::kQ8_0)->Apply(stream_shapes);
BENCHMARK_CAPTURE(packed_stream_bench, q8_0_two_parts, DType::kQ8_0, Int8Parts::kTwo)->Apply(stream_shapes);
BENCHMARK_CAPTURE(packed_stream_bench, q6_k_two_parts, DType::kQ6_K, Int8Parts::kTwo)->Apply(stream_shapes);
BENCHMARK_CAPTURE(packed_stream_bench, q4_0, DType::kQ4_0)->Apply(stream_shapes);
BENCHMARK_CAPTURE(packed_stream_bench, q4_k, DType::kQ4_K)->Apply(stream_shapes);
BENCHMARK_CAPTURE(packed_stream_bench, q6_k, DType::kQ6_K)->Apply(stream_shapes);
BENCHMARK_CAPTURE(packed_stream_bench, q4_1, DType::kQ4_1)->Apply(stream_shapes);
BENCHMARK_CAPTURE(packed_stream_bench, q5_0, DType::kQ5_0)->Apply(stream_shapes);

// The same with float weights, of as many inputs as the last argument says.
void matmul_stream_bench(benchmark::State& state, DType type) {
  const std::int64_t rows = state.range(1), inputs = state.range(2), outputs = 2048 * 5632 / inputs;
  ThreadPool pool(static_cast<int>(state.range(0)));
  const std::size_t bytes = static_cast<std::size_t>(inputs * outputs) * size_of(type);
  std::vector<AlignedBuffer<std::byte>> matrices;
  while (matrices.size() * bytes < 600'000'000) {
    matrices.emplace_back(bytes);
    std::memset(matrices.back().data(), 0x3C, bytes);
  }
  const AlignedBuffer<float> x = random_buffer(rows * padded(inputs));
  AlignedBuffer<float> y(static_cast<std::size_t>(rows * outputs));
  for (auto _ : state) {
    for (const AlignedBuffer<std::byte>& weights : matrices) {
      const MatMulJob job{weights.data(), type, outputs, nullptr, false, y.data(), outputs};
      matmul(pool, {x.data(), rows, inputs}, {&job, 1});
    }
    benchmark::ClobberMemory();
  }
  count_rate(state, "weight_bytes", static_cast<double>(matrices.size() * bytes));
}
void float_stream_shapes(benchmark::internal::Benchmark* bench) {
  bench->Args({1, 1, 2048})->Args({1, 16, 2048})->UseRealTime();
  for (const std::int64_t rows : {1, 2, 4, 6, 16}) bench->Args({2, rows, 2048});
  for (const std::int64_t rows : {1, 16}) bench->Args({2, rows, 5632});
}
BENCHMARK_CAPTURE(matmul_stream_bench, f32, DType::kF32)->Apply(float_stream_shapes);
BENCHMARK_CAPTURE(matmul_stream_bench, f16, DType::kF16)->Apply(float_stream_shapes);
BENCHMARK_CAPTURE(matmul_stream_bench, bf16, DType::kBF16)->Apply(float_stream_shapes);

void quantize_rows_bench(benchmark::State& state, Int8Parts parts) {
  ThreadPool pool(1);
  const AlignedBuffer<float> x = random_buffer(512 * 2048);
  QuantizedRows q;
  for (auto _ : state) {
    quantize_rows(pool, x.data(), 2048, 512, 2048, parts, q);
    benchmark::ClobberMemory();
  }
}
BENCHMARK_CAPTURE(quantize_rows_bench, one_part, Int8Parts::kOne);
BENCHMARK_CAPTURE(quantize_rows_bench, two_parts, Int8Parts::kTwo);

// `rows` queries at the end of `keys` positions, 32 heads over 4 key/value heads of 64.
void attention_bench(benchmark::State& state) {
  const std::int64_t rows = state.range(0), keys = state.range(1), heads = 32, kv_heads = state.range(2),
                     dim = 64;
  ThreadPool pool(1);
  const std::int64_t blocks = (keys + kKeyBlock - 1) / kKeyBlock;
  const AlignedBuffer<float> cache = random_buffer(blocks * kv_heads * kv_block_elements(dim));
  std::vector<const std::byte*> pointers;
  for (std::int64_t b = 0; b < blocks; ++b)
    pointers.push_back(
        reinterpret_cast<const std::byte*>(cache.data() + b * kv_heads * kv_block_elements(dim)));
  const AlignedBuffer<float> q = random_buffer(rows * heads * dim);
  AlignedBuffer<float> out(static_cast<std::size_t>(rows * heads * dim));
  const std::int64_t scratch_size = attention_scratch_floats(keys, dim);
  AlignedBuffer<float> scratch(static_cast<std::size_t>(scratch_size));
  const AttentionSequence sequence{0, rows, keys - rows, pointers.data(), 0, {}};
  for (auto _ : state) {
    attention(pool, {heads, kv_heads, dim, 0.125f}, {&sequence, 1},
              {q.data(), heads * dim, out.data(), heads * dim, scratch.data(), scratch_size});
    benchmark::ClobberMemory();
  }
  const double pairs = static_cast<double>(rows) * static_cast<double>(2 * keys - rows + 1) / 2;
  count_rate(state, "flop", pairs * heads * dim * 4);
}
BENCHMARK(attention_bench)
    ->Args({1, 1024, 4})
    ->Args({1, 1024, 32})
    ->Args({512, 512, 4})
    ->Args({512, 512, 32});

void rms_norm_bench(benchmark::State& state) {
  const AlignedBuffer<float> x = random_buffer(2048), w = random_buffer(2048);
  AlignedBuffer<float> y(2048);
  for (auto _ : state) {
    rms_norm(x.data(), w.data(), 2048, 1e-5f, y.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(rms_norm_bench);

void swiglu_bench(benchmark::State& state) {
  AlignedBuffer<float> gate = random_buffer(5632);
  const AlignedBuffer<float> up = random_buffer(5632);
  for (auto _ : state) {
    swiglu(gate.data(), up.data(), 5632);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(swiglu_bench);

}  // namespace
}  // namespace refocus

// Google Benchmark's options, and --simd=NAME for another instruction set than the best.
int main(int argc, char** argv) {
  constexpr std::string_view kSimd = "--simd=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]).starts_with(kSimd)) {
      refocus::limit_instruction_set(argv[i] + kSimd.size(), "--simd");
    } else {
      argv[kept++] = argv[i];
    }
  }
  benchmark::AddCustomContext("instruction_set", refocus::instruction_set());
  benchmark::Initialize(&kept, argv);
  if (benchmark::ReportUnrecognizedArguments(kept, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
