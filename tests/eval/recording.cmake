refocus_test(eval_recording
  SOURCES
    csv_writer_test.cpp
    item_test.cpp
    journal_crash_test.cpp
    journal_test.cpp
    results_test.cpp
    run_directory_test.cpp
    scoring_test.cpp
    summary_table_test.cpp
    display_width_test.cpp
  DEPS eval)
