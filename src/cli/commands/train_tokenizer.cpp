// refocus train-tokenizer: a SentencePiece BPE tokenizer from the JSONL files that refocus train reads.
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/record_kind.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "tokenizer/sentencepiece/sentencepiece_training.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;

struct TrainTokenizerOptions {
  std::vector<std::string> data;
  std::string output;
  TokenizerTrainingOptions training;
};

// The line's text, or its prompt and response.
std::string text_of(std::string_view line, const std::string& where) {
  const nlohmann::json object = parse_json_object(line, {where, "correct the line", true});
  std::string out;
  for (const char* key : {"text", "prompt", "response"}) {
    if (!object.contains(key)) continue;
    if (!object[key].is_string()) {
      throw input_error(where, "expected a string for \"{}\", got {}; correct the line", key,
                        object[key].type_name());
    }
    out += object[key].get<std::string>();
  }
  if (out.empty()) {
    const RecordKind kind = kind_of_record(object, {"none", "correct the line"});
    throw input_error(where, "expected \"text\", or \"prompt\" and \"response\", got {}; {}", kind.name,
                      kind.remedy);
  }
  return out;
}

void read_texts(const std::string& path, std::vector<std::string>& texts) {
  const std::string file = read_text_file(path);
  for (const JsonLine& line : json_lines(file, path, BlankLines::kSkip)) {
    texts.push_back(text_of(line.text, fmt::format("{} line {}", path, line.number)));
  }
}

void run(const TrainTokenizerOptions& o) {
  const fs::path directory = o.output;
  for (const char* name : {"tokenizer.model", "tokenizer_config.json", "tokenizer.json"}) {
    if (fs::exists(directory / name)) {
      throw input_error(o.output, "expected a directory without a tokenizer, got one with {}; choose another",
                        name);
    }
  }
  std::vector<std::string> texts;
  for (const std::string& path : o.data) read_texts(path, texts);
  const std::string model = train_sentencepiece(o.data.front(), texts, o.training);
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    throw input_error(o.output, "expected to make the directory, got: {}; check the path", error.message());
  }
  write_file_atomically(directory / "tokenizer_config.json", sentencepiece_tokenizer_config());
  write_file_atomically(directory / "tokenizer.model", model);
  spdlog::info("{}: {} pieces from {} texts", o.output, o.training.vocabulary_size, texts.size());
}

}  // namespace

Action add_train_tokenizer(CLI::App& command) {
  auto o = std::make_shared<TrainTokenizerOptions>();
  command.add_option("--data", o->data, "JSONL files as refocus train reads them")
      ->check(not_empty())
      ->required()
      ->type_name("FILE");
  command.add_option("--vocab-size", o->training.vocabulary_size, "Pieces, with all that are fixed")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 20));
  command.add_flag(
      "--byte-fallback,!--no-byte-fallback", o->training.byte_fallback,
      "Whether characters without a piece become bytes, so that any text can be encoded (default)");
  command
      .add_option("--symbols", o->training.symbols,
                  "Texts that are a piece of their own wherever they stand; a line feed always is")
      ->check(not_empty())
      ->type_name("TEXT");
  command.add_option("-o,--output", o->output, "Directory to write the tokenizer into")
      ->required()
      ->check(not_empty())
      ->type_name("DIR");
  return [o] { run(*o); };
}

}  // namespace refocus::cli
