from tests.support.fake_management import conn, fake, manager

__all__ = ["conn", "fake", "manager"]
