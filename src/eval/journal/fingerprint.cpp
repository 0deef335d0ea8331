#include "eval/journal/fingerprint.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/task/ready_prompts.h"
#include "eval/text/sha256.h"

namespace refocus {

using nlohmann::ordered_json;

FileHashes model_files_of(const ordered_json& identity, const std::string& where) {
  const auto found = identity.find(kModelFiles);
  if (found == identity.end()) return {};
  return read_file_hashes(*found, {where, "restore a copy of it"});
}

std::string model_difference(const ordered_json& before, const ordered_json& now, const std::string& where) {
  return difference_of(model_files_of(before, where), model_files_of(now, where));
}

void expect_same_model(const ordered_json& before, const ordered_json& now, const std::string& where) {
  if (!now.contains(kModelFiles)) return;
  if (!before.contains(kModelFiles)) {
    throw input_error(
        where,
        "expected the hashes of the model's files in run.json, got a run of an earlier version, which "
        "looked at a part of the weights only: that the model is the same cannot be shown; begin anew "
        "in another -o directory (compare, report and rescore work on this one)");
  }
  const std::string difference = model_difference(before, now, where);
  if (difference.empty()) return;
  throw input_error(where,
                    "expected the model that the run was begun with, got another: {}; choose another -o "
                    "directory, or bring back the files to resume the run",
                    difference);
}

bool is_same_model(const ordered_json& before, const ordered_json& now) {
  try {
    expect_same_model(before, now, "");
    return true;
  } catch (const InputError&) {
    return false;
  }
}

std::string item_text(const Item& item) {
  nlohmann::json line = {item.subject, item.index, item.fields, item.choices,
                         item.label ? std::string(1, *item.label) : ""};
  if (item.ready) {
    for (const auto& prompts : {item.ready->contexts, item.ready->continuations}) {
      for (const Prompt& prompt : prompts) line.push_back(text_of(prompt));
    }
    line.push_back(item.answers);
  }
  return json_text(line);
}

std::string items_fingerprint(const std::vector<Item>& items) {
  std::string all;
  for (const Item& item : items) all += item_text(item) + "\n";
  return sha256_hex(all).substr(0, 16);
}

}  // namespace refocus
