refocus_test(eval_asking
  SOURCES extraction_published_test.cpp
  DEPS eval)
