// The plain twin of a device, in the processor's memory: one element, one row, one dot product after the
// other, sums in double. It is the oracle of the others, so it takes no notice of DevicePrecision; the cache
// has the type that is asked for. No result of a row depends on the other rows.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "device/device.h"
#include "device/reference/reference_attention.h"
#include "kernels/activation.h"
#include "kernels/argmax.h"
#include "kernels/layer_norm.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus {

namespace {

// x . w in eight sums, in one fixed order.
double dot_product(const float* x, const float* w, std::int64_t size) {
  constexpr std::int64_t kSums = 8;
  double sums[kSums] = {};
  std::int64_t k = 0;
  for (; k + kSums <= size; k += kSums) {
    for (std::int64_t i = 0; i < kSums; ++i) sums[i] += static_cast<double>(x[k + i]) * w[k + i];
  }
  for (; k < size; ++k) sums[k % kSums] += static_cast<double>(x[k]) * w[k];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

// [size] numbers to the cache; F16 is rounded to nearest even, and beyond its range becomes infinity.
void store_row(DType type, const float* from, std::byte* to, std::int64_t size) {
  REFOCUS_CHECK(type == DType::kF32 || type == DType::kF16);
  if (type == DType::kF32) {
    std::memcpy(to, from, static_cast<std::size_t>(size) * sizeof(float));
    return;
  }
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint16_t bits = f32_to_f16(from[i]);
    std::memcpy(to + static_cast<std::size_t>(i) * sizeof(bits), &bits, sizeof(bits));
  }
}

// Rounds rows [rows, stride] of x.
void round_to(const DeviceHalf& half, const float* x, std::int64_t rows, std::int64_t size,
              std::int64_t stride) {
  for (std::int64_t r = 0; half.data != nullptr && r < rows; ++r) {
    auto* to = static_cast<std::uint16_t*>(half.data) + r * half.stride;
    for (std::int64_t i = 0; i < size; ++i) {
      const float value = x[r * stride + i];
      to[i] = half.type == DType::kBF16 ? f32_to_bf16(value) : f32_to_f16(value);
    }
  }
}

class ReferenceDevice : public Device {
 public:
  ~ReferenceDevice() override {
    for (const auto& [memory, bytes] : allocated_) std::free(memory);
  }

  // Of free memory there is what this device has not given away.
  DeviceFacts facts() const override { return {"reference device", "", memory_, memory_ - used_}; }

  void* allocate(std::size_t bytes) override;
  void release(void* memory) override;
  void* allocate_host(std::size_t bytes) override { return allocate(bytes); }
  void release_host(void* memory) override { release(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memmove(to, from, bytes);
  }
  void clear(void* to, std::size_t bytes) override {
    if (bytes > 0) std::memset(to, 0, bytes);
  }
  void wait() override {}

  DeviceMatrix make_matrix(DType type, std::int64_t outputs, std::int64_t inputs,
                           const std::function<const std::byte*(std::int64_t r)>& row) override;
  void release_matrix(DeviceMatrix& matrix) override;
  DeviceMatrix part_of(const DeviceMatrix& matrix, std::int64_t first, std::int64_t count) const override {
    DeviceMatrix part = matrix;
    part.outputs = count;
    part.data = static_cast<std::byte*>(matrix.data) +
                static_cast<std::size_t>(first) * bytes_of(matrix.type, matrix.inputs);
    return part;
  }
  void multiply(const DeviceInput& x, std::span<const DeviceProduct> products, DevicePrecision) override;

  void gather(const Gather& gather) override;
  void scatter_add(const Scatter& scatter) override;
  void norm(const DeviceNorm& norm) override;
  void clamp(float* x, std::int64_t count, float most) override;
  void place(const DevicePlacement& placement) override;
  void activate(DeviceActivation kind, float* gate, const float* up, std::int64_t rows, std::int64_t size,
                std::int64_t stride, const DeviceHalf& half) override;
  void add(float* x, const float* branch, std::int64_t rows, std::int64_t size, std::int64_t stride,
           float times) override;
  void scale_and_cap(float* x, std::int64_t count, float factor, float cap) override;

  void attend(const DeviceAttention& attention) override {
    reference::attend(attention);
    round_to(attention.half, attention.out, attention.rows, attention.heads * attention.head_dim,
             attention.out_stride);
  }
  void scores(const DeviceAttention& attention, std::int64_t first, std::int64_t count, float* scores,
              std::int64_t stride) override {
    reference::scores(attention, first, count, scores, stride);
  }
  void weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count, const float* weights,
             std::int64_t stride, const float* inverse_sums) override {
    reference::weigh(attention, first, count, weights, stride, inverse_sums);
  }

 private:
  const std::int64_t memory_ = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  std::int64_t used_ = 0;
  std::unordered_map<void*, std::int64_t> allocated_;  // to bytes
};

void* ReferenceDevice::allocate(std::size_t bytes) {
  constexpr std::size_t kAlignment = 256, kFilled = std::size_t{64} << 20;
  const auto room = static_cast<std::size_t>(memory_ - used_);
  void* memory = nullptr;
  if (bytes <= room) {
    bytes = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
    memory = std::aligned_alloc(kAlignment, bytes);
  }
  if (memory == nullptr) {
    throw input_error("reference device", "expected room for {} bytes, got {} of {} free", bytes, room,
                      memory_);
  }
  // New memory is NaN in every plain type, so that what is read before it is written is seen; large memory
  // only at its beginning, as pages that nobody touches cost nothing.
  std::memset(memory, 0xFF, std::min(bytes, kFilled));
  allocated_.emplace(memory, static_cast<std::int64_t>(bytes));
  used_ += static_cast<std::int64_t>(bytes);
  return memory;
}

void ReferenceDevice::release(void* memory) {
  if (memory == nullptr) return;
  const auto found = allocated_.find(memory);
  REFOCUS_CHECK(found != allocated_.end());
  used_ -= found->second;
  allocated_.erase(found);
  std::free(memory);
}

// `data` holds the rows as they are in files, one after the other.
DeviceMatrix ReferenceDevice::make_matrix(DType type, std::int64_t outputs, std::int64_t inputs,
                                          const std::function<const std::byte*(std::int64_t r)>& row) {
  REFOCUS_CHECK(keeps(type));
  const std::size_t row_bytes = bytes_of(type, inputs);
  DeviceMatrix out{type, outputs, inputs, allocate(static_cast<std::size_t>(outputs) * row_bytes), nullptr};
  for (std::int64_t r = 0; r < outputs; ++r) {
    std::memcpy(static_cast<std::byte*>(out.data) + static_cast<std::size_t>(r) * row_bytes, row(r),
                row_bytes);
  }
  return out;
}

void ReferenceDevice::release_matrix(DeviceMatrix& matrix) {
  release(matrix.data);
  matrix = {};
}

void ReferenceDevice::multiply(const DeviceInput& x, std::span<const DeviceProduct> products,
                               DevicePrecision) {
  REFOCUS_CHECK(products.size() <= 4);
  std::vector<float> weights(static_cast<std::size_t>(x.size));
  for (const DeviceProduct& product : products) {
    const DeviceMatrix& matrix = *product.weights;
    REFOCUS_CHECK(matrix.inputs == x.size && x.stride >= x.size && product.y_stride >= matrix.outputs);
    const std::size_t row_bytes = bytes_of(matrix.type, matrix.inputs);
    for (std::int64_t n = 0; n < matrix.outputs; ++n) {
      const std::byte* row =
          static_cast<const std::byte*>(matrix.data) + static_cast<std::size_t>(n) * row_bytes;
      dequantize_row(matrix.type, row, weights.data(), matrix.inputs);
      for (std::int64_t r = 0; r < x.rows; ++r) {
        float& y = product.y[r * product.y_stride + n];
        double sum = dot_product(x.x + r * x.stride, weights.data(), x.size);
        if (product.bias != nullptr) sum += product.bias[n];
        if (product.accumulate) sum += y;
        y = static_cast<float>(sum);
      }
    }
  }
}

void ReferenceDevice::gather(const Gather& gather) {
  std::vector<float> row(static_cast<std::size_t>(gather.size));
  for (std::int64_t i = 0; i < gather.count; ++i) {
    const auto* from = static_cast<const std::byte*>(gather.table) +
                       static_cast<std::size_t>(gather.ids[i] * gather.table_stride) * size_of(gather.type);
    dequantize_row(gather.type, from, row.data(), gather.size);
    float* out = gather.out + i * gather.out_stride;
    for (std::int64_t k = 0; k < gather.size; ++k) {
      const double value = static_cast<double>(gather.factor) * row[static_cast<std::size_t>(k)];
      out[k] = static_cast<float>(gather.add ? out[k] + value : value);
    }
  }
}

void ReferenceDevice::scatter_add(const Scatter& scatter) {
  for (std::int64_t i = 0; i < scatter.count; ++i) {
    const float* from = scatter.from + i * scatter.from_stride;
    float* to = scatter.to + scatter.ids[i] * scatter.to_stride;
    for (std::int64_t k = 0; k < scatter.size; ++k) {
      to[k] = static_cast<float>(to[k] + static_cast<double>(scatter.weights[i]) * from[k]);
    }
  }
}

void ReferenceDevice::norm(const DeviceNorm& norm) {
  const std::int64_t size = norm.input.size;
  for (std::int64_t r = 0; r < norm.input.rows; ++r) {
    for (std::int64_t p = 0; p < norm.parts; ++p) {
      const float* x = norm.input.x + r * norm.input.stride + p * size;
      const float* weight = norm.weight + p * norm.weight_step;
      float* y = norm.y + r * norm.y_stride + p * size;
      if (norm.centred) {
        const float* bias = norm.bias != nullptr ? norm.bias + p * norm.weight_step : nullptr;
        reference::layer_norm(x, weight, bias, size, norm.eps, y);
      } else {
        reference::rms_norm(x, weight, size, norm.eps, y);
      }
    }
  }
  round_to(norm.half, norm.y, norm.input.rows, norm.parts * size, norm.y_stride);
}

void ReferenceDevice::clamp(float* x, std::int64_t count, float most) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = std::clamp(x[i], -most, most);
}

void ReferenceDevice::place(const DevicePlacement& p) {
  for (std::int64_t r = 0; r < p.rows; ++r) {
    float* k = p.k + r * p.kv_stride;
    if (p.cosines != nullptr) {
      REFOCUS_CHECK(p.rotary > 0 && p.rotary <= p.head_dim);
      const float *cosines = p.cosines + r * (p.rotary / 2), *sines = p.sines + r * (p.rotary / 2);
      reference::rope(p.q + r * p.q_stride, p.heads, p.head_dim, cosines, sines, p.rotary);
      reference::rope(k, p.kv_heads, p.head_dim, cosines, sines, p.rotary);
    }
    if (p.blocks == nullptr) continue;
    const float* v = p.v + r * p.kv_stride;
    if (p.type == DType::kF16) {
      const auto too_large = [](float x) { return std::isfinite(x) && std::abs(x) >= kHalfOverflow; };
      const std::int64_t width = p.kv_heads * p.head_dim;
      if (std::any_of(k, k + width, too_large) || std::any_of(v, v + width, too_large)) *p.overflow = 1;
    }
    const std::size_t row_bytes = bytes_of(p.type, p.head_dim);
    std::byte* key =
        p.blocks[r] + p.offset + static_cast<std::size_t>(p.positions[r] % kDeviceKeyBlock) * row_bytes;
    for (std::int64_t h = 0; h < p.kv_heads; ++h) {
      store_row(p.type, k + h * p.head_dim, key, p.head_dim);
      store_row(p.type, v + h * p.head_dim, key + kDeviceKeyBlock * row_bytes, p.head_dim);
      key += bytes_of(p.type, kv_head_elements(p.head_dim));
    }
  }
}

void ReferenceDevice::activate(DeviceActivation kind, float* gate, const float* up, std::int64_t rows,
                               std::int64_t size, std::int64_t stride, const DeviceHalf& half) {
  Elementwise function = nullptr;
  switch (kind) {
    case DeviceActivation::kSilu:
      function = reference::silu;
      break;
    case DeviceActivation::kGelu:
      function = reference::gelu;
      break;
    case DeviceActivation::kGeluTanh:
      function = reference::gelu_tanh;
      break;
    case DeviceActivation::kRelu:
      function = reference::relu;
      break;
    case DeviceActivation::kReluSquared:
      function = reference::relu_squared;
      break;
    case DeviceActivation::kClampedSwiglu:
      REFOCUS_CHECK(up != nullptr);
      function = reference::clamped_swiglu;
      break;
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    function(gate + r * stride, up != nullptr ? up + r * stride : nullptr, size);
  }
  round_to(half, gate, rows, size, stride);
}

void ReferenceDevice::add(float* x, const float* branch, std::int64_t rows, std::int64_t size,
                          std::int64_t stride, float times) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = r * stride; i < r * stride + size; ++i) {
      x[i] = static_cast<float>(x[i] + static_cast<double>(times) * branch[i]);
    }
  }
}

void ReferenceDevice::scale_and_cap(float* x, std::int64_t count, float factor, float cap) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double scaled = static_cast<double>(factor) * x[i];
    x[i] = static_cast<float>(cap > 0 ? cap * std::tanh(scaled / cap) : scaled);
  }
}

}  // namespace

std::unique_ptr<Device> make_reference_device() { return std::make_unique<ReferenceDevice>(); }

}  // namespace refocus
