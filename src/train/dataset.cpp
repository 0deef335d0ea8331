#include "train/dataset.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/random.h"
#include "base/record_kind.h"
#include "base/text_file.h"
#include "train/conversation.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

constexpr const char* kForms =
    R"({"prompt": "..", "response": ".."}, {"text": ".."}, {"messages": [..]} or {"instruction": "..", "output": ".."})";

// The prompt of Stanford's Alpaca (github.com/tatsu-lab/stanford_alpaca, train.py).
std::string alpaca_prompt(const std::string& instruction, const std::string& input) {
  if (input.empty()) {
    return "Below is an instruction that describes a task. Write a response that appropriately completes the "
           "request.\n\n### Instruction:\n" +
           instruction + "\n\n### Response:";
  }
  return "Below is an instruction that describes a task, paired with an input that provides further context. "
         "Write a response that appropriately completes the request.\n\n### Instruction:\n" +
         instruction + "\n\n### Input:\n" + input + "\n\n### Response:";
}

const std::string& string_of(const ordered_json& line, const char* key, const std::string& where) {
  const ordered_json& value = line.at(key);
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

TrainingSet::Example TrainingSet::encode_pair(const std::string& prompt, const std::string& response,
                                              const Tokenizer& tokenizer) {
  const std::vector<std::int32_t> before = tokenizer.encode_prompt(prompt);
  Example out;
  out.tokens = tokenizer.encode_prompt(prompt + response);
  const auto differs =
      std::mismatch(out.tokens.begin(), out.tokens.end(), before.begin(), before.end()).first;
  out.counts.assign(out.tokens.size(), 1);
  std::fill(out.counts.begin(), out.counts.begin() + (differs - out.tokens.begin()), 0);
  return out;
}

TrainingSet::Example TrainingSet::encode(const std::string& where, std::string_view text,
                                         const Tokenizer& tokenizer, const ChatTemplate* chat_template) {
  const ordered_json line = parse_ordered_json_object(text, {where, "correct the line", true});
  const bool is_text = line.contains("text"), is_prompt = line.contains("prompt"),
             is_chat = is_conversation(line);
  if (is_text + is_prompt + is_chat > 1) {
    throw input_error(where, "expected {}, got several of them; correct the line", kForms);
  }
  if (is_text + is_prompt + is_chat == 0) {
    const RecordKind kind = kind_of_record(line, {"none of them", "correct the line"});
    throw input_error(where, "expected {}, got {}; {}", kForms, kind.name, kind.remedy);
  }
  if (is_prompt && !line.contains("response")) {
    throw input_error(where, "expected \"response\" beside \"prompt\", got none; add it, or use \"text\"");
  }
  Example out;
  try {
    if (is_text) {
      const std::string& whole = string_of(line, "text", where);
      if (whole.empty()) throw input_error(where, "expected a text, got an empty one; remove the line");
      out.is_text = true;
      out.tokens = tokenizer.encode_prompt(whole);
      out.counts.assign(out.tokens.size(), 1);
    } else if (is_prompt) {
      out = encode_pair(string_of(line, "prompt", where), string_of(line, "response", where), tokenizer);
    } else if (chat_template != nullptr) {
      CountedTokens tokens = encode_conversation(line, tokenizer, *chat_template, where);
      return {std::move(tokens.tokens), std::move(tokens.counts), false};
    } else if (line.contains("messages")) {
      throw input_error(
          where,
          "expected a model with a chat template for \"messages\", got one without; name a file "
          "with --chat-template");
    } else {
      const std::string input = line.contains("input") ? string_of(line, "input", where) : "";
      out = encode_pair(alpaca_prompt(string_of(line, "instruction", where), input),
                        string_of(line, "output", where), tokenizer);
    }
  } catch (const InputError& e) {
    const std::string message = e.what();
    if (message.starts_with("[" + where)) throw;
    throw input_error(where, "{}", message);
  }
  out.tokens.push_back(tokenizer.eos_ids().front());
  out.counts.push_back(1);
  return out;
}

void TrainingSet::add_sequence(std::span<const std::int32_t> tokens, std::span<const std::uint8_t> counts) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  counts_.push_back(0);  // nothing predicts the first
  counts_.insert(counts_.end(), counts.begin() + 1, counts.end());
  begins_.push_back(tokens_.size());
}

void TrainingSet::add(const Example& example, std::size_t context) {
  const std::span<const std::int32_t> all = example.tokens;
  const std::span<const std::uint8_t> counts = example.counts;
  if (example.is_text) {
    // Neighbouring pieces share a token, so that each one is predicted once.
    for (std::size_t begin = 0; begin + 1 < all.size(); begin += context) {
      const std::size_t count = std::min(context + 1, all.size() - begin);
      add_sequence(all.subspan(begin, count), counts.subspan(begin, count));
    }
    return;
  }
  const std::size_t kept = std::min(context + 1, all.size());
  if (std::ranges::count(counts.subspan(1, kept - 1), 1) == 0) {
    ++left_out_;
    return;
  }
  if (all.size() > kept) ++cut_;
  add_sequence(all.first(kept), counts.first(kept));
}

TrainingSet TrainingSet::load(const std::filesystem::path& path, const Tokenizer& tokenizer,
                              std::int64_t context, ThreadPool& pool, const ChatTemplate* chat_template) {
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
        examples[i] = encode(where, line.text, tokenizer, chat_template);
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
