// Whether a GGUF file says what a model computes: its metadata read again, before anything is written.
#pragma once

#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "convert/plan.h"
#include "io/gguf/gguf_writer.h"

namespace refocus {

// InputError (naming `where` and the first thing that differs) where the file would be read as another model.
void refuse_unsaid(const ModelConfig& config, const GgufMetadata& metadata,
                   const std::vector<TensorPlan>& plans, const std::string& where);

}  // namespace refocus
