// Rotary embeddings in a config.json, wherever it states them: rope_parameters, rope_scaling, or at its top;
// the precedence is that of transformers 5 (modeling_rope_utils.py).
#pragma once

#include "architecture/config_fields.h"

namespace refocus {

// What families differ in (Family::rope).
struct RopeDefaults {
  double theta = 10000;
  const char* theta_key = "rope_theta";
  double rotary_fraction = 1;  // of head_dim; 1: the family has no partial rotation, unless `partial`
  const char* fraction_key = "partial_rotary_factor";
  bool partial = false;  // whether the family computes partial rotation at all
};

// What YaRN puts on cosines and sines for a factor, where the config does not say it (Peng et al. 2023,
// section 3.4).
double yarn_attention_factor(double factor, double mscale = 1);

// Fills rope and rotary_dim by the family's own defaults; head_dim and max_position_embeddings must be known.
// A value that stands at two places with a difference is taken as transformers does, with a warning.
void read_rope(const ConfigFields& fields);

// The same for families with settings of their own for windowed layers (rope_parameters by "full_attention"
// and "sliding_attention", or rope_theta and `local_theta_key`): fills rope and local_rope.
void read_rope_by_kind(const ConfigFields& fields, double local_theta, const char* local_theta_key);

}  // namespace refocus
