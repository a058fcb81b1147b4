from e2e_fixtures import address, doctor, folder, surroundings

__all__ = ["address", "doctor", "folder", "surroundings"]
