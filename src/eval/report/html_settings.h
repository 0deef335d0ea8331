// The part of a report that says how to repeat its runs: settings and sessions of run.json.
#pragma once

#include <string>

#include "eval/report/html_tables.h"

namespace refocus {

std::string html_settings(const ReportView& view);

}  // namespace refocus
