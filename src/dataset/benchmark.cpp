// The benchmark of small worlds in MMLU's layout.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "dataset/world_data.h"

namespace refocus {

namespace {

constexpr std::string_view kUnseen = "_unseen";

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

}  // namespace

std::vector<BenchmarkQuestion> make_world_benchmark(std::uint64_t seed, int seen, int unseen) {
  std::vector<BenchmarkQuestion> out;
  std::set<std::string> told;
  SplitMix64 seeds(SplitMix64(seed ^ static_cast<std::uint64_t>(WorldSplit::kTest) << 56).next());
  for (const WorldSubject& subject : world_subjects()) {
    for (const bool held_out : {false, true}) {
      for (int left = held_out ? unseen : seen; left > 0;) {
        WordDraw draw(seeds.next(), held_out ? Pairs::kHeldOut : Pairs::kSeen);
        const World world = subject.make(draw, {1, 2, 4});
        std::string text = told_question(world, world.questions.front());
        if (split_of(text) != WorldSplit::kTest || !told.insert(text).second) continue;
        out.push_back({std::string(subject.name) + (held_out ? std::string(kUnseen) : ""), std::move(text),
                       world.questions.front()});
        --left;
      }
    }
  }
  return out;
}

void write_world_benchmark(const std::filesystem::path& directory,
                           const std::vector<BenchmarkQuestion>& questions) {
  std::map<std::string, std::string> files;
  nlohmann::json categories = nlohmann::json::object();
  for (const BenchmarkQuestion& q : questions) {
    std::string& file = files[q.subject];
    file += csv_field(q.told);
    for (const std::string& choice : q.question.choices) file += fmt::format(",{}", csv_field(choice));
    file += fmt::format(",{}\n", static_cast<char>('A' + q.question.answer));
    const std::string base =
        q.subject.ends_with(kUnseen) ? q.subject.substr(0, q.subject.size() - kUnseen.size()) : q.subject;
    categories[q.subject] = world_subject(base).category;
  }
  std::error_code error;
  std::filesystem::create_directories(directory / "test", error);
  if (error) {
    throw input_error(directory.string(), "expected to make the directory, got: {}; check the path",
                      error.message());
  }
  for (const auto& [subject, text] : files) {
    write_file_atomically(directory / "test" / (subject + "_test.csv"), text);
  }
  write_file_atomically(directory / "categories.json", json_text(categories, 2) + "\n");
}

}  // namespace refocus
