"""Closed by default: sockets, tokens, TLS, reflection."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from chassis_fakes import EchoVerifier, FakePool, Harness, item, outcome, serving, settings_for
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pydantic import SecretStr

from basanite.v1 import blob_pb2, verifier_pb2
from basanite_services.chassis import logs
from basanite_services.chassis.address import Address, AddressError, parse_address, prepare_socket
from basanite_services.chassis.auth import AccessError, decide_access
from basanite_services.chassis.server import Server

TOKEN = "correct-horse-battery"
RIGHT = (("authorization", f"Bearer {TOKEN}"),)


async def _code(call: Any) -> grpc.StatusCode:
    try:
        if hasattr(call, "read"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def _calls(harness: Harness, metadata: Any) -> dict[str, Any]:
    """One call of every RPC."""
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(harness.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    items = [item("a")]
    return {
        "Describe": harness.stub.Describe(verifier_pb2.DescribeRequest(), metadata=metadata),
        "Verify": harness.stub.Verify(verifier_pb2.VerifyRequest(item=items[0]), metadata=metadata),
        "VerifyBatch": harness.stub.VerifyBatch(
            verifier_pb2.VerifyBatchRequest(items=items), metadata=metadata
        ),
        "VerifyStream": harness.stub.VerifyStream(
            iter([verifier_pb2.VerifyStreamRequest(items=items)]), metadata=metadata
        ),
        "FindMissing": harness.blobs.FindMissing(blob_pb2.FindMissingRequest(), metadata=metadata),
        "Put": harness.blobs.Put(
            iter([blob_pb2.PutRequest(digest=EMPTY_DIGEST, size_bytes=0)]), metadata=metadata
        ),
        "Reflection": reflection.ServerReflectionInfo(iter([request]), metadata=metadata),
    }


EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", f"Bearer {TOKEN}x"),),
        (("authorization", TOKEN),),
        (("authorization", "Bearer "),),
    ],
)
async def test_every_rpc_but_health_needs_the_token(metadata: Any, tmp_path: Path) -> None:
    async with serving(tmp_path, token=SecretStr(TOKEN)) as harness:
        for name, call in _calls(harness, metadata).items():
            assert await _code(call) is grpc.StatusCode.UNAUTHENTICATED, name
        assert await harness.health_of() == "SERVING"
        assert EchoVerifier.runs == []


async def test_the_token_opens_every_rpc(tmp_path: Path) -> None:
    async with serving(tmp_path, token=SecretStr(TOKEN)) as harness:
        for name, call in _calls(harness, RIGHT).items():
            assert await _code(call) is grpc.StatusCode.OK, name


async def test_a_unix_socket_is_for_its_owner_only_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "socket"
    async with serving(tmp_path, listen=f"unix:{path}") as harness:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert outcome(await harness.verify(item("a"))) == "PASSED"
    assert not path.exists()


async def test_a_stale_socket_is_replaced_and_one_in_use_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(tmp_path) as harness:
        pool = FakePool()
        second = Server(settings_for(tmp_path), [EchoVerifier], pool, logs.configure("info", "json"))
        with pytest.raises(AddressError, match="in use"):
            await second.start()
        assert outcome(await harness.verify(item("a"))) == "PASSED"


def test_what_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(AddressError, match="not a socket"):
        prepare_socket(path)
    assert path.read_text() == "data"


async def test_on_loopback_a_token_is_generated_and_written_for_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    async with serving(tmp_path, listen="127.0.0.1:0") as harness:
        path = harness.server.token_path
        assert path == tmp_path / "run" / "basanite" / f"token-{harness.server.address.port}"
        assert path is not None
        assert path.stat().st_mode & 0o777 == 0o600
        token = path.read_text().strip()
        assert len(token) >= 32
        assert await _code(harness.stub.Describe(verifier_pb2.DescribeRequest())) is (
            grpc.StatusCode.UNAUTHENTICATED
        )
        metadata = (("authorization", f"Bearer {token}"),)
        assert outcome(await harness.verify(item("a"), metadata=metadata)) == "PASSED"


async def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, listen="127.0.0.1:0") as harness:
        settings = settings_for(tmp_path, listen=str(harness.server.address))
        second = Server(settings, [EchoVerifier], FakePool(), logs.configure("info", "json"))
        with pytest.raises(AddressError, match="cannot listen"):
            await second.start()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "10.1.2.3:50051", "host.example:50051"])
def test_refuses_an_open_address_without_token(listen: str, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="--insecure"):
        decide_access(settings_for(tmp_path, listen=listen))
    assert decide_access(settings_for(tmp_path, listen=listen, token=TOKEN)).token is not None
    assert decide_access(settings_for(tmp_path, listen=listen, insecure=True)).token is None


def test_a_token_file_is_read_or_made(tmp_path: Path) -> None:
    path = tmp_path / "token"
    settings = settings_for(tmp_path, listen="0.0.0.0:1", token_file=path)
    access = decide_access(settings)
    assert access.write(settings.address) == path
    assert path.stat().st_mode & 0o777 == 0o600
    again = decide_access(settings)
    assert again.token == access.token
    assert again.write(settings.address) is None
    path.write_text("short\n")
    with pytest.raises(AccessError, match="at least 16"):
        decide_access(settings)


async def test_reflection_names_the_services_and_is_off_with_insecure(tmp_path: Path) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with serving(tmp_path) as harness:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(harness.channel)
        names = [
            service.name
            async for response in stub.ServerReflectionInfo(iter([request]))
            for service in response.list_services_response.service
        ]
        assert {"basanite.v1.VerifierService", "basanite.v1.BlobService"} <= set(names)
    async with serving(tmp_path, listen="127.0.0.1:0", insecure=True) as harness:
        stub = reflection_pb2_grpc.ServerReflectionStub(harness.channel)
        assert await _code(stub.ServerReflectionInfo(iter([request]))) is grpc.StatusCode.UNIMPLEMENTED
        assert outcome(await harness.verify(item("a"))) == "PASSED"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate with openssl")
async def test_tls_works(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {key} -out {cert}"
    )
    await asyncio.to_thread(subprocess.run, command.split(), check=True, capture_output=True)
    credentials = grpc.ssl_channel_credentials(cert.read_bytes())
    options = {"listen": "127.0.0.1:0", "tls_cert": cert, "tls_key": key, "token": SecretStr(TOKEN)}
    async with serving(tmp_path, credentials=credentials, **options) as harness:
        assert outcome(await harness.verify(item("a"), metadata=RIGHT)) == "PASSED"
        assert await _code(harness.stub.Describe(verifier_pb2.DescribeRequest())) is (
            grpc.StatusCode.UNAUTHENTICATED
        )
        plain = grpc.aio.insecure_channel(str(harness.server.address))
        async with plain:
            method: Any = plain.unary_unary("/basanite.v1.VerifierService/Describe")
            assert await _code(method(b"", timeout=5)) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("unix:/run/b.sock", Address(path=Path("/run/b.sock")), True),
        ("unix:///run/b.sock", Address(path=Path("/run/b.sock")), True),
        ("127.0.0.1:50051", Address(host="127.0.0.1", port=50051), True),
        ("127.3.2.1:1", Address(host="127.3.2.1", port=1), True),
        ("localhost:1", Address(host="localhost", port=1), True),
        ("[::1]:1", Address(host="::1", port=1), True),
        ("0.0.0.0:1", Address(host="0.0.0.0", port=1), False),
        ("[::]:1", Address(host="::", port=1), False),
        ("localhost.example:1", Address(host="localhost.example", port=1), False),
    ],
)
def test_addresses(text: str, address: Address, loopback: bool) -> None:
    assert parse_address(text) == address
    assert parse_address(text).is_loopback is loopback
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", "x", ":1", "host:", "host:70000", "::1:50051", "unix:", "unix-abstract:x", "unix:/" + "x" * 120],
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_address(text)


def test_secrets_leave_the_environment_of_the_process() -> None:
    script = (
        "import os\n"
        "from basanite_services.chassis.settings import load_settings\n"
        "s = load_settings(['--listen', 'unix:/tmp/x'])\n"
        "assert s.token.get_secret_value() == 'correct-horse-battery'\n"
        "assert s.seed_secret.get_secret_value() == 'seed-secret-seed-secret'\n"
        "assert not {'BASANITE_TOKEN', 'BASANITE_SEED_SECRET'} & set(os.environ)\n"
        "shown = open('/proc/self/environ', 'rb').read()\n"
        "assert b'correct-horse' not in shown and b'seed-secret-seed' not in shown\n"
        "assert b'OTHER=kept' in shown and os.environ['OTHER'] == 'kept'\n"
        "assert 'correct-horse' not in repr(s)\n"
    )
    environment = {
        "BASANITE_TOKEN": TOKEN,
        "BASANITE_SEED_SECRET": "seed-secret-seed-secret",
        "OTHER": "kept",
    }
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
