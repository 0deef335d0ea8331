#include "kernels/adamw.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/adamw.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void adamw(const AdamWStep& step, std::int64_t size, const float* gradient, float* weight, float* m,
           float* v) {
  const float rate = step.learning_rate / step.bias1, keep = 1 - step.learning_rate * step.weight_decay;
  const auto update = [&](auto d, std::int64_t i) {
    const auto g = hn::Mul(hn::LoadU(d, gradient + i), hn::Set(d, step.gradient_scale));
    const auto new_m =
        hn::MulAdd(hn::LoadU(d, m + i), hn::Set(d, step.beta1), hn::Mul(g, hn::Set(d, 1 - step.beta1)));
    const auto new_v = hn::MulAdd(hn::LoadU(d, v + i), hn::Set(d, step.beta2),
                                  hn::Mul(hn::Mul(g, g), hn::Set(d, 1 - step.beta2)));
    hn::StoreU(new_m, d, m + i);
    hn::StoreU(new_v, d, v + i);
    const auto root = hn::Sqrt(hn::Div(new_v, hn::Set(d, step.bias2)));
    const auto change = hn::Div(hn::Mul(new_m, hn::Set(d, rate)), hn::Add(root, hn::Set(d, step.eps)));
    hn::StoreU(hn::Sub(hn::Mul(hn::LoadU(d, weight + i), hn::Set(d, keep)), change), d, weight + i);
  };
  const hn::CappedTag<float, 16> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) update(d, i);
  for (; i < size; ++i) update(d1, i);
}

double sum_of_squares(const float* x, std::int64_t size) {
  const hn::CappedTag<double, 8> d64;
  const hn::Rebind<float, decltype(d64)> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d64);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto value = hn::PromoteTo(d64, hn::LoadU(d, x + i));
    sum = hn::MulAdd(value, value, sum);
  }
  double total = hn::GetLane(hn::SumOfLanes(d64, sum));
  for (; i < size; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(adamw);
HWY_EXPORT(sum_of_squares);
}  // namespace
void adamw(const AdamWStep& step, std::int64_t size, const float* gradient, float* weight, float* m,
           float* v) {
  HWY_DYNAMIC_DISPATCH(adamw)(step, size, gradient, weight, m, v);
}
double sum_of_squares(const float* x, std::int64_t size) {
  return HWY_DYNAMIC_DISPATCH(sum_of_squares)(x, size);
}
}  // namespace refocus
#endif
