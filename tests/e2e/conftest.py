from e2e_fixtures import address, dafny, doctor, folder, lean, surroundings, verilog_tools

__all__ = ["address", "dafny", "doctor", "folder", "lean", "surroundings", "verilog_tools"]
