"""Smart HTTP for an Origin: git's own http-backend, behind a credential."""

import os
import subprocess

from .http import reply


def git(*args, cwd=None, env=None, text=True):
    """Runs git with no configuration but its own; returns what it printed."""
    clean = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "A Tester",
        "GIT_AUTHOR_EMAIL": "tester@origin.test",
        "GIT_COMMITTER_NAME": "A Tester",
        "GIT_COMMITTER_EMAIL": "tester@origin.test",
    }
    clean.update(env or {})
    done = subprocess.run(
        ["git", *args], cwd=cwd, env=clean, capture_output=True,
        stdin=subprocess.DEVNULL, text=text,
    )  # fmt: skip
    assert done.returncode == 0, f"git {args}: {done.stderr}"
    return done.stdout


def make_repository(root, name="project.git"):
    """A bare repository with one commit, below root."""
    bare = os.path.join(root, name)
    work = os.path.join(root, "work")
    git("init", "-q", "-b", "main", work)
    with open(os.path.join(work, "README"), "w") as f:
        f.write("a project behind a credential\n")
    git("add", "README", cwd=work)
    git("commit", "-q", "-m", "first", cwd=work)
    git("clone", "-q", "--bare", work, bare)
    git("config", "http.receivepack", "true", cwd=bare)
    return bare


class GitBackend:
    """An origin.default: serves the repositories below `root` to requests
    that carry `authorization`; others get 401."""

    def __init__(self, root, authorization):
        self.root = root
        self.authorization = authorization
        self.program = os.path.join(git("--exec-path").strip(), "git-http-backend")

    def __call__(self, conn, request):
        if request.all("authorization") != [self.authorization]:
            return reply(
                b"who are you?\n",
                "401 Unauthorized",
                [("WWW-Authenticate", 'Basic realm="git"')],
            )
        path, _, query = request.target.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "tester",
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": request.get("content-type", ""),
            "CONTENT_LENGTH": str(len(request.body)),
            "HTTP_CONTENT_ENCODING": request.get("content-encoding", ""),
            "HTTP_GIT_PROTOCOL": request.get("git-protocol", ""),
        }
        done = subprocess.run(
            [self.program], input=request.body, env=env, capture_output=True
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        status, headers = "200 OK", []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name == "Status":
                status = value
            elif name:
                headers.append((name, value))
        return reply(body, status, headers)
