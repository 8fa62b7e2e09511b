"""needs - what parts ask for: the binding, npm packages, PyPI packages, test programs. Ends the part with 77 where it cannot be had."""
import fcntl
import filecmp
import hashlib
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ["MAYFLY_BUILD"]
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network|Name or service not known|Temporary failure in name|"
                     r"Connection (refused|reset|broken|to .* timed out)|Failed to establish|Read timed out|No matching distribution", re.I)


def skip(why):
    print(why)
    sys.exit(77)


def run(command, what, **how):
    """Runs an installer: a skip when the registry cannot be reached, a failure when it can."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **how)
    if done.returncode == 0:
        return
    text = done.stdout.decode(errors="replace")
    print(text)
    if OFFLINE.search(text):
        skip(f"{what}: the registry cannot be reached")
    sys.exit(1)


def binding():
    """The path of the OpenDAL binding, built."""
    done = subprocess.run([os.path.join(ROOT, "tools", "opendal"), BUILD], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(done.stdout.decode(errors="replace"), end="")
        sys.exit(done.returncode)
    return os.path.join(BUILD, "libmayfly_opendal.so")


def node(least):
    """Node, of at least this major version."""
    program = shutil.which("node")
    if not program or not shutil.which("npm"):
        skip("there is no node with npm")
    version = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < least:
        skip(f"node {version} is older than {least}")
    return program


def node_modules(folder):
    """The packages of folder/package-lock.json, in folder/node_modules."""
    lock = os.path.join(folder, "package-lock.json")
    stamp = os.path.join(folder, "node_modules", ".lock")
    if os.path.exists(stamp) and filecmp.cmp(stamp, lock, shallow=False):
        return
    run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], "npm", cwd=folder)
    shutil.copy(lock, stamp)


def interpreter():
    for candidate in ["/usr/bin/python3", sys.executable, shutil.which("python3")]:
        if candidate and subprocess.run([candidate, "-m", "ensurepip", "--version"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return candidate
    return skip("there is no Python that makes virtual environments (python3-venv)")


def python(*packages):
    """A Python that has these packages of PyPI, each pinned: "opendal==0.47.12"."""
    assert all("==" in p for p in packages)
    source = interpreter()
    name = hashlib.sha256("\n".join([source, *packages]).encode()).hexdigest()[:16]
    folder = os.path.join(ROOT, "deps", "interop", name)
    program = os.path.join(folder, "bin", "python")
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + ".lock", "w", encoding="utf-8") as lock:  # others may want it as well
        fcntl.flock(lock, fcntl.LOCK_EX)
        fill(source, folder, program, packages)
    return program


def fill(source, folder, program, packages):
    if not os.path.exists(os.path.join(folder, ".whole")):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([source, "-m", "venv", folder], check=True)
        run([program, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--disable-pip-version-check", *packages], "PyPI")
        with open(os.path.join(folder, ".whole"), "w", encoding="utf-8"):
            pass


def unit_tests(names, env):
    """Runs programs of tests/unit; none of their tests may be skipped."""
    subprocess.run(["ninja", "-C", BUILD, *(f"tests/{name}_test" for name in names)], check=True, stdout=subprocess.DEVNULL)
    for name in names:
        done = subprocess.run([os.path.join(BUILD, "tests", name + "_test")], env=dict(os.environ, **env), check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = done.stdout.decode(errors="replace")
        print("\n".join(line for line in text.split("\n") if not re.match(r"\[ RUN|\[ +OK", line)))
        if done.returncode or "SKIPPED" in text:
            sys.exit(1)
