// A device that computes the forward pass in its own memory: what model/device_transformer.h is written in.
//
// Pointers named "on the device" are only handed to the device. Work is done in the order of the calls;
// upload() and download() keep that order, and download() waits. All activations are float32,
// [rows, stride] with stride >= the row's size. Failures of the device are InputErrors that name it.
//
// device/reference/ is the plain twin, in the processor's own memory: the oracle of every other one, and what
// tests of the layer loop run on where there is no GPU.
//
// A block of the cache of keys and values on a device holds, for each key/value head one after the other, K
// [kKeyBlock, head_dim] and then V [kKeyBlock, head_dim] of F32 or F16, a head's part beginning every
// kv_head_elements(head_dim) elements. (kernels/kv_block.h has K transposed, and as many bytes or more.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "kernels/kv_block.h"
#include "tensor/dtype.h"

namespace refocus {

// Positions in a block of the cache.
inline constexpr std::int64_t kDeviceKeyBlock = kKeyBlock;

struct DeviceFacts {
  std::string name;     // "NVIDIA H100 80GB HBM3"
  std::string runtime;  // "CUDA 13.0, driver 13.0"; empty for none
  std::int64_t memory_bytes = 0, free_bytes = 0;
};

// A matrix on the device, [outputs, inputs], in a form of its own. Made by Device::make_matrix.
struct DeviceMatrix {
  DType type = DType::kF32;  // of the weights, as they were given
  std::int64_t outputs = 0, inputs = 0;
  void* data = nullptr;    // on the device
  void* scales = nullptr;  // on the device, where the form has them apart

  bool present() const { return data != nullptr; }
};

// What products and attention are computed with. kF32: float32 activations and one fixed order of every sum,
// whatever else is in the call: results do not depend on batch, chunks or the number of rows. kHalf: rows are
// rounded to half precision (F16, or BF16 for weights of BF16; not for weights of F32) and go through matrix
// units, but in calls of at most kFewRows rows, which are as in kF32; accumulation is float32. A row's result
// may then depend on whether the call has at most kFewRows rows, at most kSomeRows, at most kManyRows or
// more, and on nothing else of it; in attention, on whether its sequence has one row in the call or more.
enum class DevicePrecision { kF32, kHalf };

inline constexpr std::int64_t kFewRows = 4, kSomeRows = 64, kManyRows = 1024;

struct DeviceProduct {
  const DeviceMatrix* weights = nullptr;
  const float* bias = nullptr;  // [outputs] on the device, or null
  float* y = nullptr;           // [rows, y_stride]
  std::int64_t y_stride = 0;
  bool accumulate = false;  // y += x W^T + bias instead of y = ...
};

// Rows in half precision, [rows, stride], stride a multiple of 8.
struct DeviceHalf {
  DType type = DType::kF16;  // or BF16
  void* data = nullptr;      // null: none
  std::int64_t stride = 0;
};

struct DeviceInput {
  const float* x = nullptr;  // [rows, stride]
  std::int64_t stride = 0, rows = 0, size = 0;
  // The same rounded, where whoever made x was asked for it. Products in half precision of weights that need
  // this type then read it and not x, which may be unwritten.
  DeviceHalf half = {};
};

// y = x / sqrt(mean(x^2) + eps) * weight, or with `centred` (x - mean) / sqrt(var + eps) * weight + bias;
// sums in double or as good. A row is `parts` runs of input.size elements, one after the other (heads), each
// normalised by itself; run p takes the weights from p * weight_step on. y may be x.
struct DeviceNorm {
  DeviceInput input;  // size: of one run
  std::int64_t parts = 1, weight_step = 0;
  const float* weight = nullptr;  // [size] or [parts, size]
  const float* bias = nullptr;    // the same, or null
  float eps = 0;
  bool centred = false;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  DeviceHalf half = {};  // where asked for, the result goes there, rounded, and y may stay as it is
};

// Rotates queries and keys (kernels/rope.h) in place, where there are angles, and then writes keys and values
// into the cache, where there is one.
struct DevicePlacement {
  float *q = nullptr, *k = nullptr;  // [rows, q_stride], [rows, kv_stride]
  const float* v = nullptr;          // [rows, kv_stride]
  std::int64_t q_stride = 0, kv_stride = 0, rows = 0;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  const float *cosines = nullptr, *sines = nullptr;  // [rows, rotary / 2]; null: no rotation
  std::int64_t rotary = 0;
  // [rows] on the device, of pointers on the device: the row's block; null: nothing is written. `offset`
  // bytes on, the layer's first head begins.
  std::byte* const* blocks = nullptr;
  std::int64_t offset = 0;
  const std::int32_t* positions = nullptr;  // [rows]
  DType type = DType::kF32;
  // On the device: set to 1 where a finite key or value is too large for F16 (kHalfOverflow of
  // tensor/block_formats.h).
  std::int32_t* overflow = nullptr;
};

// Re-balancing of one sequence in one layer (intervene/rebalance.h): where row_acts and the head's bit is
// set, weights of M's keys (all: of every key) are multiplied by 1 + excess, after softmax, with no second
// normalisation.
struct DeviceRebalance {
  float excess = 0;             // 0: nothing is changed
  std::int32_t all = 0;         // not only M's keys
  std::uint32_t heads[8] = {};  // bit h of word h / 32: query head h
};
inline constexpr std::int64_t kDeviceHeads = 256;  // most query heads that DeviceRebalance can name

// Consecutive rows of one sequence that are computed together.
struct DeviceTile {
  std::int32_t sequence = 0, first_row = 0, rows = 0, first_position = 0;
};

// Grouped-query causal attention as in kernels/attention.h, without its hooks.
struct DeviceAttention {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1, softcap = 0;
  std::int64_t window = 0;       // 0: none
  const float* sinks = nullptr;  // [heads] on the device, or null
  const float* q = nullptr;      // [rows, q_stride]
  float* out = nullptr;          // [rows, out_stride]
  std::int64_t q_stride = 0, out_stride = 0;
  std::int64_t rows = 0, longest = 0;  // rows of the call; most keys of a row
  // All on the device:
  const std::int32_t* positions = nullptr;     // [rows]
  const std::int32_t* sequence_of = nullptr;   // [rows]
  const std::byte* const* blocks = nullptr;    // [sequences, blocks_stride]: pointers on the device
  std::int64_t blocks_stride = 0, offset = 0;  // offset: bytes from a block's beginning to the layer's
  DType type = DType::kF32;                    // of the cache
  // The same rows as runs of one sequence: tiles of at most kTileRows rows, and single rows.
  static constexpr std::int64_t kTileRows = 128;
  const DeviceTile* tiles = nullptr;  // on the device: [tile_count]: runs of 2 rows or more
  std::int64_t tile_count = 0;
  const std::int32_t* singles =
      nullptr;  // on the device: [single_count]: rows that are alone in their sequence
  std::int64_t single_count = 0;
  // Re-balancing; all null where no sequence has it.
  const DeviceRebalance* rebalance = nullptr;  // [sequences] on the device, of this layer
  const std::uint8_t* row_acts = nullptr;      // [rows] on the device: 1 where the row is one that is changed
  // M as bits: word (row * heads + head) * mask_words + j / 32, bit j % 32. Read where rebalance says so;
  // written where `thresholds` is given (layer 0): [sequences] on the device, below 0 for a sequence without
  // M. M(i, j) = weight(i, j) > threshold and i != j.
  std::uint32_t* mask = nullptr;
  std::int64_t mask_words = 0;
  const float* thresholds = nullptr;
  DevicePrecision precision = DevicePrecision::kF32;
  DeviceHalf half = {};  // where asked for, the result goes there, rounded, and out may stay as it is
};

enum class DeviceActivation { kSilu, kGelu, kGeluTanh, kRelu, kReluSquared, kClampedSwiglu };

class Device {
 public:
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual DeviceFacts facts() const = 0;

  // At least 256-byte aligned; InputError where there is no room. Released memory may be in use by work that
  // was asked for before.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  // Memory of the processor that transfers are fast from and to.
  virtual void* allocate_host(std::size_t bytes) = 0;
  virtual void release_host(void* memory) = 0;
  virtual void upload(void* to, const void* from,
                      std::size_t bytes) = 0;  // `from` may change after it returns
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void clear(void* to, std::size_t bytes) = 0;  // to zeros
  virtual void wait() = 0;                              // until all is done

  // Whether matrices of the type are kept as they are.
  static constexpr bool keeps(DType type) {
    switch (type) {
      case DType::kF32:
      case DType::kF16:
      case DType::kBF16:
      case DType::kQ8_0:
      case DType::kQ4_0:
      case DType::kQ4_K:
        return true;
      default:
        return false;
    }
  }
  // row(r): the bytes of row r, [inputs] of `type`, which keeps() must hold of. Ends when they have been
  // read.
  virtual DeviceMatrix make_matrix(DType type, std::int64_t outputs, std::int64_t inputs,
                                   const std::function<const std::byte*(std::int64_t r)>& row) = 0;
  virtual void release_matrix(DeviceMatrix& matrix) = 0;
  // Rows [first, first + count) of a matrix, as one that lives as long and is not released. Products of one x
  // with parts that lie one after the other, into y that do, may be computed as one. Nothing where the part
  // would not be aligned.
  virtual DeviceMatrix part_of(const DeviceMatrix& matrix, std::int64_t first, std::int64_t count) const = 0;

  // Several products with the same x; at most 4.
  virtual void multiply(const DeviceInput& x, std::span<const DeviceProduct> products,
                        DevicePrecision precision) = 0;
  // out[i] = factor * table[ids[i]], for a table of F32, F16 or BF16 (rows of x are one of F32); ids on the
  // device, [count]. With `add`, out[i] += it. table_stride: elements from row to row.
  struct Gather {
    DType type = DType::kF32;
    const void* table = nullptr;
    std::int64_t table_stride = 0, size = 0;
    const std::int32_t* ids = nullptr;
    std::int64_t count = 0;
    float factor = 1;
    bool add = false;
    float* out = nullptr;
    std::int64_t out_stride = 0;
  };
  virtual void gather(const Gather& gather) = 0;
  // to[ids[i]] += weights[i] * from[i]; no id twice. All on the device.
  struct Scatter {
    const float* from = nullptr;
    std::int64_t from_stride = 0, size = 0, count = 0;
    const std::int32_t* ids = nullptr;
    const float* weights = nullptr;
    float* to = nullptr;
    std::int64_t to_stride = 0;
  };
  virtual void scatter_add(const Scatter& scatter) = 0;
  virtual void norm(const DeviceNorm& norm) = 0;
  virtual void clamp(float* x, std::int64_t count, float most) = 0;  // within [-most, most]
  virtual void place(const DevicePlacement& placement) = 0;
  virtual void attend(const DeviceAttention& attention) = 0;
  // For hooks that are called on the processor, of rows [first, first + count) of the attention's. Scores
  // before hooks: scores[(r * heads + h) * stride + j] for j <= position, scaled and capped; tiles and
  // singles are not read.
  virtual void scores(const DeviceAttention& attention, std::int64_t first, std::int64_t count, float* scores,
                      std::int64_t stride) = 0;
  // out of the same rows: sum_j weights[(r * heads + h) * stride + j] v_j * inverse_sums[r * heads + h];
  // windows, sinks and re-balancing are the caller's.
  virtual void weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count,
                     const float* weights, std::int64_t stride, const float* inverse_sums) = 0;
  // gate = f(gate) * up, or f(gate) where up is null; [rows, stride], `size` of each. With `half` the result
  // goes there, rounded, and gate may stay as it is.
  virtual void activate(DeviceActivation kind, float* gate, const float* up, std::int64_t rows,
                        std::int64_t size, std::int64_t stride, const DeviceHalf& half = {}) = 0;
  // x += times * branch; [rows, stride].
  virtual void add(float* x, const float* branch, std::int64_t rows, std::int64_t size, std::int64_t stride,
                   float times) = 0;
  // x = cap tanh(factor x / cap), or factor x where cap is 0.
  virtual void scale_and_cap(float* x, std::int64_t count, float factor, float cap) = 0;

 protected:
  Device() = default;
};

// Elements that a key/value head takes of a block, as in kernels/kv_block.h.
constexpr std::int64_t kv_head_elements(std::int64_t head_dim) {
  const std::int64_t padded_dim = (head_dim + 15) / 16 * 16;
  return kDeviceKeyBlock * (head_dim + padded_dim);
}

// The plain twin.
std::unique_ptr<Device> make_reference_device();

// The CUDA device of that number, from librefocus_cuda.so beside the program or where the system finds it.
// InputError where the library, a driver or the device is not there; the message says which.
std::unique_ptr<Device> make_cuda_device(int number = 0);

}  // namespace refocus
