// The metadata of a GGUF file.
#pragma once

#include <string>

#include "architecture/model_config.h"
#include "base/stored_vocabulary.h"
#include "convert/convert.h"
#include "io/gguf/gguf_writer.h"

namespace refocus {

// InputError (naming `where`) where no GGUF files of the family exist.
void refuse_unwritten(const ModelConfig& config, const std::string& where);

// general.*, those of the architecture (llama.*, ...) and tokenizer.* of the model; `vocabulary` may be null.
GgufMetadata make_metadata(const ModelConfig& config, const StoredVocabulary* vocabulary,
                           const ConvertOptions& options, const std::string& where);

}  // namespace refocus
