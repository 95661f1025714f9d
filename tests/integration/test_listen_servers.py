# SPDX-License-Identifier: MIT
"""conjoin listen with servers that others wrote, and for callers with few files or odd ones. Not
here: what a server is given (test_listen.py)."""

import os
import resource
import shutil
import signal
import socket
import threading

import pytest

from lib.failure import assert_failed
from lib.given import start_with
from lib.peers import (ACTIVATED, DEADLINE, ask, dial, listen, listening_ports,  # noqa: F401
                       read_to_end, ss)
from lib.poll import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TROUBLE = 1
PORT = 8080  # in a namespace of its own
PROXY = "/lib/systemd/systemd-socket-proxyd"
NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "answer $remote_addr\\n"; }}
    }}
}}
"""


@pytest.fixture
def box(sandbox):
    return sandbox()


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx isn't installed")
def test_nginx_answers_where_it_doesnt_know_to_be(listen, conjoin, box, scratch):
    """By the variable that it has for its own upgrade."""
    path = os.path.join(scratch, "nginx.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write(NGINX.format(folder=scratch, port=PORT))
    script = 'NGINX="3;" exec nginx -e stderr -c "$1"'
    running = listen(box, f"http=tcp4:{PORT}", command=["sh", "-c", script, "sh", path])
    assert running.where() == [f"127.0.0.1:{PORT}"]
    for _ in range(3):
        done = conjoin.exec(box, "wget", "-q", "-O", "-", f"http://127.0.0.1:{PORT}/")
        assert (done.returncode, done.stdout) == (0, "answer 127.0.0.1\n"), done
    line, = [line for line in ss(box).splitlines() if f":{PORT} " in line]
    assert '("nginx",pid=' in line
    assert PORT not in listening_ports("self")
    status, said = running.terminate()
    assert status == 0, said
    assert PORT not in listening_ports(box.pid)


@pytest.mark.skipif(not os.access(PROXY, os.X_OK), reason="there is no systemd-socket-proxyd")
def test_a_server_of_systemds_takes_it_for_a_service_manager(listen, box, scratch):
    """It listens there and passes on to a socket of the host's."""
    path = os.path.join(scratch, "backend")
    with socket.socket(socket.AF_UNIX) as backend:
        backend.bind(path)
        backend.listen()
        backend.settimeout(DEADLINE)
        running = listen(box, "127.0.0.1:0", command=[PROXY, path])
        address, = running.where()
        with dial(box, address) as client:
            inner, _ = backend.accept()
            with inner:
                inner.settimeout(DEADLINE)
                client.sendall(b"question")
                assert read_to_end(inner, 8) == b"question"
                inner.sendall(b"answer")
            assert read_to_end(client) == b"answer"
        status, said = running.terminate()
        assert status == 0, said


# --- callers ---

def test_files_of_the_callers_in_the_way(conjoin, box, scratch):
    """Sockets are 3 and 4 all the same, and what isn't in their way is nobody's business but the caller's."""
    with open(os.path.join(scratch, "mine"), "wb") as mine:
        process = start_with(conjoin, {3: mine.fileno(), 5: mine.fileno()}, "listen", box.pid,
                             "@a", "@b", "--", "sh", "-c",
                             "for i in 3 4 5; do readlink /proc/$$/fd/$i; done")
        out, err = process.communicate(timeout=DEADLINE)
    three, four, five = out.splitlines()
    assert (process.returncode, err) == (0, "")
    assert three.startswith("socket:") and four.startswith("socket:") and three != four
    assert five == mine.name


def test_with_012_closed(box, conjoin, scratch):
    """None of the sockets becomes one of them."""
    path = os.path.join(scratch, "told")
    script = f'for i in 0 1 2 3; do readlink /proc/$$/fd/$i; done >{path}'

    def close_all():
        for number in range(3):
            os.close(number)

    process = conjoin.popen("listen", box.pid, "@closed", "--", "sh", "-c", script,
                            preexec_fn=close_all)
    assert process.wait(DEADLINE) == 0
    with open(path, encoding="ascii") as f:
        found = f.read().splitlines()
    assert found[0] == "/dev/null" and found[2] == "/dev/null" and found[3].startswith("socket:")


def test_with_few_files_it_says_so_or_does_it(conjoin, box):
    """Never half of it, and never without a word."""
    seen = set()
    for limit in range(4, 26):
        done = conjoin.run("listen", box.pid, *(f"@few{i}" for i in range(4)), "--", "true",
                           preexec_fn=lambda limit=limit: resource.setrlimit(
                               resource.RLIMIT_NOFILE, (limit, limit)))
        if done.returncode != 0:
            assert_failed(done, TROUBLE, "Too many open files")
        seen.add(done.returncode)
    assert seen == {0, TROUBLE}


def test_an_ordinary_user_in_a_namespace_of_his_own(unprivileged, conjoin):
    """Whatever he may do there, he may do by us."""
    script = ('"$0" listen self 80 -- sh -c \'echo "$LISTEN_FDS"; ss -Hntl | wc -l\'')
    done = unprivileged(["unshare", "-Urn", "sh", "-c", "ip link set lo up && exec sh -c \"$1\" \"$0\"",
                         conjoin.path, script])
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n2\n", "")


def test_a_netns_that_isnt_his_is_refused_to_an_ordinary_user(unprivileged, conjoin, box):
    done = unprivileged([conjoin.path, "listen", box.pid, "80", "--", "true"])
    assert_failed(done, TROUBLE, f"listen {box.pid}: ", "Permission denied")


def test_many_who_connect_while_it_ends(listen, box):
    """None of them keeps it."""
    running = listen(box, "127.0.0.1:0")
    address, = running.where()
    running.server()
    stop = threading.Event()

    def connect():
        while not stop.is_set():
            try:
                ask(box, address)
            except OSError:
                return

    asker = threading.Thread(target=connect, daemon=True)
    asker.start()
    wait_for(lambda: ask(box, address))
    assert running.terminate() == (0, "")
    stop.set()
    asker.join(DEADLINE)
    assert not asker.is_alive()


def test_the_line_that_tells_of_a_server_cant_move_a_terminal(conjoin, box):
    done = conjoin.run("listen", box.pid, "@esc", "--", "/no/such/\x1b[31m\nprogram")
    assert_failed(done, TROUBLE, "execute ", "No such file")


def test_after_our_violent_death_others_can_listen_there(listen, box):
    """The file that was left is replaced."""
    first = listen(box, "/tmp/again", "tcp4:80", command=ACTIVATED)
    first.where(2)
    server = first.server()
    first.send(signal.SIGKILL)
    first.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{server['pid']}/fd/3"))
    second = listen(box, "/tmp/again", "tcp4:80")
    second.where(2)
    assert second.server()["pid"] != server["pid"]
    assert second.terminate() == (0, "")


def test_lines_are_whole(listen, box):
    """Sixty-four of them at once, each as it should be."""
    running = listen(box, *(f"@whole{i}" for i in range(64)))
    assert running.where(64) == [f"unix:@whole{i}" for i in range(64)]
    running.server()
    assert running.terminate() == (0, "")
