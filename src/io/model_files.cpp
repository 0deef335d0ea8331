#include "io/model_files.h"

#include "base/text_file.h"

namespace refocus {

namespace fs = std::filesystem;

void copy_tokenizer_files(const fs::path& from, const fs::path& to) {
  for (const char* name : {"tokenizer.model", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "added_tokens.json", "generation_config.json"}) {
    std::error_code ignored;
    if (!fs::exists(from / name) || fs::equivalent(from / name, to / name, ignored)) continue;
    write_file_atomically(to / name, read_binary_file(from / name));
  }
}

}  // namespace refocus
