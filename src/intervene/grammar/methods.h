// The methods that --intervene knows: their names, their keys with the published defaults, and their sources.
// docs/interventions.md has each one's formula and where published code does something else.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

enum class MethodId {
  kRebalance,    // Extending Token Computation for LLM Reasoning, arXiv 2403.14932
  kScale,        // the primitive: chosen weights times a factor
  kPasta,        // Zhang et al. 2023, arXiv 2311.02262
  kBoost,        // InstABoost: Guardieiro et al. 2025, arXiv 2506.13734
  kGuide,        // Silva et al. 2024, arXiv 2409.19001
  kKnockout,     // Geva et al. 2023, arXiv 2304.14767
  kNoSink,       // attention sinks removed: Xiao et al. 2023, arXiv 2309.17453
  kSpotlight,    // Venkateswaran and Contractor 2025, arXiv 2505.12025
  kTemperature,  // of softmax
  kZero,         // head ablation: Michel et al. 2019, arXiv 1905.10650
  kUniform,      // head masking: Wu et al. 2024, arXiv 2404.15574
  kMean,         // head ablation by means: Wang et al. 2022, arXiv 2211.00593
  kAct,          // attention calibration: Yu et al. 2024, arXiv 2406.15765
  kSeka,         // spectral editing of keys, arXiv 2603.01281
  kPatch,        // activation patching: Vig et al. 2020, arXiv 2004.12265
  kTake,         // what heads put out is kept, for kPatch
  kOwn,          // a function of the program that embeds this one (intervene/own_change.h)
};

struct MethodKey {
  // kFile: see intervene/tensor_file.h. kFunction: see intervene/own_change.h. kSeed: a whole number from 0
  // on.
  enum class Kind { kNumber, kLayer, kWord, kFile, kFunction, kSeed };
  std::string_view name;
  Kind kind = Kind::kNumber;
  std::string_view initial = {};        // the default; empty: must be given
  double least = 0, most = 0;           // kNumber
  bool above_least = false;             // kNumber: `least` itself is not allowed
  bool below_most = false;              // kNumber: nor `most`
  std::vector<std::string_view> words;  // kWord
  // Where not empty: it means something only where that other key has this word. Elsewhere it may not be
  // given, and texts leave it out.
  std::string_view with_key = {}, with_word = {};
};

// Whether values of a key are numbers, which tables order and curves are drawn over.
constexpr bool is_numeric(MethodKey::Kind kind) {
  return kind == MethodKey::Kind::kNumber || kind == MethodKey::Kind::kLayer ||
         kind == MethodKey::Kind::kSeed;
}

struct Method {
  MethodId id;
  std::string_view name;
  std::vector<MethodKey> keys;
  bool chooses_keys = false;           // takes keys=
  std::string_view initial_keys = {};  // the default of keys=; empty: must be given
  bool needs_keys = true;              // where it takes keys=; otherwise it may have none
  std::string_view initial_rows = "all";
  std::string_view initial_layers = {};  // all where empty
  bool takes_heads = true, takes_rows = true;
  bool needs_prompt = false;      // it acts by where the prompt ends
  std::string_view meaning = {};  // a line for --help
};

std::span<const Method> all_methods();
// Null for another name.
const Method* find_method(std::string_view name);

// The method that is no method of ours: texts name it, but lists and tables leave it out, since it does
// nothing without a program's function.
const Method& own_method();

// Methods that no text names, since a run of another prompt goes with them: the heads put out what they put
// out there (intervene/head_outputs.h), and the other side of it.
const Method& patch_method();
const Method& take_method();

}  // namespace refocus
