// Files of tasks and groups: includes, overrides, tags, and a clear line for what cannot be had.
#include "eval/harness/task_index.h"

#include "base/text_file.h"
#include "eval/harness/harness_task.h"
#include "eval/harness/requests.h"
#include "eval/harness/results.h"
#include "eval/task/ready_prompts.h"
#include "eval/task/task_kind.h"
#include "support.h"

namespace refocus::harness {
namespace {

using ::refocus::testing::error_of;
using ::refocus::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kBase =
    "dataset_path: json\ndataset_kwargs: {data_files: {test: d.jsonl, dev: d.jsonl}}\ntest_split: test\n"
    "output_type: multiple_choice\ndoc_to_text: '{{q}}'\ndoc_to_choice: [x, 'y z']\ndoc_to_target: k\n";
constexpr const char* kData =
    "{\"q\": \"a\", \"k\": 0}\n{\"q\": \"b <|im_end|>\", \"k\": 1}\n{\"q\": \"c\", \"k\": 5}\n";

class HarnessFiles : public ::testing::Test {
 protected:
  HarnessFiles() { put("d.jsonl", kData); }
  std::filesystem::path put(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((dir / name).parent_path());
    write_file_atomically(dir / name, text);
    return dir / name;
  }
  std::string error(const std::string& text) {
    put("e.yaml", text);
    return error_of([&] { load_harness_set(dir / "e.yaml", {}); });
  }
  static std::vector<std::string> names(const TaskSet& set) {
    std::vector<std::string> out;
    for (const TaskConfig& task : set.tasks) out.push_back(task.name);
    return out;
  }
  TempDir dir;
};

TEST_F(HarnessFiles, IncludeOthersUnderTheirOwnKeys) {
  put("base", std::string(kBase) + "task_list: [a]\ndescription: base\nnum_fewshot: 2\n");
  put("more", "description: more\ntarget_delimiter: ''\n");
  put("t.yaml", "include: [base, more]\ntask: t\nnum_fewshot: null\ntest_split: dev\n");
  const TaskSet set = load_task_set(dir / "t.yaml");
  ASSERT_EQ(set.tasks.size(), 1u);
  EXPECT_EQ(set.tasks[0].description->value, "more") << "the later one wins";
  EXPECT_EQ(set.tasks[0].target_delimiter, "");
  EXPECT_FALSE(set.tasks[0].num_fewshot) << "a null takes the value away";
  EXPECT_EQ(*set.tasks[0].test_split, "dev");
  put("a.yaml", "include: b.yaml\ntask: a\n");
  put("b.yaml", "include: a.yaml\n");
  EXPECT_THAT(error_of([&] { load_task_set(dir / "a.yaml"); }), HasSubstr("included once"));
  EXPECT_THAT(error("include: nowhere\ntask: t\n"),
              AllOf(HasSubstr("e.yaml:1] expected"), HasSubstr("nowhere")));
}

TEST_F(HarnessFiles, MakeGroupsOfTasksTagsAndGroups) {
  put("base", kBase);
  put("sub/one.yaml", "include: ../base\ntask: one\ntag: [both, x]\n");
  put("sub/two.yaml", "include: ../base\ntask: two\ntag: both\nnum_fewshot: 1\n");
  put("inner.yaml",
      "group: inner\ntask: both\naggregate_metric_list: {metric: acc, weight_by_size: false}\n");
  put("g.yaml",
      "group: g\ngroup_alias: G\ntask:\n- inner\n- task: here\n  dataset_path: json\n"
      "  dataset_kwargs: {data_files: {test: d.jsonl}}\n  test_split: test\n  output_type: multiple_choice\n"
      "  doc_to_text: q\n  doc_to_choice: [a, b]\n  doc_to_target: k\n- group: nested\n  task: [{task: one, "
      "description: other}]\n"
      "aggregate_metric_list:\n- metric: acc\n  filter_list: none\nfewshot_delimiter: '--'\n");
  const TaskSet set = load_task_set(dir / "g.yaml");
  EXPECT_THAT(names(set), ElementsAre("one", "two", "g::here")) << "a task is there once, as it came first";
  for (const TaskConfig& task : set.tasks) EXPECT_EQ(task.fewshot_delimiter, "--") << task.name;
  ASSERT_EQ(set.groups.size(), 3u);
  EXPECT_EQ(set.groups[0].name, "inner");
  EXPECT_FALSE(set.groups[0].metrics[0].weight_by_size);
  EXPECT_EQ(set.groups[1].name, "g::nested");
  EXPECT_EQ(set.groups[2].alias, "G");
  EXPECT_THAT(set.groups[2].tasks, ElementsAre("one", "two", "g::here"));
  EXPECT_THAT(set.groups[2].children, ElementsAre("inner", "g::here", "g::nested"));
  EXPECT_THAT(*set.groups[2].metrics[0].filters, ElementsAre("none"));
}

TEST_F(HarnessFiles, RefusePythonByName) {
  const std::string text = std::string(kBase) + "task: t\nprocess_docs: !function utils.process_docs\n";
  EXPECT_THAT(
      error(text),
      AllOf(HasSubstr("expected a task without Python, got process_docs: !function utils.process_docs"),
            HasSubstr("docs/harness_tasks.md")));
  EXPECT_THAT(error(std::string(kBase) + "task: t\nunsafe_code: true\n"), HasSubstr("unsafe_code: true"));
  put("base", kBase);
  put("good.yaml", "include: base\ntask: good\n");
  put("bad.yaml", "include: base\ntask: bad\ndoc_to_text: !function u.f\n");
  EXPECT_THAT(
      error("group: g\ntask: [good, bad]\n"),
      AllOf(HasSubstr("doc_to_text: !function u.f"), HasSubstr("1 cannot be had: bad; these can: good")));
  EXPECT_THAT(error("group: g\ntask: [nobody]\n"), HasSubstr("got 'nobody', which none has"));
  // What has no effect may be anything.
  put("quiet.yaml",
      "include: base\ntask: t\ndoc_to_decontamination_query: !function u.f\nprocess_docs: null\n");
  EXPECT_EQ(load_task_set(dir / "quiet.yaml").tasks.size(), 1u);
}

TEST_F(HarnessFiles, RefuseWhatTheyCannotBe) {
  const std::string base = std::string(kBase) + "task: t\n";
  EXPECT_THAT(error(base + "colour: red\n"), HasSubstr("e.yaml:9] unknown key 'colour'"));
  EXPECT_THAT(error("task: t\ndoc_to_text: q\n"), HasSubstr("expected 'dataset_path'"));
  EXPECT_THAT(error(base + "num_fewshot: two\n"), HasSubstr("expected a whole number from 0 to 1000"));
  EXPECT_THAT(error(base + "description: '{{ q'\n"), HasSubstr("e.yaml:9 description"));
  EXPECT_THAT(error(base + "description: '{{ nothing }}'\n"),
              AllOf(HasSubstr("d.jsonl row 1"), HasSubstr("nothing")));
  EXPECT_THAT(error(base + "fewshot_split: train\nnum_fewshot: 1\n"),
              HasSubstr("split 'train' in data_files, got only test, dev"));
  EXPECT_THAT(error(base + "num_fewshot: 4\n"), HasSubstr("expected at least 4 documents"));
  EXPECT_THAT(error(base + "fewshot_config: {sampler: balanced}\n"), HasSubstr("unknown sampler 'balanced'"));
  EXPECT_THAT(error(base + "metric_list: [{metric: acc_mutual_info}]\n"), HasSubstr("acc_mutual_info"));
  EXPECT_THAT(
      error("task: t\ndataset_path: some/where\ntest_split: test\ndoc_to_text: q\ndoc_to_target: k\n"),
      AllOf(HasSubstr("the split 'test' of some/where"),
            HasSubstr("load_dataset('some/where', split='test')")));
  const std::string generates =
      "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: d.jsonl}}\n"
      "test_split: test\ndoc_to_text: q\ndoc_to_target: k\n";
  EXPECT_THAT(error(generates + "generation_kwargs: {do_sample: true}\n"),
              HasSubstr("write do_sample: false"));
  EXPECT_THAT(error(generates + "generation_kwargs: {temperature: 0.7}\n"),
              HasSubstr("write do_sample: false"));
}

TEST_F(HarnessFiles, FindDataOfHubsInAFolder) {
  put("t.yaml",
      "task: t\ndataset_path: own/set\ndataset_name: part\ntest_split: test\noutput_type: loglikelihood\n"
      "doc_to_text: q\ndoc_to_target: ' x'\n");
  LoadSettings settings;
  settings.data_folder = dir / "data";
  std::size_t rows = 0;
  // From the last place to the first one.
  for (const char* folder : {"set", "set/part", "own/set", "own/set/part", "t"}) {
    std::string text;
    for (std::size_t i = 0; i <= rows; ++i) text += "{\"q\": \"a\"}\n";
    put(std::string("data/") + folder + "/test.jsonl", text);
    ++rows;
    EXPECT_EQ(load_harness_set(dir / "t.yaml", settings).tasks[0].requests.size(), rows) << folder;
  }
}

TEST_F(HarnessFiles, SayWhereTheirPromptsAreFrom) {
  put("t.yaml", std::string(kBase) +
                    "task: t\nnum_fewshot: 1\nfewshot_config: {sampler: first_n}\ndescription: 'D '\n");
  const LoadedSet set = load_harness_set(dir / "t.yaml", {});
  const Prompt& context = set.tasks[0].requests[1].contexts.front();
  PieceOrigin shot;
  shot.shot = 0;
  PieceOrigin field;
  field.field = "q";
  PieceOrigin shot_field = field;
  shot_field.shot = 0;
  EXPECT_THAT(context, ElementsAre(template_piece("D "), data_piece("a", shot_field),
                                   template_piece(" x\n\n", shot), data_piece("b <|im_end|>", field)));
  PieceOrigin second;
  second.option = "B";
  EXPECT_THAT(set.tasks[0].requests[1].continuations[1], ElementsAre(template_piece(" y z", second)));
}

TEST_F(HarnessFiles, BecomeTasksOfThisProject) {
  put("t.yaml", std::string(kBase) + "task: t:t\n");
  const LoadedSet set = load_harness_set(dir / "t.yaml", {});
  EXPECT_TRUE(asks_likelihoods(set));
  const Task task = task_of(set.tasks[0]);
  EXPECT_EQ(task.name, "t-t") << "a name that may be a file's";
  ASSERT_EQ(task.items.size(), 3u);
  EXPECT_EQ(task.items[1].label, 'B');
  EXPECT_FALSE(task.items[2].label) << "there is no option 5";
  EXPECT_THAT(task.items[1].choices, ElementsAre("x", "y z"));
  ASSERT_TRUE(task.items[1].ready);
  EXPECT_EQ(text_of(task.items[1].ready->continuations[1]), " y z");
  EXPECT_TRUE(kind_of(task).likelihood->length_normalised);
}

TEST_F(HarnessFiles, MeasureTextsByTheirFirstFilter) {
  put("t.yaml",
      "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: d.jsonl}}\ntest_split: "
      "test\ndoc_to_text: q\n"
      "doc_to_target: k\nfilter_list:\n- name: digits\n  filter: [{function: regex, regex_pattern: '[0-9]'}, "
      "{function: "
      "take_first}]\n- name: whole\n  filter: [{function: take_first}]\n");
  const LoadedSet set = load_harness_set(dir / "t.yaml", {});
  EXPECT_FALSE(asks_likelihoods(set));
  const Task task = task_of(set.tasks[0]);
  const TaskKind& kind = kind_of(task);
  EXPECT_THAT(kind.until, ElementsAre("\n\n"));
  EXPECT_EQ(kind.max_new_tokens, 256);
  const MeasuredText right = kind.measure(task.items[1], " it is 1"),
                     wrong = kind.measure(task.items[1], "two");
  EXPECT_TRUE(right.right);
  EXPECT_EQ(right.found, "1");
  EXPECT_EQ(right.rule, "digits");
  EXPECT_FALSE(wrong.right);
  EXPECT_FALSE(wrong.found) << "the fallback is nothing that was found";

  std::vector<Response> responses;
  for (const auto& [index, text] : {std::pair(0, "0"), std::pair(1, "x1"), std::pair(2, "5.")}) {
    Response response;
    response.subject = "t";
    response.index = index;
    response.text = text;
    responses.push_back(response);
  }
  const auto results = harness_results(set, responses);
  ASSERT_EQ(results.size(), 1u);
  ASSERT_EQ(results[0].metrics.size(), 2u);
  EXPECT_EQ(results[0].metrics[0].number.value, 1);
  EXPECT_NEAR(results[0].metrics[1].number.value, 1.0 / 3, 1e-15);
  const auto json = harness_results_json(results);
  EXPECT_EQ(json["results"]["t"]["exact_match,digits"], 1);
  EXPECT_EQ(json["n-samples"]["t"]["effective"], 3);
  const std::string table = harness_table({{"a", results}, {"b", results}});
  EXPECT_THAT(table, HasSubstr("t          0  digits  exact_match ↑  1.0000 ± 0.0000"));
  responses[0].index = 9;
  EXPECT_THAT(error_of([&] { harness_results(set, responses); }), HasSubstr("got one to item 9"));
}

TEST_F(HarnessFiles, SumUpGroups) {
  put("base", kBase);
  put("one.yaml", "include: base\ntask: one\n");
  put("two.yaml", "include: base\ntask: two\n");
  put("g.yaml", "group: g\ntask: [one, two]\naggregate_metric_list: [{metric: acc}]\n");
  const LoadedSet set = load_harness_set(dir / "g.yaml", {});
  std::vector<Response> responses;
  // The first option each time: right in the first document alone; the third has no right option.
  for (const auto& [task, count] : {std::pair("one", 3), std::pair("two", 1)}) {
    for (int i = 0; i < count; ++i) {
      Response response;
      response.subject = task;
      response.index = i;
      response.text = "[[-1.0,true],[-2.5,false]]";
      responses.push_back(response);
    }
  }
  const auto results = harness_results(set, responses);
  ASSERT_EQ(results.size(), 3u);
  EXPECT_TRUE(results[2].is_group);
  EXPECT_NEAR(results[2].metrics[0].number.value, (1.0 / 3 * 3 + 1) / 4, 1e-15);
  EXPECT_EQ(results[2].metrics[0].number.documents, 4);
  EXPECT_FALSE(results[2].metrics[0].number.standard_error) << "one task has a single document";
  EXPECT_EQ(harness_results_json(results)["groups"]["g"]["acc,none"], 0.5);
}

}  // namespace
}  // namespace refocus::harness
