// What this machine can do at most: the two rates that bound inference on a CPU, measured, about half a
// second each. And how its memory gives most.
#pragma once

#include "base/thread_pool.h"

namespace refocus {

// Sustained reading from memory by all threads, in 10^9 bytes a second: the best of several sweeps over 512
// MiB, with and without asking for lines before they are needed.
double measure_read_gb_s(ThreadPool& pool);

// float32 fused multiply-adds by all threads, in 10^9 operations a second (2 a multiply-add).
double measure_fma_gflop_s(ThreadPool& pool);

// Whether a thread reads memory fastest as a single stream with nothing asked for ahead (AMD's processors),
// or else as several beside each other with lines asked for ahead (Intel's). It changes no result.
bool reads_single_streams();
// From now on so or not, whatever the processor; for measurements and tests, not while kernels run.
void read_single_streams(bool single);

}  // namespace refocus
