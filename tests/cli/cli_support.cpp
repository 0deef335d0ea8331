#include "cli/cli_support.h"

#include <sstream>

#include "eval/journal/journal.h"

namespace refocus::testing {

namespace fs = std::filesystem;

fs::path bundled_model() {
  return fs::path(REFOCUS_GOLDEN).parent_path().parent_path() / "models/small-worlds";
}

void copy_bundled_model(const fs::path& to, std::string_view chat_template) {
  fs::create_directory(to);
  for (const auto& file : fs::directory_iterator(bundled_model())) {
    fs::copy(file.path(), to / file.path().filename());
  }
  write_file(to / "chat_template.jinja", std::string(chat_template));
}

fs::path copy_model(const std::string& name, const fs::path& to) {
  fs::copy(golden("engine") / name, to);
  for (const auto& entry : fs::directory_iterator(to)) {
    fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  return to;
}

void edit_json(const fs::path& path, const Json& replacements) {
  Json json = Json::parse(file_text(path));
  json.update(replacements);
  write_file(path, json.dump(1));
}

std::string comma_list(const std::vector<std::int32_t>& ids) {
  std::string out;
  for (const std::int32_t id : ids) out += std::to_string(id) + ',';
  if (!out.empty()) out.pop_back();
  return out;
}

Json one_json_line(const ProcessResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
  Json json = Json::parse(result.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << result.out;
  return json;
}

fs::path write_tasks(const fs::path& directory) {
  fs::create_directories(directory / "mmlu/test");
  fs::create_directories(directory / "piqa");
  fs::create_directories(directory / "siqa");
  for (const char* subject : {"anatomy", "sociology"}) {
    write_file(directory / "mmlu/test" / (std::string(subject) + "_test.csv"),
               "What is warm?,ice,snow,fire,frost,C\n"
               "\"Two lines:\nwhich is \"\"right\"\"?\",one,two,None,NA,A\n"
               "What flies?,a bird,a stone,a house,a tree,A\n"
               "What is 2 + 2?,1,2,3,4,D\n");
  }
  write_file(directory / "piqa/dev.jsonl",
             R"({"goal":"To cool tea","sol1":"wait","sol2":"boil it"})"
             "\n"
             R"({"goal":"To open a jar","sol1":"paint it","sol2":"turn the lid"})"
             "\n"
             R"({"goal":"To see at night","sol1":"light a lamp","sol2":"close your eyes"})"
             "\n");
  write_file(directory / "piqa/dev-labels.lst", "0\n1\n0\n");
  const std::string question =
      R"(,"question":"Why?","answerA":"to rest","answerB":"to run","answerC":"to eat"})";
  write_file(directory / "siqa/dev.jsonl", R"({"context":"Ann lay down.")" + question + "\n" +
                                               R"({"context":"Bob was late.")" + question + "\n" +
                                               R"({"context":"Cy was hungry.")" + question + "\n");
  write_file(directory / "siqa/dev-labels.lst", "1\n2\n3\n");
  return directory;
}

std::vector<Json> json_lines(const fs::path& path) {
  std::istringstream in(file_text(path));
  std::vector<Json> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::int64_t answers_of_run(const fs::path& run) {
  if (!fs::exists(run / "journal.db")) return 0;
  try {
    return Journal::open_read_only(run).count();
  } catch (const InputError&) {
    return 0;  // the program is just making its tables
  }
}

void expect_same_reports(const fs::path& run, const fs::path& whole, std::size_t count) {
  const std::vector<std::string> names = files_below(whole / "arms");
  EXPECT_EQ(files_below(run / "arms"), names);
  ASSERT_EQ(names.size(), count);
  for (const std::string& name : names) {
    EXPECT_EQ(file_text(run / "arms" / name), file_text(whole / "arms" / name)) << name;
  }
  EXPECT_EQ(file_text(run / "comparison.json"), file_text(whole / "comparison.json"));
}

Arguments plus(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Arguments eval_arguments(const fs::path& data, const fs::path& run, const Arguments& more) {
  return plus({"eval", "-m", small_model(), "--context", "2048", "--data", data.string(), "-o", run.string()},
              more);
}

}  // namespace refocus::testing
