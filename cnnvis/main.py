"""The command line: finds the subcommand, and turns bad input into one line and exit code 2."""

from __future__ import annotations

import importlib
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from . import __version__
from .options import mute

# In the order of the help text; each is a module of this package with a `command`.
COMMANDS = (
    *("layers", "activations", "gradients", "maximize", "weights", "to-onnx"),
    *("importance", "ablate", "prune"),
    *("order", "series", "convert", "info"),
    *("preset", "scene", "render", "montage", "gallery"),
    *("archive", "verify"),
)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"cnnvis.{cmd_name.replace('-', '_')}").command
        return command


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="cnnvis")
def cli() -> None:
    """Turn the layers of a convolutional network into volumes for ParaView, 3D Slicer and CGV.

    Paths of written files go to standard output, one a line; everything else to standard error.

    \b
    Examples:
      cnnvis layers net.onnx
      cnnvis activations net.onnx --image cat.jpg --layer 'conv*' -o volumes
      cnnvis convert conv1.nrrd conv1.nii.gz
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 done, 2 a wrong call, bad input or a full disk, 1 a bug."""
    warnings.showwarning = _note
    # clusters end jobs so; as an exception it lets half-written files be cleared away
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments), prog_name="cnnvis", standalone_mode=False
        )
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        _fail(_with_hint(error.format_message()))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        mute()
        sys.exit(0)
    except OSError as error:
        # standard output may be what is full: what waits in its buffer cannot be written either
        mute()
        _fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except Exception as error:
        from converters.errors import CnnVisError

        if not isinstance(error, CnnVisError):
            raise
        _fail(str(error))
    sys.exit(code if isinstance(code, int) else 0)


def _with_hint(message: str) -> str:
    """Help those who are used to pycaffe, which takes the weights as its second argument."""
    extra = "unexpected extra argument" in message and ".caffemodel" in message
    return f"{message.rstrip('.')}: weights go behind --weights" if extra else message


def _terminate(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _fail(message: str) -> None:
    click.echo("cnnvis: error: " + " ".join(message.split()), err=True)
    sys.exit(2)


def _note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    from converters.errors import CnnVisWarning

    if issubclass(category, CnnVisWarning):
        click.echo(f"cnnvis: note: {message}", err=True)
