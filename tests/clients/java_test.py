"""Java's HttpClient, as the JDK brings it: all that it is told stands in
JAVA_TOOL_OPTIONS."""

import subprocess

import pytest

from lib.clients import DENYING, TOKEN, need, run, url
from lib.http import reply

MAIN = """
import java.net.URI;
import java.net.http.*;
import java.util.*;
import java.util.concurrent.CompletableFuture;
import java.util.stream.*;

class Main {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newHttpClient();  // asks for HTTP/2
        List<CompletableFuture<HttpResponse<String>>> all =
            IntStream.range(0, 20).mapToObj(i -> client.sendAsync(
                HttpRequest.newBuilder(URI.create(args[0]))
                    .POST(HttpRequest.BodyPublishers.ofString("sent" + i))
                    .build(),
                HttpResponse.BodyHandlers.ofString()))
            .collect(Collectors.toList());
        for (CompletableFuture<HttpResponse<String>> one : all)
            System.out.print(one.get().version() + " " + one.get().body());
        System.out.println(get(client, args[1]));
        System.out.println(get(client, args[2]));
        System.out.println(get(client, args[0] + "no/"));
    }

    static String get(HttpClient client, String url) throws Exception {
        try {
            return client.send(HttpRequest.newBuilder(URI.create(url)).build(),
                HttpResponse.BodyHandlers.ofString()).body().trim();
        } catch (java.io.IOException e) {
            return e.getMessage();
        }
    }
}
"""


def java_options(w):
    """What JAVA_TOOL_OPTIONS must say; makes the trust store."""
    store = w.path("trust.p12")
    done = subprocess.run(
        ["keytool", "-importcert", "-noprompt", "-alias", "weir",
         "-file", w.ca(), "-keystore", store, "-storetype", "PKCS12",
         "-storepass", "changeit"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    options = {
        "javax.net.ssl.trustStore": store,
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": "changeit",
        "https.proxyHost": "127.0.0.1",
        "https.proxyPort": w.port,
        "http.proxyHost": "127.0.0.1",
        "http.proxyPort": w.port,
    }
    return " ".join(f"-D{n}={v}" for n, v in options.items())


@pytest.mark.heavy
def test_java_http_client(weir, origin, plain_origin, guarded):
    """By plain HTTP it asks for an upgrade to h2c, which stops at weir. Of a
    refused CONNECT it shows the status, and inside a tunnel all."""
    need("java", "keytool")
    guarded(lambda conn, request: reply(request.body + b"\n"))
    w = weir(egress=DENYING, env={"TOKEN": TOKEN})
    out = run(
        w, "java", "-XX:TieredStopAtLevel=1", w.write("Main.java", MAIN),
        url(origin), "https://elsewhere.example/",
        f"http://plain.test:{plain_origin.port}/",
        env={"JAVA_TOOL_OPTIONS": java_options(w)},
    ).splitlines()  # fmt: skip
    assert out[:20] == [f"HTTP_1_1 sent{i}" for i in range(20)]
    assert out[20] == "Tunnel failed, got: 403"
    assert out[21] == "hello from the origin"
    assert out[22].startswith("origin.test is blocked by egress policy: ")
    (request,) = plain_origin.requests
    assert request.all("upgrade") + request.all("http2-settings") == []
