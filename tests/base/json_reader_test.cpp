#include "base/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/json_node.h"

namespace refocus {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class F>
std::string error_of(F&& run) {
  try {
    run();
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

std::string error(std::string_view text) {
  const std::string checked = error_of([&] { check_json(text, {"f.json"}); });
  EXPECT_EQ(error_of([&] { parse_json(text, {"f.json"}); }), checked);
  EXPECT_EQ(error_of([&] { parse_ordered_json(text, {"f.json"}); }), checked);
  return checked;
}

std::string nested(int levels, std::string_view open, std::string_view close) {
  std::string out;
  for (int i = 0; i < levels; ++i) out += open;
  out += "1";
  for (int i = 0; i < levels; ++i) out += close;
  return out;
}

TEST(JsonReader, KeepsWhatTheTextSays) {
  const auto value = parse_ordered_json(
      " {\"z\": [1, -2, 3.5, 1e3, true, false, null], \"a\": {\"\": \"x\"}, \"b\": [], \"c\": {}}\r\n\t ",
      {"f"});
  EXPECT_EQ(json_text(value), R"({"z":[1,-2,3.5,1000.0,true,false,null],"a":{"":"x"},"b":[],"c":{}})");
  EXPECT_EQ(json_text(parse_json(R"({"z":1,"a":2})", {"f"})), R"({"a":2,"z":1})");
  EXPECT_EQ(parse_json(R"("\"\\\/\b\f\n\r\t\u00e4\u20AC\ud83d\ude00\u0000")", {"f"}),
            json(std::string("\"\\/\b\f\n\r\t\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\0", 18)));
  EXPECT_EQ(parse_json("[\"\xC3\xA4\"]", {"f"}), json({"\xC3\xA4"}));
}

TEST(JsonReader, KeepsWholeNumbersWhole) {
  EXPECT_EQ(parse_json("18446744073709551615", {"f"}).get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(parse_json("-9223372036854775808", {"f"}).get<std::int64_t>(), INT64_MIN);
  EXPECT_TRUE(parse_json("7", {"f"}).is_number_unsigned());
  EXPECT_TRUE(parse_json("-7", {"f"}).is_number_integer());
  EXPECT_TRUE(parse_json("7.0", {"f"}).is_number_float());
  EXPECT_EQ(parse_json("18446744073709551616", {"f"}).get<double>(), 18446744073709551616.0);
  EXPECT_EQ(parse_json("0.1", {"f"}).get<double>(), 0.1);
  EXPECT_EQ(parse_json("1e-400", {"f"}).get<double>(), 0);
  EXPECT_EQ(parse_json("5e-324", {"f"}).get<double>(), 5e-324);
}

TEST(JsonReader, RefusesDepthBeforeAnythingRecurses) {
  EXPECT_EQ(json_text(parse_json(nested(64, "[", "]"), {"f"})), nested(64, "[", "]"));
  EXPECT_EQ(
      error(nested(65, "[", "]")),
      "[f.json] expected JSON of at most 64 levels, got one nested too deeply at line 1, column 65; correct "
      "the file");
  EXPECT_THAT(error(nested(65, "{\"a\":", "}")), HasSubstr("nested too deeply at line 1, column 321"));
  EXPECT_THAT(error(std::string(200'000, '[')), HasSubstr("nested too deeply"));
  std::string mixed;
  for (int i = 0; i < 200'000; ++i) mixed += "[{\"a\":";
  EXPECT_THAT(error(mixed), HasSubstr("nested too deeply"));
}

TEST(JsonReader, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(error("{\n  \"a\": 1\n  \"b\": 2}"),
            "[f.json] expected JSON with ',' or '}' at line 3, column 3, got '\"'; correct the file");
  EXPECT_EQ(error(""),
            "[f.json] expected JSON with a value at line 1, column 1, got an empty text; correct the file");
  EXPECT_EQ(
      error("[1,"),
      "[f.json] expected JSON with a value at line 1, column 4, got the end of the text; correct the file");
  EXPECT_THAT(error("[NaN]"), HasSubstr("a value at line 1, column 2, got 'NaN'"));
  EXPECT_THAT(error("[1] 2"), HasSubstr("nothing more at line 1, column 5, got '2'"));
  EXPECT_THAT(error("{a: 1}"), HasSubstr("a key in quotes or '}' at line 1, column 2, got 'a'"));
  EXPECT_THAT(error("{\"a\": 1,}"), HasSubstr("a key in quotes at line 1, column 9, got '}'"));
  EXPECT_THAT(error("{\"a\" 1}"), HasSubstr("':' at line 1, column 6, got '1'"));
  EXPECT_THAT(error("[1}"), HasSubstr("',' or ']' at line 1, column 3, got '}'"));
  EXPECT_THAT(error("[01]"), HasSubstr("',' or ']' at line 1, column 3, got '1'"));
  EXPECT_THAT(error("[1.]"), HasSubstr("a digit at line 1, column 4, got ']'"));
  EXPECT_THAT(error("[-]"), HasSubstr("a digit at line 1, column 3"));
  EXPECT_THAT(error("[1e999]"), HasSubstr("numbers that a double can hold at line 1, column 2, got '1e999'"));
  EXPECT_THAT(error("\"a\nb\""),
              HasSubstr("no control character in a string at line 1, column 3, got '\\x0a'"));
  EXPECT_THAT(error("\"a"), HasSubstr("'\"' at the end of a string at line 1, column 3, got the end"));
  EXPECT_THAT(error(R"("\x")"), HasSubstr("after '\\' in a string at line 1, column 3, got 'x'"));
  EXPECT_THAT(error(R"("\u12g4")"), HasSubstr("four hexadecimal digits"));
  EXPECT_THAT(error(R"("\ud800")"), HasSubstr("both halves of a character"));
  EXPECT_THAT(error(R"("\ud800\u0041")"), HasSubstr("both halves of a character"));
  EXPECT_THAT(error(R"("\udc00")"), HasSubstr("both halves of a character"));
  EXPECT_EQ(error("{\"\xC3\xA4\": \"\xFF\"}"),
            "[f.json] expected UTF-8, got other bytes at line 1, column 8; correct the file");
  EXPECT_EQ(
      error("\xEF\xBB\xBF[]"),
      "[f.json] expected JSON with a value at line 1, column 1, got a byte order mark (U+FEFF), which is "
      "invisible, as where files were joined; correct the file");
  for (const char* later :
       {"[\xEF\xBB\xBF]", "{}\xEF\xBB\xBF", "{\"a\": \xEF\xBB\xBF\x31}", "[1,\n\xEF\xBB\xBF\x32]"}) {
    EXPECT_THAT(error(later), HasSubstr("got a byte order mark (U+FEFF), which is invisible, as where"));
  }
  EXPECT_THAT(
      error_of([] {
        parse_json("[", {"f.jsonl:7", "download it again", true});
      }),
      HasSubstr("[f.jsonl:7] expected JSON with a value at column 2, got the end of the text; download it "
                "again"));
}

TEST(JsonReader, RefusesAKeyTwice) {
  EXPECT_EQ(
      error("{\"a\": {\"b\": 1},\n \"\\u0061\": 2}"),
      "[f.json] expected each key once in JSON, got 'a' twice, again at line 2, column 2; correct the file");
  EXPECT_EQ(json_text(parse_json(R"([{"a":1},{"a":{"a":2}}])", {"f"})), R"([{"a":1},{"a":{"a":2}}])");
}

TEST(JsonReader, WantsAnObject) {
  EXPECT_EQ(error_of([] { parse_json_object("[1]", {"f"}); }),
            "[f] expected a JSON object, got a list; correct the file");
  EXPECT_EQ(error_of([] { parse_ordered_json_object("3", {"f"}); }),
            "[f] expected a JSON object, got a number; correct the file");
}

// An object of many keys, which a search for each would make quadratic.
TEST(JsonReader, TakesTimeInProportion) {
  std::string text = "{";
  for (int i = 0; i < 300'000; ++i) text += fmt::format("{}\"k{}\":{}", i == 0 ? "" : ",", i, i);
  text += "}";
  EXPECT_EQ(parse_ordered_json(text, {"f"}).size(), 300'000u);  // minutes, if it were
}

// Whatever nlohmann's own reader takes or refuses, ours does, apart from depth and keys, with the same value.
TEST(JsonReader, AgreesWithAnotherReader) {
  const std::string seeds[] = {R"({"a":[1,-2.5e+3,true,null,"\u00e4\n"],"b":{"c":false}})",
                               R"([0.5,1e2,"x\\y",[[]],{}])", R"("\ud83d\ude00 text")", "-0",
                               "[12345678901234567890123, 1E-9]"};
  const std::string alphabet = "{}[]\",:\\0123456789.eE+-truefalsn \n\tud8x\x01\xC3\xA4";
  std::mt19937 random(7);
  int valid = 0, invalid = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = seeds[static_cast<std::size_t>(round) % std::size(seeds)];
    for (int change = static_cast<int>(random() % 3) + 1; change > 0 && !text.empty(); --change) {
      const std::size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      if (random() % 3 == 0)
        text.erase(at, 1);
      else if (random() % 2 == 0)
        text.insert(at, 1, c);
      else
        text[at] = c;
    }
    const ordered_json theirs = ordered_json::parse(text, nullptr, false);
    const std::string failure = error_of([&] { EXPECT_EQ(parse_ordered_json(text, {"f"}), theirs) << text; });
    if (failure.find("twice") != std::string::npos) continue;
    EXPECT_EQ(failure != "no error", theirs.is_discarded()) << text << ": " << failure;
    ++(theirs.is_discarded() ? invalid : valid);
  }
  EXPECT_GT(valid, 1000);
  EXPECT_GT(invalid, 1000);
}

TEST(JsonLines, AreTheLinesThatHoldSomething) {
  const auto numbers = [](std::string_view text, BlankLines blank) {
    std::vector<std::pair<int, std::string>> out;
    for (const JsonLine& line : json_lines(text, "f.jsonl", blank)) out.emplace_back(line.number, line.text);
    return out;
  };
  using P = std::pair<int, std::string>;
  EXPECT_THAT(numbers("{}\r\n\n \t\n[1]", BlankLines::kSkip), ElementsAre(P{1, "{}"}, P{4, "[1]"}));
  EXPECT_THAT(numbers("1\n2\n\r\n \n", BlankLines::kAtEnd), ElementsAre(P{1, "1"}, P{2, "2"}));
  EXPECT_THAT(numbers("", BlankLines::kAtEnd), ElementsAre());
  EXPECT_EQ(error_of([&] { numbers("1\n\n2\n", BlankLines::kAtEnd); }),
            "[f.jsonl:2] expected a JSON object, got a blank line; remove it");
}

TEST(JsonText, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(json_text(json{{"a\xFF", "b\xC3"}}), "{\"a\xEF\xBF\xBD\":\"b\xEF\xBF\xBD\"}");
  EXPECT_EQ(json_text(ordered_json({1, NAN, INFINITY})), "[1,null,null]");
  EXPECT_EQ(json_text(json{{"a", 1}}, 2), "{\n  \"a\": 1\n}");
}

TEST(JsonText, AppendsStringsThatReadBack) {
  std::string every;
  for (char c = 0; c >= 0 && c < 127; ++c) every += c;
  for (const std::string& text : {every + "\x7F", std::string("\xC3\xA9 \xF0\x9F\x98\x80"), std::string()}) {
    std::string out = "[";
    append_json_string(out, text);
    EXPECT_EQ(parse_json(out + "]", {"f"}), json::array({text}));
  }
}

TEST(JsonNode, SaysWhichMemberIsNotWhatItShouldBe) {
  const json value =
      parse_json(R"({"a": {"list": [1, {"x": "text", "n": -1, "f": true}], "none": null}})", {"f"});
  const JsonNode root(value, {"f.json", "make it again"});
  const auto items = root.at("a").at("list").items();
  EXPECT_EQ(items[0].whole(), 1);
  EXPECT_EQ(items[0].number(), 1.0);
  EXPECT_EQ(items[1].at("x").text(), "text");
  EXPECT_TRUE(items[1].at("f").flag());
  EXPECT_FALSE(root.at("a").find("none"));
  EXPECT_FALSE(root.at("a").find("absent"));
  EXPECT_EQ(error_of([&] { items[1].at("y"); }), "[f.json] expected 'a.list[1].y', got none; make it again");
  EXPECT_EQ(error_of([&] { items[1].at("n").whole(); }),
            "[f.json] expected a whole number from 0 as 'a.list[1].n', got a number -1; make it again");
  EXPECT_EQ(error_of([&] { items[1].at("x").number(); }),
            "[f.json] expected a number as 'a.list[1].x', got a text \"text\"; make it again");
  EXPECT_EQ(error_of([&] { root.at("a").text(); }),
            "[f.json] expected a text as 'a', got an object; make it again");
  EXPECT_EQ(error_of([&] { root.at("a").at("none").at("x"); }),
            "[f.json] expected an object as 'a.none', got null; make it again");
  EXPECT_EQ(error_of([&] { root.items(); }), "[f.json] expected a list, got an object; make it again");
}

}  // namespace
}  // namespace refocus
