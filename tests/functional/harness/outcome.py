"""How a story ends other than well."""


class Failed(Exception):
    """What was expected did not happen."""


class Skipped(Exception):
    """Something the story needs is not there; the text says what."""


def expect(condition, message):
    """Fail with message unless condition holds."""
    if not condition:
        raise Failed(message() if callable(message) else message)


def expect_equal(got, wanted, what):
    expect(got == wanted, lambda: f"{what}: got {got!r}, expected {wanted!r}")
