// config.json of a model.
#include "architecture/model_config.h"

#include "target.h"

REFOCUS_FUZZ_TARGET(model_config) { refocus::parse_config(input, "config.json"); }
