"""`python -m basanite_services.verilog`: serve this verifier alone."""

import sys

import basanite_services.before_grpc  # noqa: F401  first
from basanite_services.chassis.main import run
from basanite_services.verilog.verifier import VerilogVerifier

sys.exit(run([VerilogVerifier], sys.argv[1:]))
