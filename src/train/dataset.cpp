#include "train/dataset.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/random.h"
#include "base/text_file.h"

namespace refocus {

namespace {

using nlohmann::json;

constexpr const char* kForms = R"({"prompt": "..", "response": ".."} or {"text": ".."})";

const std::string& string_of(const json& line, const char* key, const std::string& where) {
  const json& value = line.at(key);
  if (!value.is_string()) {
    throw input_error(where, "expected a string for \"{}\", got {}; correct the line", key,
                      value.type_name());
  }
  return value.get_ref<const std::string&>();
}

}  // namespace

std::span<const std::int32_t> TrainingSet::tokens(std::size_t i) const {
  return std::span(tokens_).subspan(begins_[i], begins_[i + 1] - begins_[i]);
}

std::span<const std::uint8_t> TrainingSet::counts(std::size_t i) const {
  return std::span(counts_).subspan(begins_[i] + 1, begins_[i + 1] - begins_[i] - 1);
}

std::uint64_t TrainingSet::fingerprint() const {
  std::uint64_t hash = 0;
  const auto mix = [&](std::uint64_t value) { hash = SplitMix64(hash ^ value).next(); };
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    mix(std::uint64_t{static_cast<std::uint32_t>(tokens_[i])} << 1 | counts_[i]);
  }
  for (const std::size_t begin : begins_) mix(begin);
  return hash;
}

TrainingSet::Example TrainingSet::encode(const std::string& where, std::string_view text,
                                         const Tokenizer& tokenizer) {
  const json line = parse_json_object(text, {where, "correct the line", true});
  const bool is_text = line.contains("text"), is_prompt = line.contains("prompt");
  if (is_text == is_prompt) {
    throw input_error(where, "expected {}, got {}; correct the line", kForms,
                      is_text ? "\"text\" and \"prompt\"" : "neither \"text\" nor \"prompt\"");
  }
  if (is_prompt && !line.contains("response")) {
    throw input_error(where, "expected \"response\" beside \"prompt\", got none; add it, or use \"text\"");
  }
  Example out;
  out.is_text = is_text;
  try {
    if (is_text) {
      const std::string& whole = string_of(line, "text", where);
      if (whole.empty()) throw input_error(where, "expected a text, got an empty one; remove the line");
      out.tokens = tokenizer.encode_prompt(whole);
    } else {
      const std::string& prompt = string_of(line, "prompt", where);
      const std::vector<std::int32_t> before = tokenizer.encode_prompt(prompt);
      out.tokens = tokenizer.encode_prompt(prompt + string_of(line, "response", where));
      const auto differs =
          std::mismatch(out.tokens.begin(), out.tokens.end(), before.begin(), before.end()).first;
      out.first_counted = std::max<std::size_t>(1, static_cast<std::size_t>(differs - out.tokens.begin()));
    }
  } catch (const InputError& e) {
    const std::string message = e.what();
    if (message.starts_with("[" + where)) throw;
    throw input_error(where, "{}", message);
  }
  out.tokens.push_back(tokenizer.eos_ids().front());
  return out;
}

void TrainingSet::add_sequence(std::span<const std::int32_t> tokens, std::size_t first_counted) {
  for (std::size_t p = 0; p < tokens.size(); ++p) {
    tokens_.push_back(tokens[p]);
    counts_.push_back(p >= first_counted ? 1 : 0);
  }
  begins_.push_back(tokens_.size());
}

void TrainingSet::add(const Example& example, std::size_t context) {
  const std::span<const std::int32_t> all = example.tokens;
  if (example.is_text) {
    // Neighbouring pieces share a token, so that each one is predicted once.
    for (std::size_t begin = 0; begin + 1 < all.size(); begin += context) {
      add_sequence(all.subspan(begin, std::min(context + 1, all.size() - begin)), 1);
    }
    return;
  }
  if (example.first_counted > context) {
    ++left_out_;
    return;
  }
  if (all.size() > context + 1) ++cut_;
  add_sequence(all.first(std::min(context + 1, all.size())), example.first_counted);
}

TrainingSet TrainingSet::load(const std::filesystem::path& path, const Tokenizer& tokenizer,
                              std::int64_t context, ThreadPool& pool) {
  if (tokenizer.eos_ids().empty()) {
    throw input_error(path.string(),
                      "expected a tokenizer with an end-of-sequence token, got one without; name it in "
                      "tokenizer_config.json (eos_token)");
  }
  if (!tokenizer.contains(tokenizer.eos_ids().front())) {
    throw input_error(
        path.string(),
        "expected an end-of-sequence token of the tokenizer, got the id {}; correct eos_token_id in "
        "generation_config.json or config.json",
        tokenizer.eos_ids().front());
  }
  const std::string text = read_text_file(path);
  const std::vector<JsonLine> lines = json_lines(text, path.string(), BlankLines::kSkip);
  TrainingSet out;
  constexpr std::size_t kTogether = 4096;  // lines whose tokens are kept apart for a moment
  std::vector<Example> examples;
  for (std::size_t first = 0; first < lines.size(); first += kTogether) {
    const std::size_t count = std::min(kTogether, lines.size() - first);
    examples.assign(count, {});
    std::vector<std::exception_ptr> failures(count);  // of which the first line's is told
    pool.parallel_for(static_cast<std::int64_t>(count), [&](std::int64_t task, int) {
      const auto i = static_cast<std::size_t>(task);
      const JsonLine& line = lines[first + i];
      const std::string where = fmt::format("{} line {}", path.string(), line.number);
      try {
        examples[i] = encode(where, line.text, tokenizer);
      } catch (const InputError&) {
        failures[i] = std::current_exception();
      }
    });
    for (const std::exception_ptr& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
    for (const Example& example : examples) {
      if (!example.tokens.empty()) out.add(example, static_cast<std::size_t>(context));
    }
  }
  if (out.size() == 0) {
    throw input_error(path.string(), "expected lines {} that fit into {} tokens, got none; {}", kForms,
                      context, out.left_out_ > 0 ? "raise --context" : "check the file");
  }
  return out;
}

BatchPacker::BatchPacker(const TrainingSet& set, std::int64_t batch_tokens, std::uint64_t seed, bool shuffle)
    : set_(set), batch_tokens_(batch_tokens), seed_(seed), shuffle_(shuffle) {
  begin_epoch(0);
}

void BatchPacker::begin_epoch(std::uint64_t epoch) {
  position_ = {epoch, 0};
  if (shuffle_) {
    order_ = shuffled(set_.size(), seed_, epoch);
  } else if (order_.empty()) {
    order_.resize(set_.size());
    std::iota(order_.begin(), order_.end(), 0u);
  }
}

void BatchPacker::seek(const DataPosition& position) {
  REFOCUS_CHECK(position.next <= set_.size());
  begin_epoch(position.epoch);
  position_.next = position.next;
}

TrainingBatch BatchPacker::next_of_epoch() {
  if (position_.next == order_.size()) begin_epoch(position_.epoch + 1);
  TrainingBatch batch;
  while (position_.next < order_.size()) {
    const std::size_t i = order_[position_.next];
    if (!batch.sequences.empty() && batch.rows() + set_.inputs(i) > batch_tokens_) break;
    batch.add(set_.tokens(i), set_.counts(i));
    ++position_.next;
  }
  return batch;
}

TrainingBatch BatchPacker::next() {
  TrainingBatch batch;
  while (true) {
    if (position_.next == order_.size()) begin_epoch(position_.epoch + 1);
    const std::size_t i = order_[position_.next];
    if (!batch.sequences.empty() && batch.rows() + set_.inputs(i) > batch_tokens_) return batch;
    batch.add(set_.tokens(i), set_.counts(i));
    ++position_.next;
    // A set smaller than a batch comes once a batch.
    if (batch.sequences.size() == set_.size()) return batch;
  }
}

}  // namespace refocus
