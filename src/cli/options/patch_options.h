// --by patch of refocus heads, and the options that belong to it.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "heads/prompt_pairs.h"

namespace refocus::cli {

struct PatchOptions {
  std::string direction = "denoise", positions = "all";
  bool skip_unaligned = false;

  void add(CLI::App& command);
  PatchSettings settings() const;
  // UsageError where one of them was given without --by patch.
  void refuse_without_patch() const;

 private:
  CLI::Option *direction_ = nullptr, *positions_ = nullptr, *skip_ = nullptr;
};

// Whether --by asks for patching.
inline bool is_patch(const std::string& by) { return by == "patch"; }

}  // namespace refocus::cli
