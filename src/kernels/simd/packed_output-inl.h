// Where sums of packed_matmul.cpp's tiles go, written with the vectors of int8_lanes-inl.h; a body like that.

// y of one row and of outputs n.. : what it held or 0, plus bias, plus the sums. All lanes are outputs.
HWY_INLINE void finish_lanes(const PackedJob& job, std::int64_t row, std::int64_t n, F sums) {
  float* y = job.y + row * job.y_stride + n;
  F base = job.accumulate ? load(y) : broadcast(0.0f);
  if (job.bias != nullptr) base = plus(base, load(job.bias + n));
  store(plus(base, sums), y);
}

// The same where outputs may end between them.
HWY_INLINE void finish(const PackedJob& job, std::int64_t row, std::int64_t n, F sums) {
  const std::int64_t valid = job.weights->outputs - n;
  if (valid >= kLanes) return finish_lanes(job, row, n, sums);
  float* y = job.y + row * job.y_stride + n;
  alignas(64) float lanes[kLanes];
  store(sums, lanes);
  for (std::int64_t i = 0; i < valid; ++i) {
    const float base = job.accumulate ? y[i] : 0.0f;
    y[i] = (job.bias != nullptr ? base + job.bias[n + i] : base) + lanes[i];
  }
}
