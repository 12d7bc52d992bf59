"""``cnnvis verify``: whether an archive is still what it was."""

from __future__ import annotations

from pathlib import Path

import click

from .options import file_path


@click.command()
@click.argument("bag", type=file_path)
def command(bag: Path) -> None:
    """Check an archive: names each changed, missing or extra file, and exits with 2 if there is one.

    \b
    Examples:
      cnnvis verify volumes-2026.zip
    """
    from converters.archive import verify

    problems = verify(bag)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise click.ClickException(f"{bag}: {len(problems)} problem{'s' * (len(problems) > 1)}, listed above")
    click.echo(f"{bag}: complete and unchanged", err=True)
