// Kept rows as the files of `refocus attention` in one zip: NumPy's .npz, and unpacked a directory that
// `refocus explore` reads (docs/attention.md). It has neither lens nor statistics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analyze/kept/kept_rows.h"
#include "architecture/model_config.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// What the rows are of.
struct KeptText {
  std::string intervention;          // canonical
  std::vector<std::int32_t> tokens;  // settings().keys
  std::int64_t prompt_tokens = 0;    // of them
};

struct ArchiveModel {
  std::string version;  // of the program
  std::string name;     // of the model
  const ModelConfig* config = nullptr;
  const Tokenizer* tokenizer = nullptr;  // or null
};

// Entries: attention.json, statistics.json without statistics, and the arrays, stored as they are. Heads are
// ["mean"] where their mean was kept.
std::string attention_archive(const KeptRows& rows, const KeptText& text, const ArchiveModel& model);

}  // namespace refocus
