#include "cli/options/patch_options.h"

#include "base/error.h"
#include "cli/checks.h"

namespace refocus::cli {

void PatchOptions::add(CLI::App& command) {
  direction_ =
      command
          .add_option("--direction", direction,
                      "Of --by patch: heads of the clean run are put into the corrupted one (denoise), "
                      "or the other way round (noise)")
          ->capture_default_str()
          ->check(one_of({"denoise", "noise"}));
  positions_ =
      command
          .add_option("--positions", positions,
                      "Of --by patch: heads are patched at all tokens of the prompt, or at the last one")
          ->capture_default_str()
          ->check(one_of({"all", "last"}));
  skip_ = command.add_flag("--skip-unaligned", skip_unaligned,
                           "Of --by patch: leave out pairs whose prompts have different numbers of tokens");
}

PatchSettings PatchOptions::settings() const {
  PatchSettings out;
  if (direction == "noise") out.direction = PatchSettings::Direction::kNoise;
  if (positions == "last") out.positions = PatchSettings::Positions::kLast;
  out.skip_unaligned = skip_unaligned;
  return out;
}

void PatchOptions::refuse_without_patch() const {
  for (const CLI::Option* option : {direction_, positions_, skip_}) {
    if (option->count() == 0) continue;
    throw usage_error(option->get_name(), "expected --by patch beside it, got another method; add it");
  }
}

}  // namespace refocus::cli
