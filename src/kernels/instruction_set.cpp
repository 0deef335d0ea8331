#include "kernels/instruction_set.h"

#include <fmt/ranges.h>
#include <hwy/highway.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/bf16_matmul.h"
#include "kernels/simd/amx.h"

namespace refocus {

namespace {

struct Entry {
  std::int64_t target;
  const char* name;
};
// The best first.
constexpr Entry kEntries[] = {
    {HWY_AVX3, "avx512"}, {HWY_AVX2, "avx2"}, {HWY_SSSE3, "ssse3"}, {HWY_SVE, "sve"}, {HWY_NEON, "neon"}};

bool usable(const Entry& entry) { return (hwy::SupportedTargets() & HWY_TARGETS & entry.target) != 0; }

// Tiles stand above AVX-512, which scales their sums.
constexpr const char* kAmx = "amx";
bool amx_usable() { return amx_int8_in_use() && usable(kEntries[0]); }

}  // namespace

std::vector<std::string> instruction_sets() {
  std::vector<std::string> out;
  if (amx_usable()) out.emplace_back(kAmx);
  for (const Entry& entry : kEntries) {
    if (usable(entry)) out.emplace_back(entry.name);
  }
  return out;
}

std::string instruction_set() {
  for (const Entry& entry : kEntries) {
    if (!usable(entry)) continue;
    switch (entry.target) {
      case HWY_AVX3:
#if HWY_ARCH_X86
        if (amx_usable()) return "AMX";
        if (__builtin_cpu_supports("avx512vnni")) return "AVX-512 VNNI";
#endif
        return "AVX-512";
      case HWY_AVX2:
        return "AVX2";
      case HWY_SSSE3:
        return "SSSE3";
      case HWY_SVE:
        return "SVE";
      default:
        return "NEON";
    }
  }
  return "unknown";
}

std::string bf16_products() {
  switch (bf16_kind()) {
    case Bf16Kind::kAmx:
      return "AMX";
    case Bf16Kind::kAvx512:
      return "AVX-512 BF16";
    default:
      return "float32";
  }
}

void limit_instruction_set(const std::string& name, const std::string& asked_by) {
  const std::vector<std::string> known = instruction_sets();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    throw input_error(asked_by, "expected one that this processor has ({}), got '{}'; choose one of them",
                      fmt::join(known, ", "), printable(name));
  }
  if (name == kAmx) return;
  limit_amx(false);
  if (name != kEntries[0].name) limit_avx512_bf16(false);
  std::int64_t above = 0;
  for (const Entry& entry : kEntries) {
    if (entry.name == name) break;
    above |= entry.target;
  }
  // Not DisableTargets: with it, the next question for the supported ones makes Highway choose among all
  // again.
  const std::int64_t left = hwy::SupportedTargets() & ~above;
  hwy::SetSupportedTargetsForTest(left);
  hwy::GetChosenTarget().Update(left);
}

}  // namespace refocus
