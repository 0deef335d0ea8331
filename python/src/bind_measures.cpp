// logits, hidden, loglikelihoods: refocus._core's measures of texts.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "measures.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace refocus::python {
namespace {

using Array = nb::ndarray<nb::numpy, float>;

// The array owns the numbers: nothing is copied.
Array owned(FloatArray array) {
  std::vector<float>* values = array.values.release();
  nb::capsule owner(values, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return Array(values->data(), array.shape.size(), array.shape.data(), owner);
}

template <class Compute>
Array computed(const Compute& compute) {
  FloatArray out;
  {
    const nb::gil_scoped_release release;
    out = compute();
  }
  return owned(std::move(out));
}

}  // namespace

void bind_measures(nb::module_& m) {
  m.def(
      "logits",
      [](Model& model, const KeptPrompt& prompt, const std::string& spec,
         std::optional<std::int64_t> prompt_tokens) {
        return computed([&] { return logits(model, prompt, spec, prompt_tokens); });
      },
      "model"_a, "prompt"_a, "spec"_a, "prompt_tokens"_a.none());
  m.def(
      "hidden",
      [](Model& model, const KeptPrompt& prompt, const std::string& spec,
         const std::vector<std::int64_t>& places) {
        return computed([&] { return hidden(model, prompt, spec, places); });
      },
      "model"_a, "prompt"_a, "spec"_a, "places"_a);
  nb::class_<ScoredContext>(m, "ScoredContext")
      .def(
          "__init__",
          [](ScoredContext* self, const KeptPrompt& context, std::vector<std::vector<std::int32_t>> options) {
            new (self) ScoredContext{context, std::move(options), {}};
          },
          "context"_a, "options"_a)
      .def_prop_ro("context", [](const ScoredContext& s) { return s.context.tokens; })
      .def_ro("options", &ScoredContext::options);
  m.def(
      "read_options",
      [](const Model& model, const std::string& context, const std::vector<std::string>& options,
         const std::string& seam, const std::string& spec) {
        return read_options(model, context, options, seam, model.intervention(spec));
      },
      "model"_a, "context"_a, "options"_a, "seam"_a, "spec"_a);
  m.def(
      "loglikelihoods",
      [](Model& model, const std::vector<ScoredContext>& contexts, const std::string& spec,
         std::int64_t batch) {
        std::vector<std::vector<OptionLikelihood>> found;
        {
          const nb::gil_scoped_release release;
          found = loglikelihoods(model, contexts, spec, batch);
        }
        std::vector<std::vector<std::pair<double, bool>>> out;
        for (const auto& options : found) {
          auto& of_context = out.emplace_back();
          for (const OptionLikelihood& one : options)
            of_context.emplace_back(one.loglikelihood, one.is_greedy);
        }
        return out;
      },
      "model"_a, "contexts"_a, "spec"_a, "batch"_a);
}

}  // namespace refocus::python
