#include "eval/toy_run.h"

#include "eval/recording_support.h"
#include "eval/task/mmlu_categories.h"

namespace refocus::testing {
namespace {

std::vector<Response> responses(const Task& task, const ToyArm& arm, const std::string& name) {
  std::vector<Response> given;
  for (const Item& item : task.items) {
    const auto at = arm.answers.find(item.subject);
    if (at == arm.answers.end() || static_cast<std::size_t>(item.index) >= at->second.size()) continue;
    const char c = at->second[static_cast<std::size_t>(item.index)];
    const bool cut = c >= 'a' && c <= 'd';
    const char letter = cut ? static_cast<char>(c - 'a' + 'A') : c;
    Response r = response(name, item.subject, item.index, std::string(1, letter) + " because of " + name);
    if (cut) r.finish_reason = "length";
    given.push_back(std::move(r));
  }
  return given;
}

}  // namespace

Task toy_mmlu(const std::map<std::string, int>& items_of_subject) {
  Task task{"mmlu", {}, {}};
  for (const auto& [subject, count] : items_of_subject) {
    task.subjects.push_back(subject);
    for (int i = 0; i < count; ++i) {
      task.items.push_back(mmlu_item(subject, i, subject + " question " + std::to_string(i), 'B'));
    }
  }
  task.categories = mmlu_categories(task.subjects);
  return task;
}

void write_toy_run(const std::filesystem::path& directory, const ToyRun& run) {
  using nlohmann::ordered_json;
  RunSettings settings;
  ordered_json tasks = ordered_json::array(), subjects = tasks, arms = tasks;
  std::size_t items = 0;
  for (const Task& task : run.tasks) {
    tasks.push_back(task.name);
    for (const std::string& subject : task.subjects) subjects.push_back(subject);
    items += task.items.size();
  }
  for (const ToyArm& arm : run.arms) arms.push_back(Arm{arm.prompt, arm.intervention}.name());
  settings.identity = {{"tasks", tasks}, {"subjects", subjects}, {"items", items}, {"arms", arms}};
  settings.details = ordered_json::object();
  const RunDirectory opened = RunDirectory::open(directory, settings);
  for (const ToyArm& arm : run.arms) {
    ReportOptions options;
    options.arm = Arm{arm.prompt, arm.intervention}.name();
    options.config = {{"intervention", arm.intervention},
                      {"prompt", arm.prompt == PromptKind::kCot ? "cot" : "direct"},
                      {"extraction", run.rules}};
    std::vector<Response> given;
    for (const Task& task : run.tasks) {
      for (Response& r : responses(task, arm, options.arm)) given.push_back(std::move(r));
    }
    const std::vector<TaskAnswers> answers = judge(run.tasks, std::move(given), first_letter);
    std::vector<TaskScores> scores;
    for (const TaskAnswers& task : answers) scores.push_back(score(task));
    write_arm_reports(opened.arm_directory(options.arm), answers, scores, options);
  }
}

}  // namespace refocus::testing
