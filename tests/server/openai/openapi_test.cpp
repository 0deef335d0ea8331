// The description against what it describes: the fields and limits of the readers, and what the writers
// write.
#include "server/openai/openapi.h"

#include <set>

#include "../../tokenizer/tokenizer_support.h"
#include "answer_support.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "prompt/answer_end.h"
#include "request_support.h"
#include "schema_checker.h"
#include "server/openai/fields.h"
#include "server/openai/model_answers.h"
#include "server/openai/stream.h"
#include "support.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;
using testing::SchemaChecker;
using testing::scored;
using testing::unscored;

// An object of the requests: its schema, where it is read, and a body that has it with one more field.
struct DescribedObject {
  FieldsOf fields;
  const char* schema;
  const char* endpoint;
  const char* before;  // the field stands between these two
  const char* after;
};

const DescribedObject kObjects[] = {
    {FieldsOf::kCompletion, "CompletionRequest", "/v1/completions", R"({"prompt":"x",)", "}"},
    {FieldsOf::kChat, "ChatRequest", "/v1/chat/completions",
     R"({"messages":[{"role":"user","content":"x"}],"logprobs":true,)", "}"},
    {FieldsOf::kTokenize, "TokenizeRequest", "/tokenize", R"({"prompt":"x",)", "}"},
    {FieldsOf::kDetokenize, "DetokenizeRequest", "/detokenize", R"({"tokens":[1],)", "}"},
    {FieldsOf::kStreamOptions, "StreamOptions", "/v1/completions", R"({"prompt":"x","stream_options":{)",
     "}}"},
    {FieldsOf::kRefocus, "Refocus", "/v1/completions", R"({"prompt":"x","refocus":{)", "}}"},
    {FieldsOf::kAttention, "AttentionRequest", "/v1/completions", R"({"prompt":"x","refocus":{"attention":{)",
     "}}}"},
};

class OpenApi : public ::testing::Test {
 protected:
  const ordered_json document = parse_ordered_json_object(openapi_text(), {"openapi.json"});
  const SchemaChecker checker{document};

  const ordered_json& properties(const DescribedObject& object) const {
    return checker.named(object.schema).at("properties");
  }
  static std::string refused(const DescribedObject& object, const std::string& name,
                             const std::string& value) {
    return testing::refusal(object.endpoint,
                            fmt::format("{}\"{}\":{}{}", object.before, name, value, object.after));
  }
  // That a written text is what the schema says.
  void expect_valid(const std::string& schema, const std::string& text) const {
    EXPECT_EQ(checker.fault(checker.named(schema), parse_ordered_json(text, {"answer"})), "") << text;
  }
};

TEST_F(OpenApi, HasEveryEndpoint) {
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> paths;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) paths.insert(method + " " + path);
  }
  EXPECT_EQ(paths, (std::set<std::string>{"get /v1/models", "get /v1/models/{id}", "post /v1/completions",
                                          "post /v1/chat/completions", "post /tokenize", "post /detokenize",
                                          "get /tokenizer_info", "get /v1/attention/{id}", "get /v1/runs",
                                          "get /v1/runs/{id}/report", "get /", "get /health", "get /metrics",
                                          "get /openapi.json"}));
}

TEST_F(OpenApi, DescribesTheHeaderOfInterventions) {
  for (const char* path : {"/v1/completions", "/v1/chat/completions"}) {
    const ordered_json& parameter = document["paths"][path]["post"]["parameters"][0];
    EXPECT_EQ(parameter["name"], kInterveneHeader);
    EXPECT_EQ(parameter["in"], "header");
    // Of a line of 8 KiB.
    EXPECT_EQ(parameter["schema"]["maxLength"], kLongestSpec - kInterveneHeader.size() - 2);
  }
}

// The names behind "$ref" anywhere in the value.
void collect_references(const ordered_json& value, std::set<std::string>& out) {
  if (value.is_object() && value.contains("$ref")) out.insert(value["$ref"].get<std::string>());
  if (!value.is_structured()) return;
  for (const auto& member : value) collect_references(member, out);
}

TEST_F(OpenApi, EveryReferenceLeadsSomewhereAndEverySchemaIsUsed) {
  std::set<std::string> used, there = {"#/components/responses/Error"};
  collect_references(document, used);
  for (const auto& [name, schema] : document["components"]["schemas"].items()) {
    there.insert("#/components/schemas/" + name);
  }
  EXPECT_EQ(used, there);
}

TEST_F(OpenApi, DescribesTheFieldsThatAreRead) {
  for (const DescribedObject& object : kObjects) {
    std::set<std::string_view> read, described;
    for (const FieldRule& rule : fields_of(object.fields))
      EXPECT_TRUE(read.insert(rule.name).second) << rule.name;
    for (const auto& [name, schema] : properties(object).items()) described.insert(name);
    EXPECT_EQ(described, read) << object.schema;
  }
}

TEST_F(OpenApi, DescribesTheValuesThatChangeNothing) {
  for (const DescribedObject& object : kObjects) {
    for (const FieldRule& rule : fields_of(object.fields)) {
      if (rule.neutral.empty()) continue;
      ordered_json values = parse_ordered_json(rule.neutral, {"rule"});
      values.push_back(nullptr);
      EXPECT_EQ(properties(object)[std::string(rule.name)], ordered_json({{"enum", values}})) << rule.name;
    }
  }
}

TEST_F(OpenApi, DescribesTheLimitsOfNumbers) {
  int limits = 0;
  for (const DescribedObject& object : kObjects) {
    for (const auto& [name, schema] : properties(object).items()) {
      for (const bool upper : {false, true}) {
        const auto limit = schema.find(upper ? "maximum" : "minimum");
        if (limit == schema.end()) continue;
        const std::string at = json_text(*limit), beyond = [&]() -> std::string {
          if (at == "9223372036854775807") return "9223372036854775808";
          if (at == "-9223372036854775808") return "-9223372036854775809";
          return std::to_string(limit->get<std::int64_t>() + (upper ? 1 : -1));
        }();
        EXPECT_EQ(refused(object, name, at), "no error") << object.schema << " " << name;
        EXPECT_THAT(refused(object, name, beyond), ::testing::StartsWith("400 "))
            << object.schema << " " << name;
        ++limits;
      }
    }
  }
  EXPECT_GT(limits, 30);
}

TEST_F(OpenApi, DescribesTheLengthsOfTexts) {
  int limits = 0;
  for (const DescribedObject& object : kObjects) {
    for (const auto& [name, schema] : properties(object).items()) {
      if (!schema.contains("maxLength")) continue;
      const std::string longest(schema["maxLength"].get<std::size_t>(), 'a');
      EXPECT_EQ(refused(object, name, "\"" + longest + "\""), "no error") << name;
      EXPECT_THAT(refused(object, name, "\"" + longest + "a\""), ::testing::StartsWith("400 ")) << name;
      ++limits;
    }
  }
  EXPECT_EQ(limits, 5);
}

TEST_F(OpenApi, DescribesTheTypes) {
  int types = 0;
  for (const DescribedObject& object : kObjects) {
    for (const auto& [name, schema] : properties(object).items()) {
      if (!schema.contains("type")) continue;
      const bool flag = std::ranges::find(schema["type"], "boolean") != schema["type"].end();
      const std::string other = flag ? "1" : "true";
      EXPECT_THAT(refused(object, name, other), ::testing::StartsWith("400 "))
          << object.schema << " " << name;
      ++types;
    }
  }
  EXPECT_GT(types, 40);
}

TEST_F(OpenApi, DescribesTheDefaults) {
  int defaults = 0;
  const std::pair<const char*, const char*> kBodies[] = {
      {"CompletionRequest", R"({"prompt":"x"})"},
      {"ChatRequest", R"({"messages":[{"role":"a","content":"b"}]})"}};
  for (const auto& [schema, body] : kBodies) {
    const bool is_chat = std::string(schema) == "ChatRequest";
    const ordered_json found = testing::described(is_chat ? "/v1/chat/completions" : "/v1/completions", body);
    for (const auto& [name, property] : checker.named(schema)["properties"].items()) {
      if (!found.contains(name) || property.contains("anyOf") || property.contains("$ref") || name == "model")
        continue;
      EXPECT_EQ(found[name], property.contains("default") ? property["default"] : ordered_json())
          << schema << name;
      ++defaults;
    }
  }
  EXPECT_GT(defaults, 20);
}

TEST_F(OpenApi, BodiesOfClientsAreValid) {
  int bodies = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(REFOCUS_SOURCE) /
                                                               "tests/server/openai/bodies")) {
    const ordered_json file = parse_ordered_json(read_text_file(entry.path()), {entry.path().string()});
    for (const DescribedObject& object : kObjects) {
      if (file["endpoint"] != object.endpoint) continue;
      EXPECT_EQ(checker.fault(checker.named(object.schema), file["body"]), "") << entry.path();
      ++bodies;
      break;
    }
  }
  EXPECT_GT(bodies, 20);
}

TEST_F(OpenApi, AnswersAreValid) {
  const AttentionValues values{
      .layers = {0}, .heads = {}, .rows = {3}, .weights = {{{0, 1}, {0.5F, 0.25F}, 0.25F}}, .before = {}};
  Answer answer{.head = testing::head(), .choices = {}, .usage = {3, 2, 1}, .refocus = {}};
  expect_valid("Completion", completion_answer(answer));
  answer.refocus = {"none", {"user"}, {{.index = 0, .id = "a", .bytes = 1, .rows = 1, .values = values}}};
  answer.choices.push_back({.index = 0,
                            .text = "ab",
                            .finish_reason = kFinishEos,
                            .tokens = {{unscored(1, "<s>"), scored({5, "a", -1, 1}, {{6, "b", -2, 2}})}},
                            .prompt_tokens = {{unscored(1, "<s>"), scored({5, "a", -1, 0})}}});
  expect_valid("Completion", completion_answer(answer));
  expect_valid("ChatCompletion", chat_answer(answer));
  answer.refocus.attention.push_back(answer.refocus.attention[0]);
  answer.choices[0].tokens.reset();
  answer.choices[0].prompt_tokens.reset();
  expect_valid("Completion", completion_answer(answer));
  expect_valid("ChatCompletion", chat_answer(answer));
  expect_valid(
      "Attention",
      attention_answer("a", {"none", 1, {{{"id", 1}, {"text", ""}, {"piece", "<s>"}, {"class", "special"}}}},
                       values));
  expect_valid("Error", error_text(bad_request("n", "expected {}", 3)));
  expect_valid("Error", error_text(ApiFault{}, "x"));
  expect_valid("Health", health_answer(true));
  expect_valid("Health", health_answer(false));
  const ModelNames names("small", {{"reb", "none"}}, false);
  expect_valid("ModelList", models_answer(names, {1, 64}));
  expect_valid("Model", model_answer(names, names.find("small@reb"), {1, 64}));
}

TEST_F(OpenApi, ChunksAreValid) {
  const std::vector<ScoredToken> tokens = {scored({5, "a", -1, 1}, {{6, "b", -2, 2}})};
  const RefocusFacts facts{"none", {}, {}};
  for (const auto kind : {ChunkWriter::Kind::kCompletion, ChunkWriter::Kind::kChat}) {
    const std::string schema = kind == ChunkWriter::Kind::kChat ? "ChatCompletionChunk" : "CompletionChunk";
    const ChunkWriter writer(kind, testing::head(), true);
    for (const std::string& event :
         {writer.begin(0), writer.more(0, "a", nullptr), writer.more(0, "a", &tokens),
          writer.end(0, kFinishStop, &facts), writer.usage({1, 2, 0})}) {
      if (!event.empty()) expect_valid(schema, event.substr(6));
    }
  }
}

TEST_F(OpenApi, AnswersAboutTokensAreValid) {
  const auto tokenizer = refocus::testing::load_json(refocus::testing::synthetic_tokenizer("llama-2"));
  const std::vector<std::int32_t> ids = {1, 5, 200};
  expect_valid("TokenizerInfo", tokenizer_info_answer(*tokenizer, 64));
  expect_valid("Detokenized", detokenize_answer("a"));
  TokenizeRequest request;
  expect_valid("Tokenized", tokenize_answer(request, *tokenizer, ids, 64));
  request.pieces = true;
  expect_valid("Tokenized", tokenize_answer(request, *tokenizer, ids, 64));
  request.llama_cpp = true;
  expect_valid("Tokenized", tokenize_answer(request, *tokenizer, ids, 64));
}

// That the checker of this test finds faults at all.
TEST_F(OpenApi, WhatIsNotDescribedIsAFault) {
  const auto fault = [&](const char* schema, const char* text) {
    return checker.fault(checker.named(schema), parse_ordered_json(text, {"value"}));
  };
  EXPECT_EQ(fault("Health", R"({"status":"ok"})"), "");
  EXPECT_EQ(fault("Health", R"({"status":"o"})"), "$.status is not in the list: \"o\"");
  EXPECT_EQ(fault("Health", R"({"status":"ok","more":1})"), "$.more is not described");
  EXPECT_EQ(fault("Health", "{}"), "$ lacks status");
  EXPECT_EQ(fault("Health", "[]"), "$ is of another type: []");
  EXPECT_EQ(fault("DetokenizeRequest", R"({"tokens":[1,-1]})"), "$.tokens[1] is too small: -1");
  EXPECT_EQ(fault("DetokenizeRequest", R"({"tokens":[2147483648]})"), "$.tokens[0] is too large: 2147483648");
  EXPECT_EQ(fault("ChatRequest", R"({"messages":[]})"), "$.messages has too few");
  EXPECT_THAT(fault("CompletionRequest", R"({"prompt":3})"),
              ::testing::StartsWith("none of: $.prompt is of another"));
  EXPECT_EQ(fault("CompletionRequest", R"({"prompt":"a","n":17})"), "$.n is too large: 17");
}

}  // namespace
}  // namespace refocus::openai
