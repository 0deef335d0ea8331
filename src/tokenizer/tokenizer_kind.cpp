#include "tokenizer/tokenizer_kind.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

namespace fs = std::filesystem;

namespace {

bool has(const fs::path& directory, const char* file) {
  std::error_code ignored;
  return fs::exists(directory / file, ignored);
}

}  // namespace

bool has_tokenizer(const fs::path& model_directory) {
  return has(model_directory, "tokenizer.model") || has(model_directory, "tokenizer.json");
}

std::string other_tokenizer(const fs::path& model_directory) {
  constexpr std::array<std::pair<const char*, const char*>, 7> kFiles = {
      {{"vocab.json", "vocab.json (BPE of older models)"},
       {"vocab.txt", "vocab.txt (WordPiece, of BERT models)"},
       {"spiece.model", "spiece.model (of T5 models)"},
       {"sentencepiece.bpe.model", "sentencepiece.bpe.model (of XLM-RoBERTa models)"},
       {"tokenizer.tiktoken", "tokenizer.tiktoken (tiktoken)"},
       {"qwen.tiktoken", "qwen.tiktoken (tiktoken)"},
       {"tekken.json", "tekken.json (Mistral's own)"}}};
  for (const auto& [file, name] : kFiles) {
    if (has(model_directory, file)) return name;
  }
  return "neither";
}

void refuse_without_tokenizer(const fs::path& model_directory) {
  const std::string where = printable(model_directory.string(), 400);
  std::error_code ignored;
  if (!fs::is_directory(model_directory, ignored)) {
    throw input_error(where, "expected a directory with a tokenizer, got none; check the path");
  }
  const std::string got = other_tokenizer(model_directory);
  throw input_error(where, "expected tokenizer.model or tokenizer.json, got {}; {}", got,
                    got == "neither" ? "download the model's tokenizer files"
                                     : "make a tokenizer.json with transformers: "
                                       "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)");
}

}  // namespace refocus
