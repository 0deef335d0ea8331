// Where sums of packed_matmul.cpp's tiles go, written with the vectors of int8_lanes-inl.h; a body like that.

// y of one row and of outputs n.. : what it held or 0, plus bias, plus the sums.
HWY_INLINE void finish(const PackedJob& job, std::int64_t row, std::int64_t n, F sums) {
  float* y = job.y + row * job.y_stride + n;
  const std::int64_t valid = job.weights->outputs - n;
  if (valid >= kLanes) {
    F base = job.accumulate ? load(y) : broadcast(0.0f);
    if (job.bias != nullptr) base = plus(base, load(job.bias + n));
    store(plus(base, sums), y);
    return;
  }
  alignas(64) float lanes[kLanes];
  store(sums, lanes);
  for (std::int64_t i = 0; i < valid; ++i) {
    const float base = job.accumulate ? y[i] : 0.0f;
    y[i] = (job.bias != nullptr ? base + job.bias[n + i] : base) + lanes[i];
  }
}
