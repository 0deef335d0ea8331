// The metadata of a GGUF file of a LLaMA model.
#pragma once

#include <string>

#include "base/stored_vocabulary.h"
#include "convert/convert.h"
#include "io/gguf_writer.h"
#include "model/config.h"

namespace refocus {

// general.*, llama.* and tokenizer.* of the model; `vocabulary` may be null. InputError (naming `where`) for
// a configuration that GGUF cannot express.
GgufMetadata make_metadata(const LlamaConfig& config, const StoredVocabulary* vocabulary,
                           const ConvertOptions& options, const std::string& where);

}  // namespace refocus
