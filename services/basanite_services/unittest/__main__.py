"""`python -m basanite_services.unittest`: serve this verifier alone."""

import sys

import basanite_services.before_grpc  # noqa: F401  first
from basanite_services.chassis.main import run
from basanite_services.unittest.verifier import UnittestVerifier

sys.exit(run([UnittestVerifier], sys.argv[1:]))
