"""Making environments: `basanite env`. What a server does with them: chassis/environments.py."""
