"""Runs one Trino server: `trino_server.py JAVA_HOME TRINO_HOME WORK_FOLDER PORT`, where TRINO_HOME is
what `cargo xtask` installs (lib/, main/, plugin/). Prints {"pid": ..., "seconds": ...} once the server answers queries, and ends it when stdin closes, that is when whoever started this
program ends, however it ends.
"""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

START_SECONDS_MAX = 300
PR_SET_PDEATHSIG = 1

CONFIG = """\
node.environment=test
node.id=strom-tests
node.bind-ip=127.0.0.1
node.internal-address=127.0.0.1
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
catalog.management=dynamic
catalog.store=memory
plugin.dir={home}/plugin
query.max-memory=512MB
query.max-memory-per-node=512MB
"""


def start(java_home, home, work, port):
    work.mkdir(parents=True, exist_ok=True)
    config = work / "config.properties"
    config.write_text(CONFIG.format(port=port, home=home))
    # The log settings keep a line per query out of the log file.
    levels = work / "log.properties"
    levels.write_text("io.trino=INFO\nio.airlift=WARN\norg.eclipse.jetty=WARN\n")
    command = [
        f"{java_home}/bin/java",
        "-Xms256m",
        "-Xmx2g",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "--add-modules=jdk.incubator.vector",
        "--sun-misc-unsafe-memory-access=allow",
        "--enable-native-access=ALL-UNNAMED",
        f"-Dnode.data-dir={work}/data",
        f"-Dconfig={config}",
        f"-Dlog.levels-file={levels}",
        "-cp",
        f"{home}/main:{home}/lib/*",
        "StartTrino",
        (home / "version").read_text().strip(),
    ]
    libc = ctypes.CDLL(None)
    return subprocess.Popen(
        command,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=open(work / "trino.log", "wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )


def wait_until_started(server, port, log):
    began = time.monotonic()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() - began < START_SECONDS_MAX:
        if server.poll() is not None:
            sys.exit(f"trino ended with {server.returncode}:\n" + log.read_text()[-3000:])
        try:
            with opener.open(f"http://127.0.0.1:{port}/v1/info", timeout=5) as answer:
                if json.load(answer)["starting"] is False:
                    return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.2)
    server.kill()
    sys.exit(f"trino did not start within {START_SECONDS_MAX} s:\n" + log.read_text()[-3000:])


def main():
    java_home, home, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    port = int(sys.argv[4])
    server = start(java_home, home, work, port)
    seconds = wait_until_started(server, port, work / "trino.log")
    print(json.dumps({"pid": server.pid, "seconds": round(seconds, 1)}), flush=True)
    sys.stdin.read()
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()


main()
