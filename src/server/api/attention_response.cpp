#include "server/api/attention_response.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "analyze/statistics_files.h"
#include "base/utf8.h"
#include "server/api/attention_keeping.h"
#include "server/api/responses.h"
#include "server/openai/api_error.h"

namespace refocus::server {
namespace {

constexpr std::string_view kNpz = ".npz", kJson = ".json";

// "A:B" as places among `count`, cut off there.
std::pair<std::int64_t, std::int64_t> range_of(std::string_view text, std::int64_t count) {
  const auto refuse = [&] {
    throw openai::bad_request("rows",
                              "expected rows=A:B, from A up to B of {} rows, got '{}'; correct the address",
                              count, printable(text, 40));
  };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) refuse();
  const auto number = [&](std::string_view digits, std::int64_t absent) {
    if (digits.empty()) return absent;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < 0) refuse();
    return value;
  };
  const std::int64_t first = number(text.substr(0, colon), 0), last = number(text.substr(colon + 1), count);
  if (first > last) refuse();
  return {std::min(first, count), std::min(last, count)};
}

std::shared_ptr<const StoredAttention> find(AttentionStore& store, const std::string& id) {
  auto found = store.find(id);
  if (found) return found;
  if (store.was_there(id)) {
    throw openai::ApiError({.status = 410, .code = "attention_gone"},
                           fmt::format("expected attention that is still kept, got '{}', which had to make "
                                       "room or was too old; ask again for the answer",
                                       printable(id, 40)));
  }
  throw openai::ApiError({.status = 404, .code = "attention_not_found"},
                         fmt::format("expected the id of an answer's refocus.attention, got '{}'; it is kept "
                                     "where a request asks for it",
                                     printable(id, 40)));
}

http::Response archive_response(const std::string& id, const StoredAttention& stored,
                                const ArchiveModel& model) {
  return {200,
          {{"Content-Type", "application/zip"},
           {"Content-Disposition", fmt::format("attachment; filename=\"{}.npz\"", id)}},
          attention_archive(*stored.rows, stored.text, model)};
}

http::Response rows_response(const std::string& id, const StoredAttention& stored, const ArchiveModel& model,
                             std::optional<std::string_view> range) {
  const std::int64_t count = stored.rows->rows();
  const auto [first, last] = range_of(range.value_or(":"), count);
  const std::int64_t bytes = json_bytes(stored.rows->settings(), last - first);
  if (bytes > kMostAttentionJson) {
    throw openai::ApiError(
        {.code = "attention_too_large", .param = "rows"},
        fmt::format("expected at most {} MiB of JSON, got about {} for {} rows; ask for fewer with rows=A:B, "
                    "or for {}.npz",
                    kMostAttentionJson >> 20, bytes >> 20, last - first, id));
  }
  const KeptText& text = stored.text;
  const auto classes = classify_tokens(model.tokenizer, text.tokens);
  return json_response(openai::attention_answer(
      id, {text.intervention, text.prompt_tokens, tokens_json(model.tokenizer, text.tokens, classes, {})},
      values_of(*stored.rows, first, last)));
}

}  // namespace

http::Response attention_response(const http::Head& head, AttentionStore& store, const ArchiveModel& model) {
  std::string id = head.path.substr(kAttentionPath.size());
  const bool npz = id.ends_with(kNpz);
  if (npz || id.ends_with(kJson)) id.resize(id.size() - (npz ? kNpz : kJson).size());
  const auto stored = find(store, id);
  const auto rows = head.parameter("rows");
  if (!npz) return rows_response(id, *stored, model, rows);
  if (rows) {
    throw openai::bad_request("rows",
                              "expected no 'rows' of an .npz, which has all, got '{}'; ask for {}.json, or "
                              "name rows in refocus.attention.queries",
                              printable(*rows, 40), id);
  }
  return archive_response(id, *stored, model);
}

}  // namespace refocus::server
