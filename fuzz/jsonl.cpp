// JSON lines as a table of named values.
#include "eval/task/data_table.h"
#include "target.h"

REFOCUS_FUZZ_TARGET(jsonl) { refocus::read_data_table(refocus::fuzz::write_scratch("data.jsonl", input)); }
