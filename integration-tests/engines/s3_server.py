"""Runs one S3 server: `s3_server.py WEED WORK_FOLDER BUCKET PORT...`, its own port and seven more. Prints
{"pid": ...} once the bucket is there and can be written to, answers each line on stdin, a
prefix, with the list of the objects below it, and ends the server when stdin closes, that is when
whoever started this program ends, however it ends. A server that is
started again on the same folder has what it had.

Everything listens on loopback, and nothing is reported to anybody. Two users: `broker` may do
everything, `reader` may read the bucket; the secret of each is its name and `-secret`.
"""

import ctypes
import json
import pathlib
import signal
import subprocess
import sys
import time

from pyarrow import fs

START_SECONDS_MAX = 120
PR_SET_PDEATHSIG = 1


def users(bucket):
    def user(name, actions):
        keys = [{"accessKey": name, "secretKey": f"{name}-secret"}]
        return {"name": name, "credentials": keys, "actions": actions}

    reading = [f"Read:{bucket}", f"List:{bucket}"]
    return {"identities": [user("broker", ["Admin"]), user("reader", reading)]}


def start(weed, work, bucket, port, others):
    data = work / "data"
    data.mkdir(parents=True, exist_ok=True)
    (work / "users.json").write_text(json.dumps(users(bucket)))
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
    names += ["filer.port", "filer.port.grpc", "s3.port.grpc"]
    ports = zip(names, others, strict=True)
    # The sockets' paths are short: a path of more than about a hundred bytes is refused.
    options = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 64,
        "volume.max": 50,
        "filer": "true",
        "filer.localSocket": f"/tmp/strom-s3-{port}-filer.sock",
        "s3": "true",
        "s3.port": port,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",
        "s3.config": work / "users.json",
        "s3.localSocket": f"/tmp/strom-s3-{port}.sock",
        **dict(ports),
    }
    libc = ctypes.CDLL(None)
    return subprocess.Popen(
        [weed, "-logtostderr=true", "server", *(f"-{k}={v}" for k, v in options.items())],
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=open(work / "weed.log", "ab"),
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )


def store_of(port):
    return fs.S3FileSystem(
        access_key="broker",
        secret_key="broker-secret",
        endpoint_override=f"http://127.0.0.1:{port}",
        region="us-east-1",
        allow_bucket_creation=True,
        connect_timeout=2,
        request_timeout=5,
    )


def objects(store, bucket, prefix):
    selector = fs.FileSelector(f"{bucket}/{prefix}", recursive=True, allow_not_found=True)
    found = store.get_file_info(selector)
    return sorted(each.path[len(bucket) + 1 :] for each in found if each.is_file)


def wait_until_writable(server, store, bucket, log):
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS_MAX:
        if server.poll() is not None:
            sys.exit(f"the S3 server ended with {server.returncode}:\n" + log.read_text()[-3000:])
        try:
            store.create_dir(bucket)
            with store.open_output_stream(f"{bucket}/probe") as probe:
                probe.write(b"written")
            store.delete_file(f"{bucket}/probe")
            return
        except OSError:
            time.sleep(0.2)
    server.kill()
    sys.exit("the S3 server did not start:\n" + log.read_text()[-3000:])


def main():
    weed, work, bucket = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    port, *others = map(int, sys.argv[4:])
    server = start(weed, work, bucket, port, others)
    store = store_of(port)
    wait_until_writable(server, store, bucket, work / "weed.log")
    print(json.dumps({"pid": server.pid}), flush=True)
    for line in sys.stdin:
        print(json.dumps(objects(store, bucket, line.strip())), flush=True)
    server.kill()
    server.wait()


main()
