// The text of data/profiles/default.json, compiled in so that the program needs no file beside it.
#pragma once

namespace refocus {

extern const char* const kDefaultProfileJson;

}  // namespace refocus
