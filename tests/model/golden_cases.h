// The golden cases of tests/golden/engine, read from cases.json. Their meaning is in that folder's README.md.
//
// Reads no tensors: logits_file and attentions_file name .npy files in the same folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace refocus::testing {

struct GoldenCase {
  std::string name;  // letters, digits and underscores: fit for a parameterised test's name
  std::string model_dir;
  std::string weights;           // "F32", "F16" or "BF16"
  std::string config_overrides;  // a JSON object whose keys replace those of config.json
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> calls;  // lengths of the forward calls over one cache; their sum is tokens.size()
  std::string intervention;         // as for --intervene
  std::vector<std::int64_t> rows;   // positions in tokens whose logits are stored, ascending
  std::string logits_file;          // [rows of all cases, vocab]
  std::int64_t logits_offset = 0;   // the row of logits_file that belongs to rows[0]
  std::vector<std::int32_t> greedy;  // ids after the prompt in one call, then one token a call, no EOS
  std::optional<std::int64_t>
      mask_count;               // entries of the last call's layer-0 mask; none without intervention
  std::string attentions_file;  // [layers, heads, queries, keys]; empty in most cases
};

// What GoogleTest prints for a case.
inline void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.name; }

// All cases of `directory`, in file order. An exception where cases.json is absent or not as it should be.
std::vector<GoldenCase> load_golden_cases(const std::filesystem::path& directory);

// The text of the case's config.json with its overrides applied. `directory` is the folder of cases.json.
std::string golden_config(const std::filesystem::path& directory, const GoldenCase& golden);

}  // namespace refocus::testing
