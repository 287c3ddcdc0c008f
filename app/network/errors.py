"""The one error of the environment's own variables."""


class NetworkSettingsError(Exception):
    """A variable that says how requests leave cannot be followed.

    The text is one line that names the variable, and shows nothing of a proxy's address, which may hold a
    password.
    """
