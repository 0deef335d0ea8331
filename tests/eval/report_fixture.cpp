// Writes the runs that the browser tests and measurements of the report use:
//   report_fixture toy DIR               two tasks, two arms that differ in known items; hostile and foreign
//                                        texts
//   report_fixture loglikelihood DIR     log-likelihoods instead of texts
//   report_fixture sweep DIR             five strengths of an intervention, with a sweep.json
//   report_fixture arms DIR              24 arms with long names
//   report_fixture large DIR DATA        all of mmlu (DATA/mmlu/test) in two arms, texts as long as a model's
#include <fmt/core.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <unordered_map>

#include "base/text_file.h"
#include "eval/journal/journal.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/score/results.h"
#include "eval/task/mmlu_categories.h"
#include "eval/tasks/task_data.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct FixtureArm {
  PromptKind prompt = PromptKind::kCot;
  std::string intervention = "none";
  std::vector<Response> responses;  // arm and finish_reason are filled in where empty
};

// Writes journal, arms and run.json as `refocus eval` does.
void write_run(const fs::path& directory, const std::vector<Task>& tasks, std::vector<FixtureArm> arms,
               const Judge& judge_one) {
  ordered_json task_names = ordered_json::array(), subjects = task_names, names = task_names;
  std::size_t items = 0;
  for (const Task& task : tasks) {
    task_names.push_back(task.name);
    for (const std::string& subject : task.subjects) subjects.push_back(subject);
    items += task.items.size();
  }
  for (const FixtureArm& arm : arms) names.push_back(Arm{arm.prompt, arm.intervention}.name());
  RunSettings settings;
  settings.identity = {{"tasks", task_names}, {"subjects", subjects}, {"items", items}, {"arms", names}};
  settings.details = {{"version", "0.1.0"}, {"model_path", "models/toy"}};
  const RunDirectory run = RunDirectory::open(directory, settings);
  Journal journal(run);
  for (FixtureArm& arm : arms) {
    ReportOptions options;
    options.arm = Arm{arm.prompt, arm.intervention}.name();
    options.loglikelihood = arm.prompt == PromptKind::kLoglikelihood;
    options.config = {{"intervention", arm.intervention},
                      {"prompt", prompt_kind_name(arm.prompt)},
                      {"extraction", options.loglikelihood ? "loglikelihood" : "anchored"}};
    for (Response& response : arm.responses) {
      response.arm = options.arm;
      if (response.finish_reason.empty()) response.finish_reason = "eos";
      response.generated_tokens = static_cast<std::int64_t>(response.text.size() / 4);
      journal.put(response);
    }
    const std::vector<TaskAnswers> answers = judge(tasks, std::move(arm.responses), judge_one);
    std::vector<TaskScores> scores;
    for (const TaskAnswers& task : answers) scores.push_back(score(task));
    write_arm_reports(run.arm_directory(options.arm), answers, scores, options);
  }
}

// Reads the letter after the last "answer: ", and takes what stands between '«' and '»' around it for its
// place.
Answer marked_answer(const Task&, const Item& item, Response response) {
  Answer answer;
  const std::size_t begin = response.text.find("«"), end = response.text.find("»");
  if (begin != std::string::npos && end != std::string::npos) {
    answer.extraction.letter = response.text[begin + 2];
    answer.extraction.rule = "marked";
    answer.extraction.span_begin = static_cast<std::int64_t>(begin + 2);
    answer.extraction.span_end = static_cast<std::int64_t>(end);
  }
  answer.item = &item;
  answer.response = std::move(response);
  if (item.label) answer.correct = answer.extraction.letter == item.label;
  return answer;
}

Item mmlu_item(const std::string& subject, int index, const std::string& question) {
  Item item;
  item.subject = subject;
  item.index = index;
  item.choices = {"one", "two <b>bold</b>", "three", "four"};
  item.fields = {{"question", question}, {"A", "one"},  {"B", "two <b>bold</b>"},
                 {"C", "three"},         {"D", "four"}, {"answer", "B"}};
  item.label = 'B';
  return item;
}

Response reply(const Item& item, const std::string& text, const std::string& finish = "eos") {
  Response response;
  response.subject = item.subject;
  response.index = item.index;
  response.prompt = "?";
  response.text = text;
  response.finish_reason = finish;
  response.prompt_tokens = 10;
  return response;
}

std::string answered(const std::string& before, char letter, const std::string& after = "") {
  return before + "«" + letter + "»" + after;
}

// Known flips: anatomy 1 and astronomy 0 are fixed, philosophy 2 is broken. Texts are hostile or foreign
// where a span could go astray.
void write_toy(const fs::path& directory) {
  Task task{"mmlu", {"anatomy", "astronomy", "philosophy"}, {}};
  for (const std::string& subject : task.subjects) {
    for (int i = 0; i < 40; ++i) {
      task.items.push_back(mmlu_item(subject, i, fmt::format("{} question {} of a kind", subject, i)));
    }
  }
  task.items[1].fields[0].second = "</script><img src=x onerror=alert(1)> <!-- which bone? & \"why\"";
  task.categories = mmlu_categories(task.subjects);
  FixtureArm base, changed;
  changed.intervention = "rebalance:alpha=0.2,threshold=0.01,depth=3,mode=mask";
  for (const Item& item : task.items) {
    const std::string text = fmt::format("Let us think about {} {}. ", item.subject, item.index);
    base.responses.push_back(reply(item, answered(text, item.index % 10 == 9 ? 'A' : 'B', " it is.")));
    changed.responses.push_back(reply(item, answered(text + "Again. ", item.index % 10 == 9 ? 'C' : 'B')));
  }
  const auto set = [&](std::size_t place, const std::string& before, const std::string& after) {
    base.responses[place].text = before;
    changed.responses[place].text = after;
  };
  set(1, answered("</script><script>alert(1)</script> 😀👩‍🔬 so ", 'A', " <b>not bold</b>"),
      answered("骨は𠮷 — 二百六 😀 therefore ", 'B', " & done"));
  set(40, "no letter here, zebra", answered("é ü zebra ", 'B'));
  set(82, answered("plain ", 'B'), answered("\xF0\x9D\x92\x9C\xF0\x9D\x92\x9C ", 'D', "\n\nTwo\nlines"));
  base.responses[5].finish_reason = "length";
  base.responses[6].finish_reason = base.responses[7].finish_reason = "stop";
  write_run(directory, {task}, {std::move(base), std::move(changed)}, marked_answer);
}

void write_loglikelihood(const fs::path& directory) {
  Task task{"mmlu", {"anatomy"}, {}};
  for (int i = 0; i < 4; ++i) task.items.push_back(mmlu_item("anatomy", i, fmt::format("question {}", i)));
  task.categories = mmlu_categories(task.subjects);
  FixtureArm base, changed;
  base.prompt = changed.prompt = PromptKind::kLoglikelihood;
  changed.intervention = "rebalance:alpha=0.2,threshold=0.01,depth=3,mode=mask";
  for (const Item& item : task.items) {
    const std::vector<OptionLikelihood> wrong = {{-1.5, true}, {-2.25, false}, {-4, false}, {-5, false}};
    const std::vector<OptionLikelihood> right = {{-2.5, false}, {-1.25, true}, {-4, false}, {-5, false}};
    base.responses.push_back(reply(item, likelihoods_text(item.index < 2 ? wrong : right), "loglikelihood"));
    changed.responses.push_back(
        reply(item, likelihoods_text(item.index < 1 ? wrong : right), "loglikelihood"));
  }
  write_run(directory, {task}, {std::move(base), std::move(changed)}, judge_likelihoods);
}

void write_sweep(const fs::path& directory) {
  Task task{"mmlu", {"anatomy", "philosophy"}, {}};
  for (const std::string& subject : task.subjects) {
    for (int i = 0; i < 50; ++i) task.items.push_back(mmlu_item(subject, i, fmt::format("question {}", i)));
  }
  task.categories = mmlu_categories(task.subjects);
  std::vector<FixtureArm> arms;
  ordered_json curves = ordered_json::array(), selection = ordered_json::array();
  for (const auto& [prompt, kind, least] :
       {std::tuple("cot", PromptKind::kCot, 60), std::tuple("direct", PromptKind::kDirect, 25)}) {
    ordered_json points = ordered_json::array(), baseline;
    for (int k = 0; k < 6; ++k) {
      FixtureArm arm{
          kind,
          k == 0 ? "none" : fmt::format("rebalance:alpha=0.{},threshold=0.01,depth=3,mode=mask", k),
          {}};
      const int right = least + k * (5 - k);
      for (std::size_t i = 0; i < task.items.size(); ++i) {
        arm.responses.push_back(
            reply(task.items[i], answered("so ", static_cast<int>(i * 37 % 100) < right ? 'B' : 'C')));
      }
      const double accuracy = right / 100.0;
      ordered_json point = {{"arm", Arm{arm.prompt, arm.intervention}.name()},
                            {"n", 100},
                            {"correct", right},
                            {"accuracy", accuracy},
                            {"low", accuracy - 0.09},
                            {"high", accuracy + 0.09}};
      if (k == 0) baseline = point;
      if (k > 0) {
        point["x"] = k / 10.0;
        points.push_back(point);
      }
      arms.push_back(std::move(arm));
    }
    curves.push_back({{"prompt", prompt},
                      {"axis", "alpha"},
                      {"fixed", {{"threshold", 0.01}, {"depth", 3}, {"mode", "mask"}}},
                      {"points", points},
                      {"baseline", baseline}});
    selection.push_back({{"prompt", prompt},
                         {"axis", "alpha"},
                         {"best", {{"x", 0.2}, {"arm", "a"}}},
                         {"chosen_on", {{"n", 50}, {"accuracy", 0.66}}},
                         {"reported_on",
                          {{"n", 50},
                           {"accuracy", 0.64},
                           {"low", 0.5},
                           {"high", 0.76},
                           {"baseline_accuracy", 0.6},
                           {"difference", 0.04},
                           {"difference_low", -0.02},
                           {"difference_high", 0.1},
                           {"p", 0.5}}}});
  }
  write_run(directory, {task}, std::move(arms), marked_answer);
  const ordered_json sweep = {{"format", "refocus-sweep"},
                              {"version", 1},
                              {"axes", {{{"name", "alpha"}, {"values", {0.1, 0.2, 0.3, 0.4, 0.5}}}}},
                              {"tasks", {{{"task", "mmlu"}, {"curves", curves}, {"selection", selection}}}}};
  write_file_atomically(directory / "sweep.json", sweep.dump(1));
}

void write_arms(const fs::path& directory) {
  Task task{"mmlu", {"anatomy"}, {}};
  for (int i = 0; i < 40; ++i) task.items.push_back(mmlu_item("anatomy", i, fmt::format("question {}", i)));
  task.categories = mmlu_categories(task.subjects);
  std::vector<FixtureArm> arms;
  for (const PromptKind prompt : {PromptKind::kCot, PromptKind::kDirect}) {
    for (int k = 0; k < 12; ++k) {
      FixtureArm arm{prompt,
                     k == 0 ? "none"
                            : fmt::format("rebalance:alpha={:.2f},threshold=0.0{},depth=3,mode=mask",
                                          0.25 * (k % 4 + 1), k / 4 + 1),
                     {}};
      const int right = (prompt == PromptKind::kCot ? 30 : 12) + k / 2;
      for (const Item& item : task.items) {
        arm.responses.push_back(reply(item, answered("so ", item.index < right ? 'B' : 'C')));
      }
      arms.push_back(std::move(arm));
    }
  }
  write_run(directory, {task}, std::move(arms), marked_answer);
}

// Text with the statistics of the questions: each word follows two as it does somewhere in them. It
// compresses about as English does, so the report's size is that of a real run.
class Babble {
 public:
  explicit Babble(const Task& task) {
    for (const Item& item : task.items) {
      for (const auto& [name, text] : item.fields) add(text);
    }
  }
  std::string text(std::mt19937& random, std::size_t length) {
    std::string out;
    std::size_t at = random() % words_.size();
    while (out.size() < length) {
      out += words_[at] + ' ';
      const std::vector<std::size_t>& next = after_[key(at)];
      at = next.size() < 2 ? (at + 1) % words_.size() : next[random() % next.size()];
    }
    return out;
  }

 private:
  std::string key(std::size_t at) const { return words_[at > 0 ? at - 1 : at] + ' ' + words_[at]; }
  void add(const std::string& text) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find(' ', begin), text.size());
      if (end > begin) {
        words_.push_back(text.substr(begin, end - begin));
        if (words_.size() > 1) after_[key(words_.size() - 2)].push_back(words_.size() - 1);
      }
      begin = end + 1;
    }
  }
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::vector<std::size_t>> after_;
};

void write_large(const fs::path& directory, const fs::path& data) {
  const Task task = load_task("mmlu", data, {});
  Babble babble(task);
  std::mt19937 random(7);
  FixtureArm base, changed;
  changed.intervention = "rebalance:alpha=0.2,threshold=0.01,depth=31,mode=mask";
  for (const Item& item : task.items) {
    for (FixtureArm* arm : {&base, &changed}) {
      const char right = item.label.value_or('A');
      const char letter = random() % 100 < 47 ? right : static_cast<char>('A' + random() % 4);
      const std::string text = babble.text(random, 700 + random() % 900);
      arm->responses.push_back(reply(item, answered(text + "Therefore the right answer is ", letter, ".")));
    }
  }
  write_run(directory, {task}, {std::move(base), std::move(changed)}, marked_answer);
}

}  // namespace
}  // namespace refocus

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  try {
    if (words.size() == 2 && words[0] == "toy") {
      refocus::write_toy(words[1]);
    } else if (words.size() == 2 && words[0] == "loglikelihood") {
      refocus::write_loglikelihood(words[1]);
    } else if (words.size() == 2 && words[0] == "sweep") {
      refocus::write_sweep(words[1]);
    } else if (words.size() == 2 && words[0] == "arms") {
      refocus::write_arms(words[1]);
    } else if (words.size() == 3 && words[0] == "large") {
      refocus::write_large(words[1], words[2]);
    } else {
      std::fprintf(stderr, "expected toy|loglikelihood|sweep|arms DIR, or large DIR DATA\n");
      return 2;
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
