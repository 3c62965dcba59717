"""`lettershop web`: the pages for supporters and the API, until it is told to stop."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.frame import bell, frame_of
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.settings import Home
    from worker.web.app import Only


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
    only: Annotated[
        str,
        typer.Option(
            "--only",
            help="pages: those for supporters; ops: those for operators, at `[ops] host` and `port`. Unset: the operators' "
            "with the others, but where they have an address of their own.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Serve the pages until it is told to stop.

    In the foreground, until SIGTERM or Ctrl-C; requests under way end in order, and a changed config is taken. Host and
    port say where it listens, behind a proxy say; what pages and notices name as their address stands in the settings.
    """
    home = frame_of(context).home()
    from worker.cli.stack import refuse_unfit

    part = _part(only)
    at = _place(home, part)
    refuse_unfit(home)
    from worker.operations.fleet import Presence
    from worker.operations.reload import Reloading
    from worker.web.app import make_app
    from worker.web.reload import Changing
    from worker.web.serve import serve
    from worker.web.shop import shop_on
    from worker.wiring.home import open_ledger, read_home

    wake = bell(home)
    with open_ledger(home) as ledger:
        config = Reloading(home, lambda: read_home(home.root))
        presence = Presence(ledger, home.var, "web")
        pages = Changing(lambda home: make_app(shop_on(home, ledger, wake), part), presence, config)
        serve(pages, host or at[0], port or at[1], shared=shared, log_format=home.settings.log.format)


def _part(only: str) -> "Only | None":
    if only not in {"", "pages", "ops"}:
        raise BadInput(f'--only is "pages" or "ops", not {only!r}')
    return "ops" if only == "ops" else "pages" if only else None


def _place(home: "Home", part: "Only | None") -> tuple[str, int]:
    """Where it listens. Raises BadInput where operators' pages alone are wanted and have no address of their own."""
    from worker.web.ops.place import own_address

    if part != "ops":
        return home.settings.web.host, home.settings.web.port
    own = own_address(home)
    if own is None:
        raise BadInput(
            "the operators' pages have no address of their own: set host and port in [ops], or leave out --only"
        )
    return own


def addresses(home: "Home") -> dict[str, str]:
    """Where to look, by name: the pages and, where letters stay on this machine, the inbox that shows them."""
    base = home.settings.base_url
    found = {"pages": f"{base}/"} if base else {}
    from worker.web.ops.place import PREFIX, url_of

    if url := url_of(home):
        found["ops"] = f"{url}{PREFIX} (once `lettershop users add` has made somebody)"
    if base and home.settings.mode == "rehearsal" and home.settings.rehearsal.embedded:
        found["inbox"] = f"{base}/rehearsal"
    return found
