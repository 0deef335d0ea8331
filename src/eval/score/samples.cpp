// samples_*.jsonl: one line an answer in the layout of lm-evaluation-harness, with the extraction beside it.
#include "base/json_reader.h"
#include "base/utf8.h"
#include "eval/score/results.h"
#include "eval/task/verdict.h"
#include "eval/text/sha256.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// lm-evaluation-harness marks an answer in which its filter found nothing this way.
constexpr const char* kUnparsed = "[invalid]";

ordered_json doc_of(const Item& item) {
  ordered_json doc = ordered_json::object();
  for (const auto& [name, text] : item.fields) doc[replace_invalid_utf8(name)] = replace_invalid_utf8(text);
  return doc;
}

// One request an option, each with one response, as a multiple_choice task of lm-evaluation-harness has them.
void add_likelihoods(ordered_json& sample, const std::string& prompt, const Likelihoods& found) {
  ordered_json arguments, responses = ordered_json::array(), filtered = ordered_json::array();
  for (std::size_t k = 0; k < found.options.size(); ++k) {
    arguments["gen_args_" + std::to_string(k)] = {{"arg_0", prompt},
                                                  {"arg_1", replace_invalid_utf8(found.continuations[k])}};
    const ordered_json pair = {found.options[k].loglikelihood, found.options[k].is_greedy};
    responses.push_back(ordered_json::array({pair}));
    filtered.push_back(pair);
  }
  sample["arguments"] = std::move(arguments);
  sample["resps"] = std::move(responses);
  sample["filtered_resps"] = std::move(filtered);
}

// The right letter, the right short answer, or a list of several.
ordered_json target_of(const Item& item) {
  if (item.label) return std::string(1, *item.label);
  if (item.answers.empty()) return {};
  if (item.answers.size() == 1) return item.answers.front();
  return item.answers;
}

std::string filtered_text(const Answer& answer) {
  const Extraction& found = answer.extraction;
  if (answer.open_ended) return answer.response.text;
  if (found.text) return *found.text;
  return found.letter ? std::string(1, *found.letter) : kUnparsed;
}

}  // namespace

std::string sample_line(const Answer& answer, const ReportOptions& options, const std::string& metric) {
  const Item& item = *answer.item;
  const Response& response = answer.response;
  const Extraction& found = answer.extraction;
  const ordered_json doc = doc_of(item);
  const ordered_json target = target_of(item);

  ordered_json sample;
  sample["doc_id"] = item.index;
  sample["doc"] = doc;
  sample["target"] = target;
  if (answer.likelihoods) {
    add_likelihoods(sample, response.prompt, *answer.likelihoods);
  } else {
    sample["arguments"]["gen_args_0"] = {{"arg_0", response.prompt}, {"arg_1", options.generation_kwargs}};
    sample["resps"] = ordered_json::array({ordered_json::array({response.text})});
    sample["filtered_resps"] = ordered_json::array({filtered_text(answer)});
  }
  const bool by_length = answer.likelihoods && answer.likelihoods->correct_by_length;
  sample["filter"] = "none";
  sample["metrics"] = answer.correct ? ordered_json::array({metric}) : ordered_json::array();
  if (answer.f1) sample["metrics"].push_back("f1");
  if (by_length) sample["metrics"].push_back("acc_norm");
  // The hashes are those of lm-evaluation-harness: SHA-256 of the document as Python's json.dumps with
  // indent=2 and ensure_ascii=False writes it, of the prompt, and of the target. json_text(.., 2) writes the
  // same bytes.
  sample["doc_hash"] = sha256_hex(json_text(doc, 2));
  sample["prompt_hash"] = sha256_hex(response.prompt);
  sample["target_hash"] = target.is_null()     ? ordered_json()
                          : target.is_string() ? ordered_json(sha256_hex(target.get<std::string>()))
                                               : ordered_json(sha256_hex(json_text(target)));
  if (answer.correct) sample[metric] = *answer.correct ? 1.0 : 0.0;
  if (answer.f1) sample["f1"] = *answer.f1;
  if (by_length) sample["acc_norm"] = *answer.likelihoods->correct_by_length ? 1.0 : 0.0;

  sample["subject"] = replace_invalid_utf8(item.subject);
  const bool manual = found.rule == kManualRule;
  sample["rule"] = found.found() || manual ? ordered_json(found.rule) : ordered_json();
  const bool in_text = found.found() && !answer.likelihoods && !manual;
  sample["span"] = in_text ? ordered_json::array({found.span_begin, found.span_end}) : ordered_json();
  sample["finish_reason"] = response.finish_reason;
  sample["prompt_tokens"] = response.prompt_tokens;
  sample["generated_tokens"] = response.generated_tokens;
  if (response.question_end >= 0) sample["question_end"] = response.question_end;
  if (!response.reasoning.empty()) sample["reasoning"] = response.reasoning;
  if (!response.unmatched_keys.empty()) sample["unmatched_keys"] = response.unmatched_keys;
  if (!answer.likelihoods && !answer.open_ended) sample["unfinished"] = answer.unfinished;
  return json_text(sample);
}

}  // namespace refocus
