#include "base/record_kind.h"

#include <nlohmann/json.hpp>

#include "base/json_reader.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

std::string name_of(const char* text) {
  return std::string(kind_of_record(nlohmann::json::parse(text), {"another", "correct it"}).name);
}

TEST(RecordKind, IsKnownByKeys) {
  EXPECT_EQ(name_of(R"({"doc_id":1,"doc":{},"resps":[]})"), "a sample of an evaluation");
  EXPECT_EQ(name_of(R"({"messages":[]})"), "a conversation");
  EXPECT_EQ(name_of(R"({"prompt":"a","response":"b"})"), "a prompt with its response");
  EXPECT_EQ(name_of(R"({"prompt":"a"})"), "a prompt");
  EXPECT_EQ(name_of(R"({"text":"a"})"), "a text");
  EXPECT_EQ(name_of(R"({"goal":"a","sol1":"b","sol2":"c"})"), "an item of PIQA");
  EXPECT_EQ(name_of(R"({"custom_id":"a","body":{}})"), "a request of OpenAI's batch API");
  EXPECT_EQ(name_of(R"({"words":1})"), "another");
}

TEST(OtherLines, AreNamed) {
  const auto of = [](std::string_view text, const std::string& file) {
    return testing::error_of([&] { refuse_other_lines(text, file); });
  };
  EXPECT_EQ(of("a,b\n1,2\n", "x.CSV"),
            "[x.CSV] expected JSON lines, got a table (.csv); give a file with a JSON object a line");
  EXPECT_THAT(of("<!doctype html><p>", "x.jsonl"), HasSubstr("got a web page"));
  EXPECT_THAT(of("{\n \"text\": \"a\"\n}\n", "x.json"), HasSubstr("a JSON document over several lines"));
  EXPECT_THAT(of("[\r\n{\"text\": \"a\"}]", "x.json"), HasSubstr("a JSON document over several lines"));
}

// Whatever may be lines of JSON with a fault passes, for their reader to say where it is.
TEST(OtherLines, PassWhereTheyMayBeLines) {
  for (const char* text :
       {"", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", "{\n", "[\n{\"text\": \"a\"}\n", "x\n", "\x01\x02"}) {
    EXPECT_NO_THROW(refuse_other_lines(text, "x.jsonl")) << text;
  }
  EXPECT_EQ(json_lines("{\"a\": 1}\n", "x.jsonl", BlankLines::kSkip).size(), 1u);
  EXPECT_THAT(testing::error_of([] { json_lines("a,b\n", "x.csv", BlankLines::kSkip); }),
              HasSubstr("a table"));
}

}  // namespace
}  // namespace refocus
