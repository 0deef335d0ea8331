refocus_test(eval_asking
  SOURCES extraction_anchored_test.cpp extraction_published_test.cpp extraction_synthetic_test.cpp synthetic_replies.cpp
  DEPS eval)
