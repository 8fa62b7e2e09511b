"""s3 - the double of an object store, as a process that can fail, and servers whose storage it is."""
import contextlib
import json
import os
import subprocess
import sys

import needs

sys.path.insert(0, os.path.join(needs.ROOT, "tests", "http"))
from mayfly import Server  # noqa: E402

FOLDER = os.path.join(needs.HERE, "s3double")
SECRET = "S3RVER"


class Double:
    """s3double/server.js; it ends with the `with`."""

    def __enter__(self):
        self.library = needs.binding()
        node = needs.node(20)
        needs.node_modules(FOLDER)
        self.process = subprocess.Popen([node, os.path.join(FOLDER, "server.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def objects(self, below=""):
        """What the bucket has at this moment, without asking a server: key to text, of Parquet to None."""
        return {k: v for k, v in json.loads(self.say("objects")).items() if k.startswith(below)}

    def keys(self, below=""):
        return sorted(self.objects(below))

    def settings(self, root, **more):
        where = {
            "scheme": "s3", "root": root, "library": self.library, "bucket": "test", "endpoint": f"http://127.0.0.1:{self.port}",
            "region": "us-east-1", "access_key_id": SECRET, "secret_access_key": SECRET, "disable_config_load": "true",
        }
        return {f"storage.{k}": v for k, v in where.items()} | {k.replace("__", "."): v for k, v in more.items()}

    @contextlib.contextmanager
    def servers(self, root, n, **more):
        """n of them on one root; those that still run at the end must end cleanly."""
        with contextlib.ExitStack() as ends:
            made = []
            for _ in range(n):
                made.append(Server(self.settings(root, **more)))
                ends.callback(lambda one: one.check_end() if one.process.poll() is None else one.drop(), made[-1])
            yield made
            for one in made:
                assert SECRET not in one.stderr(), "a secret is in the log"
