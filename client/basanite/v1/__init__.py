"""Generated from proto/ by tools/generate.sh; do not edit."""
