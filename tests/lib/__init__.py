"""What flow, client and lifecycle tests stand on; see conftest.py."""
