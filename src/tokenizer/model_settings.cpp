#include "tokenizer/model_settings.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {
namespace {

using Json = nlohmann::json;

// One configuration file, or an object in it. A null member counts as absent.
class Section {
 public:
  Section(std::string where, const Json& json) : where_(std::move(where)), json_(json) {
    if (!json.is_object()) refuse("the whole", "an object", json);
  }

  const Json* find(const std::string& key) const {
    const auto member = json_.find(key);
    return member == json_.end() || member->is_null() ? nullptr : &*member;
  }
  // Whether the key is there, be it with null.
  bool mentions(const std::string& key) const { return json_.contains(key); }

  std::optional<bool> flag(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) refuse(key, "true or false", *value);
    return value->get<bool>();
  }
  std::optional<std::string> text(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) refuse(key, "a string", *value);
    return value->get<std::string>();
  }
  std::string required_text(const std::string& key) const {
    const auto value = text(key);
    if (!value) throw input_error(where_, "expected \"{}\", got none; correct the file", key);
    return *value;
  }
  std::int32_t token_id(const std::string& key, const Json& value) const {
    if (!value.is_number_integer() || value < 0 || value >= TokenTable::kMaxIds) {
      refuse(key, fmt::format("a token id from 0 to {}", TokenTable::kMaxIds - 1), value);
    }
    return value.get<std::int32_t>();
  }

  const std::string& where() const { return where_; }
  const Json& json() const { return json_; }

 private:
  [[noreturn]] void refuse(std::string_view key, std::string_view expected, const Json& value) const {
    throw input_error(where_, "expected {} as \"{}\", got {}; correct the file", expected, printable(key),
                      printable(json_text(value), 60));
  }

  std::string where_;
  const Json& json_;
};

// A token is given as its text or as an object with its "content".
void read_named_token(const Section& file, const std::string& key, NamedToken& token) {
  if (token.mentioned || !file.mentions(key)) return;
  token.mentioned = true;
  const Json* value = file.find(key);
  if (value == nullptr) return;
  token.content =
      value->is_object() ? Section(file.where(), *value).required_text("content") : file.text(key);
}

// The tokens that transformers' templates see under their names.
constexpr const char* kSpecialNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};

void read_special_texts(const Section& file, ModelSettings& settings) {
  read_named_token(file, "bos_token", settings.bos_token);
  read_named_token(file, "eos_token", settings.eos_token);
  for (const char* name : kSpecialNames) {
    NamedToken token;
    read_named_token(file, name, token);
    if (token.content) settings.special_texts.try_emplace(name, *token.content);
  }
}

// One text, or a list of {"name", "template"}.
void read_chat_template(const Section& file, ModelSettings& settings) {
  const Json* value = file.find("chat_template");
  if (value == nullptr) return;
  if (!value->is_array()) {
    settings.chat_templates["default"] = *file.text("chat_template");
    return;
  }
  for (const Json& one : *value) {
    const Section named(file.where(), one);
    settings.chat_templates[named.required_text("name")] = named.required_text("template");
  }
}

// The files beside it, which count instead of what tokenizer_config.json says.
void read_chat_template_files(const std::filesystem::path& directory, ModelSettings& settings) {
  const std::vector<std::filesystem::path> files = chat_template_files(directory);
  if (!files.empty()) settings.chat_templates.clear();
  for (const auto& path : files) {
    settings.chat_templates[path.filename() == kChatTemplateName ? "default" : path.stem().string()] =
        read_text_file(path);
  }
}

void read_tokenizer_config(const Section& file, ModelSettings& settings) {
  settings.tokenizer_class = file.text("tokenizer_class").value_or("");
  settings.add_bos_token = file.flag("add_bos_token");
  settings.add_eos_token = file.flag("add_eos_token");
  settings.legacy = file.flag("legacy").value_or(true);
  read_special_texts(file, settings);
  read_chat_template(file, settings);
  const Json* decoder = file.find("added_tokens_decoder");
  if (decoder == nullptr) return;
  const Section tokens(file.where(), *decoder);
  for (const auto& [key, value] : decoder->items()) {
    std::int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) {
      throw input_error(file.where(),
                        "expected token ids as keys of \"added_tokens_decoder\", got '{}'; correct the file",
                        printable(key));
    }
    const Section token(file.where(), value);
    settings.added_tokens.push_back(make_added_token(tokens.token_id("added_tokens_decoder", id),
                                                     token.required_text("content"),
                                                     [&](const char* name) { return token.flag(name); }));
  }
}

// added_tokens.json: {"content": id, ...}, which says nothing of flags.
void read_added_tokens_file(const Section& file, ModelSettings& settings) {
  std::unordered_set<std::int32_t> known;
  for (const AddedToken& token : settings.added_tokens) known.insert(token.id);
  for (const auto& [content, value] : file.json().items()) {
    const std::int32_t id = file.token_id(content, value);
    if (!known.insert(id).second) continue;
    AddedToken token;
    token.id = id;
    token.content = content;
    settings.added_tokens.push_back(std::move(token));
  }
}

// bos_token_id and eos_token_id; the latter may be a list.
void read_ids(const Section& file, ModelSettings& settings) {
  const Json* bos = file.find("bos_token_id");
  if (!settings.bos_id && bos != nullptr) {
    settings.bos_id = file.token_id("bos_token_id", *bos);
    settings.bos_file = file.where();
  }
  const Json* eos = file.find("eos_token_id");
  if (!settings.eos_ids.empty() || eos == nullptr) return;
  settings.eos_file = file.where();
  const Json list = eos->is_array() ? *eos : Json::array({*eos});
  for (const Json& value : list) settings.eos_ids.push_back(file.token_id("eos_token_id", value));
}

// Reads the file `name` into the settings, where the directory has it.
void read_file(const std::filesystem::path& directory, std::string_view name,
               void (*read)(const Section&, ModelSettings&), ModelSettings& settings) {
  const std::filesystem::path path = directory / name;
  if (!std::filesystem::exists(path)) return;
  refuse_other_format(path, "JSON", FileFormat::kJson);
  const Json json = parse_json(read_text_file(path), {path.string(), "download it again"});
  read(Section(path.string(), json), settings);
}

}  // namespace

ModelSettings read_model_settings(const std::filesystem::path& model_directory) {
  ModelSettings settings;
  read_file(model_directory, kTokenizerConfigName, read_tokenizer_config, settings);
  read_file(model_directory, kSpecialTokensName, read_special_texts, settings);
  read_chat_template_files(model_directory, settings);
  read_file(model_directory, kAddedTokensName, read_added_tokens_file, settings);
  read_file(model_directory, kGenerationConfigName, read_ids, settings);
  read_file(model_directory, kConfigName, read_ids, settings);
  return settings;
}

}  // namespace refocus
