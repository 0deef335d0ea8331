# How answers are kept, scored and written: the run directory, its journal and its reports.
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET GLOBAL sqlite3)
pkg_check_modules(LIBCRYPTO REQUIRED IMPORTED_TARGET GLOBAL libcrypto)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET GLOBAL libutf8proc)
find_library(CSV_LIBRARY csv REQUIRED)

set(recording_SOURCES
  csv_writer.cpp
  directory_lock.cpp
  file_names.cpp
  item.cpp
  journal.cpp
  published_files.cpp
  results.cpp
  results_json.cpp
  run_directory.cpp
  samples.cpp
  scoring.cpp
  sha256.cpp
  sqlite_database.cpp
  summary_table.cpp
  utf8_text.cpp)
set(recording_LIBS PkgConfig::SQLITE3 PkgConfig::LIBCRYPTO PkgConfig::UTF8PROC ${CSV_LIBRARY})
