// Attention of the plain twin of a device: whole rows of scores, softmax and weighted sums in double, from
// the cache of device.h. The semantics are those of kernels/reference/attention.cpp, with re-balancing
// (intervene/rebalance.h) in the place of its hooks.
//
// What a caller promises about rows, tiles, blocks and masks is checked, since other devices cannot.
#pragma once

#include <cstdint>

#include "device/device.h"

namespace refocus::reference {

void attend(const DeviceAttention& attention);

// Scores of keys whose block is not there (before a window) are 0.
void scores(const DeviceAttention& attention, std::int64_t first, std::int64_t count, float* scores,
            std::int64_t stride);

// Keys whose block is not there add nothing.
void weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count, const float* weights,
           std::int64_t stride, const float* inverse_sums);

}  // namespace refocus::reference
