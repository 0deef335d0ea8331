#include "eval/score/arm_report.h"

#include "eval/extract/short_answer.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/score/results.h"
#include "eval/task/task_kind.h"

namespace refocus {

Judge judge_with(ExtractionRules rules, const Verdicts& verdicts) {
  return [rules, &verdicts](const Task& task, const Item& item, Response response) {
    Answer answer = judge_text(task, item, std::move(response), rules);
    if (kind_of(task).type != AnswerType::kChoice) return answer;
    const Verdict* verdict = verdicts.find(item, answer.response.text);
    if (verdict == nullptr) return answer;
    answer.extraction = manual_extraction(*verdict);
    if (item.label) answer.correct = answer.extraction.letter == item.label;
    return answer;
  };
}

std::string meaning_of(const AskedArm& arm) {
  const std::string prompt(prompt_kind_name(arm.arm.prompt));
  return own_name(arm.name, prompt, arm.arm.intervention).empty() ? "" : arm.arm.intervention;
}

ArmScores write_arm_report(const RunDirectory& run, const ArmReport& report,
                           const std::vector<TaskAnswers>& answers) {
  std::vector<TaskScores> scores;
  for (const TaskAnswers& task : answers) scores.push_back(score(task));
  const nlohmann::ordered_json& identity = run.record().identity;
  ReportOptions options;
  options.arm = report.arm.name;
  options.config = identity;
  options.config["intervention"] = report.arm.arm.intervention;
  options.config["prompt"] = prompt_kind_name(report.arm.arm.prompt);
  options.config["extraction"] = report.rules ? rules_name(*report.rules) : kLikelihoodRule;
  if (report.ignores_verdicts) options.config["verdicts"] = kVerdictsIgnored;
  options.loglikelihood = !report.rules;
  options.num_fewshot = report.shots;
  options.model = report.model;
  if (report.rules) {
    const auto generation = identity.find("generation");
    const bool known = generation != identity.end() && generation->contains("max_new_tokens");
    options.generation_kwargs = {
        {"max_gen_toks", known ? generation->at("max_new_tokens") : nlohmann::ordered_json()},
        {"do_sample", false}};
  }
  write_arm_reports(run.arm_directory(report.arm.name), answers, scores, options);
  return {report.arm.name, std::move(scores), meaning_of(report.arm)};
}

}  // namespace refocus
