"""Settings, read from the environment and an `.env` file in the working folder.

A missing or malformed setting raises `SettingsError`, whose text is one line that names every setting
at fault and never shows a secret's value.
"""
