// The pickle alone, without an archive and its checksums around it.
#include <array>

#include "io/pytorch/unpickler.h"
#include "target.h"

REFOCUS_FUZZ_TARGET(pickle) {
  using namespace refocus;
  static constexpr std::array<std::string_view, 2> kGlobals = {"torch._utils._rebuild_tensor_v2",
                                                               "torch.FloatStorage"};
  const Pickle pickle = unpickle(std::as_bytes(std::span(input)), kGlobals, "pickle");
  kind_of(pickle.root());
}
