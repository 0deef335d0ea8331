// NumPy's array file, whole and in parts.
#include "io/npy.h"

#include "target.h"

REFOCUS_FUZZ_TARGET(npy) {
  using namespace refocus;
  const auto path = fuzz::write_scratch("array.npy", input);
  const NpyFile file(path);
  if (file.size() > 0)
    file.is_f32() ? (void)file.f32(file.size() - 1, 1) : (void)file.i64(file.size() - 1, 1);
  read_npy(path);
}
