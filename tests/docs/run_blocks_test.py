#!/usr/bin/env python3
"""What run_blocks.py takes for commands, and which differences it sees."""
import unittest

import run_blocks


def block(info, body):
    return run_blocks.Block("F.md", 1, info, body)


class Blocks(unittest.TestCase):
    def test_commands_go_on_where_a_quotation_a_line_or_a_loop_does(self):
        steps = block("sh", "refocus a \\\n  b\n\nfor i in 1 2; do\n  refocus c\ndone\nrefocus 'd\ne'   # why\n").steps()
        self.assertEqual([s[0] for s in steps], ["refocus a \\\n  b\n", "for i in 1 2; do\n  refocus c\ndone\n", "refocus 'd\ne'   # why\n"])

    def test_what_a_console_shows_belongs_to_the_command_before_it(self):
        steps = block("console", "$ Q='a\nb'\n$ refocus x\none\n...\n$ cat > f <<'END'\nline\nEND\n").steps()
        self.assertEqual(steps, [("Q='a\nb'\n", []), ("refocus x\n", ["one", "..."]), ("cat > f <<'END'\nline\nEND\n", [])])

    def test_a_block_with_commands_says_what_it_is(self):
        self.assertIn("say what the block is", block("", "refocus eval\n").fault())
        self.assertIn("correct them", block("sh quick", "refocus eval\n").fault())
        self.assertIsNone(block("", "a formula\n").fault())
        self.assertIsNone(block("console slow with=model.gguf", "$ refocus eval\n").fault())


class Differences(unittest.TestCase):
    def test_lines_are_compared_in_order_and_to_the_end(self):
        self.assertIsNone(run_blocks.difference(["a", "b"], ["a", "b"], []))
        self.assertIn("expected 'b'", run_blocks.difference(["a", "b"], ["a", "x", "b"], []))
        self.assertIn("expected the end", run_blocks.difference(["a"], ["a", "b"], []))
        self.assertIn("got 'the end'", run_blocks.difference(["a", "b"], ["a"], []))

    def test_dots_stand_for_any_lines(self):
        self.assertIsNone(run_blocks.difference(["...", "c", "..."], ["a", "b", "c", "d"], []))
        self.assertIsNotNone(run_blocks.difference(["...", "c"], ["a", "b"], []))

    def test_lines_of_standard_error_may_be_shown_and_left_out(self):
        self.assertIsNone(run_blocks.difference(["info: x", "a"], ["a"], ["info: x", "info: y"]))

    def test_the_last_place_of_a_number_may_differ_and_a_count_may_not(self):
        self.assertTrue(run_blocks.same("all 630 94.9 ± 0.9", "all 630  94.8 ± 0.9"))
        self.assertFalse(run_blocks.same("all 630 94.9", "all 630 94.6"))
        self.assertFalse(run_blocks.same("all 630 94.9", "all 631 94.9"))
        self.assertTrue(run_blocks.same("1.459e-03", "1.460e-03"))
        self.assertFalse(run_blocks.same("1.459e-03", "1.559e-03"))

    def test_times_are_not_compared(self):
        self.assertTrue(run_blocks.same('{"prefill_tps":14503.2,"n":1}', '{"prefill_tps":3.1,"n":1}'))
        self.assertFalse(run_blocks.same('{"prefill_tps":14503.2,"n":1}', '{"prefill_tps":3.1,"n":2}'))
        self.assertTrue(run_blocks.same("5 of 5 (100%), 94.2 a second, done in 3 s", "5 of 5 (100%), 9.1 a second, done in 1 min 4 s"))

    def test_estimates_may_be_ranges_where_a_machine_is_slow(self):
        for slow in ("26 s to 43 s", "59 s to 1 min 06 s", "1 h 02 min"):
            self.assertTrue(run_blocks.same("Time: about 4 s", f"Time: about {slow}"), slow)
        self.assertFalse(run_blocks.same("Time: about 4 s", "Time: about 4 s to go"))
        rates = "a: {} questions measured, {} tokens of prompts and {} of answers a second; answers of {} tokens"
        self.assertTrue(run_blocks.same(rates.format(16, 33431, 7085, 63),
                                        rates.format(3, 812, 75, 40) + " to 96, since 2 went on when the measurement ended"))
        self.assertFalse(run_blocks.same(rates.format(16, 33431, 7085, 63), rates.format(16, 33431, 7085, 63) + " and more"))


if __name__ == "__main__":
    unittest.main()
