#include "model/golden_cases.h"

#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/text_file.h"

namespace refocus::testing {

namespace {

using nlohmann::json;

GoldenCase parse(const json& object) {
  GoldenCase golden;
  golden.name = object.at("name").get<std::string>();
  golden.model_dir = object.at("model").get<std::string>();
  golden.weights = object.at("weights").get<std::string>();
  golden.config_overrides = object.at("config_overrides").dump();
  golden.tokens = object.at("tokens").get<std::vector<std::int32_t>>();
  golden.calls = object.at("calls").get<std::vector<std::int64_t>>();
  golden.intervention = object.at("intervention").get<std::string>();
  golden.rows = object.at("rows").get<std::vector<std::int64_t>>();
  golden.logits_file = object.at("logits").get<std::string>();
  golden.logits_offset = object.at("logits_row").get<std::int64_t>();
  golden.greedy = object.at("greedy").get<std::vector<std::int32_t>>();
  const json& mask_count = object.at("mask_count");
  if (!mask_count.is_null()) golden.mask_count = mask_count.get<std::int64_t>();
  golden.attentions_file = object.value("attentions", "");
  return golden;
}

// A case that breaks this would make a test pass by comparing nothing, or read rows of another case.
void check(const GoldenCase& golden) {
  const auto tokens = static_cast<std::int64_t>(golden.tokens.size());
  const std::int64_t called = std::accumulate(golden.calls.begin(), golden.calls.end(), std::int64_t{0});
  if (tokens == 0 || called != tokens) {
    throw input_error(golden.name, "expected calls over all {} tokens, got {}; make the golden cases anew",
                      tokens, called);
  }
  if (golden.rows.empty() || golden.rows.front() < 0 || golden.rows.back() >= tokens ||
      golden.greedy.empty()) {
    throw input_error(golden.name,
                      "expected rows within the tokens and greedy ids; make the golden cases anew");
  }
}

}  // namespace

std::vector<GoldenCase> load_golden_cases(const std::filesystem::path& directory) {
  const json root = json::parse(read_text_file(directory / "cases.json"));
  std::vector<GoldenCase> cases;
  for (const json& object : root.at("cases")) {
    cases.push_back(parse(object));
    check(cases.back());
  }
  if (cases.empty()) throw input_error((directory / "cases.json").string(), "expected cases, got none");
  return cases;
}

std::string golden_config(const std::filesystem::path& directory, const GoldenCase& golden) {
  json config = json::parse(read_text_file(directory / golden.model_dir / "config.json"));
  config.update(json::parse(golden.config_overrides));
  return config.dump();
}

}  // namespace refocus::testing
