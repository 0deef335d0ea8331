// OwnFunction, Rows: refocus._core's interventions that are functions in Python (intervene/own_change.h).
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "bindings.h"
#include "intervene/grammar/own_change.h"
#include "intervene/target.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace refocus::python {
namespace {

class OwnFunction;
using State = nb::typed<nb::dict, nb::any, nb::any>;

// What a function gets; valid during its call.
struct Rows {
  OwnRows rows;
  const OwnFunction* function = nullptr;
};

// A function with what it keeps of each sequence. All of it is touched with the interpreter's lock alone.
class OwnFunction : public OwnChange {
 public:
  OwnFunction(std::string identity, bool on_scores, nb::object function)
      : identity_(std::move(identity)),
        when_(on_scores ? When::kScores : When::kWeights),
        function_(function.release()) {}
  ~OwnFunction() override {
    if (!Py_IsInitialized()) return;
    const nb::gil_scoped_acquire gil;
    states_.clear();
    function_.dec_ref();
  }

  When when() const override { return when_; }
  const std::string& identity() const override { return identity_; }

  void change(const OwnRows& rows) const override {
    const nb::gil_scoped_acquire gil;
    function_(Rows{rows, this});
  }
  void end(std::uint64_t sequence) const noexcept override {
    if (!Py_IsInitialized()) return;
    const nb::gil_scoped_acquire gil;
    states_.erase(sequence);
  }

  State state(std::uint64_t sequence) const { return states_[sequence]; }

 private:
  std::string identity_;
  When when_;
  nb::handle function_;
  mutable std::map<std::uint64_t, State> states_;
};

using Floats2 = nb::ndarray<nb::numpy, float, nb::ndim<2>>;
using Floats1 = nb::ndarray<nb::numpy, float, nb::ndim<1>>;

template <class T>
nb::capsule owner_of(std::vector<T>* values) {
  return {values, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); }};
}

// A view of the kernel's own numbers; `of_softmax`: what it is asked as.
Floats2 values_of(const Rows& self, bool of_softmax) {
  const OwnRows& rows = self.rows;
  if ((rows.sums != nullptr) != of_softmax) {
    throw usage_error(
        of_softmax ? "weights" : "scores",
        "expected {}, which this function gets; say when=\"{}\" in @refocus.intervention for these",
        of_softmax ? "scores" : "weights", of_softmax ? "weights" : "scores");
  }
  return Floats2(rows.values, {static_cast<std::size_t>(rows.rows), static_cast<std::size_t>(rows.keys)},
                 nb::handle(), {rows.stride, 1});
}

Floats1 sums_of(const Rows& self) {
  if (self.rows.sums == nullptr)
    throw usage_error("sums", "expected a function of weights, got one of scores, which have no sums yet");
  return Floats1(self.rows.sums, {static_cast<std::size_t>(self.rows.rows)}, nb::handle());
}

nb::ndarray<nb::numpy, std::int64_t, nb::ndim<1>> positions_of(const Rows& self) {
  auto* out = new std::vector<std::int64_t>;
  for (std::int64_t r = 0; r < self.rows.rows; ++r) out->push_back(self.rows.first_position + r);
  return {out->data(), {out->size()}, owner_of(out)};
}

// Which keys keys= chooses; all where the part has none.
nb::ndarray<nb::numpy, bool, nb::ndim<1>> chosen_of(const Rows& self) {
  const auto keys = static_cast<std::size_t>(self.rows.keys);
  auto* out = new std::vector<std::uint8_t>(keys, self.rows.chosen == nullptr ? 1 : 0);
  if (self.rows.chosen != nullptr) {
    self.rows.chosen->within(0, self.rows.keys, [&](std::int64_t begin, std::int64_t end) {
      std::fill(out->begin() + begin, out->begin() + end, std::uint8_t{1});
    });
  }
  return {reinterpret_cast<bool*>(out->data()), {keys}, owner_of(out)};
}

nb::ndarray<nb::numpy, double, nb::ndim<1>> totals_of(const Rows& self) {
  auto* out = new std::vector<double>;
  for (std::int64_t r = 0; r < self.rows.rows; ++r) out->push_back(self.rows.total(r));
  return {out->data(), {out->size()}, owner_of(out)};
}

void keep_mass(const Rows& self, const nb::ndarray<const double, nb::ndim<1>, nb::device::cpu>& before) {
  if (static_cast<std::int64_t>(before.shape(0)) != self.rows.rows)
    throw usage_error("keep_mass", "expected the totals of {} rows, got {}", self.rows.rows, before.shape(0));
  for (std::int64_t r = 0; r < self.rows.rows; ++r)
    self.rows.keep_mass(r, before(static_cast<std::size_t>(r)));
}

// Of the prompt, those that are keys of these rows: what comes later must not change what becomes of them.
template <class T>
std::vector<T> among_keys(const OwnRows& rows, const std::vector<T>& of_prompt) {
  const auto count = std::min(of_prompt.size(), static_cast<std::size_t>(rows.keys));
  return {of_prompt.begin(), of_prompt.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::vector<std::int32_t> tokens_of(const Rows& self) {
  const InterventionTarget* target = self.rows.target;
  return target == nullptr ? std::vector<std::int32_t>() : among_keys(self.rows, target->tokens);
}

std::vector<std::string> pieces_of(const Rows& self) {
  const InterventionTarget* target = self.rows.target;
  return target == nullptr ? std::vector<std::string>() : among_keys(self.rows, target->pieces);
}

void bind_rows(nb::module_& m) {
  nb::class_<Rows>(m, "Rows", "Rows of one head of one layer, for a function of refocus.intervention.")
      .def_prop_ro("layer", [](const Rows& self) { return self.rows.layer; })
      .def_prop_ro("head", [](const Rows& self) { return self.rows.head; })
      .def_prop_ro("positions", &positions_of, nb::rv_policy::automatic)
      .def_prop_ro("keys", [](const Rows& self) { return self.rows.keys; })
      .def_prop_ro(
          "weights", [](const Rows& self) { return values_of(self, true); }, nb::rv_policy::reference)
      .def_prop_ro(
          "scores", [](const Rows& self) { return values_of(self, false); }, nb::rv_policy::reference)
      .def_prop_ro("sums", &sums_of, nb::rv_policy::reference)
      .def_prop_ro("chosen", &chosen_of, nb::rv_policy::automatic)
      .def_prop_ro("sequence", [](const Rows& self) { return self.rows.sequence; })
      .def_prop_ro("state", [](const Rows& self) { return self.function->state(self.rows.sequence); })
      .def_prop_ro("tokens", &tokens_of)
      .def_prop_ro("pieces", &pieces_of)
      .def("total", &totals_of)
      .def("keep_mass", &keep_mass, "before"_a);
}

}  // namespace

void bind_own(nb::module_& m) {
  bind_rows(m);
  m.def(
      "register_function",
      [](std::string identity, bool on_scores, nb::object function) {
        register_own_change(
            std::make_shared<OwnFunction>(std::move(identity), on_scores, std::move(function)));
      },
      "identity"_a, "on_scores"_a, "function"_a,
      "Makes a function known to SPECs, as own:function=IDENTITY.");
  m.def(
      "forget_function", [](const std::string& identity) { forget_own_change(identity); }, "identity"_a);
}

}  // namespace refocus::python
