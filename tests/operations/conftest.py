from doubles.place_fixtures import command, place, place_of, use  # noqa: F401 - fixtures
