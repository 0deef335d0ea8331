// Bodies as clients send them, and what the readers make of each: bodies/NAME.json has both.
#include <fstream>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "request_support.h"
#include "support.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

std::vector<std::filesystem::path> body_files() {
  std::vector<std::filesystem::path> out;
  const auto folder = std::filesystem::path(REFOCUS_SOURCE) / "tests/server/openai/bodies";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

class Clients : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Clients, AreUnderstood) {
  const ordered_json file = parse_ordered_json_object(read_text_file(GetParam()), {GetParam().string()});
  const ordered_json found = testing::described(file["endpoint"].get<std::string>(), json_text(file["body"]));
  ASSERT_FALSE(file["expected"].empty());
  for (const auto& [name, expected] : file["expected"].items()) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(json_text(found[name]), json_text(expected)) << file["client"] << ": " << name;
  }
}

INSTANTIATE_TEST_SUITE_P(, Clients, ::testing::ValuesIn(body_files()),
                         [](const auto& file) { return file.param.stem().string(); });

}  // namespace
}  // namespace refocus::openai
