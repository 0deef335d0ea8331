#include "server/openai/api_error.h"

#include "support.h"

namespace refocus::openai {
namespace {

TEST(OpenAiError, IsTheObjectThatClientsRead) {
  EXPECT_EQ(
      error_text(bad_request("n", "expected {}", 3)),
      R"({"error":{"message":"[request] expected 3","type":"invalid_request_error","param":"n","code":null}})");
  EXPECT_EQ(
      error_text({.status = 401, .code = "invalid_api_key"}, "a \"key\"\n"),
      R"({"error":{"message":"a \"key\"\n","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})");
  EXPECT_EQ(bad_request("n", "x").status(), 400);
}

TEST(OpenAiError, AnInputErrorKeepsItsWords) {
  const InputError spec("--intervene 'x] y'", "expected a name, got 'q]'; correct it");
  const ApiError made = api_error(spec, "refocus.intervene");
  EXPECT_STREQ(made.what(), spec.what());
  EXPECT_EQ(made.status(), 400);
  EXPECT_EQ(made.fault().param, "refocus.intervene");
  const InputError bracket("file 'a]b'", "expected c");
  EXPECT_STREQ(api_error(bracket).what(), "[file 'a]b'] expected c");
  const ApiError again = api_error(unsupported("suffix", "m"), "other");
  EXPECT_EQ(again.fault().param, "suffix");
  EXPECT_EQ(again.fault().code, "unsupported_parameter");
}

TEST(OpenAiError, APromptThatIsTooLongHasTheCodeThatEvaluatorsKnow) {
  const ApiError error = context_length_error(2000, 100, 2048);
  EXPECT_EQ(error.fault().code, "context_length_exceeded");
  EXPECT_EQ(error.status(), 400);
  EXPECT_THAT(error.what(),
              ::testing::HasSubstr("maximum context length is 2048 tokens, however you requested 2100"));
}

}  // namespace
}  // namespace refocus::openai
