// What a study measures of the texts that were answered, with one model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "analyze/attention_run.h"
#include "eval/run/plan.h"
#include "study/study.h"

namespace refocus {

// A text that was asked for.
struct AskedText {
  const Question* question = nullptr;
  std::size_t arm = 0;
  std::vector<std::int32_t> tokens;  // the prompt and what was generated, a stop token included
  std::int64_t prompt_tokens = 0;
  Response response;
  std::shared_ptr<const InterventionTarget> target;  // of its arm, in its prompt
};

// Of a response with its tokens.
AskedText asked_text(const EvalModel& model, const EvalSettings& settings, const Plan& plan, std::size_t arm,
                     const Question& question, Response response);

class TextMeasurer {
 public:
  // All of them must outlive the measurer.
  TextMeasurer(Transformer& model, const Tokenizer& tokenizer, const StudySettings& settings);

  std::size_t layers() const { return settings_.layers.size(); }

  // `names` becomes what the values of a layer are called, the same for every text.
  TextValues measure(const PlannedArm& arm, const AskedText& asked, std::vector<std::string>& names) const;

 private:
  Transformer& model_;
  const Tokenizer& tokenizer_;
  TextRows rows_;
  double threshold_;
  AttentionSettings settings_;
};

}  // namespace refocus
