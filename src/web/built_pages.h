// The pages of web/ as they were bundled at build time (web/build.mjs); none where Node was absent.
#pragma once

#include <span>
#include <string_view>

namespace refocus {

struct BuiltPage {
  std::string_view name;  // the folder under web/src/
  std::string_view
      html;  // with the marks <!--refocus:title-->, <!--refocus:body--> and <!--refocus:blocks-->
};

std::span<const BuiltPage> built_pages();

}  // namespace refocus
