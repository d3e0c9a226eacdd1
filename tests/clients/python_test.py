"""Python's asynchronous and its gRPC clients."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.clients import EGRESS, PYTHON, TOKEN, need, run, url
from lib.http import reply
from lib.wait import DEADLINE

HTTPX = """
import asyncio, sys, httpx
url = sys.argv[1]
with httpx.Client() as client:
    with client.stream("GET", url + "stream") as r:
        for line in r.iter_lines():     # each is asked for by the last
            print(line.strip())
            client.get(url + "more")
async def main():
    async with httpx.AsyncClient() as client:
        got = await asyncio.gather(*[
            client.post(url + str(i), content=b"d%d" % i) for i in range(30)])
    print(*[r.text.strip() for r in got], sep="\\n")
asyncio.run(main())
"""

AIOHTTP = """
import asyncio, ssl, sys, aiohttp
url, proxy = sys.argv[1:]
async def fetch(session, i):
    async with session.put(f"{url}{i}", data=b"x" * 10_000 * i,
                           proxy=proxy) as r:
        return r.status, len(await r.read())
async def main():
    async with aiohttp.ClientSession() as session:
        got = await asyncio.gather(*[fetch(session, i) for i in range(30)])
    print(*got, sep="\\n")
asyncio.run(main())
"""

GRPC = """
import sys, grpc
trust = grpc.ssl_channel_credentials()  # GRPC_DEFAULT_SSL_ROOTS_FILE_PATH
with grpc.secure_channel(sys.argv[1], trust) as channel:
    call = channel.unary_unary("/weir.Test/Call")
    try:
        print(call(b"a word", timeout=float(sys.argv[2])).decode())
    except grpc.RpcError as e:
        print(e.code().name, e.details())
"""


def test_httpx_streams_and_in_parallel(weir, origin, guarded):
    need(module="httpx")
    more = threading.Semaphore(0)

    def answer(conn, request):
        if request.target == "/more":
            more.release()
        if request.target != "/stream":
            return reply(f"{request.target} {request.body.decode()}\n")
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(5):
            conn.send(b"6\r\nline%d\n\r\n" % i)
            assert more.acquire(timeout=DEADLINE), "the line was held back"
        return b"0\r\n\r\n"

    guarded(answer)
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    out = run(w, PYTHON, "-c", HTTPX, url(origin))
    lines = [f"line{i}" for i in range(5)] + [f"/{i} d{i}" for i in range(30)]
    assert out.splitlines() == lines


def test_aiohttp(weir, origin, guarded):
    need(module="aiohttp")
    guarded(lambda conn, request: reply(request.body))
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    out = run(w, PYTHON, "-c", AIOHTTP, url(origin), w.proxy)
    assert out.splitlines() == [f"(200, {10_000 * i})" for i in range(30)]


def test_grpc_is_told_that_http2_is_not_spoken(served, origin):
    """Until weir speaks HTTP/2: an alert that says so, at once."""
    need(module="grpc")
    where = f"origin.test:{origin.port}"
    out = run(served, PYTHON, "-c", GRPC, where, str(DEADLINE))
    assert out.startswith("UNAVAILABLE"), out
    assert "alert no application protocol" in out
    served.wait_log("handshake .*origin.test.* failed: no application protocol")
    assert origin.conns == []


@pytest.fixture
def grpc_port(pki):
    """A gRPC server for grpc.test, which answers in capitals."""
    need(module="grpc")
    import grpc

    call = grpc.unary_unary_rpc_method_handler(lambda data, _: data.upper())
    handlers = grpc.method_handlers_generic_handler(
        "weir.Test", {"Call": call}
    )
    certificate, key = pki.leaf("grpc.test")
    with open(certificate, "rb") as c, open(key, "rb") as k:
        trust = grpc.ssl_server_credentials([(k.read(), c.read())])
    server = grpc.server(ThreadPoolExecutor(1), [handlers])
    port = server.add_secure_port("127.0.0.1:0", trust)
    server.start()
    yield port
    server.stop(None).wait(DEADLINE)


def test_grpc_through_a_blind_tunnel(weir, pki, grpc_port):
    """Where HTTP/2 is needed at once, and no credential."""
    w = weir(
        egress=f"ports {grpc_port}; resolve grpc.test 127.0.0.1;"
        "host grpc.test { intercept off; }"
    )
    out = run(
        w, PYTHON, "-c", GRPC, f"grpc.test:{grpc_port}", str(DEADLINE),
        env={"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": pki.ca},
    )  # fmt: skip
    assert out == "A WORD\n"
