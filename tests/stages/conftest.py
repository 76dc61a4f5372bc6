from doubles.service_fixtures import (  # noqa: F401 - fixtures
    api,
    clock,
    finish,
    in_background,
    settings,
    transfer,
)
