#include "eval/audited_run.h"

#include "eval/recording_support.h"

namespace refocus::testing {

Questions audited_questions() {
  Task task{"mmlu", {"anatomy", "philosophy"}, {}};
  const std::string labels[] = {"BCA", "DB"};
  for (std::size_t s = 0; s < 2; ++s) {
    for (std::size_t i = 0; i < labels[s].size(); ++i) {
      task.items.push_back(mmlu_item(task.subjects[s], static_cast<int>(i),
                                     task.subjects[s] + " question " + std::to_string(i), labels[s][i]));
    }
  }
  task.categories = {{"anatomy", "stem"}, {"philosophy", "humanities"}};
  return {{{"cot-none", {PromptKind::kCot, "none"}}, {"direct-none", {PromptKind::kDirect, "none"}}}, {task}};
}

void write_audited_run(const std::filesystem::path& directory, const AuditedRun& what) {
  const Questions questions = audited_questions();
  RunSettings settings;
  settings.identity = {{"tasks", {"mmlu"}},
                       {"subjects", {"anatomy", "philosophy"}},
                       {"items", 5},
                       {"arms", {"cot-none", "direct-none"}},
                       {"generation", {{"max_new_tokens", 2048}}}};
  settings.details = nlohmann::ordered_json::object();
  Journal journal(RunDirectory::open(directory, settings));
  if (what.questions) journal.keep(questions);
  const std::string differing = "Option A: no. Response: C";
  const std::string cot[] = {"Response: B", differing, differing, "I do not know.", differing};
  for (std::size_t i = 0; i < 5; ++i) {
    const Item& item = questions.tasks[0].items[i];
    journal.put(response("cot-none", item.subject, item.index, cot[i]));
    if (!what.finished && i == 4) continue;
    journal.put(
        response("direct-none", item.subject, item.index, i == 0 ? cot[0] : std::string(1, *item.label)));
  }
}

}  // namespace refocus::testing
