// The device of CUDA, and the one function that its library shows to the program (device/cuda_library.h).
//
// One thread at a time may use a device. All work goes to one stream; an operation's failure is found after
// its launch or, where the kernel itself fails, by the next operation that waits. REFOCUS_CUDA_SYNC=1 makes
// every operation wait, so that the error names the one that failed, and says at the end what
// each kind took.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/cuda/launch.h"
#include "device/cuda/many_rows.h"
#include "device/cuda/pinned_ring.h"
#include "device/cuda_library.h"

namespace refocus::cuda {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  int number = 0;
  static_cast<void>(cudaGetDevice(&number));
  static_cast<void>(cudaGetLastError());  // so that the next operation does not find the same error
  const bool full = status == cudaErrorMemoryAllocation;
  throw input_error(fmt::format("CUDA device {}", number), "expected {} to work, got {} ({}); {}", what,
                    cudaGetErrorName(status), cudaGetErrorString(status),
                    full ? "use fewer or shorter sequences, a smaller model or weights of fewer bits"
                         : "set REFOCUS_CUDA_SYNC=1 to see the operation that fails");
}

Scratch::~Scratch() {
  if (data_ != nullptr) static_cast<void>(cudaFree(data_));
}

void* Scratch::at_least(std::size_t bytes, cudaStream_t stream) {
  if (bytes <= bytes_ && data_ != nullptr) return data_;
  // Work that was asked for before may use what is released.
  check(cudaStreamSynchronize(stream), "waiting");
  if (data_ != nullptr) check(cudaFree(data_), "releasing memory");
  data_ = nullptr;
  bytes_ = 0;
  const std::size_t granule = std::size_t{1} << 20;
  const std::size_t size = (std::max<std::size_t>(bytes, 1) + granule - 1) / granule * granule;
  check(cudaMalloc(&data_, size), "allocating working memory");
  bytes_ = size;
  return data_;
}

void* Scratch::zeros(std::size_t bytes, cudaStream_t stream) {
  const std::size_t before = bytes_;
  void* memory = at_least(bytes, stream);
  if (bytes_ != before) check(cudaMemsetAsync(memory, 0, bytes_, stream), "clearing working memory");
  return memory;
}

namespace {

constexpr std::size_t kUploadSlots = 32, kUploadBytes = std::size_t{256} << 10;
constexpr std::size_t kMatrixSlots = 2, kMatrixBytes = std::size_t{32} << 20;

// The name of an operation by the number of its rows.
const char* by_rows(std::int64_t rows, const char* few, const char* some, const char* more) {
  return rows <= kFewRows ? few : rows <= kSomeRows ? some : more;
}

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int number) : number_(number) {
    select_device(number);
    many_rows_ = std::make_unique<ManyRows>();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    uploads_ = std::make_unique<PinnedRing>(kUploadSlots, kUploadBytes);
    const char* said = std::getenv("REFOCUS_CUDA_SYNC");
    waits_always_ = said != nullptr && std::strcmp(said, "1") == 0;
  }

  ~CudaDevice() override {
    static_cast<void>(cudaSetDevice(number_));
    tell_times();
    if (stream_ == nullptr) return;
    static_cast<void>(cudaStreamSynchronize(stream_));
    static_cast<void>(cudaStreamDestroy(stream_));
  }

  DeviceFacts facts() const override {
    check(cudaSetDevice(number_), "selecting the device");
    cudaDeviceProp facts{};
    check(cudaGetDeviceProperties(&facts, number_), "describing the device");
    int runtime = 0, driver = 0;
    check(cudaRuntimeGetVersion(&runtime), "asking for the version");
    check(cudaDriverGetVersion(&driver), "asking for the version");
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for free memory");
    return {facts.name, fmt::format("CUDA {}, driver {}", version_text(runtime), version_text(driver)),
            static_cast<std::int64_t>(total), static_cast<std::int64_t>(free)};
  }

  void* allocate(std::size_t bytes) override {
    check(cudaSetDevice(number_), "selecting the device");
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));
    if (status == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      std::size_t free = 0, total = 0;
      static_cast<void>(cudaMemGetInfo(&free, &total));
      throw input_error(
          fmt::format("CUDA device {}", number_),
          "expected room for {} MiB more, got {} of {} MiB free; use fewer or shorter sequences, a "
          "smaller model or weights of fewer bits",
          (bytes >> 20) + 1, free >> 20, total >> 20);
    }
    check(status, "allocating memory");
    return memory;
  }

  // Called while errors are handled too: has no errors of its own.
  void release(void* memory) override {
    if (memory == nullptr) return;
    static_cast<void>(cudaSetDevice(number_));
    static_cast<void>(cudaStreamSynchronize(stream_));
    static_cast<void>(cudaFree(memory));
  }

  void* allocate_host(std::size_t bytes) override {
    check(cudaSetDevice(number_), "selecting the device");
    void* memory = nullptr;
    check(cudaMallocHost(&memory, std::max<std::size_t>(bytes, 1)), "allocating pinned memory");
    return memory;
  }

  void release_host(void* memory) override {
    if (memory == nullptr) return;
    static_cast<void>(cudaSetDevice(number_));
    static_cast<void>(cudaStreamSynchronize(stream_));
    static_cast<void>(cudaFreeHost(memory));
  }

  // What fits a slot of pinned memory is copied there, and the call does not wait for the stream; more is
  // waited for, with all work before it.
  void upload(void* to, const void* from, std::size_t bytes) override {
    if (bytes == 0) return;
    run("upload", [&] {
      if (bytes > kUploadBytes) {
        check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "upload");
        check(cudaStreamSynchronize(stream_), "upload");
        return;
      }
      void* slot = uploads_->take();
      std::memcpy(slot, from, bytes);
      check(cudaMemcpyAsync(to, slot, bytes, cudaMemcpyHostToDevice, stream_), "upload");
      uploads_->give_back(stream_);
    });
  }

  void download(void* to, const void* from, std::size_t bytes) override {
    run("download", [&] {
      if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "download");
      check(cudaStreamSynchronize(stream_), "download, or the work before it,");
    });
  }

  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes == 0) return;
    run("copy", [&] { check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy"); });
  }

  void clear(void* to, std::size_t bytes) override {
    if (bytes == 0) return;
    run("clear", [&] { check(cudaMemsetAsync(to, 0, bytes, stream_), "clear"); });
  }

  void wait() override {
    run("waiting", [&] { check(cudaStreamSynchronize(stream_), "the work asked for"); });
  }

  DeviceMatrix make_matrix(DType type, std::int64_t outputs, std::int64_t inputs,
                           const std::function<const std::byte*(std::int64_t r)>& row) override {
    REFOCUS_CHECK(keeps(type) && inputs % block_elements(type) == 0);
    DeviceMatrix matrix{.type = type, .outputs = outputs, .inputs = inputs};
    try {
      matrix.data = allocate(data_bytes(type, outputs, inputs));
      if (const std::size_t bytes = scale_bytes(type, outputs, inputs); bytes > 0)
        matrix.scales = allocate(bytes);
      if (outputs > 0 && inputs > 0) run("uploading a matrix", [&] { upload_rows(matrix, row); });
    } catch (...) {
      release_matrix(matrix);
      throw;
    }
    return matrix;
  }

  void release_matrix(DeviceMatrix& matrix) override {
    release(matrix.data);
    release(matrix.scales);
    matrix = {};
  }

  DeviceMatrix part_of(const DeviceMatrix& matrix, std::int64_t first, std::int64_t count) const override {
    const std::size_t data = data_bytes(matrix.type, first, matrix.inputs),
                      scales = scale_bytes(matrix.type, first, matrix.inputs);
    if (data % 256 != 0 || scales % 256 != 0) return {};
    DeviceMatrix part = matrix;
    part.outputs = count;
    part.data = static_cast<std::byte*>(matrix.data) + data;
    if (matrix.scales != nullptr) part.scales = static_cast<std::byte*>(matrix.scales) + scales;
    return part;
  }

  void multiply(const DeviceInput& x, std::span<const DeviceProduct> products,
                DevicePrecision precision) override {
    if (x.rows == 0 || products.empty()) return;
    run(by_rows(x.rows, "multiply few rows", "multiply some rows", "multiply rows"), [&] {
      if (precision == DevicePrecision::kF32 || x.rows <= kFewRows) {
        multiply_in_order(x, products.data(), products.size(), stream_);
      } else {
        many_rows_->multiply(x, products, stream_);
      }
    });
  }

  void gather(const Gather& gather) override {
    run("gather", [&] { cuda::gather(gather, stream_); });
  }
  void scatter_add(const Scatter& scatter) override {
    run("scatter_add", [&] { cuda::scatter_add(scatter, stream_); });
  }
  void norm(const DeviceNorm& norm) override {
    run(by_rows(norm.input.rows, "norm few rows", "norm some rows", "norm rows"),
        [&] { cuda::norm(norm, stream_); });
  }
  void clamp(float* x, std::int64_t count, float most) override {
    run("clamp", [&] { cuda::clamp(x, count, most, stream_); });
  }
  void place(const DevicePlacement& placement) override {
    run(by_rows(placement.rows, "place few rows", "place some rows", "place rows"),
        [&] { cuda::place(placement, stream_); });
  }

  void attend(const DeviceAttention& a) override {
    if (a.rows == 0) return;
    run(by_rows(a.rows, "attend few rows", "attend some rows", "attend rows"), [&] {
      float* stats = nullptr;
      if (a.thresholds != nullptr) {
        const auto bytes = static_cast<std::size_t>(a.rows * a.heads) * 2 * sizeof(float);
        stats = static_cast<float*>(row_stats_.at_least(bytes, stream_));
      }
      const bool tiled = a.precision == DevicePrecision::kHalf && a.type == DType::kF16 && has_tiles(a);
      const std::int32_t* rows = tiled ? a.singles : nullptr;
      const std::int64_t count = tiled ? a.single_count : a.rows;
      if (tiled && a.tile_count > 0) attend_tiles(a, stats, stream_);
      if (count > 0) attend_rows(a, rows, count, stats, attention_, stream_);
      if (a.thresholds == nullptr) return;
      if (tiled && a.tile_count > 0) mask_tiles(a, stats, stream_);
      if (count > 0) mask_rows(a, rows, count, stats, stream_);
    });
  }

  void scores(const DeviceAttention& attention, std::int64_t first, std::int64_t count, float* scores,
              std::int64_t stride) override {
    if (count == 0) return;
    run("scores", [&] { cuda::scores(attention, first, count, scores, stride, stream_); });
  }
  void weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count, const float* weights,
             std::int64_t stride, const float* inverse_sums) override {
    if (count == 0) return;
    run("weigh", [&] { cuda::weigh(attention, first, count, weights, stride, inverse_sums, stream_); });
  }
  void activate(DeviceActivation kind, float* gate, const float* up, std::int64_t rows, std::int64_t size,
                std::int64_t stride, const DeviceHalf& half) override {
    run(by_rows(rows, "activate few rows", "activate some rows", "activate rows"),
        [&] { cuda::activate(kind, gate, up, rows, size, stride, half, stream_); });
  }
  void add(float* x, const float* branch, std::int64_t rows, std::int64_t size, std::int64_t stride,
           float times) override {
    run("add", [&] { cuda::add(x, branch, rows, size, stride, times, stream_); });
  }
  void scale_and_cap(float* x, std::int64_t count, float factor, float cap) override {
    run("scale_and_cap", [&] { cuda::scale_and_cap(x, count, factor, cap, stream_); });
  }

 private:
  // One operation: on this device, whichever the thread used before, with a look for errors after it.
  template <class F>
  void run(const char* what, F operation) {
    check(cudaSetDevice(number_), "selecting the device");
    const auto begin = std::chrono::steady_clock::now();
    operation();
    check(cudaGetLastError(), what);
    if (!waits_always_) return;
    check(cudaStreamSynchronize(stream_), what);
    Spent& spent = spent_[what];
    ++spent.times;
    spent.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  // With REFOCUS_CUDA_SYNC=1: what each kind of operation took, each waited for.
  void tell_times() const {
    for (const auto& [what, spent] : spent_) {
      fmt::print(stderr, "{:<20} {:>8} times {:>10.3f} ms\n", what, spent.times, spent.seconds * 1e3);
    }
  }

  // Rows are gathered in pinned memory while the rows before them are on their way.
  void upload_rows(const DeviceMatrix& matrix, const std::function<const std::byte*(std::int64_t r)>& row) {
    const std::size_t row_bytes = bytes_of(matrix.type, matrix.inputs);
    if (matrices_ == nullptr || matrices_->bytes() < row_bytes) {
      matrices_ = std::make_unique<PinnedRing>(kMatrixSlots, std::max(kMatrixBytes, row_bytes));
    }
    const auto most = static_cast<std::int64_t>(matrices_->bytes() / row_bytes);
    for (std::int64_t first = 0; first < matrix.outputs; first += most) {
      const std::int64_t rows = std::min(most, matrix.outputs - first);
      const std::size_t bytes = static_cast<std::size_t>(rows) * row_bytes;
      auto* slot = static_cast<std::byte*>(matrices_->take());
      for (std::int64_t r = 0; r < rows; ++r) {
        std::memcpy(slot + static_cast<std::size_t>(r) * row_bytes, row(first + r), row_bytes);
      }
      if (matrix.scales == nullptr) {  // as it is in files
        auto* to = static_cast<std::byte*>(matrix.data) + static_cast<std::size_t>(first) * row_bytes;
        check(cudaMemcpyAsync(to, slot, bytes, cudaMemcpyHostToDevice, stream_), "uploading rows");
      } else {
        void* as_in_files = file_rows_.at_least(bytes, stream_);
        check(cudaMemcpyAsync(as_in_files, slot, bytes, cudaMemcpyHostToDevice, stream_), "uploading rows");
        store_rows(as_in_files, first, rows, matrix, stream_);
      }
      matrices_->give_back(stream_);
    }
  }

  int number_;
  bool waits_always_ = false;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<ManyRows> many_rows_;
  std::unique_ptr<PinnedRing> uploads_, matrices_;
  Scratch row_stats_, file_rows_;
  AttentionScratch attention_;
  struct Spent {
    std::int64_t times = 0;
    double seconds = 0;
  };
  std::map<std::string, Spent> spent_;
};

}  // namespace

}  // namespace refocus::cuda

extern "C" __attribute__((visibility("default"))) refocus::Device* refocus_cuda_device(
    int abi_version, int number, char* error, std::size_t error_bytes) {
  const auto say = [&](const char* text) { std::snprintf(error, error_bytes, "%s", text); };
  if (abi_version != refocus::kDeviceAbi) {
    say(fmt::format("expected {} of version {}, as the program is, got {}; build both from the same sources",
                    refocus::kCudaLibrary, abi_version, refocus::kDeviceAbi)
            .c_str());
    return nullptr;
  }
  try {
    return new refocus::cuda::CudaDevice(number);
  } catch (const std::exception& failure) {
    // The caller says where.
    const char* text = failure.what();
    const char* end = *text == '[' ? std::strstr(text, "] ") : nullptr;
    say(end != nullptr ? end + 2 : text);
  }
  return nullptr;
}
