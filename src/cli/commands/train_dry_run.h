// refocus train --dry-run: what a run would train on, and what it takes.
#pragma once

#include <string>

#include "tokenizer/tokenizer.h"
#include "train/trainer.h"

namespace refocus::cli {

// Makes some steps for some seconds, of which nothing is written.
std::string training_dry_run(Trainer& trainer, const TrainingSet& training, const TrainerOptions& options,
                             const Tokenizer& tokenizer);

}  // namespace refocus::cli
