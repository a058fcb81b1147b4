import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from e2e_fixtures import address, doctor, folder, surroundings, verilog_tools

__all__ = ["address", "doctor", "folder", "surroundings", "verilog_tools"]
