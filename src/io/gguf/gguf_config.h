// A config.json made from a GGUF file's metadata, with the keys that its family's own config has.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "architecture/families.h"
#include "base/stored_vocabulary.h"
#include "io/gguf/gguf_file.h"

namespace refocus {

// The family of the file's general.architecture. InputError where there is none, or none that is read.
const Family& gguf_family(const GgufFile& file);

// InputError where a setting is missing, or asks for what the family does not compute.
nlohmann::ordered_json gguf_config(const GgufFile& file, const Family& family,
                                   const StoredVocabulary* vocabulary);

}  // namespace refocus
