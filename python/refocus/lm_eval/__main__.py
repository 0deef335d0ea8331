"""python -m refocus.lm_eval: lm-evaluation-harness' own command line, which knows --model refocus."""

from . import main

if __name__ == "__main__":
    main()
