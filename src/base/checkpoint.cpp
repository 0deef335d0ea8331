#include "base/checkpoint.h"

#include <atomic>

namespace refocus {
namespace {

std::atomic<Checkpoint> the_checkpoint{nullptr};

}  // namespace

void set_checkpoint(Checkpoint checkpoint) { the_checkpoint.store(checkpoint, std::memory_order_release); }

void pass_checkpoint() {
  if (const Checkpoint checkpoint = the_checkpoint.load(std::memory_order_acquire)) checkpoint();
}

}  // namespace refocus
