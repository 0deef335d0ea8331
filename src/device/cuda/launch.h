// What the CUDA device is made of: functions that start kernels on a stream, each in a file of its own.
//
// Arguments are checked by the caller. Errors of a launch are found by CudaDevice, with cudaGetLastError().
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "device/device.h"

namespace refocus::cuda {

// Throws InputError "[CUDA device 0] ..." with the error's text where `status` is one.
void check(cudaError_t status, const char* what);

// select_device.cu
std::string version_text(int version);  // "13.0" of 13000
// Makes the device of that number the current one; std::runtime_error with the cause where there is none that
// this library has kernels for.
void select_device(int number);

// Memory on the device that grows and is used by one call at a time; released with the object.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* at_least(std::size_t bytes, cudaStream_t stream);
  // The same, of zeros where it is new; whoever uses it leaves zeros.
  void* zeros(std::size_t bytes, cudaStream_t stream);

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Of attention of single rows.
struct AttentionScratch {
  Scratch partials, arrived;
};

// elementwise.cu
void gather(const Device::Gather& gather, cudaStream_t stream);
void scatter_add(const Device::Scatter& scatter, cudaStream_t stream);
void norm(const DeviceNorm& norm, cudaStream_t stream);
void clamp(float* x, std::int64_t count, float most, cudaStream_t stream);
void place(const DevicePlacement& placement, cudaStream_t stream);
void activate(DeviceActivation kind, float* gate, const float* up, std::int64_t rows, std::int64_t size,
              std::int64_t stride, const DeviceHalf& half, cudaStream_t stream);
void add(float* x, const float* branch, std::int64_t rows, std::int64_t size, std::int64_t stride,
         float times, cudaStream_t stream);
void scale_and_cap(float* x, std::int64_t count, float factor, float cap, cudaStream_t stream);

// few_rows.cu: products with float32 activations in one fixed order, for any number of rows.
void multiply_in_order(const DeviceInput& x, const DeviceProduct* products, std::size_t count,
                       cudaStream_t stream);

// convert.cu: matrices into the device's form, and rows to half precision.
// Bytes of `data` and of `scales` of a matrix.
std::size_t data_bytes(DType type, std::int64_t outputs, std::int64_t inputs);
std::size_t scale_bytes(DType type, std::int64_t outputs, std::int64_t inputs);
// Puts `rows` rows as they are in files, at `from` on the device, to rows first_row.. of the matrix.
void store_rows(const void* from, std::int64_t first_row, std::int64_t rows, const DeviceMatrix& matrix,
                cudaStream_t stream);
// to [rows, size] of F16 or BF16, from x [rows, stride]; the gap of a row to `padded_size` is filled with 0.
void to_half(const DeviceInput& x, DType type, void* to, std::int64_t padded_size, cudaStream_t stream);
// The other way: to [rows, stride].
void to_float(const DeviceHalf& from, std::int64_t rows, std::int64_t size, float* to, std::int64_t stride,
              cudaStream_t stream);
// The matrix' weights in F16, [outputs, inputs], for block types.
void to_f16(const DeviceMatrix& matrix, void* to, cudaStream_t stream);

// attention_rows.cu: float32 throughout, one fixed order for each row, any head_dim and type of cache. Of the
// rows listed (on the device), or of all rows [0, count) where `rows` is null. Writes row_stats, where it is
// given: [rows, heads, 2]: the row's largest score and the sum of exp(score - largest), both with the sink.
void attend_rows(const DeviceAttention& attention, const std::int32_t* rows, std::int64_t count,
                 float* row_stats, AttentionScratch& scratch, cudaStream_t stream);
// attention_hooks.cu
// M of those rows from their row_stats: see DeviceAttention::mask.
void mask_rows(const DeviceAttention& attention, const std::int32_t* rows, std::int64_t count,
               const float* row_stats, cudaStream_t stream);
void scores(const DeviceAttention& attention, std::int64_t first, std::int64_t count, float* scores,
            std::int64_t stride, cudaStream_t stream);
void weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count, const float* weights,
           std::int64_t stride, const float* inverse_sums, cudaStream_t stream);

// attention_tiles.cu: the same of tiles, with matrix units: queries and weights rounded to F16, caches of
// F16.
bool has_tiles(const DeviceAttention& attention);  // whether there is such a kernel for the shape
void attend_tiles(const DeviceAttention& attention, float* row_stats, cudaStream_t stream);
void mask_tiles(const DeviceAttention& attention, const float* row_stats, cudaStream_t stream);

}  // namespace refocus::cuda
