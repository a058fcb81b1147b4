"""`python -m basanite_services.code`: serve this verifier alone."""

import sys

import basanite_services.before_grpc  # noqa: F401  first
from basanite_services.chassis.main import run
from basanite_services.code.verifier import CodeVerifier

sys.exit(run([CodeVerifier], sys.argv[1:]))
