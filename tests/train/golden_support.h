// What tests against goldens of training share (tests/golden/train).
#pragma once

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "io/safetensors.h"
#include "support.h"
#include "train/graph.h"

namespace refocus::testing {

// The sequences of a golden's batch, packed.
inline TrainingBatch batch_of(const nlohmann::json& sequences) {
  TrainingBatch out;
  for (const nlohmann::json& sequence : sequences) {
    const auto tokens = sequence["tokens"].get<std::vector<std::int32_t>>();
    const auto targets = sequence["targets"].get<std::vector<std::int32_t>>();
    out.sequences.push_back({out.rows(), static_cast<std::int64_t>(tokens.size())});
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
    out.targets.insert(out.targets.end(), targets.begin(), targets.end());
  }
  return out;
}

// Expects a file of gradients to have those of every parameter and no others, within `tolerance` of the
// largest of each tensor.
inline void expect_gradients(const ParameterList& layout, const float* gradients,
                             const std::filesystem::path& file, double tolerance) {
  WeightMap expected;
  read_safetensors(file, expected);
  EXPECT_EQ(expected.entries().size(), layout.parameters().size());
  for (const Parameter& p : layout.parameters()) {
    const WeightMap::Entry* entry = expected.find(p.name);
    ASSERT_NE(entry, nullptr) << p.name;
    ASSERT_EQ(entry->view.shape, p.shape) << p.name;
    const std::vector<float> golden = to_f32(entry->view);
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < golden.size(); ++i) {
      const double own = gradients[static_cast<std::size_t>(p.offset) + i];
      error = std::max(error, std::fabs(own - golden[i]));
      norm = std::max(norm, std::fabs(static_cast<double>(golden[i])));
    }
    EXPECT_LT(error, tolerance * norm) << p.name;
  }
}

}  // namespace refocus::testing
