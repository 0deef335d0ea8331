#include "model/linear_products.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/checkpoint.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "kernels/matmul.h"

namespace refocus {

namespace {

constexpr std::size_t kMost = 4;  // products with the same x

}  // namespace

void LinearProducts::run(const float* x, std::int64_t rows, std::int64_t inputs,
                         std::span<const Product> products,
                         const std::function<void(std::int64_t r)>& make_row) {
  REFOCUS_CHECK(products.size() <= kMost);
  if (activations_ == Activations::kBf16) {
    run_rounded(x, rows, inputs, products, make_row);
  } else {
    run_exact_or_int8(x, rows, inputs, products, make_row);
  }
  const bool adapted = std::ranges::any_of(products, [](const Product& p) { return p.linear->adapter; });
  if (adapted) add_adapters(x, rows, inputs, products);
}

void LinearProducts::run_rounded(const float* x, std::int64_t rows, std::int64_t inputs,
                                 std::span<const Product> products,
                                 const std::function<void(std::int64_t r)>& make_row) {
  Bf16Job jobs[kMost];
  std::size_t count = 0;
  for (const Product& p : products) {
    const Linear& w = *p.linear;
    const float* bias = w.bias.empty() ? nullptr : w.bias.data();
    jobs[count++] = {{w.data, w.dtype, w.outputs, bias, p.accumulate, p.y, p.y_stride}, w.packed.get()};
  }
  resize(rounded_, rows, inputs);
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    if (make_row) make_row(r);
    round_row(x + r * padded(inputs), r, rounded_);
  });
  bf16_matmul(pool_, rounded_, {jobs, count});
}

void LinearProducts::run_exact_or_int8(const float* x, std::int64_t rows, std::int64_t inputs,
                                       std::span<const Product> products,
                                       const std::function<void(std::int64_t r)>& make_row) {
  MatMulJob plain[kMost];
  PackedJob packed[kMost];
  std::size_t plain_count = 0, packed_count = 0;
  Int8Parts parts = Int8Parts::kOne;
  for (const Product& p : products) {
    const Linear& w = *p.linear;
    const float* bias = w.bias.empty() ? nullptr : w.bias.data();
    if (w.packed) {
      packed[packed_count++] = {w.packed.get(), bias, p.accumulate, p.y, p.y_stride, p.parts};
      parts = std::max(parts, p.parts);
    } else {
      plain[plain_count++] = {w.data, w.dtype, w.outputs, bias, p.accumulate, p.y, p.y_stride};
    }
  }
  const bool quantize = packed_count > 0 && activations_ == Activations::kInt8;
  if (quantize) resize(quantized_, rows, inputs, parts);
  if (quantize || make_row) {
    pool_.parallel_for(rows, [&](std::int64_t r, int) {
      if (make_row) make_row(r);
      if (quantize) quantize_row(x + r * padded(inputs), inputs, parts, quantized_.row(r));
    });
  }
  if (quantize) packed_matmul(pool_, quantized_, {packed, packed_count});
  if (packed_count > 0 && !quantize) unpacked_matmul(pool_, {x, rows, inputs}, {packed, packed_count});
  if (plain_count > 0) matmul(pool_, {x, rows, inputs}, {plain, plain_count});
}

void LinearProducts::add_adapters(const float* x, std::int64_t rows, std::int64_t inputs,
                                  std::span<const Product> products) {
  std::int64_t width = 0;  // floats a row, of all adapters together
  for (const Product& p : products) width += p.linear->adapter ? padded(p.linear->adapter->rank) : 0;
  if (narrow_.size() < static_cast<std::size_t>(rows * width)) {
    narrow_ = AlignedBuffer<float>(static_cast<std::size_t>(rows * width));
  }
  MatMulJob down[kMost];
  std::size_t count = 0;
  float* narrow = narrow_.data();
  for (const Product& p : products) {
    const LowRank* change = p.linear->adapter;
    if (change == nullptr) continue;
    const std::int64_t stride = padded(change->rank);
    for (std::int64_t r = 0; stride > change->rank && r < rows; ++r) {
      std::fill(narrow + r * stride + change->rank, narrow + (r + 1) * stride, 0.0f);
    }
    down[count++] = {reinterpret_cast<const std::byte*>(change->a.data()),
                     DType::kF32,
                     change->rank,
                     nullptr,
                     false,
                     narrow,
                     stride};
    narrow += rows * stride;
  }
  matmul(pool_, {x, rows, inputs}, {down, count});
  count = 0;
  for (const Product& p : products) {
    const LowRank* change = p.linear->adapter;
    if (change == nullptr) continue;
    const MatMulJob up{reinterpret_cast<const std::byte*>(change->b.data()),
                       DType::kF32,
                       change->outputs,
                       nullptr,
                       /*accumulate=*/true,
                       p.y,
                       p.y_stride};
    matmul(pool_, {down[count++].y, rows, change->rank}, {&up, 1});
  }
}

namespace {

// A matrix of F64 as float32 ones, rounded.
void narrow_doubles(Linear& linear) {
  const auto floats =
      std::make_shared<AlignedBuffer<float>>(static_cast<std::size_t>(linear.outputs * linear.inputs));
  dequantize_row(linear.dtype, linear.data, floats->data(), linear.outputs * linear.inputs);
  linear.data = reinterpret_cast<const std::byte*>(floats->data());
  linear.dtype = DType::kF32;
  linear.owner = floats;
}

}  // namespace

std::map<DType, PackedMemory> packed_memory(const WeightMap& weights, bool tied) {
  std::map<DType, PackedMemory> out;
  for (const auto& [name, entry] : weights.entries()) {
    const TensorView& view = entry.view;
    if (view.shape.size() < 2 || !is_block_type(view.dtype) || !can_pack(view.dtype, view.shape.back()))
      continue;
    if (name.ends_with("embed_tokens.weight") && !tied) continue;
    PackedMemory& of_type = out[view.dtype];
    of_type.stored += view.bytes();
    of_type.packed += packed_bytes(view.dtype, view.elements() / view.shape.back(), view.shape.back());
  }
  return out;
}

void pack_weights(ThreadPool& pool, ModelWeights& weights, const std::string& where) {
  const std::vector<Linear*> all = linears_of(weights);
  for (Linear* linear : all) {
    if (linear->dtype == DType::kF64) narrow_doubles(*linear);
  }
  std::vector<Linear*> packable;
  std::ranges::copy_if(all, std::back_inserter(packable), [](const Linear* linear) {
    return is_block_type(linear->dtype) && linear->outputs != 0;
  });
  if (packable.empty()) {  // all are used where they lie
    for (const Linear* linear : all) prefer_huge_pages(linear->stored_bytes());
  }
  std::size_t bytes = 0;
  for (const Linear* linear : packable) {
    if (!can_pack(linear->dtype, linear->inputs)) {
      throw input_error(where,
                        "expected rows of a multiple of {} weights for {}, got {}; convert the model anew",
                        block_elements(linear->dtype), name_of(linear->dtype), linear->inputs);
    }
    bytes += packed_bytes(linear->dtype, linear->outputs, linear->inputs);
  }
  PackedStorage storage(bytes);
  for (Linear* linear : packable) {
    pass_checkpoint();
    const std::int64_t head_dim = linear->paired_head_dim, rotary = linear->paired_rotary;
    linear->packed = std::make_shared<PackedMatrix>(
        pack(pool, linear->dtype, linear->data, linear->outputs, linear->inputs, storage,
             [=](std::int64_t row) { return stored_row(row, head_dim, rotary); }));
    release_mapped_pages(linear->stored_bytes());
  }
}

}  // namespace refocus
