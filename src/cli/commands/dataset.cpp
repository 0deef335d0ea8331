// refocus dataset: training data and a benchmark of small worlds.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "dataset/world_data.h"
#include "io/atomic_file.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;

struct WorldsOptions {
  std::string output, split = "train", loss;
  std::vector<std::string> forms = {"mixed"};
  std::int64_t questions = 0, tokens = 0;
  WorldDataOptions data;
};

struct BenchmarkOptions {
  std::string output;
  std::uint64_t seed = 0;
  int seen = 30, unseen = 15;
};

const std::map<std::string, WorldForm> kForms = {
    {"mixed", WorldForm::kMixed}, {"cot", WorldForm::kCot},   {"direct", WorldForm::kDirect},
    {"drill", WorldForm::kDrill}, {"copy", WorldForm::kCopy}, {"pairs", WorldForm::kPairs}};

// A file or folder that is there is never written over.
void refuse_existing(const std::string& path) {
  if (fs::exists(path)) {
    throw input_error(path,
                      "expected a name that is free, got one that exists; remove it, or choose another");
  }
}

void write_worlds(WorldsOptions o) {
  if ((o.questions > 0) == (o.tokens > 0)) {
    throw usage_error("dataset worlds", "expected one of --questions and --tokens, got {}",
                      o.questions > 0 ? "both" : "neither");
  }
  if (o.data.least_facts > o.data.most_facts) {
    throw usage_error("--most-facts", "expected at least {} (--least-facts), got {}", o.data.least_facts,
                      o.data.most_facts);
  }
  o.data.split = o.split == "train" ? WorldSplit::kTrain : WorldSplit::kValidation;
  o.data.forms.clear();
  for (const std::string& name : o.forms) o.data.forms.push_back(kForms.at(name));
  o.data.count_prompt = o.loss == "all";
  if (o.loss == "response" && o.data.questions_per_world > 1) {
    throw usage_error("--loss", "expected all where a line has several questions, got response");
  }
  WorldData data(o.data);
  refuse_existing(o.output);
  AtomicFile file(o.output);
  std::int64_t questions = 0, words = 0, lines = 0;
  while (o.questions > 0 ? questions < o.questions : words < o.tokens) {
    const std::int64_t left = o.questions > 0 ? o.questions - questions : o.data.questions_per_world;
    const WorldLine line =
        data.next(static_cast<int>(std::min<std::int64_t>(left, o.data.questions_per_world)));
    file.write(line.json);
    questions += line.questions;
    words += line.words;
    ++lines;
  }
  file.commit();
  spdlog::info("{}: {} lines, {} questions, about {} tokens", o.output, lines, questions, words);
}

void write_benchmark(const BenchmarkOptions& o) {
  refuse_existing(o.output);
  const std::vector<BenchmarkQuestion> questions = make_world_benchmark(o.seed, o.seen, o.unseen);
  write_world_benchmark(o.output, questions);
  spdlog::info("{}: {} questions of {} subjects", o.output, questions.size(), world_subjects().size());
}

CLI::Option* add_output(CLI::App& command, std::string& output, const char* type) {
  return command.add_option("-o,--output", output, "What to write; must not exist")
      ->required()
      ->check(not_empty())
      ->type_name(type);
}

Action add_worlds(CLI::App& command) {
  auto o = std::make_shared<WorldsOptions>();
  const auto many = whole_number<std::int64_t>(1, std::int64_t{1} << 40);
  command.add_option("--split", o->split, "Questions to draw from: train or validation")
      ->capture_default_str()
      ->check(one_of({"train", "validation"}));
  command.add_option("--questions", o->questions, "How many questions to write")->check(many);
  command.add_option("--tokens", o->tokens, "About how many tokens to write (words and punctuation marks)")
      ->check(many);
  command.add_option("--seed", o->data.seed, "Seed of all draws")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, ~std::uint64_t{0}));
  command
      .add_option("--form", o->forms,
                  "Answers: cot, direct or mixed (a third direct); or no questions: drill (facts repeated), "
                  "copy (words repeated) or pairs (pairs of words in changing order); of several forms, each "
                  "line draws one")
      ->capture_default_str()
      ->delimiter(',')
      ->check(one_of({"mixed", "cot", "direct", "drill", "copy", "pairs"}));
  command.add_option("--questions-per-world", o->data.questions_per_world, "Most questions about one world")
      ->capture_default_str()
      ->check(whole_number(1, 64));
  command.add_option("--least-facts", o->data.least_facts, "Least facts that a question needs")
      ->capture_default_str()
      ->check(whole_number(1, 2));
  command.add_option("--most-facts", o->data.most_facts, "Most facts that a question needs")
      ->capture_default_str()
      ->check(whole_number(1, 4));
  command
      .add_option("--loss", o->loss,
                  "What is trained on: the response (default for one question a line) or all")
      ->check(one_of({"response", "all"}));
  command.add_option("--subjects", o->data.subjects, "Subjects to draw from (default: all)")
      ->delimiter(',')
      ->type_name("A,B");
  add_output(command, o->output, "FILE.jsonl");
  return [o] { write_worlds(*o); };
}

Action add_benchmark(CLI::App& command) {
  auto o = std::make_shared<BenchmarkOptions>();
  command.add_option("--seed", o->seed, "Seed of all draws")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, ~std::uint64_t{0}));
  command.add_option("--seen", o->seen, "Questions a subject of words that training combines too")
      ->capture_default_str()
      ->check(whole_number(1, 100000));
  command.add_option("--unseen", o->unseen, "Questions a subject of names and combinations held out")
      ->capture_default_str()
      ->check(whole_number(1, 100000));
  add_output(command, o->output, "DIR");
  return [o] { write_benchmark(*o); };
}

}  // namespace

Action add_dataset(CLI::App& command) {
  command.require_subcommand(1);
  CLI::App* worlds = command.add_subcommand("worlds", "JSONL to train on: questions about small worlds");
  CLI::App* benchmark = command.add_subcommand("benchmark", "Held-out questions in MMLU's layout");
  const Action on_worlds = add_worlds(*worlds), on_benchmark = add_benchmark(*benchmark);
  return [=] { (*worlds ? on_worlds : on_benchmark)(); };
}

}  // namespace refocus::cli
