// A task of bf16_matmul.cpp, whatever multiplies. Included after bf16_tiles-inl.h.
//
// Weights are made into tiles of 16 outputs by 16 pairs of inputs, a run of steps at a time for a few panels,
// which stays in the L1 cache while the rows pass by.

constexpr std::int64_t kTileSums = Bf16Rows::kRows * kPanelOutputs;  // floats

// y of `rows` rows from first_row on and a panel's outputs, from sums [rows][16 outputs].
void finish(const Bf16Job& job, std::int64_t panel, std::int64_t first_row, std::int64_t rows,
            const float* sums) {
  const MatMulJob& to = job.product;
  const std::int64_t n = panel * kPanelOutputs;
  const __mmask16 some = first_of_16(job.outputs() - n);
  const __m512 bias = to.bias != nullptr ? _mm512_maskz_loadu_ps(some, to.bias + n) : _mm512_setzero_ps();
  float* y = to.y + first_row * to.y_stride + n;
  for (std::int64_t r = 0; r < rows; ++r, y += to.y_stride) {
    __m512 base = to.accumulate ? _mm512_maskz_loadu_ps(some, y) : _mm512_setzero_ps();
    if (to.bias != nullptr) base = _mm512_add_ps(base, bias);
    _mm512_mask_storeu_ps(y, some, _mm512_add_ps(base, _mm512_load_ps(sums + r * kPanelOutputs)));
  }
}

// What a thread keeps between tasks.
struct Scratch {
  AlignedBuffer<std::byte> tiles;
  AlignedBuffer<float> sums;
};

// A run of steps: rows of groups `group_bytes` apart, their steps step_bytes apart, and the memory of tiles
// of panels panel_bytes apart. `rows` are there from the first group on.
struct RunOperands {
  const std::byte* x;
  std::int64_t group_bytes, step_bytes;
  std::byte* w;
  std::int64_t panel_bytes, steps, rows;
};

// Makes tiles of panels from `panel` on.
template <class Tiles>
struct TileSource {
  const Bf16Job& job;
  std::int64_t inputs, panel;
  HWY_INLINE void make(std::int64_t p, std::int64_t step, std::int64_t steps, std::byte* to) const {
    Tiles::make(job, inputs, panel + p, step, steps, to);
  }
  // Whether a step's tile can be had in registers: 16 pairs of inputs, of 16 outputs each.
  static constexpr bool kLoads = requires(const Bf16Job& j, __m512i* pairs) {
    Tiles::load(j, 0, 0, 0, pairs);
  };
  std::int64_t panel_bytes() const { return kPanelOutputs * bytes_of(job.product.dtype, inputs); }
  template <bool kLinear>
  HWY_INLINE void load(std::int64_t p, std::int64_t step, __m512i* pairs) const {
    Tiles::template load<kLinear>(job, inputs, panel + p, step, pairs);
  }
};

// Multiplier: made for a height of groups, a type with
//   kGroups, kPanels: what it multiplies together; kRunSteps: of a run, at most; kRingSteps: of a stream
//   multiply<panels>(operands, groups, first, sums): adds a run to sums [group][kPanels][16 rows][16
//     outputs], which are taken as 0 where `first`
//   stream<panels>(operands, source, sums): all steps of a single group, whose tiles it makes in w, a ring of
//     kRingSteps steps of kPanels panels
template <class Tiles, class Multiplier>
class Bf16Product {
 public:
  Bf16Product(const Bf16Task& task, Scratch& scratch) : task_(task), x_(*task.x), scratch_(scratch) {}

  void run() {
    const std::int64_t groups = task_.end_group - task_.first_group;
    const std::int64_t passes = (task_.end - task_.begin + kPanels - 1) / kPanels;
    reserve(scratch_.tiles, kPanels * std::max(Multiplier::kRunSteps, Multiplier::kRingSteps) * kTileBytes);
    reserve(scratch_.sums, (groups == 1 ? 1 : passes * groups) * kGroupSums);
    Multiplier multiplier(x_.height());
    if (groups == 1) {
      for_panels([&]<int kCount>(std::int64_t panel) { stream<kCount>(multiplier, panel); });
    } else {
      run_groups(multiplier, groups);
    }
  }

 private:
  static constexpr std::int64_t kPanels = Multiplier::kPanels, kGroupSums = kPanels * kTileSums;

  // Calls body<count>(panel) for kPanels panels at a time, and for what is left.
  template <class Body>
  void for_panels(const Body& body) const {
    std::int64_t panel = task_.begin;
    for (; panel + kPanels <= task_.end; panel += kPanels) body.template operator()<kPanels>(panel);
    if constexpr (kPanels > 2) {
      if (panel + 2 == task_.end) return body.template operator()<2>(panel);
    }
    if (panel < task_.end) body.template operator()<1>(panel);
  }

  struct Run {
    std::int64_t step, steps;
  };

  // Each run of steps of a few panels passes by all groups.
  void run_groups(Multiplier& multiplier, std::int64_t groups) {
    const std::int64_t runs = (x_.steps() + Multiplier::kRunSteps - 1) / Multiplier::kRunSteps;
    const std::int64_t length = (x_.steps() + runs - 1) / runs;
    for (std::int64_t step = 0; step < x_.steps(); step += length) {
      const Run run{step, std::min(length, x_.steps() - step)};
      float* sums = scratch_.sums.data();
      for_panels([&]<int kCount>(std::int64_t panel) {
        run_panels<kCount>(multiplier, panel, groups, run, sums);
        sums += groups * kGroupSums;
      });
    }
  }

  template <int kCount>
  void run_panels(Multiplier& multiplier, std::int64_t panel, std::int64_t groups, const Run& run,
                  float* sums) {
    constexpr std::int64_t kPanelBytes = Multiplier::kRunSteps * kTileBytes;
    std::byte* w = scratch_.tiles.data();
    const TileSource<Tiles> source{*task_.job, x_.inputs, panel};
    for (int p = 0; p < kCount; ++p) source.make(p, run.step, run.steps, w + p * kPanelBytes);
    const bool first = run.step == 0, last = run.step + run.steps == x_.steps();
    for (std::int64_t g = 0; g < groups; g += Multiplier::kGroups) {
      const std::int64_t group = task_.first_group + g, count = std::min(Multiplier::kGroups, groups - g);
      RunOperands at = operands(group, run.step, run.steps);
      at.w = w;
      at.panel_bytes = kPanelBytes;
      multiplier.template multiply<kCount>(at, count, first, sums);
      for (std::int64_t i = 0; i < count; ++i, sums += kGroupSums) {
        if (last) finish_group(group + i, panel, kCount, sums);
      }
    }
  }

  RunOperands operands(std::int64_t group, std::int64_t step, std::int64_t steps) const {
    return {x_.data.data() + x_.place(group, step), x_.place(1, 0), x_.step_bytes(), nullptr, 0, steps,
            x_.rows - group * Bf16Rows::kRows};
  }

  void finish_group(std::int64_t group, std::int64_t panel, std::int64_t panels, const float* sums) const {
    const std::int64_t first = group * Bf16Rows::kRows, rows = std::min(Bf16Rows::kRows, x_.rows - first);
    for (std::int64_t p = 0; p < panels; ++p)
      finish(*task_.job, panel + p, first, rows, sums + p * kTileSums);
  }

  // A single group waits for weights.
  template <int kCount>
  HWY_INLINE void stream(Multiplier& multiplier, std::int64_t panel) {
    RunOperands at = operands(task_.first_group, 0, x_.steps());
    at.w = scratch_.tiles.data();
    at.panel_bytes = kTileBytes;
    multiplier.template stream<kCount>(at, TileSource<Tiles>{*task_.job, x_.inputs, panel},
                                       scratch_.sums.data());
    finish_group(task_.first_group, panel, kCount, scratch_.sums.data());
  }

  const Bf16Task& task_;
  const Bf16Rows& x_;
  Scratch& scratch_;
};
