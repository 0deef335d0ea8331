// The small JSON files beside a tokenizer, all with the same text.
#include "target.h"
#include "tokenizer/model_settings.h"

REFOCUS_FUZZ_TARGET(tokenizer_settings) {
  using namespace refocus;
  std::filesystem::path folder;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                           "generation_config.json", "config.json"}) {
    folder = fuzz::write_scratch(std::string("settings/") + name, input).parent_path();
  }
  read_model_settings(folder);
}
