#include "cli/session.h"

#include "base/machine.h"
#include "cli/command_line.h"
#include "cli/commit.h"
#include "kernels/instruction_set.h"

namespace refocus::cli {

SessionFacts this_session() {
  return {REFOCUS_VERSION,  REFOCUS_COMMIT,    REFOCUS_BUILD_KIND, host_name(),
          processor_name(), instruction_set(), command_line(),     bf16_products()};
}

}  // namespace refocus::cli
