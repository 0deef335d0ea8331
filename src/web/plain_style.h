// The style of pages without script: the theme that the bundled pages share.
#pragma once

namespace refocus {

extern const char* const kPlainStyle;  // CSS

}  // namespace refocus
