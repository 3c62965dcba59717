"""`lettershop web`: the pages for supporters and the API, until it is told to stop."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.frame import bell, frame_of

if TYPE_CHECKING:
    from worker.settings import Home


def web(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on, instead of the settings'.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The port to listen on, instead of the settings'.", min=1, max=65535, show_default=False),
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Let other `web --shared` processes listen on the same port (Linux).")
    ] = False,
) -> None:
    """Serve the pages until it is told to stop.

    In the foreground, until SIGTERM or Ctrl-C; requests under way end in order. Host and port say where it listens, behind
    a proxy say; what pages and notices name as their address stands in the settings.
    """
    home = frame_of(context).home()
    from worker.cli.stack import refuse_unfit

    refuse_unfit(home)
    from worker.web.app import make_app
    from worker.web.serve import serve
    from worker.web.shop import open_shop

    place = home.settings.web
    with open_shop(home, bell(home)) as shop:
        serve(make_app(shop), host or place.host, port or place.port, shared=shared)


def addresses(home: "Home") -> dict[str, str]:
    """Where to look, by name: the pages and, where letters stay on this machine, the inbox that shows them."""
    base = home.settings.base_url
    found = {"pages": f"{base}/"} if base else {}
    if base and home.settings.mode == "rehearsal" and home.settings.rehearsal.embedded:
        found["inbox"] = f"{base}/rehearsal"
    return found
