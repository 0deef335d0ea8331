#include "server/openai/request_parts.h"

#include <algorithm>
#include <array>

#include "base/json_reader.h"
#include "server/openai/api_error.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

std::vector<std::string> read_stop(const Fields& fields) {
  const ordered_json* value = fields.find("stop");
  if (value == nullptr) return {};
  if (!value->is_string() && !value->is_array()) refuse_value("stop", "a text or a list of texts", *value);
  std::vector<std::string> out;
  const auto add = [&](const ordered_json& item, const std::string& path) {
    if (!item.is_string()) refuse_value(path, "a text", item);
    const std::string& text = item.get_ref<const std::string&>();
    if (text.empty() || text.size() > kLongestStop) {
      throw bad_request(path, "expected a text of 1 to {} bytes as '{}', got {} bytes; correct the request",
                        kLongestStop, path, text.size());
    }
    out.push_back(text);
  };
  if (value->is_string()) {
    add(*value, "stop");
    return out;
  }
  if (value->size() > kMostStops) {
    throw bad_request("stop", "expected at most {} texts as 'stop', got {}; leave some out", kMostStops,
                      value->size());
  }
  for (std::size_t i = 0; i < value->size(); ++i) add((*value)[i], fmt::format("stop[{}]", i));
  return out;
}

// The texts of a content's parts.
std::string joined_parts(const ordered_json& parts, const std::string& path) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ordered_json& part = parts[i];
    const std::string own = fmt::format("{}[{}]", path, i);
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) {
      refuse_value(own, R"(a part {"type": "text", "text": TEXT})", part);
    }
    if (part["type"] != "text") {
      throw unsupported(own,
                        fmt::format("expected parts of type 'text' in '{}', got '{}'; this model reads text "
                                    "alone, and no address is fetched",
                                    printable(path, 160), printable(part["type"].get<std::string>(), 40)));
    }
    if (!part.contains("text") || !part["text"].is_string()) {
      refuse_value(own, R"(a part {"type": "text", "text": TEXT})", part);
    }
    if (i > 0) out += '\n';
    out += part["text"].get_ref<const std::string&>();
  }
  return out;
}

ChatMessage read_message(const ordered_json& value, int place, const std::string& path) {
  if (!value.is_object() || !value.contains("role") || !value["role"].is_string()) {
    refuse_value(path, R"(a message {"role": TEXT, "content": TEXT})", value);
  }
  if (value.size() > kMostMembers) {
    throw bad_request(path, "expected a message of at most {} members as '{}', got {}; leave some out",
                      kMostMembers, path, value.size());
  }
  // Templates ask whether a member is there, and clients write those they do not use as null.
  ordered_json whole = ordered_json::object();
  for (const auto& [name, member] : value.items()) {
    if (!member.is_null() || name == "content") whole[name] = member;
  }
  const std::string own = path + ".content";
  ordered_json& content = whole["content"];
  if (content.is_array()) content = joined_parts(ordered_json(content), own);
  // An assistant's message that calls tools may say nothing itself.
  if (!content.is_string() && !(content.is_null() && whole.contains("tool_calls"))) {
    refuse_value(own, "a text or a list of parts", content);
  }
  return chat_message(whole, place, "request");
}

std::vector<std::int32_t> layers_or_heads(const Fields& fields, std::string_view name) {
  constexpr std::int32_t kMost = 65'535;
  const ordered_json* value = fields.find(name);
  if (value == nullptr || *value == "all") return {};
  std::vector<std::int32_t> out = whole_numbers(*value, fields.path(name), 0, kMost);
  if (out.empty()) refuse_value(fields.path(name), "at least one number, or \"all\"", *value);
  return out;
}

void read_queries(const Fields& fields, AttentionRequest& out) {
  const ordered_json* value = fields.find("queries");
  if (value == nullptr || *value == "generated") return;
  if (*value == "all") {
    out.queries = AttentionRequest::Queries::kAll;
    return;
  }
  if (!value->is_array() || value->empty()) {
    refuse_value(fields.path("queries"), R"("generated", "all" or a list of positions)", *value);
  }
  out.queries = AttentionRequest::Queries::kListed;
  out.rows = whole_numbers(*value, fields.path("queries"), 0, INT32_MAX);
}

AttentionRequest read_attention(const ordered_json& value) {
  const Fields fields(value, FieldsOf::kAttention, "refocus.attention.");
  fields.refuse_unknown();
  AttentionRequest out;
  out.layers = layers_or_heads(fields, "layers");
  out.heads = layers_or_heads(fields, "heads");
  read_queries(fields, out);
  out.top_k = static_cast<std::int32_t>(fields.whole("top_k", 1, 4096).value_or(out.top_k));
  if (const ordered_json* reduce = fields.find("reduce"); reduce != nullptr && *reduce != "none") {
    if (*reduce != "mean_heads") refuse_value(fields.path("reduce"), R"("none" or "mean_heads")", *reduce);
    out.mean_heads = true;
  }
  out.before = fields.flag("before", false);
  out.inline_rows = fields.flag("inline", false);
  return out;
}

}  // namespace

ordered_json read_body(std::string_view body) {
  try {
    return parse_ordered_json_object(body, {"request", "correct the request"});
  } catch (const InputError& e) {
    throw api_error(e);
  }
}

RefocusRequest read_refocus(const ordered_json& value) {
  const Fields fields(value, FieldsOf::kRefocus, "refocus.");
  fields.refuse_unknown();
  RefocusRequest out;
  out.intervene = fields.text("intervene", kLongestSpec);
  if (out.intervene && out.intervene->empty()) {
    refuse_value(fields.path("intervene"), "a SPEC, such as \"none\"", *fields.find("intervene"));
  }
  if (const ordered_json* attention = fields.find("attention")) out.attention = read_attention(*attention);
  return out;
}

void read_generation_fields(const Fields& fields, GenerationRequest& out) {
  fields.refuse_unsupported();
  out.ignored = fields.unknown();
  out.model = fields.text("model", kLongestSpec).value_or("");
  Sampling& sampling = out.sampling;
  sampling.temperature = fields.number("temperature", 0, 2, sampling.temperature);
  sampling.top_p = fields.number("top_p", 0, 1, sampling.top_p);
  sampling.min_p = fields.number("min_p", 0, 1, sampling.min_p);
  // vLLM writes "all" as -1, llama.cpp as 0.
  sampling.top_k = std::max<std::int64_t>(fields.whole("top_k", -1, INT32_MAX).value_or(0), 0);
  sampling.seed = fields.whole("seed", INT64_MIN, INT64_MAX);
  out.n = fields.whole("n", 1, kMostChoices).value_or(1);
  out.stop = read_stop(fields);
  out.stream = fields.flag("stream", false);
  if (const ordered_json* options = fields.find("stream_options")) {
    const Fields inner(*options, FieldsOf::kStreamOptions, "stream_options.");
    inner.refuse_unsupported();
    out.include_usage = inner.flag("include_usage", false);
    for (std::string& name : inner.unknown()) out.ignored.push_back(std::move(name));
  }
  out.prompt_logprobs = fields.whole("prompt_logprobs", 0, kMostAlternatives);
  if (out.prompt_logprobs && out.stream) {
    throw bad_request("prompt_logprobs",
                      "expected 'prompt_logprobs' without 'stream', got both; leave one of them out");
  }
  out.priority = fields.whole("priority", -kMostPriority, kMostPriority).value_or(0);
  if (const ordered_json* refocus = fields.find("refocus")) out.refocus = read_refocus(*refocus);
}

bool is_message_list(const ordered_json& value) {
  return value.is_array() && !value.empty() && value[0].is_object();
}

std::vector<ChatMessage> read_messages(const ordered_json& value, const std::string& path,
                                       std::size_t& room) {
  if (!value.is_array() || value.empty()) refuse_value(path, "a list of at least one message", value);
  if (value.size() > room) {
    throw bad_request(path, "expected at most {} messages a request, got more; shorten the conversation",
                      kMostMessages);
  }
  room -= value.size();
  std::vector<ChatMessage> out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    out.push_back(read_message(value[i], static_cast<int>(i), fmt::format("{}[{}]", path, i)));
  }
  return out;
}

ordered_json read_template_arguments(const Fields& fields) {
  constexpr std::array<std::string_view, 4> kTaken = {"messages", "tools", "documents",
                                                      "add_generation_prompt"};
  const std::string name = "chat_template_kwargs";
  const ordered_json* value = fields.find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) refuse_value(name, "an object", *value);
  if (value->size() > kMostArguments || json_text(*value).size() > kArgumentBytes) {
    throw bad_request(name, "expected at most {} names and {} bytes as '{}', got more; leave some out",
                      kMostArguments, kArgumentBytes, name);
  }
  for (const std::string_view taken : kTaken) {
    if (!value->contains(taken)) continue;
    throw bad_request(fmt::format("{}.{}", name, taken),
                      "expected '{}' beside '{}', got it within; move it out", taken, name);
  }
  return *value;
}

}  // namespace refocus::openai
