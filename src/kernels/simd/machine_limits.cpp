#include "kernels/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "kernels/simd/fetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/machine_limits.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The sum of [begin, end), so that the reads cannot be left out. With `ahead`, each line of memory is asked
// for so many floats before it is needed.
float sum_of(const float* begin, const float* end, std::int64_t ahead) {
  const hn::CappedTag<float, 16> d;
  constexpr std::int64_t kLine = 16;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d), b = a, c = a, e = a;  // of a line's vectors, so that a chain has one addition a line
  for (; begin + kLine <= end; begin += kLine) {
    if (ahead != 0) fetch_into_l2(begin + ahead);
    a = hn::Add(a, hn::Load(d, begin));
    if (lanes <= 8) b = hn::Add(b, hn::Load(d, begin + 8));
    if (lanes <= 4) c = hn::Add(c, hn::Load(d, begin + 4));
    if (lanes <= 4) e = hn::Add(e, hn::Load(d, begin + 12));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
}

// `count` rounds of 12 independent multiply-adds of a whole vector; returns floats in a vector.
std::int64_t multiply_add(std::int64_t count, float* out) {
  const hn::CappedTag<float, 16> d;
  const auto x = hn::Set(d, 0.9999f);
  // Twelve different chains: equal ones the compiler would compute once.
  const auto chain = [&](float k) { return hn::Set(d, out[0] + k); };
  auto a = chain(1), b = chain(2), c = chain(3), e = chain(4), f = chain(5), g = chain(6);
  auto h = chain(7), i = chain(8), j = chain(9), k = chain(10), l = chain(11), m = chain(12);
  for (std::int64_t n = 0; n < count; ++n) {
    a = hn::MulAdd(a, x, x), b = hn::MulAdd(b, x, x), c = hn::MulAdd(c, x, x), e = hn::MulAdd(e, x, x);
    f = hn::MulAdd(f, x, x), g = hn::MulAdd(g, x, x), h = hn::MulAdd(h, x, x), i = hn::MulAdd(i, x, x);
    j = hn::MulAdd(j, x, x), k = hn::MulAdd(k, x, x), l = hn::MulAdd(l, x, x), m = hn::MulAdd(m, x, x);
  }
  const auto sum =
      hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)),
              hn::Add(hn::Add(hn::Add(f, g), hn::Add(h, i)), hn::Add(hn::Add(j, k), hn::Add(l, m))));
  out[0] = hn::GetLane(hn::SumOfLanes(d, sum));
  return static_cast<std::int64_t>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {

HWY_EXPORT(sum_of);
HWY_EXPORT(multiply_add);

template <class Work>
double seconds_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

namespace {

bool made_by_amd() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd") != 0;
#else
  return false;
#endif
}

std::atomic<bool>& single_streams() {
  static std::atomic<bool> single = made_by_amd();
  return single;
}

}  // namespace

bool reads_single_streams() { return single_streams().load(std::memory_order_relaxed); }
void read_single_streams(bool single) { single_streams().store(single, std::memory_order_relaxed); }

double measure_read_gb_s(ThreadPool& pool) {
  constexpr std::int64_t kFloats = std::int64_t{1} << 27, kPieces = 512, kPiece = kFloats / kPieces;
  AlignedBuffer<float> data(kFloats);
  std::fill_n(data.data(), kFloats, 1.0f);  // untouched pages would all be read from one page of zeros
  constexpr std::int64_t kAhead[] = {0, 512, 1024};  // floats
  double best = 0;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const std::int64_t ahead = kAhead[repeat % 3];
    const double seconds = seconds_of([&] {
      pool.parallel_for(kPieces, [&](std::int64_t piece, int) {
        const float* begin = data.data() + piece * kPiece;
        volatile float sink =
            HWY_DYNAMIC_DISPATCH(sum_of)(begin, begin + kPiece, ahead);  // so that it is computed
        static_cast<void>(sink);
      });
    });
    best = std::max(best, static_cast<double>(kFloats) * 4 / seconds / 1e9);
  }
  return best;
}

double measure_fma_gflop_s(ThreadPool& pool) {
  constexpr std::int64_t kRounds = 20'000'000;
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::int64_t lanes = 0;
    const double seconds = seconds_of([&] {
      pool.parallel_for(pool.size(), [&](std::int64_t task, int) {
        float out = 0.5f;
        const std::int64_t used = HWY_DYNAMIC_DISPATCH(multiply_add)(kRounds, &out);
        volatile float sink = out;
        static_cast<void>(sink);
        if (task == 0) lanes = used;
      });
    });
    best = std::max(best, static_cast<double>(kRounds * 12 * 2 * lanes * pool.size()) / seconds / 1e9);
  }
  return best;
}

}  // namespace refocus
#endif
