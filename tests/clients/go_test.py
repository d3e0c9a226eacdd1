"""Go's net/http, which reads the proxy and the CA from the environment."""

import pytest

from lib.clients import DENYING, TOKEN, need, run, url
from lib.http import reply

MAIN = """
package main

import ("fmt"; "io"; "net/http"; "os"; "strings"; "sync")

func post(client *http.Client, url string, body string) string {
	r, err := client.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return fmt.Sprint(r.Proto, " ", strings.TrimSpace(string(text)), " ", err)
}

func main() {
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}}
	var all sync.WaitGroup
	out := make([]string, 20)
	for i := range out {
		all.Add(1)
		go func(i int) {
			out[i] = post(client, os.Args[1], fmt.Sprint("sent", i))
			all.Done()
		}(i)
	}
	all.Wait()
	fmt.Println(strings.Join(out, "\\n"))
	fmt.Println(post(http.DefaultClient, os.Args[2], "x"))
	fmt.Println(post(client, os.Args[1] + "no/", "x"))
}
"""


@pytest.mark.heavy
def test_go_net_http(weir, origin, guarded):
    """Of a refused CONNECT its error is the reason."""
    need("go")
    guarded(lambda conn, request: reply(request.body + b"\n"))
    w = weir(egress=DENYING, env={"TOKEN": TOKEN})
    w.write("main.go", MAIN)
    run(
        w, "go", "build", "-o", "client", "main.go",
        env={"GO111MODULE": "off", "GOPROXY": "off"},
    )  # fmt: skip
    out = run(
        w, w.path("client"), url(origin),
        "https://elsewhere.example/",
    ).splitlines()  # fmt: skip
    assert out[:20] == [f"HTTP/1.1 sent{i} <nil>" for i in range(20)]
    assert out[20].endswith("elsewhere.example is blocked by egress policy")
    assert out[21].startswith("HTTP/1.1 origin.test is blocked by egress ")
