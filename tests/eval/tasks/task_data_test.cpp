#include "eval/tasks/task_data.h"

#include "base/text_file.h"
#include "eval/task/mmlu_categories.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(TaskData, ReadsAllOfMmluTest) {
  REFOCUS_NEEDS_SHARED("data/mmlu/test");
  const Task task = load_mmlu(testing::shared("data"));
  EXPECT_EQ(task.name, "mmlu");
  EXPECT_THAT(task.subjects, SizeIs(57));
  ASSERT_THAT(task.items, SizeIs(14042));
  // Counted by Python's csv module: all bytes of all fields, and questions of several lines.
  std::size_t bytes = 0, with_newline = 0;
  for (const Item& item : task.items) {
    ASSERT_THAT(item.fields, SizeIs(6));
    ASSERT_THAT(item.choices, SizeIs(4));
    for (const auto& [name, text] : item.fields) bytes += text.size();
    with_newline += item.fields[0].second.find('\n') != std::string::npos;
    ASSERT_TRUE(mmlu_category(item.subject)) << item.subject;
  }
  EXPECT_EQ(bytes, 6232418u);
  EXPECT_EQ(with_newline, 1127u);
  const Item& first = task.items.front();
  EXPECT_EQ(first.subject, "abstract_algebra");
  EXPECT_THAT(first.choices, ElementsAre("0", "4", "2", "6"));
  EXPECT_EQ(first.label, 'B');
  EXPECT_THAT(task.categories, SizeIs(57));
  EXPECT_EQ(task.categories.at("sociology"), "social");
  EXPECT_EQ(first.fields[0].first, "question");
}

TEST(TaskData, ReadsTheDevSplitAndFilteredSubjects) {
  REFOCUS_NEEDS_SHARED("data/mmlu/dev");
  const Task dev = load_mmlu(testing::shared("data"), {}, "dev");
  ASSERT_THAT(dev.items, SizeIs(285));
  EXPECT_EQ(dev.items[0].fields[0].second, "Find all c in Z_3 such that Z_3[x]/(x^2 + c) is a field.");
  EXPECT_EQ(dev.items[0].label, 'B');
  EXPECT_EQ(dev.items[0].fields[5].second, "B");
  const std::vector<std::string> subjects = {"virology", "anatomy", "virology"};
  for (const char* dir : {"data", "data/mmlu", "data/mmlu/test"}) {
    Task task = load_mmlu(testing::shared(dir), subjects);
    EXPECT_THAT(task.subjects, ElementsAre("anatomy", "virology"));
    EXPECT_THAT(task.items, SizeIs(135 + 166));
    limit_items(task, 2);
    ASSERT_THAT(task.items, SizeIs(4));
    EXPECT_EQ(task.items[2].subject, "virology");
    EXPECT_EQ(task.items[3].index, 1);
  }
}

TEST(TaskData, ReadsPiqaAndSiqa) {
  REFOCUS_NEEDS_SHARED("data/piqa");
  const Task piqa = load_task("piqa", testing::shared("data"));
  ASSERT_THAT(piqa.items, SizeIs(1838));
  EXPECT_THAT(piqa.subjects, ElementsAre("physicaliqa"));
  EXPECT_EQ(piqa.items[0].label, 'A');
  EXPECT_EQ(piqa.items[1].label, 'B');
  EXPECT_EQ(piqa.items[1].choices[0], "replace drawer with bobby pin ");
  const Task siqa = load_siqa(testing::shared("data/siqa"));
  ASSERT_THAT(siqa.items, SizeIs(1954));
  EXPECT_EQ(siqa.items[0].label, 'C');
  EXPECT_THAT(siqa.items[0].choices,
              ElementsAre("make a new plan", "Go home and see Riley", "Find somewhere to go"));
}

class MmluFile : public ::testing::Test {
 protected:
  std::vector<Item> load(const std::string& text) {
    write_file_atomically(dir_ / "anatomy_test.csv", text);
    return load_mmlu(dir_.path()).items;
  }
  testing::TempDir dir_;
};

TEST_F(MmluFile, KeepsTextAsItIs) {
  const auto items = load(
      "\xEF\xBB\xBF"
      "\"a \"\"quoted\"\"\nquestion, of two lines\",None,NA, 02  09  ,,A\r\n\r\nq,1,2,3,4,D");
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_EQ(items[0].fields[0].second, "a \"quoted\"\nquestion, of two lines");
  EXPECT_THAT(items[0].choices, ElementsAre("None", "NA", " 02  09  ", ""));
  EXPECT_EQ(items[1].label, 'D');
  EXPECT_EQ(items[1].index, 1);
}

TEST_F(MmluFile, PassesOverHeaders) {
  ASSERT_THAT(load("question,A,B,C,D,answer\nq,1,2,3,4,D\n"), SizeIs(1));
  const auto items = load("question,choice0,choice1,choice2,choice3,answer\nq,1,2,3,4,3\n");
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].label, 'D');
  EXPECT_EQ(items[0].index, 0);
  EXPECT_THAT(error_of([&] { load("question,choice0,choice1,choice2,choice3,answer\nq,1,2,3,4,B\n"); }),
              HasSubstr("row 1 (line 2): expected an answer from 0 to 3, got 'B'"));
  EXPECT_THAT(error_of([&] { load("q,1,2,3,4,3\n"); }), HasSubstr("expected an answer from A to D, got '3'"));
}

TEST_F(MmluFile, NamesTheRowAndLineOfARowThatIsTooShort) {
  const std::string error = error_of([&] { load("\"q\n1\",a,b,c,d,A\n\n\"q\n2\",a,b,c,B\n"); });
  EXPECT_THAT(error, HasSubstr("anatomy_test.csv] row 2 (line 4): expected 6 fields"));
  EXPECT_THAT(error, HasSubstr("got 5; quote fields that hold commas"));
}

TEST_F(MmluFile, RefusesHeadersBrokenQuotesAndOtherEncodings) {
  EXPECT_THAT(
      error_of([&] { load("question,A,B,C,D,label\n"); }),
      HasSubstr("row 1 (line 1): expected an answer from A to D, got 'label'; correct the last field"));
  EXPECT_THAT(error_of([&] { load("q,1,2,3,4,A\nq,\"1\"x,2,3,4,A\n"); }), HasSubstr("line 2: "));
  EXPECT_THAT(error_of([&] { load("q,1,2,3,4,A\n\"q,1,2,3,4,A\n"); }), HasSubstr("expected RFC 4180"));
  EXPECT_THAT(error_of([&] { load("q,\xFF,2,3,4,A\n"); }), HasSubstr("expected UTF-8 in field 'A'"));
  EXPECT_THAT(error_of([&] { load(""); }), HasSubstr("empty file"));
}

TEST_F(MmluFile, SuggestsSubjects) {
  load("q,1,2,3,4,A\n");
  const auto ask = [&](const std::string& subject) {
    return error_of([&] { load_mmlu(dir_.path(), std::vector<std::string>{subject}); });
  };
  EXPECT_EQ(ask("anatomi"), "[mmlu] unknown subject 'anatomi'; did you mean anatomy?");
  EXPECT_EQ(ask("xyz"), "[mmlu] unknown subject 'xyz'; known subjects: anatomy");
  testing::TempDir empty;
  EXPECT_THAT(error_of([&] { load_mmlu(empty.path()); }),
              HasSubstr("expected files mmlu/test/SUBJECT_test.csv"));
}

class PiqaFile : public ::testing::Test {
 protected:
  std::string error(const std::string& questions, const std::string& labels) {
    write_file_atomically(dir_ / "dev.jsonl", questions);
    write_file_atomically(dir_ / "dev-labels.lst", labels);
    return error_of([&] { load_piqa(dir_.path()); });
  }
  const std::string row_ = R"({"goal": "g", "sol1": "x", "sol2": "y"})"
                           "\n";
  testing::TempDir dir_;
};

TEST_F(PiqaFile, DoesWithoutLabels) {
  write_file_atomically(dir_ / "dev.jsonl", row_ + "\n");
  const Task task = load_piqa(dir_.path());
  ASSERT_THAT(task.items, SizeIs(1));
  EXPECT_EQ(task.items[0].label, std::nullopt);
}

TEST_F(PiqaFile, AByteOrderMarkStandsAtTheStartOnly) {
  const std::string mark = "\xEF\xBB\xBF";
  write_file_atomically(dir_ / "dev.jsonl", mark + row_);
  write_file_atomically(dir_ / "dev-labels.lst", mark + "1\n");
  EXPECT_EQ(load_piqa(dir_.path()).items.at(0).label, 'B');
  EXPECT_THAT(
      error(row_ + mark + row_, "0\n1\n"),
      HasSubstr("dev.jsonl:2] expected JSON with a value at column 1, got a byte order mark (U+FEFF)"));
}

TEST_F(PiqaFile, NamesTheLine) {
  EXPECT_THAT(error(row_ + "{\"goal\": \n", "0\n1\n"),
              HasSubstr("dev.jsonl:2] expected JSON with a value at column 10"));
  EXPECT_THAT(error(row_ + "\n" + row_, "0\n1\n0\n"), HasSubstr("dev.jsonl:2] expected a JSON object"));
  EXPECT_THAT(error(row_ + R"({"goal": "g", "sol1": 3, "sol2": "y"})", "0\n1\n"),
              HasSubstr("dev.jsonl:2] expected a text 'sol1', got number"));
  EXPECT_THAT(error(R"({"context": "c"})", "0\n"),
              HasSubstr("expected a text 'goal', got none; is this a file of piqa?"));
  EXPECT_THAT(error(row_ + row_, "0\n2\n"),
              HasSubstr("dev-labels.lst:2] expected a label from 0 to 1, got '2'"));
  EXPECT_THAT(error(row_ + row_, "0\n"), HasSubstr("expected 2 labels, one for each question, got 1"));
}

class WorldsFolder : public ::testing::Test {
 protected:
  WorldsFolder() {
    std::filesystem::create_directories(dir_ / "worlds/test");
    for (const char* subject : {"keys", "keys_unseen", "sums"}) add_subject(subject);
  }
  void add_subject(const std::string& subject) {
    write_file_atomically(dir_ / "worlds/test" / (subject + "_test.csv"), "q,1,2,3,4,D\n");
  }
  void write_categories(const std::string& json) {
    write_file_atomically(dir_ / "worlds/categories.json", json);
  }
  std::string error(const std::string& categories) {
    write_categories(categories);
    return error_of([&] { load_worlds(dir_.path()); });
  }
  testing::TempDir dir_;
};

TEST_F(WorldsFolder, ReadsCategoriesBehindAByteOrderMark) {
  write_categories(
      "\xEF\xBB\xBF"
      R"({"keys": "stem", "keys_unseen": "stem", "sums": "other"})");
  EXPECT_EQ(load_worlds(dir_.path()).categories.at("sums"), "other");
}

TEST_F(WorldsFolder, HasTheSubjectsAndCategoriesOfItsFiles) {
  EXPECT_TRUE(load_worlds(dir_.path()).categories.empty()) << "without a file there are none";
  write_categories(R"({"keys": "humanities", "keys_unseen": "humanities", "sums": "stem", "gone": "other"})");
  for (const char* place : {"", "worlds", "worlds/test"}) {
    const Task task = load_task("worlds", dir_ / place);
    EXPECT_EQ(task.name, "worlds");
    EXPECT_THAT(task.subjects, ElementsAre("keys", "keys_unseen", "sums"));
    ASSERT_THAT(task.items, SizeIs(3));
    EXPECT_EQ(task.items[2].label, 'D');
    EXPECT_THAT(task.categories, ElementsAre(Pair("keys", "humanities"), Pair("keys_unseen", "humanities"),
                                             Pair("sums", "stem")));
  }
  const Task some = load_worlds(dir_.path(), std::vector<std::string>{"sums"});
  EXPECT_THAT(some.subjects, ElementsAre("sums"));
  EXPECT_THAT(some.categories, ElementsAre(Pair("sums", "stem")));
}

TEST_F(WorldsFolder, SaysWhatIsWrongWithItsCategories) {
  EXPECT_THAT(error("{\"keys\": "), HasSubstr("worlds/categories.json] expected JSON with a value"));
  EXPECT_THAT(error("[]"), HasSubstr("got a list"));
  EXPECT_THAT(error(R"({"keys": "stem", "keys_unseen": "stem"})"),
              HasSubstr("worlds/categories.json] expected a category for 'sums', got none; add it"));
  EXPECT_THAT(error(R"({"keys": "stem", "keys_unseen": "magic", "sums": "stem"})"),
              HasSubstr("expected stem, humanities, social or other for 'keys_unseen', got \"magic\""));
  EXPECT_THAT(error(R"({"keys": 1, "keys_unseen": "stem", "sums": "stem"})"),
              HasSubstr("other for 'keys', got 1"));
}

TEST_F(WorldsFolder, RefusesUnknownSubjectsAndNamesOfGroups) {
  const auto ask = [&](const std::string& subject) {
    return error_of([&] { load_worlds(dir_.path(), std::vector<std::string>{subject}); });
  };
  EXPECT_EQ(ask("keys_unsen"), "[worlds] unknown subject 'keys_unsen'; did you mean keys_unseen, keys?");
  EXPECT_EQ(ask("xyz"), "[worlds] unknown subject 'xyz'; known subjects: keys, keys_unseen, sums");
  add_subject("unseen");
  EXPECT_THAT(error_of([&] { load_worlds(dir_.path()); }),
              HasSubstr("expected subjects that are not named as groups are, got 'unseen'; rename its file"));
  testing::TempDir empty;
  EXPECT_THAT(error_of([&] { load_worlds(empty.path()); }),
              HasSubstr("expected files worlds/test/SUBJECT_test.csv, found none; give the folder that holds "
                        "worlds with --data"));
}

TEST(TaskData, RefusesUnknownTasks) {
  EXPECT_THAT(error_of([] { load_task("arc", "."); }),
              HasSubstr("unknown task 'arc'; known tasks: mmlu, piqa, siqa, worlds"));
  const std::vector<std::string> subjects = {"anatomy"};
  EXPECT_THAT(error_of([&] { load_task("piqa", ".", subjects); }), HasSubstr("leave --subjects out"));
}

TEST(MmluCategories, SplitsThe57SubjectsInFour) {
  std::vector<std::size_t> sizes;
  for (const MmluCategory category : kMmluCategories) {
    sizes.push_back(mmlu_subjects(category).size());
    for (const std::string_view subject : mmlu_subjects(category))
      EXPECT_EQ(mmlu_category(subject), category);
  }
  EXPECT_THAT(sizes, ElementsAre(19, 13, 12, 13));
  EXPECT_EQ(mmlu_category("anatomy"), MmluCategory::kStem);
  EXPECT_EQ(mmlu_category("moral_scenarios"), MmluCategory::kHumanities);
  EXPECT_EQ(mmlu_category("sociology"), MmluCategory::kSocial);
  EXPECT_EQ(mmlu_category("virology"), MmluCategory::kOther);
  EXPECT_EQ(mmlu_category("alchemy"), std::nullopt);
  EXPECT_EQ(category_name(MmluCategory::kOther), "other");
}

}  // namespace
}  // namespace refocus
