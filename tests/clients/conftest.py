"""What most tests of clients share: an origin that knows one credential."""

import pytest

from lib.clients import EGRESS, TOKEN
from lib.http import reply


@pytest.fixture
def guarded(origin):
    """Makes the origin give answer(conn, request) to those who bring the
    token, and 401 to the others: guarded(answer)."""

    def serve(answer):
        def check(conn, request):
            if request.all("authorization") != [f"Bearer {TOKEN}"]:
                return reply("who?\n", "401 Unauthorized")
            return answer(conn, request)

        origin.default = check
        return origin

    return serve


@pytest.fixture
def served(weir, guarded):
    """A weir, and an origin that greets those who bring the token."""
    guarded(
        lambda conn, request: reply(
            f"hello {request.method} {request.body.decode()}\n"
        )
    )
    return weir(egress=EGRESS, env={"TOKEN": TOKEN})
