// A prompt profile.
#include "eval/task/profile.h"

#include "target.h"

REFOCUS_FUZZ_TARGET(profile) { refocus::parse_profile(input, "profile.json", "profile"); }
