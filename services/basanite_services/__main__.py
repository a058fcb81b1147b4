"""`python -m basanite_services`: serve every verifier that works on this machine, as `basanite serve`."""

import sys

import basanite_services.before_grpc  # noqa: F401  first
from basanite_services.chassis.main import run

if __name__ == "__main__":
    sys.exit(run())
