"""What tests with Redis rely on: that their Redis, and what is put between it and a server, do what they say."""
import socket
import time

import pytest

from redis import Connection, Redis, ReplyError


def test_what_was_acknowledged_is_there_after_a_kill(redis):
    redis.command("SET", "a", "1", "PX", 60000)
    redis.restart()
    assert redis.command("GET", "a") == b"1" and 0 < redis.ttls()["a"] <= 60000


def test_a_full_one_refuses_and_still_reads(redis):
    redis.command("SET", "a", "1")
    redis.full()
    with pytest.raises(ReplyError, match="OOM"):
        redis.command("SET", "b", "x" * 100000)
    assert redis.command("GET", "a") == b"1"
    redis.roomy()
    redis.command("SET", "b", "x" * 100000)


def test_a_paused_one_answers_when_it_goes_on(redis):
    connection = Connection(redis.port)
    redis.pause()
    connection.socket.settimeout(0.1)
    with pytest.raises(socket.timeout):
        connection.socket.sendall(b"PING\r\n")
        connection.socket.recv(1)
    redis.resume()
    connection.socket.settimeout(10)
    assert connection.socket.recv(7) == b"+PONG\r\n"
    connection.close()


def test_a_password_is_asked_for():
    one = Redis(password="word")
    try:
        with pytest.raises(ReplyError, match="NOAUTH"):
            Connection(one.port).command("GET", "a")
        assert one.command("PING") == b"PONG" and ":word@" in one.url()
    finally:
        one.drop()


def test_a_proxy_delays_loses_and_cuts(redis, proxy):
    connection = Connection(proxy.port)
    proxy.delay = 0.1
    began = time.monotonic()
    connection.command("SET", "a", "1")
    assert time.monotonic() - began >= 0.2
    proxy.delay, proxy.lose_answers = 0, True
    connection.socket.settimeout(0.1)
    with pytest.raises(socket.timeout):
        connection.command("SET", "a", "2")
    assert redis.command("GET", "a") == b"2"
    proxy.lose_answers = False
    proxy.cut()
    with pytest.raises(OSError):
        Connection(proxy.port).command("PING")
    proxy.mend()
    assert Connection(proxy.port).command("GET", "a") == b"2"
