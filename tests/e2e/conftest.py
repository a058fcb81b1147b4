from e2e_fixtures import address, doctor, folder, surroundings, verilog_tools

__all__ = ["address", "doctor", "folder", "surroundings", "verilog_tools"]
