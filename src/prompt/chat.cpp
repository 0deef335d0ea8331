#include "prompt/chat.h"

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "template/json_value.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// The origins that a rendering can meet: id 0 is the template's own text, id k the pieces[k - 1] below.
class Origins {
 public:
  jinja::OriginId add(bool is_template, PieceOrigin origin) {
    for (std::size_t k = 0; k < known_.size(); ++k) {
      if (known_[k].is_template == is_template && known_[k].origin == origin) return id_of(k);
    }
    known_.push_back({"", is_template, std::move(origin)});
    return id_of(known_.size() - 1);
  }
  PromptPiece piece(std::string text, jinja::OriginId id) const {
    if (id == jinja::kTemplateOrigin) return template_piece(std::move(text));
    const PromptPiece& known = known_[id - 1];
    return {std::move(text), known.is_template, known.origin};
  }

 private:
  static jinja::OriginId id_of(std::size_t k) { return static_cast<jinja::OriginId>(k + 1); }
  std::vector<PromptPiece> known_;
};

constexpr std::size_t kMostText = std::size_t{1} << 28;

jinja::Value content_value(const Prompt& content, Origins& origins) {
  jinja::TextBuilder text(kMostText);
  for (const PromptPiece& piece : content) {
    const std::string valid = is_valid_utf8(piece.text) ? piece.text : replace_invalid_utf8(piece.text);
    text.add(valid, jinja::Source{origins.add(piece.is_template, piece.origin)});
  }
  return text.take();
}

jinja::Value message_value(const ChatMessage& message, int place, Origins& origins) {
  PieceOrigin origin;
  origin.role = message.role;
  origin.message = place;
  auto out = std::make_shared<jinja::DictData>();
  const auto key = [](const char* name) { return jinja::Value(jinja::Text(name)); };
  PieceOrigin of_role = origin;
  of_role.field = "role";
  const jinja::OriginId whole = origins.add(false, of_role);
  out->set(key("role"), jinja::Text(message.role, whole));
  out->set(key("content"), content_value(message.content, origins));
  if (message.members.is_object()) {
    for (const auto& [name, value] : message.members.items()) {
      PieceOrigin own = origin;
      if (name != "content") own.field = name;
      out->set(jinja::Text(name, whole), jinja::from_json(value, origins.add(false, own), "message"));
    }
  }
  return jinja::make_dict(std::move(out));
}

}  // namespace

ChatMessage chat_message(const ordered_json& json, int place, const std::string& where) {
  if (!json.is_object() || !json.contains("role") || !json["role"].is_string()) {
    throw input_error(where, "expected a message {{\"role\": TEXT, \"content\": TEXT}}, got {}; correct it",
                      printable(json_text(json), 60));
  }
  ChatMessage out;
  out.role = json["role"];
  PieceOrigin origin;
  origin.role = out.role;
  origin.message = place;
  out.members = ordered_json::object();
  for (const auto& [name, value] : json.items()) {
    if (name == "content" && value.is_string()) {
      append(out.content, data_piece(value.get<std::string>(), origin));
    } else if (name != "role") {
      out.members[name] = value;
    }
  }
  return out;
}

std::tm today() {
  const std::time_t now = std::time(nullptr);
  std::tm out{};
  localtime_r(&now, &out);
  return out;
}

std::tm fixed_date() {
  std::tm out{};
  out.tm_year = 2024 - 1900;
  out.tm_mon = 6;
  out.tm_mday = 26;
  out.tm_wday = 5;
  out.tm_yday = 207;
  out.tm_hour = 12;
  return out;
}

ChatTemplate::ChatTemplate(std::string_view source, std::string name,
                           std::map<std::string, std::string> special_texts)
    : source_(source),
      template_(jinja::Template::parse(source, std::move(name), jinja::Settings::of_chat_templates())),
      special_texts_(std::move(special_texts)) {}

ChatPrompt ChatTemplate::apply(const std::vector<ChatMessage>& messages, const ChatSettings& settings) const {
  Origins origins;
  const auto named = [&](const char* field) {
    PieceOrigin origin;
    origin.field = field;
    return origins.add(false, origin);
  };
  jinja::Context context;
  const auto set = [&](std::string name, jinja::Value value) {
    for (auto& [known, old] : context) {
      if (known == name) return void(old = std::move(value));
    }
    context.emplace_back(std::move(name), std::move(value));
  };
  for (const auto& [name, text] : special_texts_) set(name, jinja::Text(text));
  std::vector<jinja::Value> list;
  for (std::size_t k = 0; k < messages.size(); ++k) {
    list.push_back(message_value(messages[k], static_cast<int>(k), origins));
  }
  set("messages", jinja::Value::list(std::move(list)));
  set("tools", jinja::from_json(settings.tools, named("tools"), "tools"));
  set("documents", jinja::from_json(settings.documents, named("documents"), "documents"));
  set("add_generation_prompt", jinja::Value::boolean(settings.generation_prompt));
  if (settings.arguments.is_object()) {
    for (const auto& [name, value] : settings.arguments.items()) {
      set(name, jinja::from_json(value, named(name.c_str()), name));
    }
  }
  ChatPrompt out;
  for (jinja::Run& run : template_.render(context, settings.date ? &*settings.date : nullptr)) {
    PromptPiece piece = origins.piece(std::move(run.text), run.origin);
    if (piece.text.empty()) continue;
    if (!out.prompt.empty() && out.generation.back() == run.generation) {
      append(out.prompt, std::move(piece));
    } else {
      out.prompt.push_back(std::move(piece));
    }
    out.generation.resize(out.prompt.size(), run.generation);
  }
  return out;
}

std::shared_ptr<const ChatTemplate> find_chat_template(const Tokenizer& tokenizer, const std::string& model,
                                                       std::string_view name, bool with_tools) {
  const auto& all = tokenizer.chat_templates();
  const auto named = [&](std::string_view wanted) { return all.find(std::string(wanted)); };
  auto chosen = all.end();
  if (!name.empty()) {
    chosen = named(name);
  } else {
    if (with_tools) chosen = named("tool_use");
    if (chosen == all.end()) chosen = named("default");
    if (chosen == all.end() && all.empty()) return nullptr;
  }
  if (chosen == all.end()) {
    std::string names;
    for (const auto& [known, source] : all) names += (names.empty() ? "" : ", ") + printable(known, 40);
    throw input_error(model, "expected a chat template {}, got {}; name one of them",
                      name.empty() ? "called default" : fmt::format("called '{}'", printable(name, 40)),
                      names.empty() ? "none at all" : names);
  }
  return std::make_shared<ChatTemplate>(
      chosen->second,
      fmt::format("{}: chat template{}", model, chosen->first == "default" ? "" : " " + chosen->first),
      tokenizer.special_texts());
}

std::shared_ptr<const ChatTemplate> read_chat_template(const std::string& path, const Tokenizer& tokenizer) {
  return std::make_shared<ChatTemplate>(read_text_file(path), path, tokenizer.special_texts());
}

}  // namespace refocus
