// The answers to the turns of transcripts, for the prompts of the turns after them.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "eval/journal/journal.h"
#include "eval/run/plan.h"
#include "eval/run/runner.h"

namespace refocus {

class TranscriptAnswers {
 public:
  TranscriptAnswers() = default;
  // Those that a journal has of the plan's transcripts.
  TranscriptAnswers(const Plan& plan, const Journal& journal);

  void keep(const Response& response);

  // All of them as a text, for another process; and back.
  std::string text() const;
  static TranscriptAnswers of_text(const std::string& text);

  // A later turn's question in an arm, whose turns before are all answered.
  Question later_question(const EvalModel& model, const EvalSettings& settings, const Question& question,
                          const std::string& arm) const;

 private:
  std::map<std::tuple<std::string, std::string, int>, std::string> texts_;  // by arm, subject, index
};

}  // namespace refocus
