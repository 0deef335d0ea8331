#include "template/value.h"

#include "template_support.h"

namespace refocus::jinja {
namespace {

TEST(TemplateText, RunsFollowTheBytes) {
  TextBuilder builder(100);
  builder.add("ab", Source{0});
  builder.add("", Source{5});
  builder.add("c\u00e9", Source{1});
  builder.add("d", Source{1});
  const Text text = builder.take();
  EXPECT_EQ(text.bytes(), "abc\u00e9d");
  EXPECT_EQ(text.length(), 5u);
  EXPECT_EQ(text.runs(), (std::vector<TextRun>{{2, {0}}, {6, {1}}}));
  EXPECT_EQ(text.source().origin, 1u);
  EXPECT_EQ(text.source_at(1).origin, 0u);
  EXPECT_EQ(text.source_at(2).origin, 1u);
  EXPECT_EQ(text.byte_of(4), 5u);
  EXPECT_EQ(text.byte_of(9), 6u);
  EXPECT_EQ(text.character_of(5), 4u);
  const Text part = text.characters_between(1, 4);
  EXPECT_EQ(part.bytes(), "bc\u00e9");
  EXPECT_EQ(part.runs(), (std::vector<TextRun>{{1, {0}}, {4, {1}}}));
  EXPECT_TRUE(text.characters_between(3, 3).empty());
}

TEST(TemplateText, LengthIsLimited) {
  TextBuilder builder(3);
  builder.add("ab", Source{});
  builder.add("c", 1, Source{});
  EXPECT_THROW(builder.add("d", Source{}), InputError);
  EXPECT_THROW(builder.add("d", std::size_t{1} << 60, Source{}), InputError);
}

TEST(TemplateValue, KeysThatPythonFindsEqualAreOne) {
  DictData dict;
  EXPECT_TRUE(dict.set(Value::integer(1), Text("a")));
  EXPECT_TRUE(dict.set(Text("1"), Text("b")));
  EXPECT_TRUE(dict.set(Value::number(1.0), Text("c")));
  EXPECT_TRUE(dict.set(Value::boolean(true), Text("d")));
  EXPECT_TRUE(dict.set(Value::tuple({Value::integer(1), Text("x")}), Text("e")));
  EXPECT_FALSE(dict.set(Value::list({}), Text("f")));
  EXPECT_FALSE(dict.set(Value::tuple({Value::list({})}), Text("f")));
  ASSERT_EQ(dict.members.size(), 3u);
  EXPECT_EQ(dict.find(Value::integer(1))->text().bytes(), "d");
  EXPECT_EQ(dict.find("1")->text().bytes(), "b");
  EXPECT_EQ(dict.find(Value::tuple({Value::number(1.0), Text("x")}))->text().bytes(), "e");
  EXPECT_EQ(dict.find(Value::number(1.5)), nullptr);
}

TEST(TemplateValue, OfJson) {
  const auto json = parse_ordered_json(R"({"b": [1, -2.5, true, null, "x"], "a": {}})", {"test"});
  const Value value = from_json(json, 4);
  ASSERT_TRUE(value.is_dict());
  EXPECT_EQ(value.source().origin, 4u);
  EXPECT_EQ(value.dict().members[0].first.text().bytes(), "b");
  EXPECT_EQ(value.dict().members[0].first.source().origin, 4u);
  const auto& items = value.dict().find("b")->sequence().items;
  EXPECT_EQ(items[0].whole(), 1);
  EXPECT_EQ(items[1].real(), -2.5);
  EXPECT_TRUE(items[2].truth_value());
  EXPECT_TRUE(items[3].is_none());
  EXPECT_EQ(items[4].text().source().origin, 4u);
  EXPECT_THAT(refocus::testing::error_of([] { from_json(nlohmann::ordered_json(UINT64_MAX), 1, "data"); }),
              ::testing::HasSubstr("[data] expected whole numbers up to 9223372036854775807"));
}

}  // namespace
}  // namespace refocus::jinja
