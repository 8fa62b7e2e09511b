"""The tests of several servers on one storage, on every backend: OpenDAL's fs, and S3."""
import json
import os
import subprocess
import sys

import needs

SUITE = os.path.join(needs.ROOT, "tests", "http", "test_any_server.py")


def passes(name, settings):
    env = dict(os.environ, MAYFLY_TEST_STORAGE=json.dumps(settings))
    done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE], env=env, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = done.stdout.strip().split("\n")
    print(f"{name}: {lines[-1]}")
    if done.returncode or " passed" not in lines[-1] or "skipped" in lines[-1]:
        print(done.stdout)
        sys.exit(1)


def main():
    library = needs.binding()
    node = needs.node(20)
    folder = os.path.join(needs.HERE, "s3double")
    needs.node_modules(folder)
    passes("fs", {"storage.driver": "opendal", "storage.library": library})
    double = subprocess.Popen([node, os.path.join(folder, "server.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        passes("s3", {
            "storage.scheme": "s3", "storage.library": library, "storage.bucket": "test", "storage.region": "us-east-1",
            "storage.endpoint": f"http://127.0.0.1:{int(double.stdout.readline())}", "storage.access_key_id": "S3RVER",
            "storage.secret_access_key": "S3RVER", "storage.disable_config_load": "true"})
    finally:
        double.stdin.close()
        double.wait(10)


main()
