#include "eval/score/finished_run.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_node.h"
#include "base/text_file.h"
#include "eval/journal/journal.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/journal/run_directory.h"
#include "eval/score/arm_report.h"
#include "eval/task/ending.h"
#include "eval/task/file_names.h"
#include "eval/task/task_kind.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Node = JsonNode<ordered_json>;
constexpr const char* kRemedy = "repeat the eval command, which writes the file anew";

// Reads the lines of samples files; simdjson, since a run has hundreds of megabytes of them.
class SamplesReader {
 public:
  explicit SamplesReader(const FinishedRunOptions& options) : options_(options) {}

  // Whether the files that are read next hold log-likelihoods, and of what task they are.
  void expect_likelihoods(bool loglikelihood) { loglikelihood_ = loglikelihood; }
  void expect_task(const TaskKind& kind) {
    type_ = kind.type;
    metric_ = kind.metric();
    has_f1_ = kind.has_f1();
  }

  // Appends the file's items, answers and hashes. Answers point to no item yet.
  void read(const fs::path& path, const std::string& subject, Task& task, FinishedTask& out) {
    std::string text = read_text_file(path);
    const std::size_t size = text.size();
    text.resize(size + simdjson::SIMDJSON_PADDING);
    std::int64_t number = 0, last = -1;
    for (std::size_t begin = 0; begin < size; ++number) {
      const void* end = std::memchr(text.data() + begin, '\n', size - begin);
      const std::size_t length =
          end == nullptr ? size - begin
                         : static_cast<std::size_t>(static_cast<const char*>(end) - text.data()) - begin;
      check_json(std::string_view(text).substr(begin, length), {line_of(path, number + 1), kRemedy, true});
      try {
        sample(simdjson::padded_string_view(text.data() + begin, length, text.size() - begin), subject, task,
               out);
      } catch (const simdjson::simdjson_error& e) {
        damaged(path, number + 1, fault_of(e.error()));
      }
      const std::int64_t index = task.items.back().index;
      if (index <= last) damaged(path, number + 1, "doc_id does not ascend");
      last = index;
      begin += length + 1;
    }
  }

 private:
  static std::string line_of(const fs::path& path, std::int64_t line) {
    return fmt::format("{}:{}", path.string(), line);
  }

  [[noreturn]] static void damaged(const fs::path& path, std::int64_t line, const char* why) {
    throw input_error(line_of(path, line),
                      "expected an answer as `refocus eval` writes it, got one where {}; {}", why, kRemedy);
  }

  // What is wrong with a line of JSON that reads without errors.
  static const char* fault_of(simdjson::error_code error) {
    switch (error) {
      case simdjson::NO_SUCH_FIELD:
        return "a field is missing";
      case simdjson::INCORRECT_TYPE:
        return "a field has another type";
      case simdjson::INDEX_OUT_OF_BOUNDS:
      case simdjson::EMPTY:
        return "a list has another length";
      default:
        return "a number is out of its range";
    }
  }

  static std::string text_of(simdjson::ondemand::value value) {
    return std::string(std::string_view(value.get_string()));
  }

  // Fields in the order of the file, which a forward parser reads fastest.
  void sample(simdjson::padded_string_view line, const std::string& subject, Task& task, FinishedTask& out) {
    simdjson::ondemand::document document = parser_.iterate(line);
    simdjson::ondemand::object fields = document.get_object();
    Item item;
    Answer answer;
    item.subject = subject;
    const std::int64_t index = fields["doc_id"].get_int64();
    if (index < 0 || index > std::numeric_limits<int>::max()) {
      throw simdjson::simdjson_error(simdjson::NUMBER_OUT_OF_RANGE);
    }
    item.index = static_cast<int>(index);
    if (options_.documents) read_document(fields["doc"].get_object(), item);
    simdjson::ondemand::value target = fields["target"];
    if (!target.is_null()) read_target(target, item);
    if (loglikelihood_) {
      read_likelihoods(fields["filtered_resps"].get_array(), answer);
    } else {
      answer.response.prompt = text_of(fields["arguments"]["gen_args_0"]["arg_0"]);
      for (simdjson::ondemand::value texts : fields["resps"].get_array()) {
        for (simdjson::ondemand::value text : texts.get_array()) answer.response.text = text_of(text);
      }
      for (simdjson::ondemand::value found : fields["filtered_resps"].get_array()) {
        if (type_ == AnswerType::kChoice) answer.extraction.letter = letter_of(found.get_string());
        if (type_ == AnswerType::kShort) answer.extraction.text = text_of(found);
      }
    }
    out.hashes.push_back(text_of(fields["doc_hash"]));
    if (item.has_target()) answer.correct = double(fields[metric_]) == 1;
    if (item.has_target() && has_f1_) answer.f1 = double(fields["f1"]);
    if (!loglikelihood_) read_span(fields, answer);
    if (type_ == AnswerType::kShort && answer.extraction.rule.empty()) answer.extraction.text.reset();
    answer.open_ended = type_ == AnswerType::kTranscript;
    answer.response.finish_reason = text_of(fields["finish_reason"]);
    answer.response.prompt_tokens = fields["prompt_tokens"].get_int64();
    answer.response.generated_tokens = fields["generated_tokens"].get_int64();
    // Keys that only some lines have, in the order of the file.
    std::int64_t question_end = -1;
    if (fields["question_end"].get(question_end) == simdjson::SUCCESS) {
      answer.response.question_end =
          std::clamp<std::int64_t>(question_end, -1, std::ssize(answer.response.prompt));
    }
    std::string_view reasoning;
    if (fields["reasoning"].get(reasoning) == simdjson::SUCCESS) answer.response.reasoning = reasoning;
    simdjson::ondemand::array unmatched;
    if (fields["unmatched_keys"].get(unmatched) == simdjson::SUCCESS) {
      for (simdjson::ondemand::value keys : unmatched)
        answer.response.unmatched_keys.push_back(text_of(keys));
    }
    // Made anew, since files of older versions do not say it.
    answer.unfinished =
        !loglikelihood_ && !answer.open_ended && is_unfinished(answer.response, answer.extraction);
    answer.response.prompt.clear();
    answer.response.prompt.shrink_to_fit();
    answer.response.subject = subject;
    answer.response.index = item.index;
    task.items.push_back(std::move(item));
    out.answers.answers.push_back(std::move(answer));
  }

  // A letter, a short answer, or a list of them.
  void read_target(simdjson::ondemand::value target, Item& item) const {
    if (type_ == AnswerType::kChoice) {
      item.label = letter_of(target.get_string());
      return;
    }
    if (target.type() == simdjson::ondemand::json_type::array) {
      for (simdjson::ondemand::value one : target.get_array()) item.answers.push_back(text_of(one));
    } else {
      item.answers.push_back(text_of(target));
    }
  }

  // simdjson 3.6 (Ubuntu 24.04) asks whether broken characters are replaced, and has no default.
  static std::string_view name_of(auto& field) {
    if constexpr (requires { field.unescaped_key(); }) {
      return field.unescaped_key();
    } else {
      return field.unescaped_key(false);
    }
  }

  // Fields that are no text come as their JSON.
  static void read_document(simdjson::ondemand::object fields, Item& item) {
    for (simdjson::ondemand::field field : fields) {
      std::string name(name_of(field));
      simdjson::ondemand::value value = field.value();
      const bool text = value.type() == simdjson::ondemand::json_type::string;
      item.fields.emplace_back(
          std::move(name),
          text ? text_of(value) : std::string(std::string_view(simdjson::to_json_string(value))));
    }
    item.choices = choices_of_fields(item.fields);
  }

  // The rule and the bytes of the text that it read the letter from, whole characters.
  static void read_span(simdjson::ondemand::object& fields, Answer& answer) {
    simdjson::ondemand::value rule = fields["rule"];
    if (rule.is_null()) return;
    answer.extraction.rule = text_of(rule);
    simdjson::ondemand::value ends = fields["span"];
    if (ends.is_null() && answer.extraction.rule == kManualRule) return;  // a person read it
    std::vector<std::int64_t> span;
    for (simdjson::ondemand::value end : ends.get_array()) span.push_back(end.get_int64());
    const std::string& text = answer.response.text;
    const auto at_character = [&](std::int64_t at) {
      return at >= 0 && at <= std::ssize(text) &&
             (at == std::ssize(text) || (text[static_cast<std::size_t>(at)] & 0xC0) != 0x80);
    };
    if (span.size() != 2 || span[0] > span[1] || !at_character(span[0]) || !at_character(span[1])) {
      throw simdjson::simdjson_error(simdjson::INDEX_OUT_OF_BOUNDS);
    }
    answer.extraction.span_begin = span[0];
    answer.extraction.span_end = span[1];
  }

  // [[log-likelihood, is_greedy], ...], one an option.
  static void read_likelihoods(simdjson::ondemand::array pairs, Answer& answer) {
    Likelihoods found;
    for (simdjson::ondemand::value pair : pairs) {
      OptionLikelihood option;
      std::size_t place = 0;
      for (simdjson::ondemand::value value : pair.get_array()) {
        if (place == 0) option.loglikelihood = value.get_double();
        if (place == 1) option.is_greedy = value.get_bool();
        ++place;
      }
      if (place != 2) throw simdjson::simdjson_error(simdjson::INDEX_OUT_OF_BOUNDS);
      found.options.push_back(option);
    }
    if (found.options.empty()) throw simdjson::simdjson_error(simdjson::EMPTY);
    answer.response.text = likelihoods_text(found.options);
    answer.extraction.letter = chosen_letter(found.options);
    answer.likelihoods = std::move(found);
  }

  // One letter, or nothing for "[invalid]".
  static std::optional<char> letter_of(std::string_view text) {
    return text.size() == 1 ? std::optional<char>(text[0]) : std::nullopt;
  }

  FinishedRunOptions options_;
  simdjson::ondemand::parser parser_;
  bool loglikelihood_ = false;
  AnswerType type_ = AnswerType::kChoice;
  std::string metric_ = "acc";
  bool has_f1_ = false;
};

// What the results say of a task of a user's file; null where it is a built-in one.
std::shared_ptr<const TaskKind> own_kind(const std::string& name, const Node& config) {
  const auto type = config.at("metadata").find("type");
  if (!type) return nullptr;
  TaskKind kind;
  kind.name = name;
  kind.type = parse_type(type->text()).value_or(AnswerType::kChoice);
  kind.has_subjects = config.at("task").text() != name;
  for (const Node& metric : config.at("metric_list").items()) {
    const std::string& called = metric.at("metric").text();
    if (called == "numeric") kind.short_answer.metric = ShortMetric::kNumeric;
    if (called == "f1") kind.short_answer.metric = ShortMetric::kF1;
  }
  kind.definition = "{}";
  return std::make_shared<const TaskKind>(std::move(kind));
}

ordered_json parse_results(const fs::path& path, const fs::path& run) {
  if (!fs::is_regular_file(path)) {
    throw input_error(path.string(),
                      "expected the results of a finished arm, got no such file; repeat the eval command of "
                      "{} to finish it",
                      printable(run.string(), 200));
  }
  return parse_ordered_json_object(read_text_file(path), {path.string(), kRemedy});
}

// What is needed of run.json and results_refocus.json.
class ArmReader {
 public:
  ArmReader(const fs::path& run, const Node& identity, SamplesReader& samples)
      : run_(run), identity_(identity), samples_(samples) {}

  FinishedArm read(const std::string& name) {
    const fs::path directory = run_ / "arms" / checked_file_name(name);
    const fs::path path = directory / "results_refocus.json";
    const ordered_json file = parse_results(path, run_);
    const Node results(file, {path.string(), kRemedy}), config = results.at("config");
    FinishedArm arm;
    arm.name = name;
    arm.prompt = config.at("prompt").text();
    arm.intervention = config.at("intervention").text();
    arm.rules = config.at("extraction").text();
    const auto verdicts = config.find("verdicts");
    arm.ignores_verdicts = verdicts && verdicts->text() == kVerdictsIgnored;
    samples_.expect_likelihoods(arm.prompt == prompt_kind_name(PromptKind::kLoglikelihood));
    std::int64_t items = 0;
    for (const Node& task : identity_.at("tasks").items()) {
      arm.tasks.push_back(read_task(directory, task.text(), results));
      items += static_cast<std::int64_t>(arm.tasks.back().hashes.size());
    }
    if (const std::int64_t all = identity_.at("items").whole(); items != all) unfinished(path, all, items);
    return arm;
  }

 private:
  [[noreturn]] void unfinished(const fs::path& path, std::int64_t expected, std::int64_t got) const {
    throw input_error(path.string(),
                      "expected answers to all {} items, got {}: the run is not finished; repeat the eval "
                      "command of {}",
                      expected, got, printable(run_.string(), 200));
  }

  // The results' name for a subject of the task, which for some tasks depends on whether it is the only one;
  // empty where the subject is another task's.
  static std::string leaf_name(const std::string& task, const std::string& subject, const Node& configs) {
    for (const std::size_t subjects : {1u, 2u}) {
      const Task named{task, std::vector<std::string>(subjects, subject), {}};
      const std::string leaf = harness_task_name(named, subject);
      const auto config = configs.find(leaf);
      if (config && config->at("dataset_name").text() == subject) return leaf;
    }
    return "";
  }

  // The category that the results have the subject in, which the data said; empty for none.
  static std::string category_of(const std::string& task, const std::string& leaf, const Node& results) {
    for (const char* category : {"stem", "humanities", "social_sciences", "other"}) {
      const auto group = results.at("group_subtasks").find(task + "_" + category);
      if (!group) continue;
      const auto members = group->items();
      if (std::ranges::any_of(members, [&](const Node& member) { return member.text() == leaf; }))
        return category;
    }
    return "";
  }

  FinishedTask read_task(const fs::path& directory, const std::string& name, const Node& results) {
    auto task = std::make_unique<Task>();
    FinishedTask out;
    task->name = name;
    for (const Node& listed : identity_.at("subjects").items()) {
      const std::string& subject = listed.text();
      const std::string leaf = leaf_name(name, subject, results.at("configs"));
      if (leaf.empty()) continue;
      const fs::path path = directory / ("samples_" + checked_file_name(leaf) + "_refocus.jsonl");
      const std::size_t before = task->items.size();
      task->own = own_kind(name, results.at("configs").at(leaf));
      samples_.expect_task(kind_of(*task));
      samples_.read(path, subject, *task, out);
      const auto got = static_cast<std::int64_t>(task->items.size() - before);
      const std::int64_t expected = results.at("n-samples").at(leaf).at("original").whole();
      if (got != expected) unfinished(path, expected, got);
      task->subjects.push_back(subject);
      if (const auto category = category_of(name, leaf, results); !category.empty()) {
        task->categories.emplace(subject, category);
      }
    }
    for (std::size_t i = 0; i < task->items.size(); ++i) out.answers.answers[i].item = &task->items[i];
    out.answers.task = task.get();
    out.task = std::move(task);
    return out;
  }

  const fs::path& run_;
  Node identity_;
  SamplesReader& samples_;
};

void apply_verdicts(const Verdicts& verdicts, FinishedArm& arm) {
  if (verdicts.empty()) return;
  for (FinishedTask& task : arm.tasks) {
    for (Answer& answer : task.answers.answers) {
      const Verdict* verdict = verdicts.find(*answer.item, answer.response.text);
      if (verdict == nullptr || answer.likelihoods) continue;
      answer.extraction = manual_extraction(*verdict);
      if (answer.item->label) answer.correct = verdict->letter == answer.item->label;
    }
  }
}

}  // namespace

std::vector<FinishedArm> read_finished_run(const fs::path& run_directory, const FinishedRunOptions& options) {
  const RunRecord record = read_run_record(run_directory);
  SamplesReader samples(options);
  const Node identity(record.identity, {(run_directory / "run.json").string(), "restore a copy of the run"});
  ArmReader reader(run_directory, identity, samples);
  std::vector<FinishedArm> arms;
  const auto listed = identity.find("arms");
  const std::vector<Node> names = listed ? listed->items() : std::vector<Node>();
  if (names.empty()) {
    throw input_error(run_directory.string(),
                      "expected a run.json that lists its arms, got none; give a directory that `refocus "
                      "eval` wrote");
  }
  for (const Node& name : names) arms.push_back(reader.read(name.text()));
  if (!fs::exists(run_directory / Journal::kFileName)) return arms;
  const Verdicts verdicts(Journal::open_read_only(run_directory).verdicts());
  for (FinishedArm& arm : arms) {
    if (!arm.ignores_verdicts) apply_verdicts(verdicts, arm);
  }
  return arms;
}

}  // namespace refocus
