// Which few-shot examples go before a document (lm_eval/api/samplers.py), and how a question and its answer
// are written (build_qa_turn of lm_eval/api/task.py).
#pragma once

#include <optional>
#include <vector>

#include "eval/harness/documents.h"
#include "eval/harness/python_random.h"
#include "prompt/prompt.h"

namespace refocus::harness {

// The seed of lm-evaluation-harness' --seed for few-shot examples.
inline constexpr std::uint32_t kFewshotSeed = 1234;

// Text of a prompt, and the example it belongs to; -1: none.
struct PromptPart {
  jinja::Text text;
  int shot = -1;
};

// Adds parts as pieces; data are from the fields of `names`, and of the option where it is not empty.
void append_parts(Prompt& prompt, std::span<const PromptPart> parts, const FieldNames& names,
                  const std::string& option = "");

// A question, perhaps with its answer and the beginning of one, between delimiters.
struct Turn {
  jinja::Text question;
  std::optional<jinja::Text> answer;  // nothing, or "": none
  jinja::Text prefix;                 // may be empty
  jinja::Text target_delimiter, example_delimiter;
};
std::vector<jinja::Text> turn_texts(const Turn& turn);

// The examples of one task. Documents have to be asked about in their order: each draws from the same
// numbers.
class Fewshot {
 public:
  // `count` examples each of `pool`, which must outlive this. `several_contexts`: the number that doc_to_text
  // gives chooses among the options, which are the questions.
  Fewshot(const TaskConfig& config, const DocumentReader& reader, const std::vector<Document>* pool,
          int count, bool several_contexts);

  // The parts before the document's own. InputError where the pool is too small, or an example cannot be
  // written.
  std::vector<PromptPart> before(const Document& document);

  // The places in the pool; the first half of before().
  std::vector<std::size_t> choose(const Document& document);

 private:
  const std::vector<jinja::Text>& example(std::size_t place);
  Turn example_turn(const Document& document) const;

  const TaskConfig& config_;
  const DocumentReader& reader_;
  const std::vector<Document>* pool_;
  std::size_t count_;
  bool several_contexts_;
  PythonRandom random_{kFewshotSeed};
  std::vector<std::optional<std::vector<jinja::Text>>> written_;  // by place in the pool
};

// The item of a list at a place that may count from the end; InputError where there is none.
const jinja::Value& item_at(const std::vector<jinja::Value>& items, std::int64_t place,
                            const Document& document, const Wording& wording);

}  // namespace refocus::harness
