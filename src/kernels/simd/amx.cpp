#include "kernels/simd/amx.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace refocus {

namespace {

std::atomic<bool> allowed{true}, avx512_bf16_allowed{true};

// Linux gives a process the tiles' state only when it asks (Documentation/arch/x86/xstate.rst).
[[maybe_unused]] bool has_permission() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

struct Tiles {
  bool int8 = false, bf16 = false;
};

Tiles tiles_of_processor() {
  Tiles out;
#if defined(REFOCUS_EMULATE_AMX)
  out.int8 = __builtin_cpu_supports("avx512vnni") != 0;  // which stands between the tiles
  out.bf16 = out.int8 && __builtin_cpu_supports("avx512bf16") != 0;
#elif defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return out;
  constexpr unsigned kBf16 = 1U << 22, kTile = 1U << 24, kInt8 = 1U << 25;
  if ((d & kTile) == 0 || !__builtin_cpu_supports("avx512vnni") || !has_permission()) return out;
  out.int8 = (d & kInt8) != 0;
  out.bf16 = (d & kBf16) != 0 && __builtin_cpu_supports("avx512bf16");
#endif
  return out;
}

const Tiles& tiles() {
  static const Tiles kTiles = tiles_of_processor();
  return kTiles;
}

bool has_avx512_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_supports("avx512vbmi") != 0;
#else
  return false;
#endif
}

}  // namespace

bool amx_int8_in_use() { return tiles().int8 && allowed.load(std::memory_order_relaxed); }

bool amx_bf16_in_use() { return tiles().bf16 && allowed.load(std::memory_order_relaxed); }

bool avx512_bf16_in_use() {
  static const bool kHas = has_avx512_bf16();
  return kHas && avx512_bf16_allowed.load(std::memory_order_relaxed);
}

void limit_amx(bool is_allowed) { allowed.store(is_allowed, std::memory_order_relaxed); }

void limit_avx512_bf16(bool is_allowed) { avx512_bf16_allowed.store(is_allowed, std::memory_order_relaxed); }

}  // namespace refocus
