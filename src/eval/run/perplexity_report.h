// What a measurement of perplexity prints: a table for a terminal, or one JSON object.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/score/perplexity.h"

namespace refocus {

struct PerplexityReport {
  struct Arm {
    std::string model, intervention;
    PerplexitySummary perplexity;
    std::optional<DivergenceSummary> divergence;  // absent for the first arm, the reference
    std::string activations = "int8";             // or "f32"
  };
  std::string file;
  std::int64_t tokens = 0, counted = 0;  // of the text with its BOS; those that are scored
  std::int64_t bytes = 0;                // of the text that the scored tokens stand for
  std::int64_t context = 0, stride = 0, windows = 0;
  std::vector<Arm> arms;  // at least one

  // An amount of the scored tokens together, a byte. Without an error where it has none, absent where the
  // tokens stand for no byte.
  std::optional<Estimate> bits_per_byte(const Arm& arm) const;
};

// The arms are columns under a numbered legend; those that do not fit into `columns` go into a further table.
std::string perplexity_table(const PerplexityReport& report, int columns = 100);

// Keys are explained in docs/perplexity.md; a number that is not known is null.
nlohmann::ordered_json perplexity_json(const PerplexityReport& report);

}  // namespace refocus
