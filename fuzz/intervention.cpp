// The grammar of --intervene (what is read is printed, and means the same when it is read again) and of
// --sweep.
#include "intervene/grammar/spec.h"
#include "intervene/grammar/sweep.h"
#include "target.h"

REFOCUS_FUZZ_TARGET(intervention) {
  using namespace refocus;
  if (input.starts_with("sweep ")) {
    input.remove_prefix(6);
    expand_sweep(parse_sweep({std::string(input)}), {});
    return;
  }
  const std::string canonical = parse_named_intervention(input).spec.canonical(8);
  fuzz::require(parse_intervention(canonical).canonical(8) == canonical, "the canonical form means itself");
}
