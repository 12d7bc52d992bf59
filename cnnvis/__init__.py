"""The command: `cnnvis`, one module a subcommand."""

__version__ = "0.1.0"
