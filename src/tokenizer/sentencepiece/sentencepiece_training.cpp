#include "tokenizer/sentencepiece/sentencepiece_training.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

namespace {

class Texts : public sentencepiece::SentenceIterator {
 public:
  explicit Texts(const std::vector<std::string>& texts) : texts_(texts) {}
  bool done() const override { return next_ == texts_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return texts_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& texts_;
  std::size_t next_ = 0;
};

// As the library reads a list: comma-separated, with quotes.
std::string quoted_list(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& value : values) {
    out += out.empty() ? "\"" : ",\"";
    for (const char c : value) out += c == '"' ? "\"\"" : std::string(1, c);
    out += '"';
  }
  return out;
}

// The library says what size would do only in its message.
InputError training_error(const std::string& where, const std::string& message, int size) {
  int limit = 0;
  const std::size_t high = message.find("value <= "), low = message.find("required_chars. ");
  if (high != std::string::npos && std::sscanf(message.c_str() + high, "value <= %d", &limit) == 1) {
    return input_error(where,
                       "expected a --vocab-size of at most {}, as many pieces as the texts give, got {}",
                       limit, size);
  }
  if (low != std::string::npos &&
      std::sscanf(message.c_str() + low, "required_chars. %*d vs %d", &limit) == 1) {
    return input_error(where,
                       "expected a --vocab-size of at least {} for the characters, bytes and symbols, got {}",
                       limit, size);
  }
  return input_error(where, "expected texts that a tokenizer can be made from, got: {}",
                     printable(message, 300));
}

}  // namespace

std::string train_sentencepiece(const std::string& where, const std::vector<std::string>& texts,
                                const TokenizerTrainingOptions& options) {
  std::vector<std::string> symbols = {"\n"};
  for (const std::string& symbol : options.symbols) {
    if (std::ranges::find(symbols, symbol) == symbols.end()) symbols.push_back(symbol);
  }
  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(options.vocabulary_size)},
      {"byte_fallback", options.byte_fallback ? "true" : "false"},
      {"user_defined_symbols", quoted_list(symbols)},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"character_coverage", "1"},
      {"max_sentence_length", "1000000000"},
      {"num_threads", "1"},
      {"minloglevel", "3"}};
  Texts iterator(texts);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model);
  if (!status.ok()) throw training_error(where, status.ToString(), options.vocabulary_size);
  return model;
}

std::string sentencepiece_tokenizer_config() {
  const nlohmann::json config = {{"tokenizer_class", "LlamaTokenizer"},
                                 {"add_bos_token", true},
                                 {"add_eos_token", false},
                                 {"bos_token", "<s>"},
                                 {"eos_token", "</s>"},
                                 {"unk_token", "<unk>"},
                                 {"clean_up_tokenization_spaces", false},
                                 {"legacy", true},
                                 {"sp_model_kwargs", nlohmann::json::object()}};
  return json_text(config, 2) + "\n";
}

}  // namespace refocus
