// The parts of the extension module refocus._core.
#pragma once

#include <nanobind/nanobind.h>

#include "model.h"

namespace refocus::python {

void bind_errors(nanobind::module_& m);
void bind_program(nanobind::module_& m);
void bind_model(nanobind::module_& m);
void bind_generation(nanobind::module_& m);
void bind_measures(nanobind::module_& m);
void bind_own(nanobind::module_& m);

}  // namespace refocus::python
