// Generation: refocus._core's answers under way.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "generation.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace refocus::python {
namespace {

std::shared_ptr<Generation> begin(std::shared_ptr<Model> model, const GenerationCall& call) {
  const nb::gil_scoped_release release;
  return std::make_shared<Generation>(std::move(model), call);
}

void bind_call(nb::module_& m) {
  nb::class_<SamplingOptions>(m, "Sampling")
      .def(nb::init<>())
      .def_rw("temperature", &SamplingOptions::temperature)
      .def_rw("top_k", &SamplingOptions::top_k)
      .def_rw("top_p", &SamplingOptions::top_p)
      .def_rw("min_p", &SamplingOptions::min_p)
      .def_rw("seed", &SamplingOptions::seed);
  nb::class_<GenerationCall>(m, "GenerationCall")
      .def(nb::init<>())
      .def_rw("spec", &GenerationCall::spec)
      .def_rw("max_tokens", &GenerationCall::max_tokens)
      .def_rw("sampling", &GenerationCall::sampling)
      .def_rw("stop", &GenerationCall::stop)
      .def_rw("ignore_eos", &GenerationCall::ignore_eos)
      .def_rw("batch_size", &GenerationCall::batch_size)
      .def_rw("top_logprobs", &GenerationCall::top_logprobs)
      .def_rw("longest", &GenerationCall::longest)
      .def_rw("streams", &GenerationCall::streams);
}

void bind_answers(nb::module_& m) {
  nb::class_<TokenScore::Candidate>(m, "Candidate")
      .def_ro("token", &TokenScore::Candidate::token)
      .def_ro("logprob", &TokenScore::Candidate::logprob);
  nb::class_<TokenScore>(m, "TokenScore")
      .def_ro("token", &TokenScore::token)
      .def_ro("logprob", &TokenScore::logprob)
      .def_ro("top", &TokenScore::top);
  nb::class_<DoneAnswer>(m, "DoneAnswer")
      .def_ro("id", &DoneAnswer::id)
      .def_ro("text", &DoneAnswer::text)
      .def_ro("finish_reason", &DoneAnswer::finish_reason)
      .def_ro("prompt", &DoneAnswer::prompt)
      .def_ro("tokens", &DoneAnswer::tokens)
      .def_ro("scores", &DoneAnswer::scores);
  nb::class_<TextPiece>(m, "TextPiece").def_ro("id", &TextPiece::id).def_ro("text", &TextPiece::text);
}

}  // namespace

void bind_generation(nb::module_& m) {
  bind_call(m);
  bind_answers(m);
  nb::class_<Generation>(m, "Generation", "Answers under way.")
      .def(nb::new_(&begin), "model"_a, "call"_a)
      .def(
          "add",
          [](Generation& self, const KeptPrompt& prompt, std::optional<std::uint64_t> stream) {
            return self.add(prompt, stream);
          },
          "prompt"_a, "stream"_a.none(), nb::call_guard<nb::gil_scoped_release>())
      .def("advance", &Generation::advance, nb::call_guard<nb::gil_scoped_release>())
      .def("take_done", &Generation::take_done)
      .def("take_pieces", &Generation::take_pieces)
      .def_prop_ro("open", &Generation::open);
}

}  // namespace refocus::python
