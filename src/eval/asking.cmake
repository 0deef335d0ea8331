# What is asked and how answers are read: tasks, prompt profiles, letter extraction.
set(default_profile_json ${CMAKE_SOURCE_DIR}/data/profiles/default.json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${default_profile_json})
file(READ ${default_profile_json} DEFAULT_PROFILE_TEXT)
configure_file(default_profile.cpp.in ${CMAKE_CURRENT_BINARY_DIR}/default_profile.cpp @ONLY)

set(asking_SOURCES
  answer_label.cpp
  answer_statements.cpp
  extract_anchored.cpp
  extract_published.cpp
  extraction.cpp
  fuzzy_ratio.cpp
  jsonl_tasks.cpp
  mmlu_categories.cpp
  mmlu_task.cpp
  option_text.cpp
  pattern.cpp
  profile.cpp
  task_data.cpp
  code_points.cpp
  weak_signs.cpp
  ${CMAKE_CURRENT_BINARY_DIR}/default_profile.cpp)
set(asking_LIBS csv pcre2-8 utf8proc)
