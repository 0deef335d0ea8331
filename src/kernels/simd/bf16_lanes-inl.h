// Rounding vectors of float32 to bf16. Included in the namespace of an instruction set, after `namespace hn`.

// Numbers rounded to bf16, to nearest and ties to even, as float32; what is no number stays none.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V round_to_bf16(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto up = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFF)));
  const V rounded = hn::BitCast(d, hn::And(up, hn::Set(du, 0xFFFF0000u)));
  // A NaN's last bits would carry into its sign, or leave it infinite.
  const V none = hn::BitCast(d, hn::And(hn::Or(bits, hn::Set(du, 0x400000)), hn::Set(du, 0xFFFF0000u)));
  return hn::IfThenElse(hn::Eq(x, x), rounded, none);
}
