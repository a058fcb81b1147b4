"""The demo: problems of our own with right, wrong and cheating solutions, judged for real.

`problems/` holds one TOML file a problem: how it is stated, its cases, and solutions, each wrong one with the
outcome that it must get.
"""

from basanite.demo.run import run_demo

__all__ = ["run_demo"]
