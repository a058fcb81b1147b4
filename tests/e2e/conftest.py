from e2e_fixtures import address, doctor, folder, lean, surroundings, verilog_tools

__all__ = ["address", "doctor", "folder", "lean", "surroundings", "verilog_tools"]
