"""`python -m basanite_services.lean`: serve this verifier alone."""

import sys

import basanite_services.before_grpc  # noqa: F401  first
from basanite_services.chassis.main import run
from basanite_services.lean.verifier import LeanVerifier

sys.exit(run([LeanVerifier], sys.argv[1:]))
