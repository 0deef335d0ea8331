// Attention over HTTP: the files of `refocus attention`, byte for byte, and no answer changes by it.
#include <algorithm>
#include <thread>

#include "base/utf8.h"
#include "cli/serve/served.h"
#include "io/pytorch/zip_directory.h"

namespace refocus {
namespace {

using testing::answer;
using testing::Client;
using ::testing::HasSubstr;
using testing::Json;
using testing::Served;
using testing::TempDir;
using testing::told;

const std::string kText = "Analysis: the blue crate lies in the";

std::string get(const Served& served, const std::string& path) {
  Client client = served.client();
  client.send(testing::http_request("GET", path, "", "Connection: close\r\n"));
  return client.rest();
}

Json with_attention(Json body, const Json& attention) {
  body["refocus"]["attention"] = attention;
  return body;
}

Json without_receipt(Json answer) {
  answer["refocus"].erase("attention");
  return answer;
}

Json question(int tokens, const std::string& model = "worlds@reb") {
  Json out = testing::completion(kText, tokens);
  out["model"] = model;
  return out;
}

TEST(ServeAttention, ArchivesAreTheFilesOfTheCommand) {
  const Served served;
  TempDir dir;
  const Json asked = {{"top_k", 5}, {"before", true}, {"layers", {1, 3}}, {"heads", {0, 2, 4}}};
  const Json got = answer(served, "/v1/completions", with_attention(question(6), asked));
  EXPECT_EQ(without_receipt(got)["choices"], answer(served, "/v1/completions", question(6))["choices"]);
  const Json& receipt = got["refocus"]["attention"];
  const std::string response = get(served, receipt["url"].get<std::string>() + ".npz");
  ASSERT_EQ(testing::status_of(response), 200);
  EXPECT_THAT(response, HasSubstr("Content-Type: application/zip"));
  const std::string archive = testing::body_of(response);
  const ZipDirectory entries = read_zip_directory(std::as_bytes(std::span(archive)), "archive");

  const std::int64_t prompt = got["usage"]["prompt_tokens"], made = got["usage"]["completion_tokens"];
  ASSERT_EQ(made, 6);
  const auto captured =
      testing::refocus({"attention", "-m",          served.model(),
                        "-p",        kText,         "--max-new-tokens",
                        "6",         "--intervene", testing::kServedSpec,
                        "--layers",  "1,3",         "--heads",
                        "0,2,4",     "--queries",   fmt::format("{}-{}", prompt - 1, prompt + made - 2),
                        "--top-k",   "5",           "--before",
                        "--no-page", "-o",          (dir / "looked").string()});
  ASSERT_EQ(captured.status, 0) << captured.err;
  const Json whole = Json::parse(testing::file_text(dir / "looked/attention.json"));
  int compared = 0;
  for (const auto& [name, file] : whole["arms"][0]["files"].items()) {
    const auto entry = entries.find(name + ".npy");
    ASSERT_NE(entry, entries.end()) << name;
    const std::string_view bytes(reinterpret_cast<const char*>(entry->second.data()), entry->second.size());
    EXPECT_EQ(bytes, testing::file_text(dir / "looked" / file.get<std::string>())) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 9);
  const auto& described = entries.at("attention.json");
  const Json own =
      Json::parse(std::string_view(reinterpret_cast<const char*>(described.data()), described.size()));
  for (const char* name : {"format", "version", "prompt_tokens", "layers", "heads", "queries", "keys", "kind",
                           "top_k", "before", "classes"}) {
    EXPECT_EQ(own[name], whole[name]) << name;
  }
  EXPECT_EQ(own["arms"][0]["intervention"], whole["arms"][0]["intervention"]);
  EXPECT_EQ(own["tokens"].size(), whole["tokens"].size());
}

TEST(ServeAttention, JsonHasTheSameRowsAndAsManyAsAreAskedFor) {
  const Served served;
  const Json inlined =
      answer(served, "/v1/completions",
             with_attention(question(6),
                            {{"top_k", 3}, {"layers", {2}}, {"reduce", "mean_heads"}, {"inline", true}}));
  const Json& receipt = inlined["refocus"]["attention"];
  const std::string url = receipt["url"];
  const auto json = [&](const std::string& end) {
    const std::string response = get(served, url + end);
    EXPECT_EQ(testing::status_of(response), 200) << response;
    return Json::parse(testing::body_of(response));
  };
  const Json all = json(".json");
  EXPECT_EQ(all["weights"], receipt["inline"]["weights"]);
  EXPECT_TRUE(all["heads"].is_null());
  EXPECT_EQ(all["tokens"].size(), inlined["usage"]["total_tokens"]);
  std::string text;
  for (const Json& token : all["tokens"]) text += token["text"].get<std::string>();
  EXPECT_THAT(text, HasSubstr(inlined["choices"][0]["text"].get<std::string>()));
  EXPECT_EQ(json("")["weights"], all["weights"]);
  const Json some = json("?rows=2:4");
  EXPECT_EQ(some["rows"].size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(some["rows"][i], all["rows"][i + 2]);
    EXPECT_EQ(some["weights"][0][0][i], all["weights"][0][0][i + 2]);
    double sum = some["weights"][0][0][i]["rest"];
    for (const Json& weight : some["weights"][0][0][i]["w"]) sum += weight.get<double>();
    EXPECT_GT(sum, 0.5);
  }
  EXPECT_EQ(json(".json?rows=4:")["rows"].size(), 2u);
  EXPECT_EQ(json(".json?rows=:1000")["rows"].size(), 6u);
  EXPECT_EQ(json(".json?rows=9:10")["rows"].size(), 0u);
}

// With streams, choices, echoes, and beside others.
TEST(ServeAttention, ChangesNoAnswer) {
  const Served served;
  const auto body = [](int i) {
    Json out = question(4 + i % 5, i % 2 == 0 ? "worlds" : "worlds@reb");
    out["n"] = 1 + i % 2;
    out["temperature"] = i % 3 == 0 ? 0 : 1;
    out["logprobs"] = 1;
    out["echo"] = i % 4 == 1;
    return out;
  };
  const auto told_choices = [](const Json& whole) { return whole["choices"].dump() + whole["usage"].dump(); };
  constexpr int kCount = 12;
  std::vector<std::string> alone, together(kCount);
  for (int i = 0; i < kCount; ++i) alone.push_back(told_choices(answer(served, "/v1/completions", body(i))));
  std::vector<std::thread> clients;
  for (int i = 0; i < kCount; ++i) {
    clients.emplace_back([&, i] {
      const Json kept = answer(served, "/v1/completions",
                               with_attention(body(i), {{"queries", i % 3 == 0 ? "all" : "generated"}}));
      const Json& receipts = kept["refocus"]["attention"];
      EXPECT_EQ(receipts.is_array(), i % 2 == 1);
      for (const Json& receipt : receipts.is_array() ? receipts : Json::array({receipts}))
        EXPECT_GT(receipt["rows"], 0);
      together[static_cast<std::size_t>(i)] = told_choices(kept);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(together, alone);
  Json streamed = with_attention(body(0), {{"layers", {0}}});
  streamed["stream"] = true;
  Client client = served.client();
  client.send(testing::http_request("POST", "/v1/completions", streamed.dump(),
                                    "Content-Type: application/json\r\nConnection: close\r\n"));
  const std::string events = client.rest();
  const std::size_t at = events.find("/v1/attention/");
  ASSERT_NE(at, std::string::npos) << events;
  EXPECT_LT(at, events.find("[DONE]"));
  EXPECT_EQ(testing::status_of(get(served, events.substr(at, 14 + 32))), 200);
}

TEST(ServeAttention, RefusesInOneLine) {
  const Served served({"--attention-bytes", "200000"});
  const auto refused = [&](const Json& attention, int tokens) {
    return testing::asked(served.client(), "/v1/completions", with_attention(question(tokens), attention));
  };
  EXPECT_THAT(refused({{"layers", {9}}}, 4), HasSubstr("refocus.attention.layers"));
  EXPECT_THAT(refused({{"queries", "all"}, {"top_k", 4096}}, 400), HasSubstr("attention_too_large"));
  EXPECT_THAT(get(served, "/v1/attention/none"), HasSubstr("attention_not_found"));
  const Json kept = answer(served, "/v1/completions", with_attention(question(4), {{"layers", {0}}}));
  const std::string url = kept["refocus"]["attention"]["url"];
  for (const char* end :
       {"?rows=1", "?rows=3:2", "?rows=a:b", "?rows=-1:2", ".npz?rows=0:1", "?rows=0:99999999999999999999"}) {
    const std::string response = get(served, url + end);
    EXPECT_EQ(testing::status_of(response), 400) << end;
    EXPECT_THAT(response, HasSubstr("\"param\":\"rows\"")) << end;
  }
  EXPECT_EQ(testing::status_of(get(served, url + ".zip")), 404);
}

TEST(ServeAttention, OldestMakesRoomAndIsSaidToBeGone) {
  const Served served({"--attention-store", "400000"});
  std::vector<std::string> urls;
  for (int i = 0; i < 12; ++i) {
    const Json kept = answer(served, "/v1/completions", with_attention(question(12), Json::object()));
    urls.push_back(kept["refocus"]["attention"]["url"]);
  }
  EXPECT_EQ(testing::status_of(get(served, urls.front())), 410);
  EXPECT_EQ(testing::status_of(get(served, urls.back())), 200);
}

}  // namespace
}  // namespace refocus
