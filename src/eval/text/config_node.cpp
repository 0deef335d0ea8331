#include "eval/text/config_node.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <unordered_set>

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/text/code_points.h"
#include "eval/text/quoted_scalar.h"

namespace refocus {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepth = 16;  // of maps and lists; what is read of such files has four

// Line and column, from 1, of a byte.
std::string place_of(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("line {}, column {}", line, byte - begin + 1);
}

void check_text(std::string_view text, const std::string& file) {
  const std::size_t bad = first_invalid_utf8(text);
  if (bad < text.size()) {
    throw input_error(file, "expected UTF-8, got other bytes at {}; convert the file", place_of(text, bad));
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') continue;
    throw input_error(file, "expected text, got the control character 0x{:02x} at {}; remove it", c,
                      place_of(text, i));
  }
}

class YamlReader {
 public:
  YamlReader(const std::string& file, std::string_view text)
      : file_(file), source_(text), bytes_(text.size()) {}

  ConfigNode read(const YAML::Node& node, int depth = 0) {
    ConfigNode out;
    out.where = fmt::format("{}:{}", file_, node.Mark().line + 1);
    // Aliases can stand for a text many times its size, or for itself.
    text_bytes_ += node.IsScalar() ? node.Scalar().size() : 0;
    if (depth > kDepth || ++nodes_ > 100'000 || text_bytes_ > 2 * bytes_) {
      throw input_error(out.where,
                        "expected a plain file, got one nested too deeply or with too much text by aliases; "
                        "write it without aliases");
    }
    // "?" and "!" are what the library says of plain and of quoted scalars; the rest is the file's.
    const std::string& tag = node.Tag();
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";  // !!str and its like
    const bool standard = tag.starts_with(kStandard);
    if (tag != "?" && tag != "!" && !standard) out.tag = tag;
    if (standard && tag.substr(kStandard.size()) == "null") return out;
    if (node.IsScalar()) {
      out.kind = ConfigNode::Kind::kText;
      out.text = node.Scalar();
      if (tag == "!" && node.Mark().pos >= 0) {
        const auto again = multi_line_scalar(source_, static_cast<std::size_t>(node.Mark().pos));
        if (again) out.text = *again;
      }
      out.is_plain = tag == "?" || tag.empty() || (standard && tag.substr(kStandard.size()) != "str");
    } else if (node.IsSequence()) {
      out.kind = ConfigNode::Kind::kList;
      for (const YAML::Node& item : node) out.items.push_back(read(item, depth + 1));
    } else if (node.IsMap()) {
      out.kind = ConfigNode::Kind::kMap;
      std::unordered_set<std::string> keys;
      for (const auto& entry : node) {
        if (!entry.first.IsScalar()) {
          throw input_error(out.where, "expected texts as keys, got something else; write KEY: VALUE");
        }
        ConfigNode value = read(entry.second, depth + 1);
        value.where = fmt::format("{}:{}", file_, entry.first.Mark().line + 1);
        const std::string& key = entry.first.Scalar();
        if (!keys.insert(key).second) {
          throw input_error(value.where, "expected each key once, got '{}' twice; remove one",
                            printable(key));
        }
        value.key_is_plain = entry.first.Tag() == "?";
        out.entries.push_back({key, std::move(value)});
      }
    }
    return out;
  }

 private:
  const std::string& file_;
  std::string_view source_;
  std::size_t bytes_ = 0, text_bytes_ = 0;  // of the file, and of the texts so far
  int nodes_ = 0;
};

// Where a document begins, and nothing else.
class DocumentStart : public YAML::EventHandler {
 public:
  YAML::Mark mark;

  void OnDocumentStart(const YAML::Mark& at) override { mark = at; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}
};

// Refuses a second document. YAML::LoadAll would make documents without end of a "," or "]" that no list is
// around: the parser does not step over it. Returns whether there is a first one.
bool has_one_document(const std::string& text, const std::string& file) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStart start;
  if (!parser.HandleNextDocument(start)) return false;
  if (!parser.HandleNextDocument(start)) return true;
  throw input_error(fmt::format("{}:{}:{}", file, start.mark.line + 1, start.mark.column + 1),
                    "expected one YAML document, got another one from here on; remove it, or write it into a "
                    "file of its own");
}

ConfigNode parse_yaml(std::string_view text, const std::string& file) {
  const std::string copy(text);
  try {
    if (!has_one_document(copy, file)) return {ConfigNode::Kind::kNull, file + ":1", "", {}, {}};
    return YamlReader(file, text).read(YAML::Load(copy));
  } catch (const YAML::Exception& e) {
    if (e.msg == YAML::ErrorMsg::BAD_FILE) {  // what the library says of nesting beyond its own bound
      throw input_error(file, "expected a plain file, got one nested too deeply; simplify it");
    }
    throw input_error(fmt::format("{}:{}:{}", file, e.mark.line + 1, e.mark.column + 1),
                      "expected YAML, got: {}; correct the file", printable(e.msg));
  }
}

ConfigNode from_json(const Json& json, const std::string& file, int depth = 0) {
  if (depth > kDepth)
    throw input_error(file, "expected a plain file, got one nested too deeply; simplify it");
  ConfigNode out;
  out.where = file;
  if (json.is_object()) {
    out.kind = ConfigNode::Kind::kMap;
    for (const auto& [key, value] : json.items())
      out.entries.push_back({key, from_json(value, file, depth + 1)});
  } else if (json.is_array()) {
    out.kind = ConfigNode::Kind::kList;
    for (const Json& item : json) out.items.push_back(from_json(item, file, depth + 1));
  } else if (!json.is_null()) {
    out.kind = ConfigNode::Kind::kText;
    out.text = json.is_string() ? json.get<std::string>() : json_text(json);
  }
  return out;
}

}  // namespace

std::string_view kind_name(ConfigNode::Kind kind) {
  switch (kind) {
    case ConfigNode::Kind::kText:
      return "a text";
    case ConfigNode::Kind::kList:
      return "a list";
    case ConfigNode::Kind::kMap:
      return "a map";
    case ConfigNode::Kind::kNull:
      break;
  }
  return "nothing";
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() || found->value.kind == Kind::kNull ? nullptr : &found->value;
}

void ConfigNode::refuse_tags() const {
  if (!tag.empty()) {
    throw input_error(where, "expected plain YAML, got the tag '{}'; write the value without it",
                      printable(tag));
  }
  for (const ConfigNode& item : items) item.refuse_tags();
  for (const Entry& entry : entries) entry.value.refuse_tags();
}

void ConfigNode::check_keys(std::string_view what, const std::vector<std::string_view>& known) const {
  if (kind != Kind::kMap) {
    throw input_error(where, "expected a map of keys in {}, got {}; see docs/own-tasks.md", what,
                      kind_name(kind));
  }
  for (const auto& [key, value] : entries) {
    if (std::ranges::find(known, key) == known.end()) {
      throw input_error(value.where, "unknown key '{}' in {}; known keys: {}", printable(key), what,
                        fmt::join(known, ", "));
    }
  }
}

const std::string& ConfigNode::as_text(std::string_view key) const {
  if (kind != Kind::kText) {
    throw input_error(where, "expected a text as '{}', got {}; see docs/own-tasks.md", key, kind_name(kind));
  }
  return text;
}

std::vector<std::string> ConfigNode::as_texts(std::string_view key) const {
  if (kind != Kind::kList || items.empty()) {
    throw input_error(where, "expected a list of texts as '{}', got {}; see docs/own-tasks.md", key,
                      kind == Kind::kList ? "an empty one" : kind_name(kind));
  }
  std::vector<std::string> out;
  for (const ConfigNode& item : items) out.push_back(item.as_text(key));
  return out;
}

double ConfigNode::as_number(std::string_view key) const {
  const std::string& number = as_text(key);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(value)) {
    throw input_error(where, "expected a number as '{}', got '{}'; write digits such as 0.01", key,
                      printable(number));
  }
  return value;
}

Json ConfigNode::as_json() const {
  Json out;
  if (kind == Kind::kText) out = text;
  if (kind == Kind::kList) out = Json::array();
  if (kind == Kind::kMap) out = Json::object();
  for (const ConfigNode& item : items) out.push_back(item.as_json());
  for (const auto& [key, value] : entries) out[key] = value.as_json();
  return out;
}

ConfigNode parse_config(std::string_view text, const std::string& file, bool json) {
  check_text(text, file);
  return json ? from_json(parse_ordered_json(text, {file}), file) : parse_yaml(text, file);
}

}  // namespace refocus
