#include "base/record_kind.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/json_reader.h"

namespace refocus {

namespace {

struct KnownRecord {
  std::array<std::string_view, 3> keys;  // all of them are there; empty ones are none
  RecordKind kind;
};

// The more telling ones first.
constexpr std::array kRecords = {
    KnownRecord{{"resps", "doc"}, {"a sample of an evaluation", "read it with `refocus rescore`"}},
    KnownRecord{{"custom_id", "body"},
                {"a request of OpenAI's batch API", "write {\"messages\": [..]} of its body a line"}},
    KnownRecord{{"needle", "question"}, {"a needle", "give it to `refocus heads --detect --needles`"}},
    KnownRecord{{"context", "other_question"},
                {"a pair for keys' directions", "give it to `refocus calibrate seka`"}},
    KnownRecord{{"goal", "sol1"}, {"an item of PIQA", "ask it with `refocus eval piqa --data DIR`"}},
    KnownRecord{{"context", "answerA"}, {"an item of SIQA", "ask it with `refocus eval siqa --data DIR`"}},
    KnownRecord{{"choices", "response"}, {"a response with its options", "read it with `refocus extract`"}},
    KnownRecord{{"finish_reason", "tokens"},
                {"an answer of `refocus generate --batch`", "write it in the form that is read here"}},
    KnownRecord{{"messages"}, {"a conversation", "give it to `refocus generate --batch` or `refocus train`"}},
    KnownRecord{{"prompt", "response"}, {"a prompt with its response", "give it to `refocus train`"}},
    KnownRecord{{"instruction", "output"}, {"an instruction with its output", "give it to `refocus train`"}},
    KnownRecord{{"prompt"}, {"a prompt", "give it to `refocus generate --batch`"}},
    KnownRecord{{"text"}, {"a text", "give it to `refocus train`"}},
};

template <class Json>
RecordKind kind_of(const Json& object, RecordKind otherwise) {
  for (const KnownRecord& record : kRecords) {
    const bool all = std::ranges::all_of(
        record.keys, [&](std::string_view key) { return key.empty() || object.contains(key); });
    if (all) return record.kind;
  }
  return otherwise;
}

}  // namespace

RecordKind kind_of_record(const nlohmann::ordered_json& object, RecordKind otherwise) {
  return kind_of(object, otherwise);
}
RecordKind kind_of_record(const nlohmann::json& object, RecordKind otherwise) {
  return kind_of(object, otherwise);
}

void refuse_other_lines(std::string_view text, const std::string& file) {
  constexpr const char* kRemedy = "give a file with a JSON object a line";
  const FileKind kind = kind_of_file(file, text.substr(0, kFileHeadBytes), text.size());
  switch (kind.format) {
    case FileFormat::kEmpty:
    case FileFormat::kText:
    case FileFormat::kUnknown:
      return;
    case FileFormat::kJson:
      break;
    default:
      throw input_error(printable(file, 400), "expected JSON lines, got {}; {}", kind.name, kRemedy);
  }
  // The usual sign of a document that was written to be read by people: an opening bracket alone.
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
  if (end - begin != 1 || !json_or_nothing(text)) return;
  throw input_error(
      printable(file, 400),
      "expected JSON lines, got a JSON document over several lines; write each object on a line, as "
      "`jq -c` does");
}

void refuse_other_lines(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string head(kFileHeadBytes, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  if (!head.empty()) refuse_other_lines(head, file);
}

}  // namespace refocus
