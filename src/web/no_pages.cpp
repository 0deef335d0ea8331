// Stands in for the bundled pages where the program is built without Node (REFOCUS_WEB).
#include "web/built_pages.h"

namespace refocus {

std::span<const BuiltPage> built_pages() { return {}; }

}  // namespace refocus
