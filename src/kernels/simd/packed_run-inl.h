// Runs a task by the form of its weights, for kernels that define run_form; a body like int8_lanes-inl.h.
template <PackedForm form>
void run_form(const PackedTask& task);

void run_packed(const PackedTask& task) {
  switch (task.job->weights->form()) {
    case PackedForm::kQ8_0:
      return run_form<PackedForm::kQ8_0>(task);
    case PackedForm::kQ4_0:
      return run_form<PackedForm::kQ4_0>(task);
    case PackedForm::kQ4_1:
      return run_form<PackedForm::kQ4_1>(task);
    case PackedForm::kQ5_0:
      return run_form<PackedForm::kQ5_0>(task);
    case PackedForm::kQ5_1:
      return run_form<PackedForm::kQ5_1>(task);
    case PackedForm::kIQ4_NL:
      return run_form<PackedForm::kIQ4_NL>(task);
    case PackedForm::kMXFP4:
      return run_form<PackedForm::kMXFP4>(task);
    case PackedForm::kQ2_K:
      return run_form<PackedForm::kQ2_K>(task);
    case PackedForm::kQ3_K:
      return run_form<PackedForm::kQ3_K>(task);
    case PackedForm::kQ4_K:
      return run_form<PackedForm::kQ4_K>(task);
    case PackedForm::kQ5_K:
      return run_form<PackedForm::kQ5_K>(task);
    case PackedForm::kQ6_K:
      return run_form<PackedForm::kQ6_K>(task);
    case PackedForm::kIQ4_XS:
      return run_form<PackedForm::kIQ4_XS>(task);
    case PackedForm::kScaledInts:
      return run_form<PackedForm::kScaledInts>(task);
  }
}
