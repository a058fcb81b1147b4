"""One client: several event loops, threads, and both sides of a fork."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import pytest
from building import item, numbered
from fake_server import FakeServer
from programs import run_program
from server_process import ServerProcess

from basanite import Assurance, AsyncClient, Client


def test_one_asynchronous_client_serves_several_event_loops(server: FakeServer) -> None:
    client = AsyncClient(server.address)

    async def main() -> None:
        assert (await client.verify(item())).passed
        assert all(r.passed for r in await client.verify_batch(numbered(5)))
        assert len([r async for r in client.stream(numbered(5))]) == 5

    for _ in range(3):
        asyncio.run(main())
    asyncio.run(client.close())


def test_an_event_loop_that_ends_in_the_middle_of_a_call_does_no_harm(server: FakeServer) -> None:
    client = AsyncClient(server.address)

    async def give_up() -> None:
        task = asyncio.create_task(client.verify_batch([item("hang", "h"), item("pass", "p")]))
        assert await asyncio.to_thread(server.arrived.wait, 5)
        del task

    asyncio.run(give_up())
    assert server.cancelled.wait(5)
    assert asyncio.run(client.verify(item("pass", "after"))).passed
    asyncio.run(client.close())


def test_one_asynchronous_client_serves_event_loops_in_several_threads(server: FakeServer) -> None:
    client = AsyncClient(server.address)
    with ThreadPoolExecutor(4) as pool:
        batches = pool.map(lambda n: asyncio.run(client.verify_batch(numbered(20))), range(8))
        assert all(r.passed for batch in batches for r in batch)
    asyncio.run(client.close())


def test_one_synchronous_client_serves_several_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(r.passed for r in pool.map(client.verify, numbered(40)))
        batches = pool.map(lambda n: client.verify_batch(numbered(20)), range(8))
        assert all(r.passed for batch in batches for r in batch)


def test_a_pickled_client_connects_anew(
    serve: Callable[..., FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(token="secret")
    monkeypatch.setenv("BASANITE_ADDRESS", server.address)
    monkeypatch.setenv("BASANITE_TOKEN", "secret")
    asynchronous, synchronous = AsyncClient(require_assurance=Assurance.GUARDED), Client()
    with synchronous:
        assert synchronous.verify(item()).passed
        monkeypatch.delenv("BASANITE_ADDRESS")
        monkeypatch.delenv("BASANITE_TOKEN")
        with cloudpickle.loads(cloudpickle.dumps(synchronous)) as copy:
            assert copy.verify(item()).passed
    copy = cloudpickle.loads(cloudpickle.dumps(asynchronous))
    assert asyncio.run(copy.verify(item("guarded"))).passed
    asyncio.run(copy.close())


def test_a_client_with_services_of_its_own_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="services of its own"):
        cloudpickle.dumps(AsyncClient.local())


def test_the_synchronous_client_works_inside_an_event_loop(client: Client) -> None:
    async def main() -> bool:
        return client.verify(item()).passed

    assert asyncio.run(main())


def test_waiting_for_a_client_in_its_own_callback_is_an_error_and_no_deadlock(client: Client) -> None:
    with pytest.raises(RuntimeError, match="callback"):
        client.verify_batch([item()], on_progress=lambda done, total: client.verify(item()))


def test_a_stream_that_is_dropped_is_closed(client: Client, server: FakeServer) -> None:
    results = client.stream([item("pass"), item("hang")])
    assert next(results).passed
    del results
    assert server.cancelled.wait(5)


def test_a_client_that_is_dropped_leaves_no_thread(server: FakeServer) -> None:
    import gc
    import threading

    others = threading.enumerate()  # of clients that other tests still use
    client = Client(server.address)
    assert client.verify(item()).passed
    [thread] = [t for t in threading.enumerate() if t.name == "basanite-client" and t not in others]
    del client
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


def script(text: str, *arguments: str) -> str:
    """Run a program of its own; returns what it prints."""
    done = run_program(text, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


SYNC = """
    from basanite import Client
    client = Client(sys.argv[1])
    def use():
        assert client.verify(item()).passed
        assert all(r.passed for r in client.verify_batch(numbered(20)))
        assert len(list(client.stream(iter(numbered(20))))) == 20
    def close(): client.close()
"""
ASYNC = """
    import asyncio
    from basanite import AsyncClient
    client = AsyncClient(sys.argv[1])
    async def main():
        assert (await client.verify(item())).passed
        assert all(r.passed for r in await client.verify_batch(numbered(20)))
        assert len([r async for r in client.stream(iter(numbered(20)))]) == 20
    def use(): asyncio.run(main())
    def close(): asyncio.run(client.close())
"""


@pytest.mark.parametrize("kind", [SYNC, ASYNC], ids=["sync", "async"])
def test_parent_and_child_both_go_on_after_a_fork(server_process: ServerProcess, kind: str) -> None:
    out = script(
        "import os\nfrom building import item, numbered\n"
        + textwrap.dedent(kind)
        + textwrap.dedent(
            """
            use()
            for generation in range(5):
                child = os.fork()
                if child == 0:
                    use()
                    grandchild = os.fork()
                    if grandchild == 0:
                        use()
                        close()
                        os._exit(0)
                    assert os.waitpid(grandchild, 0)[1] == 0
                    use()
                    sys.exit(0)
                use()
                assert os.waitpid(child, 0)[1] == 0
                use()
            close()
            print("done")
            """
        ),
        server_process.address,
    )
    assert out.count("done") == 1


def test_a_fork_in_the_middle_of_calls_disturbs_neither_side(server_process: ServerProcess) -> None:
    out = script(
        """
        import os, threading
        from building import item, numbered
        from basanite import Client
        client = Client(sys.argv[1])
        outcome = []
        def work():
            outcome.append(client.verify_batch([item("slow=1.0"), *numbered(5)]))
        worker = threading.Thread(target=work)
        worker.start()
        client.verify(item())
        for _ in range(3):
            child = os.fork()
            if child == 0:
                assert client.verify(item()).passed
                os._exit(0)
            assert client.verify(item()).passed
            assert os.waitpid(child, 0)[1] == 0
        worker.join()
        assert all(r.passed for r in outcome[0])
        client.close()
        print("done")
        """,
        server_process.address,
    )
    assert out == "done\n"


def test_multiprocessing_by_fork_works(server_process: ServerProcess) -> None:
    out = script(
        """
        import multiprocessing
        from building import item, numbered
        from basanite import Client
        client = Client(sys.argv[1])
        client.verify(item())
        def work(n):
            return sum(r.passed for r in client.verify_batch(numbered(10)))
        with multiprocessing.get_context("fork").Pool(3) as pool:
            assert pool.map(work, range(6)) == [10] * 6
        assert work(0) == 10
        print("done")
        """,
        server_process.address,
    )
    assert out == "done\n"


def test_a_program_that_never_closes_its_client_ends(server_process: ServerProcess) -> None:
    out = script(
        """
        import threading
        from building import item
        from basanite import Client
        client = Client(sys.argv[1])
        assert client.verify(item()).passed
        def wait_for_ever():
            yield item()
            threading.Event().wait()
        assert next(client.stream(wait_for_ever())).passed
        print("done")
        """,
        server_process.address,
    )
    assert out == "done\n"


def test_ctrl_c_ends_a_call(server_process: ServerProcess) -> None:
    out = script(
        """
        import signal, threading, time
        from building import item
        from basanite import Client
        client = Client(sys.argv[1])
        assert client.verify(item()).passed
        main = threading.main_thread().ident
        threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
        start = time.monotonic()
        try:
            client.verify(item("hang"))
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - start < 5)
        client.close()
        """,
        server_process.address,
    )
    assert out == "interrupted True\n"


def test_two_thousand_items_cost_less_than_a_fifth_of_a_millisecond_of_cpu_each(
    server_process: ServerProcess,
) -> None:
    out = script(
        """
        import resource
        from building import item, numbered
        from basanite import Client
        def cpu():
            usage = resource.getrusage(resource.RUSAGE_SELF)
            return usage.ru_utime + usage.ru_stime
        client = Client(sys.argv[1])
        client.verify(item())
        costs = []
        for _ in range(3):
            items = numbered(2000)
            before = cpu()
            assert all(r.passed for r in client.verify_batch(items))
            costs.append((cpu() - before) / 2000)
        client.close()
        print(min(costs))
        """,
        server_process.address,
    )
    assert float(out) < 0.0002
