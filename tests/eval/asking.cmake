refocus_test(eval_asking
  SOURCES
    extraction_anchored_test.cpp
    extraction_hostile_test.cpp
    extraction_published_test.cpp
    extraction_synthetic_test.cpp
    fuzzy_ratio_test.cpp
    profile_test.cpp
    synthetic_replies.cpp
    task_data_test.cpp
  DEPS eval
  LIBS rapidcheck)
