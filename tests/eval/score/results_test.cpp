#include "eval/score/results.h"

#include <csv.h>

#include <chrono>
#include <sstream>

#include "base/text_file.h"
#include "eval/recording_support.h"
#include "eval/score/published_files.h"
#include "eval/text/sha256.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using testing::error_of;
using testing::first_letter;
using ::testing::HasSubstr;
using testing::mmlu_item;
using testing::response;
using testing::TempDir;

ReportOptions options() {
  ReportOptions o;
  o.arm = "cot-none";
  o.config = {{"model", "refocus"}, {"model_args", "models/tiny.gguf"}, {"limit", nullptr}};
  o.generation_kwargs = {{"do_sample", false}, {"max_gen_toks", 2048}};
  return o;
}

std::vector<Task> tasks() {
  Task mmlu{"mmlu", {"anatomy", "philosophy", "sociology"}, {}, testing::categories()};
  mmlu.items = {mmlu_item("anatomy", 0, "Which, \"exactly\"?\r\nSay.", 'B'),
                mmlu_item("anatomy", 1, "None", 'A'), mmlu_item("philosophy", 0, "Why?", 'D'),
                mmlu_item("sociology", 0, "Who?", 'C')};
  Task piqa{"piqa", {"physicaliqa"}, {}};
  for (int i = 0; i < 4; ++i) {
    Item item;
    item.subject = "physicaliqa";
    item.index = i;
    item.fields = {{"goal", "G" + std::to_string(i)}, {"sol1", "x"}, {"sol2", "y"}};
    item.choices = {"x", "y"};
    if (i < 2) item.label = 'A';
    piqa.items.push_back(item);
  }
  return {mmlu, piqa};
}

std::vector<Response> responses() {
  std::vector<Response> out = {response("cot-none", "anatomy", 0, "B, since \"x\",\r\nthen\ny"),
                               response("cot-none", "anatomy", 1, std::string("B\0\xff", 3)),
                               response("cot-none", "philosophy", 0, ""),
                               response("cot-none", "sociology", 0, "I do not know"),
                               response("cot-none", "physicaliqa", 0, "B"),
                               response("cot-none", "physicaliqa", 1, "A"),
                               response("cot-none", "physicaliqa", 3, "?")};
  out[3].finish_reason = "length";
  out[5].finish_reason = "stop";
  out[3].generated_tokens = 2048;
  return out;
}

struct Reports {
  std::vector<Task> tasks = refocus::tasks();
  std::vector<TaskAnswers> answers;
  std::vector<TaskScores> scores;

  explicit Reports(std::vector<Response> given = responses()) {
    answers = judge(tasks, std::move(given), first_letter);
    for (const TaskAnswers& a : answers) scores.push_back(score(a));
  }
};

std::vector<ordered_json> lines(const std::filesystem::path& path) {
  std::istringstream in(read_text_file(path));
  std::vector<ordered_json> out;
  for (std::string line; std::getline(in, line);) out.push_back(ordered_json::parse(line));
  return out;
}

std::vector<std::string> keys(const ordered_json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

TEST(Results, HaveGroupsForWhatIsSeenAndUnseen) {
  Task task{"worlds", {"keys", "keys_unseen"}, {}, {{"keys", "stem"}, {"keys_unseen", "stem"}}};
  for (const std::string& subject : task.subjects) task.items.push_back(mmlu_item(subject, 0, "Q", 'A'));
  const std::vector<Task> tasks = {task};
  const auto answers =
      judge(tasks, {response("a", "keys", 0, "A"), response("a", "keys_unseen", 0, "B")}, first_letter);
  const ordered_json f = ordered_json::parse(results_json({score(answers[0])}, options()));
  EXPECT_EQ(keys(f["groups"]),
            (std::vector<std::string>{"worlds", "worlds_stem", "worlds_seen", "worlds_unseen"}));
  EXPECT_EQ(keys(f["configs"]), (std::vector<std::string>{"worlds_keys", "worlds_keys_unseen"}));
  EXPECT_EQ(f["group_subtasks"]["worlds"], ordered_json::parse(R"(["worlds_stem"])"));
  EXPECT_EQ(f["group_subtasks"]["worlds_unseen"], ordered_json::parse(R"(["worlds_keys_unseen"])"));
  EXPECT_EQ(f["results"]["worlds_seen"]["acc,none"], 1.0);
  EXPECT_EQ(f["results"]["worlds_unseen"]["acc,none"], 0.0);
  EXPECT_EQ(f["results"]["worlds_unseen"]["alias"], " - unseen");
}

TEST(Results, OfOneSubjectWithoutCategoryHaveItsTask) {
  const Task task{"worlds", {"keys"}, {mmlu_item("keys", 0, "Q", 'A')}};
  const std::vector<Task> tasks = {task};
  const auto answers = judge(tasks, {response("a", "keys", 0, "A")}, first_letter);
  const ordered_json f = ordered_json::parse(results_json({score(answers[0])}, options()));
  EXPECT_EQ(keys(f["results"]), (std::vector<std::string>{"worlds", "worlds_keys"}));
}

TEST(PublishedFiles, SubjectCsv) {
  Reports r;
  std::vector<const Answer*> anatomy = {&r.answers[0].answers[0], &r.answers[0].answers[1]};
  EXPECT_EQ(
      subject_csv(anatomy, task_kind("mmlu")),
      "question,A,B,C,D,answer,model_output,model_response,correctness\n"
      "\"Which, \"\"exactly\"\"?\r\nSay.\",one,two,three,four,B,B,\"B, since \"\"x\"\",\r\nthen\ny\",True\n"
      "None,one,two,three,four,A,B,B" +
          std::string(1, '\0') + "\xef\xbf\xbd,False\n");
  EXPECT_EQ(
      subject_csv({&r.answers[0].answers[2]}, task_kind("mmlu")),
      "question,A,B,C,D,answer,model_output,model_response,correctness\nWhy?,one,two,three,four,D,,,False\n");
}

TEST(PublishedFiles, PredictionsKeepEveryPlace) {
  Reports r;
  EXPECT_EQ(prediction_csv(r.answers[1]),
            "dataset,prediction\nphysicaliqa,2\nphysicaliqa,1\nphysicaliqa,\nphysicaliqa,\n");
}

// The hashes were computed with Python: hashlib.sha256(json.dumps(doc, indent=2,
// ensure_ascii=False).encode()).
TEST(Samples, HaveTheLayoutAndHashesOfTheHarness) {
  Reports r;
  const ordered_json s = ordered_json::parse(sample_line(r.answers[0].answers[0], options()));
  EXPECT_EQ(keys(s), (std::vector<std::string>{
                         "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter",
                         "metrics", "doc_hash", "prompt_hash", "target_hash", "acc", "subject", "rule",
                         "span", "finish_reason", "prompt_tokens", "generated_tokens", "unfinished"}));
  EXPECT_EQ(s["doc_id"], 0);
  EXPECT_EQ(keys(s["doc"]), (std::vector<std::string>{"question", "A", "B", "C", "D", "answer"}));
  EXPECT_EQ(s["target"], "B");
  EXPECT_EQ(s["arguments"]["gen_args_0"]["arg_0"], "Question 0");
  EXPECT_EQ(s["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"], 2048);
  EXPECT_EQ(s["resps"], ordered_json::parse(R"([["B, since \"x\",\r\nthen\ny"]])"));
  EXPECT_EQ(s["filtered_resps"], ordered_json::parse(R"(["B"])"));
  EXPECT_EQ(s["filter"], "none");
  EXPECT_EQ(s["metrics"], ordered_json::parse(R"(["acc"])"));
  EXPECT_EQ(s["acc"], 1.0);
  EXPECT_EQ(s["rule"], "first");
  EXPECT_EQ(s["span"], ordered_json::parse("[0,1]"));
  EXPECT_EQ(s["finish_reason"], "eos");
  EXPECT_EQ(s["prompt_tokens"], 10);
  EXPECT_EQ(s["generated_tokens"], 3);
  EXPECT_EQ(s["unfinished"], false);
  EXPECT_EQ(s["doc_hash"], "a558d7ef0d7eadf536a0c5ac395f891a202967fa55f4ffff5afa77631b7e3519");
  EXPECT_EQ(s["prompt_hash"], "8b0902184cc41d3e8690c82f4b26088761397e1cfcc0b538ad02f572818ea512");
  EXPECT_EQ(s["target_hash"], "df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c");
}

TEST(Samples, DocHashEscapesAsPythonDoes) {
  Item item;
  item.fields = {
      {"question", std::string("\"\\/\b\f\n\r\t\x01\x1f\x7f\0 \xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80", 22)}};
  Answer answer;
  answer.item = &item;
  const ordered_json s = ordered_json::parse(sample_line(answer, options()));
  EXPECT_EQ(s["doc_hash"], "1159e3a9f90d632a9edf0b9c1865fa924d19c0f1b0b45fcb04ac7dab76085806");
}

TEST(Samples, MarkWhatIsMissing) {
  Reports r;
  const ordered_json unparsed = ordered_json::parse(sample_line(r.answers[0].answers[3], options()));
  EXPECT_EQ(unparsed["filtered_resps"], ordered_json::parse(R"(["[invalid]"])"));
  EXPECT_EQ(unparsed["acc"], 0.0);
  EXPECT_TRUE(unparsed["rule"].is_null());
  EXPECT_TRUE(unparsed["span"].is_null());
  EXPECT_EQ(unparsed["finish_reason"], "length");
  EXPECT_EQ(unparsed["unfinished"], true);
  const ordered_json unlabelled = ordered_json::parse(sample_line(r.answers[1].answers[2], options()));
  EXPECT_TRUE(unlabelled["target"].is_null());
  EXPECT_TRUE(unlabelled["target_hash"].is_null());
  EXPECT_EQ(unlabelled["metrics"], ordered_json::array());
  EXPECT_FALSE(unlabelled.contains("acc"));
}

TEST(Results, HaveEveryKey) {
  Reports r;
  const ordered_json f = ordered_json::parse(results_json(r.scores, options()));
  EXPECT_EQ(keys(f), (std::vector<std::string>{"results", "groups", "group_subtasks", "configs", "versions",
                                               "n-shot", "higher_is_better", "n-samples", "config", "arm"}));
  const std::vector<std::string> groups = {"mmlu", "mmlu_stem", "mmlu_humanities", "mmlu_social_sciences",
                                           "mmlu_non_stem"};
  const std::vector<std::string> leaves = {"mmlu_anatomy", "mmlu_philosophy", "mmlu_sociology", "piqa"};
  EXPECT_EQ(keys(f["results"]), (std::vector<std::string>{
                                    "mmlu", "mmlu_stem", "mmlu_anatomy", "mmlu_humanities", "mmlu_philosophy",
                                    "mmlu_social_sciences", "mmlu_sociology", "mmlu_non_stem", "piqa"}));
  EXPECT_EQ(keys(f["groups"]), groups);
  EXPECT_EQ(keys(f["configs"]), leaves);
  EXPECT_EQ(keys(f["n-samples"]), leaves);
  for (const char* key : {"versions", "n-shot", "higher_is_better"})
    EXPECT_EQ(keys(f[key]), keys(f["results"])) << key;
  for (const std::string& group : groups) EXPECT_EQ(f["groups"][group], f["results"][group]);
  EXPECT_EQ(f["group_subtasks"], ordered_json::parse(R"({
    "mmlu": ["mmlu_stem", "mmlu_humanities", "mmlu_social_sciences"], "mmlu_stem": ["mmlu_anatomy"],
    "mmlu_humanities": ["mmlu_philosophy"], "mmlu_social_sciences": ["mmlu_sociology"],
    "mmlu_non_stem": ["mmlu_humanities", "mmlu_social_sciences"], "piqa": []})"));

  const ordered_json& anatomy = f["results"]["mmlu_anatomy"];
  EXPECT_EQ(anatomy["alias"], "  - anatomy");
  EXPECT_EQ(anatomy["acc,none"], 0.5);
  EXPECT_EQ(anatomy["acc_stderr,none"], 0.5);  // scores 1 0: deviation sqrt(0.5), over sqrt(2)
  EXPECT_EQ(anatomy["n"], 2);
  EXPECT_EQ(anatomy["correct"], 1);
  const ordered_json& sociology = f["results"]["mmlu_sociology"];
  EXPECT_EQ(sociology["acc,none"], 0.0);
  EXPECT_TRUE(sociology["acc_stderr,none"].is_null());
  EXPECT_EQ(sociology["unparsed"], 1);
  EXPECT_EQ(sociology["truncated"], 1);
  EXPECT_EQ(sociology["stopped"], 0);
  EXPECT_EQ(sociology["read_unfinished"], 0);  // nothing was read
  EXPECT_EQ(f["results"]["piqa"]["stopped"], 1);
  EXPECT_EQ(f["results"]["piqa"]["truncated"], 0);
  EXPECT_EQ(sociology["mean_generated_tokens"], 2048.0);
  EXPECT_EQ(f["results"]["mmlu_philosophy"]["empty"], 1);
  const ordered_json& mmlu = f["results"]["mmlu"];
  EXPECT_EQ(mmlu["acc,none"], 0.25);
  EXPECT_EQ(mmlu["acc_stderr,none"], 0.25);  // variance 4 * 3/16 / 3 = 1/4, over 4 under the root
  EXPECT_EQ(mmlu["unparsed"], 2);
  EXPECT_EQ(mmlu["generated_tokens"], 2057);
  EXPECT_EQ(mmlu["mean_generated_tokens"], 514.25);
  EXPECT_EQ(f["results"]["piqa"]["acc,none"], 0.5);
  EXPECT_EQ(f["results"]["piqa"]["n"], 3);

  EXPECT_EQ(f["n-samples"]["piqa"], ordered_json::parse(R"({"original": 4, "effective": 3})"));
  EXPECT_EQ(f["higher_is_better"]["mmlu_stem"], ordered_json::parse(R"({"acc": true})"));
  EXPECT_EQ(f["n-shot"]["mmlu_anatomy"], 0);
  EXPECT_EQ(f["versions"]["mmlu"], 1);
  EXPECT_EQ(f["configs"]["mmlu_anatomy"]["dataset_name"], "anatomy");
  EXPECT_EQ(f["configs"]["piqa"]["generation_kwargs"]["max_gen_toks"], 2048);
  EXPECT_EQ(f["config"], options().config);
  EXPECT_EQ(f["arm"], "cot-none");
}

TEST(Results, HaveNoAccuracyWithoutLabels) {
  Reports r;
  for (Item& item : r.tasks[1].items) item.label.reset();
  r.answers = judge(r.tasks, responses(), first_letter);
  const ordered_json f = ordered_json::parse(results_json({score(r.answers[1])}, options()));
  EXPECT_FALSE(f["results"]["piqa"].contains("acc,none"));
  EXPECT_FALSE(f["results"]["piqa"].contains("acc_stderr,none"));
  EXPECT_TRUE(f["results"]["piqa"]["correct"].is_null());
  EXPECT_EQ(f["higher_is_better"]["piqa"], ordered_json::object());
}

TEST(WriteArmReports, WritesTheSameBytesForTheSameAnswers) {
  TempDir dir;
  std::filesystem::create_directory(dir / "a");
  std::filesystem::create_directory(dir / "b");
  Reports first;
  write_arm_reports(dir / "a", first.answers, first.scores, options());
  std::vector<Response> shuffled = responses();
  std::reverse(shuffled.begin(), shuffled.end());
  Reports second(shuffled);
  write_arm_reports(dir / "b", second.answers, second.scores, options());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "a")) {
    const std::string name = entry.path().filename();
    names.push_back(name);
    EXPECT_EQ(read_text_file(dir / "a" / name), read_text_file(dir / "b" / name)) << name;
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("anatomy.csv", "philosophy.csv", "sociology.csv",
                                                     "physicaliqa.csv", "samples_mmlu_anatomy_refocus.jsonl",
                                                     "samples_mmlu_philosophy_refocus.jsonl",
                                                     "samples_mmlu_sociology_refocus.jsonl",
                                                     "samples_piqa_refocus.jsonl", "results_refocus.json"));
  EXPECT_EQ(lines(dir / "a/samples_mmlu_anatomy_refocus.jsonl").size(), 2u);
  EXPECT_EQ(lines(dir / "a/samples_mmlu_anatomy_refocus.jsonl")[1]["resps"][0][0],
            std::string("B\0\xef\xbf\xbd", 5));
  EXPECT_EQ(read_text_file(dir / "a/results_refocus.json"), results_json(first.scores, options()));
}

TEST(WriteArmReports, RefusesUnsafeNamesAndAbsentDirectories) {
  TempDir dir;
  Reports r;
  EXPECT_THAT(error_of([&] { write_arm_reports(dir / "absent", r.answers, r.scores, options()); }),
              HasSubstr("cannot be written"));
  const std::vector<Task> hostile = {{"mmlu", {"../../x"}, {mmlu_item("../../x", 0, "Q", 'A')}}};
  const auto answers = judge(hostile, {response("a", "../../x", 0, "A")}, first_letter);
  EXPECT_THAT(error_of([&] { write_arm_reports(dir.path(), answers, {score(answers[0])}, options()); }),
              HasSubstr("expected a name fit for a file"));
}

TEST(Sha256, MatchesThePublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace refocus
