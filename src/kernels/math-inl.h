// exp, log, tanh and erf for SIMD vectors of float32, about 1 unit in the last place; included once per
// instruction set.
#if defined(REFOCUS_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REFOCUS_KERNELS_MATH_INL_H_
#undef REFOCUS_KERNELS_MATH_INL_H_
#else
#define REFOCUS_KERNELS_MATH_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln(2) / 2; exp(r) by its Taylor polynomial of
// degree 7, whose truncation error there (r^8 / 8! < 6e-9) is below float32's rounding. Below -87.3, where
// the result would be subnormal, it is 0; above 88.7 infinity; NaN stays NaN, so that broken weights are
// seen.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of_remainder(D d, V x, V n) {
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);  // ln 2 in two parts, the first one exact in few bits
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V p = hn::Set(d, 1.0f / 5040);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 720));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return p;
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  const V p = exp_of_remainder(d, x, n);
  // 2^n in two factors, since n may be 128 where the result is still finite.
  const auto i = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(i);
  const auto bias = hn::Set(di, 127);
  const V first = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V second = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(i, half), bias)));
  V result = hn::Mul(hn::Mul(p, first), second);
  result = hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3365447f)), result);
  result = hn::IfThenElse(hn::Gt(x, hn::Set(d, 88.7228391f)), hn::Inf(d), result);
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

// The same for x <= 0 (or NaN), where one factor does.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of_nonpositive(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  const V power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127))));
  const V result = hn::Mul(exp_of_remainder(d, x, n), power);
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3365447f)), result);
}

// tanh(x) = sign(x) (1 - e) / (1 + e) with e = exp(-2 |x|); below 0.3, where that loses digits, its Taylor
// polynomial of degree 11, whose truncation error there (0.0036 x^13) is below float32's rounding. NaN stays
// NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh(D d, V x) {
  const V one = hn::Set(d, 1.0f), size = hn::Abs(x), square = hn::Mul(x, x);
  const V e = exp(d, hn::Mul(size, hn::Set(d, -2.0f)));
  const V large = hn::CopySign(hn::Div(hn::Sub(one, e), hn::Add(one, e)), x);
  V p = hn::Set(d, -1382.0f / 155925);
  p = hn::MulAdd(p, square, hn::Set(d, 62.0f / 2835));
  p = hn::MulAdd(p, square, hn::Set(d, -17.0f / 315));
  p = hn::MulAdd(p, square, hn::Set(d, 2.0f / 15));
  p = hn::MulAdd(p, square, hn::Set(d, -1.0f / 3));
  const V small = hn::MulAdd(hn::Mul(p, square), x, x);
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.3f)), small, large);
}

// erf(x), to 1.5e-7: x times a polynomial in x^2 up to 1, and 1 - exp(-x^2) p(1 / (1 + 0.39 x)) beyond; both
// fitted by least squares at Chebyshev's points, where their errors are below 2e-9. NaN stays NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V erf(D d, V x) {
  const V one = hn::Set(d, 1.0f), size = hn::Abs(x), square = hn::Mul(x, x);
  V q = hn::Set(d, 7.8824971e-05f);
  q = hn::MulAdd(q, square, hn::Set(d, -0.000801885499f));
  q = hn::MulAdd(q, square, hn::Set(d, 0.00518931194f));
  q = hn::MulAdd(q, square, hn::Set(d, -0.0268543288f));
  q = hn::MulAdd(q, square, hn::Set(d, 0.112835975f));
  q = hn::MulAdd(q, square, hn::Set(d, -0.376126269f));
  q = hn::MulAdd(q, square, hn::Set(d, 1.12837917f));
  const V t = hn::Div(one, hn::MulAdd(size, hn::Set(d, 0.39f), one));
  V p = hn::Set(d, 0.08438441f);
  p = hn::MulAdd(p, t, hn::Set(d, -0.48017609f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.9372006f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.67420403f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.61242666f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.05457312f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.2480326f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.21776274f));
  const V large = hn::CopySign(hn::NegMulAdd(exp(d, hn::Neg(square)), hn::Mul(p, t), one), x);
  return hn::IfThenElse(hn::Lt(size, one), hn::Mul(q, x), large);
}

// ln(x) for normal x > 0: x = 2^n m with m in [sqrt(1/2), sqrt(2)), and ln(1 + f) = f - f^2 / 2 + f^3 p(f),
// with p of degree 7 fitted at Chebyshev's points; its error is below 1e-7 of ln(1 + f).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log_of_positive(D d, V x) {
  const hn::RebindToSigned<D> di;
  // Bits of sqrt(1/2): what lies between them and x's in the exponent field is n.
  const auto n = hn::ShiftRight<23>(hn::Sub(hn::BitCast(di, x), hn::Set(di, 0x3F3504F3)));
  const V f = hn::Sub(hn::BitCast(d, hn::Sub(hn::BitCast(di, x), hn::ShiftLeft<23>(n))), hn::Set(d, 1.0f));
  V p = hn::Set(d, -0.0810301527f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.127130672f));
  p = hn::MulAdd(p, f, hn::Set(d, -0.129720479f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.142020524f));
  p = hn::MulAdd(p, f, hn::Set(d, -0.166422546f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.200014740f));
  p = hn::MulAdd(p, f, hn::Set(d, -0.250002950f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.333333284f));
  const V square = hn::Mul(f, f), exponent = hn::ConvertTo(d, n);
  V low = hn::MulSub(p, hn::Mul(square, f), hn::Mul(square, hn::Set(d, 0.5f)));
  low = hn::MulAdd(exponent, hn::Set(d, -2.12194440e-4f), low);
  return hn::MulAdd(exponent, hn::Set(d, 0.693359375f), hn::Add(f, low));  // ln 2 in two parts, as in exp
}

#if HWY_TARGET <= HWY_AVX3
// log2(x) for 16 normal x > 0, to about 1 unit in the last place: x = 2^n m with m in [0.699, 1.398), whose
// sixteenth has a number c near 1 / m, so that log2(x) = n - log2(c) + log2(1 + r) with r = m c - 1 and
// |r| < 0.03. log2(1 + r) is r times a cubic fitted at Chebyshev's points, whose error is below 3e-8 of it.
// Around 1, c is 1, so that nothing is lost where the logarithm is near 0. (The reduction of logf in glibc
// since 2.27.)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log2_of_positive(D d, V x) {
  HWY_ALIGN static constexpr float kInverse[16] = {1.39890707f,  1.34031415f,  1.28643215f,  1.23671496f,
                                                   1.19069767f,  1.14798212f,  1.10822511f,  1.07112968f,
                                                   1.03643727f,  1.0f,         0.948148131f, 0.895104885f,
                                                   0.847682118f, 0.805031419f, 0.766467094f, 0.731428564f};
  HWY_ALIGN static constexpr float kLog2[16] = {// -log2 of each
                                                -0.484300137f,  -0.422571182f, -0.363375366f, -0.306513011f,
                                                -0.251807153f,  -0.199100167f, -0.148250952f, -0.0991331562f,
                                                -0.0516328029f, 0.0f,          0.0768156201f, 0.159871355f,
                                                0.238404736f,   0.312883019f,  0.383704245f,  0.451211125f};
  static_assert(hn::MaxLanes(D()) == 16);
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, x);
  const auto above = hn::Sub(bits, hn::Set(di, 0x3F330000));  // bits of 0.699
  const auto n = hn::ShiftRight<23>(above);
  const auto place = hn::IndicesFromVec(d, hn::And(hn::ShiftRight<19>(above), hn::Set(di, 15)));
  const V m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(n)));
  const V r = hn::MulSub(m, hn::TableLookupLanes(hn::Load(d, kInverse), place), hn::Set(d, 1.0f));
  V p = hn::Set(d, -0.360937804f);
  p = hn::MulAdd(p, r, hn::Set(d, 0.481151819f));
  p = hn::MulAdd(p, r, hn::Set(d, -0.721347451f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.44269502f));
  return hn::MulAdd(p, r, hn::Add(hn::ConvertTo(d, n), hn::TableLookupLanes(hn::Load(d, kLog2), place)));
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();
#endif
