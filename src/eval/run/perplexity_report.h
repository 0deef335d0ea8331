// What a measurement of perplexity prints: a table for a terminal, or one JSON object.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/score/perplexity.h"

namespace refocus {

struct PerplexityReport {
  struct Arm {
    std::string model, intervention;
    PerplexitySummary perplexity;
    std::optional<DivergenceSummary> divergence;  // absent for the first arm, the reference
    std::string activations = "int8";             // as name_of says
    std::string name = {};                        // the arm's own; may be empty
  };
  // Scored tokens of a common origin (prompt/origins.h), or "answers".
  struct Group {
    std::string name;
    std::int64_t counted = 0;
    std::vector<PerplexitySummary> arms;
    std::vector<std::optional<Estimate>> differences;  // of NLL, to the first arm, which has none
  };
  std::string file;
  std::int64_t tokens = 0, counted = 0;  // of the text with its BOS; those that are scored
  std::int64_t bytes = 0;                // of the text that the scored tokens stand for
  std::int64_t context = 0, stride = 0, windows = 0;
  std::vector<Arm> arms;  // at least one
  // Of conversations: of what origin their tokens are, and how many there are.
  std::vector<Group> groups = {};
  std::int64_t texts = 1;

  // An amount of the scored tokens together, a byte. Without an error where it has none, absent where the
  // tokens stand for no byte.
  std::optional<Estimate> bits_per_byte(const Arm& arm) const;
};

// The scores of those of the scored tokens that are in the group, by their places; at least one.
PerplexityReport::Group summarize_group(std::string name, std::span<const TokenScores> arms,
                                        std::span<const std::size_t> places);

// The arms are columns under a numbered legend; those that do not fit into `columns` go into a further table.
std::string perplexity_table(const PerplexityReport& report, int columns = 100);

// Keys are explained in docs/perplexity.md; a number that is not known is null.
nlohmann::ordered_json perplexity_json(const PerplexityReport& report);

}  // namespace refocus
