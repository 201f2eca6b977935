"""`earmark install` and `earmark uninstall`: the box as a service of the system."""

from __future__ import annotations

import click

from appliance.cli.common import State, command, emit, pass_state


@command("install", short_help="Install as a service that starts at boot; again to upgrade.")
@click.option("--dry-run", is_flag=True, help="Show each step and change nothing.")
@click.option(
    "--from",
    "source",
    metavar="SOURCE",
    default="",
    help="A wheel, a checkout, or a version as pip names it; what runs now if not given.",
)
@click.option("--python", default="", metavar="PATH", help="The Python of the service.")
@click.option(
    "--system-packages",
    is_flag=True,
    help="Let the service see the packages of that Python, too; a Jetson's always does.",
)
@click.option("--rebuild", is_flag=True, help="Build the release anew, though it is there already.")
@click.option("--no-start", is_flag=True, help="Put everything in place, but start nothing.")
@click.option(
    "--wait",
    "patience_s",
    type=click.FloatRange(10, 3600),
    default=300.0,
    show_default=True,
    help="Seconds that a release gets to be healthy, before the one from before comes back.",
)
@pass_state
def install(
    state: State,
    dry_run: bool,
    source: str,
    python: str,
    system_packages: bool,
    rebuild: bool,
    no_start: bool,
    patience_s: float,
) -> None:
    """Install Earmark as the service `earmark`, or upgrade it. Run it as root.

    The release that runs goes on listening while the new one is built. The database is copied and
    the copy checked before the change; a release that is not healthy in time is taken back, with
    the database of before. Doing it again changes nothing.
    """
    from appliance.install.install import Wishes
    from appliance.install.install import install as run
    from appliance.install.places import Places
    from appliance.install.system import RealSystem

    lines: list[str] = []
    wishes = Wishes(
        source,
        python,
        system_packages,
        rebuild=rebuild,
        start=not no_start,
        dry_run=dry_run,
        patience_s=patience_s,
    )
    run(Places(), RealSystem(), wishes, lines.append if state.json else click.echo)
    if state.json:
        emit({"installed": not dry_run, "steps": lines})


@command("uninstall", short_help="Remove the service; the sounds stay unless told otherwise.")
@click.option("--dry-run", is_flag=True, help="Show each step and change nothing.")
@click.option("--remove-data", is_flag=True, help="Remove sounds, labels and versions, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_state
def uninstall(state: State, dry_run: bool, remove_data: bool, yes: bool) -> None:
    """Stop and remove the service `earmark`. Run it as root."""
    from appliance.install.places import Places
    from appliance.install.system import RealSystem
    from appliance.install.uninstall import uninstall as run

    if not dry_run and not yes:
        what = "the service AND every sound, label and version" if remove_data else "the service"
        click.confirm(f"Remove {what}?", abort=True, err=True)
    lines: list[str] = []
    tell = lines.append if state.json else click.echo
    run(Places(), RealSystem(), tell, remove_data=remove_data, dry_run=dry_run)
    if state.json:
        emit({"removed": not dry_run, "steps": lines})
